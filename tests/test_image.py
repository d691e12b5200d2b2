"""Images of sessions: whoever goes on from one does exactly what the original does."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.agents.base import Agent
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Account, Command, CommandKind, Side, StormKind
from engine.inputs import storm_command
from engine.journal.snapshot import decode_snapshot, encode_snapshot
from engine.scenarios import history_scenario, load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest
from engine.storms.request import JUMPS

SAMPLE = next((Path(__file__).parents[1] / "engine/feeds/samples").glob("*.jsonl.gz"))
BUSY_NS = 4 * NS_PER_S


class Punter(Agent):
    """Buys and sells by turns; remembers which is next."""

    kind = "punter"

    def __init__(self, **base):
        super().__init__(**base)
        self.turn = 0

    def memory(self):
        return self.turn

    def remember(self, memory):
        self.turn = memory

    def act(self, now_ns: int) -> int:
        self.take(Side(self.turn % 2), 1 + self.rng.below(5))
        self.turn += 1
        return 100_000_000


def busy(config: SessionConfig) -> Session:
    """A session in the middle of everything: all storms, orders that rest, orders under way."""
    session = Session(config)
    session.advance(NS_PER_S)
    for kind in StormKind:
        if kind not in JUMPS or session.source is None:
            session.accept(session.stamp(storm_command(StormRequest(kind, 0.8, 5))))
    for client_id, (side, price_ticks) in enumerate([(0, 9_900), (1, 10_100), (0, 0)], 1):
        for account in (Account.DESK, Account.TARGET):
            session.accept(
                session.stamp(
                    Command(
                        kind=CommandKind.SUBMIT,
                        account=account,
                        side=side,
                        price_ticks=price_ticks,
                        qty_lots=3,
                        order_id=client_id,
                    )
                )
            )
    session.advance(BUSY_NS)
    session.accept(session.stamp(Command(kind=CommandKind.CANCEL_ALL, account=Account.DESK)))
    session.accept(session.stamp(Command(kind=CommandKind.STORM_STOP, storm=StormKind.CANCEL)))
    return session


def everything(session: Session) -> dict[str, object]:
    mark = session.exchange.mark_twice_ticks
    return {
        "digest": session.event_digest,
        "book": session.book_digest(),
        "row": session.tick_row(),
        "reports": [session.reports(account, 0) for account in (Account.DESK, Account.TARGET)],
        "equities": session.exchange.ledger.standings(mark),
        "alerts": session.alerts.alerts(),
        "storms": list(session.storms.log),
        "samples": session.analytics.samples,
        "statistics": session.statistics(),
    }


CONFIGS = {
    "agents": SessionConfig(load_scenario("balanced"), target_agent=True),
    "python agents": SessionConfig(load_scenario("minimal"), agents=(Punter, Punter)),
    "history": SessionConfig(history_scenario(), source=str(SAMPLE), target_agent=True),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_going_on_from_an_image_equals_going_on(name):
    session = busy(CONFIGS[name])
    data = encode_snapshot(session.image(), engine_hash="x")
    again = session.resume(decode_snapshot(data, engine_hash="x", where="memory"))
    assert everything(again) == everything(session)
    for one in (session, again):
        one.advance(15 * NS_PER_S)
    assert session.event_count > 1_000
    assert everything(again) == everything(session)
    again.exchange.book._check()
    again.exchange.ledger.check()


def test_taking_an_image_changes_nothing():
    watched, left_alone = busy(CONFIGS["agents"]), busy(CONFIGS["agents"])
    for time_ns in range(BUSY_NS, 9 * NS_PER_S, NS_PER_S // 3):
        watched.advance(time_ns)
        watched.image()
    left_alone.advance(watched.now_ns)
    assert everything(watched) == everything(left_alone)


def test_a_fork_goes_its_own_way_on_the_same_random_streams():
    session = Session(CONFIGS["agents"])
    session.advance(2 * NS_PER_S)
    stormy, calm = session.fork(), session.fork()
    stormy.accept(stormy.stamp(storm_command(StormRequest(StormKind.CRASH, 0.9, 10))))
    harmless = session.fork()
    harmless.accept(harmless.stamp(storm_command(StormRequest(StormKind.CRASH, 0.0, 10))))
    for future in (session, stormy, calm, harmless):
        future.advance(8 * NS_PER_S)
    assert calm.event_digest == session.event_digest == harmless.event_digest
    assert stormy.event_digest != session.event_digest


def test_a_fork_of_a_fork_is_as_good():
    session = busy(CONFIGS["agents"])
    grandchild = session.fork().fork().fork()
    for future in (session, grandchild):
        future.advance(10 * NS_PER_S)
    assert everything(grandchild) == everything(session)


def test_a_callback_that_belongs_to_nobody_cannot_be_part_of_an_image():
    session = Session(CONFIGS["agents"])
    session.kernel.schedule(5, lambda now_ns, payload: None)
    with pytest.raises(UsageError, match="cannot be part of a snapshot"):
        session.image()


def test_an_image_of_another_market_is_refused():
    other = Session(CONFIGS["python agents"]).image()
    with pytest.raises((ValueError, KeyError)):
        Session(CONFIGS["history"]).resume(other)
