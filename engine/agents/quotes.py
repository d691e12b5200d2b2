"""What market makers share: where the middle is, and a list of wanted quotes that resting orders become."""

from __future__ import annotations

from engine.agents.acting import AgentRow, cancel, limit, reference_ticks
from engine.agents.fundamental import FundamentalRow
from engine.arena.functions import inlined, routine
from engine.arena.layout import Record, Table, Word
from engine.arena.leaves import check
from engine.market.actions import best_ask, best_bid
from engine.market.records import Market

__all__ = ["Quote", "mid_or_reference", "move_to", "want"]


class Quote(Record):
    """One order that a maker wants to have; lots 0 = it has it already."""

    side: Word
    price_ticks: Word
    qty_lots: Word


@inlined
def mid_or_reference(market: Market, fundamental: FundamentalRow) -> float:
    """The mid; while a side is empty the other's best price, while both are, the reference price."""
    bid, ask = best_bid(market), best_ask(market)
    if bid != 0 and ask != 0:
        return (bid + ask) / 2.0
    if bid != 0:
        return float(bid)
    return float(ask if ask != 0 else reference_ticks(market, fundamental))


@routine
def want(quotes: Table[Quote], count: int, side: int, price_ticks: int, qty_lots: int) -> int:
    """Enters a wanted quote behind the first `count`; at a price that is there already only its lots
    change. Returns how many there are now."""
    at = _find(quotes, count, side, price_ticks)
    check(at < len(quotes))
    quote = quotes[at]
    quote.side = side
    quote.price_ticks = price_ticks
    quote.qty_lots = qty_lots
    return max(count, at + 1)


@routine
def move_to(market: Market, agent: AgentRow, quotes: Table[Quote], count: int) -> None:
    """Cancels what is not wanted any more, oldest first, and sends what is missing.

    A resting order serves a quote at its price while at least half of the wanted lots are left.
    """
    slot = market.accounts[agent.account].first_order
    while slot != 0:
        order = market.book.orders[slot]
        level = market.book.levels[order.level]
        at = _find(quotes, count, level.side, level.price)
        if at < count and quotes[at].qty_lots != 0 and 2 * order.qty >= quotes[at].qty_lots:
            quotes[at].qty_lots = 0
        else:
            cancel(market, agent, order.order_id, 0)
        slot = market.tickets[slot].next
    for at in range(count):
        quote = quotes[at]
        if quote.qty_lots != 0:
            limit(market, agent, quote.side, quote.price_ticks, quote.qty_lots)


@inlined
def _find(quotes: Table[Quote], count: int, side: int, price_ticks: int) -> int:
    """Index of the quote at this price of this side; `count` without one."""
    at = 0
    while at < count and (quotes[at].price_ticks != price_ticks or quotes[at].side != side):
        at += 1
    return at
