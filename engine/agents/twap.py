"""Institution: works one large order after another in equal slices at equal times (TWAP)."""

from __future__ import annotations

from typing import NamedTuple

from engine.agents.acting import AgentRow, take
from engine.arena.functions import routine
from engine.arena.layout import Real, Record, Word
from engine.arena.random import StreamRow, below, between, exponential_ns
from engine.core.clock import NS_PER_S
from engine.market.records import Market

__all__ = ["TwapParams", "TwapRow", "act_twap", "fill_twap"]


class TwapParams(NamedTuple):
    """Behaviour of an institution."""

    parent_lots: int = 1_500
    """Size of a parent order (half to one and a half times this)."""
    slice_lots: int = 50
    slice_s: float = 1.5
    """Time between slices, +-10 %."""
    rest_s: float = 30.0
    """Mean pause between parents."""


class TwapRow(Record):
    """TwapParams, and the parent order in work."""

    parent_lots: Word
    slice_lots: Word
    slice_ns: Word
    rest_ns: Real
    """Mean; a whole number."""
    left_lots: Word
    """Of the parent order."""
    side: Word
    rested: Word
    """1 when the pause before the next parent order is over."""


def fill_twap(row: TwapRow, params: TwapParams, _stream: StreamRow) -> None:
    """An institution with these parameters."""
    row.parent_lots = params.parent_lots
    row.slice_lots = params.slice_lots
    row.slice_ns = int(params.slice_s * NS_PER_S)
    row.rest_ns = float(int(params.rest_s * NS_PER_S))


@routine
def act_twap(market: Market, agent: AgentRow, stream: StreamRow, twap: TwapRow) -> int:
    """Acts once. Returns ns until its next wake-up."""
    if twap.left_lots == 0:
        if twap.rested == 0:
            twap.rested = 1
            return exponential_ns(stream, twap.rest_ns)
        twap.rested = 0
        twap.side = below(stream, 2)
        twap.left_lots = between(stream, twap.parent_lots // 2, twap.parent_lots * 3 // 2)
    size = min(twap.slice_lots, twap.left_lots)
    twap.left_lots -= size
    take(market, agent, twap.side, size, 0)
    return twap.slice_ns * 9 // 10 + below(stream, twap.slice_ns // 5)
