"""The first invariant: state is a pure function of scenario, seed and inputs, whatever the slicing."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Account, Command, CommandKind, StormKind
from engine.inputs import storm_command
from engine.loop import Loop
from engine.recording.recompute import replay_inputs
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from tests.paths import PATHS
from tests.traders import Silent, silent_group

pytestmark = pytest.mark.usefixtures("machine_code")

END_NS = 6 * NS_PER_S


class Outcome(NamedTuple):
    """Everything that must be the same."""

    events: int
    event_digest: int
    book_digest: int
    reports: tuple
    last_sample: object
    storms: tuple
    equities: tuple[int, ...]


def outcome(session: Session) -> Outcome:
    exchange = session.exchange
    mark = exchange.mark_twice_ticks
    return Outcome(
        session.event_count,
        session.event_digest,
        session.book_digest(),
        session.reports(int(Account.DESK), 0) + session.reports(int(Account.TARGET), 0),
        session.analytics.latest,
        tuple(session.storms.log),
        tuple(exchange.ledger.equity(account, mark) for account in session.accounts),
    )


def config(seed: int = 42, scenario: str = "minimal") -> SessionConfig:
    return SessionConfig(load_scenario(scenario), seed=seed, target_agent=True)


def order(client_id: int, side: int, account: int = Account.DESK) -> Command:
    return Command(kind=CommandKind.SUBMIT, account=account, side=side, qty_lots=3, order_id=client_id)


def storm(kind: StormKind, severity: float = 0.9) -> Command:
    return storm_command(StormRequest(kind, severity, 5))


INPUTS = [
    (NS_PER_S // 2, storm(StormKind.CANCEL)),
    (NS_PER_S // 2, order(1, 0)),
    (NS_PER_S // 2, order(2, 1)),
    (NS_PER_S + 7, storm(StormKind.CRASH)),
    (2 * NS_PER_S + 123_456_789, order(3, 1, Account.TARGET)),
    (2 * NS_PER_S + 123_456_789, Command(kind=CommandKind.CANCEL_ALL, account=Account.DESK)),
    (4 * NS_PER_S, Command(kind=CommandKind.STORM_STOP, storm=StormKind.CANCEL)),
]
"""(time, input); several at one instant, whose order counts."""
STAMPED = [command._replace(time_ns=t, sequence=n) for n, (t, command) in enumerate(INPUTS, 1)]


def run(stops: list[int], *, seed: int = 42) -> Session:
    """The session with INPUTS, advanced to each of the stops on the way."""
    session = Session(config(seed))
    waiting = list(STAMPED)
    for stop_ns in sorted({*stops, *(c.time_ns for c in STAMPED), END_NS}):
        session.advance(stop_ns)
        while waiting and waiting[0].time_ns == stop_ns:
            session.accept(waiting.pop(0))
    return session


@pytest.fixture(scope="module")
def whole(machine_code: None) -> Outcome:
    result = outcome(run([]))
    assert result.events > 300
    assert result.reports
    return result


@pytest.mark.parametrize("slice_ns", [NS_PER_MS, 50 * NS_PER_MS, 333_333_333])
def test_equal_slices_of_any_length_change_nothing(slice_ns, whole):
    assert outcome(run(list(range(0, END_NS, slice_ns)))) == whole


@settings(max_examples=15 if len(PATHS) > 1 else 3)
@given(st.lists(st.integers(0, END_NS), max_size=40))
def test_random_slices_change_nothing(whole, stops):
    assert outcome(run(stops)) == whole


def test_replayed_inputs_give_what_live_ones_gave(whole):
    session = Session(config())
    assert replay_inputs(session, STAMPED, END_NS) == len(STAMPED)
    assert outcome(session) == whole


def test_inputs_of_one_instant_keep_their_order():
    """Two orders for the same best offer: the one that was accepted first gets it."""

    def first_trade(accounts: list[int]) -> int:
        session = Session(config())
        session.advance(NS_PER_S)
        for account in accounts:
            session.accept(session.stamp(order(1, 0, account)))
        session.advance(NS_PER_S + 2 * NS_PER_MS)
        trades = [t for t in session.exchange.recent_trades() if t.aggressor in accounts]
        return trades[0].aggressor

    assert first_trade([Account.DESK, Account.TARGET]) == Account.DESK
    assert first_trade([Account.TARGET, Account.DESK]) == Account.TARGET


def test_another_seed_is_another_market(whole):
    other = outcome(run([], seed=43))
    assert (other.event_digest, other.book_digest) != (whole.event_digest, whole.book_digest)


@pytest.mark.parametrize("at_ns", [0, NS_PER_S // 2, 2 * NS_PER_S, 5 * NS_PER_S])
def test_a_fork_and_its_origin_go_the_same_way(at_ns, whole):
    session = Session(config())
    before = [c for c in STAMPED if c.time_ns <= at_ns]
    replay_inputs(session, before, at_ns)
    fork, resumed = session.fork(), Session(config()).resume(session.image())
    for future in (fork, session, resumed):
        replay_inputs(future, STAMPED[len(before) :], END_NS)
        assert outcome(future) == whole


def test_a_fork_does_not_touch_its_origin():
    session = Session(config())
    session.advance(NS_PER_S)
    before, image = outcome(session), session.image()
    fork = session.fork()
    fork.accept(fork.stamp(storm(StormKind.CRASH, 1.0)))
    fork.accept(fork.stamp(order(1, 0)))
    fork.advance(3 * NS_PER_S)
    assert outcome(session) == before
    session.advance(3 * NS_PER_S)
    again = session.resume(image)
    again.advance(3 * NS_PER_S)
    assert outcome(session) == outcome(again)
    assert outcome(session) != outcome(fork)


@pytest.mark.parametrize("scenario", ["minimal", "balanced"])
@pytest.mark.parametrize("who", ["in Python", "built in"])
def test_a_silent_agent_more_changes_nobodys_numbers(scenario, who):
    plain = config(scenario=scenario)
    if who == "in Python":
        more = plain._replace(agents=(Silent, Silent))
    else:
        more = plain._replace(scenario=silent_group(plain.scenario))
    alone, watched = Session(plain), Session(more)
    for session in (alone, watched):
        session.advance(NS_PER_S)
        session.accept(session.stamp(storm(StormKind.IGNITION)))
        session.advance(4 * NS_PER_S)
    silent = [
        account
        for account, info in watched.accounts.items()
        if info.kind != "storm" and account not in alone.accounts
    ]
    assert len(silent) == (2 if who == "in Python" else 1)
    assert all(watched.exchange.orders_sent(account) == 0 for account in silent)
    assert watched.kernel.processed > alone.kernel.processed
    assert (watched.event_digest, watched.book_digest()) == (alone.event_digest, alone.book_digest())
    ledgers = [session.exchange.ledger.accounts() for session in (alone, watched)]
    assert ledgers[0] == ledgers[1]


def test_an_analysis_more_changes_no_event(monkeypatch):
    """Samples are read-only: a session whose analytics never start has the same events."""
    alone = Session(config())
    monkeypatch.setattr(Loop, "start_samples", lambda loop: None)
    unwatched = Session(config())
    for session in (alone, unwatched):
        session.advance(3 * NS_PER_S)
    assert alone.analytics.statistics()["samples"] > unwatched.analytics.statistics()["samples"] == 0
    assert alone.event_digest == unwatched.event_digest


@pytest.mark.long
@pytest.mark.parametrize("scenario", ["balanced", "institutional", "stress_test"])
@pytest.mark.parametrize("kind", list(StormKind))
def test_a_long_storm_in_a_busy_market_is_the_same_in_slices_and_after_a_fork(scenario, kind):
    sessions = [Session(config(scenario=scenario)) for _ in range(2)]
    for session in sessions:
        session.advance(5 * NS_PER_S)
        session.accept(session.stamp(storm(kind, 1.0)))
    sessions.append(sessions[0].fork())
    while sessions[1].now_ns < 20 * NS_PER_S:
        sessions[1].advance(sessions[1].now_ns + 7 * NS_PER_MS + 1)
    until_ns = sessions[1].now_ns
    for session in sessions:
        session.advance(until_ns)
    assert len({outcome(session) for session in sessions}) == 1
