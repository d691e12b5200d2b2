"""Detectors over real tape, by the product's own readers: what they say is counted, not called false."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_S
from engine.detectors import NEED_ORDERS, AlarmKind
from engine.evaluate import detect_file
from tests.detectors.markets import kinds

SHARED = Path(__file__).parents[2] / "../shared/data"
NEVER = {AlarmKind.QUOTE_STUFFING, AlarmKind.LATENCY_ARBITRAGE, *NEED_ORDERS}
MOST_PER_MINUTE = 4


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the repository")
def test_a_real_clip_raises_few_alarms_and_none_of_what_is_not_there():
    result = detect_file(SHARED / "binance_l2_2024/spot_ethusdt_20240809.jsonl.gz")
    assert result.problem is None
    assert result.silent == NEED_ORDERS, "it shows levels"
    assert result.length_ns > 300 * NS_PER_S
    assert not kinds(result.alarms) & NEVER
    assert len(result.alarms) < MOST_PER_MINUTE * result.length_ns / (60 * NS_PER_S)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the repository")
def test_a_quiet_capture_raises_none():
    result = detect_file(SHARED / "venue_ws_captures_2021/KUCOIN.ws.1.0.txt.gz")
    assert result.events > 1_000
    assert result.alarms == []
