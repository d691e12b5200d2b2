"""What a storm has cost, and when the market is itself again."""

from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Command, CommandKind, StormKind
from engine.inputs import storm_command
from engine.market.ledger import MICRO
from engine.recording.rows import storm_row
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest, deck, storm_account
from engine.storms.recovery import Health, health_of

START_NS = 2 * NS_PER_S


def stormed(kind: StormKind, severity: float, duration_s: float = 5) -> Session:
    session = Session(SessionConfig(load_scenario("balanced"), seed=5))
    session.advance(START_NS)
    session.accept(session.stamp(storm_command(StormRequest(kind, severity, duration_s))))
    return session


def test_the_end_of_a_storm_says_what_the_attacker_has_spent() -> None:
    session = stormed(StormKind.CRASH, 0.8)
    session.advance(START_NS + 5 * NS_PER_S + 1)
    (ended,) = [row for row in session.storms.log if row.cause == "expired"]
    account = storm_account(StormKind.CRASH, session.exchange)
    entry = session.exchange.ledger.entry(account)
    value = session.exchange.instrument.tick_lot_value / MICRO
    assert (ended.orders, ended.lots, ended.position_lots) == (
        session.exchange.orders_sent(account), entry.bought_lots + entry.sold_lots, entry.position_lots
    )  # fmt: skip
    assert ended.fees == entry.fees * value > 0
    assert storm_row(ended)["attacker"] == {
        "orders": ended.orders, "lots": ended.lots, "position_lots": ended.position_lots,
        "fees": ended.fees, "pnl": ended.pnl,
    }  # fmt: skip


def test_a_second_storm_of_the_kind_is_charged_with_its_own_deeds() -> None:
    session = stormed(StormKind.CRASH, 0.8)
    session.advance(START_NS + 30 * NS_PER_S)
    session.accept(session.stamp(storm_command(StormRequest(StormKind.CRASH, 0.1, 5))))
    session.advance(START_NS + 40 * NS_PER_S)
    first, second = [row for row in session.storms.log if row.cause == "expired"]
    account = storm_account(StormKind.CRASH, session.exchange)
    assert first.orders + second.orders == session.exchange.orders_sent(account)
    assert 0 < second.lots < first.lots / 3


def test_the_market_is_told_to_have_recovered_after_a_healthy_second() -> None:
    session = stormed(StormKind.CRASH, 0.9)
    session.advance(START_NS + 40 * NS_PER_S)
    row = session.storms.log[-1]
    assert (row.cause, row.started) == ("recovered", False)
    assert row.recovery_ns is not None
    ended_ns = START_NS + 1 + 5 * NS_PER_S
    assert row.time_ns == ended_ns + row.recovery_ns + NS_PER_S
    assert row.recovery_ns > NS_PER_S
    assert storm_row(row) == {
        "time_ns": row.time_ns, "type": "storm_recovered", "kind": "FlashCrash",
        "recovery_ms": row.recovery_ns // NS_PER_MS, "attacker": storm_row(session.storms.log[1])["attacker"]
        | {"pnl": row.pnl},
    }  # fmt: skip
    assert row.pnl < 0  # it is short, and the price is back
    view = next(one for one in session.market_view().storms if one.kind == StormKind.CRASH)
    assert view.recovery_s == row.recovery_ns / NS_PER_S
    assert (view.lots_traded, view.fees > 0) == (session.storms.log[1].lots, True)


def test_a_market_that_stays_empty_has_not_recovered_after_a_minute() -> None:
    session = Session(SessionConfig(load_scenario("minimal"), seed=5))
    session.advance(START_NS)
    session.accept(session.stamp(storm_command(StormRequest(StormKind.CRASH, 0.5, 5))))
    session.advance(START_NS + NS_PER_S)
    watched = session.storms._before[1]
    session.storms._before[1] = watched._replace(depth_lots=watched.depth_lots * 100)
    session.advance(START_NS + 80 * NS_PER_S)
    row = session.storms.log[-1]
    assert (row.cause, row.recovery_ns) == ("not recovered", None)
    assert storm_row(row)["recovery_ms"] is None
    assert session.storms.statistics()["watched"] == 0


def test_looking_at_the_market_changes_no_event() -> None:
    session, unwatched = (stormed(StormKind.CRASH, 0.6) for _ in range(2))
    unwatched.storms._watch = lambda recovery: None  # type: ignore[method-assign]
    for one in (session, unwatched):
        one.advance(START_NS + 20 * NS_PER_S)
    assert session.event_digest == unwatched.event_digest
    assert len(session.storms.log) == len(unwatched.storms.log) + 1


def test_starting_the_kind_again_ends_the_watch_of_the_one_before() -> None:
    session = stormed(StormKind.CRASH, 0.9)
    session.advance(START_NS + 5 * NS_PER_S + 2)
    assert session.storms.statistics()["watched"] == 1
    session.accept(session.stamp(storm_command(StormRequest(StormKind.CRASH, 0.1, 5))))
    session.advance(session.now_ns + 1)
    assert session.storms.statistics()["watched"] == 0


def test_watches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deck, "WATCHES_LIMIT", 2)
    session = stormed(StormKind.CRASH, 0.9)
    for kind in (StormKind.PHANTOM, StormKind.CANCEL, StormKind.IGNITION):
        session.accept(session.stamp(storm_command(StormRequest(kind, 0.5, 5))))
    session.advance(START_NS + NS_PER_S)
    session.accept(session.stamp(Command(kind=CommandKind.STORM_STOP)))
    session.advance(session.now_ns + 1)
    assert session.storms.statistics()["watched"] == 2


def test_health_is_mid_spread_and_depth_and_nothing_of_an_empty_side() -> None:
    session = Session(SessionConfig(load_scenario("minimal"), seed=5))
    assert health_of(session.exchange) == Health(0, 0, 0)
    session.advance(NS_PER_S)
    bid, ask = session.exchange.best_bid, session.exchange.best_ask
    assert bid is not None
    assert ask is not None
    depth = sum(session.exchange.book.depth(side, 10) for side in (0, 1))
    assert health_of(session.exchange) == Health(bid + ask, ask - bid, depth)
