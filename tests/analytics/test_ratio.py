"""Quotients of integers against Python's own division, which rounds once."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from engine.analytics.ratio import MAX_DIVISOR, ratio, weighted_mean

WORD = (1 << 63) - 1
SIZES = st.integers(0, 63).flatmap(lambda bits: st.integers(0, (1 << bits) - 1))
WEIGHTS = SIZES.map(lambda size: size >> 2)


@given(st.one_of(SIZES, SIZES.map(lambda a: -a)), WEIGHTS)
@example(0, 1)
@example(WORD, 1)
@example(-WORD, MAX_DIVISOR)
@example((1 << 53) + 1, 1)
@example((1 << 53) + 3, 1 << 60)
@example(1, MAX_DIVISOR)
def test_a_ratio_is_the_nearest_double(a, b):
    b = max(b, 1)
    assert ratio(a, b) == a / b == float(Fraction(a, b))


@given(SIZES, WEIGHTS, SIZES, WEIGHTS)
@example(WORD, MAX_DIVISOR >> 1, WORD, MAX_DIVISOR >> 1)
@example((1 << 53) + 1, 1, (1 << 53) + 1, 1)
@example(0, 1, 0, 0)
@example(0, 0, 1, MAX_DIVISOR)
def test_a_weighted_mean_is_the_nearest_double(a, a_weight, b, b_weight):
    a_weight = max(a_weight, 1)
    if a_weight + b_weight <= MAX_DIVISOR:
        mean = weighted_mean(a, a_weight, b, b_weight)
        assert mean == (a * a_weight + b * b_weight) / (a_weight + b_weight)
