"""What the market tells: public events, executions, execution reports (stop 4 on the data path).

Every change of the book is one public event, folded into the running digest s = xxh3_64(s + event) and
kept in a ring. The digest is one word of state, so a snapshot carries it and slicing cannot change it.
Executions and reports name accounts: inside knowledge, never part of the public feed. Some of them call for
attention: the loop (loop.py) stops after the happening they belong to, and Python acts in that instant.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined, routine
from engine.arena.wordmap import find_entry, forget_entry
from engine.book.hashing import event_digest
from engine.core.types import NO_SIDE, Account, EventType
from engine.market.orders import REASON_CODES, Reason
from engine.market.records import Hearing, Market, Message, ReportRow

__all__ = ["add_trade", "publish", "publish_print", "report", "report_fill", "volume_at"]

_HISTORY = int(Account.HISTORY)
_PRINT = int(EventType.PRINT)
_AT_ONCE = int(Hearing.AT_ONCE)
_NO_REASON = REASON_CODES[Reason.NONE]


@inlined
def publish(market: Market, kind: int, side: int, order_id: int, price_ticks: int, qty_lots: int) -> None:
    """One public event, now."""
    row = market.events[market.event_count & (len(market.events) - 1)]
    row.ts = market.now_ns
    row.price = price_ticks
    row.qty = qty_lots
    row.order_id = order_id
    row.instrument_id = market.instrument_id
    row.event_type = kind
    row.side = side
    last = market.instrument_id | kind << 32 | side << 40
    market.event_digest = event_digest(
        market.event_digest, market.now_ns, price_ticks, qty_lots, order_id, last
    )
    market.event_count += 1
    market.events_by_type[kind].value += 1


@inlined
def add_trade(
    market: Market, price_ticks: int, qty_lots: int, aggressor_side: int, aggressor: int, maker: int
) -> None:
    """One execution, now."""
    trade = market.trades[market.trade_count & (len(market.trades) - 1)]
    market.trade_count += 1
    trade.trade_id = market.trade_count
    trade.time_ns = market.now_ns
    trade.price_ticks = price_ticks
    trade.qty_lots = qty_lots
    trade.aggressor_side = aggressor_side
    trade.aggressor = aggressor
    trade.maker = maker
    market.traded_lots += qty_lots
    market.last_price_ticks = price_ticks
    _pull_triggers(market, price_ticks)
    _add_volume(market, price_ticks, qty_lots)
    if maker == _HISTORY and aggressor != _HISTORY:
        _add_divergence(market, price_ticks, qty_lots)


@routine
def publish_print(market: Market, side: int, price_ticks: int, qty_lots: int) -> None:
    """A historical trade that touched none of our book's orders, now; side = the resting one or NO_SIDE."""
    publish(market, _PRINT, side, 0, price_ticks, qty_lots)
    aggressor_side = NO_SIDE if side == NO_SIDE else 1 - side
    add_trade(market, price_ticks, qty_lots, aggressor_side, _HISTORY, _HISTORY)


@entry
def volume_at(market_address: int, price_ticks: int) -> int:
    """Traded lots at a price; 0 where none is remembered."""
    volume = Market.at(market_address).volume
    return volume[find_entry(volume, price_ticks)].value


@inlined
def report(market: Market, order: Message, kind: int, reason: int) -> None:
    """Tells the owner of an order what became of it, if the owner hears reports."""
    if market.accounts[order.account].hears != 0:
        _write_report(market, order, kind, reason)


@inlined
def report_fill(
    market: Market, order: Message, kind: int, qty_lots: int, price_ticks: int, is_maker: int
) -> None:
    """Tells the owner of an order of one fill, whose execution is yet to be added."""
    if market.accounts[order.account].hears != 0:
        _write_fill(market, order, kind, qty_lots, price_ticks, is_maker)


@routine
def _write_report(market: Market, order: Message, kind: int, reason: int) -> None:
    _fill_in(market, _new_report(market, order.account), order, kind, reason)


@routine
def _write_fill(
    market: Market, order: Message, kind: int, qty_lots: int, price_ticks: int, is_maker: int
) -> None:
    account = market.accounts[order.account]
    row = _new_report(market, order.account)
    _fill_in(market, row, order, kind, _NO_REASON)
    row.filled_lots_last = qty_lots
    row.fill_price_ticks = price_ticks
    row.fee_ppm = account.maker_ppm if is_maker != 0 else account.taker_ppm
    row.trade_id = market.trade_count + 1
    row.is_maker = is_maker


@inlined
def _pull_triggers(market: Market, price_ticks: int) -> None:
    """Calls for attention at an execution beyond a trigger."""
    above = market.trigger_above_ticks
    below = market.trigger_below_ticks
    if (above != 0 and price_ticks >= above) or (below != 0 and price_ticks <= below):
        market.attention = 1


@inlined
def _new_report(market: Market, number: int) -> ReportRow:
    """The next row of the ring, for a report to this account."""
    account = market.accounts[number]
    account.reports += 1
    row = market.reports[market.report_count & (len(market.reports) - 1)]
    market.report_count += 1
    row.sequence = account.reports
    if account.hears == _AT_ONCE:
        market.attention = 1
    return row


@inlined
def _fill_in(market: Market, row: ReportRow, order: Message, kind: int, reason: int) -> None:
    """A report that tells of no fill."""
    row.time_ns = market.now_ns
    row.account = order.account
    row.client_id = order.client_id
    row.order_id = order.order_id
    row.kind = kind
    row.side = order.side
    row.price_ticks = order.price_ticks
    row.qty_lots = order.qty_lots
    row.filled_lots_last = 0
    row.fill_price_ticks = 0
    row.remaining_lots = order.remaining_lots
    row.reason = reason
    row.fee_ppm = 0
    row.trade_id = 0
    row.is_maker = 0


@inlined
def _add_volume(market: Market, price_ticks: int, qty_lots: int) -> None:
    """Volume by price; when there are too many prices, the one that was seen first is forgotten."""
    at = find_entry(market.volume, price_ticks)
    entry = market.volume[at]
    if entry.value == 0:
        _remember_price(market, price_ticks)
        entry = market.volume[find_entry(market.volume, price_ticks)]
        entry.key = price_ticks
    entry.value += qty_lots


@routine
def _remember_price(market: Market, price_ticks: int) -> None:
    order = market.volume_order
    if market.volume_last - market.volume_first == len(order):
        oldest = order[market.volume_first & (len(order) - 1)].value
        market.volume_first += 1
        forget_entry(market.volume, find_entry(market.volume, oldest))
    order[market.volume_last & (len(order) - 1)].value = price_ticks
    market.volume_last += 1


@routine
def _add_divergence(market: Market, price_ticks: int, qty_lots: int) -> None:
    first = market.first_divergence
    if market.divergence_count == 0:
        first.time_ns = market.now_ns
        first.price_ticks = price_ticks
        first.qty_lots = qty_lots
    market.divergence_count += 1
    market.divergence_lots += qty_lots
