"""SPOOFING, LAYERING: size shown on one side while the other side fills.

Each large order (Sight.large_lots) cancelled whole and untraded counts by the product of four terms, each at
most 1 (the features of Tuccella, Nadler and Serban 2021 and of the CFTC's complaints, as one score):

    size      its lots / the usual depth of a side: 0 at LEAST_SHARE, 1 at FULL_SHARE
    distance  1 at the touch when it came, 0 at FAR_LEVELS of the usual spread away
    lifetime  1 up to SHORT_NS, falling to 0 at LONG_NS
    fill      what traded of the other side while it stood / FILL_SHARE of a side's usual depth

The sum of a side leaks by LEAK a bar; the alarm goes up at THRESHOLD, and SIGMAS deviations above what the
sum usually is (some markets flicker all day), and comes down below BACK of that. Layers add up:
several orders at several prices, cancelled together, count each.
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Word
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Side
from engine.detectors.flow import Flow
from engine.detectors.records import WARM_UP_BARS, AlarmKind, Life, Sight
from engine.detectors.sight import note_score, raise_alarm

__all__ = ["SpoofingSide", "SpoofingState", "spoofing_bar", "spoofing_gone"]

SHORTEST_NS = NS_PER_MS
SHORT_NS = 1 * NS_PER_S
LONG_NS = 6 * NS_PER_S
LEAST_SHARE, FULL_SHARE = 0.05, 0.15
FILL_SHARE = 0.01
FAR_LEVELS = 12
LEAK = 0.95
THRESHOLD = 3.0
BACK = 0.33
SIGMAS = 6.0
MEAN_KEEP = 0.998
_KIND = int(AlarmKind.SPOOFING)
_BID, _ASK = int(Side.BID), int(Side.ASK)


class SpoofingSide(Record):
    """One side's leaking sum."""

    score: Real
    mean: Real
    variance: Real
    threshold: Real
    since_ns: Word
    first_event: Word
    is_up: Byte


class SpoofingState(Record):
    """Both sides."""

    bids: SpoofingSide
    asks: SpoofingSide


@inlined
def spoofing_gone(sight: Sight, flow: Flow, state: SpoofingState, life: Life) -> None:
    """A large order has been cancelled whole, untraded, now."""
    age_ns = sight.now_ns - life.born_ns
    if SHORTEST_NS <= age_ns <= LONG_NS:
        _count(sight, flow, state.bids if life.side == _BID else state.asks, life, age_ns)


@routine
def _count(sight: Sight, flow: Flow, side: SpoofingSide, life: Life, age_ns: int) -> None:
    if sight.bar_count < WARM_UP_BARS:
        return
    share = life.shown_lots / max(1.0, sight.usual_side_lots)
    size = max(0.0, min(1.0, (share - LEAST_SHARE) / (FULL_SHARE - LEAST_SHARE)))
    distance = max(0, life.distance_ticks) / max(1.0, FAR_LEVELS * flow.usual_spread_ticks)
    lifetime = (LONG_NS - max(age_ns, SHORT_NS)) / (LONG_NS - SHORT_NS)
    score = size * (1.0 - min(1.0, distance)) * lifetime * _fill(sight, life)
    if score == 0.0:
        return
    if side.score == 0.0:
        side.since_ns = life.born_ns
        side.first_event = life.born_event
    side.score += score
    note_score(sight, _KIND, side.score / max(THRESHOLD, side.threshold))
    if side.is_up == 0 and side.score > max(THRESHOLD, side.threshold):
        side.is_up = 1
        raise_alarm(
            sight, _KIND, sight.now_ns, side.since_ns, side.first_event, life.side, life.price_ticks,
            life.order_id, min(1.0, side.score / (4.0 * max(THRESHOLD, side.threshold))), side.score,
        )  # fmt: skip


@inlined
def _fill(sight: Sight, life: Life) -> float:
    met_lots = (sight.bought_lots if life.side == _BID else sight.sold_lots) - life.met_lots
    return min(1.0, met_lots / max(1.0, FILL_SHARE * sight.usual_side_lots))


@inlined
def spoofing_bar(state: SpoofingState) -> None:
    """A bar has ended."""
    _leak(state.bids)
    _leak(state.asks)


@inlined
def _leak(side: SpoofingSide) -> None:
    side.score *= LEAK
    if side.score < BACK * max(THRESHOLD, side.threshold):
        side.is_up = 0
    if side.is_up == 0:
        away = side.score - side.mean
        side.mean += (1.0 - MEAN_KEEP) * away
        side.variance = MEAN_KEEP * (side.variance + (1.0 - MEAN_KEEP) * away * away)
        side.threshold = side.mean + SIGMAS * sqrt(side.variance)
    if side.score < 0.1:
        side.score = 0.0
