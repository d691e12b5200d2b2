"""What all books promise: their methods, their results, and the rules of every event type.

The rules (one instrument per book; `ts` and `instrument_id` of an event are not looked at). Checks are
made in the order in which they stand here, and the first that fails names the count:

ADD     A new order at the back of its level. Side above 1: `rejected_side`. Price above 2^63-1:
        `rejected_price`. Qty 0 or above 2^63-1: `rejected_quantity`. The id is live:
        `rejected_duplicate`. The level's total would exceed 2^63-1: `rejected_quantity`. Else `added`.
CANCEL  Unknown id: `unknown_order`. qty 0 or >= resting: the order leaves (`cancelled`). Less: it
        shrinks and keeps its place (`partially_cancelled`). Side and price of the event mean nothing.
MODIFY  Replace. Side, price and qty are checked as for an ADD, whether the id is known or not; what is
        rejected leaves the order as it was. Unknown id: an ADD, counted as one. Level total above
        2^63-1 after the replace: `rejected_quantity`, the order stays. Else `modified`: the order keeps
        its place in the queue when side and price are the same and qty is not larger, and goes to the
        back of its (new) level otherwise.
TRADE   Unknown id: `unknown_order`. qty 0: `rejected_quantity`. Else min(qty, resting) lots are
        filled (`traded`), and the order leaves when nothing rests.
other   `ignored`.

Every id from 0 to 2^64-1 is legal, every price from 0 to 2^63-1, and in a CANCEL and a TRADE every qty
up to 2^64-1: prices and resting lots fit an int64, ids do not. Events state what happened: nothing
matches here, so a book may be crossed, and says so.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from engine.core.errors import UsageError
from engine.core.types import EVENT_DTYPE

__all__ = [
    "MAX_LEVEL_LOTS",
    "MAX_PRICE_TICKS",
    "TOP_DTYPE",
    "ApplyCounts",
    "BookInterface",
    "BookStatistics",
    "EventArray",
    "Level",
    "TopArray",
    "as_event_array",
    "as_top_array",
]

MAX_LEVEL_LOTS = (1 << 63) - 1
"""Most lots that one level, and so one order, can hold: a total is an int64 everywhere."""

MAX_PRICE_TICKS = (1 << 63) - 1
"""Highest legal price."""

TOP_DTYPE = np.dtype([("bid_price", "<i8"), ("bid_qty", "<i8"), ("ask_price", "<i8"), ("ask_qty", "<i8")])
"""Best price (ticks) and the whole level's total (lots) of both sides. An empty side has qty 0, price 0."""

EventArray = npt.NDArray[np.void]
"""Events: shape (n,), dtype EVENT_DTYPE."""

TopArray = npt.NDArray[np.void]
"""Tops of a book: shape (n,), dtype TOP_DTYPE."""


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
    rejected_price: int = 0
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
    """The methods that all books have; every reader of a book is written against these."""

    def apply(self, events: EventArray, tops: TopArray | None = None) -> ApplyCounts:
        """Applies the events in order and says what became of them.

        `tops`, when given, has one row per event, TOP_DTYPE, writable and contiguous: row i becomes the
        top of the book after event i, whatever became of that event. Raises UsageError for another array.
        """

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


def as_top_array(tops: npt.NDArray[Any], event_count: int) -> TopArray:
    """`tops` itself. Raises UsageError unless it can take one row for each of `event_count` events."""
    if (
        not isinstance(tops, np.ndarray)
        or tops.dtype != TOP_DTYPE
        or tops.shape != (event_count,)
        or not tops.flags.writeable
        or not tops.flags.c_contiguous
    ):
        what = f"{tops.dtype}{list(tops.shape)}" if isinstance(tops, np.ndarray) else type(tops).__name__
        raise UsageError(
            f"tops of {event_count} events go into a writable, contiguous array of TOP_DTYPE with "
            f"{event_count} rows, not into {what}. Make one with numpy.zeros({event_count}, TOP_DTYPE)."
        )
    return tops


def _has_event_fields(dtype: np.dtype[Any]) -> bool:
    return dtype == EVENT_DTYPE or (
        dtype.names == EVENT_DTYPE.names
        and all(dtype[name] == EVENT_DTYPE[name] for name in dtype.names or ())
    )
