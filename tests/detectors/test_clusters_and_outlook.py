"""What is made of alarms: clusters, windows of stress, health, large orders."""

from __future__ import annotations

from math import log

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import NO_SIDE, StormKind
from engine.detectors import (
    Alarm,
    AlarmKind,
    FileDetection,
    cluster_alarms,
    health_of,
    large_order_of,
    stress_windows,
)
from tests.detectors.markets import Tape, record


def alarm(number: int, kind: AlarmKind, start_s: float, end_s: float, severity: float = 0.5) -> Alarm:
    start_ns, end_ns = int(start_s * NS_PER_S), int(end_s * NS_PER_S)
    return Alarm(number, kind, end_ns, start_ns, number, number + 1, 0, NO_SIDE, severity, 1.0, 0)


def test_a_cluster_closes_on_a_gap():
    kind = AlarmKind.PHANTOM_LIQUIDITY
    clusters = cluster_alarms(
        [alarm(1, kind, 10, 11, 0.4), alarm(2, kind, 15.9, 16, 0.8), alarm(3, kind, 22, 23)]
    )
    assert [len(cluster.alarms) for cluster in clusters] == [2, 1]
    assert clusters[0].composite == pytest.approx(0.8 * (1 + log(2)))
    assert (clusters[0].first_event, clusters[0].last_event) == (1, 3)


def test_crash_and_ignition_are_one_event():
    crash, ignition = AlarmKind.FLASH_CRASH_WARNING, AlarmKind.MOMENTUM_IGNITION
    (cluster,) = cluster_alarms([alarm(2, crash, 12, 14), alarm(1, ignition, 10, 13)])
    assert cluster.kinds == (ignition, crash)


def test_other_kinds_are_events_of_their_own():
    clusters = cluster_alarms(
        [alarm(1, AlarmKind.SPOOFING, 10, 11), alarm(2, AlarmKind.PHANTOM_LIQUIDITY, 10, 11)]
    )
    assert len(clusters) == 2


def test_stress_windows_merge_over_short_gaps():
    levels = [(s * NS_PER_S // 2, level) for s, level in enumerate([0, 2, 3, 0, 2, 0, 0, 0, 0, 2])]
    windows = stress_windows(levels, least=2)
    assert [(w.start_ns, w.end_ns, w.peak) for w in windows] == [
        (NS_PER_S // 2, 2 * NS_PER_S, 3),
        (9 * NS_PER_S // 2, 9 * NS_PER_S // 2, 2),
    ]


def test_a_quiet_market_is_safe_and_without_large_orders():
    tape = Tape()
    tape.quiet(15.0)
    detection = FileDetection()
    assert health_of(detection) is None
    detection.take_events(tape.events())
    health = health_of(detection)
    assert health is not None
    assert (health.score, health.warning_level) == (100.0, "safe")
    assert large_order_of(detection) == ("low", 0.0, ())


def test_a_crash_makes_liquidity_critical():
    market = record(31, StormKind.CRASH, 1.0, seconds=54)
    assert market.session.detection is not None
    health = health_of(market.session.detection)
    assert health is not None
    assert health.score < 60
    assert health.warning_level in ("warning", "critical")


def test_slices_are_a_large_order():
    market = record(32, StormKind.SLICES, seconds=58)
    assert market.session.detection is not None
    order = large_order_of(market.session.detection)
    assert "twap_like_child_orders" in order.patterns
    assert order.score == pytest.approx(0.78)
    assert order.warning_level == "high"
