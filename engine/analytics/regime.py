"""Market regime: one score from six stresses, cut into four classes (flowlab.md section 3).

    score = [ blow-out + 3 |imbalance| + 5 vpin + 0.6 |velocity - 1| + 0.3 drift_bps(1 s) + 3 depletion ]
            x min(1, events_per_s / 30)

Each stress enters only as far as it exceeds what a calm market shows (CALM below): measured as about the
99 % quantile of each stress over calm runs of the presets, so that a calm market reads Calm. Imbalance and
blow-out do not count while the book is crossed.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.arena.functions import inlined
from engine.core.types import Regime

__all__ = [
    "AGGRESSIVE",
    "CALM",
    "CRISIS",
    "VOLATILE",
    "Regime",
    "RegimeInputs",
    "classify",
    "regime_of",
    "regime_score",
    "stress_score",
]

VOLATILE, AGGRESSIVE, CRISIS = 0.6, 1.5, 3.0
_CALM, _VOLATILE, _AGGRESSIVE, _CRISIS = (int(regime) for regime in Regime)


class RegimeInputs(NamedTuple):
    """The six stresses, and how busy the market is."""

    blowout: float
    """Spread over its rolling mean."""
    imbalance: float
    """Absolute, 0 to 1."""
    vpin: float
    velocity: float
    """Trade rate over its moving baseline."""
    drift_bps: float
    """Absolute change of mid over one second."""
    depletion: float
    """Share of the usual depth that is missing, 0 to 1."""
    events_per_s: float
    crossed: bool = False


CALM = RegimeInputs(
    blowout=2.7,
    imbalance=0.4,
    vpin=0.75,
    velocity=3.0,
    drift_bps=6.0,
    depletion=0.3,
    events_per_s=30.0,
)
"""What each stress may reach in a calm market without counting."""


def regime_score(x: RegimeInputs) -> float:
    """The score, 0 and up."""
    return stress_score(*x)


def classify(score: float) -> Regime:
    """The class of a score."""
    return Regime(regime_of(score))


@inlined
def stress_score(
    blowout: float,
    imbalance: float,
    vpin: float,
    velocity: float,
    drift_bps: float,
    depletion: float,
    events_per_s: float,
    crossed: bool,
) -> float:
    """The score of RegimeInputs, as a kernel."""
    book = 0.0
    if not crossed:
        book = _excess(blowout, CALM.blowout) + 3.0 * _excess(imbalance, CALM.imbalance)
    flow = (
        5.0 * _excess(vpin, CALM.vpin)
        + 0.6 * _excess(velocity, CALM.velocity)
        + 0.3 * _excess(drift_bps, CALM.drift_bps)
        + 3.0 * _excess(depletion, CALM.depletion)
    )
    return (book + flow) * min(1.0, events_per_s / CALM.events_per_s)


@inlined
def regime_of(score: float) -> int:
    """The class of a score, as a kernel."""
    if score >= CRISIS:
        return _CRISIS
    if score >= AGGRESSIVE:
        return _AGGRESSIVE
    return _VOLATILE if score >= VOLATILE else _CALM


@inlined
def _excess(value: float, calm: float) -> float:
    return max(0.0, value - calm)
