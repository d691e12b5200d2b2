"""Brings HISTORY's resting quantity in line with what its exchange states, level by level (kernels).

First what leaves, then what comes: `shrink_levels` takes lots from the back of the queue and writes down
what is missing elsewhere; `grow_levels` puts that at the back. A level that would trade with HISTORY
itself is refused.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined, routine
from engine.arena.layout import Record, Word
from engine.book.kernels import find_level
from engine.core.types import Account, Side, TimeInForce
from engine.market.actions import best_ask, best_bid, enter
from engine.market.entries import has_room
from engine.market.matching import cancel
from engine.market.records import Market

__all__ = ["StatedLevel", "grow_levels", "shrink_levels"]

_HISTORY = int(Account.HISTORY)
_BID = int(Side.BID)
_GTC = int(TimeInForce.GTC)


class StatedLevel(Record):
    """A level as the exchange states it."""

    side: Word
    price_ticks: Word
    qty_lots: Word
    missing_lots: Word
    """What HISTORY has to add."""
    refused: Word
    """1 where that would have traded with HISTORY itself."""


@entry
def shrink_levels(market_address: int, levels_address: int, start: int, stop: int) -> int:
    """Takes away what levels[start:stop] hold too much, and writes `missing_lots`. Returns `stop`, or the
    first level that had no room."""
    market = Market.at(market_address)
    levels = StatedLevel.table(levels_address, stop)
    for at in range(start, stop):
        if not has_room(market):
            return at
        stated = levels[at]
        resting = _resting(market, stated.side, stated.price_ticks)
        stated.missing_lots = max(0, stated.qty_lots - resting)
        stated.refused = 0
        if stated.qty_lots < resting:
            _shrink(market, stated.side, stated.price_ticks, resting - stated.qty_lots)
    return stop


@entry
def grow_levels(market_address: int, levels_address: int, start: int, stop: int) -> int:
    """Adds the `missing_lots` of levels[start:stop]. Returns `stop`, or the first level that had no room."""
    market = Market.at(market_address)
    levels = StatedLevel.table(levels_address, stop)
    for at in range(start, stop):
        stated = levels[at]
        if stated.missing_lots == 0:
            continue
        if not has_room(market):
            return at
        if _would_meet_history(market, stated.side, stated.price_ticks):
            stated.refused = 1
        else:
            _grow(market, stated.side, stated.price_ticks, stated.missing_lots)
    return stop


@routine
def _resting(market: Market, side: int, price_ticks: int) -> int:
    """HISTORY's lots at a price."""
    orders = market.book.orders
    slot = market.book.levels[find_level(market.book, side, price_ticks)].head
    lots = 0
    while slot != 0:
        if market.tickets[slot].account == _HISTORY:
            lots += orders[slot].qty
        slot = orders[slot].next
    return lots


@routine
def _shrink(market: Market, side: int, price_ticks: int, qty_lots: int) -> None:
    """Takes lots of HISTORY away, from the back of the queue."""
    orders = market.book.orders
    slot = market.book.levels[find_level(market.book, side, price_ticks)].tail
    while qty_lots > 0:
        before = orders[slot].previous
        if market.tickets[slot].account == _HISTORY:
            qty_lots -= cancel(market, slot, min(qty_lots, orders[slot].qty))
        slot = before


@routine
def _grow(market: Market, side: int, price_ticks: int, qty_lots: int) -> None:
    """An order of HISTORY that arrives now."""
    market.next_order_id += 1
    enter(market, market.next_order_id, _HISTORY, side, price_ticks, qty_lots, _GTC)


@inlined
def _would_meet_history(market: Market, side: int, price_ticks: int) -> bool:
    best = best_ask(market) if side == _BID else best_bid(market)
    if best == 0 or (price_ticks < best if side == _BID else price_ticks > best):
        return False
    front = market.book.levels[market.book.sides[1 - side].best].head
    return market.tickets[front].account == _HISTORY
