"""What anybody may do in the market, and see of it (stop 1 on the data path).

Every order, from agent, storm, bot, desk or history, takes the same path:

    send ──latency──► arrive ──► risk gate ──► matching ──► book, ledger, feed, reports

Order ids are given at sending, so a sender can cancel before the arrival; ids of orders that nobody
sends do not exist, so a silent actor changes nothing.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.book.kernels import find_level
from engine.core.types import SelfTrade
from engine.market.feed import report
from engine.market.heap import schedule
from engine.market.matching import (
    best_ask,
    best_bid,
    cancel,
    refuse_replace,
    reject,
    replace,
    slot_of,
    submit,
)
from engine.market.orders import KIND_CODES, REASON_CODES, Reason, ReportKind
from engine.market.records import Due, Market, Message
from engine.market.risk import gate_order

__all__ = [
    "arrive",
    "best_ask",
    "best_bid",
    "depth",
    "enter",
    "enter_named",
    "is_arrival",
    "level_total",
    "new_message",
    "release_message",
    "request_now",
    "schedule",
    "send",
    "send_cancel",
    "send_request",
]

_ORDER = int(Due.ORDER)
_CANCEL = int(Due.CANCEL)
_CANCEL_ALL = int(Due.CANCEL_ALL)
_REPLACE = int(Due.REPLACE)
_CANCEL_MAKER = int(SelfTrade.CANCEL_MAKER)
_NONE = REASON_CODES[Reason.NONE]
_PRICE = REASON_CODES[Reason.PRICE]
_UNKNOWN_ORDER = REASON_CODES[Reason.UNKNOWN_ORDER]
_DUPLICATE_CLIENT_ID = REASON_CODES[Reason.DUPLICATE_CLIENT_ID]
_REPLACE_REJECTED = KIND_CODES[ReportKind.REPLACE_REJECTED]


# -- what everybody may see --------------------------------------------------------------------------


@routine
def depth(market: Market, side: int, levels: int) -> int:
    """Lots of the best `levels` levels of a side."""
    book_side = market.book.sides[side]
    rung = book_side.count
    until = max(0, rung - levels)
    total = 0
    while rung > until:
        rung -= 1
        total += market.book.levels[book_side.rungs[rung].level].total
    return total


@inlined
def level_total(market: Market, side: int, price_ticks: int) -> int:
    """Lots at a price; 0 where there is no level."""
    return market.book.levels[find_level(market.book, side, price_ticks)].total


# -- sending -----------------------------------------------------------------------------------------


@routine
def send(
    market: Market,
    account: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    time_in_force: int,
    latency_ns: int,
    client_id: int,
) -> int:
    """Sends an order that arrives latency_ns from now; price 0 = market. Returns its order id."""
    market.next_order_id += 1
    market.accounts[account].orders_sent += 1
    slot = new_message(market)
    _write_order(
        market.messages[slot],
        market.next_order_id,
        account,
        client_id,
        side,
        price_ticks,
        qty_lots,
        time_in_force,
        _CANCEL_MAKER,
    )
    schedule(market, market.now_ns + latency_ns, _ORDER, slot)
    return market.next_order_id


@routine
def send_cancel(market: Market, account: int, order_id: int, qty_lots: int, latency_ns: int) -> None:
    """Asks to cancel one's order (or qty_lots of it; 0 = all); gone or not one's own: nothing happens."""
    send_request(market, _CANCEL, account, order_id, 0, 0, qty_lots, latency_ns)


@routine
def send_request(
    market: Market,
    kind: int,
    account: int,
    order_id: int,
    client_id: int,
    price_ticks: int,
    qty_lots: int,
    latency_ns: int,
) -> None:
    """A cancel, cancel-all or replace (Due) that arrives latency_ns from now. With order_id 0 the order
    is looked up by its owner's id when the request arrives."""
    slot = new_message(market)
    request = market.messages[slot]
    _write_request(request, account, order_id, client_id, price_ticks, qty_lots)
    schedule(market, market.now_ns + latency_ns, kind, slot)


@inlined
def _write_request(
    request: Message, account: int, order_id: int, client_id: int, price_ticks: int, qty_lots: int
) -> None:
    request.order_id = order_id
    request.account = account
    request.client_id = client_id
    request.price_ticks = price_ticks
    request.qty_lots = qty_lots
    request.remaining_lots = 0
    request.side = 0
    request.time_in_force = 0
    request.self_trade = 0


@inlined
def _write_order(
    order: Message,
    order_id: int,
    account: int,
    client_id: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    time_in_force: int,
    self_trade: int,
) -> None:
    order.order_id = order_id
    order.account = account
    order.client_id = client_id
    order.price_ticks = price_ticks
    order.qty_lots = qty_lots
    order.remaining_lots = qty_lots
    order.side = side
    order.time_in_force = time_in_force
    order.self_trade = self_trade


@inlined
def new_message(market: Market) -> int:
    """A slot for a message. Slot 0 is for what needs none (`enter`, and matching's own)."""
    market.live_messages += 1
    slot = market.free_message
    if slot != 0:
        market.free_message = market.messages[slot].next
    else:
        market.used_messages += 1
        slot = market.used_messages
    return slot


@inlined
def release_message(market: Market, slot: int) -> None:
    """The message has arrived."""
    market.messages[slot].next = market.free_message
    market.free_message = slot
    market.live_messages -= 1


# -- arriving ----------------------------------------------------------------------------------------


@inlined
def enter(
    market: Market,
    order_id: int,
    account: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    time_in_force: int,
) -> None:
    """An order without a client id arrives at this very moment; its account's old orders give way."""
    enter_named(market, order_id, account, side, price_ticks, qty_lots, time_in_force, 0, _CANCEL_MAKER)


@inlined
def enter_named(
    market: Market,
    order_id: int,
    account: int,
    side: int,
    price_ticks: int,
    qty_lots: int,
    time_in_force: int,
    client_id: int,
    self_trade: int,
) -> None:
    """An order arrives at this very moment: it is under way never, and takes no slot."""
    order = market.messages[0]
    _write_order(order, order_id, account, client_id, side, price_ticks, qty_lots, time_in_force, self_trade)
    _order_arrives(market, order)


@inlined
def request_now(
    market: Market, kind: int, account: int, order_id: int, price_ticks: int, qty_lots: int
) -> int:
    """A cancel, cancel-all or replace (Due) arrives at this very moment; returns as `arrive` does."""
    slot = new_message(market)
    _write_request(market.messages[slot], account, order_id, 0, price_ticks, qty_lots)
    return arrive(market, kind, slot)


@inlined
def is_arrival(kind: int) -> bool:
    """Whether a heap entry is a message that arrives."""
    return kind <= _REPLACE


@routine
def arrive(market: Market, kind: int, slot: int) -> int:
    """A message arrives at the exchange. Returns what a request did: the lots that a cancel removed, the
    orders that a cancel-all did, 1 for a replace that took effect; 0 for an order."""
    message = market.messages[slot]
    done = 0
    if kind == _ORDER:
        _order_arrives(market, message)
    elif kind == _CANCEL_ALL:
        done = _cancel_all(market, message.account)
    else:
        done = _request_arrives(market, kind, message)
    release_message(market, slot)
    return done


@inlined
def _order_arrives(market: Market, order: Message) -> None:
    open_orders = market.accounts[order.account].open_orders
    reason = gate_order(market, order.account, order.side, order.price_ticks, order.qty_lots, open_orders)
    if (
        reason == _NONE
        and order.client_id != 0
        and _slot_of_client(market, order.account, order.client_id) != 0
    ):
        reason = _DUPLICATE_CLIENT_ID
    if reason != _NONE:
        reject(market, order, reason)
    else:
        submit(market, order)


@routine
def _cancel_all(market: Market, account: int) -> int:
    cancelled = market.accounts[account].open_orders
    slot = market.accounts[account].first_order
    while slot != 0:
        after = market.tickets[slot].next
        cancel(market, slot, 0)
        slot = after
    return cancelled


@routine
def _request_arrives(market: Market, kind: int, request: Message) -> int:
    """A cancel or a replace of one order; returns as `arrive` does."""
    slot = 0
    if request.order_id != 0:
        slot = slot_of(market, request.order_id)
    elif request.client_id != 0:
        slot = _slot_of_client(market, request.account, request.client_id)
    if slot == 0 or market.tickets[slot].account != request.account:
        if kind == _REPLACE:
            report(market, request, _REPLACE_REJECTED, _UNKNOWN_ORDER)
        return 0
    if kind == _CANCEL:
        return cancel(market, slot, request.qty_lots)
    side = market.book.levels[market.book.orders[slot].level].side
    reason = gate_order(market, request.account, side, request.price_ticks, request.qty_lots, 0)
    if reason == _NONE and request.price_ticks == 0:
        reason = _PRICE
    if reason != _NONE:
        refuse_replace(market, slot, reason)
        return 0
    return int(replace(market, slot, request.price_ticks, request.qty_lots))


@routine
def _slot_of_client(market: Market, account: int, client_id: int) -> int:
    """Where an account's order of this client id rests; 0 when it does not."""
    slot = market.accounts[account].first_order
    while slot != 0 and market.tickets[slot].client_id != client_id:
        slot = market.tickets[slot].next
    return slot
