"""Sequences made by hand, at the threshold of each detector and just below it."""

from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import EventType
from engine.detectors import AlarmKind, FileDetection, cancels, icebergs, phantom
from tests.detectors.markets import ASK, BID, MS, Tape, kinds, watched


@pytest.fixture
def tape() -> Tape:
    """Twelve quiet seconds."""
    made = Tape()
    made.quiet(12.0)
    return made


def test_a_quiet_market_raises_nothing(tape):
    tape.quiet(60.0)
    assert watched(tape) == []


def refill(tape: Tape, times: int, lag_ns: int) -> None:
    for turn in range(times + 1):
        at_ns = tape.now_ns + turn * 700 * MS
        order = tape.add(at_ns + lag_ns, BID, tape.price(BID, 1), 33)
        tape.trade(at_ns + 700 * MS, order, BID, tape.price(BID, 1), 33)


@pytest.mark.parametrize(
    ("refills", "found"), [(icebergs.NATIVE_REFILLS - 1, False), (icebergs.NATIVE_REFILLS, True)]
)
def test_a_native_iceberg_is_told_at_its_second_refill(tape, refills, found):
    refill(tape, refills, 0)
    alarms = watched(tape)
    assert (AlarmKind.NATIVE_ICEBERG in kinds(alarms)) == found
    if found:
        (alarm,) = alarms
        assert alarm.side == BID
        assert alarm.price_ticks == tape.price(BID, 1)
        assert alarm.statistic == pytest.approx(refills)


def test_a_native_iceberg_is_told_once(tape):
    refill(tape, 12, 0)
    assert sum(alarm.kind == AlarmKind.NATIVE_ICEBERG for alarm in watched(tape)) == 1


def test_refills_with_a_lag_are_a_synthetic_iceberg(tape):
    refill(tape, 9, 12 * MS)
    assert AlarmKind.SYNTHETIC_ICEBERG in kinds(watched(tape))


def test_slow_refills_are_none(tape):
    refill(tape, 9, 650 * MS)
    assert not kinds(watched(tape)) & {AlarmKind.SYNTHETIC_ICEBERG, AlarmKind.NATIVE_ICEBERG}


def flash(tape: Tape, orders: int, life_ns: int, *, traded: bool = False) -> None:
    """Large orders that come and go."""
    size = Tape.QTY * 10 // 4
    for number in range(orders):
        at_ns = tape.now_ns + number * 20 * MS
        order = tape.add(at_ns, ASK, tape.price(ASK, 3), size)
        if traded:
            tape.trade(at_ns + 1, order, ASK, tape.price(ASK, 3), 1)
        tape.cancel(at_ns + life_ns, order)


@pytest.mark.parametrize(("orders", "found"), [(6, False), (8, True)])
def test_phantom_liquidity_is_more_than_a_depth_and_a_half_that_came_and_went(tape, orders, found):
    flash(tape, orders, 50 * MS)
    alarms = watched(tape)
    assert (AlarmKind.PHANTOM_LIQUIDITY in kinds(alarms)) == found
    if found:
        alarm = next(a for a in alarms if a.kind == AlarmKind.PHANTOM_LIQUIDITY)
        assert alarm.side == ASK
        assert alarm.order_id


@pytest.mark.parametrize("life_ns", [phantom.SHORTEST_NS - 1, phantom.LONGEST_NS + 1])
def test_what_nobody_saw_or_everybody_could_have_traded_is_no_phantom(tape, life_ns):
    flash(tape, 8, life_ns)
    tape.now_ns += 2 * NS_PER_S
    assert AlarmKind.PHANTOM_LIQUIDITY not in kinds(watched(tape))


def test_large_orders_that_trade_are_no_phantoms(tape):
    flash(tape, 8, 50 * MS, traded=True)
    assert AlarmKind.PHANTOM_LIQUIDITY not in kinds(watched(tape))


def churn(tape: Tape, bars: int, cancels_a_bar: int) -> None:
    for bar in range(bars):
        for number in range(cancels_a_bar):
            at_ns = tape.now_ns + bar * 100 * MS + number * MS
            tape.cancel(at_ns + MS // 2, tape.add(at_ns, number % 2, tape.price(number % 2, 4), 1))
    tape.now_ns += bars * 100 * MS


@pytest.mark.parametrize(("bars", "found"), [(cancels.IN_A_ROW - 1, False), (cancels.IN_A_ROW, True)])
def test_a_cancellation_storm_is_so_many_bars_in_a_row(tape, bars, found):
    churn(tape, bars, 20)
    tape.quiet(1.0)
    alarms = watched(tape)
    assert (AlarmKind.CANCELLATION_STORM in kinds(alarms)) == found
    if found:
        alarm = next(a for a in alarms if a.kind == AlarmKind.CANCELLATION_STORM)
        assert alarm.severity == pytest.approx(alarm.statistic / (alarm.statistic + 3.0))


def take(tape: Tape, count: int, gap_ns: int, jitter: float) -> None:
    for number in range(count):
        away = (-1) ** number * jitter
        at_ns = tape.now_ns + int((number + away / 2) * gap_ns) + 3 * MS
        order = tape.add(at_ns - MS, ASK, tape.price(ASK, 1), 41)
        tape.trade(at_ns, order, ASK, tape.price(ASK, 1), 41)


@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_equal_prints_at_equal_times_are_twap_children(tape, jitter):
    take(tape, 12, 1_500 * MS, jitter)
    alarm = next(a for a in watched(tape) if a.kind == AlarmKind.TWAP_CHILDREN)
    assert alarm.side == BID, "the taker's"


def test_equal_prints_at_any_time_are_not(tape):
    times = [0.0, 1.0, 4.7, 5.3, 12.0, 12.9, 20.0, 20.2, 27.5, 31.0, 40.0, 40.7]
    for seconds in times:
        at_ns = tape.now_ns + int(seconds * NS_PER_S)
        order = tape.add(at_ns, ASK, tape.price(ASK, 1), 41)
        tape.trade(at_ns + MS, order, ASK, tape.price(ASK, 1), 41)
    assert AlarmKind.TWAP_CHILDREN not in kinds(watched(tape))


def test_depth_that_goes_and_stays_away_is_a_shock_and_is_told_once(tape):
    tape.quiet(20.0)
    for order in range(1, 2 * Tape.LEVELS, 2):
        tape.cancel(tape.now_ns + order, order)
    tape.quiet(4.0)
    shocks = [a for a in watched(tape) if a.kind == AlarmKind.LIQUIDITY_SHOCK]
    assert [shock.side for shock in shocks] == [BID]


def test_unknown_and_foreign_events_are_watched_without_harm(tape):
    events = tape.events().copy()
    events["event_type"][50::7] = int(EventType.MODIFY)
    events["order_id"][60::11] = 0
    events["side"][70::13] = 1
    detection = FileDetection()
    detection.take_events(events)
    assert detection.statistics()["events"] == len(events)
