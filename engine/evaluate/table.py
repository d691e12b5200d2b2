"""The table of the evaluation: what each detector found, what it said without reason, and how sure that is.

    recall          storms of its own with an alarm, of all
    precision       right alarms of right and false ones; further alarms of a storm already found, and alarms
                    in the storms of its kin, count for neither
                    (nor do those before a storm: that stretch is the calm case of the same seed)
    delay           from the storm's start to the first alarm; before_peak: share of those before the peak
    false_per_hour  in calm markets; with none at all, the bound 3/hours stands beside it
    decoys          share of decoys and of foreign storms in which it raised anything

Intervals are 95 % by bootstrap over seeds (Efron 1979), 500 resamples of a fixed stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.rng import Stream
from engine.detectors import AlarmKind
from engine.evaluate.cases import Outcome
from engine.evaluate.truth import TRUTH

__all__ = ["Interval", "Row", "judge"]

RESAMPLES = 500
_STREAM = 0xE7A1
_NS_PER_HOUR = 3_600 * NS_PER_S


class Interval(NamedTuple):
    """An estimate and where it lies with 95 %."""

    value: float | None
    """None: nothing to estimate it from."""
    low: float | None
    high: float | None


class Row(NamedTuple):
    """One detector."""

    kind: AlarmKind
    storms: int
    recall: Interval
    precision: Interval
    f1: float | None
    delay_s: float | None
    before_peak: float | None
    false_per_hour: float
    false_bound_per_hour: float
    """3/hours: the most that is compatible with none at 95 %."""
    calm_hours: float
    decoys: float | None


class _Count(NamedTuple):
    """What one case says of one detector."""

    seed: int
    storms: int
    found: int
    right: int
    false: int


def judge(outcomes: Sequence[Outcome]) -> list[Row]:
    """One row for each detector, in the order of AlarmKind."""
    return [_row(kind, outcomes) for kind in AlarmKind]


def _row(kind: AlarmKind, outcomes: Sequence[Outcome]) -> Row:
    counts = [_count(kind, outcome) for outcome in outcomes]
    recall = _bootstrap(counts, _recall)
    precision = _bootstrap(counts, _precision)
    truth = TRUTH[kind]
    delays = [
        (outcome, first)
        for outcome in outcomes
        if outcome.case.storm in truth.finds and (first := _first(kind, outcome)) is not None
    ]
    calm = [o for o in outcomes if o.case.storm is None]
    hours = sum(o.length_ns for o in calm) / _NS_PER_HOUR
    others = [
        o for o in outcomes if o.case.storm is not None and o.case.storm not in (*truth.finds, *truth.kin)
    ]
    false_calm = sum(_count(kind, o).false for o in calm)
    f1 = None
    if recall.value is not None and precision.value is not None and recall.value + precision.value > 0:
        f1 = 2 * recall.value * precision.value / (recall.value + precision.value)
    return Row(
        kind=kind,
        storms=sum(c.storms for c in counts),
        recall=recall,
        precision=precision,
        f1=f1,
        delay_s=median((t - o.start_ns) / NS_PER_S for o, t in delays) if delays else None,
        before_peak=sum(t < o.peak_ns for o, t in delays) / len(delays) if delays else None,
        false_per_hour=false_calm / hours if hours else 0.0,
        false_bound_per_hour=3.0 / hours if hours else float("inf"),
        calm_hours=hours,
        decoys=sum(bool(_count(kind, o).false) for o in others) / len(others) if others else None,
    )


def _count(kind: AlarmKind, outcome: Outcome) -> _Count:
    truth, storm = TRUTH[kind], outcome.case.storm
    # Before its storm a case is the same market as the calm case of its seed: that is judged once, there.
    begins_ns = 0 if storm is None else outcome.start_ns
    alarms = [a for a in outcome.alarms if a.kind == kind and a.time_ns >= begins_ns]
    others = [a for a in alarms if a.number not in outcome.twap_alarms]
    is_own = storm in truth.finds
    found = is_own and _first(kind, outcome) is not None
    # What a storm leaves behind it is still the storm's.
    false = 0 if is_own or storm in truth.kin else len(others)
    right = int(found) if is_own else len(alarms) - len(others)
    return _Count(outcome.case.seed, int(is_own), int(found), right, false)


def _first(kind: AlarmKind, outcome: Outcome) -> int | None:
    return next(
        (
            a.time_ns
            for a in outcome.alarms
            if a.kind == kind and outcome.start_ns <= a.time_ns <= outcome.end_ns
        ),
        None,
    )


def _recall(counts: Sequence[_Count]) -> float | None:
    storms = sum(c.storms for c in counts)
    return sum(c.found for c in counts) / storms if storms else None


def _precision(counts: Sequence[_Count]) -> float | None:
    right = sum(c.right for c in counts)
    raised = right + sum(c.false for c in counts)
    return right / raised if raised else None


def _bootstrap(counts: Sequence[_Count], estimate: Callable[[Sequence[_Count]], float | None]) -> Interval:
    by_seed: dict[int, list[_Count]] = {}
    for count in counts:
        by_seed.setdefault(count.seed, []).append(count)
    sums = [
        _Count(seed, *(sum(values) for values in zip(*(c[1:] for c in own), strict=True)))
        for seed, own in by_seed.items()
    ]
    stream = Stream(0, _STREAM)
    drawn = [
        value
        for _ in range(RESAMPLES)
        if (value := estimate([sums[stream.below(len(sums))] for _ in sums])) is not None
    ]
    value = estimate(sums)
    if value is None or not drawn:
        return Interval(None, None, None)
    drawn.sort()
    return Interval(value, drawn[len(drawn) * 25 // 1_000], drawn[len(drawn) * 975 // 1_000])
