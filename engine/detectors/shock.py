"""LIQUIDITY SHOCK: depth that goes at once, on either side.

The depth of the ten best levels of a side against its own slow mean: the share that is missing. A one-sided
CUSUM (Page 1954) on that share beyond DRIFT, reset when the depth is back.

    missing = 1 - depth / usual                 c = max(0, c + missing - DRIFT)

where DRIFT gives way to the mean and SIGMAS deviations of what is missing at any time, if that is more (a
book with fine ticks is never quite there).

The simple rule of realism.md is (before - now) / before >= 0.38, of one reading; here it has to stay so.
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.types import Side
from engine.detectors.records import BAR_NS, AlarmKind, Bar, Sight
from engine.detectors.sight import bar_ago, note_score, raise_alarm

__all__ = ["ShockSide", "ShockState", "shock_bar"]

DRIFT = 0.45
THRESHOLD = 0.5
SIGMAS = 4.0
COOL_DOWN_BARS = 100
"""After a shock is over: depth that comes and goes is one shock."""
BACK = 0.25
"""Once so little is missing, the shock is over."""
WARM_UP_BARS = 100
SILENT_BARS = 300
"""So long nothing is raised: how much of the depth is missing at any time has to be known first."""
USUAL_KEEP = 0.998
MOST_TIMES = 1.5
"""What is shown beyond this is not learned: it may be gone in a moment."""
_KIND = int(AlarmKind.LIQUIDITY_SHOCK)
_BID, _ASK = int(Side.BID), int(Side.ASK)


class ShockSide(Record):
    """One side's depth."""

    bars: Word
    usual_lots: Real
    usual_missing: Real
    """Slow mean of what is missing, where something is."""
    missing_variance: Real
    cusum: Real
    since_ns: Word
    first_event: Word
    rest_bars: Word
    """Of the cool-down."""
    is_up: Byte


class ShockState(Record):
    """Both sides."""

    bids: ShockSide
    asks: ShockSide


@routine
def shock_bar(sight: Sight, state: ShockState) -> None:
    """A bar has ended."""
    bar = bar_ago(sight, 0)
    _watch(sight, state.bids, _BID, bar, bar.bid_depth_lots)
    _watch(sight, state.asks, _ASK, bar, bar.ask_depth_lots)


@routine
def _watch(sight: Sight, state: ShockSide, side: int, bar: Bar, depth_lots: int) -> None:
    state.bars += 1
    if state.bars <= WARM_UP_BARS:
        state.usual_lots += (depth_lots - state.usual_lots) / state.bars
        return
    missing = 1.0 - depth_lots / max(1.0, state.usual_lots)
    if state.cusum == 0.0:
        state.since_ns = sight.bar_ends_ns - BAR_NS
        state.first_event = bar_ago(sight, 1).events + 1
    drift = max(DRIFT, state.usual_missing + SIGMAS * sqrt(state.missing_variance))
    state.cusum = min(2.0 * THRESHOLD, max(0.0, state.cusum + missing - drift))
    if state.rest_bars == 0 and state.bars > SILENT_BARS:
        note_score(sight, _KIND, state.cusum / THRESHOLD)
    if state.is_up != 0:
        if missing < BACK:
            state.is_up = 0
            state.cusum = 0.0
            state.rest_bars = COOL_DOWN_BARS
    elif state.bars <= SILENT_BARS:
        state.cusum = 0.0
    elif state.rest_bars > 0:
        state.rest_bars -= 1
        state.cusum = 0.0
    elif state.cusum > THRESHOLD:
        state.is_up = 1
        price = bar.bid_ticks if side == _BID else bar.ask_ticks
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, side, price, 0,
            min(1.0, missing), missing,
        )  # fmt: skip
    if state.is_up == 0:
        away = max(0.0, missing) - state.usual_missing
        state.usual_missing += (1.0 - USUAL_KEEP) * away
        state.missing_variance = USUAL_KEEP * (state.missing_variance + (1.0 - USUAL_KEEP) * away * away)
        depth = min(float(depth_lots), MOST_TIMES * state.usual_lots)
        state.usual_lots = USUAL_KEEP * state.usual_lots + (1.0 - USUAL_KEEP) * depth
