"""Runs a session again from journaled inputs: shared by `verify` and by the replay screen.

Inputs enter at their own time and in journal order, as they did live; what lies between is recomputed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from engine.broker.broker import Broker
from engine.core.types import Command
from engine.gatekeeper import GateEntry
from engine.journal.records import Checkpoint
from engine.market.exchange import Exchange
from engine.recording.rows import TickRow, hex_digest
from engine.score.card import BotCard
from engine.storms.deck import StormLogEntry

__all__ = [
    "GateHistory",
    "RecordableSession",
    "StormHistory",
    "new_storm_entries",
    "replay_inputs",
    "take_checkpoint",
    "take_tick",
]


class StormHistory(Protocol):
    """The part of engine.storms.deck.StormDeck that is recorded."""

    dropped: int

    @property
    def log(self) -> Sequence[StormLogEntry]:
        """Most recent entries, oldest first; `dropped` more came before them."""


class GateHistory(Protocol):
    """The part of engine.gatekeeper.Gatekeeper that is recorded."""

    @property
    def entry_count(self) -> int:
        """Rows so far."""

    def entries(self, since: int) -> list[GateEntry]:
        """The rows after the first `since`."""


class RecordableSession(Protocol):
    """What recording and recomputing need of engine.session.Session."""

    @property
    def now_ns(self) -> int:
        """Session time."""

    @property
    def event_count(self) -> int:
        """Public events so far."""

    @property
    def event_digest(self) -> int:
        """Running digest over them."""

    @property
    def storms(self) -> StormHistory:
        """Storms so far."""

    @property
    def gatekeeper(self) -> GateHistory:
        """Trips and switches of the risk gate so far."""

    @property
    def exchange(self) -> Exchange:
        """The market."""

    @property
    def broker(self) -> Broker:
        """Accounts of bots at the venue."""

    @property
    def told_digest(self) -> int:
        """Running digest of what bots at the venue were told."""

    def account_name(self, account: int) -> str:
        """Who is behind an account number."""

    def book_digest(self) -> int:
        """Digest of the book."""

    def bot_cards(self) -> tuple[BotCard, ...]:
        """Score cards of all bots."""

    def advance(self, until_ns: int) -> int:
        """Process everything with time <= until_ns."""

    def accept(self, command: Command) -> None:
        """Take an input at the present; it has its effect strictly later."""

    def tick_row(self) -> dict[str, Any]:
        """Fields of a ticks.jsonl row that the session determines."""


def replay_inputs(session: RecordableSession, commands: Iterable[Command], until_ns: int) -> int:
    """Advance to until_ns, accepting each of these inputs at its time; returns how many were accepted.

    `commands` are in order and begin after the last input that the session has; those later than until_ns
    are left (and the first of them is consumed from an iterator).
    """
    accepted = 0
    for command in commands:
        if command.time_ns > until_ns:
            break
        session.advance(command.time_ns)
        session.accept(command)
        accepted += 1
    session.advance(until_ns)
    return accepted


def take_checkpoint(session: RecordableSession) -> Checkpoint:
    """The session's state now."""
    return Checkpoint(
        session.now_ns,
        session.event_count,
        session.event_digest,
        session.book_digest(),
        session.told_digest,
    )


def take_tick(
    session: RecordableSession, *, lat_p50_ns: int | None = None, lat_p99_ns: int | None = None
) -> tuple[TickRow, Checkpoint]:
    """What `Recorder.on_tick` wants, of the session now."""
    checkpoint = take_checkpoint(session)
    row = TickRow(
        **session.tick_row(),
        lat_p50_ns=lat_p50_ns,
        lat_p99_ns=lat_p99_ns,
        event_digest=hex_digest(checkpoint.event_digest),
        book_digest=hex_digest(checkpoint.book_digest),
    )
    return row, checkpoint


def new_storm_entries(storms: StormHistory, seen: int) -> tuple[list[StormLogEntry], int]:
    """(entries after the first `seen` of the session, how many there are now)."""
    total = storms.dropped + len(storms.log)
    return list(storms.log[max(0, seen - storms.dropped) :]), total
