"""Faults of messages: late, lost, told twice, out of order; private ones and public updates."""

from __future__ import annotations

from engine.broker.boundary import Fate, PublicFate
from engine.broker.terms import BrokerRequest, Message, OrderEvent, Reply
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import FaultKind
from engine.storms.faults.base import VenueFault

__all__ = ["Duplicate", "Echo", "Gap", "Ghost", "Latency", "Reorder", "SlowAck"]

WAY_NS = 2 * NS_PER_S
"""Longest mean delay of one way."""
ECHO_NS = 500 * NS_PER_MS
"""Latest second copy."""
LATE_NS = 1 * NS_PER_S
"""Longest delay of a message that is overtaken."""
GAP_BITS = 3
"""Public updates are lost in runs of 2^3."""


class Latency(VenueFault):
    """LATENCY: adds severity x 2 s, with 25 % jitter, to each way of everything private: requests in, replies
    and events out, in order, as on a slow line. Answers to reads are late by both ways."""

    kind = FaultKind.LATENCY

    def enter(self) -> None:
        self.boundary.read_delay_ns += 2 * self.scaled(WAY_NS)

    def leave(self) -> None:
        self.boundary.read_delay_ns -= 2 * self.scaled(WAY_NS)

    def delay_ns(self, request: BrokerRequest) -> int:
        return self.jittered(self.scaled(WAY_NS))

    def fate(self, message: Message) -> Fate | None:
        return Fate((self.jittered(self.scaled(WAY_NS)),))


class SlowAck(VenueFault):
    """SLOWACK: answers come severity x 2 s late, events on time: the fill is told before the acknowledgement.
    So do answers to reads."""

    kind = FaultKind.SLOWACK

    def enter(self) -> None:
        self.boundary.read_delay_ns += self.scaled(WAY_NS)

    def leave(self) -> None:
        self.boundary.read_delay_ns -= self.scaled(WAY_NS)

    def fate(self, message: Message) -> Fate | None:
        # One delay for all: they stay in order among themselves, and hold up no event.
        return Fate((self.scaled(WAY_NS),), keeps_order=False) if isinstance(message, Reply) else None


class Ghost(VenueFault):
    """GHOST: this share of the order events is never told: severity. What they would have told happened:
    the bot's picture of its orders has ghosts in it. Replies and balances are told."""

    kind = FaultKind.GHOST

    def fate(self, message: Message) -> Fate | None:
        if not isinstance(message, OrderEvent):
            return None
        return Fate(()) if self.rng.chance(self.severity) else None


class Echo(VenueFault):
    """ECHO: this share of the order events is told twice: severity. The second copy comes within half a
    second, out of order."""

    kind = FaultKind.ECHO

    def fate(self, message: Message) -> Fate | None:
        if not isinstance(message, OrderEvent):
            return None
        is_hit, delay_ns = self.rng.chance(self.severity), self.rng.below(ECHO_NS)
        return Fate((0, delay_ns)) if is_hit else None


class Reorder(VenueFault):
    """REORDER: half of this share of the private events, severity, is late by up to severity x 1 s and
    overtaken by those after it; half of this share of the public updates changes places with the next one
    of its kind. Answers stay where they are."""

    kind = FaultKind.REORDER

    def fate(self, message: Message) -> Fate | None:
        if isinstance(message, Reply):
            return None
        is_hit, delay_ns = self.rng.chance(self.severity / 2), self.rng.below(LATE_NS)
        return Fate((1 + self.scaled(delay_ns),), keeps_order=False) if is_hit else None

    def public_fate(self, number: int) -> PublicFate:
        return PublicFate.SWAP if self.hits(number, self.severity_micro // 2) else PublicFate.TELL


class Gap(VenueFault):
    """GAP: half of this share of the public updates, severity, is lost, in runs of eight."""

    kind = FaultKind.GAP

    def public_fate(self, number: int) -> PublicFate:
        is_lost = self.hits(number >> GAP_BITS, self.severity_micro // 2)
        return PublicFate.DROP if is_lost else PublicFate.TELL


class Duplicate(VenueFault):
    """DUPLICATE: this share of the public updates is told twice: severity."""

    kind = FaultKind.DUPLICATE

    def public_fate(self, number: int) -> PublicFate:
        return PublicFate.REPEAT if self.hits(number, self.severity_micro) else PublicFate.TELL
