"""What single storms promise, event by event."""

from __future__ import annotations

import pytest

from engine.book.interface import EventArray
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError
from engine.core.types import EventType, Side, StormKind
from engine.feeds.source import sample_path
from engine.inputs import storm_command
from engine.scenarios import load_scenario
from engine.scenarios.loader import history_scenario
from engine.session import Session, SessionConfig
from engine.storms import CATALOGUE, StormRequest, storm_account
from engine.storms.accounts import crowd_account
from engine.storms.base import Budget, Storm
from engine.storms.request import JUMPS, SIDED, Where

START_NS = 2 * NS_PER_S
KINDS = list(StormKind)


def stormed(
    kind: StormKind, severity: float = 0.8, *, duration_s: float = 10, where: int = 0, seed: int = 0
) -> Session:
    session = Session(SessionConfig(load_scenario("balanced"), seed=5))
    session.advance(START_NS)
    request = StormRequest(kind, severity, duration_s, seed, where=where)
    session.accept(session.stamp(storm_command(request)))
    return session


def running(session: Session, kind: StormKind) -> Storm:
    storm = session.storms.active[kind]
    assert isinstance(storm, Storm)
    return storm


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name.lower() for kind in KINDS])
def test_a_fork_in_the_middle_goes_on_as_the_original(kind: StormKind) -> None:
    session = stormed(kind)
    session.advance(START_NS + 4 * NS_PER_S + 1)
    fork = session.fork()
    for one in (session, fork):
        one.advance(START_NS + 20 * NS_PER_S)
    assert fork.event_digest == session.event_digest
    assert fork.storms.log == session.storms.log
    assert fork.storms.recovery_ns == session.storms.recovery_ns


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name.lower() for kind in KINDS])
def test_slicing_time_otherwise_changes_nothing(kind: StormKind) -> None:
    whole, sliced = stormed(kind), stormed(kind)
    whole.advance(START_NS + 14 * NS_PER_S)
    while sliced.now_ns < START_NS + 14 * NS_PER_S:
        sliced.advance(sliced.now_ns + 70 * NS_PER_MS)
    assert whole.event_digest == sliced.event_digest
    assert whole.storms.log == sliced.storms.log


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name.lower() for kind in KINDS])
def test_the_most_severe_and_longest_stays_within_its_budget(kind: StormKind) -> None:
    session = stormed(kind, 1.0, duration_s=30)
    session.advance(START_NS + 30 * NS_PER_S - 1)
    storm = running(session, kind)
    budget = storm.budget
    assert not storm.held_back
    # Four times as long as here is the longest: the budget is there for what goes wrong.
    assert 4 * storm.spent_orders <= budget.orders
    times = 1 if kind is StormKind.FATFINGER else 4
    assert times * storm.spent_lots <= budget.depths * storm.base_depth_lots + budget.orders


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not StormKind.NEWS])
def test_what_its_budget_does_not_cover_is_held_back(
    kind: StormKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CATALOGUE[kind].storm, "budget", Budget(orders=1, depths=4))
    session = stormed(kind, 1.0)
    session.advance(START_NS + 9 * NS_PER_S)
    assert session.exchange.orders_sent(storm_account(kind, session.exchange)) <= 1
    assert running(session, kind).spent_orders <= 1
    assert session.storms.statistics()["held_back"] == running(session, kind).held_back


@pytest.mark.parametrize("kind", sorted(SIDED))
def test_where_decides_the_side(kind: StormKind) -> None:
    apart = []
    for where in (Where.BID, Where.ASK):
        session = stormed(kind, 0.8, where=where)
        session.advance(START_NS + 3 * NS_PER_S)
        apart.append((session.event_digest, running(session, kind)))
    assert apart[0][0] != apart[1][0]
    if kind is not StormKind.IGNITION:
        sides = [getattr(storm, "_side", getattr(storm, "_real_side", None)) for _, storm in apart]
        assert sides == [Side.BID, Side.ASK]


def test_kinds_without_a_side_refuse_one() -> None:
    with pytest.raises(StormError, match="crash has no side"):
        StormRequest(StormKind.CRASH, 0.5, 10, where=Where.BID).checked()


def test_a_stuffed_order_lives_a_millisecond() -> None:
    session = stormed(StormKind.STUFFING, 1.0)
    session.advance(START_NS + 4 * NS_PER_S)
    account = storm_account(StormKind.STUFFING, session.exchange)
    cancels = session.exchange.log.by_type[EventType.CANCEL]
    assert session.exchange.orders_sent(account) > 4_000
    assert cancels > 4_000
    assert session.exchange.open_order_count(account) <= 40


def test_layers_are_withdrawn_when_the_real_order_is_hit() -> None:
    session = stormed(StormKind.SPOOFING, 1.0, where=Where.BID, duration_s=30)
    exchange, account = session.exchange, storm_account(StormKind.SPOOFING, session.exchange)
    withdrawals = 0
    position = 0
    while session.now_ns < START_NS + 29 * NS_PER_S:
        session.advance(session.now_ns + NS_PER_MS)
        if exchange.ledger.position(account) != position:
            session.advance(session.now_ns + 56 * NS_PER_MS)  # the next step, and the cancel's way
            assert not exchange.open_order_count(account)
            withdrawals += 1
            position = exchange.ledger.position(account)
    assert withdrawals >= 5
    assert position > 0  # told to work the bid alone, it only buys


def test_an_iceberg_shows_its_next_tip_in_the_instant_of_the_fill() -> None:
    session = stormed(StormKind.ICEBERG, 1.0, where=Where.BID, duration_s=30)
    exchange, account = session.exchange, storm_account(StormKind.ICEBERG, session.exchange)
    arrays: list[EventArray] = []
    exchange.watch_events(arrays.append)
    filled_at: set[int] = set()
    seen, lots = exchange.trade_count, 0
    while session.now_ns < START_NS + 29 * NS_PER_S:
        session.advance(session.now_ns + 100 * NS_PER_MS)
        trades = [trade for trade in exchange.tape.since(seen) if trade.maker == account]
        seen = exchange.trade_count
        filled_at |= {trade.time_ns for trade in trades}
        lots += sum(trade.qty_lots for trade in trades)
    tip_lots = int(running(session, StormKind.ICEBERG).base_depth_lots * 0.04)
    assert lots > 10 * tip_lots
    refills = [
        int(event["ts"])
        for events in arrays
        for event in events
        if event["event_type"] == EventType.ADD and event["qty"] == tip_lots and int(event["ts"]) in filled_at
    ]
    assert len(refills) > 5


def test_a_stop_run_sets_off_the_crowds_stops_in_its_direction() -> None:
    session = stormed(StormKind.STOPRUN, 0.9, where=Where.BID)
    before = session.exchange.mark_twice_ticks
    crowd = crowd_account(session.exchange)
    session.advance(START_NS + 4 * NS_PER_S)
    assert session.exchange.ledger.position(crowd) < 0
    assert session.exchange.mark_twice_ticks < before


def test_a_fat_finger_is_one_order_until_half_of_its_time() -> None:
    session = stormed(StormKind.FATFINGER, 1.0)
    session.advance(START_NS + 5 * NS_PER_S)
    account = storm_account(StormKind.FATFINGER, session.exchange)
    assert session.exchange.orders_sent(account) == 1
    base_lots = running(session, StormKind.FATFINGER).base_depth_lots
    assert 2 * abs(session.exchange.ledger.position(account)) > base_lots
    session.advance(START_NS + 11 * NS_PER_S)
    assert session.exchange.ledger.position(account) == 0


@pytest.mark.parametrize("kind", [StormKind.NEWS, StormKind.REPRICE])
def test_news_move_the_price_for_good_and_the_storm_has_recovered_at_the_new_one(kind: StormKind) -> None:
    session = stormed(kind, 1.0, where=Where.BID)
    calm = Session(SessionConfig(load_scenario("balanced"), seed=5))
    for one in (session, calm):
        one.advance(40 * NS_PER_S)
    below_bps = (1 - session.exchange.mark_twice_ticks / calm.exchange.mark_twice_ticks) * 10_000
    assert below_bps > 30
    assert session.storms.recovery_ns[kind] is not None


def test_news_are_refused_where_a_recorded_exchange_makes_the_market() -> None:
    session = Session(SessionConfig(history_scenario(), source=str(sample_path())))
    command = session.stamp(storm_command(StormRequest(StormKind.NEWS, 0.5, 10)))
    with pytest.raises(StormError, match="simulated market"):
        session.accept(command)
    assert session.input_count == 0


def test_storms_act_in_a_replayed_market_too() -> None:
    session = Session(SessionConfig(history_scenario(), source=str(sample_path())))
    session.advance(3 * NS_PER_S)
    kinds = [kind for kind in KINDS if kind not in JUMPS]
    for kind in kinds:
        session.accept(session.stamp(storm_command(StormRequest(kind, 0.4, 6))))
    session.advance(6 * NS_PER_S)
    fork = session.fork()
    for one in (session, fork):
        one.advance(15 * NS_PER_S)
        one.exchange._check()
    assert fork.event_digest == session.event_digest
    silent = [k for k in kinds if not session.exchange.orders_sent(storm_account(k, session.exchange))]
    assert silent in ([], [StormKind.LATARB])
