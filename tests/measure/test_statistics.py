"""Estimates are what their names say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.rng import Stream
from engine.measure.statistics import (
    RESAMPLES,
    _draws,
    bootstrap_mean,
    bootstrap_median,
    bootstrap_pooled,
    bootstrap_within,
    sign_test,
    spearman,
)


def test_spearman_of_a_known_table():
    # Eight pairs with a tie: ranks 1 2 3 4 5 6 7 8 and 2 1 4.5 3 4.5 7 6 8.
    x = np.arange(8.0)
    y = np.array([20.0, 10.0, 40.0, 30.0, 40.0, 70.0, 60.0, 80.0])
    ranks = np.array([2, 1, 4.5, 3, 4.5, 7, 6, 8.0])
    assert spearman(x, y) == pytest.approx(np.corrcoef(np.arange(1.0, 9.0), ranks)[0, 1])


@given(st.lists(st.integers(-50, 50), min_size=3, max_size=30, unique=True))
def test_spearman_sees_order_alone(values):
    x = np.array(values, dtype=float)
    assert spearman(x, x**3) == pytest.approx(1)
    assert spearman(x, -x) == pytest.approx(-1)


def test_spearman_of_a_constant_is_not_known():
    assert spearman(np.arange(4.0), np.ones(4)) is None


def test_an_interval_holds_its_estimate_and_narrows_with_more_pairs():
    stream = Stream(1, 2)
    values = [stream.normal() for _ in range(400)]
    few, many = bootstrap_mean(values[:25]), bootstrap_mean(values)
    for one in (few, many):
        assert one.low < one.value < one.high
    assert many.high - many.low < (few.high - few.low) / 2
    # Mean 0, variance 1: the interval is +-1.96 / sqrt(n), about.
    assert many.high - many.low == pytest.approx(2 * 1.96 / 20, rel=0.2)
    assert bootstrap_median(values).value == pytest.approx(float(np.median(values)))


def test_an_interval_is_the_same_each_time_and_nothing_has_none():
    assert bootstrap_mean([1.0, 2.0, 5.0]) == bootstrap_mean([1.0, 2.0, 5.0])
    assert bootstrap_mean([]) == bootstrap_median([]) == (None, None, None)
    assert bootstrap_mean([3.0]) == (3.0, 3.0, 3.0)


def test_draws_are_even():
    draws = _draws(7)
    assert draws.shape == (RESAMPLES, 7)
    counts = np.bincount(draws.ravel(), minlength=7)
    assert counts.min() > 0.9 * RESAMPLES
    assert counts.max() < 1.1 * RESAMPLES


def test_correlations_over_seeds():
    severities = [0.0, 0.5, 1.0]
    rising = np.array([[0.0, 1.0, 2.0], [0.0, 10.0, 20.0]])
    assert bootstrap_within(severities, rising).value == pytest.approx(1)
    pooled = bootstrap_pooled(severities, rising)
    assert 0.5 < pooled.value < 1  # 2 of the one seed is below 10 of the other


@pytest.mark.parametrize(
    ("differences", "negative", "p_value"),
    [([-1.0] * 5, 5, 2 / 32), ([-1.0, 1.0, 0.0], 1, 1.0), ([0.0, 0.0], 0, None), ([1.0] * 10, 0, 2 / 1024)],
)
def test_the_sign_test_is_the_exact_binomial(differences, negative, p_value):
    found = sign_test(differences)
    assert (found.negative, found.pairs, found.p_value) == (negative, len(differences), p_value)
