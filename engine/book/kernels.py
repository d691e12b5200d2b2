"""The hot book's inner loop: event rules of interface.py, over arrays, compiled or interpreted.

The same source runs both ways, so it keeps to what both do alike: prices, quantities and ids are u64
and meet only u64; everything that counts or indexes is a signed integer; nothing here overflows.

The arrays (hot.py makes and grows them; index 0 of `orders` and `levels` stays unused and means "none"):

id_map   (2 x order capacity,)  ENTRY_DTYPE  order id -> slot in `orders`. Open addressing with linear
                                             probing over a power of two, at most half full; slot 0 is
                                             a free entry, and removal shifts later entries back, so
                                             there are no tombstones.
orders   (order capacity,)      ORDER_DTYPE  pool of orders, each linked to its neighbours in the queue
                                             of its level; free ones are chained through `next`.
levels   (2 x rungs + 1,)       LEVEL_DTYPE  pool of levels; free ones are chained through `head`.
ladder   (2, rungs)             RUNG_DTYPE   per side the levels by ascending rank: the best is the LAST,
                                             so that what happens near the touch moves few rungs.
state    (STATE_WORDS,)         int64        counts, pool heads and fills, by the names below.

rank: price for a bid, 2^64-1 - price for an ask. A higher rank is a better price on both sides.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.book.compiler import entry, inlined
from engine.core.types import EventType

__all__ = [
    "ENTRY_DTYPE",
    "LEVEL_DTYPE",
    "ORDER_DTYPE",
    "RUNG_DTYPE",
    "STATE_WORDS",
    "apply_events",
    "find_slot",
    "rehash",
]

ENTRY_DTYPE = np.dtype([("order_id", "u8"), ("slot", "i8")])
ORDER_DTYPE = np.dtype(
    [("order_id", "u8"), ("qty", "u8"), ("level", "i4"), ("previous", "i4"), ("next", "i4"), ("spare", "i4")]
)
"""32 bytes, two to a cache line; the spare word makes it so."""
LEVEL_DTYPE = np.dtype(
    [("price", "u8"), ("total", "u8"), ("count", "i4"), ("head", "i4"), ("tail", "i4"), ("side", "i4")]
)
RUNG_DTYPE = np.dtype([("rank", "u8"), ("level", "i8")])

# Words of `state`. The first ten are the fields of ApplyCounts, in its order.
ADDED = 0
CANCELLED = 1
PARTIALLY_CANCELLED = 2
MODIFIED = 3
TRADED = 4
UNKNOWN_ORDER = 5
REJECTED_DUPLICATE = 6
REJECTED_SIDE = 7
REJECTED_QUANTITY = 8
IGNORED = 9
COUNT_WORDS = 10
LIVE_ORDERS = 10
USED_ORDERS = 11  # highest slot of `orders` ever used; slots above it are fresh
FREE_ORDER = 12  # first of the chain of free slots, 0 = none
USED_LEVELS = 13
FREE_LEVEL = 14
LEVEL_COUNTS = 15  # two words: levels on the bid side, levels on the ask side
STATE_WORDS = 17

_ADD = int(EventType.ADD)
_CANCEL = int(EventType.CANCEL)
_MODIFY = int(EventType.MODIFY)
_TRADE = int(EventType.TRADE)

_U64_MAX = np.uint64(2**64 - 1)
_ZERO = np.uint64(0)
_LOW_HALF = np.uint64(2**32 - 1)
_HALF_BITS = np.uint64(32)
_LINE_BITS = np.uint64(2)  # four entries of 16 bytes are one cache line
_IN_LINE = np.uint64(3)
_GOLDEN = np.uint64(0x9E3779B1)
_ODD = np.uint64(0x85EBCA77)
_POOR_BITS = np.uint64(20)  # low bits of a product repeat for ids that count in steps; those above do not

Records = npt.NDArray[np.void]
Words = npt.NDArray[np.int64]
Int = Any  # a Python int or a numpy integer when interpreted, int64 when compiled
Bool = Any  # bool or np.bool when interpreted
U64 = Any  # np.uint64 when interpreted, u64 when compiled


class _Book(NamedTuple):
    """The arrays of one book. Made inside the entry: passed in from Python, it would slow every call."""

    state: Words
    id_map: Records
    orders: Records
    levels: Records
    ladder: Records


@entry
def apply_events(
    events: Records,
    start: Int,
    state: Words,
    id_map: Records,
    orders: Records,
    levels: Records,
    ladder: Records,
) -> Int:
    """Applies events[start:] until an array may be too small for the next one.

    Returns the index of the first event not applied: len(events), or where the caller has to grow
    the arrays and resume.
    """
    book = _Book(state, id_map, orders, levels, ladder)
    for i in range(start, events.shape[0]):
        if not _has_room(book):
            return i
        event = events[i]
        kind = event["event_type"]
        if kind == _ADD:
            outcome = _add(event, book)
        elif kind == _CANCEL:
            outcome = _cancel(event, book)
        elif kind == _MODIFY:
            outcome = _modify(event, book)
        elif kind == _TRADE:
            outcome = _trade(event, book)
        else:
            outcome = IGNORED
        state[outcome] += 1
    return events.shape[0]


@entry
def rehash(old_map: Records, new_map: Records) -> None:
    """Enters every id of `old_map` into the empty, larger `new_map`."""
    for i in range(old_map.shape[0]):
        if old_map[i]["slot"] != 0:
            at = _find_entry(old_map[i]["order_id"], new_map)
            new_map[at]["order_id"] = old_map[i]["order_id"]
            new_map[at]["slot"] = old_map[i]["slot"]


@entry
def find_slot(order_id: U64, id_map: Records) -> Int:
    """The slot of a live order in `orders`; 0 for an unknown id."""
    return id_map[_find_entry(order_id, id_map)]["slot"]


@inlined
def _has_room(book: _Book) -> Bool:
    """Whether any one event fits: one more order, one more level on either side.

    The map is twice as long as `orders`, and `levels` as both rungs and the unused slot.
    """
    return (
        book.state[LIVE_ORDERS] + 1 < book.orders.shape[0]
        and book.state[LEVEL_COUNTS] < book.ladder.shape[1]
        and book.state[LEVEL_COUNTS + 1] < book.ladder.shape[1]
    )


# Event rules: each returns the word of `state` in which its event is counted.


@inlined
def _add(event: Any, book: _Book) -> Int:
    if event["side"] > 1:
        return REJECTED_SIDE
    if event["qty"] == _ZERO:
        return REJECTED_QUANTITY
    at = _find_entry(event["order_id"], book.id_map)
    if book.id_map[at]["slot"] != 0:
        return REJECTED_DUPLICATE
    return _add_new(event, at, book)


@inlined
def _cancel(event: Any, book: _Book) -> Int:
    at = _find_entry(event["order_id"], book.id_map)
    slot = book.id_map[at]["slot"]
    if slot == 0:
        return UNKNOWN_ORDER
    if event["qty"] == _ZERO or event["qty"] >= book.orders[slot]["qty"]:
        _remove(at, slot, book)
        return CANCELLED
    _shrink(slot, event["qty"], book)
    return PARTIALLY_CANCELLED


@inlined
def _modify(event: Any, book: _Book) -> Int:
    if event["side"] > 1:
        return REJECTED_SIDE
    qty = event["qty"]
    if qty == _ZERO:
        return REJECTED_QUANTITY
    at = _find_entry(event["order_id"], book.id_map)
    slot = book.id_map[at]["slot"]
    if slot == 0:
        return _add_new(event, at, book)
    order = book.orders[slot]
    level = book.levels[order["level"]]
    side = np.int64(event["side"])
    stays = level["side"] == side and level["price"] == event["price"]
    if stays and qty <= order["qty"]:
        _shrink(slot, order["qty"] - qty, book)
        return MODIFIED
    rung = _find_rung(side, _rank(side, event["price"]), book)
    total_of_others = _total_at(rung, side, event["price"], book)
    if stays:
        total_of_others -= order["qty"]
    if qty > _U64_MAX - total_of_others:
        return REJECTED_QUANTITY
    _unlink(slot, book)
    order["qty"] = qty
    # The old level may have left the ladder: look again.
    rung = _find_rung(side, _rank(side, event["price"]), book)
    _link(slot, rung, side, event["price"], book)
    return MODIFIED


@inlined
def _trade(event: Any, book: _Book) -> Int:
    at = _find_entry(event["order_id"], book.id_map)
    slot = book.id_map[at]["slot"]
    if slot == 0:
        return UNKNOWN_ORDER
    if event["qty"] == _ZERO:
        return REJECTED_QUANTITY
    if event["qty"] >= book.orders[slot]["qty"]:
        _remove(at, slot, book)
    else:
        _shrink(slot, event["qty"], book)
    return TRADED


# Orders


@inlined
def _add_new(event: Any, at: Int, book: _Book) -> Int:
    """A new order whose id belongs into the free entry `at`."""
    side = np.int64(event["side"])
    rung = _find_rung(side, _rank(side, event["price"]), book)
    if event["qty"] > _U64_MAX - _total_at(rung, side, event["price"], book):
        return REJECTED_QUANTITY
    slot = book.state[FREE_ORDER]
    if slot != 0:
        book.state[FREE_ORDER] = book.orders[slot]["next"]
    else:
        book.state[USED_ORDERS] += 1
        slot = book.state[USED_ORDERS]
    book.state[LIVE_ORDERS] += 1
    book.id_map[at]["order_id"] = event["order_id"]
    book.id_map[at]["slot"] = slot
    book.orders[slot]["order_id"] = event["order_id"]
    book.orders[slot]["qty"] = event["qty"]
    _link(slot, rung, side, event["price"], book)
    return ADDED


@inlined
def _remove(at: Int, slot: Int, book: _Book) -> None:
    """The order leaves the book; its id is in entry `at`."""
    _unlink(slot, book)
    book.orders[slot]["next"] = book.state[FREE_ORDER]
    book.state[FREE_ORDER] = slot
    book.state[LIVE_ORDERS] -= 1
    _forget_entry(at, book.id_map)


@inlined
def _shrink(slot: Int, qty: U64, book: _Book) -> None:
    """Takes less than all lots out of an order, which keeps its place."""
    book.orders[slot]["qty"] -= qty
    book.levels[book.orders[slot]["level"]]["total"] -= qty


@inlined
def _link(slot: Int, rung: Int, side: Int, price: U64, book: _Book) -> None:
    """Puts an order at the back of the level that stands, or belongs, at `rung`."""
    if not _stands_at(rung, side, price, book):
        _open_level(rung, side, price, book)
    level_slot = book.ladder[side, rung]["level"]
    level = book.levels[level_slot]
    order = book.orders[slot]
    tail = level["tail"]
    if tail != 0:
        book.orders[tail]["next"] = slot
    else:
        level["head"] = slot
    level["tail"] = slot
    level["count"] += 1
    level["total"] += order["qty"]
    order["level"] = level_slot
    order["previous"] = tail
    order["next"] = 0


@inlined
def _unlink(slot: Int, book: _Book) -> None:
    """Takes an order out of its level's queue; the level leaves with its last order."""
    order = book.orders[slot]
    level = book.levels[order["level"]]
    before = order["previous"]
    after = order["next"]
    if before != 0:
        book.orders[before]["next"] = after
    else:
        level["head"] = after
    if after != 0:
        book.orders[after]["previous"] = before
    else:
        level["tail"] = before
    level["count"] -= 1
    level["total"] -= order["qty"]
    if level["count"] == 0:
        _close_level(order["level"], book)


# Levels


@inlined
def _rank(side: Int, price: U64) -> U64:
    return price if side == 0 else _U64_MAX - price


@inlined
def _find_rung(side: Int, rank: U64, book: _Book) -> Int:
    """Index of the first rung with at least this rank: where its level stands, or belongs.

    Gallops from the best rung, because most events are near it; then halves what is left.
    """
    high = book.state[LEVEL_COUNTS + side]
    probe = high - 1
    step = 1
    while probe >= 0 and book.ladder[side, probe]["rank"] >= rank:
        high = probe
        probe -= step
        step *= 2
    low = max(probe + 1, 0)
    while low < high:
        middle = (low + high) >> 1
        if book.ladder[side, middle]["rank"] < rank:
            low = middle + 1
        else:
            high = middle
    return low


@inlined
def _stands_at(rung: Int, side: Int, price: U64, book: _Book) -> Bool:
    """Whether `rung`, found for this price, is its level (or only the place for it)."""
    return rung < book.state[LEVEL_COUNTS + side] and book.ladder[side, rung]["rank"] == _rank(side, price)


@inlined
def _total_at(rung: Int, side: Int, price: U64, book: _Book) -> U64:
    """Lots of the level at this price; 0 where there is none."""
    if _stands_at(rung, side, price, book):
        return book.levels[book.ladder[side, rung]["level"]]["total"]
    return _ZERO


@inlined
def _open_level(rung: Int, side: Int, price: U64, book: _Book) -> None:
    """An empty level at `rung`; the better ones move up by one."""
    slot = book.state[FREE_LEVEL]
    if slot != 0:
        book.state[FREE_LEVEL] = book.levels[slot]["head"]
    else:
        book.state[USED_LEVELS] += 1
        slot = book.state[USED_LEVELS]
    level = book.levels[slot]
    level["price"] = price
    level["side"] = side
    level["total"] = _ZERO
    level["count"] = 0
    level["head"] = 0
    level["tail"] = 0
    to = book.state[LEVEL_COUNTS + side]
    book.state[LEVEL_COUNTS + side] = to + 1
    while to > rung:
        book.ladder[side, to]["rank"] = book.ladder[side, to - 1]["rank"]
        book.ladder[side, to]["level"] = book.ladder[side, to - 1]["level"]
        to -= 1
    book.ladder[side, rung]["rank"] = _rank(side, price)
    book.ladder[side, rung]["level"] = slot


@inlined
def _close_level(slot: Int, book: _Book) -> None:
    """An empty level leaves the ladder; the better ones move down by one."""
    level = book.levels[slot]
    side = np.int64(level["side"])
    to = _find_rung(side, _rank(side, level["price"]), book)
    last = book.state[LEVEL_COUNTS + side] - 1
    while to < last:
        book.ladder[side, to]["rank"] = book.ladder[side, to + 1]["rank"]
        book.ladder[side, to]["level"] = book.ladder[side, to + 1]["level"]
        to += 1
    book.state[LEVEL_COUNTS + side] = last
    level["head"] = book.state[FREE_LEVEL]
    book.state[FREE_LEVEL] = slot


# The id map


@inlined
def _home(order_id: U64, id_map: Records) -> Int:
    """The entry where the search for an id begins.

    Ids that follow each other share a cache line. The halves are multiplied apart: a product of two
    32-bit numbers never overflows, so the interpreter computes the same as the compiled code.
    """
    lines = order_id >> _LINE_BITS
    mixed = (lines & _LOW_HALF) * _GOLDEN ^ (lines >> _HALF_BITS) * _ODD
    spread = (mixed >> _POOR_BITS) << _LINE_BITS
    return np.int64((spread | (order_id & _IN_LINE)) & np.uint64(id_map.shape[0] - 1))


@inlined
def _find_entry(order_id: U64, id_map: Records) -> Int:
    """The entry that holds this id, or the free one into which it belongs."""
    mask = id_map.shape[0] - 1
    at = _home(order_id, id_map)
    while id_map[at]["slot"] != 0 and id_map[at]["order_id"] != order_id:
        at = (at + 1) & mask
    return at


@inlined
def _forget_entry(at: Int, id_map: Records) -> None:
    """Frees an entry. Later ones of its run move back into the hole when their home allows it."""
    mask = id_map.shape[0] - 1
    hole = at
    probe = (at + 1) & mask
    while id_map[probe]["slot"] != 0:
        home = _home(id_map[probe]["order_id"], id_map)
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            id_map[hole]["order_id"] = id_map[probe]["order_id"]
            id_map[hole]["slot"] = id_map[probe]["slot"]
            hole = probe
        probe = (probe + 1) & mask
    id_map[hole]["slot"] = 0
