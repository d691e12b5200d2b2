"""A market's public events as ITCH 5.0 messages: what any ITCH tool can read.

Stop on the data path: the way out (files, MoldUDP64, SoupBinTCP). Invariant: the messages, read back, give a
book of the same digest after every event.

    ADD                A, or U as the second half of a replacement
    TRADE              E, at the resting order's price
    CANCEL             X for a part, D for the whole
    MODIFY             X where the order keeps its place, else U: the order goes on under a new reference
    PRINT              P
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.book.interface import EventArray
from engine.core.errors import DataError, UsageError
from engine.core.types import EventType, Instrument, Side
from engine.feeds.itch.messages import (
    PRICE_DECIMALS,
    AddOrder,
    ItchMessage,
    OrderCancel,
    OrderDelete,
    OrderExecuted,
    OrderReplace,
    StockDirectory,
    SystemEvent,
    TradeMessage,
    TradingAction,
    write_message,
)

__all__ = ["LOCATE", "OPEN_NS", "ItchWriter", "framed"]

LOCATE = 1
"""Number of the one stock."""
OPEN_NS = 34_200_000_000_000
"""Session time 0 on the messages' clock: 09:30."""
_MAX_TIME_NS = (1 << 48) - 1
_MAX_WORD = (1 << 32) - 1
_ADD, _CANCEL, _MODIFY, _TRADE, _PRINT = (
    int(kind)
    for kind in (EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE, EventType.PRINT)
)
_SIDES = "BS"


def framed(message: bytes) -> bytes:
    """A message as a BinaryFILE holds it: behind its two-byte length."""
    return len(message).to_bytes(2, "big") + message


class _Resting(NamedTuple):
    """An order as its readers know it."""

    reference: int
    side: int
    price: int
    shares: int


class ItchWriter:
    """Turns events into messages; it follows the orders, because ITCH says of a change what is taken away.

    Messages   opening, standing, messages_of, message_of, closing
    State      order_count, match_number
    """

    def __init__(self, instrument: Instrument, *, locate: int = LOCATE, opens_ns: int = OPEN_NS) -> None:
        """`locate` is the stock's number, `opens_ns` what the messages' clock says at time 0.

        Raises UsageError for an instrument whose ticks ITCH's four decimals cannot hold.
        """
        tick = instrument.tick_size * Decimal(10) ** PRICE_DECIMALS
        if tick != int(tick):
            raise UsageError(
                f"{instrument.symbol}: a tick of {instrument.tick_size} is finer than ITCH's prices "
                "(0.0001); publish an instrument with a coarser tick"
            )
        self.stock = (
            "".join(char for char in instrument.symbol if char.isalnum() or char in ".-")[:8] or "SIM"
        )
        self._tick = int(tick)
        self._locate = locate
        self._opens_ns = opens_ns
        self._orders: dict[int, _Resting] = {}
        self._next_reference = (1 << 62) + (locate << 40)
        self.match_number = 0

    @property
    def order_count(self) -> int:
        """Orders that readers have now."""
        return len(self._orders)

    def opening(self, time_ns: int = 0) -> list[bytes]:
        """The messages with which a session begins: events of the day, directory, trading."""
        at = self._clock(time_ns)
        return _written(
            SystemEvent(0, 0, at, "O"),
            StockDirectory(
                self._locate, 0, at, self.stock, "Q", "N", 1, "N", "C", "Z", "T", "N", "N", "1", "N", 0, "N"
            ),
            TradingAction(self._locate, 0, at, self.stock, "T", "", ""),
            SystemEvent(0, 0, at, "S"),
            SystemEvent(0, 0, at, "Q"),
        )

    def standing(self, time_ns: int, orders: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """The orders that rest already, as (order id, side, price in ticks, lots), in the order of their
        places: publishing may begin in the middle of a session."""
        return [write_message(self._add(time_ns, price, lots, i, side)) for i, side, price, lots in orders]

    def closing(self, time_ns: int) -> list[bytes]:
        """The messages with which it ends."""
        at = self._clock(time_ns)
        return _written(*(SystemEvent(0, 0, at, event) for event in "MEC"))

    def messages_of(self, events: EventArray) -> list[bytes]:
        """The messages of these events, which follow those of the last call.

        Raises DataError for what ITCH cannot say: prices or quantities of more than 32 bits, times beyond
        48 bits.
        """
        rows = events.tolist()
        return [message for row in rows if (message := self.message_of(row)) is not None]

    def message_of(self, row: tuple[int, int, int, int, int, int, int]) -> bytes | None:
        """The message of one event, given by its fields in the order of EVENT_DTYPE; None where it changes
        nothing. Raises DataError as `messages_of` does."""
        ts, price, qty, order_id, _, kind, side = row
        message = self._message(kind, ts, price, qty, order_id, side)
        return None if message is None else write_message(message)

    def _message(
        self, kind: int, ts: int, price: int, qty: int, order_id: int, side: int
    ) -> ItchMessage | None:
        if kind == _ADD:
            return self._add(ts, price, qty, order_id, side)
        if kind == _PRINT:
            self.match_number += 1
            at, shares, match = self._clock(ts), _shares(qty), self.match_number
            return TradeMessage(self._locate, 0, at, 0, "B", shares, self.stock, self._price(price), match)
        known = self._orders.get(order_id)
        if known is None:
            return self._add(ts, price, qty, order_id, side) if kind == _MODIFY else None
        if kind == _MODIFY:
            return self._modify(ts, price, qty, order_id, known)
        if kind == _TRADE or kind == _CANCEL:
            return self._reduce(ts, qty, order_id, known, trades=kind == _TRADE)
        return None

    def _add(self, ts: int, price: int, qty: int, order_id: int, side: int) -> ItchMessage:
        reference = order_id if order_id < 1 << 62 and order_id not in self._orders else self._new_reference()
        order = _Resting(reference, side, self._price(price), _shares(qty))
        self._orders[order_id] = order
        at = self._clock(ts)
        return AddOrder(self._locate, 0, at, reference, _SIDES[side], order.shares, self.stock, order.price)

    def _reduce(
        self, ts: int, qty: int, order_id: int, known: _Resting, *, trades: bool
    ) -> ItchMessage | None:
        if trades and qty == 0:
            return None
        at = self._clock(ts)
        shares = known.shares if qty == 0 else min(qty, known.shares)
        if shares == known.shares:
            del self._orders[order_id]
        else:
            self._orders[order_id] = known._replace(shares=known.shares - shares)
        if trades:
            self.match_number += 1
            return OrderExecuted(self._locate, 0, at, known.reference, shares, self.match_number)
        if shares == known.shares:
            return OrderDelete(self._locate, 0, at, known.reference)
        return OrderCancel(self._locate, 0, at, known.reference, shares)

    def _modify(self, ts: int, price: int, qty: int, order_id: int, known: _Resting) -> ItchMessage | None:
        at, price4, shares = self._clock(ts), self._price(price), _shares(qty)
        if price4 == known.price and shares <= known.shares:
            self._orders[order_id] = known._replace(shares=shares)
            gone = known.shares - shares
            return OrderCancel(self._locate, 0, at, known.reference, gone) if gone else None
        reference = self._new_reference()
        self._orders[order_id] = _Resting(reference, known.side, price4, shares)
        return OrderReplace(self._locate, 0, at, known.reference, reference, shares, price4)

    def _new_reference(self) -> int:
        """Never one that an order of the market has as its id."""
        self._next_reference += 1
        return self._next_reference

    def _price(self, price_ticks: int) -> int:
        price = price_ticks * self._tick
        if price > _MAX_WORD:
            raise DataError(
                f"ITCH: a price of {price_ticks} ticks is above {_MAX_WORD / 10**PRICE_DECIMALS:,.4f}, the "
                "most that 32 bits hold"
            )
        return price

    def _clock(self, time_ns: int) -> int:
        if self._opens_ns + time_ns > _MAX_TIME_NS:
            raise DataError("ITCH: a session cannot be published beyond 68 hours: its clock has 48 bits")
        return self._opens_ns + time_ns


def _shares(qty_lots: int) -> int:
    if qty_lots > _MAX_WORD:
        raise DataError(f"ITCH: a quantity of {qty_lots} lots is more than 32 bits hold")
    return qty_lots


def _written(*messages: ItchMessage) -> list[bytes]:
    return [write_message(message) for message in messages]


assert tuple(Side) == (0, 1), "the side's number is its letter's place"
