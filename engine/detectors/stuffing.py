"""QUOTE STUFFING: messages by the hundred that mean nothing.

A one-sided CUSUM (Page 1954) on the cancellations of each tenth of a second against their own slow mean and
deviation, and beside it the share of orders that trade: a burst of real interest trades, stuffing does not.

    z = (cancels - mean) / deviation            c = max(0, c + min(z, 8) - DRIFT)

The alarm goes up when c passes THRESHOLD while over the last second there were at least RATIO cancels a
trade; it comes down when c is back at nought. While it is up the mean stands still, so that a storm does not
become usual.
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.types import NO_SIDE
from engine.detectors.records import BAR_NS, AlarmKind, Sight
from engine.detectors.sight import bar_ago, note_score, raise_alarm

__all__ = ["StuffingState", "stuffing_bar"]

DRIFT = 3.0
THRESHOLD = 20.0
RATIO = 8
WARM_UP_BARS = 100
MEAN_KEEP = 0.995
LEAST_DEVIATION = 3.0
MOST_Z = 8.0
_KIND = int(AlarmKind.QUOTE_STUFFING)
_NO_SIDE = int(NO_SIDE)
_SECOND = 10


class StuffingState(Record):
    """Where the CUSUM stands."""

    bars: Word
    mean: Real
    variance: Real
    cusum: Real
    since_ns: Word
    """When it left nought."""
    first_event: Word
    is_up: Byte


@routine
def stuffing_bar(sight: Sight, state: StuffingState) -> None:
    """A bar has ended."""
    cancels = float(bar_ago(sight, 0).cancels)
    state.bars += 1
    if state.bars <= WARM_UP_BARS:
        _learn(state, cancels, 1.0 - 1.0 / state.bars)
        return
    z = (cancels - state.mean) / max(LEAST_DEVIATION, sqrt(state.variance))
    before = state.cusum
    state.cusum = max(0.0, before + min(z, MOST_Z) - DRIFT)
    if before == 0.0:
        state.since_ns = sight.bar_ends_ns - BAR_NS
        state.first_event = bar_ago(sight, 1).events + 1
    per_trade = _cancels_per_trade(sight) if state.cusum > 0.0 else 0
    note_score(sight, _KIND, min(state.cusum / THRESHOLD, per_trade / RATIO))
    if state.is_up != 0:
        if state.cusum == 0.0:
            state.is_up = 0
        else:
            state.cusum = min(state.cusum, 2.0 * THRESHOLD)
    elif state.cusum > THRESHOLD and per_trade >= RATIO:
        state.is_up = 1
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, _NO_SIDE, 0, 0,
            min(1.0, state.cusum / (2.0 * THRESHOLD)), state.cusum,
        )  # fmt: skip
    else:
        _learn(state, cancels, MEAN_KEEP)


@routine
def _learn(state: StuffingState, cancels: float, keep: float) -> None:
    away = cancels - state.mean
    state.mean += (1.0 - keep) * away
    state.variance = keep * (state.variance + (1.0 - keep) * away * away)


@routine
def _cancels_per_trade(sight: Sight) -> int:
    """Over the last second."""
    cancels = 0
    trades = 0
    ago = 0
    while ago < _SECOND:
        bar = bar_ago(sight, ago)
        cancels += bar.cancels
        trades += bar.trades
        ago += 1
    return cancels // max(1, trades)
