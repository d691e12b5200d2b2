"""nautilus_trader's L3 order book, fed with our events as its deltas.

Its deltas state what rests afterwards, ours state what happened, so they are translated beforehand (not
measured) with the reference book. What changes nothing (an unknown order) is not sent to it at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from engine.book import ReferenceBook
from engine.book.digest import book_digest
from engine.core.types import EventType
from tests.bench.measure import NotHere

__all__ = ["BATCH", "NautilusDeltas"]

BATCH = 1_000
"""Deltas in one prebuilt batch."""


class NautilusDeltas:
    """A stream as nautilus deltas. The first `filling` events are those before the measured ones.

    Raises NotHere where nautilus_trader is not installed.
    """

    def __init__(self, events: np.ndarray, filling: int) -> None:
        try:
            from nautilus_trader.model import data, identifiers
        except ImportError:
            raise NotHere("nautilus_trader is not installed: pip install -e '.[bench]'") from None
        self._instrument = identifiers.InstrumentId.from_str("ACME.SIM")
        judge = ReferenceBook()
        self.filling = [*_deltas(self._instrument, events[:filling], judge)]
        self.deltas = [*_deltas(self._instrument, events[filling:], judge)]
        self.batches = [
            data.OrderBookDeltas(self._instrument, self.deltas[i : i + BATCH])
            for i in range(0, len(self.deltas), BATCH)
        ]

    def book(self) -> Any:
        """A book with the filling in it."""
        from nautilus_trader.model.book import OrderBook
        from nautilus_trader.model.enums import BookType

        book = OrderBook(self._instrument, BookType.L3_MBO)
        for delta in self.filling:
            book.apply_delta(delta)
        return book

    def apply(self, book: Any) -> None:
        """All deltas, in batches."""
        for batch in self.batches:
            book.apply_deltas(batch)

    def apply_and_read(self, book: Any) -> None:
        """All deltas, reading best prices and sizes after each (its size is not the level's total)."""
        for delta in self.deltas:
            book.apply_delta(delta)
            book.best_bid_price()
            book.best_bid_size()
            book.best_ask_price()
            book.best_ask_size()

    @staticmethod
    def digest(book: Any) -> int:
        """Our digest, of the book's levels."""
        return book_digest(_levels(book.bids()), _levels(book.asks()))


def _levels(side: Sequence[Any]) -> list[tuple[int, int]]:
    return [(int(level.price), int(level.size())) for level in side]


def _deltas(instrument: Any, events: np.ndarray, judge: ReferenceBook) -> Iterator[Any]:
    """Applies the events to `judge` one by one, and says what then rests."""
    from nautilus_trader.model.data import BookOrder, OrderBookDelta
    from nautilus_trader.model.enums import BookAction, OrderSide
    from nautilus_trader.model.objects import Price, Quantity

    sides = (OrderSide.BUY, OrderSide.SELL)

    def delta(number: int, action: BookAction, order_id: int, order: tuple[int, int, int]) -> Any:
        side, price, lots = order
        resting = BookOrder(sides[side], Price(price, 0), Quantity(lots, 0), order_id)
        return OrderBookDelta(instrument, action, resting, 0, number, number, number)

    columns = (events[name].tolist() for name in ("event_type", "order_id", "side", "price", "qty"))
    for number, (kind, order_id, side, price, qty) in enumerate(zip(*columns, strict=True)):
        before = judge.order(order_id)
        if kind == EventType.ADD:
            judge.add(order_id, side, price, qty)
        elif kind == EventType.CANCEL:
            judge.cancel(order_id, qty)
        elif kind == EventType.TRADE:
            judge.trade(order_id, qty)
        elif kind == EventType.MODIFY:
            judge.modify(order_id, side, price, qty)
        after = judge.order(order_id)
        if after == before:
            continue
        if after is None:
            assert before is not None
            yield delta(number, BookAction.DELETE, order_id, before)
        else:
            yield delta(number, BookAction.ADD if before is None else BookAction.UPDATE, order_id, after)
