"""What the flash-crash warning is held against: VPIN, and volume with volatility, by the same rules.

    VPIN                    Easley, Lopez de Prado and O'Hara 2012, as the analytics have it
    volume and volatility   trade rate over its baseline x realised volatility (what Andersen and Bondarenko
                            2014 hold VPIN against)

Neither has a threshold of its own: each gets the one at which it would raise MOST_PER_HOUR false alarms in
the calm of this very evaluation. That is more than the warning has, whose threshold was set on other seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.detectors import AlarmKind
from engine.detectors.records import SCORE_KINDS
from engine.evaluate.cases import LONG_S
from engine.evaluate.marks import Interval, area_under_roc, average_precision, interval_of
from engine.evaluate.table import windows_of
from engine.evaluate.truth import TRUTH
from engine.evaluate.watching import READINGS, Floats, Outcome

__all__ = ["MOST_PER_HOUR", "BenchmarkRow", "judge_benchmarks"]

MOST_PER_HOUR = 0.5


class BenchmarkRow(NamedTuple):
    """One benchmark of the flash-crash warning."""

    name: str
    threshold: float
    false_per_hour: float
    recall: float
    lead_s: float | None
    """Median, over found storms of LONG_S and more."""
    auc: Interval
    pr_auc: Interval
    elsewhere: float
    """Share of foreign storms and decoys in which it is above its threshold."""


def judge_benchmarks(outcomes: Sequence[Outcome]) -> list[BenchmarkRow]:
    """VPIN and the benchmark of volume and volatility."""
    judged = [o for o in outcomes if o.case.institutions or o.case.storm is None]
    return [_row(column, judged) for column in range(2)]


def _row(column: int, outcomes: Sequence[Outcome]) -> BenchmarkRow:
    truth = TRUTH[AlarmKind.FLASH_CRASH_WARNING]
    calm = [o for o in outcomes if o.case.storm is None]
    hours = sum(o.length_ns for o in calm) / (3_600 * NS_PER_S)
    place = SCORE_KINDS + column
    threshold = _threshold([o.windows[:, place] for o in calm], hours)
    own = [o for o in outcomes if o.case.storm is StormKind.CRASH]
    firsts = [(o, at) for o in own if (at := _first(o.course, column, threshold)) is not None]
    leads = [(o.peak_ns - o.start_ns) / NS_PER_S - at for o, at in firsts if o.case.duration_s >= LONG_S]
    foreign = [
        o for o in outcomes if o.case.storm is not None and o.case.storm not in (*truth.finds, *truth.kin)
    ]
    windows = windows_of(outcomes, truth.finds, truth.kin, place)
    seeds = len(np.unique(windows.seeds))
    return BenchmarkRow(
        name=READINGS[column],
        threshold=threshold,
        false_per_hour=sum(_episodes(o.windows[:, place], threshold) for o in calm) / hours if hours else 0.0,
        recall=len(firsts) / len(own) if own else 0.0,
        lead_s=median(leads) if leads else None,
        auc=interval_of(seeds, lambda times: area_under_roc(*windows.weighted(times))),
        pr_auc=interval_of(seeds, lambda times: average_precision(*windows.weighted(times))),
        elsewhere=(
            sum(_first(o.course, column, threshold) is not None for o in foreign) / len(foreign)
            if foreign
            else 0.0
        ),
    )


def _threshold(calm: Sequence[Floats], hours: float) -> float:
    """The lowest at which there are no more than MOST_PER_HOUR episodes in calm."""
    values = np.unique(np.concatenate(calm)) if calm else np.zeros(1)
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        if sum(_episodes(windows, values[middle]) for windows in calm) <= MOST_PER_HOUR * hours:
            high = middle
        else:
            low = middle + 1
    return float(values[low])


def _episodes(windows: Floats, threshold: float) -> int:
    """How often it goes above: windows above in a row are one."""
    above = windows > threshold
    return int(above[:1].sum() + (above[1:] & ~above[:-1]).sum())


def _first(course: Floats, column: int, threshold: float) -> float | None:
    """Seconds from the storm's start."""
    above = course[course[:, 1 + column] > threshold]
    return float(above[0, 0]) if len(above) else None
