"""What trades, against what usually does: the yardsticks of ignition, crash and spoofing, bar by bar.

    lots      fast mean (2 s) of what trades a bar         usual_lots         its slow mean (50 s)
    signed    the same, bought minus sold              dominance   |signed| / lots
    swept     the same, of what swept the best price away
    offered   the same, of what new offers bring, as a share of what all new orders bring
    spread    fast mean (1 s), an empty side counts as MOST_SPREADS times the usual
    move      of the mid over 2 s, against its slow deviation

    excess = floor (mean - usual) / max(floor usual, its slow deviation)
    heat = 4 excess of lots + 2.5 excess of spread - 10

The floors are deviations of calm simulated markets, so there it is 4 lots/usual + 2.5 spread/usual - 16.5;
where volume and spread jump all day it takes as many deviations more. Heat is the log-odds that somebody is
pushing the price (logistic regression of bars within pushes against bars of calm markets, moved so that calm
is far below 0). While it is warm nothing that is usual is learned.
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import inlined, routine
from engine.arena.layout import Real, Record, Word
from engine.detectors.records import WARM_UP_BARS, Sight
from engine.detectors.sight import bar_ago, move_over

__all__ = ["FLOW_WARM_UP_BARS", "MOVE_BARS", "Flow", "take_flow"]

FLOW_WARM_UP_BARS = 3 * WARM_UP_BARS
MOVE_BARS = 20
FAST_SHARE = 0.05
SPREAD_SHARE = 0.1
USUAL_SHARE = 0.002
MOST_SPREAD_EXCESS, MOST_HEATING = 7.0, 2.3
"""More excess (times its floor) adds no heat: volume alone, on a spread that holds, is no push."""
MOST_SPREADS = 10.0
LOTS_WEIGHT, SPREAD_WEIGHT, BASE = 4.0, 2.5, -10.0
LOTS_FLOOR, SPREAD_FLOOR = 0.5, 0.4
HOT = -4.0
"""Warmer bars are not learned from."""


class Flow(Record):
    """Fast and slow means."""

    bars: Word
    usual_lots: Real
    lots: Real
    signed_lots: Real
    swept_lots: Real
    offered_lots: Real
    wanted_lots: Real
    """What new bids bring."""
    dominance: Real
    """How much of what trades is one side's, 0 to 1."""
    swept_share: Real
    offered_share: Real
    usual_spread_ticks: Real
    spread_ticks: Real
    lots_variance: Real
    spread_variance: Real
    usual_move2: Real
    """Slow mean of squared moves, in half ticks."""
    move: Real
    """The mid's move over MOVE_BARS in its usual deviations; positive = up."""
    heat: Real


@routine
def take_flow(sight: Sight, flow: Flow) -> None:
    """A bar has ended."""
    bar = bar_ago(sight, 0)
    total = float(bar.buy_lots + bar.sell_lots)
    flow.bars += 1
    young = flow.bars <= WARM_UP_BARS
    share = 1.0 / flow.bars if young else USUAL_SHARE
    both = bar.bid_ticks != 0 and bar.ask_ticks != 0
    if both or not young:
        most = MOST_SPREADS * flow.usual_spread_ticks
        spread = float(bar.ask_ticks - bar.bid_ticks) if both else most
        if not young:
            spread = min(spread, most)
        flow.spread_ticks += (share if young else SPREAD_SHARE) * (spread - flow.spread_ticks)
    flow.lots += (share if young else FAST_SHARE) * (total - flow.lots)
    flow.signed_lots += FAST_SHARE * (bar.buy_lots - bar.sell_lots - flow.signed_lots)
    flow.swept_lots += FAST_SHARE * (bar.swept_lots - flow.swept_lots)
    flow.offered_lots += FAST_SHARE * (bar.ask_add_lots - flow.offered_lots)
    flow.wanted_lots += FAST_SHARE * (bar.bid_add_lots - flow.wanted_lots)
    flow.offered_share = flow.offered_lots / max(1.0, flow.offered_lots + flow.wanted_lots)
    flow.dominance = abs(flow.signed_lots) / max(1.0, flow.lots)
    flow.swept_share = flow.swept_lots / max(1.0, flow.lots)
    moved = move_over(sight, MOVE_BARS) if flow.bars > MOVE_BARS else 0
    lots_away = flow.lots - flow.usual_lots
    spread_away = flow.spread_ticks - flow.usual_spread_ticks
    if young or flow.heat < HOT:
        flow.usual_lots += share * (total - flow.usual_lots)
        flow.usual_spread_ticks += share * spread_away
        flow.usual_move2 += share * (moved * moved - flow.usual_move2)
    if not young and flow.heat < HOT:
        flow.lots_variance += USUAL_SHARE * (lots_away * lots_away - flow.lots_variance)
        flow.spread_variance += USUAL_SHARE * (spread_away * spread_away - flow.spread_variance)
    flow.move = moved / sqrt(max(1.0, flow.usual_move2))
    lots_excess = _excess(lots_away, flow.usual_lots, flow.lots_variance, LOTS_FLOOR)
    spread_excess = _excess(spread_away, flow.usual_spread_ticks, flow.spread_variance, SPREAD_FLOOR)
    flow.heat = (
        LOTS_WEIGHT * min(MOST_HEATING, lots_excess)
        + SPREAD_WEIGHT * min(MOST_SPREAD_EXCESS, spread_excess)
        + BASE
    )


@inlined
def _excess(away: float, usual: float, variance: float, floor: float) -> float:
    return away * floor / max(floor * max(1.0, usual), sqrt(variance))
