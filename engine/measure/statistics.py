"""Estimates with intervals: bootstrap over pairs, rank correlation, sign test. numpy is all they need.

Draws come from a fixed stream, so the same pairs give the same intervals, on every machine and in every
order of the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.rng import mix64

__all__ = [
    "RESAMPLES",
    "Estimate",
    "SignTest",
    "bootstrap_mean",
    "bootstrap_median",
    "bootstrap_pooled",
    "bootstrap_within",
    "sign_test",
    "spearman",
]

Numbers = npt.NDArray[np.float64]
RESAMPLES = 2_000
_STREAM = 0x3EA5_0001
_GAMMA = 0x9E3779B97F4A7C15


class Estimate(NamedTuple):
    """A value and where it lies with 95 %. None: nothing to estimate it from."""

    value: float | None
    low: float | None = None
    high: float | None = None


class SignTest(NamedTuple):
    """How many differences are negative, and how probable a count so far from half is by chance."""

    negative: int
    nonzero: int
    pairs: int
    p_value: float | None
    """Two-sided, exact binomial; None where all differences are 0."""


def bootstrap_mean(values: Sequence[float]) -> Estimate:
    """The mean, and its percentile interval over RESAMPLES resamples (Efron 1979)."""
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):
        return Estimate(None)
    return _estimate(float(numbers.mean()), numbers[_draws(len(numbers))].mean(axis=1))


def bootstrap_median(values: Sequence[float]) -> Estimate:
    """The median, likewise."""
    numbers = np.asarray(values, dtype=np.float64)
    if not len(numbers):
        return Estimate(None)
    return _estimate(float(np.median(numbers)), np.median(numbers[_draws(len(numbers))], axis=1))


def bootstrap_pooled(severities: Sequence[float], damage: Numbers) -> Estimate:
    """Spearman's correlation over all pairs at once; `damage` has a row for each seed and a column for each
    severity. Seeds are resampled whole."""
    grid = np.tile(np.asarray(severities, dtype=np.float64), (len(damage), 1))
    value = spearman(grid.ravel(), damage.ravel())
    drawn = [spearman(grid.ravel(), damage[rows].ravel()) for rows in _draws(len(damage))]
    return (
        Estimate(None) if value is None else _estimate(value, np.array([d for d in drawn if d is not None]))
    )


def bootstrap_within(severities: Sequence[float], damage: Numbers) -> Estimate:
    """The mean over seeds of Spearman's correlation within a seed: the same snapshot, other severities."""
    own = [spearman(np.asarray(severities, dtype=np.float64), row) for row in damage]
    return bootstrap_mean([value for value in own if value is not None])


def spearman(x: Numbers, y: Numbers) -> float | None:
    """Rank correlation, ties at their mean rank (Spearman 1904); None where one of the two is constant."""
    ours, its = _ranks(x), _ranks(y)
    ours, its = ours - ours.mean(), its - its.mean()
    size = float(np.sqrt((ours @ ours) * (its @ its)))
    return float(ours @ its) / size if size else None


def sign_test(differences: Sequence[float]) -> SignTest:
    """Whether differences are as often below zero as above."""
    negative = sum(value < 0 for value in differences)
    nonzero = sum(value != 0 for value in differences)
    fewer = min(negative, nonzero - negative)
    tail = sum(comb(nonzero, k) for k in range(fewer + 1)) / 2**nonzero
    return SignTest(negative, nonzero, len(differences), min(1.0, 2 * tail) if nonzero else None)


def _ranks(values: Numbers) -> Numbers:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank = last - (counts - 1) / 2
    return np.asarray(mean_rank[place.ravel()], dtype=np.float64)


def _draws(count: int) -> npt.NDArray[np.int64]:
    """RESAMPLES rows of `count` indices below `count`: SplitMix64 of core/rng.py, all draws at once."""
    numbers = np.arange(1, RESAMPLES * count + 1, dtype=np.uint64)
    value = np.full(len(numbers), mix64(_STREAM), dtype=np.uint64) + numbers * np.uint64(_GAMMA)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    below = ((value >> np.uint64(32)) * np.uint64(count)) >> np.uint64(32)
    return np.asarray(below.reshape(RESAMPLES, count), dtype=np.int64)


def _estimate(value: float, drawn: Numbers) -> Estimate:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high))
