"""What is told to an account, as it concerns the requests and orders of its port.

Place on the data path: inside the port, between what is told and the responses. Invariant: a request is
answered at most once, by its first reply; events are passed on as often as they are told.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.broker.terms import OrderEvent, Refusal, Reply, Told
from engine.feeds.itch.writer import OPEN_NS
from engine.venue.host import BrokerView
from engine.venue.ouch.codes import CancelReason
from engine.venue.ouch.responses import Responses
from engine.venue.ouch.tracked import Numbers, OrderTable, Request, Stage, TrackedOrder

__all__ = ["Outcomes"]


class Outcomes:
    """Takes `told`; after missed messages `resync`."""

    def __init__(
        self,
        table: OrderTable,
        numbers: Numbers,
        responses: Responses,
        *,
        cancel: Callable[[TrackedOrder], object],
    ) -> None:
        """`cancel` asks the broker to cancel an order."""
        self.unknown = 0
        """Replies that said that the outcome is unknown."""
        self._table = table
        self._numbers = numbers
        self._responses = responses
        self._cancel = cancel

    def told(self, told: Told) -> None:
        """Something was told to this account."""
        message = told.message
        time_ns = OPEN_NS + told.happened_ns
        if isinstance(message, OrderEvent):
            self._take_event(message, time_ns)
        elif isinstance(message, Reply):
            request = self._table.requests.pop(message.request_id, None)
            if request is not None:
                self._take_reply(request, message, time_ns)

    def resync(self, account: int, broker: BrokerView, time_ns: int) -> None:
        """Messages were missed: tell what became of the orders meanwhile. An order that the broker does not
        know may be on its way still, so nothing is told of it."""
        for order in self._table.open_orders():
            if order.order_id:
                state = broker.order(account, order.order_id)
            else:
                state = broker.order_by_client_id(account, order.client_order_id)
            if state is None:
                continue
            fills = [
                fill
                for fill in broker.order_fills(account, state.order_id)
                if fill.trade_id > order.last_fill
            ]
            for event in self._responses.missed_events(order, state, fills):
                self._take_event(event, time_ns)

    def _take_event(self, event: OrderEvent, time_ns: int) -> None:
        state = event.order
        order = self._table.find(state.order_id, state.client_order_id)
        if order is not None:
            self._responses.of_event(event, order, time_ns)

    def _take_reply(self, request: Request, reply: Reply, time_ns: int) -> None:
        order = request.order
        refusal = reply.refusal
        if refusal == Refusal.TIMEOUT_UNKNOWN:
            self.unknown += 1
            order.is_leaving = False
            self._let_go(order)
        elif request.what == "enter":
            if refusal and order.stage is Stage.SENT:
                self._responses.refuse(time_ns, order, refusal)
        elif request.what == "replace":
            if refusal:
                self._take_failed_replacement(order, reply, time_ns)
        elif not refusal:
            order.modifications += request.what == "modify"
        elif request.what == "cancel":
            order.is_leaving = False
            if refusal != Refusal.UNKNOWN_ORDER and order.cancel_reason is CancelReason.USER:
                self._responses.cancel_reject(time_ns, order)
        elif (
            refusal == Refusal.AMEND_NOT_LESS
            and request.qty_lots <= order.executed_before + order.executed_lots
        ):
            self._cancel(order)  # it has executed meanwhile what was to be left of it
        elif refusal not in (Refusal.UNKNOWN_ORDER, Refusal.AMEND_NOT_LESS):
            self._responses.cancel_reject(time_ns, order)

    def _take_failed_replacement(self, order: TrackedOrder, reply: Reply, time_ns: int) -> None:
        self._let_go(order)
        if reply.was_cancelled is None and order.stage is Stage.SENT:
            reason = reply.refusal if reply.cancel_refusal == Refusal.NONE else Refusal.CANCEL_FAILED
            self._responses.refuse(time_ns, order, reason)
        else:
            order.stage = Stage.DEAD
            self._numbers.give_back(*order.key)

    def _let_go(self, order: TrackedOrder) -> None:
        """No replacement comes: if what it was to replace has gone, that is told."""
        original = order.replaces
        if original is not None and original.replaced_by is order:
            original.replaced_by = None
            if original.held is not None:
                self._responses.add(original.held)
                original.held = None
