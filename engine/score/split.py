"""Where a bot's PnL comes from: spread, inventory and fees, exact to the last unit.

With q lots of fill i (positive = bought), its price p, the mid m just before it, and the mark M now:

    spread     = sum q_i (m_i - p_i)                      what its prices were better than the mid
    inventory  = sum q_i (M - m_i)                        position carried times moves of the mid
    fees       = as the ledger charged them
    PnL        = spread + inventory - fees = cash + position x M

The last line is an identity, so the parts sum to the ledger's PnL whatever the mids are. The inventory term
is the position after each fill times the move of the mid up to the next, summed by parts. The first term
is the effective half-spread of Huang and Stoll (1996, "Dealer versus auction markets", J. Financial Economics
41), who also split it over a horizon t into

    effective half-spread  q (m - p)      = realised half-spread  q (m_t - p)  - q (m_t - m)

where -q (m_t - m) is what adverse selection costs (Stoll 1989, "Inferring the components of the bid-ask
spread", J. Finance 44). Both right-hand readings are taken MARK_OUT_NS after each fill; they are no parts of
the sum. Sums of all of it are integers: mids count as twice the mid, money in millionths, which are even.

The mid just before a fill is that of the book before the arrival that traded: what it traded first was the
best price of one side (own orders that gave way to it left out); the other side it can only have joined
(`mid_before`).
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.arena.memory import Rows
from engine.core.clock import NS_PER_S
from engine.core.types import Side
from engine.market.exchange import Exchange
from engine.market.ledger import MICRO

__all__ = ["HALF", "MARK_OUT_NS", "Arrival", "Split", "mid_before"]

MARK_OUT_NS = 1 * NS_PER_S
"""How long after a fill its mark-out is taken, at the first sample that is not earlier."""
HALF = MICRO // 2
"""Money units per lot and unit of twice a price."""
_LEVELS = 8
"""Levels looked at for a best price that the aggressor itself did not make."""


class Split(msgspec.Struct):
    """The sums of one account. Money in millionths of tick-lots."""

    position_lots: int = 0
    maker_spread: int = 0
    taker_spread: int = 0
    at_mid: int = 0
    """Sum of q x m: what the position would have cost at the mids of its fills."""
    fees: int = 0
    fills: int = 0
    maker_lots: int = 0
    taker_lots: int = 0
    marked_out: int = 0
    """Fills whose mark-out has been taken."""
    adverse: int = 0
    """Sum of q (m_t - m) over them: negative where the market moved against the fills."""
    realised_spread: int = 0
    """Sum of q (m_t - p) over them."""

    def take_fill(
        self, signed_lots: int, price_ticks: int, twice_mid: int, fee: int, *, is_maker: bool
    ) -> None:
        """One fill; `signed_lots` > 0 bought."""
        captured = signed_lots * (twice_mid - 2 * price_ticks) * HALF
        if is_maker:
            self.maker_spread += captured
            self.maker_lots += abs(signed_lots)
        else:
            self.taker_spread += captured
            self.taker_lots += abs(signed_lots)
        self.position_lots += signed_lots
        self.at_mid += signed_lots * twice_mid * HALF
        self.fees += fee
        self.fills += 1

    def take_mark_out(self, signed_lots: int, price_ticks: int, twice_mid: int, twice_later: int) -> None:
        """The mark-out of one fill."""
        self.marked_out += 1
        self.adverse += signed_lots * (twice_later - twice_mid) * HALF
        self.realised_spread += signed_lots * (twice_later - 2 * price_ticks) * HALF

    @property
    def spread(self) -> int:
        """What prices were better than the mid, of all fills."""
        return self.maker_spread + self.taker_spread

    def inventory(self, twice_mark: int) -> int:
        """Position carried times moves of the mid, up to this mark."""
        return self.position_lots * twice_mark * HALF - self.at_mid

    def pnl(self, twice_mark: int) -> int:
        """The sum; equals Ledger.equity(account, twice_mark)."""
        return self.spread + self.inventory(twice_mark) - self.fees


class Arrival:
    """Executions that came from one arriving order: consecutive, at one time, of one aggressor."""

    __slots__ = ("first_id", "last_id", "twice_mid")

    def __init__(self, first_id: int, last_id: int, twice_mid: int | None) -> None:
        self.first_id = first_id
        self.last_id = last_id
        self.twice_mid = twice_mid
        """Of the book before it; None: a side was empty."""


def mid_before(exchange: Exchange, trade_id: int, known: Arrival | None) -> Arrival:
    """The arrival that this execution belongs to, in the instant in which it traded.

    `known`: what the last call gave for an earlier execution; looking at all executions of an arrival in
    order costs one step for each. Executions that have left the ring end the look, which a single arrival's
    never do.
    """
    if known is not None and known.first_id <= trade_id <= known.last_id:
        return known
    ring = exchange.arena.rows("trades")
    first = _execution(ring, trade_id)
    while first.trade_id > 1:
        before = _execution(ring, first.trade_id - 1)
        is_same = before.time_ns == first.time_ns and before[4:] == first[4:]  # side and aggressor
        if before.trade_id != first.trade_id - 1 or not is_same:
            break
        if known is not None and before.trade_id == known.last_id:
            known.last_id = trade_id
            return known
        first = before
    return Arrival(first.trade_id, trade_id, _twice_mid(exchange, first.price_ticks, first.aggressor_side))


class _Execution(NamedTuple):
    """The fields of a TradeRow that say which arrival it belongs to."""

    trade_id: int
    time_ns: int
    price_ticks: int
    qty_lots: int
    aggressor_side: int
    aggressor: int


def _execution(ring: Rows, trade_id: int) -> _Execution:
    return _Execution._make(ring[(trade_id - 1) & (len(ring) - 1)].item()[:6])


def _twice_mid(exchange: Exchange, first_price_ticks: int, aggressor_side: int) -> int | None:
    """Best of the side that was traded against (the first price) + best of the aggressor's side.

    What rests now on the aggressor's side at a price that would have traded is the rest of the aggressor.
    """
    if aggressor_side == Side.BID:
        best = exchange.best_bid
        if best is not None and best >= first_price_ticks:
            best = _best_below(exchange, Side.BID, first_price_ticks)
    else:
        best = exchange.best_ask
        if best is not None and best <= first_price_ticks:
            best = _best_below(exchange, Side.ASK, first_price_ticks)
    return None if best is None else best + first_price_ticks


def _best_below(exchange: Exchange, side: Side, price_ticks: int) -> int | None:
    for price, _lots, _count in exchange.book.levels(side, _LEVELS):
        if (price < price_ticks) if side == Side.BID else (price > price_ticks):
            return int(price)
    return None
