"""TWAP CHILDREN: the same size on the same side at equal times.

What is taken in one instant by one taker is one print; prints of the same lots and side are a key. Of each
key, a sequential likelihood ratio (Wald 1945) that its gaps are a period with jitter (seven of ten children
within 10 %, the others within 30 %: a Rayleigh test of phases in the limit of a known period) against chance
at the rate at which the key usually prints:

    odds = max(1, odds * f1/f0)       f0 = rate (the most that chance can have, so common sizes stay at 1)
    f1 = 4/period within 10 % of it, 0.5/period within 30 %, else OUTSIDE f0

A gap of the last print or of the one before it may match (two children between each other's). The period
follows matching gaps by a quarter. Above ODDS, after LEAST_CHILDREN, it is the alarm; the parent is over
when nothing has matched for OVER_PERIODS periods. Shorter periods than SHORTEST_NS are a storm's, longer
ones than LONGEST_NS nobody's.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Table, Word
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.detectors.records import AlarmKind, Sight
from engine.detectors.sight import note_score, raise_alarm

__all__ = ["KEYS", "KeyRow", "TwapState", "twap_taken"]

KEYS = 1_024
"""Of lots and side, by low bits; another key takes the row of one that has not matched for long."""
SHORTEST_NS = 400 * NS_PER_MS
LONGEST_NS = 60 * NS_PER_S
NEAR, FAR = 0.1, 0.3
NEAR_DENSITY, FAR_DENSITY = 4.0, 0.5
OUTSIDE = 0.15
MOST_RATIO = 15.0
ODDS = 3e4
LEAST_CHILDREN = 6
OVER_PERIODS = 4
FULL_CHILDREN = 20.0
_KIND = int(AlarmKind.TWAP_CHILDREN)


class KeyRow(Record, itemsize=128):
    """One key."""

    lots: Word
    """0 = nobody's."""
    first_ns: Word
    """Its first print, for the rate."""
    prints: Word
    last_ns: Word
    before_last_ns: Word
    last_event: Word
    period_ns: Word
    """0 until there are two prints."""
    odds: Real
    children: Word
    """In a row."""
    matched_ns: Word
    since_ns: Word
    first_event: Word
    side: Byte
    is_up: Byte


class TwapState(Record):
    """All keys."""

    began_ns: Word
    keys: Table[KeyRow]


@routine
def twap_taken(sight: Sight, state: TwapState) -> None:
    """Something was taken in the instant that is over."""
    taking = sight.taking
    now_ns = sight.now_ns
    if state.began_ns == 0:
        state.began_ns = now_ns
    row = state.keys[(2 * taking.lots + taking.side) & (len(state.keys) - 1)]
    if row.lots != taking.lots or row.side != taking.side:
        if row.lots != 0 and now_ns - row.matched_ns <= LONGEST_NS and row.odds > 1.0:
            return
        _begin(row, taking.lots, taking.side, state.began_ns)
    _take(sight, row, now_ns)
    row.prints += 1
    row.before_last_ns = row.last_ns
    row.last_ns = now_ns
    row.last_event = sight.seen


@inlined
def _begin(row: KeyRow, lots: int, side: int, now_ns: int) -> None:
    row.lots = lots
    row.side = side
    row.first_ns = now_ns
    row.prints = 0
    row.last_ns = 0
    row.before_last_ns = 0
    row.is_up = 0
    _forget(row, 0)


@inlined
def _forget(row: KeyRow, period_ns: int) -> None:
    row.period_ns = period_ns
    row.odds = 1.0
    row.children = 1


@inlined
def _take(sight: Sight, row: KeyRow, now_ns: int) -> None:
    """A print of the key, now; the row still holds those before it."""
    gap_ns = now_ns - row.last_ns
    if row.is_up != 0 and now_ns - row.matched_ns > OVER_PERIODS * row.period_ns:
        row.is_up = 0
        _forget(row, 0)
    if row.last_ns == 0 or gap_ns > LONGEST_NS:
        return
    if row.period_ns == 0:
        _start_period(row, gap_ns)
        return
    away = _away(gap_ns, row.period_ns)
    if away > FAR and row.before_last_ns != 0:
        longer_ns = now_ns - row.before_last_ns
        if _away(longer_ns, row.period_ns) <= FAR:
            gap_ns = longer_ns
            away = _away(longer_ns, row.period_ns)
    if away > FAR:
        row.odds *= OUTSIDE
        if row.odds <= 1.0:
            _forget(row, 0)
            row.is_up = 0
            _start_period(row, gap_ns)
        return
    expected = row.period_ns * row.prints / max(NS_PER_S, now_ns - row.first_ns)
    density = NEAR_DENSITY if away <= NEAR else FAR_DENSITY
    ratio = density / max(1e-6, expected)
    row.odds = max(1.0, min(1e12, row.odds * min(MOST_RATIO, ratio)))
    row.children += 1
    note_score(sight, _KIND, min(row.odds / ODDS, row.children / LEAST_CHILDREN))
    row.matched_ns = now_ns
    row.period_ns += (gap_ns - row.period_ns) // 4
    if row.odds > ODDS and row.children >= LEAST_CHILDREN and row.is_up == 0:
        row.is_up = 1
        raise_alarm(
            sight, _KIND, now_ns, row.since_ns, row.first_event, row.side, sight.taking.first_ticks, 0,
            min(1.0, row.children / FULL_CHILDREN), row.odds,
        )  # fmt: skip


@inlined
def _start_period(row: KeyRow, gap_ns: int) -> None:
    if SHORTEST_NS <= gap_ns <= LONGEST_NS:
        row.period_ns = gap_ns
        row.since_ns = row.last_ns
        row.first_event = row.last_event
        row.children = 2


@inlined
def _away(gap_ns: int, period_ns: int) -> float:
    return abs(gap_ns - period_ns) / period_ns
