"""FLASH-CRASH WARNING: the price falls, trades race, the spread opens, bids go.

The hazard of a bar is the heat of the market (flow.py) with what makes a crash of it: how far the mid has
fallen over 2 s in its deviations, how much of the usual bid depth is missing, and net selling (order flow
imbalance, Cont, Kukanov and Stoikov 2014, of what trades):

    hazard = heat + FALL_WEIGHT (fall - LEAST_FALL) + MISSING_WEIGHT missing + SOLD_WEIGHT sold/usual

A bar in which the mid has not fallen, or that is not warm (heat below LEAST_HEAT), counts -LOSS. A one-sided
CUSUM (Page 1954), at most GAIN a bar; the alarm goes up above THRESHOLD, unless all sell (MOST_DOMINANCE:
that is news) or levels are not swept (LEAST_SWEPT: that is a picker of stale quotes), and down when the CUSUM
is at nought, COOL_DOWN_BARS later at the earliest.
"""

from __future__ import annotations

from engine.arena.functions import routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.types import Side
from engine.detectors.flow import FLOW_WARM_UP_BARS, Flow
from engine.detectors.records import BAR_NS, AlarmKind, Sight
from engine.detectors.sight import bar_ago, raise_alarm

__all__ = ["CrashState", "crash_bar"]

LEAST_FALL = 2.5
LEAST_HEAT = -1.0
MOST_DOMINANCE = 0.8
LEAST_SWEPT = 0.47
FALL_WEIGHT = 1.5
MISSING_WEIGHT = 2.0
SOLD_WEIGHT = 1.0
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
    up_bars: Word
    """Since the alarm."""
    is_up: Byte
    """Also while it is news."""


@routine
def crash_bar(sight: Sight, flow: Flow, state: CrashState) -> None:
    """A bar has ended."""
    if flow.bars <= FLOW_WARM_UP_BARS:
        return
    bar = bar_ago(sight, 0)
    if state.cusum == 0.0:
        state.since_ns = sight.bar_ends_ns - BAR_NS
        state.first_event = bar_ago(sight, 1).events + 1
    gain = -LOSS
    if flow.move < 0.0 and flow.heat > LEAST_HEAT:
        missing = max(0.0, 1.0 - bar.bid_depth_lots / max(1.0, sight.usual_side_lots))
        sold = max(0.0, -flow.signed_lots / max(1.0, flow.usual_lots))
        hazard = (
            flow.heat
            + FALL_WEIGHT * (min(8.0, -flow.move) - LEAST_FALL)
            + MISSING_WEIGHT * missing
            + SOLD_WEIGHT * min(4.0, sold)
        )
        gain = max(-LOSS, min(GAIN, hazard))
    state.cusum = max(0.0, min(2.0 * THRESHOLD, state.cusum + gain))
    if state.is_up != 0:
        state.up_bars += 1
        if state.cusum == 0.0 and state.up_bars >= COOL_DOWN_BARS:
            state.is_up = 0
        return
    if state.cusum <= THRESHOLD:
        return
    if flow.dominance > MOST_DOMINANCE:
        # News: nothing is raised until it has cooled.
        state.is_up = 1
        state.up_bars = 0
    elif flow.swept_share >= LEAST_SWEPT:
        state.is_up = 1
        state.up_bars = 0
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, _ASK, bar.bid_ticks, 0,
            min(1.0, -flow.move / 8.0), state.cusum,
        )  # fmt: skip
