"""The face of a benchmark, and how all of them measure: CPU time, in turns, the least of many runs.

Machines are noisy and other work comes and goes, so only figures of one process, taken in turns, are
compared; and a figure counts only when all contenders that can say so came to the same result.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from desk.bench import Row, Step, Verdict

__all__ = [
    "Benchmark",
    "Contender",
    "NotHere",
    "Requirement",
    "Row",
    "Step",
    "Steps",
    "Timing",
    "compare",
    "take_turns",
]


class NotHere(Exception):
    """Something that a comparison needs is not installed, or does not exist yet; says what to do."""


class Requirement(NamedTuple):
    """A bound that a row must reach."""

    bound: float
    kind: Literal["at most times", "times better", "at most", "at least", "at most more"]
    """at most times: ours / theirs. times better: theirs / ours for costs, ours / theirs for rates. at most,
    at least: ours alone. at most more: ours - theirs."""
    unit: str = ""

    def __str__(self) -> str:
        number = f"{self.bound:,.10g}"
        unit = f" {self.unit}" if self.unit else ""
        return {
            "at most times": f"<= {number}x",
            "times better": f">= {number}x",
            "at most": f"<= {number}{unit}",
            "at least": f">= {number}{unit}",
            "at most more": f"<= +{number}{unit}",
        }[self.kind]


class Steps:
    """Counts a benchmark's steps, for the progress bar."""

    def __init__(self, report: Callable[[Step], None], total: int) -> None:
        self._report = report
        self._total = total
        self._done = 0

    def next(self, what: str) -> None:
        """The next step begins."""
        self._report(Step(min(self._done, self._total), self._total, what))
        self._done += 1


class Benchmark(NamedTuple):
    """One benchmark; its name is its module's."""

    name: str
    work: str
    reference: str
    requires: tuple[Requirement, ...]
    measure: Callable[[bool, Callable[[Step], None]], list[Row]]
    """measure(quick, report) -> rows. Raises AssertionError when contenders disagree, never for slowness."""


class Contender(NamedTuple):
    """One way to do a benchmark's work."""

    name: str
    prepare: Callable[[], Any]
    """Makes what the work changes; not measured."""
    work: Callable[[Any], object]
    """What is measured; gets what `prepare` made."""
    answer: Callable[[Any], object] = lambda _state: None
    """Its result, from what `prepare` made, after the work; None: it cannot say. Not measured."""
    runs: int = 3


class Timing(NamedTuple):
    """What became of a contender."""

    cpu_ns: float
    answer: object


def take_turns(contenders: Sequence[Contender], steps: Steps, *, where: str) -> dict[str, Timing]:
    """Least CPU time of each contender's runs. Those with fewer runs take part in fewer rounds.

    Raises AssertionError when two that can name their answer differ.
    """
    rounds = max(contender.runs for contender in contenders)
    timings: dict[str, Timing] = {}
    for turn in range(rounds):
        for contender in contenders:
            if turn * contender.runs // rounds == (turn - 1) * contender.runs // rounds:
                continue
            steps.next(f"{where}: {contender.name}")
            state = contender.prepare()
            cpu_ns = _cpu_ns(contender.work, state)
            known = timings.get(contender.name)
            timings[contender.name] = Timing(
                cpu_ns if known is None else min(known.cpu_ns, cpu_ns), contender.answer(state)
            )
    answers = {name: timing.answer for name, timing in timings.items() if timing.answer is not None}
    assert len(set(answers.values())) <= 1, f"{where}: the contenders came to different results: {answers}"
    return timings


def _cpu_ns(work: Callable[[Any], object], state: Any) -> int:
    """CPU time of one call, without the garbage collector's (it helps whoever makes many objects)."""
    gc.collect()
    gc.disable()
    try:
        started = time.process_time_ns()
        work(state)
        return time.process_time_ns() - started
    finally:
        gc.enable()


def compare(
    benchmark: str,
    work: str,
    unit: str,
    *,
    ours: float | None,
    reference: str = "",
    theirs: float | None = None,
    requires: Requirement | None = None,
    better: bool = False,
    why: str = "",
) -> Row:
    """A row with its ratio and verdict. `better`: without a requirement, how many times better ours is."""
    upper = not better if requires is None else requires.kind != "times better"
    rate = unit.endswith("/s")
    ratio = None
    if ours and theirs:
        ratio = ours / theirs if upper or rate else theirs / ours
    return Row(
        benchmark=benchmark,
        work=work,
        unit=unit,
        ours=ours,
        reference=reference,
        theirs=theirs,
        ratio=ratio,
        requires="" if requires is None else str(requires),
        verdict=_verdict(ours, theirs, ratio, requires),
        why=why,
    )


def _verdict(
    ours: float | None, theirs: float | None, ratio: float | None, requires: Requirement | None
) -> Verdict:
    if requires is None or ours is None:
        return "–"
    value = {
        "at most times": ratio,
        "times better": ratio,
        "at most": ours,
        "at least": ours,
        "at most more": None if theirs is None else ours - theirs,
    }[requires.kind]
    if value is None:
        return "–"
    met = value <= requires.bound if requires.kind.startswith("at most") else value >= requires.bound
    return "ok" if met else "short"
