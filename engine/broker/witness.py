"""Who watches the broker and its boundary without taking part (the score card, engine/score/)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from engine.broker.terms import BrokerNote, BrokerRequest, Message, Reply

__all__ = ["Witness"]


class Witness(Protocol):
    """Hears at the instant at which it happens; only keeps what it hears."""

    def asked(self, request: BrokerRequest) -> None:
        """A request was accepted: its sender has decided."""

    def noted(self, note: BrokerNote) -> None:
        """A gateway tells what it did by itself."""

    def wants_answers(self, account: int, order_ids: Sequence[int]) -> bool:
        """Whether it is worth a note that the account was told how these orders stand, or, with none, which
        are open; from any thread."""

    def answered(self, request: BrokerRequest, reply: Reply, *, is_lost: bool) -> None:
        """It was carried out, or refused. `is_lost`: its sender will be told TIMEOUT_UNKNOWN instead."""

    def told(self, account: int, message: Message) -> None:
        """A message reaches its account."""

    def missed(self, account: int, message: Message, fault: str) -> None:
        """What a message tells happens now, but it is told later or never, for this fault."""
