"""FLASH-CRASH WARNING: the price falls, trades race, the spread opens, bids go, offers press.

The hazard of a bar is the heat of the market (flow.py) with what makes a crash of it: how far the mid has
fallen over 2 s in its deviations, how much of the usual bid depth is missing, and order flow imbalance, of
what trades and of what is quoted (Cont, Kukanov and Stoikov 2014): net selling, and how much of all that is
newly quoted is offers, beyond MOST_USUAL_OFFERED (half is usual):

    hazard = heat + FALL_WEIGHT (fall - LEAST_FALL) + MISSING_WEIGHT missing + SOLD_WEIGHT sold/usual
             + OFFERED_WEIGHT (offered - MOST_USUAL_OFFERED)

A bar in which the mid has not fallen, or that is not warm (heat below LEAST_HEAT), counts -LOSS. A one-sided
CUSUM (Page 1954), at most GAIN a bar; the alarm goes up above THRESHOLD while

    the mid is still falling;
    offers press (LEAST_OFFERED: after news, and in a run that others join, both sides are quoted anew);
    somebody buys on the way down (LEAST_MET of what has been sold since it began: after news nobody does);
    levels are swept (LEAST_SWEPT),

and down when the CUSUM is at nought, COOL_DOWN_BARS later at the earliest. A fall in which nobody offers more
than others bid is no crash to it; where somebody pushes, ignition.py sees that.
"""

from __future__ import annotations

from engine.arena.functions import routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.types import Side
from engine.detectors.flow import FLOW_WARM_UP_BARS, Flow
from engine.detectors.records import BAR_NS, AlarmKind, Sight
from engine.detectors.sight import bar_ago, note_score, raise_alarm

__all__ = ["CrashState", "crash_bar"]

LEAST_FALL = 2.5
LEAST_HEAT = -3.0
LEAST_SWEPT = 0.35
MOST_USUAL_OFFERED, LEAST_OFFERED = 0.55, 0.71
LEAST_MET = 0.15
FALL_WEIGHT = 1.5
MISSING_WEIGHT = 2.0
SOLD_WEIGHT = 1.0
OFFERED_WEIGHT = 8.0
GAIN = 2.0
LOSS = 1.0
THRESHOLD = 12.0
COOL_DOWN_BARS = 100
_KIND = int(AlarmKind.FLASH_CRASH_WARNING)
_ASK = int(Side.ASK)


class CrashState(Record):
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


@routine
def crash_bar(sight: Sight, flow: Flow, state: CrashState) -> None:
    """A bar has ended."""
    if flow.bars <= FLOW_WARM_UP_BARS:
        return
    bar = bar_ago(sight, 0)
    if state.cusum == 0.0:
        state.since_ns = sight.bar_ends_ns - BAR_NS
        state.first_event = bar_ago(sight, 1).events + 1
        state.bought_lots = 0
        state.sold_lots = 0
    gain = -LOSS
    if flow.move < 0.0 and flow.heat > LEAST_HEAT:
        missing = max(0.0, 1.0 - bar.bid_depth_lots / max(1.0, sight.usual_side_lots))
        sold = max(0.0, -flow.signed_lots / max(1.0, flow.usual_lots))
        hazard = (
            flow.heat
            + FALL_WEIGHT * (min(8.0, -flow.move) - LEAST_FALL)
            + MISSING_WEIGHT * missing
            + SOLD_WEIGHT * min(4.0, sold)
            + OFFERED_WEIGHT * (flow.offered_share - MOST_USUAL_OFFERED)
        )
        gain = max(-LOSS, min(GAIN, hazard))
    state.cusum = max(0.0, min(2.0 * THRESHOLD, state.cusum + gain))
    state.bought_lots += bar.buy_lots
    state.sold_lots += bar.sell_lots
    met = state.bought_lots / max(1, state.sold_lots)
    pressed = min(flow.offered_share / LEAST_OFFERED, flow.swept_share / LEAST_SWEPT)
    score = min(state.cusum / THRESHOLD, min(met / LEAST_MET, pressed))
    note_score(sight, _KIND, score)
    if state.is_up != 0:
        state.up_bars += 1
        if state.cusum == 0.0 and state.up_bars >= COOL_DOWN_BARS:
            state.is_up = 0
        return
    if score > 1.0 and flow.move < 0.0:
        state.is_up = 1
        state.up_bars = 0
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, _ASK, bar.bid_ticks, 0,
            min(1.0, -flow.move / 8.0), state.cusum,
        )  # fmt: skip
