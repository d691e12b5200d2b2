"""Order entry of one session: its messages into broker requests, and what the broker tells into its reports.

Place on the data path: between the session machine and the gateway. What both dialects share is here;
standard.py and binance.py add what only one of them has. Invariant: every request that came in order is
answered by a report, a cancel reject, a reject or, when the venue itself does not know, by saying so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from engine.broker.money import Money
from engine.broker.terms import (
    BrokerRequest,
    CancelAllOrders,
    CancelOrder,
    ListEvent,
    OrderEvent,
    OrderState,
    PlaceOrder,
    Refusal,
    Reply,
)
from engine.venue.binance.errors import refused
from engine.venue.fix.orders import FieldRefused, OrderRefused, client_id, order_terms
from engine.venue.fix.reports import Pair, Reporter, cancel_reason, echo_order, order_reason, status_code
from engine.venue.fix.rules import Dialect, Fault
from engine.venue.fix.session import Session
from engine.venue.fix.wire import Message, timestamp

if TYPE_CHECKING:
    from engine.venue.host import VenueHost

__all__ = ["IDS_KEPT", "EntryGateway", "OrderEntry", "Remembered"]

IDS_KEPT = 50_000
"""Client order ids and orders that a session remembers; the oldest are forgotten first."""
CANCEL_REQUEST, REPLACE_REQUEST = "1", "2"
"""CxlRejResponseTo (434)."""


class EntryGateway(Protocol):
    """What an order entry needs of its gateway."""

    @property
    def now_ns(self) -> int:
        """Our clock."""

    def ask(self, request: BrokerRequest, answer: Callable[[Reply], None], /) -> None:
        """Queues a request; `answer` is called with its reply, at once when the gateway has to refuse."""

    def exec_id(self, event: OrderEvent | None, /) -> str:
        """A number for a report; the same for the same event."""

    def later(self, delay_ns: int, action: Callable[[], None], /) -> None:
        """Runs an action after so long."""


class Remembered(OrderedDict[str, int]):
    """The last IDS_KEPT ids."""

    def note(self, key: str, value: int = 0) -> None:
        """Remembers an id."""
        self[key] = value
        while len(self) > IDS_KEPT:
            self.popitem(last=False)


class OrderEntry:
    """Orders of one session.

    In    handle (messages)      hear (what the broker tells)
    Out   through the session
    """

    dialect = Dialect.STANDARD

    def __init__(
        self, session: Session, gateway: EntryGateway, host: VenueHost, account: int, *, may_trade: bool
    ) -> None:
        self.session = session
        self.account = account
        self.may_trade = may_trade
        self._gateway = gateway
        self._host = host
        self.money = Money(host.instrument)
        self._reporter = Reporter(self.money, self.dialect, host.epoch_ns)
        self._orders: dict[str, Callable[[Message], None]] = {
            "D": self._place,
            "F": self._cancel,
            "q": self._cancel_all,
        }
        """Messages that change something."""
        self._questions: dict[str, Callable[[Message], None]] = {}

    @property
    def now_ns(self) -> int:
        """Our clock."""
        return self._gateway.now_ns

    # -- in --------------------------------------------------------------------------------------------

    def handle(self, message: Message) -> bool:
        """Acts on a message; False when it is none of order entry."""
        action = self._orders.get(message.type)
        if action is None:
            question = self._questions.get(message.type)
            if question is None:
                return False
            question(message)
            return True
        try:
            if not self.may_trade:
                raise FieldRefused(553, "Invalid API-key, IP, or permissions for action.", code=-2015)
            action(message)
        except FieldRefused as error:
            self._refuse_field(message, error)
        except OrderRefused as error:
            self._refuse_order(message, error.refusal, error.text)
        return True

    def hear(self, message: OrderEvent | ListEvent) -> None:
        """Reports something that happened to an order or a list of the account."""
        raise NotImplementedError

    # -- requests --------------------------------------------------------------------------------------

    def _place(self, message: Message) -> None:
        terms = order_terms(message.values, self.money, self.dialect)
        self._note_order(terms.client_order_id)
        request = PlaceOrder(self.account, self._host.next_request_id(), terms)
        self._gateway.ask(request, lambda reply: self._placed(message, reply))

    def _placed(self, message: Message, reply: Reply) -> None:
        if reply.refusal is Refusal.TIMEOUT_UNKNOWN:
            self._tell_unknown(message)
        elif reply.refusal:
            self._refuse_order(message, reply.refusal, detail=reply.detail)

    def _cancel(self, message: Message) -> None:
        request = self._cancel_request(message)
        self._begin_cancel(message)
        self._gateway.ask(request, lambda reply: self._cancelled(message, reply))

    def _begin_cancel(self, message: Message) -> None:
        """A cancel reads well and is about to be asked for."""

    def _cancel_request(self, message: Message, new_id_tag: int = 11) -> CancelOrder:
        self._check_symbol(message)
        order_id = self._order_id(message)
        original = client_id(message.values, 41, self.dialect)
        if not order_id and not original:
            raise FieldRefused(41, "Tag 41 or 37 is required.", code=-1102)
        restriction = message.get(25002)
        if restriction not in ("", "1", "2"):
            raise FieldRefused(25002, "CancelRestrictions must be 1 or 2.", code=-1145)
        return CancelOrder(
            account=self.account,
            request_id=self._host.next_request_id(),
            order_id=order_id,
            client_order_id=original,
            new_client_order_id=client_id(message.values, new_id_tag, self.dialect),
            only_status={"1": "ONLY_NEW", "2": "ONLY_PARTIALLY_FILLED"}.get(restriction, ""),
        )

    def _cancelled(self, message: Message, reply: Reply) -> None:
        if reply.refusal is Refusal.TIMEOUT_UNKNOWN:
            self._tell_unknown(message)
        elif reply.refusal:
            self._refuse_cancel(message, reply.refusal)

    def _cancel_all(self, message: Message) -> None:
        kind = message.get(530)
        kinds = "1" if self.dialect is Dialect.BINANCE else "17"
        if kind not in kinds:
            raise FieldRefused(530, f"MassCancelRequestType must be one of {', '.join(kinds)}.")
        if kind == "1":
            self._check_symbol(message)
        client_id(message.values, 11, self.dialect)
        request = CancelAllOrders(self.account, self._host.next_request_id())
        self._gateway.ask(request, lambda reply: self._all_cancelled(message, reply))

    def _all_cancelled(self, message: Message, reply: Reply) -> None:
        if reply.refusal is Refusal.TIMEOUT_UNKNOWN:
            self._tell_unknown(message)
            return
        fields: list[Pair] = [(11, message.get(11)), (530, message.get(530))]
        is_standard = self.dialect is Dialect.STANDARD
        if is_standard:
            fields.insert(0, (37, str(reply.request_id)))
            fields.append((60, timestamp(self.now_ns)))
        # Nothing to cancel is no reason for the standard to refuse; Binance calls it an unknown order.
        if reply.refusal and not (is_standard and reply.refusal is Refusal.UNKNOWN_ORDER):
            fields += [(531, "0"), (532, "99")]
            if 55 in message.values:
                fields.append((55, message.get(55)))
            fields += self._explain(reply.refusal, cancelling=True)
        else:
            fields += [(531, message.get(530)), (533, str(len(reply.orders)))]
            if 55 in message.values:
                fields.append((55, message.get(55)))
        self._send("r", fields)

    # -- refusals --------------------------------------------------------------------------------------

    def _refuse_field(self, message: Message, error: FieldRefused) -> None:
        """A value that cannot be used: Binance rejects the message, the standard the order."""
        if self.dialect is Dialect.BINANCE or error.reason == 1:
            fault = Fault(error.reason, error.tag, str(error))
            self.session.reject(message, fault, self.now_ns, error.code)
        elif message.type == "D":
            reason = "1" if error.tag == 55 else "11"
            self._send("8", self._rejected_order(message, [(103, reason), (58, str(error))]))
        elif message.type in ("F", "G"):
            self._send("9", self._rejected_cancel(message, [(102, "99"), (58, str(error))]))
        else:
            self.session.business_reject(message, 0, str(error), self.now_ns)

    def _refuse_order(self, message: Message, refusal: Refusal, text: str = "", *, detail: str = "") -> None:
        if message.type in ("F", "G", "XAK"):
            self._refuse_cancel(message, refusal)
            return
        reason = [(103, order_reason(refusal, self.dialect))]
        explained = [(58, text)] if text else self._explain(refusal, detail)
        self._send("8", self._rejected_order(message, reason + explained))

    def _refuse_cancel(self, message: Message, refusal: Refusal, known: OrderState | None = None) -> None:
        order = known or self._find(message)
        reason = [(102, cancel_reason(refusal, is_known=order is not None))]
        if self.dialect is Dialect.BINANCE:
            reason = []
        fields = self._rejected_cancel(message, reason + self._explain(refusal, cancelling=True), order)
        self._send("9", fields)

    def _rejected_order(self, message: Message, why: list[Pair]) -> list[Pair]:
        zero = self.money.quantity_text(0)
        fields: list[Pair] = [(11, message.get(11)), (150, "8"), (39, "8"), (14, zero), (32, zero)]
        fields += echo_order(message.values, self.dialect)
        if self.dialect is Dialect.STANDARD:
            fields += [(37, "NONE"), (17, self._gateway.exec_id(None)), (151, zero), (6, zero)]
        return [*fields, (60, timestamp(self.now_ns)), *why]

    def _rejected_cancel(
        self, message: Message, why: list[Pair], order: OrderState | None = None
    ) -> list[Pair]:
        fields: list[Pair] = [(11, message.get(11))]
        if self.dialect is Dialect.BINANCE:
            named = [tag for tag in (41, 37, 25015, 66, 55, 25002) if tag in message.values]
            fields += [(tag, message.get(tag)) for tag in named]
            return [*fields, (434, CANCEL_REQUEST), *why]
        original = message.get(41) or (order.client_order_id if order is not None else "NONE")
        return [
            (37, str(order.order_id) if order is not None else "NONE"),
            *fields,
            (41, original),
            (39, status_code(order) if order is not None else "8"),
            (434, REPLACE_REQUEST if message.type == "G" else CANCEL_REQUEST),
            (60, timestamp(self.now_ns)),
            *why,
        ]

    def _explain(self, refusal: Refusal, detail: str = "", *, cancelling: bool = False) -> list[Pair]:
        answer = refused(refusal, detail, cancelling=cancelling)
        fields = [(58, answer.message)]
        if self.dialect is Dialect.BINANCE:
            fields.append((25016, str(answer.code)))
        return fields

    def _tell_unknown(self, message: Message) -> None:
        """The venue does not know whether the request was carried out, and says so."""
        answer = refused(Refusal.TIMEOUT_UNKNOWN)
        if self.dialect is Dialect.BINANCE:
            self.session.reject(message, Fault(99, None, answer.message), self.now_ns, answer.code)
        else:
            self.session.business_reject(message, 4, answer.message, self.now_ns)

    # -- small parts -----------------------------------------------------------------------------------

    def _check_symbol(self, message: Message) -> None:
        if message.get(55) != self.money.symbol:
            raise FieldRefused(55, "Invalid symbol.", code=-1121)

    def _order_id(self, message: Message) -> int:
        if 37 not in message.values:
            return 0
        number = message.number(37)
        if not number:
            raise FieldRefused(37, "OrderID must be a number of ours.")
        return number

    def _find(self, message: Message) -> OrderState | None:
        """The order that a cancel, an amendment or a question names."""
        broker = self._host.broker
        number = message.number(37)
        if number:
            return broker.order(self.account, number)
        name = message.get(41)
        return broker.order_by_client_id(self.account, name) if name else None

    def _note_order(self, client_order_id: str) -> None:
        """An order with this id is about to be asked for."""

    def _send(self, message_type: str, fields: list[Pair]) -> None:
        self.session.send(message_type, fields, self.now_ns)
