"""What the broker tells, in OUCH's words.

Place on the data path: inside the port, in front of its log. Invariant: a response says what the event says,
and nothing that only the port believes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.broker.terms import (
    Execution,
    Fill,
    OrderEvent,
    OrderState,
    OrderStatus,
    OrderType,
    Refusal,
)
from engine.core.types import TimeInForce
from engine.feeds.transport.retained import RetainedMessages
from engine.venue.ouch import messages as ouch
from engine.venue.ouch.codes import REFUSED, CancelReason, Liquidity, RejectReason
from engine.venue.ouch.orders import OrderRules
from engine.venue.ouch.tracked import Stage, TrackedOrder
from engine.venue.ouch.wire import Options, OuchMessage, Tag, write

__all__ = ["Responses"]

_NO_REFERENCE = 1 << 63
"""Order reference numbers from here on are of orders that never were in the book."""
_WITH_DETAILS = ("D", "d")
"""AIQ strategies whose cancels tell what was prevented."""


class Responses:
    """Writes one port's log."""

    def __init__(self, rules: OrderRules, log: RetainedMessages) -> None:
        self.counts = dict.fromkeys(("responses", "accepted", "rejected", "executed"), 0)
        self._rules = rules
        self._log = log

    def add(self, message: OuchMessage) -> None:
        """One response."""
        self.counts["responses"] += 1
        self._log.append(write(message))

    def of_event(self, event: OrderEvent, order: TrackedOrder, time_ns: int) -> None:
        """What happened to an order of the port; it is taken into account here as well."""
        state, execution = event.order, event.execution
        if execution is Execution.NEW:
            self._begin(time_ns, order, state)
        elif execution is Execution.TRADE and event.fill is not None:
            self._execute(time_ns, order, event.fill)
        elif execution is Execution.REPLACED:
            self._reduce(time_ns, order, state)
        elif execution is Execution.TRADE_PREVENTION:
            self._prevent(time_ns, order, event)
        elif execution is Execution.REJECTED:
            if order.stage is Stage.SENT:
                self.refuse(time_ns, order, event.refusal)
        else:
            self._leave(time_ns, order, event)
        order.qty_lots = min(order.qty_lots, state.qty_lots)
        order.executed_lots = max(order.executed_lots, state.executed_lots)
        if not state.status.is_open:
            order.stage = Stage.DEAD

    def refuse(self, time_ns: int, order: TrackedOrder, refusal: Refusal) -> None:
        """The broker did not take an order."""
        order.stage = Stage.DEAD
        if refusal == Refusal.WOULD_TAKE:
            # To OUCH a post-only order that would take is accepted, and cancelled with a reason of its own.
            self._accept(time_ns, order, _NO_REFERENCE | order.ticket.user_ref_num)
            self.add(_canceled(time_ns, order, order.qty_lots, CancelReason.POST_ONLY))
            return
        ticket = order.ticket
        reason = REFUSED.get(refusal, RejectReason.OTHER)
        self.reject(time_ns, ticket.user_ref_idx, ticket.user_ref_num, reason, ticket.client_order_id)

    def reject(
        self, time_ns: int, channel: int, number: int, reason: RejectReason, client_order_id: str
    ) -> None:
        """A request that never reached the market."""
        self.counts["rejected"] += 1
        self.add(ouch.Rejected(time_ns, number, reason, client_order_id, _of_channel(channel)))

    def cancel_reject(self, time_ns: int, order: TrackedOrder) -> None:
        """The venue does not cancel it now."""
        self.add(ouch.CancelReject(time_ns, order.ticket.user_ref_num, _options(order)))

    def missed_events(
        self, order: TrackedOrder, state: OrderState, fills: Sequence[Fill]
    ) -> Iterator[OrderEvent]:
        """Events that lead from what the port knows of an order to its present state."""
        if order.stage is Stage.SENT:
            yield OrderEvent(Execution.NEW, state)
        for fill in fills:
            yield OrderEvent(Execution.TRADE, state, fill)
        if state.qty_lots < order.qty_lots:
            yield OrderEvent(Execution.REPLACED, state)
        if state.status is OrderStatus.EXPIRED_IN_MATCH:
            yield OrderEvent(Execution.TRADE_PREVENTION, state, prevented_lots=state.prevented_lots)
        elif state.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED):
            yield OrderEvent(Execution(str(state.status)), state)

    def _begin(self, time_ns: int, order: TrackedOrder, state: OrderState) -> None:
        if order.stage is Stage.SENT:
            order.stage = Stage.LIVE
        reference = state.market_id or _NO_REFERENCE | order.ticket.user_ref_num
        original = order.replaces
        if original is None:
            self._accept(time_ns, order, reference)
            return
        original.held = original.replaced_by = None
        original.stage = Stage.DEAD
        order.executed_before = original.executed_before + original.executed_lots
        order.qty_lots = state.qty_lots
        ticket = order.ticket
        self.counts["accepted"] += 1
        self.add(
            ouch.OrderReplaced(
                time_ns,
                original.ticket.user_ref_num,
                ticket.user_ref_num,
                ticket.side,
                order.qty_lots,
                ticket.symbol,
                ticket.price,
                ticket.time_in_force,
                ticket.display,
                reference,
                ticket.capacity,
                ticket.sweep,
                ticket.cross_type,
                "L",
                ticket.client_order_id,
                _echoed(ticket.options, ouch.OrderReplaced),
            )
        )

    def _accept(self, time_ns: int, order: TrackedOrder, reference: int) -> None:
        ticket = order.ticket
        self.counts["accepted"] += 1
        self.add(
            ouch.OrderAccepted(
                time_ns,
                ticket.user_ref_num,
                ticket.side,
                order.qty_lots,
                ticket.symbol,
                ticket.price,
                ticket.time_in_force,
                ticket.display,
                reference,
                ticket.capacity,
                ticket.sweep,
                ticket.cross_type,
                "L",
                ticket.client_order_id,
                _echoed(ticket.options, ouch.OrderAccepted),
            )
        )

    def _execute(self, time_ns: int, order: TrackedOrder, fill: Fill) -> None:
        order.last_fill = max(order.last_fill, fill.trade_id)
        self.counts["executed"] += 1
        self.add(
            ouch.OrderExecuted(
                time_ns,
                order.ticket.user_ref_num,
                fill.qty_lots,
                self._rules.price(fill.price_ticks),
                Liquidity.ADDED if fill.is_maker else Liquidity.REMOVED,
                fill.trade_id,
                _options(order),
            )
        )

    def _reduce(self, time_ns: int, order: TrackedOrder, state: OrderState) -> None:
        if order.modifications:
            order.modifications -= 1
            total = order.executed_before + state.qty_lots
            self.add(
                ouch.OrderModified(
                    time_ns, order.ticket.user_ref_num, order.ticket.side, total, _options(order)
                )
            )
        elif (gone := order.qty_lots - state.qty_lots) > 0:
            self.add(_canceled(time_ns, order, gone, CancelReason.USER))

    def _prevent(self, time_ns: int, order: TrackedOrder, event: OrderEvent) -> None:
        state = event.order
        # When the order is over, all that is left of it goes.
        gone = event.prevented_lots + (0 if state.status.is_open else max(0, state.remaining_lots))
        strategy = str(order.ticket.options.get(Tag.AIQ_STRATEGY, ""))
        if strategy not in _WITH_DETAILS:
            self.add(_canceled(time_ns, order, gone, CancelReason.SELF_MATCH))
            return
        self.add(
            ouch.AiqCanceled(
                time_ns,
                order.ticket.user_ref_num,
                gone,
                CancelReason.SELF_MATCH,
                event.prevented_lots,
                order.ticket.price,
                Liquidity.ADDED if state.working_ns < state.updated_ns else Liquidity.REMOVED,
                strategy,
                _options(order),
            )
        )

    def _leave(self, time_ns: int, order: TrackedOrder, event: OrderEvent) -> None:
        state = event.order
        takes = state.type is OrderType.MARKET or state.time_in_force != TimeInForce.GTC
        if event.execution is Execution.CANCELED:
            reason = order.cancel_reason if order.is_leaving else CancelReason.USER
        else:
            reason = CancelReason.IMMEDIATE if takes else CancelReason.SYSTEM
        message = _canceled(time_ns, order, max(0, state.remaining_lots), reason)
        if order.replaced_by is not None and event.execution is Execution.CANCELED:
            order.held = message
        else:
            self.add(message)


def _canceled(time_ns: int, order: TrackedOrder, lots: int, reason: CancelReason) -> ouch.OrderCanceled:
    return ouch.OrderCanceled(time_ns, order.ticket.user_ref_num, lots, reason, _options(order))


def _options(order: TrackedOrder) -> Options:
    return _of_channel(order.ticket.user_ref_idx)


def _of_channel(channel: int) -> Options:
    return {Tag.USER_REF_IDX: channel} if channel else {}


def _echoed(options: Options, kind: type[OuchMessage]) -> Options:
    """The order's own options, as far as the response has them."""
    return {tag: value for tag, value in options.items() if tag in kind.tags}
