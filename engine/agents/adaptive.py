"""Adaptive market maker: a ladder that follows the observed spread and shows a share of the volume.

After the adaptive POV (percentage of volume) market maker of ABIDES' rmsc04 (Chakraborty and Kearns'
ladder): at every look it cancels all, and quotes `levels` prices a side,

    window   <- spread_alpha * spread + (1 - spread_alpha) * window
    first level   window / 2 from the centre; next ones level_spacing * window further out each
    size          max(min_size_lots, pov * lots traded by everybody since its last look)

Two things differ from ABIDES: its orders only ever rest (post-only), and the centre is shifted against
its inventory instead of with the imbalance of trades, with a limit at which it stops quoting the side
that would add. So nothing of it can run away.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

from engine.agents.acting import AgentRow, cancel_all, limit
from engine.agents.fundamental import FundamentalRow
from engine.agents.quotes import mid_or_reference
from engine.arena.functions import inlined, routine
from engine.arena.layout import Real, Record, Word
from engine.arena.random import StreamRow, below
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.market.actions import best_ask, best_bid
from engine.market.records import Market

__all__ = ["AdaptiveParams", "AdaptiveRow", "act_adaptive", "fill_adaptive"]

_BID = int(Side.BID)
_ASK = int(Side.ASK)


class AdaptiveParams(NamedTuple):
    """Behaviour of an adaptive market maker."""

    interval_ms: int = 1_000
    """Mean time between looks."""
    levels: int = 10
    """Prices a side (num_ticks)."""
    pov: float = 0.025
    """Share of the volume since its last look that each of its orders shows."""
    min_size_lots: int = 1
    """Least size of an order (min_order_size)."""
    spread_alpha: float = 0.75
    """Weight of the newest spread in its average."""
    first_spread_ticks: float = 4.0
    """What the average begins with."""
    level_spacing: float = 0.5
    """Distance between levels, as a share of the average spread; at least a tick."""
    skew_ticks: float = 4.0
    """Shift of the centre at full inventory (price_skew_param)."""
    limit_lots: int = 2_000


class AdaptiveRow(Record):
    """AdaptiveParams, the average spread, and the volume at its last look."""

    pause_ns: Word
    """Least time between looks."""
    jitter_ns: Word
    """Up to this is added to it."""
    levels: Word
    min_size_lots: Word
    limit_lots: Word
    pov: Real
    spread_alpha: Real
    level_spacing: Real
    skew_ticks: Real
    spread_ticks: Real
    """Moving average."""
    seen_lots: Word
    """Lots that the market had traded at its last look."""


def fill_adaptive(row: AdaptiveRow, params: AdaptiveParams, _stream: StreamRow) -> None:
    """An adaptive market maker with these parameters."""
    row.pause_ns = (params.interval_ms * 3 // 4) * NS_PER_MS
    row.jitter_ns = params.interval_ms // 2 * NS_PER_MS
    row.levels = params.levels
    row.min_size_lots = params.min_size_lots
    row.limit_lots = params.limit_lots
    row.pov = params.pov
    row.spread_alpha = params.spread_alpha
    row.level_spacing = params.level_spacing
    row.skew_ticks = params.skew_ticks
    row.spread_ticks = params.first_spread_ticks


@routine
def act_adaptive(
    market: Market, fundamental: FundamentalRow, agent: AgentRow, stream: StreamRow, maker: AdaptiveRow
) -> int:
    """Acts once. Returns ns until its next wake-up."""
    delay_ns = maker.pause_ns + below(stream, maker.jitter_ns)
    bid, ask = best_bid(market), best_ask(market)
    if bid != 0 and ask != 0:
        maker.spread_ticks += maker.spread_alpha * ((ask - bid) - maker.spread_ticks)
    size = max(maker.min_size_lots, int(maker.pov * (market.traded_lots - maker.seen_lots)))
    maker.seen_lots = market.traded_lots
    cancel_all(market, agent)
    _quote(market, agent, maker, mid_or_reference(market, fundamental), size)
    return delay_ns


@inlined
def _quote(market: Market, agent: AgentRow, maker: AdaptiveRow, mid: float, size: int) -> None:
    position, most = market.accounts[agent.account].position_lots, maker.limit_lots
    centre = mid - maker.skew_ticks * position / most
    half = 0.5 * maker.spread_ticks
    bid, ask = floor(centre - half), ceil(centre + half)
    step = max(1, int(maker.level_spacing * maker.spread_ticks + 0.5))
    for level in range(maker.levels):
        shown = (level + 1) * size
        if position + shown <= most:
            limit(market, agent, _BID, bid - level * step, size)
        if position - shown >= -most:
            limit(market, agent, _ASK, ask + level * step, size)
