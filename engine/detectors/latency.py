"""LATENCY ARBITRAGE: who takes a stale quote again and again, and is right.

A pick-off is a taking at the touch alone that leaves the level standing, from the side and at the price of
one within SOON_NS before it: somebody who knows where the price goes takes what he dares of a quote that its
owner has not moved yet. HORIZON_NS later it was right when the mid has passed its price (the mark-out of
Budish, Cramton and Shim 2015), else wrong. A run in one direction sweeps levels and does not count.

    z = (right - WRONG_WEIGHT wrong - mean) / deviation         of each bar; slow mean and deviation of right
    c = max(0, c + min(z, MOST_Z) - DRIFT)

The alarm goes up when c passes THRESHOLD while at most MOST_SWEPT of what trades sweeps levels away, and down
when c is back at nought.
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Table, Word
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.detectors.flow import Flow
from engine.detectors.records import WARM_UP_BARS, AlarmKind, Sight
from engine.detectors.sight import bar_ago, note_score, raise_alarm

__all__ = ["PICK_OFFS", "LatencyState", "PickOff", "latency_bar", "latency_taken"]

PICK_OFFS = 256
"""Whose horizon is ahead; more at a time are not judged."""
SOON_NS = 50 * NS_PER_MS
HORIZON_NS = 1_000 * NS_PER_MS
WRONG_WEIGHT = 0.5
DRIFT = 2.5
THRESHOLD = 17.5
LEARNED_BELOW = 5.0
"""Above it nothing is learned: what is usual would grow with the storm."""
MOST_Z = 6.0
LEAST_DEVIATION = 0.5
MOST_SWEPT = 0.6
FULL_A_BAR = 5.0
MEAN_KEEP = 0.998
_KIND = int(AlarmKind.LATENCY_ARBITRAGE)
_BID = int(Side.BID)


class PickOff(Record):
    """One that is to be judged."""

    time_ns: Word
    twice_price_ticks: Word
    event: Word
    side: Byte


class LatencyState(Record):
    """Where the CUSUM stands."""

    mean: Real
    variance: Real
    cusum: Real
    since_ns: Word
    first_event: Word
    last_ns: Word
    """The last taking at the touch that left it standing."""
    last_ticks: Word
    last_side: Byte
    is_up: Byte
    noted: Word
    judged: Word
    pick_offs: Table[PickOff]
    """Ring; judged .. noted are waiting."""


@inlined
def latency_taken(sight: Sight, state: LatencyState) -> None:
    """Something was taken in the instant that is over."""
    taking = sight.taking
    price = taking.touch_ticks
    stands = sight.ask_ticks if taking.side == _BID else sight.bid_ticks
    if price != stands or price != taking.first_ticks or price != taking.last_ticks:
        return
    now_ns = sight.now_ns
    again = now_ns - state.last_ns <= SOON_NS and price == state.last_ticks and taking.side == state.last_side
    if again and state.noted - state.judged < len(state.pick_offs):
        row = state.pick_offs[state.noted & (len(state.pick_offs) - 1)]
        state.noted += 1
        row.time_ns = now_ns
        row.twice_price_ticks = 2 * price
        row.event = sight.seen
        row.side = taking.side
    state.last_ns = now_ns
    state.last_ticks = price
    state.last_side = taking.side


@routine
def latency_bar(sight: Sight, flow: Flow, state: LatencyState) -> None:
    """A bar has ended."""
    right = 0
    wrong = 0
    twice_mid = bar_ago(sight, 0).twice_mid_ticks
    began_ns, first_event = sight.bar_ends_ns, sight.seen
    while state.judged < state.noted:
        row = state.pick_offs[state.judged & (len(state.pick_offs) - 1)]
        if row.time_ns + HORIZON_NS > sight.bar_ends_ns:
            break
        state.judged += 1
        if (twice_mid - row.twice_price_ticks) * (1 - 2 * row.side) > 0:
            right += 1
            if row.time_ns < began_ns:
                began_ns = row.time_ns
                first_event = row.event
        else:
            wrong += 1
    if state.cusum == 0.0:
        state.since_ns = began_ns
        state.first_event = first_event
    z = (right - WRONG_WEIGHT * wrong - state.mean) / max(LEAST_DEVIATION, sqrt(state.variance))
    state.cusum = max(0.0, min(2.0 * THRESHOLD, state.cusum + min(z, MOST_Z) - DRIFT))
    if state.cusum < LEARNED_BELOW:
        away = right - state.mean
        state.mean += (1.0 - MEAN_KEEP) * away
        state.variance = MEAN_KEEP * (state.variance + (1.0 - MEAN_KEEP) * away * away)
    if state.cusum == 0.0:
        state.is_up = 0
    if sight.bar_count <= WARM_UP_BARS or flow.swept_share > MOST_SWEPT:
        return
    note_score(sight, _KIND, state.cusum / THRESHOLD)
    if state.is_up == 0 and state.cusum > THRESHOLD:
        state.is_up = 1
        side = state.last_side
        raise_alarm(
            sight, _KIND, sight.bar_ends_ns, state.since_ns, state.first_event, side, state.last_ticks, 0,
            min(1.0, right / FULL_A_BAR), state.cusum,
        )  # fmt: skip
