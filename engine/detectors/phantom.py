"""PHANTOM LIQUIDITY: large orders that are seen and gone before anybody can trade with them.

Each large order (Sight.large_lots) that is cancelled whole within LONGEST_NS of its coming, untraded, after
at least SHORTEST_NS (nobody sees a shorter one), counts with its lots (up to MOST_AN_ORDER: one order is no
pattern); each large one that trades takes FILLED_WEIGHT times what traded away again: who means it is filled
now and then. The sum of a side, in its usual depths, leaks by LEAK a bar:

    c = LEAK c + (gone - FILLED_WEIGHT filled) / usual depth

The alarm goes up when c passes THRESHOLD and what it usually is by SIGMAS deviations (slow mean and deviation
of c over bars: some markets flicker all day), and comes down below BACK of that. (Flowlab's rule asks for a
level whose additions are cancelled within 5 ms; it sees no order and no size.)
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.detectors.records import WARM_UP_BARS, AlarmKind, Life, Sight
from engine.detectors.sight import note_score, raise_alarm

__all__ = ["PhantomSide", "PhantomState", "phantom_bar", "phantom_filled", "phantom_gone"]

SHORTEST_NS = NS_PER_MS
LONGEST_NS = 1_000 * NS_PER_MS
FILLED_WEIGHT = 4.0
MOST_AN_ORDER = 0.25
LEAK = 0.9
THRESHOLD = 1.5
BACK = 0.25
SIGMAS = 6.0
MEAN_KEEP = 0.998
_KIND = int(AlarmKind.PHANTOM_LIQUIDITY)
_BID, _ASK = int(Side.BID), int(Side.ASK)


class PhantomSide(Record):
    """One side's leaking sum."""

    depths: Real
    mean: Real
    variance: Real
    threshold: Real
    since_ns: Word
    first_event: Word
    is_up: Byte


class PhantomState(Record):
    """Both sides."""

    bids: PhantomSide
    asks: PhantomSide


@inlined
def phantom_gone(sight: Sight, state: PhantomState, life: Life) -> None:
    """A large order has been cancelled whole, untraded, now."""
    age_ns = sight.now_ns - life.born_ns
    if SHORTEST_NS <= age_ns <= LONGEST_NS:
        _count(sight, state.bids if life.side == _BID else state.asks, life)


@routine
def _count(sight: Sight, side: PhantomSide, life: Life) -> None:
    if sight.bar_count < WARM_UP_BARS:
        return
    if side.depths <= 0.0:
        side.depths = 0.0
        side.since_ns = life.born_ns
        side.first_event = life.born_event
    side.depths += min(MOST_AN_ORDER, life.shown_lots / max(1.0, sight.usual_side_lots))
    note_score(sight, _KIND, side.depths / max(THRESHOLD, side.threshold))
    if side.is_up == 0 and side.depths > max(THRESHOLD, side.threshold):
        side.is_up = 1
        raise_alarm(
            sight, _KIND, sight.now_ns, side.since_ns, side.first_event, life.side, life.price_ticks,
            life.order_id, min(1.0, side.depths / (4.0 * max(THRESHOLD, side.threshold))), side.depths,
        )  # fmt: skip


@inlined
def phantom_filled(sight: Sight, state: PhantomState, life: Life, lots: int) -> None:
    """Some of a large order has traded."""
    side = state.bids if life.side == _BID else state.asks
    side.depths -= FILLED_WEIGHT * lots / max(1.0, sight.usual_side_lots)


@inlined
def phantom_bar(state: PhantomState) -> None:
    """A bar has ended."""
    _leak(state.bids)
    _leak(state.asks)


@inlined
def _leak(side: PhantomSide) -> None:
    side.depths = max(0.0, LEAK * side.depths)
    if side.depths < BACK * max(THRESHOLD, side.threshold):
        side.is_up = 0
    if side.is_up == 0:
        away = side.depths - side.mean
        side.mean += (1.0 - MEAN_KEEP) * away
        side.variance = MEAN_KEEP * (side.variance + (1.0 - MEAN_KEEP) * away * away)
        side.threshold = side.mean + SIGMAS * sqrt(side.variance)
    if side.depths < 0.02:
        side.depths = 0.0
