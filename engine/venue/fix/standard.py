"""Order entry in plain FIX 4.4: own orders only, ClOrdID chains, pending states, Replaced.

Place on the data path: as entry.py. A replacement is an amendment where only the quantity shrinks (the order
keeps its place and its OrderID); else the broker cancels the order and places another at the same instant,
and FIX hears of one order going on: one report, Replaced, under the new ClOrdID and OrderID, with what the
orders before it have traded counted in. Invariant: OrderQty = CumQty + LeavesQty while an order is open.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import msgspec.structs

from engine.broker.terms import (
    AmendOrder,
    CancelOrder,
    CancelReplace,
    Execution,
    ListEvent,
    OrderEvent,
    OrderState,
    OrderStatus,
    OrderTerms,
    OrderType,
    Refusal,
    Reply,
)
from engine.venue.fix.entry import EntryGateway, OrderEntry, Remembered
from engine.venue.fix.orders import FieldRefused, OrderRefused, client_id, order_terms
from engine.venue.fix.reports import NOTHING_CARRIED, Carried, status_code
from engine.venue.fix.rules import Dialect
from engine.venue.fix.session import Session
from engine.venue.fix.wire import Message, timestamp
from engine.venue.host import VenueHost

__all__ = ["StandardEntry"]

_with = msgspec.structs.replace

ORDERS_KEPT = 50_000
"""Own orders that a session remembers."""
PENDING_CANCEL, PENDING_REPLACE = "6", "E"
TOO_LATE = "0"
"""CxlRejReason (102)."""


class _Own(NamedTuple):
    """What is known here of an own order, beside the broker's state."""

    carried: Carried = NOTHING_CARRIED
    pending: str = ""
    """OrdStatus while a request about it is under way."""


class _Replacement(NamedTuple):
    """A cancel-replace under way."""

    old: OrderState
    carried: Carried


class StandardEntry(OrderEntry):
    """Orders of one session in the standard dialect."""

    dialect = Dialect.STANDARD

    def __init__(
        self, session: Session, gateway: EntryGateway, host: VenueHost, account: int, *, may_trade: bool
    ) -> None:
        super().__init__(session, gateway, host, account, may_trade=may_trade)
        self._orders["G"] = self._replace
        self._questions["H"] = self._tell_status
        self._ids = Remembered()
        """ClOrdIDs that were used, with their orders' OrderIDs; 0: none, or not heard of yet."""
        self._own: OrderedDict[int, _Own] = OrderedDict()
        """Own orders by OrderID."""
        self._replacements: dict[str, _Replacement] = {}
        """By the new ClOrdID."""

    # -- in --------------------------------------------------------------------------------------------

    def hear(self, message: OrderEvent | ListEvent) -> None:
        """Reports what happened to an own order."""
        if isinstance(message, ListEvent):
            return
        order = message.order
        if order.order_id not in self._own:
            if order.client_order_id not in self._ids:
                return
            self._remember(order.order_id, _Own())
        if message.execution in (Execution.NEW, Execution.REPLACED):
            self._ids.note(order.client_order_id, order.order_id)
        if message.execution is Execution.NEW and order.client_order_id in self._replacements:
            self._report_replaced(order)
            return
        if message.execution is Execution.CANCELED and order.cancel_id in self._replacements:
            replacement = self._replacements[order.cancel_id]
            self._replacements[order.cancel_id] = replacement._replace(old=order)
            return
        own = self._own[order.order_id]
        settles = message.execution in (Execution.CANCELED, Execution.REPLACED) and bool(order.cancel_id)
        if own.pending and (settles or not order.status.is_open):
            own = own._replace(pending="")
            self._own[order.order_id] = own
        exec_id = self._gateway.exec_id(message)
        self._send("8", self._reporter.event(message, exec_id, carried=own.carried, pending=own.pending))

    def _place(self, message: Message) -> None:
        if message.get(11) in self._ids:
            if message.is_set(97):
                self._tell_status(message)
                return
            raise OrderRefused(Refusal.DUPLICATE_ORDER)
        super()._place(message)

    def _cancel(self, message: Message) -> None:
        self._check_id(message)
        super()._cancel(message)

    def _begin_cancel(self, message: Message) -> None:
        self._note_order(message.get(11))
        self._set_pending(message, PENDING_CANCEL)

    def _cancelled(self, message: Message, reply: Reply) -> None:
        if reply.refusal:
            self._settle(message)
        if reply.refusal is Refusal.AMEND_NOT_LESS:
            self._refuse_quantity(message, self._find(message))
            return
        super()._cancelled(message, reply)

    # -- replacing -------------------------------------------------------------------------------------

    def _replace(self, message: Message) -> None:
        self._check_id(message)
        self._check_symbol(message)
        self._order_id(message)
        client_id(message.values, 41, self.dialect)
        order = self._find(message)
        if order is None or not order.status.is_open:
            self._note_order(message.get(11))
            self._refuse_cancel(message, Refusal.UNKNOWN_ORDER, order)
            return
        carried = self._carried(order)
        terms = order_terms(message.values, self.money, self.dialect)
        if terms.side != order.side:
            raise FieldRefused(54, "Side must not change.")
        lots = terms.qty_lots - carried.lots
        if lots <= order.executed_lots:
            self._refuse_quantity(message, order)
            return
        self._note_order(terms.client_order_id)
        self._set_pending(message, PENDING_REPLACE)
        if _only_shrinks(order, terms, lots):
            self._amend(message, order, terms.client_order_id, lots)
        else:
            self._cancel_and_place(message, order, terms, carried)

    def _amend(self, message: Message, order: OrderState, new_id: str, lots: int) -> None:
        request = AmendOrder(
            self.account,
            self._host.next_request_id(),
            order_id=order.order_id,
            new_client_order_id=new_id,
            new_qty_lots=lots,
        )
        self._gateway.ask(request, lambda reply: self._cancelled(message, reply))

    def _cancel_and_place(
        self, message: Message, order: OrderState, terms: OrderTerms, carried: Carried
    ) -> None:
        """The new order is for what the old one has left when the request arrives; when that is nothing any
        more, it is too late."""
        cancel = _with(self._cancel_request(message), order_id=order.order_id, client_order_id="")
        request = CancelReplace(
            self.account,
            cancel.request_id,
            cancel,
            terms,
            allow_failure=False,
            counts_executed=True,
            max_executed_lots=terms.qty_lots - 1,
        )
        self._replacements[terms.client_order_id] = _Replacement(order, carried)
        self._gateway.ask(request, lambda reply: self._replaced(message, reply))

    def _replaced(self, message: Message, reply: Reply) -> None:
        known = self._replacements.get(message.get(11))
        if not reply.refusal:
            if known is not None and reply.was_cancelled is not None:
                self._replacements[message.get(11)] = known._replace(old=reply.was_cancelled)
            return
        self._replacements.pop(message.get(11), None)
        self._settle(message)
        if reply.refusal is Refusal.TIMEOUT_UNKNOWN:
            self._tell_unknown(message)
        elif reply.cancel_refusal is Refusal.RESTRICTED:
            self._refuse_quantity(message, self._find(message))
        else:
            why = reply.order_refusal or reply.cancel_refusal or reply.refusal
            self._refuse_cancel(message, why, reply.was_cancelled)

    def _refuse_quantity(self, message: Message, order: OrderState | None) -> None:
        """So much has been traded already, maybe while the replacement was on its way."""
        text = "OrderQty must be greater than CumQty."
        self._send("9", self._rejected_cancel(message, [(102, TOO_LATE), (58, text)], order))

    def _report_replaced(self, order: OrderState) -> None:
        old, carried = self._replacements.pop(order.client_order_id)
        carried = Carried(carried.lots + old.executed_lots, carried.micro + old.executed_micro)
        self._remember(order.order_id, _Own(carried))
        self._own.pop(old.order_id, None)
        ids = [(11, order.client_order_id), (41, old.client_order_id)]
        exec_id = self._gateway.exec_id(None)
        status = "1" if carried.lots else "0"
        self._send("8", self._reporter.state(order, "5", status, exec_id, ids, carried=carried))

    # -- questions -------------------------------------------------------------------------------------

    def _tell_status(self, message: Message) -> None:
        delay_ns = self._host.boundary.read_delay_ns
        self._gateway.later(delay_ns, lambda: self._report_status(message))

    def _report_status(self, message: Message) -> None:
        number = message.number(37)
        broker = self._host.broker
        order = (
            broker.order(self.account, number)
            if number
            else broker.order_by_client_id(self.account, message.get(11))
        )
        exec_id = self._gateway.exec_id(None)
        asked = [(790, message.get(790))] if 790 in message.values else []
        if order is None:
            zero = self.money.quantity_text(0)
            fields = [(37, "NONE"), (11, message.get(11, "NONE")), (17, exec_id), (150, "I"), (39, "8")]
            fields += [(103, "5"), (55, message.get(55)), (54, message.get(54)), (151, zero), (14, zero)]
            fields += [(6, zero), (58, "Unknown order sent."), (60, timestamp(self.now_ns))]
            self._send("8", fields + asked)
            return
        self._host.note_answer(self.account, [order])
        own = self._own.get(order.order_id, _Own())
        status = own.pending or status_code(order)
        ids = [(11, order.client_order_id)]
        fields = self._reporter.state(order, "I", status, exec_id, ids, carried=own.carried)
        self._send("8", fields + asked)

    # -- small parts -----------------------------------------------------------------------------------

    def _check_id(self, message: Message) -> None:
        if client_id(message.values, 11, self.dialect) in self._ids:
            raise OrderRefused(Refusal.DUPLICATE_ORDER)

    def _find(self, message: Message) -> OrderState | None:
        number = 0 if 37 in message.values else self._ids.get(message.get(41), 0)
        return self._host.broker.order(self.account, number) if number else super()._find(message)

    def _cancel_request(self, message: Message, new_id_tag: int = 11) -> CancelOrder:
        request = super()._cancel_request(message, new_id_tag)
        number = 0 if request.order_id else self._ids.get(request.client_order_id, 0)
        return _with(request, order_id=number, client_order_id="") if number else request

    def _note_order(self, client_order_id: str) -> None:
        self._ids.note(client_order_id)

    def _remember(self, order_id: int, own: _Own) -> None:
        self._own[order_id] = own
        while len(self._own) > ORDERS_KEPT:
            self._own.popitem(last=False)

    def _carried(self, order: OrderState) -> Carried:
        return self._own.get(order.order_id, _Own()).carried

    def _set_pending(self, message: Message, pending: str) -> None:
        """Says that a request about an own order is under way, while it is not yet answered."""
        order = self._find(message)
        if order is None or not order.status.is_open or order.order_id not in self._own:
            return
        own = self._own[order.order_id]._replace(pending=pending)
        self._own[order.order_id] = own
        ids = [(11, message.get(11)), (41, order.client_order_id)]
        exec_id = self._gateway.exec_id(None)
        fields = self._reporter.state(order, pending, pending, exec_id, ids, carried=own.carried)
        self._send("8", fields)

    def _settle(self, message: Message) -> None:
        order = self._find(message)
        if order is not None and order.order_id in self._own:
            self._own[order.order_id] = self._own[order.order_id]._replace(pending="")


def _only_shrinks(order: OrderState, terms: OrderTerms, lots: int) -> bool:
    """Whether a replacement asks for less quantity of a plain resting order, and nothing else."""
    return (
        lots < order.qty_lots
        and terms.price_ticks == order.price_ticks
        and terms.type == order.type
        and order.type in (OrderType.LIMIT, OrderType.LIMIT_MAKER)
        and terms.time_in_force == order.time_in_force
        and terms.iceberg_lots == order.iceberg_lots == 0
        and order.status is not OrderStatus.PENDING_NEW
    )
