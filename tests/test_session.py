"""The session: inputs, reports, views, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from engine.book import ColumnarBook, HotBook, ReferenceBook, running_digest
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError, UsageError
from engine.core.types import Account, Command, CommandKind, StormKind, TimeInForce
from engine.frame import SERIES_SAMPLES, TAPE_TRADES
from engine.inputs import storm_command
from engine.market.orders import Reason, ReportKind
from engine.market.tape import EVENTS_KEPT
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

DESK, TARGET = int(Account.DESK), int(Account.TARGET)
SUBMIT = Command(kind=CommandKind.SUBMIT, account=DESK, side=0, price_ticks=9_000, qty_lots=5, order_id=1)
STORM = storm_command(StormRequest(StormKind.CRASH, 0.5, 10))


pytestmark = pytest.mark.usefixtures("machine_code")


@pytest.fixture
def session() -> Session:
    session = Session(SessionConfig(load_scenario("minimal"), seed=9))
    session.advance(NS_PER_S)
    return session


def put(session: Session, command: Command, **change) -> None:
    session.accept(session.stamp(command._replace(**change)))


def wait(session: Session, ns: int = 2 * NS_PER_MS) -> None:
    session.advance(session.now_ns + ns)


def test_the_events_of_a_session_build_its_book():
    session = Session(SessionConfig(load_scenario("balanced"), seed=9))
    session.advance(NS_PER_S)
    put(session, STORM, a=1_000_000)
    session.advance(8 * NS_PER_S)
    events = session.exchange.log.since(0)
    assert len(events) == session.event_count
    assert running_digest(events) == session.event_digest
    assert np.all(np.diff(events["ts"].astype(np.int64)) >= 0)
    for book in (ReferenceBook(), ColumnarBook(), HotBook()):
        counts = book.apply(events)
        assert book.digest() == session.book_digest()
        assert (counts.unknown_order, counts.rejected_duplicate, counts.rejected_quantity) == (0, 0, 0)


def test_an_order_from_outside_takes_the_latency_of_the_scenario(session):
    latency_ns = session.scenario.external_latency_us * 1_000
    accepted_ns = session.now_ns
    put(session, SUBMIT)
    session.advance(accepted_ns + latency_ns - 1)
    assert not session.reports(DESK, 0)
    session.advance(accepted_ns + latency_ns)
    (report,) = session.reports(DESK, 0)
    assert (report.kind, report.time_ns) == (ReportKind.ACCEPTED, accepted_ns + latency_ns)
    assert (report.client_id, report.account, report.remaining_lots) == (1, DESK, 5)


def test_orders_of_the_desk_are_cancelled_and_replaced_by_their_client_ids(session):
    put(session, SUBMIT)
    put(session, SUBMIT, order_id=2)
    wait(session)
    put(session, Command(kind=CommandKind.REPLACE, account=DESK, order_id=1, price_ticks=9_001, qty_lots=7))
    put(session, Command(kind=CommandKind.CANCEL, account=TARGET, order_id=2))
    put(session, Command(kind=CommandKind.CANCEL, account=DESK, order_id=99))
    wait(session)
    views = {order.price_ticks: order for order in session.market_view().orders}
    assert {price: (o.owner, o.qty_lots) for price, o in views.items()} == {
        9_001: ("me", 7),
        9_000: ("me", 5),
    }
    put(session, Command(kind=CommandKind.CANCEL, account=DESK, order_id=1))
    wait(session)
    put(session, Command(kind=CommandKind.CANCEL_ALL, account=DESK))
    wait(session)
    assert not session.market_view().orders
    kinds = [(r.client_id, r.kind) for r in session.reports(DESK, 0)]
    assert kinds == [
        (1, ReportKind.ACCEPTED),
        (2, ReportKind.ACCEPTED),
        (1, ReportKind.REPLACED),
        (1, ReportKind.CANCELLED),
        (2, ReportKind.CANCELLED),
    ]


def test_a_cancel_and_a_new_order_under_the_same_id_arrive_in_that_order(session):
    put(session, SUBMIT)
    wait(session)
    put(session, Command(kind=CommandKind.CANCEL, account=DESK, order_id=1))
    put(session, SUBMIT, price_ticks=9_001)
    wait(session)
    kinds = [r.kind for r in session.reports(DESK, 0)]
    assert kinds == [ReportKind.ACCEPTED, ReportKind.CANCELLED, ReportKind.ACCEPTED]
    assert [order.price_ticks for order in session.market_view().orders] == [9_001]


def test_market_orders_of_desk_and_bot_fill_and_show_in_ledger_and_view(session):
    for account in (DESK, TARGET):
        put(session, SUBMIT, account=account, price_ticks=0, time_in_force=TimeInForce.IOC)
    wait(session)
    for account in (DESK, TARGET):
        assert sum(r.filled_lots_last for r in session.reports(account, 0)) == 5
        assert session.exchange.ledger.position(account) == 5
    names = {trade.aggressor for trade in session.market_view().trades}
    assert names >= {"me", "bot"}


def test_reports_are_kept_apart_and_read_from_where_the_reader_stands(session):
    for client_id in range(1, 6):
        put(session, SUBMIT, order_id=client_id)
        put(session, SUBMIT, order_id=client_id, account=TARGET)
    wait(session)
    for account in (DESK, TARGET):
        assert [r.sequence for r in session.reports(account, 0)] == [1, 2, 3, 4, 5]
        assert [r.sequence for r in session.reports(account, 3)] == [4, 5]
        assert {r.account for r in session.reports(account, 0)} == {account}
    assert session.reports(DESK, 5) == session.reports(DESK, 99) == session.reports(77, 0) == ()


@pytest.mark.parametrize(
    ("command", "change"),
    [
        (SUBMIT, {"side": 2}),
        (SUBMIT, {"time_in_force": 4}),
        (SUBMIT, {"account": int(Account.HISTORY)}),
        (SUBMIT, {"account": 6}),
        (SUBMIT, {"account": 16}),
        (SUBMIT, {"account": 999}),
        (SUBMIT, {"price_ticks": 1 << 63}),
        (SUBMIT, {"order_id": -1}),
        (SUBMIT, {"kind": CommandKind.CANCEL_ALL, "account": 16}),
        (SUBMIT, {"kind": CommandKind.CHECKPOINT}),
        (SUBMIT, {"kind": 77}),
        (STORM, {"storm": 0}),
        (STORM, {"storm": max(StormKind) + 1}),
        (STORM, {"a": 1_000_001}),
        (STORM, {"b": 4 * NS_PER_S}),
        (STORM, {"qty_lots": -1}),
        (STORM, {"kind": CommandKind.STORM_STOP, "storm": max(StormKind) + 1}),
    ],
)
def test_an_input_out_of_range_is_refused_and_counts_for_nothing(session, command, change):
    quiet = session.fork()
    with pytest.raises(UsageError):
        put(session, command, **change)
    assert session.input_count == 0
    put(session, SUBMIT)
    put(quiet, SUBMIT)
    for future in (session, quiet):
        future.advance(3 * NS_PER_S)
    assert session.event_digest == quiet.event_digest
    assert not session.storms.log


def test_a_refused_storm_is_a_storm_error(session):
    with pytest.raises(StormError):
        put(session, STORM, a=-1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"qty_lots": 0}, Reason.QUANTITY),
        ({"qty_lots": -5}, Reason.QUANTITY),
        ({"price_ticks": -1}, Reason.PRICE),
        ({"price_ticks": (1 << 63) - 1}, Reason.PRICE),
    ],
)
def test_an_order_with_a_bad_price_or_size_is_answered_by_a_report(session, change, reason):
    put(session, SUBMIT, **change)
    wait(session)
    (report,) = session.reports(DESK, 0)
    assert (report.kind, report.reason) == (ReportKind.REJECTED, reason)


def test_inputs_come_at_their_own_time_and_in_sequence(session):
    stamped = session.stamp(SUBMIT)
    for wrong in (
        {"time_ns": session.now_ns - 1},
        {"time_ns": session.now_ns + 1},
        {"sequence": 2},
        {"sequence": 0},
    ):
        with pytest.raises(AssertionError):
            session.accept(stamped._replace(**wrong))
    session.accept(stamped)
    assert session.input_count == 1


def test_an_input_changes_nothing_at_its_own_instant(session):
    before = (session.event_digest, session.book_digest())
    put(session, SUBMIT, price_ticks=0)
    put(session, STORM)
    session.advance(session.now_ns)
    assert (session.event_digest, session.book_digest()) == before
    assert not session.storms.active


def test_a_silent_target_raises_one_alert_until_it_speaks_again(session):
    sample = Command(kind=CommandKind.TARGET_SAMPLE)
    for flags in (0, 0, 1, 0):
        put(session, sample, flags=flags)
        wait(session)
    (alert,) = [alert for alert in session.alerts.alerts() if "target" in alert.text]
    assert alert.times == 2  # it comes back within seconds: the same alert, once more


def test_a_crisis_raises_an_alert_and_the_storm_leaves_its_marks():
    session = Session(SessionConfig(load_scenario("balanced"), seed=9))
    session.advance(10 * NS_PER_S)
    put(session, STORM, a=1_000_000)
    put(session, Command(kind=CommandKind.RECORD_START))
    session.advance(25 * NS_PER_S)
    put(session, Command(kind=CommandKind.RECORD_STOP))
    view = session.market_view()
    kinds = [marker.kind for marker in view.markers]
    assert kinds == ["record", "storm_start", "storm_stop", "record"]
    assert [marker.time_ns for marker in view.markers] == sorted(marker.time_ns for marker in view.markers)
    assert any("regime" in alert.text for alert in view.alerts)
    assert all(int(s.regime) == s.regime for s in session.analytics.samples)


def test_a_view_is_whole_immutable_and_bounded():
    session = Session(SessionConfig(load_scenario("balanced"), seed=9))
    session.advance(90 * NS_PER_S)
    view = session.market_view()
    assert len(view.trades) == TAPE_TRADES
    assert [t.trade_id for t in view.trades] == list(
        range(view.trade_count - TAPE_TRADES + 1, view.trade_count + 1)
    )
    assert len(view.series.mid_ticks) <= SERIES_SAMPLES + 1
    assert {len(column) for column in view.series} == {len(view.series.time_ns)}
    for column in view.series:
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0.0
    with pytest.raises(TypeError):
        view.volume_at_price[1] = 1  # type: ignore[index]
    assert view.series.mid_ticks[-1] == view.kpis.mid_ticks
    assert view.bids[0].price_ticks == session.exchange.best_bid
    assert sum(agent.position_lots for agent in view.agents) == 0
    assert view.events == session.event_count


def test_reading_a_view_changes_nothing():
    read, unread = (Session(SessionConfig(load_scenario("minimal"), seed=2)) for _ in range(2))
    for second in range(1, 6):
        read.advance(second * NS_PER_S)
        read.market_view()
        read.tick_row()
        read.statistics()
        read.book_digest()
    unread.advance(5 * NS_PER_S)
    assert (read.event_digest, read.book_digest()) == (unread.event_digest, unread.book_digest())
    assert read.exchange.ledger.accounts().keys() == unread.exchange.ledger.accounts().keys()


def test_a_session_at_its_very_start_has_a_view_of_nothing():
    view = Session(SessionConfig(load_scenario("minimal"))).market_view()
    assert (view.bids, view.asks, view.trades, view.last_price_ticks) == ((), (), (), None)
    assert (view.kpis.mid_ticks, view.kpis.vpin) == (None, None)
    assert len(view.series.time_ns) == 0


def test_everything_that_is_bounded_says_how_full_it_is(session):
    statistics = session.statistics()
    for part in ("kernel", "storms", "analytics", "reports", "gate", "matching", "events", "volume_prices"):
        assert statistics[part], part
    for part in ("kernel", "storms", "reports", "volume_prices"):
        assert "limit" in statistics[part], part


class TestWatchers:
    """Who watches the events of a market gets each once, in order, whatever the pace."""

    @staticmethod
    def watched(session: Session) -> list[np.ndarray]:
        heard: list[np.ndarray] = []
        session.exchange.watch_events(heard.append)
        return heard

    def test_a_watcher_misses_nothing_at_any_pace(self):
        plain = Session(SessionConfig(scenario=load_scenario("rmsc04"), seed=5))
        plain.advance(20 * NS_PER_S)
        session = Session(SessionConfig(scenario=load_scenario("rmsc04"), seed=5))
        heard = self.watched(session)
        session.advance(20 * NS_PER_S)
        events = np.concatenate(heard)
        assert session.exchange.log.digest == plain.exchange.log.digest, "watching changes nothing"
        assert len(events) == session.exchange.log.count
        book = HotBook()
        book.apply(events)
        assert book.digest() == session.exchange.book.digest()

    def test_a_market_waits_for_its_watcher_when_the_ring_is_full(self):
        session = Session(SessionConfig(scenario=load_scenario("balanced"), seed=5))
        heard = self.watched(session)
        session.advance(3_600 * NS_PER_S)
        assert sum(map(len, heard)) == session.exchange.log.count > 10 * EVENTS_KEPT
        assert len(heard) > 10, "handed over in between, not only at the end"

    def test_a_fork_of_a_watched_session_has_no_watcher(self):
        session = Session(SessionConfig(scenario=load_scenario("balanced"), seed=5))
        heard = self.watched(session)
        session.advance(NS_PER_S)
        fork, before = session.fork(), sum(map(len, heard))
        fork.advance(600 * NS_PER_S)
        assert sum(map(len, heard)) == before
        session.advance(600 * NS_PER_S)
        assert fork.exchange.log.digest == session.exchange.log.digest

    def test_watching_ends_when_asked(self):
        session = Session(SessionConfig(scenario=load_scenario("balanced"), seed=5))
        heard = self.watched(session)
        session.advance(NS_PER_S)
        session.exchange.watch_events(None)
        before = sum(map(len, heard))
        session.advance(600 * NS_PER_S)
        assert sum(map(len, heard)) == before > 0
