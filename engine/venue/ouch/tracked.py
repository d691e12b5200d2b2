"""What a port remembers of its orders and requests, within limits.

Place on the data path: inside the port (port.py). Invariant: an order that can still trade is never
forgotten; of the others, and of requests without an answer, the oldest are.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from engine.venue.ouch.codes import CancelReason
from engine.venue.ouch.messages import OrderCanceled
from engine.venue.ouch.orders import Ticket

__all__ = [
    "ORDERS_KEPT",
    "REQUESTS_KEPT",
    "Numbers",
    "OrderKey",
    "OrderTable",
    "Request",
    "Stage",
    "TrackedOrder",
]

ORDERS_KEPT = 8_192
"""Orders of one port, those that have ended included: what is told late finds its order."""
REQUESTS_KEPT = 4_096
"""Requests of one port that wait for their answers."""

OrderKey = tuple[int, int]
"""UserRefIdx and UserRefNum."""


class Stage(StrEnum):
    """Where an order is."""

    SENT = "sent"
    LIVE = "live"
    DEAD = "dead"


class TrackedOrder:
    """One order of a port: as it was written, and what the broker has told of it."""

    __slots__ = (
        "cancel_reason",
        "client_order_id",
        "executed_before",
        "executed_lots",
        "held",
        "is_leaving",
        "last_fill",
        "modifications",
        "order_id",
        "qty_lots",
        "replaced_by",
        "replaces",
        "stage",
        "ticket",
    )

    def __init__(self, ticket: Ticket, client_order_id: str, qty_lots: int) -> None:
        self.ticket = ticket
        self.client_order_id = client_order_id
        self.qty_lots = qty_lots
        """The broker's quantity: without what earlier orders of its chain have executed."""
        self.order_id = 0
        """The broker's; 0 until it is told."""
        self.stage = Stage.SENT
        self.executed_lots = 0
        self.executed_before = 0
        """What the orders that it replaces have executed."""
        self.last_fill = 0
        """Trade id of its last fill told."""
        self.replaces: TrackedOrder | None = None
        self.replaced_by: TrackedOrder | None = None
        """A replacement is under way."""
        self.held: OrderCanceled | None = None
        """Told only if the replacement does not come."""
        self.is_leaving = False
        """A cancel is under way."""
        self.cancel_reason = CancelReason.USER
        self.modifications = 0
        """Reductions under way that were asked for by Modify."""

    @property
    def key(self) -> OrderKey:
        """Its number."""
        return self.ticket.user_ref_idx, self.ticket.user_ref_num


class Request(NamedTuple):
    """A request under way."""

    what: str
    """One of: enter, replace, cancel, reduce, modify."""
    order: TrackedOrder
    qty_lots: int = 0
    """Of a reduction: what its chain may have executed in the end."""


class Numbers:
    """The last UserRefNum of each channel: numbers only grow, and each is used once."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def last(self, channel: int) -> int:
        """The last number used; 0: none."""
        return self._last.get(channel, 0)

    def consume(self, channel: int, number: int) -> bool:
        """Use a number; False when it is not above the last one."""
        if number <= self.last(channel):
            return False
        self._last[channel] = number
        return True

    def give_back(self, channel: int, number: int, last: int | None = None) -> None:
        """The number may be used again, if none above it was."""
        if self.last(channel) == number:
            self._last[channel] = number - 1 if last is None else last


class OrderTable:
    """Orders by number, by the broker's id and by client order id; requests by id."""

    def __init__(self) -> None:
        self.by_key: dict[OrderKey, TrackedOrder] = {}
        self.requests: dict[int, Request] = {}
        self.forgotten_requests = 0
        self._by_order_id: dict[int, TrackedOrder] = {}
        self._by_client_id: dict[str, TrackedOrder] = {}

    def open_orders(self) -> Iterator[TrackedOrder]:
        """Those that can still trade, as of now."""
        return iter([order for order in self.by_key.values() if order.stage is not Stage.DEAD])

    def add(self, order: TrackedOrder) -> bool:
        """Remember an order; False when there is room for none."""
        if len(self.by_key) >= ORDERS_KEPT and not self._forget_one():
            return False
        self.by_key[order.key] = order
        self._by_client_id[order.client_order_id] = order
        return True

    def remove(self, order: TrackedOrder) -> None:
        """Forget an order."""
        self.by_key.pop(order.key, None)
        self._by_order_id.pop(order.order_id, None)
        if self._by_client_id.get(order.client_order_id) is order:
            del self._by_client_id[order.client_order_id]

    def find(self, order_id: int, client_order_id: str) -> TrackedOrder | None:
        """The order that the broker tells of; it gets the broker's id at its first time."""
        order = self._by_order_id.get(order_id)
        if order is None:
            order = self._by_client_id.get(client_order_id)
            if order is None or order.order_id:
                return None
            order.order_id = order_id
            self._by_order_id[order_id] = order
        return order

    def await_answer(self, request_id: int, request: Request) -> None:
        """Remember a request; the oldest is forgotten when there are too many."""
        if len(self.requests) >= REQUESTS_KEPT:
            del self.requests[next(iter(self.requests))]
            self.forgotten_requests += 1
        self.requests[request_id] = request

    def statistics(self) -> dict[str, int]:
        """Fill and limits."""
        return {
            "orders": len(self.by_key),
            "orders_limit": ORDERS_KEPT,
            "requests": len(self.requests),
            "requests_limit": REQUESTS_KEPT,
            "requests_forgotten": self.forgotten_requests,
        }

    def _forget_one(self) -> bool:
        """The oldest order that has ended goes, or else the oldest that nothing was ever told of."""
        for key in list(self.by_key):
            order = self.by_key[key]
            if order.stage is Stage.DEAD:
                self.remove(order)
                return True
            # Those that stay go to the end, so that the next search does not meet them again.
            self.by_key[key] = self.by_key.pop(key)
        unanswered = [order for order in self.by_key.values() if order.stage is Stage.SENT]
        if unanswered:
            self.remove(unanswered[0])
        return bool(unanswered)
