"""The table of the evaluation: what each detector found, what it said without reason, and how sure that is.

    recall          storms of its own with an alarm, of all
    precision       right alarms of right and false ones; further alarms of a storm already found, and alarms
                    in the storms of its kin, count for neither
                    (nor do those before a storm: that stretch is the calm of the same seed)
    AUC, PR-AUC     of the highest score of each window (watching.py), without the storms of its kin
    delay           from the storm's start to the first alarm
    before_peak     share of found storms that were told before the mid was farthest away
    lead            from the first alarm to that moment
    false_per_hour  in calm markets; with none at all, the bound 3/hours stands beside it
    elsewhere       share of foreign storms and decoys in which it raised anything
    prevalence      share of its own storms in all windows

Icebergs that were hardly refilled have shown themselves to nobody and are not judged (LEAST_TIPS in
watching.py). TWAP children are judged on their own storms in markets without institutions; where there are
institutions an alarm of theirs is right too.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.detectors import AlarmKind
from engine.evaluate.cases import LONG_S
from engine.evaluate.marks import (
    Interval,
    Windows,
    area_under_roc,
    average_precision,
    interval_of,
    precision_at,
)
from engine.evaluate.truth import TRUTH
from engine.evaluate.watching import Outcome

__all__ = ["Row", "first_alarm", "judge", "windows_of"]

_NS_PER_HOUR = 3_600 * NS_PER_S


class Row(NamedTuple):
    """One detector."""

    kind: AlarmKind
    storms: int
    recall: Interval
    precision: Interval
    f1: Interval
    auc: Interval
    pr_auc: Interval
    precision_at_80: float | None
    """The best precision of its score at a recall of at least 0.8."""
    delay_s: float | None
    """Median."""
    delay_share: float | None
    """Median of the delay as a share of the storm."""
    before_peak: float | None
    lead_s: float | None
    """Median, over found storms of LONG_S and more."""
    false_per_hour: float
    false_bound_per_hour: float
    """3/hours: the most that is compatible with none at 95 %."""
    calm_hours: float
    elsewhere: float | None
    prevalence: float
    size_error: float | None
    """Of native icebergs: mean of |expected - final| / final over all of their executions."""
    delay_refills: float | None
    """Of native icebergs: median of the tips that had been executed when they were told, each refilled."""


class _Count(NamedTuple):
    """What one case says of one detector."""

    storms: int
    found: int
    right: int
    false: int


def judge(outcomes: Sequence[Outcome]) -> list[Row]:
    """One row for each detector, in the order of AlarmKind."""
    return [_row(kind, outcomes) for kind in AlarmKind]


def first_alarm(kind: AlarmKind, outcome: Outcome) -> int | None:
    """Time of the first alarm of a storm."""
    return next(
        (
            a.time_ns
            for a in outcome.alarms
            if a.kind == kind and outcome.start_ns <= a.time_ns <= outcome.end_ns
        ),
        None,
    )


def windows_of(
    outcomes: Sequence[Outcome], finds: Sequence[StormKind], kin: Sequence[StormKind], column: int
) -> Windows:
    """One column of all windows but those of kin."""
    scores: list[float] = []
    own: list[bool] = []
    seeds: list[int] = []
    for outcome in outcomes:
        storm = outcome.case.storm
        if (storm in kin and storm not in finds) or not outcome.showed:
            continue
        values = outcome.windows[:, column].tolist()
        scores.extend(values)
        own.extend([storm in finds] * len(values))
        seeds.extend([outcome.case.seed] * len(values))
    return Windows(np.array(scores), np.array(own, bool), np.array(seeds, np.int64))


def _row(kind: AlarmKind, outcomes: Sequence[Outcome]) -> Row:
    truth = TRUTH[kind]
    alone = kind is AlarmKind.TWAP_CHILDREN
    judged = [o for o in outcomes if alone or o.case.institutions or o.case.storm is None]
    scored = [o for o in judged if not alone or not o.case.institutions]
    own = [o for o in scored if o.case.storm in truth.finds and o.showed]
    counts = _by_seed(kind, judged, own)
    found = [(o, at) for o in own if (at := first_alarm(kind, o)) is not None]
    calm = [o for o in judged if o.case.storm is None]
    hours = sum(o.length_ns for o in calm) / _NS_PER_HOUR
    false_calm = sum(_false(kind, o) for o in calm)
    others = [
        o for o in judged if o.case.storm is not None and o.case.storm not in (*truth.finds, *truth.kin)
    ]
    windows = windows_of(scored, truth.finds, truth.kin, int(kind))
    seeds = len(np.unique(windows.seeds))
    everything = windows.weighted([1] * seeds)
    leads = [(o.peak_ns - at) / NS_PER_S for o, at in found if o.case.duration_s >= LONG_S]
    errors = [abs(s.expected - s.final) / s.final for o in own for s in o.sizes]
    refills = [s.executed for o in own for s in o.sizes if s.is_first]
    return Row(
        kind=kind,
        storms=len(own),
        recall=interval_of(len(counts), lambda times: _recall(_sum(counts, times))),
        precision=interval_of(len(counts), lambda times: _precision(_sum(counts, times))),
        f1=interval_of(len(counts), lambda times: _f1(_sum(counts, times))),
        auc=interval_of(seeds, lambda times: area_under_roc(*windows.weighted(times))),
        pr_auc=interval_of(seeds, lambda times: average_precision(*windows.weighted(times))),
        precision_at_80=precision_at(*everything, 0.8),
        delay_s=median((at - o.start_ns) / NS_PER_S for o, at in found) if found else None,
        delay_share=(
            median((at - o.start_ns) / (o.case.duration_s * NS_PER_S) for o, at in found) if found else None
        ),
        before_peak=sum(at < o.peak_ns for o, at in found) / len(found) if found else None,
        lead_s=median(leads) if leads else None,
        false_per_hour=false_calm / hours if hours else 0.0,
        false_bound_per_hour=3.0 / hours if hours else float("inf"),
        calm_hours=hours,
        elsewhere=sum(bool(_false(kind, o)) for o in others) / len(others) if others else None,
        prevalence=len(own) / max(1, len(windows.own)),
        size_error=sum(errors) / len(errors) if errors else None,
        delay_refills=median(refills) if refills else None,
    )


def _by_seed(kind: AlarmKind, judged: Sequence[Outcome], own: Sequence[Outcome]) -> list[_Count]:
    """What each seed says, in the order of their numbers."""
    counts: dict[int, list[_Count]] = {}
    own_cases = {o.case for o in own}
    for outcome in judged:
        is_own = outcome.case in own_cases
        found = int(is_own and first_alarm(kind, outcome) is not None)
        right = found if is_own else len(_alarms(kind, outcome)) - len(_unexplained(kind, outcome))
        counts.setdefault(outcome.case.seed, []).append(
            _Count(int(is_own), found, right, _false(kind, outcome))
        )
    return [_sum(counts[seed], [1] * len(counts[seed])) for seed in sorted(counts)]


def _false(kind: AlarmKind, outcome: Outcome) -> int:
    truth, storm = TRUTH[kind], outcome.case.storm
    if storm in truth.finds or storm in truth.kin:
        # What a storm leaves behind it is still the storm's.
        return 0
    return len(_unexplained(kind, outcome))


def _alarms(kind: AlarmKind, outcome: Outcome) -> list[int]:
    """Numbers of its alarms. Before its storm a case is the same market as the calm case of its seed: that is
    judged once, there."""
    begins_ns = 0 if outcome.case.storm is None else outcome.start_ns
    return [a.number for a in outcome.alarms if a.kind == kind and a.time_ns >= begins_ns]


def _unexplained(kind: AlarmKind, outcome: Outcome) -> list[int]:
    return [number for number in _alarms(kind, outcome) if number not in outcome.twap_alarms]


def _sum(counts: Sequence[_Count], times: Sequence[int]) -> _Count:
    return _Count(
        *(
            sum(n * count[at] for n, count in zip(times, counts, strict=True))
            for at in range(len(_Count._fields))
        )
    )


def _recall(count: _Count) -> float | None:
    return count.found / count.storms if count.storms else None


def _precision(count: _Count) -> float | None:
    return count.right / (count.right + count.false) if count.right + count.false else None


def _f1(count: _Count) -> float | None:
    recall, precision = _recall(count), _precision(count)
    if recall is None or precision is None or recall + precision == 0.0:
        return None
    return 2.0 * recall * precision / (recall + precision)
