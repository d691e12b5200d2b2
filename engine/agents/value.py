"""Value trader: compares the price with its own noisy estimate of the fundamental and trades the gap.

Together they pull the price back: this is where a market recovers from a storm.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from engine.agents.acting import AgentRow, cancel, limit, take
from engine.agents.fundamental import FundamentalRow, value_ticks
from engine.arena.functions import inlined, routine
from engine.arena.layout import Real, Record, Word
from engine.arena.random import StreamRow, below, exponential_ns, normal
from engine.core.clock import NS_PER_S
from engine.core.types import Side
from engine.market.actions import best_ask, best_bid
from engine.market.records import Market

__all__ = ["ValueParams", "ValueRow", "act_value", "fill_value"]

_BID = int(Side.BID)
_ASK = int(Side.ASK)


class ValueParams(NamedTuple):
    """Behaviour of a value trader."""

    rate_per_s: float = 1.0
    bias_ticks: float = 1.5
    """Standard deviation of an agent's lasting error about the value."""
    noise_ticks: float = 1.0
    """Standard deviation of each reading's error."""
    threshold_ticks: float = 2.0
    """Gap beyond the touch at which it takes liquidity."""
    size_lots: int = 40
    max_multiple: float = 16.0
    """An aggressive order grows with the square root of the gap (impact is concave), up to this many
    sizes."""
    patience_ticks: int = 8
    """Distance of its passive orders from its estimate."""
    lifetime_s: float = 8.0
    limit_lots: int = 6_000


class ValueRow(Record):
    """ValueParams, and the agent's lasting error."""

    interval_ns: Real
    """Mean; a whole number."""
    life_ns: Real
    """Mean; a whole number."""
    bias_ticks: Real
    """This agent's."""
    noise_ticks: Real
    threshold_ticks: Real
    max_multiple: Real
    size_lots: Word
    patience_ticks: Word
    limit_lots: Word


def fill_value(row: ValueRow, params: ValueParams, stream: StreamRow) -> None:
    """A value trader with these parameters; draws its bias."""
    row.interval_ns = float(int(NS_PER_S / params.rate_per_s))
    row.life_ns = float(int(params.lifetime_s * NS_PER_S))
    row.bias_ticks = params.bias_ticks * normal(stream)
    row.noise_ticks = params.noise_ticks
    row.threshold_ticks = params.threshold_ticks
    row.max_multiple = params.max_multiple
    row.size_lots = params.size_lots
    row.patience_ticks = params.patience_ticks
    row.limit_lots = params.limit_lots


@routine
def act_value(
    market: Market,
    fundamental: FundamentalRow,
    agent: AgentRow,
    stream: StreamRow,
    trader: ValueRow,
    now_ns: int,
) -> int:
    """Acts once. Returns ns until its next wake-up."""
    value = value_ticks(fundamental, now_ns) + trader.bias_ticks + trader.noise_ticks * normal(stream)
    life_ns = exponential_ns(stream, trader.life_ns)
    side = below(stream, 2)
    delay_ns = exponential_ns(stream, trader.interval_ns)
    bid, ask = best_bid(market), best_ask(market)
    position = market.accounts[agent.account].position_lots
    if ask != 0 and value > ask + trader.threshold_ticks and position < trader.limit_lots:
        take(market, agent, _BID, _size(trader, value - ask), int(value))
    elif bid != 0 and value < bid - trader.threshold_ticks and position > -trader.limit_lots:
        take(market, agent, _ASK, _size(trader, bid - value), int(value) + 1)
    else:
        offset = trader.patience_ticks if side == _ASK else -trader.patience_ticks
        order_id = limit(market, agent, side, int(value) + offset, trader.size_lots)
        cancel(market, agent, order_id, life_ns)
    return delay_ns


@inlined
def _size(trader: ValueRow, gap_ticks: float) -> int:
    return int(trader.size_lots * min(trader.max_multiple, sqrt(gap_ticks / trader.threshold_ticks)))
