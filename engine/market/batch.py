"""Requests by the million: a table of orders and cancels, each arriving at this very moment (kernels).

What a file of orders, or a benchmark, brings. Every request goes through the same gate, matching, ledger
and feed as one that an agent sends; order ids are the sender's own. A request without a kind, a side or an
account is refused and counted; an order whose id rests already trades, but does not rest.
"""

from __future__ import annotations

from enum import IntEnum

from engine.arena.functions import entry, inlined
from engine.arena.layout import Byte, Record, Word
from engine.arena.leaves import prefetch
from engine.arena.wordmap import home_entry
from engine.core.types import TimeInForce
from engine.market.actions import enter
from engine.market.entries import NO_ROOM, has_room, room_for_arrivals
from engine.market.matching import cancel_by_id
from engine.market.orders import REASON_CODES, Reason
from engine.market.records import Market

__all__ = ["Request", "RequestKind", "enter_one", "enter_requests"]


class RequestKind(IntEnum):
    """What is asked."""

    LIMIT = 0
    """Trades at its price or better; the rest of it rests."""
    MARKET = 1
    """Trades at any price; the rest of it is gone."""
    IOC = 2
    """As a limit order, but the rest of it is gone."""
    CANCEL = 3
    """The resting order `order_id` leaves."""


class Request(Record):
    """One request: 32 bytes. Price, quantity and side of a cancel mean nothing."""

    order_id: Word
    price_ticks: Word
    qty_lots: Word
    kind: Byte
    side: Byte
    account: Byte


_MARKET = int(RequestKind.MARKET)
_IOC = int(RequestKind.IOC)
_CANCEL = int(RequestKind.CANCEL)
_TIF_GTC = int(TimeInForce.GTC)
_TIF_IOC = int(TimeInForce.IOC)
_MALFORMED = REASON_CODES[Reason.MALFORMED]
_AHEAD = 8
"""Requests by which the id map is asked for early."""


@entry
def enter_requests(market_address: int, requests_address: int, start: int, stop: int) -> int:
    """Carries out requests[start:stop]. Returns `stop`, or the first one that had no room."""
    market = Market.at(market_address)
    requests = Request.table(requests_address, stop)
    at = start
    while at < stop:
        free = room_for_arrivals(market)
        if free <= 0:
            return at
        until = min(stop, at + free)
        while at < until:
            if at + _AHEAD < stop:
                _ask_early(market, requests[at + _AHEAD].order_id, requests[at + _AHEAD // 2].order_id)
            request = requests[at]
            _carry_out(
                market,
                request.kind,
                request.order_id,
                request.account,
                request.side,
                request.price_ticks,
                request.qty_lots,
            )
            at += 1
    return stop


@entry
def enter_one(
    market_address: int, kind: int, order_id: int, account: int, side: int, price_ticks: int, qty_lots: int
) -> int:
    """Carries out one request. Returns 0, or NO_ROOM."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    _carry_out(market, kind, order_id, account, side, price_ticks, qty_lots)
    return 0


@inlined
def _carry_out(
    market: Market, kind: int, order_id: int, account: int, side: int, price_ticks: int, qty_lots: int
) -> None:
    if kind == _CANCEL:
        cancel_by_id(market, order_id)
        return
    if not (0 <= kind <= _CANCEL and 0 <= side <= 1 and 0 <= account < len(market.accounts)):
        market.refused[_MALFORMED].value += 1
        return
    limit = 0 if kind == _MARKET else price_ticks
    enter(market, order_id, account, side, limit, qty_lots, _TIF_IOC if kind == _IOC else _TIF_GTC)


@inlined
def _ask_early(market: Market, far_id: int, near_id: int) -> None:
    """Has memory fetched that requests to come will need: an id's entry first, then what it leads to."""
    ids = market.book.ids
    prefetch(ids[home_entry(ids, far_id)])
    slot = ids[home_entry(ids, near_id)].value
    prefetch(market.book.orders[slot])
    prefetch(market.tickets[slot])
