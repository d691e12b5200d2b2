"""Any orders of two small accounts, against a slow and obvious ledger that hears only what is told."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from engine.broker.terms import (
    AmendOrder,
    BalanceEvent,
    CancelAllOrders,
    CancelOrder,
    CancelReplace,
    Execution,
    ListKind,
    OrderEvent,
    OrderState,
    OrderStatus,
    OrderTerms,
    OrderType,
    PlaceList,
    PlaceOrder,
    Reply,
)
from engine.core.types import SelfTrade, Side, TimeInForce
from tests.broker.bots import Market

BASE_LOTS, QUOTE = 60, 6_000
MICRO = 1_000_000
sides = st.sampled_from((Side.BID, Side.ASK))
accounts = st.integers(0, 1)
offsets = st.integers(-4, 4)
lots = st.integers(1, 40)
modes = st.sampled_from(SelfTrade)


class Oracle:
    """What one account must own, from its beginning and the fills that it was told."""

    def __init__(self, scene: Market, account: int) -> None:
        self.scene, self.account = scene, account
        self.fees = scene.session.broker.fees(account)
        self.base, self.quote = BASE_LOTS, QUOTE * 100 * MICRO
        self.orders: dict[int, OrderState] = {}
        self.fills: Counter[tuple[int, int]] = Counter()

    def hear(self, event: OrderEvent) -> None:
        before = self.orders.get(event.order.order_id)
        assert before is not None or event.execution == Execution.NEW
        assert before is None or before.status.is_open, "nothing comes after the end"
        self.orders[event.order.order_id] = event.order
        fill = event.fill
        assert (fill is not None) == (event.execution == Execution.TRADE)
        if fill is None:
            assert event.order.executed_lots == (before.executed_lots if before is not None else 0)
            return
        self.fills[(fill.trade_id, fill.order_id)] += 1
        worth = fill.price_ticks * fill.qty_lots
        assert fill.fee_micro == worth * (self.fees.maker_ppm if fill.is_maker else self.fees.taker_ppm)
        assert before is not None
        assert event.order.executed_lots == before.executed_lots + fill.qty_lots
        assert event.order.executed_micro == before.executed_micro + worth * MICRO
        self._keeps_its_price(event.order, fill.price_ticks)
        sign = 1 if fill.side == Side.BID else -1
        self.base += sign * fill.qty_lots
        self.quote -= sign * worth * MICRO + fill.fee_micro

    def _keeps_its_price(self, order: OrderState, price_ticks: int) -> None:
        if order.price_ticks:
            assert (price_ticks - order.price_ticks) * (1 - 2 * order.side) <= 0

    def locks(self) -> tuple[int, int]:
        """Of all open orders, the dearer of two of which one trades."""
        alone: list[tuple[int, int]] = []
        pairs: dict[int, list[tuple[int, int]]] = {}
        broker = self.scene.session.broker
        for order in broker.open_orders(self.account):
            state = broker.order_list(self.account, order.list_id) if order.list_id >= 0 else None
            is_leg = (
                state is not None and state.kind != ListKind.OTO and order.order_id in state.order_ids[-2:]
            )
            (pairs.setdefault(order.list_id, []) if is_leg else alone).append(self._lock(order))
        alone += [max(pair) for pair in pairs.values()]
        return sum(base for base, _ in alone), sum(quote for _, quote in alone)

    def _lock(self, order: OrderState) -> tuple[int, int]:
        left = order.qty_lots - order.executed_lots - order.prevented_lots
        if order.status == OrderStatus.PENDING_NEW:
            return 0, 0
        if order.side == Side.ASK:
            return left, 0
        price_ticks = order.price_ticks or order.stop_price_ticks
        return 0, price_ticks * left * (MICRO + max(0, *self.fees))


class AnyOrders(RuleBasedStateMachine):
    """Two bots alone in a market."""

    def __init__(self) -> None:
        super().__init__()
        self.scene = Market(bots=2, quiet=True, base=str(BASE_LOTS), quote=str(QUOTE))
        self.oracles = {one: Oracle(self.scene, one) for one in self.scene.accounts}
        self.balances = {one: self.scene.own(one) for one in self.scene.accounts}
        self.asked: Counter[int] = Counter()
        self.answered: Counter[int] = Counter()
        self.serial = 0

    # -- requests --------------------------------------------------------------------------------------

    @rule(
        bot=accounts, side=sides, offset=offsets, lots=lots, tif=st.sampled_from(list(TimeInForce)[:3]),
        parts=st.integers(0, 4), mode=modes,
    )  # fmt: skip
    def limit(
        self, bot: int, side: Side, offset: int, lots: int, tif: TimeInForce, parts: int, mode: SelfTrade
    ) -> None:
        iceberg = -(-lots // parts) if parts and tif == TimeInForce.GTC else 0
        self.place(bot, self.terms(side, OrderType.LIMIT, offset, lots, tif, iceberg, mode))

    @rule(bot=accounts, side=sides, offset=offsets, lots=lots, mode=modes)
    def maker(self, bot: int, side: Side, offset: int, lots: int, mode: SelfTrade) -> None:
        self.place(bot, self.terms(side, OrderType.LIMIT_MAKER, offset, lots, mode=mode))

    @rule(bot=accounts, side=sides, lots=lots, mode=modes, for_money=st.booleans())
    def market(self, bot: int, side: Side, lots: int, mode: SelfTrade, for_money: bool) -> None:
        money = lots * 10_000 * MICRO if for_money else 0
        terms = OrderTerms(
            self.name(), int(side), OrderType.MARKET, qty_lots=0 if money else lots, quote_micro=money,
            self_trade=int(mode),
        )  # fmt: skip
        self.place(bot, terms)

    @rule(
        bot=accounts, side=sides, kind=st.sampled_from([one for one in OrderType if one.waits]),
        offset=offsets, limit_offset=offsets, lots=lots, trails=st.booleans(), mode=modes,
    )  # fmt: skip
    def waiting(
        self, bot: int, side: Side, kind: OrderType, offset: int, limit_offset: int, lots: int, trails: bool,
        mode: SelfTrade,
    ) -> None:  # fmt: skip
        self.place(bot, self.stop(side, kind, offset, limit_offset, lots, trails, mode))

    @rule(bot=accounts, side=sides, limit=st.integers(1, 4), stop=st.integers(1, 4), lots=lots)
    def oco(self, bot: int, side: Side, limit: int, stop: int, lots: int) -> None:
        self.list(bot, ListKind.OCO, *self.pair(side, limit, stop, lots))

    @rule(bot=accounts, side=sides, offset=offsets, lots=lots, pending=st.integers(0, 2))
    def oto(self, bot: int, side: Side, offset: int, lots: int, pending: int) -> None:
        other = Side(1 - side)
        second = (
            self.terms(other, OrderType.LIMIT, 0, lots),
            OrderTerms(self.name(), int(other), OrderType.MARKET, qty_lots=lots),
            self.stop(other, OrderType.STOP_LOSS, 2, 0, lots, False, SelfTrade.ALLOW),
        )[pending]
        self.list(bot, ListKind.OTO, self.terms(side, OrderType.LIMIT, offset, lots), second)

    @rule(
        bot=accounts, side=sides, offset=offsets, limit=st.integers(1, 4), stop=st.integers(1, 4), lots=lots
    )
    def otoco(self, bot: int, side: Side, offset: int, limit: int, stop: int, lots: int) -> None:
        working = self.terms(side, OrderType.LIMIT, offset, lots)
        self.list(bot, ListKind.OTOCO, working, *self.pair(Side(1 - side), limit, stop, lots))

    @rule(bot=accounts, which=st.integers(0, 9), status=st.sampled_from(("", "ONLY_NEW")))
    def cancel(self, bot: int, which: int, status: str) -> None:
        if order := self.open_order(bot, which):
            self.ask(CancelOrder(order.account, self.number(), order.order_id, only_status=status))

    @rule(
        bot=accounts, which=st.integers(0, 9), offset=offsets, lots=lots, allow=st.booleans(),
        counts=st.booleans(), most=st.integers(-1, 5),
    )  # fmt: skip
    def cancel_replace(
        self, bot: int, which: int, offset: int, lots: int, allow: bool, counts: bool, most: int
    ) -> None:
        if order := self.open_order(bot, which):
            cancel = CancelOrder(order.account, self.number(), order.order_id)
            terms = self.terms(Side(order.side), OrderType.LIMIT, offset, lots)
            self.ask(CancelReplace(order.account, cancel.request_id, cancel, terms, allow, counts, most))

    @rule(bot=accounts, which=st.integers(0, 9), less=st.integers(1, 10), renamed=st.booleans())
    def amend(self, bot: int, which: int, less: int, renamed: bool) -> None:
        if order := self.open_order(bot, which):
            left, name = max(1, order.qty_lots - less), self.name() if renamed else ""
            self.ask(
                AmendOrder(
                    order.account, self.number(), order.order_id, new_client_order_id=name, new_qty_lots=left
                )
            )

    @rule(bot=accounts)
    def cancel_all(self, bot: int) -> None:
        self.ask(CancelAllOrders(self.scene.accounts[bot], self.number()))

    @rule()
    def time_passes(self) -> None:
        self.scene.run(2)

    # -- what must hold --------------------------------------------------------------------------------

    @invariant()
    def accounts_are_what_they_were_told(self) -> None:
        scene = self.scene
        scene.run(1)
        for message in scene.told():
            if isinstance(message, OrderEvent):
                self.oracles[message.order.account].hear(message)
            elif isinstance(message, BalanceEvent):
                self.balances[message.account] = message.balances
            elif isinstance(message, Reply):
                self.answered[message.request_id] += 1
        assert self.asked == self.answered
        scene.session.exchange._check()
        for account, oracle in self.oracles.items():
            self.check(account, oracle)

    def check(self, account: int, oracle: Oracle) -> None:
        broker, own = self.scene.session.broker, self.scene.own(account)
        assert own == self.balances[account], "told as it is"
        assert (own.base_lots, own.quote_micro) == (oracle.base, oracle.quote)
        assert (own.base_locked_lots, own.quote_locked_micro) == oracle.locks()
        assert 0 <= own.base_locked_lots <= own.base_lots
        assert 0 <= own.quote_locked_micro <= own.quote_micro
        assert all(count == 1 for count in oracle.fills.values())
        assert list(oracle.fills) == [(one.trade_id, one.order_id) for one in broker.fills(account)]
        told = {number: replace(one, market_id=0, trailing_ns=-1) for number, one in oracle.orders.items()}
        assert told == {
            one.order_id: replace(one, market_id=0, trailing_ns=-1) for one in broker.orders(account)
        }
        resting = self.scene.session.exchange.open_orders(account)
        in_book = {one.market_id: one for one in broker.open_orders(account) if one.market_id in resting}
        assert set(in_book) == set(resting), "what rests belongs to an open order"
        for number, row in resting.items():
            order = in_book[number]
            assert row.remaining_lots <= order.remaining_lots
            assert order.iceberg_lots or row.remaining_lots == order.remaining_lots
            assert order.iceberg_lots == 0 or row.remaining_lots <= order.iceberg_lots
        for order in broker.open_orders(account):
            assert order.remaining_lots > 0
            named = broker.order_by_client_id(account, order.client_order_id)
            assert named is order

    def teardown(self) -> None:
        for account in self.scene.accounts:
            self.ask(CancelAllOrders(account, self.number()))
        self.scene.run(2)
        for account in self.scene.accounts:
            own = self.scene.own(account)
            assert (own.base_locked_lots, own.quote_locked_micro) == (0, 0)
        fees = sum(self.scene.session.exchange.ledger.entry(one).fees for one in self.scene.accounts)
        assert sum(self.scene.own(one).base_lots for one in self.scene.accounts) == 2 * BASE_LOTS
        assert (
            sum(self.scene.own(one).quote_micro for one in self.scene.accounts) + fees
            == 2 * QUOTE * 100 * MICRO
        )

    # -- small parts -----------------------------------------------------------------------------------

    def ask(
        self, request: PlaceOrder | PlaceList | CancelOrder | CancelReplace | AmendOrder | CancelAllOrders
    ) -> None:
        self.asked[request.request_id] += 1
        self.scene.ask(request)

    def place(self, bot: int, terms: OrderTerms) -> None:
        self.ask(PlaceOrder(self.scene.accounts[bot], self.number(), terms))

    def list(self, bot: int, kind: ListKind, *orders: OrderTerms) -> None:
        self.ask(PlaceList(self.scene.accounts[bot], self.number(), kind, self.name(), orders))

    def terms(
        self, side: Side, kind: OrderType, offset: int, lots: int, tif: TimeInForce = TimeInForce.GTC,
        iceberg: int = 0, mode: SelfTrade = SelfTrade.CANCEL_MAKER,
    ) -> OrderTerms:  # fmt: skip
        return OrderTerms(
            self.name(), int(side), kind, int(tif), 10_000 + offset, lots, iceberg_lots=iceberg,
            self_trade=int(mode),
        )  # fmt: skip

    def stop(
        self,
        side: Side,
        kind: OrderType,
        offset: int,
        limit_offset: int,
        lots: int,
        trails: bool,
        mode: SelfTrade,
    ) -> OrderTerms:
        return OrderTerms(
            self.name(), int(side), kind, price_ticks=0 if kind.is_market else 10_000 + limit_offset,
            qty_lots=lots, stop_price_ticks=0 if trails else 10_000 + offset,
            trailing_bips=10 if trails else 0, self_trade=int(mode),
        )  # fmt: skip

    def pair(self, side: Side, limit: int, stop: int, lots: int) -> tuple[OrderTerms, OrderTerms]:
        """Above and below."""
        away = 1 if side == Side.ASK else -1
        rests = self.terms(side, OrderType.LIMIT_MAKER, away * limit, lots)
        waits = self.stop(side, OrderType.STOP_LOSS, -away * stop, 0, lots, False, SelfTrade.CANCEL_MAKER)
        return (rests, waits) if side == Side.ASK else (waits, rests)

    def open_order(self, bot: int, which: int) -> OrderState | None:
        orders = self.scene.session.broker.open_orders(self.scene.accounts[bot])
        return orders[which % len(orders)] if orders else None

    def number(self) -> int:
        return self.scene.number()

    def name(self) -> str:
        self.serial += 1
        return f"n{self.serial}"


AnyOrders.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
test_any_orders_of_two_bots = AnyOrders.TestCase
