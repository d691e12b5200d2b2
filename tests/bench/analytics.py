"""Benchmark `analytics`: what the market's features cost per event, and what they cost in pure Python."""

from __future__ import annotations

from collections.abc import Callable

from tests.analytics.speed import SAMPLE, TRADE, Work
from tests.bench.market import Ran, new_session, run, scenario_name, warm_up
from tests.bench.measure import Benchmark, Requirement, Row, Step, Steps, compare, take_turns

__all__ = ["BENCHMARK"]

BUDGET_S, QUICK_BUDGET_S = 6.0, 0.5
RUNS = 5
MOST_MORE = Requirement(40, "at most more", "ns")
TIMES_PYTHON = Requirement(80, "times better")


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """ns of CPU per public event with the analytics on and off, over the same span."""
    budget_s, runs = (QUICK_BUDGET_S, 1) if quick else (BUDGET_S, RUNS)
    market = scenario_name()
    warning = warm_up()
    steps = Steps(report, 1 + 6 * runs)
    steps.next(f"{market}: how far in {budget_s:g} s")
    until_ns = run(new_session(), most_cpu_s=budget_s).session_ns
    on: list[Ran] = []
    off: list[Ran] = []
    for _ in range(runs):
        steps.next(f"{market}, analytics on")
        on.append(run(new_session(), most_cpu_s=4 * budget_s, until_ns=until_ns))
        steps.next(f"{market}, analytics off")
        off.append(run(new_session(analytics=False), most_cpu_s=4 * budget_s, until_ns=until_ns))
    digests = {ran.session.event_digest for ran in (*on, *off)}
    assert len(digests) == 1, f"the same market gave different events: {digests}"
    with_ns = min(map(_ns_per_event, on))
    without_ns = min(map(_ns_per_event, off))
    return [
        compare(
            "analytics",
            f"{market}, {on[0].span}, per event",
            "ns",
            ours=with_ns,
            reference="analytics off",
            theirs=without_ns,
            requires=MOST_MORE,
            why=warning,
        ),
        *(_beside_python(work, steps, 1 if quick else RUNS) for work in (TRADE, SAMPLE)),
    ]


BENCHMARK = Benchmark(
    name="analytics",
    work="analytics on, per event",
    reference="analytics off; the same formulas in pure Python",
    requires=(MOST_MORE, TIMES_PYTHON),
    measure=measure,
)


def _beside_python(work: Work, steps: Steps, runs: int) -> Row:
    """One thing that the analytics do, compiled and by the same formulas in Python."""
    timings = take_turns(work.contenders(runs), steps, where=work.name)
    return compare(
        "analytics",
        f"{work.name}, each",
        "ns",
        ours=timings["compiled"].cpu_ns / work.compiled_times,
        reference="the same formulas in pure Python",
        theirs=timings["python"].cpu_ns / work.python_times,
        requires=TIMES_PYTHON,
    )


def _ns_per_event(ran: Ran) -> float:
    return ran.cpu_ns / ran.session.event_count
