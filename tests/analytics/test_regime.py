"""The regime's score, by its formula, and its classes on their edges."""

from __future__ import annotations

from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analytics import Regime, RegimeInputs, classify, regime_score
from engine.analytics.regime import AGGRESSIVE, CALM, CRISIS, VOLATILE

WEIGHTS = {"blowout": 1.0, "imbalance": 3.0, "vpin": 5.0, "velocity": 0.6, "drift_bps": 0.3, "depletion": 3.0}
INPUTS = st.builds(
    RegimeInputs,
    blowout=st.floats(0, 100),
    imbalance=st.floats(0, 1),
    vpin=st.floats(0, 1),
    velocity=st.floats(0, 100),
    drift_bps=st.floats(0, 1_000),
    depletion=st.floats(0, 1),
    events_per_s=st.floats(0, 10_000),
    crossed=st.booleans(),
)


@pytest.mark.parametrize(("stress", "weight"), list(WEIGHTS.items()))
def test_each_stress_counts_by_its_weight_beyond_what_calm_allows(stress, weight):
    allowed = getattr(CALM, stress)
    assert regime_score(CALM) == 0.0
    assert regime_score(CALM._replace(**{stress: allowed / 2})) == 0.0
    assert regime_score(CALM._replace(**{stress: allowed + 0.2})) == pytest.approx(0.2 * weight)


@given(INPUTS)
def test_the_score_is_the_sum_of_its_parts(x):
    parts = {key: w * max(0.0, getattr(x, key) - getattr(CALM, key)) for key, w in WEIGHTS.items()}
    if x.crossed:
        parts["blowout"] = parts["imbalance"] = 0.0
    expected = sum(parts.values()) * min(1.0, x.events_per_s / CALM.events_per_s)
    assert regime_score(x) == pytest.approx(expected)
    assert regime_score(x) >= 0.0


@given(INPUTS, st.sampled_from([*WEIGHTS, "events_per_s"]), st.floats(0, 1_000))
def test_more_stress_never_lowers_the_score(x, stress, more):
    assert regime_score(x._replace(**{stress: getattr(x, stress) + more})) >= regime_score(x)


def test_a_sleeping_market_is_calm_whatever_its_book_looks_like():
    x = RegimeInputs(9.0, 1.0, 1.0, 9.0, 99.0, 1.0, events_per_s=0.0)
    assert regime_score(x) == 0.0


@pytest.mark.parametrize(
    ("edge", "below", "at"),
    [
        (VOLATILE, Regime.CALM, Regime.VOLATILE),
        (AGGRESSIVE, Regime.VOLATILE, Regime.AGGRESSIVE),
        (CRISIS, Regime.AGGRESSIVE, Regime.CRISIS),
    ],
)
def test_a_class_begins_on_its_edge(edge, below, at):
    assert classify(nextafter(edge, -inf)) is below
    assert classify(edge) is at


def test_the_scale_has_two_ends():
    assert classify(0.0) is Regime.CALM
    assert classify(1e9) is Regime.CRISIS
