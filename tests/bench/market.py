"""The market of the benchmarks that run a session: 1,117 agents as in ABIDES rmsc04, when it is there."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from engine.arena.machine import load
from engine.core.clock import NS_PER_S
from engine.host import LiveOptions, SessionHost
from engine.scenarios import list_scenarios, load_scenario
from engine.session import Session, SessionConfig

__all__ = ["DAY_NS", "Ran", "new_session", "record", "run", "scenario_name", "warm_up"]

SEED = 42
DAY_NS = int(6.5 * 3_600) * NS_PER_S
"""A trading day: 6.5 hours."""
_SLICE_NS = 10 * NS_PER_S
_STAND_IN = "stress_test"


class Ran(NamedTuple):
    """How far a session came, and what it took."""

    session: Session
    kernel_events: int
    cpu_ns: int
    session_ns: int

    @property
    def events_per_s(self) -> float:
        """Kernel events per second of CPU."""
        return self.kernel_events * 1e9 / self.cpu_ns

    @property
    def span(self) -> str:
        """The simulated time, in words."""
        minutes = self.session_ns / NS_PER_S / 60
        return f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.1f} min"


def scenario_name() -> str:
    """`rmsc04`, or the busiest preset while there is none."""
    return "rmsc04" if "rmsc04" in list_scenarios() else _STAND_IN


def new_session(**more: Any) -> Session:
    """A session of that market, at its start; `more` are further fields of SessionConfig."""
    return Session(SessionConfig(load_scenario(scenario_name()), seed=SEED, **more))


def warm_up() -> str:
    """Makes machine code live, so that getting it is in no figure. Returns what went wrong, if anything."""
    warning = load().warning
    new_session().advance(NS_PER_S)
    return warning or ""


def run(
    session: Session,
    *,
    most_cpu_s: float,
    until_ns: int = DAY_NS,
    until_events: int | None = None,
) -> Ran:
    """Advances in slices of ten seconds to a time, a number of kernel events or the end of a CPU budget."""
    first_ns, first_events = session.now_ns, session.kernel.processed
    cpu_ns = 0
    while session.now_ns < until_ns and cpu_ns < most_cpu_s * 1e9:
        if until_events is not None and session.kernel.processed >= until_events:
            break
        started = time.process_time_ns()
        session.advance(min(session.now_ns + _SLICE_NS, until_ns))
        cpu_ns += time.process_time_ns() - started
    return Ran(session, session.kernel.processed - first_events, cpu_ns, session.now_ns - first_ns)


def record(*, until_ns: int) -> Ran:
    """The market as `stormdesk run --headless` runs it: with a journal, checkpoints and snapshots on disk."""
    with tempfile.TemporaryDirectory(prefix="stormdesk-bench-") as folder:
        host = SessionHost(
            SessionConfig(load_scenario(scenario_name()), seed=SEED),
            LiveOptions(runs_root=Path(folder), speed=None, record=True, until_ns=until_ns, frame_hz=1.0),
        )
        started = time.process_time_ns()
        host.run_to_end()
        cpu_ns = time.process_time_ns() - started
        recorder = host.recorder
        assert recorder is not None
        assert recorder.error is None, recorder.error
        return Ran(host.session, host.session.kernel.processed, cpu_ns, host.session.now_ns)
