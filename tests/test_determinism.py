"""The first invariant: state is a pure function of scenario, seed and inputs, whatever the slicing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.agents.base import Agent
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.rng import Stream
from engine.core.types import Account, Command, CommandKind, StormKind
from engine.inputs import storm_command
from engine.recording.recompute import replay_inputs
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

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
def whole() -> Outcome:
    result = outcome(run([]))
    assert result.events > 300
    assert result.reports
    return result


@pytest.mark.parametrize("slice_ns", [NS_PER_MS, 50 * NS_PER_MS, 333_333_333])
def test_equal_slices_of_any_length_change_nothing(slice_ns, whole):
    assert outcome(run(list(range(0, END_NS, slice_ns)))) == whole


@settings(max_examples=15)
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
        trades = [t for t in session.exchange.recent_trades if t.aggressor in accounts]
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
    fork, restored = session.fork(), Session.restore(session.snapshot())
    for future in (fork, session, restored):
        replay_inputs(future, STAMPED[len(before) :], END_NS)
        assert outcome(future) == whole


def test_a_fork_does_not_touch_its_origin():
    session = Session(config())
    session.advance(NS_PER_S)
    before, data = outcome(session), session.snapshot()
    fork = session.fork()
    fork.accept(fork.stamp(storm(StormKind.CRASH, 1.0)))
    fork.accept(fork.stamp(order(1, 0)))
    fork.advance(3 * NS_PER_S)
    assert outcome(session) == before
    session.advance(3 * NS_PER_S)
    again = Session.restore(data)
    again.advance(3 * NS_PER_S)
    assert outcome(session) == outcome(again)
    assert outcome(session) != outcome(fork)


class Silent(Agent):
    """Wakes, looks, draws, and never sends anything."""

    kind = "silent"

    def act(self, now_ns: int) -> int:
        self.rng.normal()
        if self.fundamental is not None:
            self.fundamental.value_ticks(now_ns)
        self.exchange.book.levels(0, 5)
        return 1 + self.rng.below(20 * NS_PER_MS)


@pytest.mark.parametrize("scenario", ["minimal", "balanced"])
def test_a_silent_agent_more_changes_nobodys_numbers(scenario):
    alone, watched = Session(config(scenario=scenario)), Session(config(scenario=scenario))
    for account in (8, 4_000):
        Silent(
            account=account,
            name="silent",
            rng=Stream(42, account),
            exchange=watched.exchange,
            fundamental=watched.fundamental,
            latency_ns=1_000,
        ).start()
    for session in (alone, watched):
        session.advance(NS_PER_S)
        session.accept(session.stamp(storm(StormKind.IGNITION)))
        session.advance(4 * NS_PER_S)
    assert watched.kernel.processed > alone.kernel.processed
    assert (watched.event_digest, watched.book_digest()) == (alone.event_digest, alone.book_digest())


def test_an_analysis_more_changes_no_event():
    """Samples are read-only: a session whose analytics never start has the same events."""
    alone, unwatched = Session(config()), Session(config())
    unwatched.analytics._on_sample = lambda *_: None  # type: ignore[method-assign]
    for session in (alone, unwatched):
        session.advance(3 * NS_PER_S)
    assert alone.event_digest == unwatched.event_digest


IN_ANOTHER_PROCESS = """
import json
from tests.test_determinism import outcome, run
result = outcome(run([]))
print(json.dumps([result.events, result.event_digest, result.book_digest, list(result.equities)]))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1", "4294967295"])
def test_another_process_with_another_hash_seed_gives_the_same(hash_seed, whole):
    root = Path(__file__).parents[1]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(root)}
    answer = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS], capture_output=True, text=True, env=environment, cwd=root
    )
    assert answer.returncode == 0, answer.stderr
    events, event_digest, book_digest, equities = json.loads(answer.stdout)
    assert (events, event_digest, book_digest) == (whole.events, whole.event_digest, whole.book_digest)
    assert tuple(equities) == whole.equities


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
