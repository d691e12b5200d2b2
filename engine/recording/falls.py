"""What each storm did to a target's equity, folded over its samples: how far it fell, and if it came back.

    before     the last sample earlier than the storm's first instant
    low        the lowest one from then on to its end, the first sample at or after that included
    back       the first sample at `before` or above after the last one below it; it counts once the storm is
               over, for until then the next blow may come
    recovery   from the low to that sample; 0 when equity was never below `before`

Samples come about once a second, so these times are as fine as that. A storm may be told after samples that
are later than it (the deck is read at the end of a slice); what comes out is the same. The last WATCHED_LIMIT
storms are watched; one that has not come back by then counts as not recovered.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FALLS_KEPT", "WATCHED_LIMIT", "EquityFalls", "Fall"]

WATCHED_LIMIT = 64
FALLS_KEPT = 1_000
"""Storms of a run of which it is known how they ended; further ones are not looked at."""


@dataclass(slots=True)
class Fall:
    """One storm as one target's equity shows it. Money in millionths."""

    began_ns: int
    before: int | None
    """None: no equity was known."""
    low: int | None = None
    low_ns: int | None = None
    back_ns: int | None = None
    ended_ns: int | None = None
    seen_ns: int = -1
    """Time of the last sample."""

    @property
    def fell(self) -> int | None:
        """How far below `before`; at least 0."""
        if self.before is None or self.low is None:
            return None
        return max(0, self.before - self.low)

    @property
    def recovery_ns(self) -> int | None:
        """None: it has not come back, or it is not known."""
        if not self.fell:
            return self.fell
        return None if self.back_ns is None or self.low_ns is None else self.back_ns - self.low_ns

    @property
    def is_over(self) -> bool:
        """Whether no further sample matters."""
        if self.before is None:
            return True
        return self.ended_ns is not None and self.seen_ns >= self.ended_ns and self.recovery_ns is not None

    def look(self, time_ns: int, equity: int) -> None:
        """A sample from the storm's beginning on."""
        assert self.before is not None
        is_after = self.ended_ns is not None and self.seen_ns >= self.ended_ns
        self.seen_ns = time_ns
        if self.low is None or (equity < self.low and not is_after):
            self.low, self.low_ns = equity, time_ns
        if equity < self.before:
            self.back_ns = None
        elif self.back_ns is None:
            self.back_ns = time_ns


class EquityFalls:
    """The storms of a run, as the equity of one target shows them."""

    def __init__(self) -> None:
        self.falls: dict[int, Fall] = {}
        """By the number of the storm in the run."""
        self._watched: dict[int, Fall] = {}
        """Those whose end is not known yet, oldest first."""
        self._last: tuple[int, int] | None = None
        """Time and equity of the last sample."""
        self._earlier: int | None = None
        """Equity of the last sample that is earlier than that."""

    def observe(self, time_ns: int, equity: int) -> None:
        """Fold in the next valid sample."""
        if self._last is not None and self._last[0] < time_ns:
            self._earlier = self._last[1]
        self._last = (time_ns, equity)
        done = []
        for number, fall in self._watched.items():
            if not fall.is_over:
                fall.look(time_ns, equity)
            if fall.is_over:
                done.append(number)
        for number in done:
            del self._watched[number]

    def begin(self, number: int, time_ns: int) -> None:
        """A storm begins: the one with this number, below FALLS_KEPT."""
        last = self._last
        is_told_late = last is not None and last[0] >= time_ns
        before = self._earlier if is_told_late else None if last is None else last[1]
        fall = self._watched[number] = self.falls[number] = Fall(time_ns, before)
        if before is not None and is_told_late and last is not None:
            fall.look(*last)
        if len(self._watched) > WATCHED_LIMIT:
            del self._watched[next(iter(self._watched))]

    def end(self, number: int, time_ns: int) -> None:
        """It is over."""
        fall = self._watched.get(number)
        if fall is not None:
            fall.ended_ns = time_ns
