"""Market maker: several levels a side around a centre that leans with imbalance and away from inventory.

Its limits are what breaks in a crash: at the inventory limit it stops quoting the side that would add,
and when the price moves fast it widens, then pulls its quotes for a while.
"""

from __future__ import annotations

from math import ceil, floor
from typing import NamedTuple

from engine.agents.acting import AgentRow, cancel_all
from engine.agents.fundamental import FundamentalRow
from engine.agents.quotes import Quote, mid_or_reference, move_to, want
from engine.arena.functions import inlined, routine
from engine.arena.layout import Real, Record, Table, Word
from engine.arena.random import StreamRow, below
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.market.actions import best_ask, best_bid, depth
from engine.market.records import Market

__all__ = ["MakerParams", "MakerRow", "act_maker", "fill_maker"]

_BID = int(Side.BID)
_ASK = int(Side.ASK)
_DEPTH_LEVELS = 5
_VOLATILITY_WEIGHT = 0.2


class MakerParams(NamedTuple):
    """Behaviour of a market maker."""

    interval_ms: int = 250
    """Mean time between looks; quotes are stale in between."""
    levels: int = 5
    step_ticks: int = 1
    """Distance between its levels."""
    half_spread_ticks: float = 1.0
    size_lots: int = 40
    """At the first level; deeper levels show more (1, 1.5, 2 ... times)."""
    limit_lots: int = 1_000
    skew_ticks: float = 4.0
    """Shift of the centre at full inventory."""
    lean_ticks: float = 1.0
    """Shift of the centre at full depth imbalance."""
    panic_ticks: float = 6.0
    """Average move per look at which it pulls its quotes."""
    pause_ms: int = 1_500
    """For how long it pulls them."""


class MakerRow(Record):
    """MakerParams, and what it remembers of the mid."""

    pause_ns: Word
    """Least time between looks."""
    jitter_ns: Word
    """Up to this is added to it."""
    panic_ns: Word
    """For how long it pulls its quotes."""
    levels: Word
    step_ticks: Word
    size_lots: Word
    limit_lots: Word
    half_spread_ticks: Real
    skew_ticks: Real
    lean_ticks: Real
    panic_ticks: Real
    looked: Word
    """1 once it has seen a mid."""
    last_mid: Real
    move_ticks: Real
    """Moving average of absolute mid changes per look."""


def fill_maker(row: MakerRow, params: MakerParams, _stream: StreamRow) -> None:
    """A market maker with these parameters."""
    row.pause_ns = (params.interval_ms * 3 // 4) * NS_PER_MS
    row.jitter_ns = params.interval_ms // 2 * NS_PER_MS
    row.panic_ns = params.pause_ms * NS_PER_MS
    row.levels = params.levels
    row.step_ticks = params.step_ticks
    row.size_lots = params.size_lots
    row.limit_lots = params.limit_lots
    row.half_spread_ticks = params.half_spread_ticks
    row.skew_ticks = params.skew_ticks
    row.lean_ticks = params.lean_ticks
    row.panic_ticks = params.panic_ticks


@routine
def act_maker(
    market: Market,
    fundamental: FundamentalRow,
    agent: AgentRow,
    stream: StreamRow,
    maker: MakerRow,
    quotes: Table[Quote],
) -> int:
    """Acts once. Returns ns until its next wake-up. `quotes` is scratch."""
    jitter_ns = below(stream, maker.jitter_ns)
    mid = _observe(market, fundamental, maker)
    if maker.move_ticks > maker.panic_ticks:
        cancel_all(market, agent)
        maker.move_ticks *= 0.5
        return maker.panic_ns + jitter_ns
    _requote(market, agent, maker, quotes, mid)
    return maker.pause_ns + jitter_ns


@inlined
def _observe(market: Market, fundamental: FundamentalRow, maker: MakerRow) -> float:
    mid = mid_or_reference(market, fundamental)
    if best_bid(market) != 0 and best_ask(market) != 0:
        if maker.looked != 0:
            maker.move_ticks += _VOLATILITY_WEIGHT * (abs(mid - maker.last_mid) - maker.move_ticks)
        maker.looked = 1
        maker.last_mid = mid
    return mid


@inlined
def _requote(market: Market, agent: AgentRow, maker: MakerRow, quotes: Table[Quote], mid: float) -> None:
    position, most = market.accounts[agent.account].position_lots, maker.limit_lots
    bid_depth, ask_depth = depth(market, _BID, _DEPTH_LEVELS), depth(market, _ASK, _DEPTH_LEVELS)
    total = bid_depth + ask_depth
    lean = maker.lean_ticks * (bid_depth - ask_depth) / total if total != 0 else 0.0
    centre = mid + lean - maker.skew_ticks * position / most
    half = maker.half_spread_ticks + maker.move_ticks
    wanted = 0
    for level in range(maker.levels):
        size = maker.size_lots * (2 + level) // 2
        offset = half + level * maker.step_ticks
        if position + size <= most:
            wanted = want(quotes, wanted, _BID, floor(centre - offset), size)
        if position - size >= -most:
            wanted = want(quotes, wanted, _ASK, ceil(centre + offset), size)
    move_to(market, agent, quotes, wanted)
