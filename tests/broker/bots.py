"""Sessions with bots for tests: requests as inputs, told messages as lists, random flows."""

from __future__ import annotations

from collections.abc import Iterable

from engine.broker.journaling import request_commands
from engine.broker.terms import (
    AmendOrder,
    Balances,
    BrokerRequest,
    CancelAllOrders,
    CancelOrder,
    CancelReplace,
    ListKind,
    Message,
    OpenAccount,
    OrderState,
    OrderTerms,
    OrderType,
    PlaceList,
    PlaceOrder,
    Refusal,
    Reply,
)
from engine.core.rng import Stream
from engine.core.types import Side, TimeInForce
from engine.scenarios.loader import VenueTerms, load_scenario
from engine.session import Session, SessionConfig

MS = 1_000_000


class Market:
    """A session with accounts for bots, driven by the test."""

    def __init__(
        self,
        *,
        seed: int = 1,
        bots: int = 1,
        scenario: str = "minimal",
        warm_up_ns: int = 2_000 * MS,
        quiet: bool = False,
        base: str | None = None,
        quote: str | None = None,
    ) -> None:
        """`quiet`: nobody but the bots; `base` and `quote`: what each begins with."""
        loaded = load_scenario(scenario)
        if quiet:
            loaded = loaded._replace(groups=())
        if base is not None or quote is not None:
            loaded = loaded._replace(venue=VenueTerms(base, quote))
        self.session = Session(SessionConfig(scenario=loaded, seed=seed))
        self.session.advance(MS if quiet else warm_up_ns)
        first = self.session.broker.first_account
        self.accounts = list(range(first, first + bots))
        self._numbers = 0
        self._seen = 0
        for number in self.accounts:
            self.ask(OpenAccount(number, self.number(), f"bot-{number}"))
        self.run(1)
        self.told()

    @property
    def bot(self) -> int:
        return self.accounts[0]

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    def ask(self, request: BrokerRequest) -> None:
        for command in request_commands(request):
            self.session.accept(self.session.stamp(command))

    def run(self, ms: float) -> None:
        self.session.advance(self.session.now_ns + int(ms * MS))

    def told(self) -> list[Message]:
        new = self.session.broker.boundary.told(self._seen)
        self._seen = self.session.broker.boundary.told_count
        return [one.message for one in new]

    def reply(self, request: BrokerRequest) -> Reply:
        """Asks, lets a millisecond pass and gives the answer; `told` has it, too."""
        boundary = self.session.broker.boundary
        since = boundary.told_count
        self.ask(request)
        self.run(1)
        answers = (one.message for one in boundary.told(since) if isinstance(one.message, Reply))
        return next(one for one in answers if one.request_id == request.request_id)

    def place(self, terms: OrderTerms, *, account: int | None = None) -> Reply:
        return self.reply(PlaceOrder(account or self.bot, self.number(), terms))

    def ask_for(self, terms: OrderTerms, *, account: int | None = None) -> None:
        """Places an order and leaves what is told of it."""
        self.told()
        self.ask(PlaceOrder(account or self.bot, self.number(), terms))
        self.run(1)

    def placed(self, terms: OrderTerms, *, account: int | None = None) -> OrderState:
        """Places an order that is taken."""
        reply = self.place(terms, account=account)
        assert reply.refusal == Refusal.NONE, reply
        return reply.orders[0]

    def listed(self, kind: ListKind, *orders: OrderTerms, account: int | None = None) -> Reply:
        """Places a list, named after its first order."""
        name = f"L{orders[0].client_order_id}"
        return self.reply(PlaceList(account or self.bot, self.number(), kind, name, orders))

    def cancelled(self, order_id: int, *, account: int | None = None) -> Reply:
        return self.reply(CancelOrder(account or self.bot, self.number(), order_id=order_id))

    def order(self, order_id: int, *, account: int | None = None) -> OrderState:
        """As it is now."""
        order = self.session.broker.order(account or self.bot, order_id)
        assert order is not None
        return order

    def own(self, account: int | None = None) -> Balances:
        """Balances as they are now."""
        balances = self.session.broker.balances(account or self.bot)
        assert balances is not None
        return balances

    def trade(self, price_ticks: int, lots: int = 1) -> None:
        """The last two bots trade with each other, so that the last price is known; the book is as before."""
        name = f"t{self.number()}"
        seller, buyer = self.accounts[-2:]
        self.placed(limit(f"{name}s", Side.ASK, price_ticks, lots), account=seller)
        self.placed(limit(f"{name}b", Side.BID, price_ticks, lots), account=buyer)

    @property
    def bid(self) -> int:
        bid = self.session.exchange.best_bid
        assert bid is not None
        return bid

    @property
    def ask_price(self) -> int:
        ask = self.session.exchange.best_ask
        assert ask is not None
        return ask


def limit(client_id: str, side: Side, price_ticks: int, lots: int, **more: int) -> OrderTerms:
    return OrderTerms(client_id, int(side), OrderType.LIMIT, price_ticks=price_ticks, qty_lots=lots, **more)


def market(client_id: str, side: Side, lots: int, **more: int) -> OrderTerms:
    return OrderTerms(client_id, int(side), OrderType.MARKET, qty_lots=lots, **more)


def stop(client_id: str, side: Side, stop_price_ticks: int, lots: int, **more: int) -> OrderTerms:
    return OrderTerms(
        client_id,
        int(side),
        OrderType(more.pop("type", OrderType.STOP_LOSS)),
        stop_price_ticks=stop_price_ticks,
        qty_lots=lots,
        **more,
    )


def maker(client_id: str, side: Side, price_ticks: int, lots: int, **more: int) -> OrderTerms:
    return OrderTerms(
        client_id, int(side), OrderType.LIMIT_MAKER, price_ticks=price_ticks, qty_lots=lots, **more
    )


def random_requests(scene: Market, draw: Stream, account: int, serial: int) -> Iterable[BrokerRequest]:
    """One random request of an account; `serial` makes its client ids."""
    kind = draw.below(20)
    side = draw.below(2)
    lots = 1 + draw.below(20)
    bid, ask = scene.session.exchange.best_bid or 10_000, scene.session.exchange.best_ask or 10_001
    away = draw.below(12) - 3
    price = bid - away if side == Side.BID else ask + away
    name = f"r{serial}"
    self_trade = draw.below(5)
    if kind < 8:
        tif = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)[draw.below(4)]
        iceberg = 1 + lots // 3 if tif == TimeInForce.GTC and draw.below(4) == 0 else 0
        yield PlaceOrder(
            account,
            scene.number(),
            limit(
                name,
                Side(side),
                price,
                lots,
                time_in_force=int(tif),
                iceberg_lots=iceberg,
                self_trade=self_trade,
            ),
        )
    elif kind < 10:
        yield PlaceOrder(account, scene.number(), market(name, Side(side), lots, self_trade=self_trade))
    elif kind < 11:
        yield PlaceOrder(
            account,
            scene.number(),
            OrderTerms(name, side, OrderType.LIMIT_MAKER, price_ticks=price, qty_lots=lots),
        )
    elif kind < 13:
        stop = ask + 1 + draw.below(5) if side == Side.BID else bid - 1 - draw.below(5)
        trailing = 10 + draw.below(20) if draw.below(3) == 0 else 0
        yield PlaceOrder(
            account,
            scene.number(),
            OrderTerms(
                name,
                side,
                OrderType.STOP_LOSS,
                qty_lots=lots,
                stop_price_ticks=0 if trailing else stop,
                trailing_bips=trailing,
            ),
        )
    elif kind < 14:
        legs = (
            OrderTerms(
                name + "a", 1, OrderType.LIMIT_MAKER, price_ticks=ask + 1 + draw.below(4), qty_lots=lots
            ),
            OrderTerms(
                name + "b", 1, OrderType.STOP_LOSS, qty_lots=lots, stop_price_ticks=bid - 1 - draw.below(4)
            ),
        )
        yield PlaceList(account, scene.number(), ListKind.OCO, name, legs)
    elif kind < 15:
        legs = (
            limit(name + "a", Side.BID, bid - draw.below(3), lots),
            limit(name + "b", Side.ASK, ask + draw.below(4), lots),
        )
        yield PlaceList(account, scene.number(), ListKind.OTO, name, legs)
    else:
        yield from _about_an_open_order(scene, draw, account, name)


def _about_an_open_order(scene: Market, draw: Stream, account: int, name: str) -> Iterable[BrokerRequest]:
    orders = scene.session.broker.open_orders(account)
    if not orders:
        yield CancelAllOrders(account, scene.number())
        return
    order = orders[draw.below(len(orders))]
    cancel = CancelOrder(account, scene.number(), order_id=order.order_id, new_client_order_id=f"x{name}")
    kind = draw.below(8)
    if kind < 4:
        yield cancel
    elif kind < 6:
        terms = limit(name, Side(order.side), max(1, order.price_ticks or scene.bid), 1 + draw.below(9))
        yield CancelReplace(account, scene.number(), cancel, terms, allow_failure=bool(kind & 1))
    elif kind < 7:
        yield AmendOrder(
            account, scene.number(), order_id=order.order_id, new_qty_lots=max(1, order.qty_lots - 1)
        )
    else:
        yield CancelAllOrders(account, scene.number())
