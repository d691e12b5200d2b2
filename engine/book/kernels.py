"""The hot book's inner loop: the event rules of interface.py over records (stop 3 on the data path).

    ids      Table[MapEntry]   order id -> slot in `orders` (engine/arena/wordmap.py)
    orders   Table[BookOrder]  pool of orders, each linked to its neighbours in the queue of its level;
                               free ones are chained through `next`.
    levels   Table[Level]      pool of levels; free ones are chained through `head`.
    sides    Table[BookSide]   per side the `rungs`: its levels by ascending rank. The best is the LAST, so
                               that what happens near the touch moves few rungs.

Side numbers: bids are even, asks odd. A book of one instrument has the sides 0 and 1; where many
instruments share the tables (many.py), number n has the sides 2n and 2n + 1.

Slot 0 of `orders` and `levels` stays unused and means "none". rank: price for a bid, -price for an ask: a
higher rank is a better price on both sides. Everything is int64; an order id is 64 bits, its sign unused.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined, routine
from engine.arena.layout import Byte, Half, Record, Table, Unsigned, Word
from engine.arena.leaves import check, move_rows, prefetch
from engine.arena.wordmap import MapEntry, find_entry, forget_entry, home_entry
from engine.core.types import EVENT_BYTES, EventType

__all__ = [
    "COUNTS",
    "Book",
    "BookOrder",
    "BookSide",
    "Count",
    "Event",
    "Level",
    "Near",
    "Rung",
    "Top",
    "add_order",
    "apply_event",
    "apply_events",
    "find_level",
    "find_slot",
    "has_room_at",
    "near_of",
    "remove_order",
    "replace_order",
    "room",
    "shrink_order",
    "write_top",
]


class Event(Record, itemsize=EVENT_BYTES):
    """EVENT_DTYPE as a record."""

    ts: Word
    price: Word
    qty: Word
    order_id: Word
    instrument_id: Unsigned
    event_type: Byte
    side: Byte


class Top(Record):
    """TOP_DTYPE as a record: best price and total of both sides; total 0 = that side is empty."""

    bid_price: Word
    bid_qty: Word
    ask_price: Word
    ask_qty: Word


class BookOrder(Record):
    """A resting order: 32 bytes, two to a cache line."""

    order_id: Word
    qty: Word
    level: Half
    previous: Half
    next: Half
    spare: Half


class Level(Record):
    """One price of one side: 32 bytes."""

    price: Word
    total: Word
    count: Half
    head: Half
    tail: Half
    side: Half


class Rung(Record):
    """A level's place in its side."""

    rank: Word
    level: Word


class Near(Record):
    """One entry of a side's memory of recent levels."""

    level: Half
    spare: Half


class BookSide(Record, itemsize=64):
    """The levels of one side, worst first: a cache line."""

    rungs: Table[Rung]
    count: Word
    best: Word
    """Slot of the best level; 0 = this side is empty."""
    near: Table[Near]
    """Price -> level, by the low bits of the price: most events hit it and need no search. An entry may be
    out of date; the level itself says whether it is meant."""


class Count(Record):
    """One counter."""

    value: Word


class Book(Record):
    """One book: where its tables are, and what is used of them."""

    ids: Table[MapEntry]
    orders: Table[BookOrder]
    levels: Table[Level]
    sides: Table[BookSide]
    counts: Table[Count]
    live_orders: Word
    used_orders: Word
    """Highest slot of `orders` ever used; slots above it are fresh."""
    free_order: Word
    """First of the chain of free slots; 0 = none."""
    used_levels: Word
    free_level: Word
    near_shift: Word
    """Low bits in which prices do not differ, as far as sides' memories of recent levels care: 0 where
    neighbouring prices are one tick apart."""


# What became of an event: indices of `counts`, in the order of ApplyCounts.
ADDED = 0
CANCELLED = 1
PARTIALLY_CANCELLED = 2
MODIFIED = 3
TRADED = 4
UNKNOWN_ORDER = 5
REJECTED_DUPLICATE = 6
REJECTED_SIDE = 7
REJECTED_PRICE = 8
REJECTED_QUANTITY = 9
IGNORED = 10
COUNTS = 11

_ADD = int(EventType.ADD)
_CANCEL = int(EventType.CANCEL)
_MODIFY = int(EventType.MODIFY)
_TRADE = int(EventType.TRADE)
_MAX_LOTS = 2**63 - 1
_AHEAD = 8
"""Events by which the id map is asked for early: its entry, then half as far ahead the order."""


@entry
def apply_events(book_address: int, events_address: int, start: int, stop: int, tops_address: int) -> int:
    """Applies events[start:stop]; row i of `tops` (address 0: none) gets the best prices after event i.

    Returns the index of the first event not applied: `stop`, or where the caller has to grow the tables
    and resume.
    """
    book = Book.at(book_address)
    events = Event.table(events_address, stop)
    tops = Top.table(tops_address, stop)
    at = start
    while at < stop:
        free = room(book)
        if free == 0:
            return at
        until = min(stop, at + free)
        while at < until:
            if at + _AHEAD < stop:
                prefetch(book.ids[home_entry(book.ids, events[at + _AHEAD].order_id)])
                prefetch(book.orders[book.ids[home_entry(book.ids, events[at + _AHEAD // 2].order_id)].value])
            book.counts[apply_event(book, events[at])].value += 1
            if tops_address != 0:
                write_top(book, 0, tops[at])
            at += 1
    return stop


@entry
def find_slot(book_address: int, order_id: int) -> int:
    """The slot of a live order in `orders`; 0 for an unknown id."""
    ids = Book.at(book_address).ids
    return ids[find_entry(ids, order_id)].value


@inlined
def room(book: Book) -> int:
    """How many events surely fit: each takes at most one order and one level of either side."""
    levels = len(book.sides[0].rungs) - max(book.sides[0].count, book.sides[1].count)
    return min(len(book.orders) - 1 - book.live_orders, levels)


@inlined
def has_room_at(book: Book, side: int) -> bool:
    """Whether one more order fits, on a level of its own if need be."""
    orders = book.free_order != 0 or book.used_orders < len(book.orders) - 1
    levels = book.free_level != 0 or book.used_levels < len(book.levels) - 1
    return orders and levels and book.sides[side].count < len(book.sides[side].rungs)


@inlined
def write_top(book: Book, bid_side: int, top: Top) -> None:
    """The best prices of one instrument."""
    bid = book.levels[book.sides[bid_side].best]  # level 0 reads as price 0, total 0
    ask = book.levels[book.sides[bid_side + 1].best]
    top.bid_price = bid.price
    top.bid_qty = bid.total
    top.ask_price = ask.price
    top.ask_qty = ask.total


# Event rules: each returns the index of `counts` under which its event counts.


@inlined
def apply_event(book: Book, event: Event) -> int:
    """Applies one event; there must be room for it."""
    kind = event.event_type
    if kind == _ADD:
        return _add(book, event)
    if kind == _CANCEL or kind == _TRADE:
        return _reduce(book, event, kind == _TRADE)
    if kind == _MODIFY:
        return _modify(book, event)
    return IGNORED


@inlined
def _add(book: Book, event: Event) -> int:
    if event.side > 1:
        return REJECTED_SIDE
    if event.price < 0:
        return REJECTED_PRICE
    if event.qty <= 0:
        return REJECTED_QUANTITY
    at = find_entry(book.ids, event.order_id)
    if book.ids[at].value != 0:
        return REJECTED_DUPLICATE
    return _add_new(book, event, at)


@inlined
def _reduce(book: Book, event: Event, trades: bool) -> int:
    """A cancel or a trade: lots leave an order."""
    at = find_entry(book.ids, event.order_id)
    slot = book.ids[at].value
    if slot == 0:
        return UNKNOWN_ORDER
    qty = event.qty
    if trades and qty == 0:
        return REJECTED_QUANTITY
    if qty <= 0 or qty >= book.orders[slot].qty:
        remove_order(book, at, slot)
        return TRADED if trades else CANCELLED
    shrink_order(book, slot, qty)
    return TRADED if trades else PARTIALLY_CANCELLED


@routine
def _modify(book: Book, event: Event) -> int:
    if event.side > 1:
        return REJECTED_SIDE
    if event.price < 0:
        return REJECTED_PRICE
    if event.qty <= 0:
        return REJECTED_QUANTITY
    at = find_entry(book.ids, event.order_id)
    slot = book.ids[at].value
    if slot == 0:
        return _add_new(book, event, at)
    return MODIFIED if replace_order(book, slot, event.side, event.price, event.qty) else REJECTED_QUANTITY


@inlined
def _add_new(book: Book, event: Event, at: int) -> int:
    """A new order whose id belongs into the free entry `at`."""
    slot = add_order(book, at, event.order_id, event.side, event.price, event.qty)
    return ADDED if slot != 0 else REJECTED_QUANTITY


# Orders


@inlined
def add_order(book: Book, at: int, order_id: int, side: int, price: int, qty: int) -> int:
    """A new order at the back of its level; `at` is the free entry of its id. Returns its slot.

    Returns 0, and changes nothing, where the level's total would pass 2^63-1.
    """
    check(has_room_at(book, side))
    level_slot = _near_level(book, side, price)
    if level_slot == 0:
        level_slot = _found_or_opened(book, side, price)
    if qty > _MAX_LOTS - book.levels[level_slot].total:
        return 0
    slot = book.free_order
    if slot != 0:
        book.free_order = book.orders[slot].next
    else:
        book.used_orders += 1
        slot = book.used_orders
    book.live_orders += 1
    id_entry = book.ids[at]
    id_entry.key = order_id
    id_entry.value = slot
    order = book.orders[slot]
    order.order_id = order_id
    order.qty = qty
    _link(book, slot, level_slot)
    return slot


@inlined
def remove_order(book: Book, at: int, slot: int) -> None:
    """The order leaves the book; its id is in entry `at`."""
    _unlink(book, slot)
    book.orders[slot].next = book.free_order
    book.free_order = slot
    book.live_orders -= 1
    forget_entry(book.ids, at)


@inlined
def shrink_order(book: Book, slot: int, qty: int) -> None:
    """Takes less than all lots out of an order, which keeps its place."""
    order = book.orders[slot]
    order.qty -= qty
    book.levels[order.level].total -= qty


@routine
def replace_order(book: Book, slot: int, side: int, price: int, qty: int) -> bool:
    """Gives an order a new side, price and quantity; it keeps its place only where it may.

    False, and nothing changed, where the level's total would pass 2^63-1.
    """
    order = book.orders[slot]
    level = book.levels[order.level]
    stays = level.side == side and level.price == price
    if stays and qty <= order.qty:
        shrink_order(book, slot, order.qty - qty)
        return True
    level_slot = find_level(book, side, price)
    total_of_others = book.levels[level_slot].total  # level 0 stays empty
    if stays:
        total_of_others -= order.qty
    if qty > _MAX_LOTS - total_of_others:
        return False
    _unlink(book, slot)
    order.qty = qty
    if level_slot == 0 or (stays and level.count == 0):
        level_slot = _found_or_opened(book, side, price)
    _link(book, slot, level_slot)
    return True


@inlined
def _link(book: Book, slot: int, level_slot: int) -> None:
    """Puts an order at the back of a level's queue."""
    level = book.levels[level_slot]
    order = book.orders[slot]
    tail = level.tail
    if tail != 0:
        book.orders[tail].next = slot
    else:
        level.head = slot
    level.tail = slot
    level.count += 1
    level.total += order.qty
    order.level = level_slot
    order.previous = tail
    order.next = 0


@inlined
def _unlink(book: Book, slot: int) -> None:
    """Takes an order out of its level's queue; the level leaves with its last order."""
    order = book.orders[slot]
    level = book.levels[order.level]
    before = order.previous
    after = order.next
    if before != 0:
        book.orders[before].next = after
    else:
        level.head = after
    if after != 0:
        book.orders[after].previous = before
    else:
        level.tail = before
    level.count -= 1
    level.total -= order.qty
    if level.count == 0:
        _close_level(book, order.level)


# Levels


@inlined
def _rank(side: int, price: int) -> int:
    return price if side & 1 == 0 else -price


@inlined
def _find_rung(book: Book, side: int, price: int) -> int:
    """Index of the first rung with at least this price's rank: where its level stands, or belongs.

    Gallops from the best rung, because most events are near it; then halves what is left.
    """
    rank = _rank(side, price)
    rungs = book.sides[side].rungs
    high = book.sides[side].count
    probe = high - 1
    step = 1
    while probe >= 0 and rungs[probe].rank >= rank:
        high = probe
        probe -= step
        step *= 2
    low = max(probe + 1, 0)
    while low < high:
        middle = (low + high) >> 1
        if rungs[middle].rank < rank:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def find_level(book: Book, side: int, price: int) -> int:
    """The level at a price; 0 where there is none."""
    slot = _near_level(book, side, price)
    return slot if slot != 0 else _search_level(book, side, price)


@inlined
def near_of(book: Book, book_side: BookSide, price: int) -> Near:
    """Where a side remembers the level at a price."""
    return book_side.near[(price >> book.near_shift) & (len(book_side.near) - 1)]


@inlined
def _near_level(book: Book, side: int, price: int) -> int:
    """The level at a price, where its side remembers it; else 0."""
    slot = near_of(book, book.sides[side], price).level
    level = book.levels[slot]
    return slot if level.price == price and level.count != 0 and level.side == side else 0


@routine
def _search_level(book: Book, side: int, price: int) -> int:
    return _standing(book, side, price, _find_rung(book, side, price))


@routine
def _found_or_opened(book: Book, side: int, price: int) -> int:
    """The level at a price, which is opened where there is none."""
    rung = _find_rung(book, side, price)
    slot = _standing(book, side, price, rung)
    return slot if slot != 0 else _open_level(book, side, price, rung)


@inlined
def _standing(book: Book, side: int, price: int, rung: int) -> int:
    """The level at a price, whose place is this rung; 0 where another one stands there."""
    book_side = book.sides[side]
    if rung == book_side.count or book_side.rungs[rung].rank != _rank(side, price):
        return 0
    slot = book_side.rungs[rung].level
    near_of(book, book_side, price).level = slot
    return slot


@inlined
def _open_level(book: Book, side: int, price: int, rung: int) -> int:
    """An empty level at this rung, where there is none; the better ones move up. Returns its slot."""
    slot = book.free_level
    if slot != 0:
        book.free_level = book.levels[slot].head
    else:
        book.used_levels += 1
        slot = book.used_levels
    level = book.levels[slot]
    level.price = price
    level.side = side
    level.total = 0
    level.count = 0
    level.head = 0
    level.tail = 0
    book_side = book.sides[side]
    rungs = book_side.rungs
    move_rows(rungs, rung, rung + 1, book_side.count - rung)
    book_side.count += 1
    rungs[rung].rank = _rank(side, price)
    rungs[rung].level = slot
    book_side.best = rungs[book_side.count - 1].level
    near_of(book, book_side, price).level = slot
    return slot


@routine
def _close_level(book: Book, slot: int) -> None:
    """An empty level leaves its side; the better ones move down by one."""
    level = book.levels[slot]
    book_side = book.sides[level.side]
    rungs = book_side.rungs
    rung = _find_rung(book, level.side, level.price)
    last = book_side.count - 1
    move_rows(rungs, rung + 1, rung, last - rung)
    book_side.count = last
    book_side.best = rungs[last - 1].level if last > 0 else 0
    level.head = book.free_level
    book.free_level = slot
