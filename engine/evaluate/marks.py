"""Marks: areas under curves, and intervals by bootstrap over seeds.

    AUC      chance that a window of the detector's own storm scores higher than another (Mann, Whitney 1947)
    PR-AUC   average precision: mean precision over the recalls at which an own window is reached
    (ties count half in the first and go in together in the second)

Intervals are 95 % by bootstrap (Efron 1979) over seeds, for windows of one seed are one market: RESAMPLES of
a fixed stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.rng import Stream

__all__ = ["Interval", "Windows", "area_under_roc", "average_precision", "interval_of", "precision_at"]

RESAMPLES = 500
_STREAM = 0xE7A1

Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """An estimate and where it lies with 95 %."""

    value: float | None
    """None: nothing to estimate it from."""
    low: float | None
    high: float | None


class Windows(NamedTuple):
    """Scores of windows, one row each."""

    scores: Floats
    own: npt.NDArray[np.bool_]
    """Whether it was the detector's own storm."""
    seeds: npt.NDArray[np.int64]

    def weighted(self, times: Sequence[int]) -> tuple[Floats, Floats]:
        """Own and other windows at each score, from the highest down, where the n-th seed (in the order of
        their numbers) counts times[n] times."""
        weights = np.array(times, float)[np.unique(self.seeds, return_inverse=True)[1]]
        values, places = np.unique(-self.scores, return_inverse=True)
        count = len(values)
        own = np.bincount(places[self.own], weights[self.own], count).astype(np.float64)
        return own, np.bincount(places[~self.own], weights[~self.own], count).astype(np.float64)


def area_under_roc(own: Floats, others: Floats) -> float | None:
    """From counts at falling scores."""
    if not own.sum() or not others.sum():
        return None
    above = np.cumsum(own) - own / 2.0
    return float((others * above).sum() / (own.sum() * others.sum()))


def average_precision(own: Floats, others: Floats) -> float | None:
    """From counts at falling scores."""
    if not own.sum():
        return None
    found, raised = np.cumsum(own), np.cumsum(own + others)
    return float((own * found / np.maximum(raised, 1e-12)).sum() / own.sum())


def precision_at(own: Floats, others: Floats, recall: float) -> float | None:
    """The best precision at a recall of at least so much."""
    if not own.sum():
        return None
    found, raised = np.cumsum(own), np.cumsum(own + others)
    enough = found >= recall * own.sum()
    return float((found / np.maximum(raised, 1e-12))[enough].max())


def interval_of(seeds: int, estimate: Callable[[Sequence[int]], float | None]) -> Interval:
    """An estimate that takes how often each of so many seeds counts."""
    value = estimate([1] * seeds)
    stream = Stream(0, _STREAM)
    drawn: list[float] = []
    for _ in range(RESAMPLES):
        times = [0] * seeds
        for _ in range(seeds):
            times[stream.below(seeds)] += 1
        resampled = estimate(times)
        if resampled is not None:
            drawn.append(resampled)
    if value is None or not drawn:
        return Interval(None, None, None)
    drawn.sort()
    return Interval(value, drawn[len(drawn) * 25 // 1_000], drawn[len(drawn) * 975 // 1_000])
