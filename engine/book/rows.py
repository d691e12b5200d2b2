"""Feed rows into many books at once: what a feed leaves unsaid is taken from the resting order (kernel).

A full-depth feed such as ITCH names an order when it is executed, cancelled or replaced, but neither its side
nor its price. `apply_rows` looks the order up, completes the row in place and applies it by the rules of
interface.py, so that afterwards the rows are canonical events of their instruments' books. All books share
one id map, one pool of orders and one of levels (kernels.py): order ids are unique over the instruments.

Invariant: a row about an unknown order changes nothing and is counted; nothing is guessed.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined
from engine.arena.layout import Byte, Record, Table, Unsigned, Word
from engine.arena.leaves import prefetch
from engine.arena.wordmap import find_entry, home_entry
from engine.book.kernels import (
    ADDED,
    CANCELLED,
    IGNORED,
    PARTIALLY_CANCELLED,
    REJECTED_DUPLICATE,
    REJECTED_QUANTITY,
    REJECTED_SIDE,
    TRADED,
    UNKNOWN_ORDER,
    Book,
    Top,
    add_order,
    has_room_at,
    near_of,
    remove_order,
    shrink_order,
    write_top,
)
from engine.core.types import EVENT_BYTES, NO_SIDE, EventType

__all__ = ["REPLACING", "UNPRINTED", "FeedRow", "apply_rows"]

REPLACING = 1
"""Flag of an add that takes over the side of the order which the row before it removed."""
UNPRINTED = 2
"""Flag of an execution that is neither in the tape nor in the volume."""

_ADD = int(EventType.ADD)
_CANCEL = int(EventType.CANCEL)
_TRADE = int(EventType.TRADE)
_NOTHING = int(EventType.SNAPSHOT)
_AHEAD = 8
"""Rows by which the first thing that a row needs is asked for early."""


class FeedRow(Record, itemsize=EVENT_BYTES):
    """An event as a feed states it: the layout of EVENT_DTYPE, with two more fields in its padding."""

    ts: Word
    """ns since the feed's midnight."""
    price: Word
    """In the feed's ticks; 0 where the message has none, until `apply_rows` knows the order's."""
    qty: Word
    order_id: Word
    instrument_id: Unsigned
    event_type: Byte
    side: Byte
    """NO_SIDE where the message has none; `apply_rows` replaces it where the order is known."""
    letter: Byte
    """The message's type in its own protocol."""
    flags: Byte
    """Of REPLACING and UNPRINTED."""


@entry
def apply_rows(book_address: int, rows_address: int, start: int, stop: int, tops_address: int) -> int:
    """Completes and applies rows[start:stop]; row i of `tops` (address 0: none) gets the best prices of its
    own instrument after it.

    Returns the index of the first row not applied: `stop`, or where the caller has to make room (for an
    order, or a level of that row's side, or for its instrument) and resume.
    """
    book = Book.at(book_address)
    rows = FeedRow.table(rows_address, stop)
    tops = Top.table(tops_address, stop)
    known_sides = len(book.sides)
    at = start
    while at < stop:
        if at + _AHEAD < stop:
            _look_ahead(book, rows, at)
        row = rows[at]
        bid_side = 2 * row.instrument_id
        if bid_side >= known_sides:
            return at
        if row.event_type == _ADD:
            if row.flags == REPLACING and row.side == NO_SIDE and at > 0:
                row.side = rows[at - 1].side
            if row.side < NO_SIDE and not has_room_at(book, bid_side + row.side):
                return at
            book.counts[_add(book, row, bid_side + row.side)].value += 1
        elif row.event_type == _CANCEL or row.event_type == _TRADE:
            book.counts[_reduce(book, row)].value += 1
        else:
            book.counts[IGNORED].value += 1
        if tops_address != 0:
            write_top(book, 2 * row.instrument_id, tops[at])
        at += 1
    return stop


@inlined
def _look_ahead(book: Book, rows: Table[FeedRow], at: int) -> None:
    """Asks early for what coming rows need, each thing a few rows before what it leads to: the entry of its
    id, then its order and its side, then its level."""
    sides = book.sides
    prefetch(book.ids[home_entry(book.ids, rows[at + _AHEAD].order_id)])
    soon = rows[at + _AHEAD // 2]
    prefetch(book.orders[book.ids[home_entry(book.ids, soon.order_id)].value])
    if 2 * soon.instrument_id < len(sides):
        prefetch(sides[2 * soon.instrument_id])
        prefetch(sides[2 * soon.instrument_id + 1])
    next_row = rows[at + _AHEAD // 4]
    if 2 * next_row.instrument_id < len(sides):
        if next_row.event_type == _ADD:
            prefetch(near_of(book, sides[2 * next_row.instrument_id + (next_row.side & 1)], next_row.price))
        else:
            slot = book.ids[home_entry(book.ids, next_row.order_id)].value
            prefetch(book.levels[book.orders[slot].level])


@inlined
def _add(book: Book, row: FeedRow, side: int) -> int:
    if row.side >= NO_SIDE:
        return REJECTED_SIDE
    if row.qty <= 0:
        return REJECTED_QUANTITY
    at = find_entry(book.ids, row.order_id)
    if book.ids[at].value != 0:
        row.event_type = _NOTHING  # the live order may be another instrument's, whose book alone knows it
        return REJECTED_DUPLICATE
    slot = add_order(book, at, row.order_id, side, row.price, row.qty)
    return ADDED if slot != 0 else REJECTED_QUANTITY


@inlined
def _reduce(book: Book, row: FeedRow) -> int:
    """A cancel or a trade: lots leave an order, which tells the row its instrument, its side and, where it
    has none, its price."""
    at = find_entry(book.ids, row.order_id)
    slot = book.ids[at].value
    if slot == 0:
        return UNKNOWN_ORDER
    order = book.orders[slot]
    level = book.levels[order.level]
    row.instrument_id = level.side >> 1
    row.side = level.side & 1
    if row.price == 0:
        row.price = level.price
    trades = row.event_type == _TRADE
    qty = row.qty
    if trades and qty == 0:
        return REJECTED_QUANTITY
    if qty == 0 or qty >= order.qty:
        remove_order(book, at, slot)
        return TRADED if trades else CANCELLED
    shrink_order(book, slot, qty)
    return TRADED if trades else PARTIALLY_CANCELLED
