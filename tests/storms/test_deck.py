"""Storms in a market: no-ops, ends of all sorts, seeds, accounts."""

from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError
from engine.core.types import Command, CommandKind, StormKind
from engine.inputs import storm_command
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest, deck, storm_account

START_NS = 2 * NS_PER_S
KINDS = list(StormKind)
WITHOUT_ORDERS = (StormKind.NEWS,)
EVERY_KIND = pytest.mark.parametrize("kind", KINDS, ids=[kind.name.lower() for kind in KINDS])


def market(scenario: str = "balanced", seed: int = 5) -> Session:
    return Session(SessionConfig(load_scenario(scenario), seed=seed))


def start(
    session: Session, kind: StormKind, severity: float = 0.8, duration_s: float = 5, seed: int = 0
) -> None:
    request = StormRequest(kind, severity, duration_s, seed)
    session.accept(session.stamp(storm_command(request)))


def stop(session: Session, kind: StormKind | None = None) -> None:
    command = Command(kind=CommandKind.STORM_STOP, storm=0 if kind is None else kind)
    session.accept(session.stamp(command))


def stormed(kind: StormKind | None, *, severity: float = 0.8, seed: int = 0, until_s: float = 9) -> Session:
    session = market()
    session.advance(START_NS)
    if kind is not None:
        start(session, kind, severity, seed=seed)
    session.advance(int(until_s * NS_PER_S))
    return session


def causes(session: Session) -> list[tuple[StormKind, str]]:
    """Of starts and ends."""
    return [(entry.kind, entry.cause) for entry in session.storms.log if not entry.is_about_recovery]


@pytest.fixture(scope="module")
def calm_digests() -> tuple[int, int]:
    session = stormed(None)
    return session.event_digest, session.book_digest()


@EVERY_KIND
@pytest.mark.parametrize("severity", [0.0, 0.0000004])
def test_severity_nought_changes_no_event(kind, severity, calm_digests):
    session = stormed(kind, severity=severity)
    assert (session.event_digest, session.book_digest()) == calm_digests
    assert causes(session) == [(kind, "start"), (kind, "expired")]
    assert session.exchange.orders_sent(storm_account(kind, session.exchange)) == 0


@EVERY_KIND
def test_a_storm_is_real_orders_of_an_account_in_the_ledger(kind, calm_digests):
    session = stormed(kind, severity=1.0)
    account = storm_account(kind, session.exchange)
    assert session.event_digest != calm_digests[0]
    assert (session.exchange.orders_sent(account) > 0) == (kind not in WITHOUT_ORDERS)
    session.exchange._check()
    if kind not in (StormKind.PHANTOM, StormKind.STUFFING, *WITHOUT_ORDERS):  # not meant to trade
        assert account in session.exchange.ledger.accounts()
    view = next(v for v in session.market_view().storms if v.kind == kind)
    assert view.orders_sent == session.exchange.orders_sent(account)
    assert view.position_lots == session.exchange.ledger.position(account)


@EVERY_KIND
def test_after_its_natural_end_nothing_of_it_rests_or_acts(kind):
    session = stormed(kind, severity=1.0, until_s=0.001 + 2 + 5 + 0.001)
    account = storm_account(kind, session.exchange)
    sent = session.exchange.orders_sent(account)
    assert not session.storms.active
    assert not session.exchange.open_orders(account)
    session.advance(session.now_ns + 2 * NS_PER_S)
    assert session.exchange.orders_sent(account) == sent
    assert not session.exchange.open_orders(account)


@EVERY_KIND
def test_a_stopped_storm_takes_its_orders_with_it(kind):
    session = market()
    session.advance(START_NS)
    start(session, kind, 1.0, duration_s=60)
    session.advance(START_NS + 3 * NS_PER_S)
    assert kind in session.storms.active
    stop(session, kind)
    session.advance(session.now_ns + NS_PER_MS)
    assert not session.storms.active
    assert not session.exchange.open_orders(storm_account(kind, session.exchange))
    assert causes(session) == [(kind, "start"), (kind, "stopped")]


def test_the_planned_end_of_a_stopped_storm_passes_unseen():
    session = market("minimal")
    start(session, StormKind.PHANTOM)
    session.advance(NS_PER_S)
    stop(session)
    session.advance(2 * NS_PER_S)
    start(session, StormKind.PHANTOM, duration_s=10)
    session.advance(8 * NS_PER_S)
    assert StormKind.PHANTOM in session.storms.active
    assert [cause for _, cause in causes(session)] == ["start", "stopped", "start"]


@EVERY_KIND
def test_its_seed_decides_what_it_does(kind):
    digest = stormed(kind, seed=3).event_digest
    assert stormed(kind, seed=3).event_digest == digest
    assert stormed(kind, seed=4).event_digest != digest


def test_a_storm_ends_exactly_its_duration_after_it_began():
    session = stormed(StormKind.CANCEL, until_s=8)
    began, ended = session.storms.log[:2]
    assert (began.time_ns, began.started) == (START_NS + 1, True)
    assert (ended.time_ns, ended.started) == (START_NS + 1 + 5 * NS_PER_S, False)
    assert {(e.severity, e.duration_ns, e.seed) for e in session.storms.log} == {(0.8, 5 * NS_PER_S, 0)}


def test_starting_a_kind_again_replaces_it_and_gives_it_its_full_time():
    session = market()
    session.advance(START_NS)
    start(session, StormKind.CRASH, 0.3)
    session.advance(START_NS + 3 * NS_PER_S)
    start(session, StormKind.CRASH, 0.6)
    session.advance(START_NS + 6 * NS_PER_S)
    assert session.storms.active[StormKind.CRASH].severity == 0.6
    session.advance(START_NS + 9 * NS_PER_S)
    assert [
        (e.time_ns - START_NS, e.severity, e.cause) for e in session.storms.log if not e.is_about_recovery
    ] == [
        (1, 0.3, "start"),
        (3 * NS_PER_S + 1, 0.3, "replaced"),
        (3 * NS_PER_S + 1, 0.6, "start"),
        (8 * NS_PER_S + 1, 0.6, "expired"),
    ]


def test_all_kinds_run_side_by_side_and_stop_together():
    session = market()
    session.advance(START_NS)
    for kind in KINDS:
        start(session, kind, 0.5, duration_s=20)
    session.advance(START_NS + 2 * NS_PER_S)
    assert list(session.storms.active) == KINDS
    session.exchange._check()
    stop(session)
    session.advance(session.now_ns + NS_PER_MS)
    assert not session.storms.active
    assert [cause for _, cause in causes(session)] == ["start"] * len(KINDS) + ["stopped"] * len(KINDS)
    attackers = [storm_account(kind, session.exchange) for kind in KINDS]
    assert not any(session.exchange.open_orders(account) for account in attackers)


def test_stopping_what_does_not_run_does_nothing():
    session = market()
    session.advance(START_NS)
    for kind in (None, *KINDS):
        stop(session, kind)
    session.advance(START_NS + NS_PER_S)
    quiet = market()
    quiet.advance(START_NS + NS_PER_S)
    assert session.event_digest == quiet.event_digest
    assert not session.storms.log


def test_storms_survive_an_empty_market():
    session = market("minimal")
    session.advance(NS_PER_S)
    exchange = session.exchange
    for account in range(len(exchange.market.accounts)):
        for order_id in exchange.open_orders(account):
            exchange.cancel_now(account=account, order_id=order_id)
    assert exchange.best_bid is exchange.best_ask is None
    for kind in KINDS:
        start(session, kind, 1.0)
    session.advance(8 * NS_PER_S)
    assert not session.storms.active
    session.exchange._check()


def test_the_deck_refuses_what_is_out_of_range():
    session = market("minimal")
    with pytest.raises(StormError):
        session.storms.start(StormRequest(StormKind.CRASH, 1.1, 10))
    assert not session.storms.log
    assert not session.storms.active


def test_the_log_is_bounded_and_counts_what_it_dropped(monkeypatch):
    monkeypatch.setattr(deck, "LOG_LIMIT", 4)
    session = market("minimal")
    for _ in range(3):
        start(session, StormKind.CRASH, 0.0)
        stop(session)
        session.advance(session.now_ns + NS_PER_MS)
    statistics = session.storms.statistics()
    assert (statistics["log"], statistics["limit"], statistics["dropped"]) == (4, 4, 2)
    assert [e.cause for e in session.storms.log] == ["start", "stopped"] * 2
