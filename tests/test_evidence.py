"""Alerts of a session: their evidence is what happened, and they are the same in every session of a run."""

from __future__ import annotations

from functools import cache

from engine.core.alerts import Alert
from engine.core.clock import NS_PER_S
from engine.core.types import Command, CommandKind, GateAction, Side, TimeInForce
from engine.gatekeeper import gate_command
from engine.inputs import storm_command
from engine.scenarios.loader import load_scenario
from engine.session import Session, SessionConfig
from engine.storms.request import parse_storm

ME = 1


def put(session: Session, command: Command) -> None:
    session.accept(session.stamp(command))


def begun() -> Session:
    session = Session(SessionConfig(load_scenario("balanced"), 42))
    session.advance(20 * NS_PER_S)
    put(session, gate_command(GateAction.LIMIT, ME, limit="max_position_lots", value=100))
    put(session, storm_command(parse_storm("crash@0s:0.2..0.9x15s")))
    put(session, storm_command(parse_storm("fault.stale@0s:0.5x10s")))
    for number, lots in enumerate((60, 40, 1), 1):
        session.advance(session.now_ns + NS_PER_S)
        put(
            session,
            Command(
                kind=CommandKind.SUBMIT, account=ME, side=Side.BID, qty_lots=lots, order_id=number,
                time_in_force=TimeInForce.IOC,
            ),
        )  # fmt: skip
    return session


@cache
def stormy() -> Session:
    session = begun()
    session.advance(45 * NS_PER_S)
    return session


def of_kind(session: Session, kind: str) -> list[Alert]:
    return [alert for alert in session.alerts.alerts(session.now_ns) if alert.kind == kind]


def test_a_detectors_alert_names_the_events_that_caused_it():
    session = stormy()
    found = of_kind(session, "detector")
    assert found
    log = session.exchange.log
    for alert in found:
        evidence = alert.evidence
        assert evidence is not None
        assert evidence.from_ns <= evidence.to_ns <= alert.last_ns
        assert 0 < evidence.first_event <= evidence.last_event <= log.count
        assert [event.number for event in evidence.events][-1] == evidence.last_event
        for event in evidence.events:
            row = log.since(event.number - 1)[0]
            assert (event.time_ns, event.price_ticks, event.order_id) == tuple(
                int(row[name]) for name in ("ts", "price", "order_id")
            )
            assert event.time_ns <= evidence.to_ns
        figure = evidence.measured[0]
        assert figure.threshold is None or figure.value >= figure.threshold


def test_a_regimes_alert_shows_the_score_above_its_threshold():
    alerts = of_kind(stormy(), "regime")
    assert alerts
    for alert in alerts:
        assert alert.evidence is not None
        score = alert.evidence.measured[0]
        assert score.threshold is not None
        assert score.value >= score.threshold


def test_a_trip_is_an_alert_with_the_position_until_the_account_is_reset():
    session = begun().fork()
    session.advance(session.now_ns + NS_PER_S)
    (alert,) = of_kind(session, "gate")
    assert (alert.state, alert.severity) == ("active", "critical")
    assert alert.evidence is not None
    (figure,) = alert.evidence.measured
    assert (figure.value, figure.threshold) == (100, 100)
    put(session, gate_command(GateAction.RESET, ME))
    session.advance(session.now_ns + NS_PER_S)
    assert [alert.state for alert in of_kind(session, "gate")] == ["cleared"]


def test_alerts_are_the_same_whatever_the_slices_and_in_a_fork():
    session, sliced = stormy(), begun()
    fork = sliced.fork()
    while sliced.now_ns < session.now_ns:
        sliced.advance(min(session.now_ns, sliced.now_ns + 370_000_000))
        sliced.market_view()
    fork.advance(session.now_ns)
    expected = session.alerts.alerts(session.now_ns)
    assert sliced.alerts.alerts(session.now_ns) == expected == fork.alerts.alerts(session.now_ns)


def test_acknowledging_changes_nothing_that_is_computed():
    session, seen = begun(), begun()
    for _ in range(10):
        for one in (session, seen):
            one.advance(one.now_ns + 2 * NS_PER_S)
        seen.alerts.acknowledge_all()
    assert seen.event_digest == session.event_digest
    assert seen.image().state == session.image().state
    assert seen.book_digest() == session.book_digest()


def test_a_frame_shows_what_a_storm_costs_and_when_the_market_was_back():
    view = stormy().market_view()
    crash = next(run for run in view.storm_runs if run.name == "crash")
    stale = next(run for run in view.storm_runs if run.name == "fault.stale")
    assert crash.course[0] == 0.2
    assert crash.course[-1] == 0.9
    assert crash.pnl < 0 < crash.orders
    assert crash.recovery in ("watched", "recovered", "not recovered")
    assert (crash.recovery == "recovered") == (crash.recovery_s is not None)
    assert stale.recovery == ""
    assert stale.course == (0.5,)
    running = begun()
    running.advance(running.now_ns + NS_PER_S)
    (first, second) = running.market_view().storm_runs
    assert first.ended_ns is None is second.ended_ns
    assert 0.2 < first.severity < 0.9


def test_a_frame_shows_the_accounts_at_the_gate():
    (me, target) = stormy().market_view().gates
    assert (me.latched, target.latched) == ("position_limit", "")
    position = next(guard for guard in me.guards if guard.name == "max_position")
    assert (position.used, position.limit, position.is_guard) == (100.0, 100.0, True)
    assert me.latched_ns is not None
    assert me.latched_ns > 20 * NS_PER_S
