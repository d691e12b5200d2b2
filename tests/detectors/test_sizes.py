"""How large an iceberg will be: survival, and what is expected of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.detectors import sizes
from engine.detectors.sizes import expected_tips, survival_of


def test_survival_without_censoring_is_the_share_that_is_larger():
    assert survival_of([(1, True), (2, True), (2, True), (4, True)]) == (1.0, 0.75, 0.25, 0.25, 0.0)


def test_what_was_taken_away_counts_as_at_least_so_large():
    # Kaplan and Meier: at 1 one of three ends; at 3 the only one left does.
    assert survival_of([(1, True), (2, False), (3, True)]) == pytest.approx((1.0, 2 / 3, 2 / 3, 0.0))


def test_the_expected_size_is_that_of_the_icebergs_that_are_left(monkeypatch):
    monkeypatch.setattr(sizes, "SURVIVAL", survival_of([(4, True), (4, True), (10, True), (10, True)]))
    assert expected_tips(2) == 4.0
    assert expected_tips(5) == 10.0
    assert expected_tips(20) == pytest.approx(sizes.GROWTH * 20)


@given(st.floats(0.5, 200.0))
def test_no_fewer_are_expected_than_have_been_executed(executed):
    assert expected_tips(executed) >= executed
