"""What both books promise: their methods, their results, and the rules of every event type.

The rules (one instrument per book; `ts` and `instrument_id` of an event are not looked at):

ADD     A new order at the back of its level. Rejected, in this order of checks: side above 1
        (`rejected_side`), qty 0 (`rejected_quantity`), the id is live (`rejected_duplicate`), the
        level's total would exceed 2^64-1 (`rejected_quantity`).
CANCEL  Unknown id: `unknown_order`. qty 0 or >= resting: the order leaves (`cancelled`). Less: it
        shrinks and keeps its place (`partially_cancelled`). Side and price of the event mean nothing.
MODIFY  Replace. Side above 1 or qty 0: rejected and counted, the order stays as it was. Unknown id:
        an ADD, counted as one. Level total above 2^64-1 after the replace: `rejected_quantity`, the
        order stays. Else `modified`: the order keeps its place in the queue when side and price are
        the same and qty is not larger, and goes to the back of its (new) level otherwise.
TRADE   Unknown id: `unknown_order`. qty 0: `rejected_quantity`. Else min(qty, resting) lots are
        filled (`traded`), and the order leaves when nothing rests.
other   `ignored`.

Every id from 0 to 2^64-1 and every price from 0 to 2^64-1 is legal. Events state what happened:
nothing matches here, so a book may be crossed, and says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engine.core.errors import UsageError
from engine.core.types import EVENT_DTYPE

__all__ = [
    "MAX_LEVEL_LOTS",
    "ApplyCounts",
    "BookInterface",
    "BookStatistics",
    "EventArray",
    "Level",
    "as_event_array",
]

MAX_LEVEL_LOTS = (1 << 64) - 1
"""Most lots that one level can hold: its total is a u64 in the digest."""

EventArray = npt.NDArray[np.void]
"""Events: shape (n,), dtype EVENT_DTYPE."""


class Level(NamedTuple):
    """One price level of one side."""

    price_ticks: int
    qty_lots: int
    order_count: int


class ApplyCounts(NamedTuple):
    """What became of the events of a batch; each event is counted exactly once."""

    added: int = 0
    cancelled: int = 0
    partially_cancelled: int = 0
    modified: int = 0
    traded: int = 0
    unknown_order: int = 0
    rejected_duplicate: int = 0
    rejected_side: int = 0
    rejected_quantity: int = 0
    ignored: int = 0


class BookStatistics(NamedTuple):
    """How full a book is, and what it did with its events so far."""

    orders: int
    bid_levels: int
    ask_levels: int
    order_room: int | None
    """Live orders that fit before the arrays grow; None: nothing is allocated ahead."""
    level_room: int | None
    """Levels of one side that fit before the arrays grow; None: nothing is allocated ahead."""
    counts: ApplyCounts


class BookInterface(Protocol):
    """The methods that both books have; every reader of a book is written against these."""

    def apply(self, events: EventArray) -> ApplyCounts:
        """Applies the events in order and says what became of them."""

    def digest(self) -> int:
        """Canonical L2 digest (u64, digest.py)."""

    def levels(self, side: int, n: int | None = None) -> list[Level]:
        """The best n levels of a side (all of them for None), best first."""

    def order(self, order_id: int) -> tuple[int, int, int] | None:
        """(side, price_ticks, qty_lots) of a resting order, or None."""

    def orders_at(self, side: int, price_ticks: int) -> tuple[int, ...]:
        """Ids at a price in queue order."""

    def level_count(self, side: int) -> int:
        """Number of levels of a side."""

    def statistics(self) -> BookStatistics:
        """Fill and counts."""

    @property
    def counts(self) -> ApplyCounts:
        """Counts since the book was made."""

    @property
    def order_count(self) -> int:
        """Number of live orders."""

    @property
    def best_bid(self) -> int | None:
        """Highest bid price in ticks; None without bids."""

    @property
    def best_ask(self) -> int | None:
        """Lowest ask price in ticks; None without asks."""

    @property
    def crossed(self) -> bool:
        """True when the best bid is at or above the best ask."""

    def _check(self) -> None:
        """Verifies every internal invariant. Raises AssertionError."""


def as_event_array(events: npt.NDArray[Any]) -> EventArray:
    """`events` as a contiguous, read-only array of EVENT_DTYPE (a view where possible).

    The same fields in another layout are copied: numpy.concatenate drops the padding. Raises
    UsageError when it is not a one-dimensional array of events.
    """
    if not isinstance(events, np.ndarray) or events.ndim != 1 or not _has_event_fields(events.dtype):
        what = str(events.dtype) if isinstance(events, np.ndarray) else type(events).__name__
        raise UsageError(
            f"a book applies a one-dimensional array of EVENT_DTYPE, not {what}. "
            "Read raw events with numpy.frombuffer(data, EVENT_DTYPE)."
        )
    if events.dtype != EVENT_DTYPE:
        events = events.astype(EVENT_DTYPE)
    view = np.ascontiguousarray(events).view(EVENT_DTYPE)
    view.flags.writeable = False
    return view


def _has_event_fields(dtype: np.dtype[Any]) -> bool:
    return dtype == EVENT_DTYPE or (
        dtype.names == EVENT_DTYPE.names
        and all(dtype[name] == EVENT_DTYPE[name] for name in dtype.names or ())
    )
