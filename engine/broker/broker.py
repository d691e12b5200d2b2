"""The broker: carries requests out, reacts to what happens to their orders, and lets gateways read.

One instant, always in this order: a request arrives (or the market calls for attention), orders enter or
leave the book, reports become order events, lists, icebergs and stops react until nothing moves any more,
and then everything is told: the reply, the order events as they happened, the balances.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import msgspec.structs

from engine.broker.accounts import BotAccount
from engine.broker.boundary import Boundary
from engine.broker.execution import OrderFlow
from engine.broker.filters import Filters
from engine.broker.lists import check_list, consequence, was_ended_for
from engine.broker.money import Money
from engine.broker.terms import (
    AmendOrder,
    Asked,
    Balances,
    BrokerNote,
    BrokerRequest,
    CancelAllOrders,
    CancelList,
    CancelOrder,
    CancelReplace,
    Execution,
    Fill,
    Limited,
    ListKind,
    ListState,
    OpenAccount,
    OrderState,
    OrderStatus,
    OrderTerms,
    PlaceList,
    PlaceOrder,
    Refusal,
    Reply,
    decode_request,
    encode_request,
)
from engine.broker.waiting import Waiting, is_reached
from engine.broker.witness import Witness
from engine.core.types import Side
from engine.market.exchange import Exchange
from engine.market.ledger import FeeSchedule
from engine.market.orders import ExecutionReport

__all__ = ["BOT_ACCOUNTS", "Broker", "StartingBalances"]

BOT_ACCOUNTS = 64
"""Accounts for bots in one session."""
_replace = msgspec.structs.replace


class StartingBalances(msgspec.Struct, frozen=True):
    """What every account starts with."""

    base_lots: int
    quote_micro: int


class Broker:
    """Requests of bots in one session.

    Session    accept attend on_account_opened
    Gateways   order order_by_client_id open_orders orders fills order_fills balances fees order_list
               order_lists filters money market_open boundary
    """

    owner_key = "broker"

    def __init__(
        self,
        exchange: Exchange,
        *,
        fees: FeeSchedule,
        start: StartingBalances,
        first_account: int,
        latency_ns: int,
    ) -> None:
        self.money = Money(exchange.instrument)
        self.filters = Filters.of(exchange.instrument)
        self.boundary = Boundary(exchange.kernel)
        self.first_account = first_account
        self.on_account_opened: Callable[[int, str], None] = lambda _number, _label: None
        """Hears of each account that is opened: number and label."""
        self.on_report: Callable[[ExecutionReport], None] = lambda _report: None
        """Hears of each execution report of the market to one of the accounts."""
        self._exchange = exchange
        self._fees = fees
        self._start = start
        self._latency_ns = latency_ns
        self._accounts: dict[int, BotAccount] = {}
        self._flow = OrderFlow(exchange, self.boundary, self._accounts)
        self._waiting = Waiting(exchange)
        self._waiting.on_follow = lambda order: self._accounts[order.account].put(order)
        self._under_way: dict[int, BrokerRequest] = {}
        self._due_ns: dict[int, int] = {}
        """When they arrive, as far as it was this broker that sent them on their way (no image's)."""
        self._arrivals = 0
        """Requests so far."""
        self._last_order_id = 0
        self._last_list_id = -1
        exchange.on_attention = self.attend

    # -- gateways, from any thread ---------------------------------------------------------------------

    @property
    def market_open(self) -> bool:
        """False: halted."""
        return self.boundary.market_open

    def order(self, account: int, order_id: int) -> OrderState | None:
        """An order by its id."""
        return None if (own := self._accounts.get(account)) is None else own.order(order_id)

    def order_by_client_id(self, account: int, client_order_id: str) -> OrderState | None:
        """The latest order of this client id."""
        return None if (own := self._accounts.get(account)) is None else own.by_client_id(client_order_id)

    def open_orders(self, account: int) -> list[OrderState]:
        """Oldest first."""
        return [] if (own := self._accounts.get(account)) is None else own.open_orders()

    def orders(self, account: int) -> list[OrderState]:
        """Open and closed, oldest first."""
        return [] if (own := self._accounts.get(account)) is None else own.all_orders()

    def fills(self, account: int) -> list[Fill]:
        """Oldest first."""
        return [] if (own := self._accounts.get(account)) is None else own.fills()

    def order_fills(self, account: int, order_id: int) -> list[Fill]:
        """Fills of one order, oldest first."""
        return [] if (own := self._accounts.get(account)) is None else own.order_fills(order_id)

    def balances(self, account: int) -> Balances | None:
        """None: no such account yet."""
        return None if (own := self._accounts.get(account)) is None else own.balances

    def fees(self, account: int) -> FeeSchedule:
        """What the account pays."""
        return self._fees if (own := self._accounts.get(account)) is None else own.fees

    def order_list(self, account: int, list_id: int) -> ListState | None:
        """An order list."""
        return None if (own := self._accounts.get(account)) is None else own.list_state(list_id)

    def order_lists(self, account: int) -> list[ListState]:
        """Oldest first."""
        return [] if (own := self._accounts.get(account)) is None else own.list_states()

    @property
    def witness(self) -> Witness | None:
        """Who hears of everything that is asked, answered and told."""
        return self.boundary.witness

    @property
    def is_busy(self) -> bool:
        """Whether requests are under way."""
        return bool(self._under_way)

    @property
    def next_arrival_ns(self) -> int | None:
        """When the request that has been under way for longest arrives; None: there is none."""
        return next(iter(self._due_ns.values()), None)

    def accounts(self) -> list[BotAccount]:
        """All that are open."""
        return list(self._accounts.values())

    def statistics(self) -> dict[str, int]:
        """Fill and limits."""
        return {
            "accounts": len(self._accounts),
            "account_limit": BOT_ACCOUNTS,
            "requests": self._arrivals,
            "under_way": len(self._under_way),
            "waiting": len(self._waiting),
            "open_orders": sum(account.open_count for account in self._accounts.values()),
        }

    # -- requests --------------------------------------------------------------------------------------

    def accept(self, request: BrokerRequest | BrokerNote) -> None:
        """Takes a request at the present; it arrives one latency later. A note goes to the witness alone."""
        witness = self.witness
        if isinstance(request, Asked | Limited):
            if witness is not None:
                witness.noted(request)
            return
        if witness is not None:
            witness.asked(request)
        self._arrivals += 1
        self._under_way[self._arrivals] = request
        kernel = self._exchange.kernel
        due_ns = kernel.now_ns + self._latency_ns + self.boundary.delay_of(request)
        self._due_ns[self._arrivals] = due_ns
        kernel.schedule(due_ns, self._arrive, self._arrivals)

    def halt(self, number: int) -> None:
        """Ends all orders of an account, in the book and waiting, at this very moment."""
        account = self._accounts.get(number)
        if account is None:
            return
        for order in account.open_orders():
            current = account.order(order.order_id)
            if current is not None and current.status.is_open:
                self._end(current)
        self._react()
        self._flow.flush()

    def attend(self) -> None:
        """The market calls: reports have come, or a price that orders wait for."""
        self._flow.settle()
        self._react()
        self._flow.flush()

    def _arrive(self, _now_ns: int, number: int) -> None:
        request = self._under_way.pop(number)
        self._due_ns.pop(number, None)
        is_lost = False
        refusal = self.boundary.refuse(request)
        if refusal:
            reply = self._refused(request, refusal)
        elif not isinstance(request, OpenAccount) and request.account not in self._accounts:
            reply = self._refused(request, Refusal.NO_ACCOUNT)
        else:
            reply = self._carry_out(request)
            self._react()
            is_lost = self.boundary.loses_reply(request)
        if self.witness is not None:
            self.witness.answered(request, reply, is_lost=is_lost)
        if is_lost:
            reply = self._refused(request, Refusal.TIMEOUT_UNKNOWN)
        self.boundary.tell(request.account, reply)
        self._flow.flush()

    def _carry_out(self, request: BrokerRequest) -> Reply:
        if isinstance(request, PlaceOrder):
            return self._place_one(request)
        if isinstance(request, CancelOrder):
            return self._cancel_one(request)
        if isinstance(request, CancelReplace):
            return self._cancel_replace(request)
        if isinstance(request, AmendOrder):
            return self._amend(request)
        if isinstance(request, CancelAllOrders):
            return self._cancel_all(request)
        if isinstance(request, PlaceList):
            return self._place_list(request)
        if isinstance(request, CancelList):
            return self._cancel_list(request)
        return self._open(request)

    def _refused(self, request: BrokerRequest, refusal: Refusal, detail: str = "") -> Reply:
        return Reply(request.request_id, request.account, refusal, detail)

    def _open(self, request: OpenAccount) -> Reply:
        if request.account not in self._accounts:
            maker = self._fees.maker_ppm if request.maker_ppm is None else request.maker_ppm
            taker = self._fees.taker_ppm if request.taker_ppm is None else request.taker_ppm
            self._make_account(request.account, request.label, FeeSchedule(maker, taker))
            self._flow.touch(request.account)
        return Reply(request.request_id, request.account)

    def _make_account(self, number: int, label: str, fees: FeeSchedule) -> BotAccount:
        account = self._accounts[number] = BotAccount(
            number=number,
            label=label,
            fees=fees,
            base_lots=self._start.base_lots,
            quote_micro=self._start.quote_micro,
            ledger=self._exchange.ledger,
        )
        self._exchange.set_fees(number, fees)
        self._exchange.hear(number, self._hear, acts=True)
        self.on_account_opened(number, label)
        return account

    def _hear(self, report: ExecutionReport) -> None:
        self._flow.hear(report)
        self.on_report(report)

    # -- orders ----------------------------------------------------------------------------------------

    def _place_one(self, request: PlaceOrder) -> Reply:
        refusal, detail, order = self._place(request.account, request.order)
        if order is None:
            return self._refused(request, refusal, detail)
        return self._placed(request, order.order_id)

    def _placed(self, request: BrokerRequest, order_id: int) -> Reply:
        account = self._accounts[request.account]
        order = account.order(order_id)
        assert order is not None
        fills = tuple(account.newest_fills(order)) if order.executed_lots else ()
        return Reply(request.request_id, request.account, orders=(order,), fills=fills)

    def _place(
        self, number: int, terms: OrderTerms, executed_lots: int = 0
    ) -> tuple[Refusal, str, OrderState | None]:
        """Places one order: (why not, detail, None), or the order as it began. `executed_lots`: of its
        quantity, what is not to be sent any more."""
        account = self._accounts[number]
        refusal = self._against(account, (terms,))
        if refusal:
            return refusal, "", None
        terms = _replace(terms, qty_lots=terms.qty_lots - executed_lots)
        if terms.type.waits:
            if latched := self._exchange.gate.turn_away(number):
                return Refusal.GATE, str(latched), None
            order = self._new_order(number, terms, terms.qty_lots, executed_lots)
            refusal = self.filters.check_lots(terms, terms.qty_lots)
            if refusal := refusal or account.lacks(*account.lock_of(order)):
                return refusal, "", None
            self._last_order_id = order.order_id
            self._wait(order)
            return Refusal.NONE, "", order
        refusal, lots = self._flow.affordable(account, terms)
        if refusal := refusal or self.filters.check_lots(terms, lots):
            return refusal, "", None
        order = self._new_order(number, terms, lots, executed_lots)
        entered = self._flow.enter(order, announce=True)
        if entered.refusal:
            return entered.refusal, entered.detail, None
        self._last_order_id = order.order_id
        return Refusal.NONE, "", order

    def _against(
        self, account: BotAccount, orders: tuple[OrderTerms, ...], pending: tuple[OrderTerms, ...] = ()
    ) -> Refusal:
        """What speaks against orders before their money is counted; `pending` ones do not begin yet."""
        if not self.boundary.market_open:
            return Refusal.MARKET_CLOSED
        both = (*orders, *pending)
        reference_ticks = self._reference_ticks()
        for terms in both:
            if refusal := self.filters.check(terms, reference_ticks):
                return refusal
        names = {terms.client_order_id for terms in both}
        if len(names) < len(both) or any(account.has_open_client_id(name) for name in names):
            return Refusal.DUPLICATE_ORDER
        if account.open_count + len(both) > self.filters.max_orders:
            return Refusal.MAX_ORDERS
        algos = sum(terms.type.waits for terms in both)
        if algos and account.algo_count() + algos > self.filters.max_algo_orders:
            return Refusal.MAX_ALGO_ORDERS
        return Refusal.WOULD_TRIGGER if any(map(self._is_reached, orders)) else Refusal.NONE

    def _is_reached(self, order: OrderTerms | OrderState) -> bool:
        """Whether the last price sets a stop order off at once."""
        last = self._exchange.last_price_ticks
        is_stop = order.type.waits and order.stop_price_ticks > 0 and not order.trailing_bips
        return is_stop and last is not None and is_reached(order, last)

    def _reference_ticks(self) -> int | None:
        """The last price, before the first trade the mid."""
        last = self._exchange.last_price_ticks
        if last is None and (twice := self._exchange.twice_mid_ticks) is not None:
            last = twice // 2
        return last

    def _new_order(self, number: int, terms: OrderTerms, lots: int, chain_lots: int = 0) -> OrderState:
        now_ns = self._exchange.kernel.now_ns
        return OrderState(
            order_id=self._last_order_id + 1,
            account=number,
            client_order_id=terms.client_order_id,
            side=terms.side,
            type=terms.type,
            time_in_force=terms.time_in_force,
            price_ticks=terms.price_ticks,
            qty_lots=lots,
            status=OrderStatus.NEW,
            stop_price_ticks=terms.stop_price_ticks,
            trailing_bips=terms.trailing_bips,
            iceberg_lots=terms.iceberg_lots,
            quote_micro=terms.quote_micro,
            self_trade=terms.self_trade,
            created_ns=now_ns,
            updated_ns=now_ns,
            strategy_id=terms.strategy_id,
            strategy_type=terms.strategy_type,
            chain_lots=chain_lots,
        )

    def _wait(self, order: OrderState) -> None:
        account = self._accounts[order.account]
        account.waiting_count += 1
        account.put(order)
        self._waiting.add(order)
        self._flow.event(Execution.NEW, account.order(order.order_id) or order)

    def _find(self, account: int, order_id: int, client_order_id: str) -> OrderState | None:
        own = self._accounts[account]
        order = own.order(order_id) if order_id else own.by_client_id(client_order_id)
        if order is None or (order_id and client_order_id and order.client_order_id != client_order_id):
            return None
        return order if order.status.is_open else None

    def _cancel_one(self, request: CancelOrder) -> Reply:
        refusal, order = self._cancel(request)
        if order is None:
            return self._refused(request, refusal)
        return Reply(request.request_id, request.account, orders=(order,))

    def _cancel(self, request: CancelOrder, max_executed_lots: int = -1) -> tuple[Refusal, OrderState | None]:
        order = self._find(request.account, request.order_id, request.client_order_id)
        if order is None:
            return Refusal.UNKNOWN_ORDER, None
        if request.only_status and request.only_status != f"ONLY_{order.status}":
            return Refusal.RESTRICTED, None
        if 0 <= max_executed_lots < order.chain_lots + order.executed_lots:
            return Refusal.RESTRICTED, None
        return Refusal.NONE, self._end(order, request.new_client_order_id)

    def _end(self, order: OrderState, cancel_id: str = "", *, expire: bool = False) -> OrderState:
        """Ends an open order wherever it is."""
        if order.order_id in self._waiting:
            self._waiting.remove(order.order_id)
            self._accounts[order.account].waiting_count -= 1
        return self._flow.cancel(order, cancel_id, expire=expire)

    def _cancel_all(self, request: CancelAllOrders) -> Reply:
        account = self._accounts[request.account]
        ended: list[OrderState] = []
        for order in account.open_orders():
            current = account.order(order.order_id)
            if current is not None and current.status.is_open:
                ended.append(self._end(current))
        refusal = Refusal.NONE if ended else Refusal.UNKNOWN_ORDER
        return Reply(request.request_id, request.account, refusal, orders=tuple(ended))

    def _cancel_replace(self, request: CancelReplace) -> Reply:
        why_not, ended = self._cancel(request.cancel, request.max_executed_lots)
        answer = Reply(request.request_id, request.account, cancel_refusal=why_not, was_cancelled=ended)
        if why_not and not request.allow_failure:
            return answer._replace(refusal=Refusal.CANCEL_FAILED)
        self._react()  # the rest of its list goes with it, and with that what it has locked
        executed_lots = 0
        if ended is not None and request.counts_executed:
            executed_lots = ended.chain_lots + ended.executed_lots
        refusal, detail, order = self._place(request.account, request.order, executed_lots)
        if order is None:
            both = Refusal.CANCEL_FAILED if why_not else Refusal.REPLACE_PARTLY
            return answer._replace(refusal=both, detail=detail, order_refusal=refusal)
        placed = self._placed(request, order.order_id)
        return answer._replace(
            refusal=Refusal.REPLACE_PARTLY if why_not else Refusal.NONE,
            orders=placed.orders,
            fills=placed.fills,
        )

    def _amend(self, request: AmendOrder) -> Reply:
        order = self._find(request.account, request.order_id, request.client_order_id)
        if order is None:
            return self._refused(request, Refusal.UNKNOWN_ORDER)
        lots = request.new_qty_lots - order.chain_lots * request.counts_executed
        if not order.executed_lots + order.prevented_lots < lots < order.qty_lots:
            return self._refused(request, Refusal.AMEND_NOT_LESS)
        name = request.new_client_order_id
        own = self._accounts[request.account].by_client_id(name)
        if own is not None and own.status.is_open and own.order_id != order.order_id:
            return self._refused(request, Refusal.DUPLICATE_ORDER)
        amended = self._flow.amend(order, lots, request.new_client_order_id)
        self._waiting.change(amended)
        return Reply(request.request_id, request.account, orders=(amended,))

    # -- lists -----------------------------------------------------------------------------------------

    def _place_list(self, request: PlaceList) -> Reply:
        account = self._accounts[request.account]
        begins = _beginning(request)
        refusal = check_list(request.kind, request.orders, self._reference_ticks())
        refusal = refusal or self._against(account, begins, request.orders[len(begins) :])
        first_id = self._last_order_id + 1
        state = ListState(
            list_id=self._last_list_id + 1,
            account=request.account,
            kind=request.kind,
            list_client_order_id=request.list_client_order_id,
            order_ids=tuple(range(first_id, first_id + len(request.orders))),
            status="EXECUTING",
            time_ns=self._exchange.kernel.now_ns,
        )
        orders = [self._new_order(account.number, terms, terms.qty_lots) for terms in begins]
        refusal = refusal or self._against_cost(account, orders)
        if not refusal and any(map(self._flow.would_take, begins)):
            refusal = Refusal.WOULD_TAKE
        if refusal:
            return self._refused(request, refusal)
        if latched := self._exchange.gate.turn_away(request.account):
            return self._refused(request, Refusal.GATE, str(latched))
        return self._begin_list(request, state)

    def _against_cost(self, account: BotAccount, orders: list[OrderState]) -> Refusal:
        """Of orders of which one trades."""
        costs = [account.lock_of(_replace(order, status=OrderStatus.NEW)) for order in orders]
        return account.lacks(max(base for base, _ in costs), max(quote for _, quote in costs))

    def _begin_list(self, request: PlaceList, state: ListState) -> Reply:
        account = self._accounts[request.account]
        account.put_list(state)
        self._last_list_id = state.list_id
        begins = len(_beginning(request))
        orders = []
        for place, terms in enumerate(request.orders):
            order = _replace(self._new_order(account.number, terms, terms.qty_lots), list_id=state.list_id)
            self._last_order_id = order.order_id
            orders.append(order)
            account.put(_replace(order, status=OrderStatus.PENDING_NEW))
            if place >= begins:
                self._flow.event(Execution.NEW, _replace(order, status=OrderStatus.PENDING_NEW))
        self._flow.list_event(state, tuple(orders))
        for order in sorted(orders[:begins], key=lambda one: not one.type.waits):
            self._start_order(order)
        # What the orders became in this instant: the list may even have ended.
        self._react()
        current = tuple(account.order(number) for number in state.order_ids)
        assert all(order is not None for order in current)
        return Reply(
            request.request_id,
            request.account,
            orders=tuple(order for order in current if order is not None),
            list_state=account.list_state(state.list_id),
        )

    def _start_order(self, order: OrderState) -> None:
        """An order of a list begins: it waits for its price, or enters the book."""
        order = _replace(order, status=OrderStatus.NEW)
        self._accounts[order.account].put(order)
        if order.type.waits and not self._is_reached(order):
            self._wait(order)
            return
        if order.type.waits:
            self._follow(order, triggered=True)
        self._work(order)

    def _cancel_list(self, request: CancelList) -> Reply:
        account = self._accounts[request.account]
        state = account.list_state(request.list_id)
        if state is None:
            named = [
                s for s in account.list_states() if s.list_client_order_id == request.list_client_order_id
            ]
            state = named[-1] if named and request.list_id < 0 else None
        if state is None or state.status == "ALL_DONE":
            return self._refused(request, Refusal.UNKNOWN_ORDER)
        for number in state.order_ids:
            order = account.order(number)
            if order is not None and order.status.is_open:
                self._end(order, request.new_client_order_id)
        self._react()
        orders = [account.order(number) for number in state.order_ids]
        return Reply(
            request.request_id,
            request.account,
            orders=tuple(order for order in orders if order is not None),
            list_state=account.list_state(state.list_id),
        )

    # -- reactions -------------------------------------------------------------------------------------

    def _react(self) -> None:
        """Lets icebergs, lists and waiting orders follow what has happened, until nothing moves."""
        changed = self._flow.changed
        while True:
            while changed:
                order = changed.popleft()
                if order.iceberg_lots and order.status.is_open:
                    self._refill(order)
                if order.list_id >= 0:
                    self._follow(order)
            triggered = self._waiting.take_triggered()
            if not triggered:
                return
            for order in triggered:
                self._accounts[order.account].waiting_count -= 1
                if order.list_id >= 0:
                    self._follow(order, triggered=True)
                self._work(order)

    def _refill(self, order: OrderState) -> None:
        current = self._accounts[order.account].order(order.order_id)
        if current is not None:
            self._flow.refill(current)

    def _work(self, order: OrderState) -> None:
        """A waiting order enters the book, if its owner can pay for it."""
        account = self._accounts[order.account]
        refusal = Refusal.NONE
        if order.type.is_market and order.side == Side.BID:
            refusal = self._against_market_cost(account, order)
        if not refusal:
            refusal = self._flow.enter(order, announce=True).refusal
        if refusal:
            self._flow.cancel(order, expire=True)

    def _against_market_cost(self, account: BotAccount, order: OrderState) -> Refusal:
        cost = self._flow.market_cost(account, order, order.remaining_lots)
        locked = account.lock_of(order)[1]
        return account.lacks(0, max(0, cost - locked))

    def _follow(self, order: OrderState, *, triggered: bool = False) -> None:
        """A list follows what happened to one of its orders."""
        account = self._accounts[order.account]
        state = account.list_state(order.list_id)
        if state is None:
            return
        after = consequence(state, order, triggered=triggered)
        self._start_pending(account, after.start)
        for number in (*after.expire, *after.cancel):
            if (other := account.order(number)) and other.status.is_open:
                expire = number in after.expire
                if not (expire and was_ended_for(order, other)):
                    self._end(other, order.cancel_id, expire=expire)
        self._finish_list(account, state)

    def _start_pending(self, account: BotAccount, numbers: tuple[int, ...]) -> None:
        """Pending orders of which one trades begin, if their owner can pay; when the first has traded or
        ended at once, the list's rules end the other."""
        known = (account.order(number) for number in numbers)
        orders = [one for one in known if one is not None and one.status == OrderStatus.PENDING_NEW]
        if not orders:
            return
        if self._against_cost(account, orders):
            self._flow.cancel(orders[0], expire=True)
            return
        for number in (order.order_id for order in orders):
            pending = account.order(number)
            if pending is None or pending.status != OrderStatus.PENDING_NEW:
                return
            self._start_order(pending)
            begun = account.order(number)
            if begun is None or begun.executed_lots or not begun.status.is_open:
                return

    def _finish_list(self, account: BotAccount, state: ListState) -> None:
        orders = [account.order(number) for number in state.order_ids]
        if state.status == "ALL_DONE" or any(order is not None and order.status.is_open for order in orders):
            return
        done = _replace(state, status="ALL_DONE", time_ns=self._exchange.kernel.now_ns)
        account.put_list(done)
        self._flow.list_event(done, tuple(order for order in orders if order is not None))

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that an image needs."""
        return {
            "accounts": {number: account.state() for number, account in self._accounts.items()},
            "flow": self._flow.state(),
            "waiting": self._waiting.state(),
            "under_way": [[number, encode_request(r).hex()] for number, r in self._under_way.items()],
            "counts": [self._arrivals, self._last_order_id, self._last_list_id],
            "boundary": self.boundary.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        for number, kept in state["accounts"].items():
            account = self._make_account(int(number), kept["label"], FeeSchedule(*kept["fees"]))
            account.start_base_lots, account.start_quote_micro = kept["start"]
            account.restore(kept)
        self._flow.restore(state["flow"])
        self._arrivals, self._last_order_id, self._last_list_id = state["counts"]
        self._under_way = {}
        for number, data in state["under_way"]:
            request = decode_request(bytes.fromhex(data))
            assert not isinstance(request, Asked | Limited), "notes are not under way"
            self._under_way[number] = request
        waiting: list[tuple[OrderState, int | None]] = []
        for order_id, number, extreme in state["waiting"]:
            order = self._accounts[number].order(order_id)
            assert order is not None
            waiting.append((order, extreme))
        self._waiting.restore(waiting)
        self.boundary.restore(state["boundary"])


def _beginning(request: PlaceList) -> tuple[OrderTerms, ...]:
    """The orders of a list that begin with it."""
    return request.orders if request.kind == ListKind.OCO else request.orders[:1]
