"""Runs cases, in this process or in several; the outcomes are the same, in the order of the cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from engine.arena import machine
from engine.core.errors import UsageError
from engine.evaluate.cases import Case
from engine.evaluate.watching import Outcome, run_case

__all__ = ["run_cases"]

CASES_AT_ONCE = 4
"""Handed to a process together."""


def run_cases(
    cases: Sequence[Case], *, processes: int = 1, progress: Callable[[int, int], object] | None = None
) -> list[Outcome]:
    """progress(done, total) after each. Raises UsageError when a process has died."""
    report = progress or (lambda done, total: None)
    machine.load()
    outcomes: list[Outcome] = []
    if processes == 1:
        for case in cases:
            outcomes.append(run_case(case))
            report(len(outcomes), len(cases))
        return outcomes
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_begin)
    try:
        for outcome in pool.map(run_case, cases, chunksize=CASES_AT_ONCE):
            outcomes.append(outcome)
            report(len(outcomes), len(cases))
    except BrokenProcessPool:
        raise UsageError(
            "a process of the evaluation has died, perhaps for want of memory: use fewer --processes"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)
    return outcomes


def _begin() -> None:
    """A new process: machine code from the cache."""
    machine.load()
