"""The desk as the benchmark `live_desk` runs it: in a process of its own, on the terminal that it is given.

    python -m tests.bench.live_desk_process SCENARIO SPEED SECONDS FILE [--no-screen]

Writes what it measured as JSON to FILE. CPU time of the screen is that of the process without the engine's
thread. Lag is measured in a second span, because asking for it costs CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from desk.app import SWITCH_INTERVAL_S, DeskApp, DeskOptions
from engine.arena.machine import load
from engine.core.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from engine.host import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig

SETTLE_S = 3.0
"""From the first picture to the first measurement: imports, first layouts and style caches are over."""
TICK_S = 0.005
SEED = 42
_SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def main() -> None:
    """Measures, writes and leaves."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("speed", help="session seconds per second, or max")
    parser.add_argument("seconds", type=float)
    parser.add_argument("file", type=Path)
    parser.add_argument("--no-screen", action="store_true")
    arguments = parser.parse_args()
    speed = None if arguments.speed == "max" else float(arguments.speed)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    load()
    with tempfile.TemporaryDirectory() as folder:
        config = SessionConfig(load_scenario(arguments.scenario), seed=SEED)
        host = SessionHost(config, LiveOptions(runs_root=Path(folder), speed=speed))
        host.run_thread()
        if arguments.no_screen:
            found = _without_screen(host, arguments.seconds)
            host.stop()
        else:
            found = _with_screen(host, arguments.seconds)
    arguments.file.write_text(json.dumps(found))


def _with_screen(host: SessionHost, seconds: float) -> dict[str, float]:
    found: dict[str, float] = {}

    async def measure() -> None:
        await asyncio.sleep(SETTLE_S)
        found.update(await _pictures(app, host, seconds))
        found.update(await _lag(seconds))
        app.leave()

    app = DeskApp(host, options=DeskOptions(coach=False, on_ready=lambda: app.run_worker(measure())))
    app.run()
    if app.return_code or not found:
        raise SystemExit(app.return_code or 1)
    return found


async def _pictures(app: DeskApp, host: SessionHost, seconds: float) -> dict[str, float]:
    governor = app.bridge.governor
    frames, cpu_ns, session_ns = governor.drawn_total, _cpu_ns(), host.session.now_ns
    await asyncio.sleep(seconds)
    frames = governor.drawn_total - frames
    screen_ns, engine_ns = (now - then for now, then in zip(_cpu_ns(), cpu_ns, strict=True))
    return {
        "frames": frames,
        "screen_ms_per_frame": screen_ns / NS_PER_MS / max(frames, 1),
        "engine_ms_per_s": engine_ns / NS_PER_MS / seconds,
        "session_s": (host.session.now_ns - session_ns) / NS_PER_S,
    }


async def _lag(seconds: float) -> dict[str, float]:
    """How late the event loop wakes from short sleeps."""
    lags_ms: list[float] = []
    until = monotonic_ns() + seconds * NS_PER_S
    while monotonic_ns() < until:
        asked = monotonic_ns()
        await asyncio.sleep(TICK_S)
        lags_ms.append((monotonic_ns() - asked) / NS_PER_MS - TICK_S * 1_000)
    lags_ms.sort()
    last = len(lags_ms) - 1
    return {f"lag_{name}_ms": lags_ms[int(last * share)] for name, share in _SHARES.items()}


def _without_screen(host: SessionHost, seconds: float) -> dict[str, float]:
    time.sleep(SETTLE_S)
    before = _cpu_ns()
    time.sleep(seconds)
    spent_ns = sum(_cpu_ns()) - sum(before)
    return {"engine_ms_per_s": spent_ns / NS_PER_MS / seconds}


def _cpu_ns() -> tuple[int, int]:
    """CPU time so far of this process without the engine's thread, and of that thread."""
    (engine,) = (thread for thread in threading.enumerate() if thread.name == "engine")
    assert engine.ident is not None
    engine_ns = time.clock_gettime_ns(time.pthread_getcpuclockid(engine.ident))
    return time.process_time_ns() - engine_ns, engine_ns


if __name__ == "__main__":
    main()
