"""An OUCH port: the requests of one user become requests to the broker, and what is told becomes responses.

Place on the data path: between a SoupBinTCP session and the host, without input or output of its own.
Invariant: a response is in the log before anybody reads it, and what the broker tells of the port's orders is
in the log once for each time it is told; a client that lost its connection reads on where it was.

    Enter ──► A, or J                     told twice by a faulty venue: in the log twice
    A ──► E* ──► C (D, for AIQ with details)
    Replace ──► U instead of the old order's C; J when the old one cannot go (it has been filled meanwhile);
                the old one's C when it has gone, but the new one is refused
    Cancel  ──► C with what is gone; nothing when there is nothing to take away; I when the venue refuses
    Modify  ──► M (less only, the order keeps its place); nothing otherwise

As the specification says, a number (UserRefNum) that is not above the last one of its channel, a cancel of
what is gone and a replacement of what is gone are ignored (counted): requests can be sent again. A reply that
says that the outcome is unknown is not told: OUCH has no word for it. P, T, R and B are never sent: nothing
here makes a cancel wait, moves an order or breaks a trade, and the refill of an iceberg is not told.

A replacement's quantity counts what its chain has executed, an execution that crosses the replacement on its
way included; when nothing is left of it then, the original goes and no new order comes. A reduction counts so
too.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from engine.broker.terms import (
    AmendOrder,
    BrokerRequest,
    CancelOrder,
    CancelReplace,
    PlaceOrder,
    Told,
)
from engine.feeds.itch.writer import OPEN_NS
from engine.feeds.transport.retained import RetainedMessages
from engine.venue.host import BrokerView
from engine.venue.ouch import messages as ouch
from engine.venue.ouch.codes import CancelReason, RejectReason
from engine.venue.ouch.orders import OrderRules, Ticket, expiry_ns
from engine.venue.ouch.outcomes import Outcomes
from engine.venue.ouch.responses import Responses
from engine.venue.ouch.tracked import ORDERS_KEPT, Numbers, OrderTable, Request, Stage, TrackedOrder
from engine.venue.ouch.wire import Options, OuchMessage, Tag

__all__ = ["CLIENT_ID_PREFIX", "NONSENSE_LIMIT", "OuchPort"]

CLIENT_ID_PREFIX = "OU"
"""Order 7 is "OU7" to the broker; of channel 3, "OU7.3"."""
NONSENSE_LIMIT = 100
"""Messages that cannot be read, each good one making up for a bad one, before the connection ends."""
_MAX_NUMBER = (1 << 32) - 1
Send = Callable[[BrokerRequest], bool]


class OuchPort:
    """Order entry of one account.

    Client   receive            log: what it is told
    Venue    told, resync, tick, end
    State    next_user_ref_num, statistics
    """

    def __init__(
        self,
        account: int,
        firm: str,
        rules: OrderRules,
        *,
        log: RetainedMessages,
        send: Send,
        next_id: Callable[[], int],
        now_ns: int,
    ) -> None:
        """`firm`: four letters that name the user in messages; `send` queues a request (False: no room)."""
        self.account = account
        self.firm = firm
        self.log = log
        self._rules = rules
        self._send = send
        self._next_id = next_id
        self._now_ns = now_ns
        self._table = OrderTable()
        self._numbers = Numbers()
        self._responses = Responses(rules, log)
        self._outcomes = Outcomes(self._table, self._numbers, self._responses, cancel=self._cancel_whole)
        self._is_disabled = False
        self._expiries: list[tuple[int, int, int]] = []
        """Heap: session time, UserRefIdx, UserRefNum."""
        self._nonsense = 0
        self._counts = dict.fromkeys(
            ("received", "malformed", "stale", "superfluous", "unsent", "unknown"), 0
        )
        self._responses.add(ouch.SystemEvent(self._clock(), "S"))

    # -- the client ------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_ns: int) -> bool:
        """Take a message; False: there was too much that cannot be read. `now_ns`: session time."""
        self._now_ns = max(self._now_ns, now_ns)
        self._counts["received"] += 1
        message, damage = ouch.REQUESTS.read(data)
        if damage is None and message is not None:
            self._nonsense = max(0, self._nonsense - 1)
            _TAKE[type(message)](self, message)
            return True
        self._counts["malformed"] += 1
        if isinstance(message, ouch.EnterOrder | ouch.ReplaceOrder) and self._consume(message):
            self._reject(message, RejectReason.OTHER)
        self._nonsense += 1
        if self._nonsense <= NONSENSE_LIMIT:
            return True
        self._nonsense = 0
        return False

    def next_user_ref_num(self, channel: int = 0) -> int:
        """The lowest number that a new request of this channel may have; the highest there is, if none."""
        return min(self._numbers.last(channel) + 1, _MAX_NUMBER)

    def _enter(self, message: ouch.EnterOrder) -> None:
        if not self._consume(message):
            return
        if self._is_disabled:
            self._reject(message, RejectReason.FIRM_NOT_AUTHORIZED)
            return
        ticket = Ticket(
            _channel(message),
            message.user_ref_num,
            message.side,
            message.quantity,
            message.symbol,
            message.price,
            message.time_in_force,
            message.display,
            message.capacity,
            message.sweep,
            message.cross_type,
            message.client_order_id,
            message.options,
        )
        client_id = _client_id(ticket)
        terms = self._rules.terms(ticket, client_order_id=client_id, firm=self.firm, now_ns=self._now_ns)
        if isinstance(terms, RejectReason):
            self._reject(message, terms)
            return
        order = TrackedOrder(ticket, client_id, terms.qty_lots)
        request_id = self._next_id()
        if not self._table.add(order):
            self._reject(message, RejectReason.RISK_MESSAGE_RATE)
        elif self._request(PlaceOrder(self.account, request_id, terms), Request("enter", order)):
            self._watch_expiry(order)
        else:
            self._table.remove(order)
            self._reject(message, RejectReason.PROCESSING_ERROR)

    def _replace(self, message: ouch.ReplaceOrder) -> None:
        original = self._table.by_key.get((_channel(message), message.original_user_ref_num))
        if original is None or original.stage is Stage.DEAD or original.replaced_by is not None:
            self._counts["superfluous"] += 1
            return
        previous = self._numbers.last(_channel(message))
        if not self._consume(message):
            return
        if self._is_disabled:
            self._reject(message, RejectReason.FIRM_NOT_AUTHORIZED)
            return
        ticket = _replacement(message, original.ticket)
        executed = original.executed_before + original.executed_lots
        client_id = _client_id(ticket)
        terms = self._rules.terms(ticket, client_order_id=client_id, firm=self.firm, now_ns=self._now_ns)
        if isinstance(terms, RejectReason) or terms.qty_lots <= executed:
            # As specified: what it asks for cannot be, so the original goes; the number may be used again.
            self._numbers.give_back(_channel(message), message.user_ref_num, previous)
            self._cancel_whole(original)
            return
        order = TrackedOrder(ticket, client_id, terms.qty_lots - executed)
        order.executed_before = executed
        order.replaces = original
        request_id = self._next_id()
        cancel = CancelOrder(self.account, request_id, original.order_id, original.client_order_id)
        request = CancelReplace(
            self.account, request_id, cancel, terms, allow_failure=False, counts_executed=True
        )
        if not self._table.add(order):
            self._reject(message, RejectReason.RISK_MESSAGE_RATE)
        elif self._request(request, Request("replace", order)):
            original.replaced_by = order
            self._watch_expiry(order)
        else:
            self._table.remove(order)
            self._reject(message, RejectReason.PROCESSING_ERROR)

    def _cancel(self, message: ouch.CancelOrder) -> None:
        order = self._table.by_key.get((_channel(message), message.user_ref_num))
        if order is None or order.stage is Stage.DEAD:
            self._counts["superfluous"] += 1
        else:
            self._shrink(order, message.quantity, "reduce")

    def _modify(self, message: ouch.ModifyOrder) -> None:
        order = self._table.by_key.get((_channel(message), message.user_ref_num))
        if order is None or order.stage is Stage.DEAD or message.side != order.ticket.side:
            self._counts["superfluous"] += 1
        else:
            self._shrink(order, message.quantity, "modify")

    def _shrink(self, order: TrackedOrder, size: int, what: str) -> None:
        """`size`: what the order's chain may have executed in the end."""
        left = size - order.executed_before
        if left <= order.executed_lots:
            self._cancel_whole(order)
        elif left >= order.qty_lots or order.is_leaving:
            self._counts["superfluous"] += 1
        else:
            request = AmendOrder(
                self.account,
                self._next_id(),
                order.order_id,
                order.client_order_id,
                new_qty_lots=size,
                counts_executed=True,
            )
            if not self._request(request, Request(what, order, size)):
                self._responses.cancel_reject(self._clock(), order)

    def _cancel_whole(self, order: TrackedOrder, reason: CancelReason = CancelReason.USER) -> bool:
        if order.is_leaving:
            self._counts["superfluous"] += 1
            return True
        request = CancelOrder(self.account, self._next_id(), order.order_id, order.client_order_id)
        if not self._request(request, Request("cancel", order)):
            if reason is CancelReason.USER:
                self._responses.cancel_reject(self._clock(), order)
            return False
        order.is_leaving = True
        order.cancel_reason = reason
        return True

    def _mass_cancel(self, message: ouch.MassCancel) -> None:
        if not self._consume(message):
            return
        options = message.options
        if message.firm not in (self.firm, ""):
            self._reject(message, RejectReason.FIRM_NOT_AUTHORIZED)
            return
        if message.symbol and message.symbol not in self._rules.symbols:
            self._reject(message, RejectReason.INVALID_SYMBOL)
            return
        self._responses.add(
            ouch.MassCancelResponse(
                self._clock(), message.user_ref_num, message.firm, message.symbol, options
            )
        )
        side, group = options.get(Tag.SIDE, ""), options.get(Tag.GROUP_ID)
        for order in self._table.open_orders():
            ticket = order.ticket
            if side in ("", ticket.side) and group in (None, ticket.options.get(Tag.GROUP_ID, 0)):
                self._cancel_whole(order)

    def _disable(self, message: ouch.DisableOrderEntry) -> None:
        if self._may_switch(message):
            self._is_disabled = True
            self._responses.add(
                ouch.DisableOrderEntryResponse(
                    self._clock(), message.user_ref_num, message.firm, message.options
                )
            )

    def _enable(self, message: ouch.EnableOrderEntry) -> None:
        if self._may_switch(message):
            self._is_disabled = False
            self._responses.add(
                ouch.EnableOrderEntryResponse(
                    self._clock(), message.user_ref_num, message.firm, message.options
                )
            )

    def _may_switch(self, message: ouch.DisableOrderEntry | ouch.EnableOrderEntry) -> bool:
        if not self._consume(message):
            return False
        if message.firm in (self.firm, ""):
            return True
        self._reject(message, RejectReason.FIRM_NOT_AUTHORIZED)
        return False

    def _query(self, message: ouch.AccountQuery) -> None:
        number = self.next_user_ref_num(_channel(message))
        self._responses.add(ouch.AccountQueryResponse(self._clock(), number, message.options))

    def _consume(self, message: _Numbered) -> bool:
        """Use a number up; False when it is not above the last one: the request was sent again."""
        if self._numbers.consume(_channel(message), message.user_ref_num):
            return True
        self._counts["stale"] += 1
        return False

    def _reject(self, message: _Numbered, reason: RejectReason) -> None:
        client_order_id = getattr(message, "client_order_id", "")
        self._responses.reject(
            self._clock(), _channel(message), message.user_ref_num, reason, client_order_id
        )

    def _request(self, request: BrokerRequest, what: Request) -> bool:
        if not self._send(request):
            self._counts["unsent"] += 1
            return False
        self._table.await_answer(request.request_id, what)
        return True

    # -- the venue -------------------------------------------------------------------------------------

    def told(self, told: Told) -> None:
        """Something was told to this account."""
        self._now_ns = max(self._now_ns, told.happened_ns)
        self._outcomes.told(told)

    def resync(self, broker: BrokerView) -> None:
        """Messages were missed: tell what became of the orders meanwhile, as far as the broker knows."""
        self._outcomes.resync(self.account, broker, self._clock())

    def tick(self, now_ns: int) -> None:
        """Cancel the orders whose time is over; `now_ns`: session time."""
        self._now_ns = max(self._now_ns, now_ns)
        while self._expiries and self._expiries[0][0] <= self._now_ns:
            _, *key = heappop(self._expiries)
            order = self._table.by_key.get((key[0], key[1]))
            if order is None or order.stage is Stage.DEAD or order.is_leaving:
                continue
            if not self._cancel_whole(order, CancelReason.TIMEOUT):
                heappush(self._expiries, (self._now_ns + 1, *order.key))
                return

    def end(self) -> None:
        """The session is over: no more responses."""
        self._responses.add(ouch.SystemEvent(self._clock(), "E"))
        self.log.close()

    def statistics(self) -> dict[str, int]:
        """What came, what was made of it, and how full the tables are."""
        return {
            **self._counts,
            "unknown": self._outcomes.unknown,
            **self._responses.counts,
            **self._table.statistics(),
            "expiries": len(self._expiries),
            "kept": self.log.next_sequence - self.log.first_sequence,
        }

    def _watch_expiry(self, order: TrackedOrder) -> None:
        if order.ticket.time_in_force == "6":
            if len(self._expiries) >= 2 * ORDERS_KEPT:
                open_keys = {one.key for one in self._table.open_orders()}
                self._expiries = [entry for entry in self._expiries if entry[1:] in open_keys]
                heapify(self._expiries)
            heappush(self._expiries, (expiry_ns(order.ticket.options) - OPEN_NS, *order.key))

    def _clock(self) -> int:
        return OPEN_NS + self._now_ns


_Numbered = (
    ouch.EnterOrder | ouch.ReplaceOrder | ouch.MassCancel | ouch.DisableOrderEntry | ouch.EnableOrderEntry
)
_TAKE: dict[type[OuchMessage], Callable[..., None]] = {
    ouch.EnterOrder: OuchPort._enter,
    ouch.ReplaceOrder: OuchPort._replace,
    ouch.CancelOrder: OuchPort._cancel,
    ouch.ModifyOrder: OuchPort._modify,
    ouch.MassCancel: OuchPort._mass_cancel,
    ouch.DisableOrderEntry: OuchPort._disable,
    ouch.EnableOrderEntry: OuchPort._enable,
    ouch.AccountQuery: OuchPort._query,
}
_KEPT: tuple[Tag, ...] = (Tag.FIRM, Tag.GROUP_ID)
"""Options that hold for all orders of a chain."""


def _channel(message: OuchMessage) -> int:
    return int(message.options.get(Tag.USER_REF_IDX, 0))  # type: ignore[attr-defined]  # all have them


def _client_id(ticket: Ticket) -> str:
    channel = f".{ticket.user_ref_idx}" if ticket.user_ref_idx else ""
    return f"{CLIENT_ID_PREFIX}{ticket.user_ref_num}{channel}"


def _replacement(message: ouch.ReplaceOrder, original: Ticket) -> Ticket:
    """The new order: what its message says, and what only the first order of the chain says."""
    kept: Options = {tag: original.options[tag] for tag in _KEPT if tag in original.options}
    return original._replace(
        user_ref_num=message.user_ref_num,
        side=str(message.options.get(Tag.SIDE, original.side)),
        quantity=message.quantity,
        price=message.price,
        time_in_force=message.time_in_force,
        display=message.display,
        sweep=message.sweep,
        client_order_id=message.client_order_id,
        options={**kept, **message.options},
    )
