"""How often a regime means what it says: the highest regime of each window against what was the matter in it.

    calm           no storm: ought to read Calm
    harmless       decoys that move no price
    storms of severity s   those that push the price or take depth away: the regime ought to rise with s

reliability is the share of windows with such a storm among all that read so or worse, at the prevalence of
this evaluation, and with as many storms as calm windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.analytics.regime import Regime, classify
from engine.core.types import StormKind
from engine.detectors.records import SCORE_KINDS
from engine.evaluate.watching import READINGS, Outcome

__all__ = ["RegimeRow", "Regimes", "judge_regimes"]

_COLUMN = SCORE_KINDS + READINGS.index("regime")
HARMLESS = (StormKind.CHURN, StormKind.BURST, StormKind.BLOCK, StormKind.SLICES, StormKind.REFILL)
STRESS = (
    StormKind.IGNITION,
    StormKind.CRASH,
    StormKind.DRAIN,
    StormKind.STOPRUN,
    StormKind.FATFINGER,
    StormKind.NEWS,
)


class RegimeRow(NamedTuple):
    """One kind of window."""

    name: str
    windows: int
    shares: tuple[float, ...]
    """Whose highest regime was Calm, Volatile, Aggressive, Crisis."""


class Regimes(NamedTuple):
    """The table."""

    rows: tuple[RegimeRow, ...]
    reliability: tuple[float | None, ...]
    """For each regime: share of storms among windows that read so or worse, storms and calm as they came."""
    balanced: tuple[float | None, ...]
    """The same with as many storms as calm windows."""


def judge_regimes(outcomes: Sequence[Outcome]) -> Regimes:
    """The table of all windows."""
    calm = _regimes([o for o in outcomes if o.case.storm is None])
    harmless = _regimes([o for o in outcomes if o.case.storm in HARMLESS])
    storms = [o for o in outcomes if o.case.storm in STRESS]
    rows = [_row("calm", calm), _row("harmless decoys", harmless)]
    rows.extend(
        _row(f"storms of {severity:g}", _regimes([o for o in storms if o.case.severity == severity]))
        for severity in sorted({o.case.severity for o in storms})
    )
    stressed = _regimes(storms)
    return Regimes(
        tuple(rows),
        tuple(_reliability(stressed, calm, regime, 1.0) for regime in Regime),
        tuple(_reliability(stressed, calm, regime, len(stressed) / max(1, len(calm))) for regime in Regime),
    )


def _regimes(outcomes: Sequence[Outcome]) -> list[Regime]:
    return [classify(score) for o in outcomes for score in o.windows[:, _COLUMN].tolist()]


def _row(name: str, regimes: Sequence[Regime]) -> RegimeRow:
    counts = np.bincount([int(regime) for regime in regimes], minlength=len(Regime))
    return RegimeRow(name, len(regimes), tuple((counts / max(1, len(regimes))).tolist()))


def _reliability(
    storms: Sequence[Regime], calm: Sequence[Regime], regime: Regime, calm_weight: float
) -> float | None:
    right = sum(found >= regime for found in storms)
    raised = right + calm_weight * sum(found >= regime for found in calm)
    return right / raised if raised else None
