"""A second reading of ITCH, written to be obviously right: one message at a time, orders in a dictionary."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from engine.book import ReferenceBook
from engine.book.interface import TOP_DTYPE
from engine.core.types import EVENT_DTYPE, EventType
from engine.feeds.itch.messages import ItchMessage, read_message

__all__ = ["PlainFeed", "messages_of"]

Row = tuple[int, int, int, int, int, int, int]
"""ts, price, qty, order_id, instrument_id, event_type, side."""


def messages_of(data: bytes) -> Iterator[ItchMessage | None]:
    """Each whole frame's message; None for one that is none."""
    at = 0
    while at + 2 < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            return
        yield read_message(data[at + 2 : end])
        at = end


class PlainFeed:
    """Reads a stream into events of one reference book per stock."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.tops: list[tuple[int, int, int, int]] = []
        self.notes = 0
        self.damaged = 0
        self.books: dict[int, ReferenceBook] = {}
        self._orders: dict[int, tuple[int, int, int, int]] = {}
        """order id -> stock, side, price, shares."""

    def take(self, data: bytes) -> None:
        """All whole messages of a stream."""
        for message in messages_of(data):
            if message is None:
                self.damaged += 1
            elif message.letter in "AFECXDUPQ":
                getattr(self, f"_take_{message.letter.lower()}")(message)
            else:
                self.notes += 1

    def _take_a(self, m) -> None:
        side = {"B": 0, "S": 1}.get(m.side, 2)
        self._event(m, m.price, m.shares, m.order_id, EventType.ADD, side)
        if side < 2 and m.shares and m.order_id not in self._orders:
            self._orders[m.order_id] = (m.locate, side, m.price, m.shares)

    _take_f = _take_a

    def _take_e(self, m) -> None:
        self._reduce(m, m.shares, EventType.TRADE, price=getattr(m, "price", 0))

    _take_c = _take_e

    def _take_x(self, m) -> None:
        if m.shares:
            self._reduce(m, m.shares, EventType.CANCEL)
        else:
            self._event(m, 0, 0, m.order_id, EventType.SNAPSHOT, 2)

    def _take_d(self, m) -> None:
        self._reduce(m, 0, EventType.CANCEL)

    def _take_u(self, m) -> None:
        side = self._orders[m.order_id][1] if m.order_id in self._orders else 2
        self._reduce(m, 0, EventType.CANCEL)
        self._event(m, m.price, m.shares, m.new_order_id, EventType.ADD, side)
        if side < 2 and m.shares and m.new_order_id not in self._orders:
            self._orders[m.new_order_id] = (m.locate, side, m.price, m.shares)

    def _take_p(self, m) -> None:
        self._event(m, m.price, m.shares, m.order_id, EventType.PRINT, 2)

    def _take_q(self, m) -> None:
        self._event(m, m.price, m.shares, 0, EventType.PRINT, 2)

    def _reduce(self, m, shares: int, kind: EventType, price: int = 0) -> None:
        known = self._orders.get(m.order_id)
        if known is None:
            self._event(m, price, shares, m.order_id, kind, 2)
            return
        locate, side, resting_price, resting = known
        self._event(m, price or resting_price, shares, m.order_id, kind, side, locate)
        if kind == EventType.TRADE and shares == 0:
            return
        if shares == 0 or shares >= resting:
            del self._orders[m.order_id]
        else:
            self._orders[m.order_id] = (locate, side, resting_price, resting - shares)

    def _event(self, m, price, qty, order_id, kind, side, locate=None) -> None:
        if kind == EventType.ADD and order_id in self._orders and side < 2 and qty:
            kind = EventType.SNAPSHOT  # that id is live, here or in another stock
        locate = m.locate if locate is None else locate
        row = (m.time_ns, price, qty, order_id, locate, int(kind), side)
        self.rows.append(row)
        book = self.books.setdefault(locate, ReferenceBook())
        book.apply(np.array([row], EVENT_DTYPE))
        (bid, bid_lots, _), (ask, ask_lots, _) = (
            next(iter(book.levels(side, 1)), (0, 0, 0)) for side in (0, 1)
        )
        self.tops.append((bid, bid_lots, ask, ask_lots))

    def top_rows(self) -> np.ndarray:
        """Best prices of each row's stock after it."""
        return np.array(self.tops, TOP_DTYPE)
