"""Faults on the way in: orders refused without a reason, and answers that never come."""

from __future__ import annotations

from engine.broker.boundary import Fate
from engine.broker.terms import BrokerRequest, Message, Refusal, Reply
from engine.core.clock import NS_PER_S
from engine.core.types import FaultKind
from engine.storms.faults.base import VenueFault, is_touched, places_order

__all__ = ["Reject", "Timeout"]

TIMEOUT_NS = 1 * NS_PER_S
"""After this a lost answer is given up."""


class Reject(VenueFault):
    """REJECT: refuses this share of the requests for new orders: severity. Half of them as OVERLOADED, half
    as REJECTED; cancels and amendments pass."""

    kind = FaultKind.REJECT

    def refuse(self, request: BrokerRequest) -> Refusal:
        if not places_order(request):
            return Refusal.NONE
        is_hit, is_overload = self.rng.chance(self.severity), self.rng.chance(0.5)
        if not is_hit:
            return Refusal.NONE
        return Refusal.OVERLOADED if is_overload else Refusal.REJECTED


class Timeout(VenueFault):
    """TIMEOUT: loses the answers to this share of all requests: severity. Half of them have been carried out,
    half have not; the sender is told TIMEOUT_UNKNOWN one second later, and order events as ever."""

    kind = FaultKind.TIMEOUT
    _lost: tuple[int, int] | None = None
    """Account and number of the request that is being carried out unanswered; outlives no instant."""

    def refuse(self, request: BrokerRequest) -> Refusal:
        self._lost = None
        if not is_touched(request):
            return Refusal.NONE
        is_hit, is_carried_out = self.rng.chance(self.severity), self.rng.chance(0.5)
        if not is_hit:
            return Refusal.NONE
        if not is_carried_out:
            return Refusal.TIMEOUT_UNKNOWN
        self._lost = (request.account, request.request_id)
        return Refusal.NONE

    def loses_reply(self, request: BrokerRequest) -> bool:
        return self._lost == (request.account, request.request_id)

    def fate(self, message: Message) -> Fate | None:
        is_lost = isinstance(message, Reply) and message.refusal == Refusal.TIMEOUT_UNKNOWN
        return Fate((TIMEOUT_NS,), keeps_order=False) if is_lost else None
