"""Order entry in Binance's FIX dialect: cancel-replace, amend, order lists, limits.

Place on the data path: as entry.py. Every session of an account hears of all its orders, unless it asked for
acknowledgements only (ResponseMode 2). Sessions begin anew with each logon, so nothing is told to one that
is not connected. Source: fix-api.md and the order entry schema of the public Binance documentation.
"""

from __future__ import annotations

from collections import deque

from engine.broker.terms import (
    AmendOrder,
    CancelList,
    CancelReplace,
    Execution,
    ListEvent,
    ListKind,
    OrderEvent,
    PlaceList,
    Refusal,
    Reply,
)
from engine.core.clock import NS_PER_S
from engine.venue.fix.entry import EntryGateway, OrderEntry, Remembered
from engine.venue.fix.orders import MOST, FieldRefused, OrderRefused, client_id, order_terms
from engine.venue.fix.reports import Pair
from engine.venue.fix.rules import Dialect, Reject, entries
from engine.venue.fix.session import Session
from engine.venue.fix.wire import Message, timestamp
from engine.venue.host import VenueHost

__all__ = ["MESSAGE_LIMIT", "MESSAGE_WINDOW_NS", "BinanceEntry"]

MESSAGE_LIMIT = 10_000
"""Messages of one connection per MESSAGE_WINDOW_NS; more end it."""
MESSAGE_WINDOW_NS = 10 * NS_PER_S
ORDER_LIMIT = 100_000
"""New orders of one session per MESSAGE_WINDOW_NS, as LimitResponse says; the broker's filters come first."""


class BinanceEntry(OrderEntry):
    """Orders of one session in Binance's dialect."""

    dialect = Dialect.BINANCE

    def __init__(
        self, session: Session, gateway: EntryGateway, host: VenueHost, account: int, *, may_trade: bool
    ) -> None:
        super().__init__(session, gateway, host, account, may_trade=may_trade)
        self.only_acks = False
        self._orders |= {"XCN": self._replace, "XAK": self._amend, "E": self._place_list}
        self._questions["XLQ"] = self._tell_limits
        self._awaited = Remembered()
        """Ids whose acknowledgement is to be told in spite of `only_acks`."""
        self._window_ns = 0
        self._messages = 0
        self._placed_times: deque[int] = deque(maxlen=ORDER_LIMIT)

    def count_message(self) -> bool:
        """Counts an incoming message; False when there have been too many."""
        now_ns = self.now_ns
        if now_ns - self._window_ns >= MESSAGE_WINDOW_NS:
            self._window_ns, self._messages = now_ns, 0
        self._messages += 1
        return self._messages <= MESSAGE_LIMIT

    def hear(self, message: OrderEvent | ListEvent) -> None:
        """Reports what happened to an order or a list of the account."""
        if not self.session.is_connected:
            return
        if isinstance(message, ListEvent):
            if not self.only_acks or message.state.list_client_order_id in self._awaited:
                self._send("N", self._reporter.list_status(message))
            return
        if self.only_acks and not self._is_ack(message):
            return
        self._send("8", self._reporter.event(message, self._gateway.exec_id(message)))

    def _is_ack(self, event: OrderEvent) -> bool:
        order = event.order
        name = order.cancel_id if event.execution is Execution.CANCELED else order.client_order_id
        acks = (Execution.NEW, Execution.CANCELED, Execution.REPLACED)
        return event.execution in acks and name in self._awaited

    def _note_order(self, client_order_id: str) -> None:
        self._placed_times.append(self.now_ns)
        self._awaited.note(client_order_id)

    # -- requests --------------------------------------------------------------------------------------

    def _cancel(self, message: Message) -> None:
        self._awaited.note(message.get(11))
        if 66 not in message.values and 25015 not in message.values:
            super()._cancel(message)
            return
        self._check_symbol(message)
        list_id = message.number(66) if 66 in message.values else -1
        if list_id is None:
            raise FieldRefused(66, "ListID must be a number of ours.")
        request = CancelList(
            self.account,
            self._host.next_request_id(),
            list_id=list_id,
            list_client_order_id=client_id(message.values, 25015, self.dialect),
            new_client_order_id=client_id(message.values, 11, self.dialect),
        )
        self._gateway.ask(request, lambda reply: self._cancelled(message, reply))

    def _replace(self, message: Message) -> None:
        mode = message.get(25033)
        if mode not in ("1", "2"):
            raise FieldRefused(25033, "OrderCancelRequestAndNewOrderSingleMode must be 1 or 2.")
        cancel = self._cancel_request(message, 25034)
        terms = order_terms(message.values, self.money, self.dialect)
        self._note_order(terms.client_order_id)
        if cancel.new_client_order_id:
            self._awaited.note(cancel.new_client_order_id)
        request = CancelReplace(self.account, cancel.request_id, cancel, terms, allow_failure=mode == "2")
        self._gateway.ask(request, lambda reply: self._replaced(message, reply))

    def _replaced(self, message: Message, reply: Reply) -> None:
        if reply.refusal is Refusal.TIMEOUT_UNKNOWN:
            self._tell_unknown(message)
            return
        if reply.cancel_refusal:
            self._refuse_cancel(message, reply.cancel_refusal)
        elif reply.refusal and not reply.order_refusal:
            self._refuse_order(message, reply.refusal, detail=reply.detail)
        if reply.order_refusal:
            self._refuse_order(message, reply.order_refusal, detail=reply.detail)

    def _amend(self, message: Message) -> None:
        self._check_symbol(message)
        lots = self.money.lots(message.get(38))
        if lots is None or lots > MOST:
            raise OrderRefused(Refusal.LOT_SIZE)
        request = AmendOrder(
            self.account,
            self._host.next_request_id(),
            order_id=self._order_id(message),
            client_order_id=client_id(message.values, 41, self.dialect),
            new_client_order_id=client_id(message.values, 11, self.dialect),
            new_qty_lots=lots,
        )
        if not request.order_id and not request.client_order_id:
            raise FieldRefused(41, "Tag 41 or 37 is required.", code=-1102)
        self._awaited.note(request.new_client_order_id)
        self._gateway.ask(request, lambda reply: self._cancelled(message, reply))

    def _refuse_cancel(self, message: Message, refusal: Refusal, known: object = None) -> None:
        if message.type != "XAK":
            super()._refuse_cancel(message, refusal)
            return
        fields = [(tag, message.get(tag)) for tag in (11, 41, 37, 55, 38) if tag in message.values]
        self._send("XAR", fields + self._explain(refusal, cancelling=True))

    # -- lists -----------------------------------------------------------------------------------------

    def _place_list(self, message: Message) -> None:
        parts = entries(message, 73)
        contingency = message.get(1385)
        kinds = {("1", 2): ListKind.OCO, ("2", 2): ListKind.OTO, ("2", 3): ListKind.OTOCO}
        kind = kinds.get((contingency, len(parts)))
        if kind is None:
            raise FieldRefused(1385, "Unsupported order combination.", code=-1014)
        for part in parts:
            for tag in (11, 40, 54, 55):
                if tag not in part:
                    text = f"Required tag {tag} is missing."
                    raise FieldRefused(tag, text, reason=Reject.REQUIRED_TAG_MISSING, code=-1102)
        orders = [order_terms(part, self.money, self.dialect) for part in parts]
        if kind is not ListKind.OTO:  # FIX names the order below first, the broker the one above
            orders[-2:] = reversed(orders[-2:])
        name = client_id(message.values, 25014, self.dialect)
        self._awaited.note(name)
        for order in orders:
            self._note_order(order.client_order_id)
        request = PlaceList(self.account, self._host.next_request_id(), kind, name, tuple(orders))
        self._gateway.ask(request, lambda reply: self._list_placed(message, reply))

    def _list_placed(self, message: Message, reply: Reply) -> None:
        if reply.refusal is Refusal.TIMEOUT_UNKNOWN:
            self._tell_unknown(message)
        elif reply.refusal:
            self._refuse_list(message, reply.refusal, reply.detail)

    def _refuse_order(self, message: Message, refusal: Refusal, text: str = "", *, detail: str = "") -> None:
        if message.type == "E":
            self._refuse_list(message, refusal, detail)
        else:
            super()._refuse_order(message, refusal, text, detail=detail)

    def _refuse_list(self, message: Message, refusal: Refusal, detail: str) -> None:
        why = self._explain(refusal, detail)
        fields: list[Pair] = [
            (55, self.money.symbol),
            (25014, message.get(25014)),
            (1385, message.get(1385)),
            (429, "2"),
            (431, "7"),
            (1386, "99"),
            (60, timestamp(self.now_ns)),
        ]
        parts = entries(message, 73)
        fields.append((73, str(len(parts))))
        for part in parts:
            fields += [(11, part.get(11, "NONE")), (55, part.get(55, "NONE")), (103, "99")]
            fields += [(25016, why[1][1]), (58, why[0][1])]
        self._send("N", fields)

    # -- limits ----------------------------------------------------------------------------------------

    def _tell_limits(self, message: Message) -> None:
        recent = self._placed_times
        since_ns = self.now_ns - MESSAGE_WINDOW_NS
        while recent and recent[0] < since_ns:
            recent.popleft()
        fields: list[Pair] = [(6136, message.get(6136)), (25003, "2")]
        for kind, count, most in (
            ("2", self._messages, MESSAGE_LIMIT),
            ("1", len(recent), ORDER_LIMIT),
        ):
            fields += [(25004, kind), (25005, str(count)), (25006, str(most))]
            fields += [(25007, str(MESSAGE_WINDOW_NS // NS_PER_S)), (25008, "s")]
        self._send("XLR", fields)
