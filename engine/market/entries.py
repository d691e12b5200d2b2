"""How Python enters the market's kernels: each entry does one thing, or nothing at all for want of room.

A kernel never allocates. Before each thing it does, it looks whether everything fits that one thing can
need; where it does not, the entry returns NO_ROOM, the caller (exchange.py) grows the tables and asks
again.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined
from engine.book.kernels import room
from engine.market.actions import (
    best_ask,
    best_bid,
    enter_named,
    request_now,
    schedule,
    send,
    send_request,
)
from engine.market.feed import publish_print
from engine.market.records import Due, Market, OrderRow

__all__ = [
    "IN_THE_PAST",
    "NO_ROOM",
    "SPARE_MESSAGES",
    "best_price_of",
    "enter_order",
    "enter_request",
    "has_room",
    "list_orders",
    "print_trade",
    "room_for_arrivals",
    "schedule_python",
    "send_order",
    "send_request_from",
]

NO_ROOM = -1
IN_THE_PAST = -2
SPARE_MESSAGES = 16_384
"""Messages and heap entries that are free whenever an agent acts: more than any one wake-up sends (cancels
of at most MAX_OPEN_ORDERS, and two orders a level of at most 200 levels)."""
_PYTHON = int(Due.PYTHON)


@inlined
def has_room(market: Market) -> bool:
    """Whether whatever comes next surely fits."""
    return (
        room_for_arrivals(market) > 0
        and market.waiting + SPARE_MESSAGES <= len(market.heap)
        and market.live_messages + SPARE_MESSAGES < len(market.messages)
    )


@inlined
def room_for_arrivals(market: Market) -> int:
    """How many arrivals surely fit.

    Each can rest one order. Where two orders meet, a fill or a self-trade that is prevented uses up the
    maker or the taker (SelfTrade), and so does a cancel of all its order; so n arrivals among m resting
    orders do so at most m + 2n - 1 times. Each time is at most one trade, one event and two reports, and
    each arrival may have two reports and three events more.
    """
    resting = market.book.live_orders
    trades = len(market.trades) - (market.trade_count - market.trades_taken) - resting + 1
    reports = len(market.reports) - (market.report_count - market.reports_taken) - 2 * resting + 2
    free = min(room(market.book), min(trades // 2, reports // 6))
    if market.is_watched != 0:
        free = min(free, _room_for_events(market, market.events_taken))
    if market.has_detectors != 0:
        free = min(free, _room_for_events(market, market.events_detected))
    return free


@inlined
def _room_for_events(market: Market, taken: int) -> int:
    """How many arrivals leave those events in their ring that somebody has yet to take."""
    return (len(market.events) - (market.event_count - taken) - market.book.live_orders) // 5


@entry
def send_order(
    market_address: int,
    account: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    time_in_force: int,
    latency_ns: int,
    client_id: int,
) -> int:
    """Sends an order. Returns its id, or NO_ROOM."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    return send(market, account, side, price_ticks, qty_lots, time_in_force, latency_ns, client_id)


@entry
def send_request_from(
    market_address: int,
    kind: int,
    account: int,
    order_id: int,
    client_id: int,
    price_ticks: int,
    qty_lots: int,
    latency_ns: int,
) -> int:
    """Sends a cancel, cancel-all or replace. Returns 0, or NO_ROOM."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    send_request(market, kind, account, order_id, client_id, price_ticks, qty_lots, latency_ns)
    return 0


@entry
def enter_order(
    market_address: int,
    account: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    time_in_force: int,
    client_id: int,
    self_trade: int,
) -> int:
    """An order that arrives at this very moment. Returns its id, or NO_ROOM."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    market.next_order_id += 1
    order_id = market.next_order_id
    enter_named(market, order_id, account, side, price_ticks, qty_lots, time_in_force, client_id, self_trade)
    return order_id


@entry
def enter_request(
    market_address: int, kind: int, account: int, order_id: int, price_ticks: int, qty_lots: int
) -> int:
    """A cancel, cancel-all or replace that arrives at this very moment. Returns what it did (`arrive`), or
    NO_ROOM."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    return request_now(market, kind, account, order_id, price_ticks, qty_lots)


@entry
def schedule_python(market_address: int, time_ns: int, handle: int) -> int:
    """Stops the kernel at time_ns with this handle. Returns 0, NO_ROOM, or IN_THE_PAST."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    if time_ns < market.now_ns:
        return IN_THE_PAST
    schedule(market, time_ns, _PYTHON, handle)
    return 0


@entry
def print_trade(market_address: int, side: int, price_ticks: int, qty_lots: int) -> int:
    """A historical trade that touched none of our book's orders (side = the resting one, or NO_SIDE)."""
    market = Market.at(market_address)
    if not has_room(market):
        return NO_ROOM
    publish_print(market, side, price_ticks, qty_lots)
    return 0


@entry
def list_orders(market_address: int, account: int, rows_address: int, length: int) -> int:
    """Writes an account's resting orders, oldest first, into a table of OrderRow. Returns how many."""
    market = Market.at(market_address)
    rows = OrderRow.table(rows_address, length)
    slot = market.accounts[account].first_order
    count = 0
    while slot != 0 and count < length:
        ticket = market.tickets[slot]
        resting = market.book.orders[slot]
        level = market.book.levels[resting.level]
        row = rows[count]
        row.order_id = resting.order_id
        row.account = ticket.account
        row.client_id = ticket.client_id
        row.side = level.side
        row.price_ticks = level.price
        row.qty_lots = ticket.qty_lots
        row.remaining_lots = resting.qty
        row.time_in_force = ticket.time_in_force
        count += 1
        slot = ticket.next
    return count


@entry
def best_price_of(market_address: int, side: int) -> int:
    """Best price of a side in ticks; 0 where it is empty."""
    market = Market.at(market_address)
    return best_bid(market) if side == 0 else best_ask(market)
