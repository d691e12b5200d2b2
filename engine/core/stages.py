"""Measured wall time of the stages on the data path. Measurements only: nothing decides by them."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

__all__ = ["Percentiles", "StageWindow"]

WINDOW = 512
"""Most recent measurements kept per stage."""


class Percentiles(NamedTuple):
    """Nearest-rank percentiles of a window, ns; None while it is empty."""

    p50_ns: int | None
    p99_ns: int | None
    measured: int
    """Measurements so far, not only those in the window."""


class StageWindow:
    """The last WINDOW durations of one stage."""

    def __init__(self, name: str, unit: str) -> None:
        self.name = name
        self.unit = unit
        """What one measurement covers."""
        self.count = 0
        self._window: deque[int] = deque(maxlen=WINDOW)

    def add(self, duration_ns: int) -> None:
        """Take one measurement."""
        self.count += 1
        self._window.append(duration_ns)

    def percentiles(self) -> Percentiles:
        """p50 and p99 of the window."""
        ordered = sorted(self._window)
        if not ordered:
            return Percentiles(None, None, self.count)
        return Percentiles(_rank(ordered, 50), _rank(ordered, 99), self.count)


def _rank(ordered: list[int], percent: int) -> int:
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
