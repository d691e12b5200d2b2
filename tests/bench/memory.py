"""Benchmark `memory`: what a session's process holds after many events and after ten times as many."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.bench.market import new_session, run, scenario_name, warm_up
from tests.bench.measure import Benchmark, NotHere, Requirement, Row, Step, Steps, compare

__all__ = ["BENCHMARK"]

EVENTS, QUICK_EVENTS = 50_000_000, 200_000
SHARE = 10
"""The first look comes after this part of the events."""
PARTS = 30
"""Looks in all."""
BUDGET_S = 120.0
NO_END_NS = (1 << 62) - 1
TIMES_BEFORE = Requirement(1.1, "at most times")


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Resident MiB after the events and after a tenth of them; fewer events where the CPU budget ends."""
    events = QUICK_EVENTS if quick else EVENTS
    steps = Steps(report, PARTS)
    warning = warm_up()
    try:
        resident_mib()
        looks = _looks(events, steps)
    except NotHere as missing:
        return [compare("memory", "resident memory", "MiB", ours=None, why=str(missing))]
    last_events, last_mib = looks[-1]
    cut_short = (
        "" if last_events >= events else f"a budget of {BUDGET_S:g} s CPU ended before {events:,} events"
    )
    first_events, first_mib = min(looks, key=lambda look: abs(look[0] - last_events / SHARE))
    return [
        compare(
            "memory",
            f"{scenario_name()}, memory after {last_events:,} events",
            "MiB",
            ours=last_mib,
            reference=f"after {first_events:,}",
            theirs=first_mib,
            requires=TIMES_BEFORE,
            why=warning or cut_short,
        )
    ]


BENCHMARK = Benchmark(
    name="memory",
    work="resident memory after 50M kernel events",
    reference="after 5M, in the same process",
    requires=(TIMES_BEFORE,),
    measure=measure,
)


def resident_mib() -> float:
    """What this process holds in memory. Raises NotHere on a system that does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        raise NotHere("needs /proc/self/statm (Linux)") from None
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _looks(events: int, steps: Steps) -> list[tuple[int, float]]:
    """(kernel events, MiB) after each part of the way."""
    session = new_session()
    looks: list[tuple[int, float]] = []
    for part in range(1, PARTS + 1):
        steps.next(f"{session.kernel.processed:,} events")
        run(
            session,
            most_cpu_s=BUDGET_S / PARTS,
            until_ns=NO_END_NS,
            until_events=events * part // PARTS,
        )
        looks.append((session.kernel.processed, resident_mib()))
    return looks
