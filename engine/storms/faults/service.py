"""Faults of the service as a whole: limits, cut connections, a wrong clock, halts, outages, a still feed."""

from __future__ import annotations

from engine.broker.boundary import Fate
from engine.broker.terms import BrokerRequest, Message, Refusal
from engine.core.clock import NS_PER_S
from engine.core.types import FaultKind
from engine.storms.faults.base import BurstFault, VenueFault, is_touched
from engine.storms.request import MILLION

__all__ = ["Disconnect", "Down", "Halt", "Limit", "Skew", "Stale"]

BAN_MICRO = 700_000
"""From this severity on a burst of LIMIT is a ban."""
CUT_MEAN_NS = 2 * NS_PER_S
"""Mean time between cuts at severity 1."""
SKEW_MS = 10_000
"""At severity 1."""


class Stale(BurstFault):
    """STALE: public data stand still for severity x 4 s at a time, then flow for (1 - severity) x 4 s.
    Updates wait, so nothing is missing: it is old. Severity 1: still for the whole duration."""

    kind = FaultKind.STALE
    period_ns = 4 * NS_PER_S

    def turn_on(self) -> None:
        self.boundary.is_stale = True

    def turn_off(self) -> None:
        self.boundary.is_stale = False


class Limit(BurstFault):
    """LIMIT: for severity x 4 s at a time every request is refused as RATE_LIMITED (429), then none for
    (1 - severity) x 4 s. From severity 0.7 on the bursts are bans: BANNED (418)."""

    kind = FaultKind.LIMIT
    period_ns = 4 * NS_PER_S

    def turn_on(self) -> None:
        self.boundary.is_banned = self.severity_micro >= BAN_MICRO
        self.boundary.limited_until_ns = self.burst_until_ns

    def turn_off(self) -> None:
        self.boundary.limited_until_ns = 0
        self.boundary.is_banned = False

    def refuse(self, request: BrokerRequest) -> Refusal:
        if not self.burst_until_ns or not is_touched(request):
            return Refusal.NONE
        return Refusal.BANNED if self.boundary.is_banned else Refusal.RATE_LIMITED


class Disconnect(VenueFault):
    """DISCONNECT: all connections of bots are cut at its start, and again after exponential times with a mean
    of 2 s / severity. Requests under way are carried out."""

    kind = FaultKind.DISCONNECT

    def begin(self) -> None:
        self._cut(self.kernel.now_ns, None)

    def _cut(self, now_ns: int, _payload: None) -> None:
        if self.active:
            self.boundary.connections_lost += 1
            self.boundary.note(self.name, "cuts")
            mean_ns = CUT_MEAN_NS * MILLION // self.severity_micro
            self.kernel.schedule(now_ns + self.rng.exponential_ns(mean_ns), self._cut, None)


class Skew(VenueFault):
    """SKEW: the venue's clock is wrong by severity x 10 s, ahead or behind by its draw."""

    kind = FaultKind.SKEW

    def enter(self) -> None:
        # The key, not the stream: entering again after a snapshot draws nothing.
        self.boundary.clock_skew_ms = self.scaled(SKEW_MS) * (1 if self.key & 1 else -1)

    def leave(self) -> None:
        self.boundary.clock_skew_ms = 0


class Halt(BurstFault):
    """HALT: trading is halted for severity x 8 s at a time, then resumes for (1 - severity) x 8 s. New orders
    are refused as MARKET_CLOSED; open ones stay, and may be cancelled. It is the door that is closed: those
    who are inside trade on, also with the bot's open orders."""

    kind = FaultKind.HALT
    period_ns = 8 * NS_PER_S

    def turn_on(self) -> None:
        self.boundary.market_open = False

    def turn_off(self) -> None:
        self.boundary.market_open = True


class Down(BurstFault):
    """DOWN: nobody answers for severity x 8 s at a time, then all is well for (1 - severity) x 8 s. At the
    beginning of each outage connections are cut; requests that arrive in it are refused as DISCONNECTED.
    Orders stay in the market. What is told meanwhile is marked: it is told to nobody, or after a new logon
    where the protocol repeats."""

    kind = FaultKind.DOWN
    period_ns = 8 * NS_PER_S

    def strike(self) -> None:
        self.boundary.connections_lost += 1

    def turn_on(self) -> None:
        self.boundary.is_down = True

    def turn_off(self) -> None:
        self.boundary.is_down = False

    def refuse(self, request: BrokerRequest) -> Refusal:
        return Refusal.DISCONNECTED if self.burst_until_ns and is_touched(request) else Refusal.NONE

    def fate(self, message: Message) -> Fate | None:
        return Fate((0,)) if self.burst_until_ns else None
