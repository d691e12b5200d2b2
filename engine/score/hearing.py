"""What broker and boundary tell of the bots (engine/broker/witness.py): who asked what, and was told what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.broker.broker import Broker
from engine.broker.terms import (
    AmendOrder,
    Asked,
    BrokerNote,
    BrokerRequest,
    CancelAllOrders,
    CancelList,
    CancelOrder,
    CancelReplace,
    ListEvent,
    Message,
    OpenAccount,
    OrderEvent,
    OrderState,
    PlaceList,
    PlaceOrder,
    Refusal,
    Reply,
)
from engine.core.clock import NS_PER_MS
from engine.market.kernel import Kernel
from engine.score.bot import Bot
from engine.score.picture import terms_of
from engine.score.windows import Windows

__all__ = ["BotWitness"]

_FAULT_OF = {
    Refusal.RATE_LIMITED: "fault.limit",
    Refusal.BANNED: "fault.limit",
    Refusal.DISCONNECTED: "fault.down",
    Refusal.OVERLOADED: "fault.reject",
    Refusal.REJECTED: "fault.reject",
    Refusal.MARKET_CLOSED: "fault.halt",
    Refusal.TIMEOUT_UNKNOWN: "fault.timeout",
}
"""What refuses so, while it is in force."""
_PLACES_ONE = (PlaceOrder, CancelReplace)
_PLACES = (PlaceOrder, CancelReplace, PlaceList)
_NAMES_ONE = (CancelOrder, AmendOrder)
_LIMITS = (Refusal.RATE_LIMITED, Refusal.BANNED)


class BotWitness:
    """Enters into the bots' scores what goes through broker and boundary. O(1) for each."""

    def __init__(self, broker: Broker, kernel: Kernel, bots: Mapping[int, Bot], windows: Windows) -> None:
        """`bots` by account; others than these are not heard of."""
        self._broker = broker
        self._kernel = kernel
        self._bots = bots
        self._windows = windows

    def asked(self, request: BrokerRequest) -> None:
        """A bot sends a request."""
        bot, kind = self._bots.get(request.account), type(request)
        if bot is None or kind is OpenAccount:
            return
        now_ns = self._kernel.now_ns
        tally = bot.tally
        if now_ns < tally.limit_told_until_ns:
            tally.limit_offences += 1
        tally.requests += 1
        if isinstance(request, PlaceList):
            tally.requests += len(request.orders) - 1
            bot.rhythm.beat(now_ns)
            return
        if isinstance(request, _PLACES_ONE):
            tally.requests += kind is CancelReplace
            bot.rhythm.beat(now_ns)
            if bot.picture.unsure:
                bot.picture.repeat(terms_of(request.order), now_ns)
        if kind is not PlaceOrder:
            self._note_names(bot, request, now_ns)

    def noted(self, note: BrokerNote) -> None:
        """A gateway has answered a question, or refused requests for their rate."""
        bot = self._bots.get(note.account)
        if bot is None:
            return
        now_ns = self._kernel.now_ns
        if isinstance(note, Asked):
            for number in note.order_ids or bot.picture.in_doubt():
                bot.ask_of(number, now_ns)
            return
        self._count_refused(bot, Refusal.RATE_LIMITED, note.count)
        is_first = now_ns >= bot.tally.limit_told_until_ns
        bot.tally.rate_limited += note.count
        bot.tally.limit_offences += note.count - is_first
        until_ns = now_ns + note.wait_ms * NS_PER_MS
        bot.tally.limit_told_until_ns = max(until_ns, self._broker.boundary.limited_until_ns)

    def wants_answers(self, account: int, order_ids: Sequence[int]) -> bool:
        """Whether one of these orders is astray (with none: any of the account); from any thread."""
        bot = self._bots.get(account)
        if bot is None:
            return False
        astray, unsure = bot.picture.astray, bot.picture.unsure
        if not order_ids or not (astray or unsure):
            return bool(astray or unsure)
        carried_out = tuple(unsure.values())
        return any(number in astray or number in carried_out for number in order_ids)

    def answered(self, request: BrokerRequest, reply: Reply, *, is_lost: bool) -> None:
        """A request was carried out, or refused."""
        bot = self._bots.get(request.account)
        if bot is None:
            return
        if isinstance(request, _PLACES):
            bot.tally.count_orders(len(reply.orders), sum(order.qty_lots for order in reply.orders))
            if is_lost and reply.orders and not isinstance(request, PlaceList):
                terms = terms_of(request.order)
                bot.picture.leave_unanswered(request.request_id, reply.orders[0], terms)
        self._count_refused(bot, Refusal.TIMEOUT_UNKNOWN if is_lost else reply.refusal, 1)

    def told(self, account: int, message: Message) -> None:
        """A message reaches its account."""
        bot = self._bots.get(account)
        if bot is None:
            return
        if isinstance(message, Reply) and message.refusal:
            self._tell_refusal(bot, message)
        if bot.picture.astray or self._broker.boundary.faults:
            now_ns = self._kernel.now_ns
            for order in _orders_of(message):
                bot.tell(order, self._broker.order(account, order.order_id), now_ns)

    def missed(self, account: int, message: Message, fault: str) -> None:
        """What a message tells happens, and is told later or never."""
        bot = self._bots.get(account)
        if bot is None:
            return
        now_ns = self._kernel.now_ns
        window = self._windows.behind(fault)
        for order in _orders_of(message):
            bot.miss(self._broker.order(account, order.order_id) or order, now_ns, window)

    def _note_names(self, bot: Bot, request: BrokerRequest, now_ns: int) -> None:
        """The orders that a request names."""
        account, broker = request.account, self._broker
        if isinstance(request, CancelAllOrders):
            for number in list(bot.picture.astray):
                order = broker.order(account, number)
                if order is None or order.status.is_open:
                    self._name(bot, order, now_ns)
            return
        if isinstance(request, CancelList):
            name, lists = request.list_client_order_id, broker.order_lists(account)
            named = [one for one in lists if request.list_id in (-1, one.list_id)]
            if request.list_id < 0:
                named = [one for one in named if one.list_client_order_id == name][-1:]
            for number in named[-1].order_ids if named else ():
                self._name(bot, broker.order(account, number), now_ns)
            return
        one = request.cancel if isinstance(request, CancelReplace) else request
        if isinstance(one, _NAMES_ONE):
            by_id = one.order_id > 0
            self._name(
                bot,
                broker.order(account, one.order_id)
                if by_id
                else broker.order_by_client_id(account, one.client_order_id),
                now_ns,
            )

    def _name(self, bot: Bot, order: OrderState | None, now_ns: int) -> None:
        if order is not None:
            bot.name_order(order, now_ns)

    def _count_refused(self, bot: Bot, refusal: Refusal, count: int) -> None:
        """Requests of the bot are refused: by a fault, if one that refuses so is in force."""
        number = self._windows.in_force(_FAULT_OF[refusal]) if refusal in _FAULT_OF else 0
        if (reaction := bot.reactions.get(number)) is not None:
            reaction.refused += count

    def _tell_refusal(self, bot: Bot, reply: Reply) -> None:
        if reply.refusal in _LIMITS:
            bot.tally.rate_limited += 1
            bot.tally.limit_told_until_ns = self._broker.boundary.limited_until_ns
        elif reply.refusal == Refusal.TIMEOUT_UNKNOWN:
            bot.picture.tell_unknown(reply.request_id)


def _orders_of(message: Message) -> tuple[OrderState, ...]:
    """The orders whose state a message tells."""
    if isinstance(message, OrderEvent):
        return (message.order,)
    if isinstance(message, Reply):
        return message.orders if message.was_cancelled is None else (message.was_cancelled, *message.orders)
    return message.orders if isinstance(message, ListEvent) else ()
