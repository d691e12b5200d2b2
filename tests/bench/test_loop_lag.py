"""How late the screen's event loop is while the market runs as fast as it can (printed, not asserted)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from desk.app import SWITCH_INTERVAL_S, DeskApp, DeskOptions
from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.host import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig

pytestmark = pytest.mark.bench

TICK_S = 0.005
MEASURED_S = 10


@pytest.mark.parametrize(("scenario", "speed"), [("balanced", 1.0), ("stress_test", 1.0), ("balanced", None)])
async def test_lag_of_the_event_loop(
    scenario: str, speed: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    host = SessionHost(SessionConfig(load_scenario(scenario)), LiveOptions(runs_root=tmp_path, speed=speed))
    app = DeskApp(host, options=DeskOptions(coach=False))
    lags: list[float] = []
    try:
        async with app.run_test(size=(160, 48)):
            host.run_thread()
            until = monotonic_ns() + MEASURED_S * 1_000 * NS_PER_MS
            while monotonic_ns() < until:
                asked = monotonic_ns()
                await asyncio.sleep(TICK_S)
                lags.append((monotonic_ns() - asked) / NS_PER_MS - TICK_S * 1_000)
    finally:
        sys.setswitchinterval(before)
    lags.sort()
    pace = "max" if speed is None else f"{speed:g}"
    print(
        f"\n{scenario} at {pace}: loop lag p50 {lags[len(lags) // 2]:.1f} ms, "
        f"p99 {lags[len(lags) * 99 // 100]:.1f} ms, max {lags[-1]:.1f} ms; "
        f"session {host.session.now_ns / 1e9:.1f} s in {MEASURED_S} s"
    )
