"""Areas under curves on windows made by hand, and intervals over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.evaluate.marks import Windows, area_under_roc, average_precision, interval_of, precision_at


def windows(own: list[float], others: list[float], seeds: list[int] | None = None) -> Windows:
    scores = np.array([*own, *others], float)
    is_own = np.array([True] * len(own) + [False] * len(others), bool)
    return Windows(scores, is_own, np.array(seeds or [0] * len(scores), np.int64))


def test_scores_that_part_own_from_others_have_area_one():
    counts = windows([3, 4], [1, 2, 2]).weighted([1])
    assert area_under_roc(*counts) == 1.0
    assert average_precision(*counts) == 1.0
    assert precision_at(*counts, 0.8) == 1.0


def test_scores_that_say_nothing_have_area_one_half():
    counts = windows([1, 1], [1, 1, 1]).weighted([1])
    assert area_under_roc(*counts) == 0.5
    assert average_precision(*counts) == pytest.approx(0.4), "the prevalence"


def test_average_precision_is_that_of_the_textbook():
    # From the highest down: own, other, own, other: precisions 1 and 2/3 at the two own ones.
    counts = windows([4, 2], [3, 1]).weighted([1])
    assert average_precision(*counts) == pytest.approx((1 + 2 / 3) / 2)
    assert precision_at(*counts, 0.8) == pytest.approx(2 / 3)


@given(st.lists(st.integers(0, 6), min_size=1), st.lists(st.integers(0, 6), min_size=1))
def test_the_area_is_the_share_of_pairs_in_the_right_order(own, others):
    pairs = [(a > b) + (a == b) / 2 for a in own for b in others]
    assert area_under_roc(*windows(own, others).weighted([1])) == pytest.approx(sum(pairs) / len(pairs))


def test_nothing_to_find_has_no_area():
    assert area_under_roc(*windows([], [1.0]).weighted([1])) is None
    assert average_precision(*windows([], [1.0]).weighted([1])) is None


def test_a_seed_counts_as_often_as_it_is_drawn():
    both = windows([1.0, 5.0], [3.0, 3.0], [7, 8, 7, 8])
    assert area_under_roc(*both.weighted([1, 0])) == 0.0
    assert area_under_roc(*both.weighted([0, 2])) == 1.0
    assert area_under_roc(*both.weighted([1, 1])) == 0.5


def test_an_interval_holds_its_estimate_and_is_the_same_each_time():
    values = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0]

    def mean(times):
        return sum(t * v for t, v in zip(times, values, strict=True)) / sum(times)

    interval = interval_of(6, mean)
    assert interval == interval_of(6, mean)
    assert interval.value == pytest.approx(4 / 6)
    assert interval.low < interval.value < interval.high


def test_what_cannot_be_estimated_has_no_interval():
    assert interval_of(3, lambda times: None) == (None, None, None)
