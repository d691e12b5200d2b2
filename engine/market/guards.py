"""What the gate asks of an account that has limits of its own: rails and guards (stop 3 on the data path).

A *rail* refuses the one order that is beyond it. A *guard* watches what the account does; the first one that
trips latches the account, and nothing of it passes until somebody resets it. In this order:

    order rate                                      a bucket of one second's orders
    closed, size, notional, collar, exposure        rails
    position, daily loss, order-to-trade, feed gaps guards (flowlab.md section 9)

The bucket comes first because refused orders count too: a bot gone wild is mostly refused. Rails come before
the other guards so that a slip of the finger costs one order and not the day.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.core.clock import NS_PER_S
from engine.core.types import Side
from engine.market.ledger import MICRO
from engine.market.matching import best_ask, best_bid
from engine.market.orders import REASON_CODES, Reason
from engine.market.records import Guard, Market

__all__ = ["guard_order"]

_NONE = REASON_CODES[Reason.NONE]
_ORDER_RATE = REASON_CODES[Reason.ORDER_RATE]
_POSITION = REASON_CODES[Reason.POSITION]
_DAILY_LOSS = REASON_CODES[Reason.DAILY_LOSS]
_ORDER_TO_TRADE = REASON_CODES[Reason.ORDER_TO_TRADE]
_FEED_GAPS = REASON_CODES[Reason.FEED_GAPS]
_CLOSED = REASON_CODES[Reason.CLOSED]
_QUANTITY = REASON_CODES[Reason.QUANTITY]
_NOTIONAL = REASON_CODES[Reason.NOTIONAL]
_EXPOSURE = REASON_CODES[Reason.EXPOSURE]
_PRICE_COLLAR = REASON_CODES[Reason.PRICE_COLLAR]
_BID = int(Side.BID)
_HALF_MICRO = MICRO // 2
_MILLION = 1_000_000


@routine
def guard_order(market: Market, account: int, side: int, price_ticks: int, qty_lots: int, reason: int) -> int:
    """The first reason against an order of an account with limits, or Reason.NONE; latches the account when
    a guard trips. `reason`: why the order is refused whatever its account, counted and given back."""
    guard = market.guards[market.accounts[account].guard]
    guard.orders += 1
    tripped = _NONE
    if _is_too_fast(market, guard):
        tripped = _ORDER_RATE
    elif reason == _NONE:
        reason = _off_the_rails(market, guard, account, side, price_ticks, qty_lots)
        if reason == _NONE:
            tripped = _tripped(market, guard, account, side, qty_lots)
    if tripped == _NONE:
        return reason
    market.accounts[account].latched = tripped
    guard.latched_ns = market.now_ns
    guard.latched_count += 1
    market.trip_count += 1
    market.attention = 1
    return tripped


@inlined
def _is_too_fast(market: Market, guard: Guard) -> bool:
    """Takes an order out of the bucket; whether there was none left."""
    rate = guard.orders_per_s
    if rate == 0:
        return False
    elapsed_ns = min(market.now_ns - guard.refilled_ns, NS_PER_S)
    guard.refilled_ns = market.now_ns
    tokens = min(guard.tokens + elapsed_ns * rate, NS_PER_S * rate)
    if tokens < NS_PER_S:
        guard.tokens = tokens
        return True
    guard.tokens = tokens - NS_PER_S
    return False


# -- rails -------------------------------------------------------------------------------------------


@inlined
def _off_the_rails(
    market: Market, guard: Guard, account: int, side: int, price_ticks: int, qty_lots: int
) -> int:
    if guard.is_closed != 0:
        return _CLOSED
    if guard.max_order_lots != 0 and qty_lots > guard.max_order_lots:
        return _QUANTITY
    bid = best_bid(market)
    ask = best_ask(market)
    paid = price_ticks
    if paid == 0:  # a market order is worth what the other side asks for
        paid = ask if side == _BID else bid
    if paid == 0:
        paid = market.last_price_ticks
    if not _is_worth_right(guard, paid, qty_lots):
        return _NOTIONAL
    if guard.collar_ppm != 0 and price_ticks != 0 and bid != 0 and ask != 0:
        # Twice the way beyond the mid, in the direction that costs the sender.
        beyond = (2 * price_ticks - bid - ask) * (1 - 2 * side)
        if beyond > _share_of(bid + ask, guard.collar_ppm):
            return _PRICE_COLLAR
    if guard.max_exposure != 0 and _would_expose(market, guard, account, side, paid, qty_lots):
        return _EXPOSURE
    return _NONE


@inlined
def _share_of(value: int, ppm: int) -> int:
    """value * ppm / 1,000,000, rounded down, where the product may not fit a word."""
    return value // _MILLION * ppm + value % _MILLION * ppm // _MILLION


@inlined
def _is_worth_right(guard: Guard, price_ticks: int, qty_lots: int) -> bool:
    """Divisions, because price times quantity may not fit a word. Without any price the worth is not known,
    and what is not known does not pass."""
    least = guard.min_notional
    most = guard.max_notional
    if least == 0 and most == 0:
        return True
    if price_ticks == 0:
        return False
    if most != 0 and qty_lots > most // price_ticks:
        return False
    return qty_lots >= (least + price_ticks - 1) // price_ticks


@inlined
def _would_expose(
    market: Market, guard: Guard, account: int, side: int, price_ticks: int, qty_lots: int
) -> bool:
    """Whether the account would hold too much if all that it has on this side traded with it."""
    if price_ticks == 0:
        return True
    sign = 1 - 2 * side
    held = market.accounts[account].position_lots * sign
    after = held + _resting_lots(market, account, side) + qty_lots
    return max(after, -held) > guard.max_exposure // price_ticks


@routine
def _resting_lots(market: Market, account: int, side: int) -> int:
    total = 0
    slot = market.accounts[account].first_order
    while slot != 0:
        order = market.book.orders[slot]
        if market.book.levels[order.level].side == side:
            total += order.qty
        slot = market.tickets[slot].next
    return total


# -- guards ------------------------------------------------------------------------------------------


@inlined
def _tripped(market: Market, guard: Guard, account: int, side: int, qty_lots: int) -> int:
    row = market.accounts[account]
    if guard.max_position_lots != 0:
        after = row.position_lots + (1 - 2 * side) * qty_lots
        if abs(after) > guard.max_position_lots:
            return _POSITION
    if guard.max_loss != 0 and _has_lost(market, guard, account):
        return _DAILY_LOSS
    if guard.max_orders_per_trade != 0 and guard.orders >= guard.min_orders:
        trades = max(1, row.fills - guard.fills_before)
        if guard.orders > guard.max_orders_per_trade * trades:
            return _ORDER_TO_TRADE
    if guard.max_gaps != 0 and _has_gaps(market, guard):
        return _FEED_GAPS
    return _NONE


@inlined
def _has_lost(market: Market, guard: Guard, account: int) -> bool:
    """Whether equity at the mid (the last price while a side is empty) is max_loss or more below that of the
    day's start."""
    row = market.accounts[account]
    bid = best_bid(market)
    ask = best_ask(market)
    twice = bid + ask if bid != 0 and ask != 0 else 2 * market.last_price_ticks
    left = guard.headroom
    left.take(row.cash)
    left.add_product(row.position_lots, twice, _HALF_MICRO)
    left.add(guard.before)
    left.add_product(guard.max_loss, 1, 1)
    return left.sign() <= 0


@inlined
def _has_gaps(market: Market, guard: Guard) -> bool:
    """Whether the feed has had max_gaps gaps within the window that ends now."""
    oldest = market.gap_count - guard.max_gaps
    if oldest < 0:
        return False
    times = market.gap_times
    return times[oldest & (len(times) - 1)].value > market.now_ns - guard.gap_window_ns
