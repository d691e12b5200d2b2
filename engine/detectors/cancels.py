"""CANCELLATION STORM: far more cancellations than this market has.

Cancellations of each tenth of a second against their own mean and deviation (Welford 1962, forgetting with
MEAN_KEEP; while it is high nothing is learned). The alarm goes up after IN_A_ROW bars beyond SIGMAS
deviations with at least TIMES the mean, comes down when CALM_BARS in a row were not, and then holds its peace
for COOL_DOWN_BARS.

    severity = z / (z + 3)
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.types import NO_SIDE
from engine.detectors.records import BAR_NS, WARM_UP_BARS, AlarmKind, Sight
from engine.detectors.sight import bar_ago, note_score, raise_alarm

__all__ = ["CancelsState", "cancels_bar"]

SIGMAS = 4.0
TIMES = 3.0
IN_A_ROW = 12
CALM_BARS = 10
COOL_DOWN_BARS = 50
MEAN_KEEP = 0.998
LEAST_DEVIATION = 1.0
_KIND = int(AlarmKind.CANCELLATION_STORM)
_NO_SIDE = int(NO_SIDE)


class CancelsState(Record):
    """Mean, deviation, and for how long it has been high or calm."""

    bars: Word
    mean: Real
    variance: Real
    high_bars: Word
    """In a row."""
    calm_bars: Word
    """In a row."""
    rest_bars: Word
    """Of the cool-down."""
    since_ns: Word
    first_event: Word
    is_up: Byte


@routine
def cancels_bar(sight: Sight, state: CancelsState) -> None:
    """A bar has ended."""
    cancels = float(bar_ago(sight, 0).cancels)
    state.bars += 1
    if state.bars <= WARM_UP_BARS:
        _learn(state, cancels, 1.0 - 1.0 / state.bars)
        return
    z = (cancels - state.mean) / max(LEAST_DEVIATION, sqrt(state.variance))
    if z <= SIGMAS or cancels < TIMES * state.mean:
        state.high_bars = 0
        state.calm_bars += 1
        if state.calm_bars == CALM_BARS and state.is_up != 0:
            state.is_up = 0
            state.rest_bars = COOL_DOWN_BARS
        state.rest_bars = max(0, state.rest_bars - 1)
        _learn(state, cancels, MEAN_KEEP)
        return
    state.calm_bars = 0
    state.high_bars += 1
    note_score(sight, _KIND, state.high_bars / IN_A_ROW)
    if state.high_bars == 1:
        state.since_ns = sight.bar_ends_ns - BAR_NS
        state.first_event = bar_ago(sight, 1).events + 1
    if state.high_bars == IN_A_ROW and state.is_up == 0 and state.rest_bars == 0:
        state.is_up = 1
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, _NO_SIDE, 0, 0,
            z / (z + 3.0), z,
        )  # fmt: skip


@inlined
def _learn(state: CancelsState, cancels: float, keep: float) -> None:
    away = cancels - state.mean
    state.mean += (1.0 - keep) * away
    state.variance = keep * (state.variance + (1.0 - keep) * away * away)
