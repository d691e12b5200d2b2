"""Noise trader: random side, random size, mostly passive, forgets its orders after a while."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

from engine.agents.acting import AgentRow, cancel, limit, reference_ticks, take
from engine.agents.fundamental import FundamentalRow
from engine.arena.functions import inlined, routine
from engine.arena.layout import Real, Record, Word
from engine.arena.random import StreamRow, below, chance, exponential_ns, pareto, uniform
from engine.core.clock import NS_PER_S
from engine.core.types import Side
from engine.market.actions import best_ask, best_bid
from engine.market.records import Market

__all__ = ["NoiseParams", "NoiseRow", "act_noise", "fill_noise"]

_BID = int(Side.BID)


class NoiseParams(NamedTuple):
    """Behaviour of a noise trader."""

    rate_per_s: float = 4.0
    """Decisions per second."""
    market_share: float = 0.1
    """Share of decisions that take liquidity."""
    size_lots: int = 4
    """Smallest order; sizes have tail exponent 2."""
    max_size_lots: int = 100
    max_distance_ticks: int = 25
    """Farthest limit price from the best of its own side (tail exponent 2)."""
    lifetime_s: float = 3.0
    """Mean life of a resting order."""


class NoiseRow(Record):
    """NoiseParams; a noise trader remembers nothing."""

    interval_ns: Real
    """Mean; a whole number."""
    life_ns: Real
    """Mean; a whole number."""
    market_share: Real
    size_lots: Word
    max_size_lots: Word
    max_distance_ticks: Word


def fill_noise(row: NoiseRow, params: NoiseParams, _stream: StreamRow) -> None:
    """A noise trader with these parameters."""
    row.interval_ns = float(int(NS_PER_S / params.rate_per_s))
    row.life_ns = float(int(params.lifetime_s * NS_PER_S))
    row.market_share = params.market_share
    row.size_lots = params.size_lots
    row.max_size_lots = params.max_size_lots
    row.max_distance_ticks = params.max_distance_ticks


@routine
def act_noise(
    market: Market, fundamental: FundamentalRow, agent: AgentRow, stream: StreamRow, noise: NoiseRow
) -> int:
    """Acts once. Returns ns until its next wake-up."""
    side = below(stream, 2)
    size = pareto(stream, noise.size_lots, noise.max_size_lots)
    takes = chance(stream, noise.market_share)
    distance = _distance(stream, noise.max_distance_ticks)
    life_ns = exponential_ns(stream, noise.life_ns)
    if takes:
        take(market, agent, side, size, 0)
    else:
        price = _price(market, fundamental, side, distance)
        cancel(market, agent, limit(market, agent, side, price, size), life_ns)
    return exponential_ns(stream, noise.interval_ns)


@inlined
def _distance(stream: StreamRow, max_ticks: int) -> int:
    """Ticks behind the best; -1 (one in eight) improves it."""
    u = uniform(stream)
    if u < 0.125:
        return -1
    return min(max_ticks, int(1.2 / sqrt((1.0 - u) / 0.875)) - 1)


@inlined
def _price(market: Market, fundamental: FundamentalRow, side: int, distance: int) -> int:
    if side == _BID:
        bid = best_bid(market)
        return (bid if bid != 0 else reference_ticks(market, fundamental) - 1) - distance
    ask = best_ask(market)
    return (ask if ask != 0 else reference_ticks(market, fundamental) + 1) + distance
