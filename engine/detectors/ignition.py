"""MOMENTUM IGNITION: somebody starts a run, so that others follow.

A one-sided CUSUM (Page 1954) on the heat of the market (flow.py), at most GAIN a bar: a likelihood ratio of
bars within pushes against bars of calm. The alarm goes up when it passes THRESHOLD while

    the mid goes at least LEAST_MOVE of its deviations one way, which is the alarm's side;
    one side trades more, by LEAST_DOMINANCE;
    the other side has traded at least LEAST_MET of that since the run began: a push goes against what others
    believe and meets them, while after news all agree. (Below NEWS_MET it is news, and nothing is raised
    until the market has cooled: when the price is where it belongs both sides trade again.)
    at least LEAST_SWEPT of what trades sweeps levels away: noise and who picks off quotes do not.

That is early in the run, before its peak. It comes down when the market has cooled, COOL_DOWN_BARS later at
the earliest.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.types import Side
from engine.detectors.flow import FLOW_WARM_UP_BARS, Flow
from engine.detectors.records import BAR_NS, AlarmKind, Sight
from engine.detectors.sight import bar_ago, note_score, raise_alarm

__all__ = ["IgnitionState", "ignition_bar"]

GAIN = 2.0
LOSS = 3.0
THRESHOLD = 20.0
LEAST_MOVE = 0.5
LEAST_DOMINANCE = 0.1
LEAST_MET, NEWS_MET = 0.26, 0.12
LEAST_SWEPT = 0.67
COOL_DOWN_BARS = 100
_KIND = int(AlarmKind.MOMENTUM_IGNITION)
_BID, _ASK = int(Side.BID), int(Side.ASK)


class IgnitionState(Record):
    """Where the CUSUM stands."""

    cusum: Real
    since_ns: Word
    first_event: Word
    bought_lots: Word
    """Since the CUSUM left nought."""
    sold_lots: Word
    up_bars: Word
    """Since the alarm."""
    is_up: Byte
    """Also while it is news."""


@routine
def ignition_bar(sight: Sight, flow: Flow, state: IgnitionState) -> None:
    """A bar has ended."""
    if flow.bars <= FLOW_WARM_UP_BARS:
        return
    bar = bar_ago(sight, 0)
    if state.cusum == 0.0:
        state.since_ns = sight.bar_ends_ns - BAR_NS
        state.first_event = bar_ago(sight, 1).events + 1
        state.bought_lots = 0
        state.sold_lots = 0
    gain = max(-LOSS, min(GAIN, flow.heat))
    state.cusum = max(0.0, min(2.0 * THRESHOLD, state.cusum + gain))
    state.bought_lots += bar.buy_lots
    state.sold_lots += bar.sell_lots
    met = _met_share(state)
    is_directed = abs(flow.move) >= LEAST_MOVE and flow.dominance >= LEAST_DOMINANCE
    if is_directed and met >= NEWS_MET:
        note_score(
            sight, _KIND, min(state.cusum / THRESHOLD, min(met / LEAST_MET, flow.swept_share / LEAST_SWEPT))
        )
    if state.is_up != 0:
        state.up_bars += 1
        if state.cusum == 0.0 and state.up_bars >= COOL_DOWN_BARS:
            state.is_up = 0
        return
    if state.cusum <= THRESHOLD:
        return
    if met < NEWS_MET:
        state.is_up = 1
        state.up_bars = 0
    elif is_directed and met >= LEAST_MET and flow.swept_share >= LEAST_SWEPT:
        state.is_up = 1
        state.up_bars = 0
        side = _BID if flow.move > 0.0 else _ASK
        price = bar.ask_ticks if side == _BID else bar.bid_ticks
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, side, price, 0,
            min(1.0, flow.lots / max(1.0, 8.0 * flow.usual_lots)), state.cusum,
        )  # fmt: skip


@inlined
def _met_share(state: IgnitionState) -> float:
    """What the side that trades less has traded in the run, of what the other has."""
    less = min(state.bought_lots, state.sold_lots)
    return less / max(1, max(state.bought_lots, state.sold_lots))
