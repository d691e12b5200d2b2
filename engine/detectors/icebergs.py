"""ICEBERGS: more is executed at a price than was ever shown there.

A tip is an order that trades to its end; its key is its side and the lots that it showed.

    native      the exchange refills: in the same instant another of the same key stands at the same price.
                NATIVE_REFILLS of them are the alarm: nobody else is that fast.
    synthetic   its owner refills from outside, some time later. Sequential likelihood ratio (Wald 1945) of
                refill lags: each tip multiplies the ratio of its key by how much more often an iceberg
                refills it with that lag (a mixture of lags, in steps) than orders of this key come by
                chance; the ratio of an ordinary key is at 1. Above SYNTHETIC_ODDS, after LEAST_SYNTHETIC
                refills, it is the alarm.

The statistic is executed / displayed. One alarm per berg: it is over when no refill has come for OVER_NS, or
another key needs its row.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.arena.layout import Byte, Real, Record, Table, Word
from engine.book.kernels import Event
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.detectors.records import AlarmKind, Life, Sight
from engine.detectors.sight import note_score, raise_alarm

__all__ = ["TIPS", "IcebergState", "TipRow", "iceberg_added", "iceberg_done"]

TIPS = 512
"""Keys remembered, by low bits of lots and side."""
NATIVE_REFILLS = 2
SYNTHETIC_ODDS = 1e4
LEAST_SYNTHETIC = 4
LONGEST_NS = 500 * NS_PER_MS
"""A refill that comes later is none."""
NO_REFILL = 0.1
LEAST_CHANCE = 0.02
OVER_NS = 10 * NS_PER_S
FULL_TIMES = 10.0
"""Executed so many times what was displayed is severity 1."""
_NATIVE, _SYNTHETIC = int(AlarmKind.NATIVE_ICEBERG), int(AlarmKind.SYNTHETIC_ICEBERG)


class TipRow(Record, itemsize=128):
    """One key."""

    lots: Word
    """What its orders show."""
    began_ns: Word
    adds: Word
    """Its orders since then."""
    price_ticks: Word
    """Where the last one was done."""
    done_ns: Word
    """When an order was done whose refill may come; 0 = none waits."""
    executed_lots: Word
    """Of the berg, so far."""
    native_refills: Word
    refills: Word
    """Synthetic ones in a row."""
    odds: Real
    """Likelihood ratio of a synthetic iceberg."""
    last_ns: Word
    """The last refill of either kind."""
    since_ns: Word
    first_event: Word
    side: Byte
    is_native: Byte
    """Its alarm has been raised."""
    is_synthetic: Byte


class IcebergState(Record):
    """All keys."""

    tips: Table[TipRow]


@inlined
def _row_of(state: IcebergState, lots: int, side: int) -> TipRow:
    return state.tips[(2 * lots + side) & (len(state.tips) - 1)]


@routine
def iceberg_done(sight: Sight, state: IcebergState, life: Life) -> None:
    """An order has traded to its end, now."""
    now_ns = sight.now_ns
    row = _row_of(state, life.shown_lots, life.side)
    if row.lots != life.shown_lots or row.side != life.side:
        return
    if now_ns - row.last_ns > OVER_NS:
        row.native_refills = 0
        row.is_native = 0
        row.last_ns = now_ns
        _forget_synthetic(row)
    elif row.done_ns != 0:
        # Another was done before the refill came.
        _multiply(row, NO_REFILL)
    if row.native_refills == 0 and row.refills == 0:
        row.since_ns = life.born_ns
        row.first_event = life.born_event
        row.executed_lots = 0
    row.executed_lots += life.shown_lots
    row.price_ticks = life.price_ticks
    row.done_ns = now_ns


@inlined
def iceberg_added(sight: Sight, state: IcebergState, event: Event) -> None:
    """An order has come."""
    row = _row_of(state, event.qty, event.side)
    if row.lots != event.qty or row.side != event.side:
        if row.refills + row.native_refills > 0 and event.ts - row.last_ns <= OVER_NS:
            return
        _begin(row, event)
    row.adds += 1
    if row.done_ns != 0:
        _refill(sight, row, event)


@routine
def _begin(row: TipRow, event: Event) -> None:
    row.lots = event.qty
    row.side = event.side
    row.began_ns = event.ts
    row.adds = 0
    row.done_ns = 0
    row.native_refills = 0
    row.is_native = 0
    row.last_ns = event.ts
    _forget_synthetic(row)


@routine
def _refill(sight: Sight, row: TipRow, event: Event) -> None:
    lag_ns = event.ts - row.done_ns
    if lag_ns == 0 and event.price == row.price_ticks:
        row.done_ns = 0
        row.last_ns = event.ts
        row.native_refills += 1
        note_score(sight, _NATIVE, row.native_refills / NATIVE_REFILLS)
        if row.native_refills >= NATIVE_REFILLS and row.is_native == 0:
            row.is_native = 1
            _raise(sight, row, _NATIVE, event, row.native_refills)
    elif lag_ns > LONGEST_NS:
        row.done_ns = 0
        _multiply(row, NO_REFILL)
    elif event.price == row.price_ticks:
        row.done_ns = 0
        row.last_ns = event.ts
        row.refills += 1
        _multiply(row, _ratio(row, lag_ns))
        note_score(sight, _SYNTHETIC, row.odds / SYNTHETIC_ODDS)
        if row.odds > SYNTHETIC_ODDS and row.refills >= LEAST_SYNTHETIC and row.is_synthetic == 0:
            row.is_synthetic = 1
            _raise(sight, row, _SYNTHETIC, event, row.refills)


@inlined
def _ratio(row: TipRow, lag_ns: int) -> float:
    """How much more often a synthetic iceberg refills with this lag than chance does."""
    if lag_ns <= 20 * NS_PER_MS:
        mass = 0.3
    elif lag_ns <= 50 * NS_PER_MS:
        mass = 0.2
    elif lag_ns <= 100 * NS_PER_MS:
        mass = 0.1
    else:
        mass = 0.05
    others = max(0, row.adds - row.refills)
    watched_ns = max(NS_PER_S, row.last_ns - row.began_ns)
    return mass / (LEAST_CHANCE + others * lag_ns / watched_ns)


@inlined
def _multiply(row: TipRow, ratio: float) -> None:
    row.odds *= ratio
    if row.odds <= 1.0:
        _forget_synthetic(row)


@inlined
def _forget_synthetic(row: TipRow) -> None:
    row.odds = 1.0
    row.refills = 0
    row.is_synthetic = 0


@routine
def _raise(sight: Sight, row: TipRow, kind: int, event: Event, refills: int) -> None:
    times = row.executed_lots / max(1, row.lots)
    raise_alarm(
        sight, kind, event.ts, row.since_ns, row.first_event, event.side, event.price, event.order_id,
        min(1.0, times / FULL_TIMES), times,
    )  # fmt: skip
