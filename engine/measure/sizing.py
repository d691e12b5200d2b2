"""The same attack in different markets.

A storm's sizes scale with the depth that it finds, so that a severity means the same everywhere. Where the
question is what another market makes of the same orders, severity is set the other way round: so that
severity x base depth is a given number of lots.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.measure.plan import Trial
from engine.session import Session
from engine.storms.base import base_depth_of
from engine.storms.request import MILLION

__all__ = ["SameSize"]


@dataclass(frozen=True)
class SameSize:
    """Severity x base depth, in lots; severity 1 is the most."""

    lots: int

    def __call__(self, session: Session, trial: Trial) -> Trial:
        """The trial at the severity at which it has this size in the market as it stands."""
        severity = min(MILLION, self.lots * MILLION // base_depth_of(session.exchange)) / MILLION
        return Trial(tuple(one._replace(severity=severity) for one in trial.storms), severity)
