"""How far a value fell, and what was held when it was lowest: a fixed number of integers, looked at in order.

Used for the PnL of an account (tally.py, every fill and every 100 ms) and for the equity of a target
(recording/verdict.py, every sample). *Drawdown* is the largest fall below the highest value before; the *low*
is the lowest value of all, which need not be where the drawdown ends.
"""

from __future__ import annotations

import msgspec

__all__ = ["Lows"]


class Lows(msgspec.Struct):
    """Highs and lows of one value, in its own unit. A time of -1: it never was so."""

    peak: int = 0
    """Highest value so far."""
    max_drawdown: int = 0
    fell_from: int = 0
    """The peak from which that was."""
    worst_ns: int = -1
    """When it was."""
    low: int = 0
    low_ns: int = -1
    low_position: int | None = None
    """Lots held at the low; None: not known."""
    low_exposure: int | None = None
    """|position| at mid, then."""
    max_exposure: int | None = None
    """Largest of all."""

    @classmethod
    def begin(cls, value: int) -> Lows:
        """From this value on."""
        return cls(peak=value, fell_from=value, low=value)

    def look(self, now_ns: int, value: int, position: int | None, exposure: int | None) -> None:
        """The next value, and what is held with it."""
        if value > self.peak:
            self.peak = value
        elif self.peak - value > self.max_drawdown:
            self.max_drawdown = self.peak - value
            self.fell_from = self.peak
            self.worst_ns = now_ns
        if value < self.low:
            self.low, self.low_ns = value, now_ns
            self.low_position, self.low_exposure = position, exposure
        if exposure is not None:
            self.max_exposure = max(self.max_exposure or 0, exposure)
