"""Momentum trader: buys what rises and sells what falls, then closes when the move fades."""

from __future__ import annotations

from typing import NamedTuple

from engine.agents.acting import AgentRow, take
from engine.arena.functions import inlined, routine
from engine.arena.layout import Real, Record, Word
from engine.arena.random import StreamRow, below
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.market.actions import best_ask, best_bid
from engine.market.records import Market

__all__ = ["MomentumParams", "MomentumRow", "act_momentum", "fill_momentum"]

_BID = int(Side.BID)
_ASK = int(Side.ASK)


class MomentumParams(NamedTuple):
    """Behaviour of a momentum trader."""

    interval_ms: int = 500
    fast: float = 0.3
    """Weight of the newest mid in the fast average."""
    slow: float = 0.05
    threshold_ticks: float = 3.0
    """Fast minus slow average that opens a position."""
    size_lots: int = 30
    limit_lots: int = 300


class MomentumRow(Record):
    """MomentumParams, and the two averages."""

    pause_ns: Word
    """Least time between looks."""
    jitter_ns: Word
    """Up to this is added to it."""
    fast_weight: Real
    slow_weight: Real
    threshold_ticks: Real
    size_lots: Word
    limit_lots: Word
    looked: Word
    """1 once the averages have begun."""
    fast_ticks: Real
    slow_ticks: Real


def fill_momentum(row: MomentumRow, params: MomentumParams, _stream: StreamRow) -> None:
    """A momentum trader with these parameters."""
    row.pause_ns = (params.interval_ms * 3 // 4) * NS_PER_MS
    row.jitter_ns = params.interval_ms // 2 * NS_PER_MS
    row.fast_weight = params.fast
    row.slow_weight = params.slow
    row.threshold_ticks = params.threshold_ticks
    row.size_lots = params.size_lots
    row.limit_lots = params.limit_lots


@routine
def act_momentum(market: Market, agent: AgentRow, stream: StreamRow, trader: MomentumRow) -> int:
    """Acts once. Returns ns until its next wake-up."""
    delay_ns = trader.pause_ns + below(stream, trader.jitter_ns)
    bid, ask = best_bid(market), best_ask(market)
    if bid == 0 or ask == 0:
        return delay_ns
    mid = (bid + ask) / 2.0
    if trader.looked == 0:
        trader.looked = 1
        trader.fast_ticks = mid
        trader.slow_ticks = mid
        return delay_ns
    trader.fast_ticks += trader.fast_weight * (mid - trader.fast_ticks)
    trader.slow_ticks += trader.slow_weight * (mid - trader.slow_ticks)
    _trade(market, agent, trader, trader.fast_ticks - trader.slow_ticks)
    return delay_ns


@inlined
def _trade(market: Market, agent: AgentRow, trader: MomentumRow, trend_ticks: float) -> None:
    threshold = trader.threshold_ticks
    size, most = trader.size_lots, trader.limit_lots
    position = market.accounts[agent.account].position_lots
    if trend_ticks > threshold and position < most:
        take(market, agent, _BID, min(size, most - position), 0)
    elif trend_ticks < -threshold and position > -most:
        take(market, agent, _ASK, min(size, most + position), 0)
    elif position > 0 and trend_ticks < threshold / 3:
        take(market, agent, _ASK, min(size, position), 0)
    elif position < 0 and trend_ticks > -threshold / 3:
        take(market, agent, _BID, min(size, -position), 0)
