"""Many seeds over several processes. Invariant: the results are the same however many there are."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from threading import current_thread, main_thread
from typing import NamedTuple

from engine.arena.machine import load
from engine.core.errors import StormdeskError
from engine.measure.pair import SeedResult, run_seed
from engine.measure.plan import Plan
from engine.measure.sizing import SameSize

__all__ = ["Job", "SeedFailed", "run_jobs"]


class Job(NamedTuple):
    """One seed of one plan."""

    plan: Plan
    seed: int
    size: SameSize | None = None
    """How trials are fitted to the market that they find; None: not at all."""


class SeedFailed(StormdeskError):
    """A seed whose measurement broke off; the message says why, in words of the worker."""

    def __init__(self, job: Job, reason: str) -> None:
        super().__init__(f"seed {job.seed}: {reason}")
        self.job = job


def run_jobs(
    jobs: Sequence[Job], *, processes: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[SeedResult]:
    """The results, in the order of the jobs. Raises SeedFailed for the first that fails; the others of it
    are then left undone, and no worker stays behind, also not when Ctrl-C comes."""
    progress(0, len(jobs))
    load()  # the workers then find the machine code in the cache
    if processes == 1 or len(jobs) == 1:
        return _run_here(jobs, progress)
    executor = ProcessPoolExecutor(
        min(processes, len(jobs)), mp_context=get_context("spawn"), initializer=_begin_worker
    )
    before = active_children()
    try:
        with _interrupts_held():
            futures = {executor.submit(_run, job): number for number, job in enumerate(jobs)}
        results = _collect(jobs, futures, progress)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        workers = [child for child in active_children() if child not in before]
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.join()
        raise
    executor.shutdown()
    return results


def _run_here(jobs: Sequence[Job], progress: Callable[[int, int], None]) -> list[SeedResult]:
    results = []
    for done, job in enumerate(jobs, 1):
        result = _run(job)
        if isinstance(result, str):
            raise SeedFailed(job, result)
        results.append(result)
        progress(done, len(jobs))
    return results


def _collect(
    jobs: Sequence[Job],
    futures: dict[Future[SeedResult | str], int],
    progress: Callable[[int, int], None],
) -> list[SeedResult]:
    results: dict[int, SeedResult] = {}
    for future in as_completed(futures):
        number = futures[future]
        try:
            result = future.result()
        except BrokenProcessPool:
            result = "its process, or that of a seed beside it, was ended from outside (out of memory?)"
        if isinstance(result, str):
            raise SeedFailed(jobs[number], result)
        results[number] = result
        progress(len(results), len(jobs))
    return [results[number] for number in range(len(jobs))]


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits while processes begin: half-begun ones would print what has hit them, and those begun
    inherit that it does not reach them. It goes to all processes of a terminal, and the first one acts."""
    if current_thread() is not main_thread():
        yield
        return
    came: list[int] = []
    # Both: the mask is inherited, the handler holds back what another thread of this process was given.
    handler = signal.signal(signal.SIGINT, lambda number, frame: came.append(number))
    mask = _mask("SIG_BLOCK", {signal.SIGINT})
    try:
        yield
    finally:
        _mask("SIG_SETMASK", mask)
        signal.signal(signal.SIGINT, handler)
    if came:
        raise KeyboardInterrupt


def _mask(how: str, signals: Iterable[int]) -> Iterable[int]:
    """Changes what this thread and its children hear; returns what it was. Not every system can."""
    if not hasattr(signal, "pthread_sigmask"):
        return ()
    return signal.pthread_sigmask(getattr(signal, how), signals)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held
    load()


def _run(job: Job) -> SeedResult | str:
    """The result, or why there is none: exceptions of all kinds do not travel between processes."""
    try:
        return run_seed(job.plan, job.seed, job.size)
    except StormdeskError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
