"""Matching with price-time priority (stop 3 on the data path).

An arriving order trades against the best resting orders, first come first served at each price; what is
left rests, or not, by its time in force. Book, ledger and feed change together, so the book always
equals the one that the published events build (tested).

What every order goes through is inlined into `arrive` (actions.py): it is a tenth faster so.

An order that arrives is a Message; one that rests is the book's row and the ticket of the same slot.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.arena.wordmap import find_entry
from engine.book.kernels import add_order, remove_order, replace_order, shrink_order
from engine.core.types import Account, EventType, SelfTrade, TimeInForce
from engine.market.feed import add_trade, publish, report, report_fill
from engine.market.ledger import book_execution
from engine.market.orders import KIND_CODES, REASON_CODES, Reason, ReportKind
from engine.market.records import Market, Message

__all__ = [
    "best_ask",
    "best_bid",
    "cancel",
    "cancel_by_id",
    "execute",
    "reaches",
    "refuse_replace",
    "reject",
    "replace",
    "rest",
    "slot_of",
    "submit",
]

_HISTORY = int(Account.HISTORY)
_GTC, _IOC, _FOK, _POST_ONLY = (int(tif) for tif in TimeInForce)
_ADD, _CANCEL, _MODIFY, _TRADE = (
    int(kind) for kind in (EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE)
)
_CANCEL_MAKER, _CANCEL_TAKER, _CANCEL_BOTH, _ALLOW, _DECREMENT = (int(mode) for mode in SelfTrade)
_ACCEPTED = KIND_CODES[ReportKind.ACCEPTED]
_PARTIALLY_FILLED = KIND_CODES[ReportKind.PARTIALLY_FILLED]
_FILLED = KIND_CODES[ReportKind.FILLED]
_CANCELLED = KIND_CODES[ReportKind.CANCELLED]
_REJECTED = KIND_CODES[ReportKind.REJECTED]
_REPLACED = KIND_CODES[ReportKind.REPLACED]
_REPLACE_REJECTED = KIND_CODES[ReportKind.REPLACE_REJECTED]
_NONE = REASON_CODES[Reason.NONE]
_BY_OWNER = REASON_CODES[Reason.BY_OWNER]
_SELF_TRADE = REASON_CODES[Reason.SELF_TRADE]
_NO_LIQUIDITY = REASON_CODES[Reason.NO_LIQUIDITY]
_IOC_REMAINDER = REASON_CODES[Reason.IOC_REMAINDER]
_FOK_UNFILLABLE = REASON_CODES[Reason.FOK_UNFILLABLE]
_POST_ONLY_WOULD_TRADE = REASON_CODES[Reason.POST_ONLY_WOULD_TRADE]
_QUANTITY = REASON_CODES[Reason.QUANTITY]
_MALFORMED = REASON_CODES[Reason.MALFORMED]


# -- requests ----------------------------------------------------------------------------------------


@inlined
def submit(market: Market, order: Message) -> None:
    """Matches a new order and rests what may rest. It has passed the gate."""
    tif = order.time_in_force
    if tif == _POST_ONLY and (order.price_ticks == 0 or _crosses(market, order.side, order.price_ticks)):
        reject(market, order, _POST_ONLY_WOULD_TRADE)
        return
    if tif == _FOK and not _is_fillable(market, order):
        reject(market, order, _FOK_UNFILLABLE)
        return
    # Asked in this order because nobody can foresee the time in force, and few hear.
    if market.accounts[order.account].hears != 0 and (tif == _GTC or tif == _POST_ONLY):
        report(market, order, _ACCEPTED, _NONE)
    _match(market, order)
    if order.remaining_lots == 0:
        return
    if order.price_ticks == 0:
        report(market, order, _CANCELLED, _NO_LIQUIDITY)
    elif tif == _IOC or tif == _FOK:
        report(market, order, _CANCELLED, _IOC_REMAINDER)
    else:
        rest(market, order)


@inlined
def cancel(market: Market, slot: int, qty_lots: int) -> int:
    """Cancels a resting order, or qty_lots of it (0 = all). Returns the lots removed."""
    resting = market.book.orders[slot]
    if qty_lots <= 0 or qty_lots >= resting.qty:
        removed = resting.qty
        _remove(market, slot, _BY_OWNER)
        return removed
    _shrink(market, slot, qty_lots, _NONE)
    return qty_lots


@inlined
def cancel_by_id(market: Market, order_id: int) -> None:
    """Cancels the order of this id, whoever owns it; nothing where none rests."""
    at = find_entry(market.book.ids, order_id)
    slot = market.book.ids[at].value
    if slot != 0:
        _remove_at(market, at, slot, _BY_OWNER)


@routine
def replace(market: Market, slot: int, price_ticks: int, qty_lots: int) -> bool:
    """Gives a resting order a new price and open quantity. False: refused, and it stays as it was.

    It keeps its place only at the same price with no more quantity. At a price that crosses, it leaves
    the book and comes in again as an aggressor under the same id; a post-only order may not.
    """
    book = market.book
    ticket = market.tickets[slot]
    resting = book.orders[slot]
    side = book.levels[resting.level].side
    if _crosses(market, side, price_ticks):
        if ticket.time_in_force == _POST_ONLY:
            refuse_replace(market, slot, _POST_ONLY_WOULD_TRADE)
            return False
        _replace_aggressively(market, slot, price_ticks, qty_lots)
        return True
    ordered = ticket.qty_lots + qty_lots - resting.qty
    if not replace_order(book, slot, side, price_ticks, qty_lots):
        refuse_replace(market, slot, _QUANTITY)
        return False
    ticket.qty_lots = ordered
    publish(market, _MODIFY, side, resting.order_id, price_ticks, qty_lots)
    _report_resting(market, slot, _REPLACED, _NONE)
    return True


@routine
def refuse_replace(market: Market, slot: int, reason: int) -> None:
    """Refuses to replace a resting order, which stays as it is."""
    _report_resting(market, slot, _REPLACE_REJECTED, reason)


@inlined
def reject(market: Market, order: Message, reason: int) -> None:
    """Refuses an order before it touches the book."""
    report(market, order, _REJECTED, reason)


@inlined
def slot_of(market: Market, order_id: int) -> int:
    """Where an order rests; 0 when it does not."""
    ids = market.book.ids
    return ids[find_entry(ids, order_id)].value


@inlined
def best_bid(market: Market) -> int:
    """Best bid price in ticks; 0 without bids."""
    return market.book.levels[market.book.sides[0].best].price


@inlined
def best_ask(market: Market) -> int:
    """Best ask price in ticks; 0 without asks."""
    return market.book.levels[market.book.sides[1].best].price


# -- matching ----------------------------------------------------------------------------------------


@inlined
def _crosses(market: Market, side: int, price_ticks: int) -> bool:
    level = market.book.levels[market.book.sides[1 - side].best]
    return level.count != 0 and reaches(side, price_ticks, level.price)


@inlined
def reaches(side: int, price_ticks: int, other_ticks: int) -> bool:
    """Whether an order of a side at a price trades with one of the other side. No branch: which side an
    order is on cannot be foreseen, and a wrong guess costs as much as ten sums."""
    return (price_ticks - other_ticks) * (1 - 2 * side) >= 0


@inlined
def _match(market: Market, order: Message) -> None:
    """Trades while it crosses."""
    book = market.book
    other = 1 - order.side
    limit = order.price_ticks
    while order.remaining_lots != 0:
        level = book.levels[book.sides[other].best]
        if level.count == 0:
            break
        if limit != 0 and not reaches(order.side, limit, level.price):
            break
        slot = level.head
        maker = market.tickets[slot].account
        # HISTORY is many participants and trades with itself.
        if maker == order.account and maker != _HISTORY and order.self_trade != _ALLOW:
            _prevent_self_trade(market, order, slot)
        else:
            execute(market, order, slot, maker, level.price)


@routine
def _prevent_self_trade(market: Market, order: Message, slot: int) -> None:
    """An order meets a resting one of its own account: one of them ends, or both, or both shrink until one
    does."""
    mode = order.self_trade
    if mode == _DECREMENT:
        _decrement(market, order, slot)
        return
    if mode != _CANCEL_TAKER:
        _remove(market, slot, _SELF_TRADE)
    if mode == _CANCEL_TAKER or mode == _CANCEL_BOTH:
        report(market, order, _CANCELLED, _SELF_TRADE)
        order.remaining_lots = 0


@routine
def _decrement(market: Market, order: Message, slot: int) -> None:
    """Both lose the lots of the smaller one. As after a partial cancel, what is left was ordered so."""
    resting_lots = market.book.orders[slot].qty
    lots = min(order.remaining_lots, resting_lots)
    if lots == resting_lots:
        _remove(market, slot, _SELF_TRADE)
    else:
        _shrink(market, slot, lots, _SELF_TRADE)
    if lots == order.remaining_lots:
        report(market, order, _CANCELLED, _SELF_TRADE)
        order.remaining_lots = 0
    else:
        order.qty_lots -= lots
        order.remaining_lots -= lots
        report(market, order, _REPLACED, _SELF_TRADE)


@inlined
def execute(market: Market, taker: Message, slot: int, maker: int, price_ticks: int) -> None:
    """The taker trades with one resting order, for as much as both have."""
    resting = market.book.orders[slot]
    order_id = resting.order_id
    qty_lots = min(taker.remaining_lots, resting.qty)
    hears = market.accounts[maker].hears
    if hears != 0:
        _copy_resting(market, slot)
    if qty_lots == resting.qty:
        _forget(market, slot)
    else:
        shrink_order(market.book, slot, qty_lots)
    taker.remaining_lots -= qty_lots
    publish(market, _TRADE, 1 - taker.side, order_id, price_ticks, qty_lots)
    book_execution(market, maker, taker.account, taker.side, price_ticks, qty_lots)
    if hears != 0:
        market.scratch.remaining_lots -= qty_lots
        _report_fill(market, market.scratch, qty_lots, price_ticks, 1)
    _report_fill(market, taker, qty_lots, price_ticks, 0)
    add_trade(market, price_ticks, qty_lots, taker.side, taker.account, maker)


@routine
def _is_fillable(market: Market, order: Message) -> bool:
    """Whether the order would trade whole at once. Own resting orders that give way do not count; behind
    one at which the order would end, or lose lots, nothing does."""
    book = market.book
    side = book.sides[1 - order.side]
    rung = side.count
    total = 0
    while rung > 0:
        rung -= 1
        level = book.levels[side.rungs[rung].level]
        limit = order.price_ticks
        if limit != 0 and not reaches(order.side, limit, level.price):
            return False
        slot = level.head
        while slot != 0:
            maker = market.tickets[slot].account
            if maker != order.account or maker == _HISTORY or order.self_trade == _ALLOW:
                total += book.orders[slot].qty
                if total >= order.qty_lots:
                    return True
            elif order.self_trade != _CANCEL_MAKER:
                return False
            slot = book.orders[slot].next
    return False


@routine
def _replace_aggressively(market: Market, slot: int, price_ticks: int, qty_lots: int) -> None:
    ticket = market.tickets[slot]
    resting = market.book.orders[slot]
    level = market.book.levels[resting.level]
    _copy_resting(market, slot)
    order = market.scratch
    order.qty_lots = ticket.qty_lots + qty_lots - resting.qty
    order.remaining_lots = qty_lots
    publish(market, _CANCEL, level.side, resting.order_id, level.price, 0)
    _forget(market, slot)
    # The order trades from a message of its own: the scratch is for the reports of its makers.
    aggressor = market.messages[0]
    aggressor.order_id = order.order_id
    aggressor.account = order.account
    aggressor.client_id = order.client_id
    aggressor.side = order.side
    aggressor.time_in_force = order.time_in_force
    aggressor.self_trade = _CANCEL_MAKER
    aggressor.price_ticks = price_ticks
    aggressor.qty_lots = order.qty_lots
    aggressor.remaining_lots = qty_lots
    report(market, aggressor, _REPLACED, _NONE)
    _match(market, aggressor)
    if aggressor.remaining_lots != 0:
        rest(market, aggressor)


# -- resting orders ----------------------------------------------------------------------------------


@inlined
def rest(market: Market, order: Message) -> None:
    """What is left of an order joins the back of the queue at its price, whatever it would cross."""
    book = market.book
    at = find_entry(book.ids, order.order_id)
    if book.ids[at].value != 0:
        report(market, order, _CANCELLED, _MALFORMED)
        return
    slot = add_order(book, at, order.order_id, order.side, order.price_ticks, order.remaining_lots)
    if slot == 0:  # its level would hold more than 2^63-1 lots
        report(market, order, _CANCELLED, _QUANTITY)
        return
    account = market.accounts[order.account]
    ticket = market.tickets[slot]
    ticket.account = order.account
    ticket.client_id = order.client_id
    ticket.qty_lots = order.qty_lots
    ticket.time_in_force = order.time_in_force
    ticket.previous = account.last_order
    ticket.next = 0
    if account.last_order != 0:
        market.tickets[account.last_order].next = slot
    else:
        account.first_order = slot
    account.last_order = slot
    account.open_orders += 1
    publish(market, _ADD, order.side, order.order_id, order.price_ticks, order.remaining_lots)


@inlined
def _shrink(market: Market, slot: int, qty_lots: int, reason: int) -> None:
    """A part of a resting order is cancelled; it keeps its place."""
    resting = market.book.orders[slot]
    level = market.book.levels[resting.level]
    shrink_order(market.book, slot, qty_lots)
    market.tickets[slot].qty_lots -= qty_lots
    publish(market, _CANCEL, level.side, resting.order_id, level.price, qty_lots)
    _report_resting(market, slot, _REPLACED, reason)


@inlined
def _remove(market: Market, slot: int, reason: int) -> None:
    """A resting order is cancelled whole."""
    _remove_at(market, find_entry(market.book.ids, market.book.orders[slot].order_id), slot, reason)


@inlined
def _remove_at(market: Market, at: int, slot: int, reason: int) -> None:
    """The same; its id is in entry `at`."""
    resting = market.book.orders[slot]
    level = market.book.levels[resting.level]
    publish(market, _CANCEL, level.side, resting.order_id, level.price, 0)
    _report_resting(market, slot, _CANCELLED, reason)
    _forget_at(market, at, slot)


@inlined
def _forget(market: Market, slot: int) -> None:
    """A resting order leaves the book and its account's list."""
    _forget_at(market, find_entry(market.book.ids, market.book.orders[slot].order_id), slot)


@inlined
def _forget_at(market: Market, at: int, slot: int) -> None:
    """The same; its id is in entry `at`."""
    ticket = market.tickets[slot]
    account = market.accounts[ticket.account]
    if ticket.previous != 0:
        market.tickets[ticket.previous].next = ticket.next
    else:
        account.first_order = ticket.next
    if ticket.next != 0:
        market.tickets[ticket.next].previous = ticket.previous
    else:
        account.last_order = ticket.previous
    account.open_orders -= 1
    remove_order(market.book, at, slot)


# -- reports -----------------------------------------------------------------------------------------


@inlined
def _report_fill(market: Market, order: Message, qty_lots: int, price_ticks: int, is_maker: int) -> None:
    kind = _FILLED if order.remaining_lots == 0 else _PARTIALLY_FILLED
    report_fill(market, order, kind, qty_lots, price_ticks, is_maker)


@inlined
def _report_resting(market: Market, slot: int, kind: int, reason: int) -> None:
    if market.accounts[market.tickets[slot].account].hears != 0:
        _copy_resting(market, slot)
        report(market, market.scratch, kind, reason)


@routine
def _copy_resting(market: Market, slot: int) -> None:
    """A resting order into the scratch message."""
    ticket = market.tickets[slot]
    resting = market.book.orders[slot]
    level = market.book.levels[resting.level]
    order = market.scratch
    order.order_id = resting.order_id
    order.account = ticket.account
    order.client_id = ticket.client_id
    order.side = level.side
    order.time_in_force = ticket.time_in_force
    order.self_trade = 0
    order.price_ticks = level.price
    order.qty_lots = ticket.qty_lots
    order.remaining_lots = resting.qty
