"""nautilus_trader: a live TradingNode whose Binance Spot clients are told base URLs and a key, no more.

Two releases. The last for Python 3.11 hears of its orders by listen key, which Binance removed: the desk
serves them on request. Later ones log on at the WS-API, with an Ed25519 key.
"""

import asyncio
import hashlib
import hmac
import json
import time
import urllib.parse
import urllib.request
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from nautilus_trader.adapters.binance import BINANCE_VENUE
from nautilus_trader.adapters.binance.config import BinanceDataClientConfig, BinanceExecClientConfig
from nautilus_trader.adapters.binance.factories import (
    BinanceLiveDataClientFactory,
    BinanceLiveExecClientFactory,
)
from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveExecEngineConfig,
    LoggingConfig,
    StrategyConfig,
    TradingNodeConfig,
)
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce, TriggerType
from nautilus_trader.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderDenied,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy
from steps import Steps, settings, until

HAS_WS_API = "base_url_ws_stream" in BinanceExecClientConfig.__struct_fields__
"""It hears of its orders there."""
desk = settings()
steps = Steps("nautilus_trader" if HAS_WS_API else "nautilus_trader (listen key)")
KEY = desk.ed25519_key if HAS_WS_API else desk.key
SECRET = Path(desk.ed25519_pem).read_text() if HAS_WS_API else desk.secret

INSTRUMENT = InstrumentId.from_str(f"{desk.symbol}.BINANCE")
SECONDS = BarType.from_str(f"{INSTRUMENT}-1-SECOND-LAST-EXTERNAL")
MINUTES = BarType.from_str(f"{INSTRUMENT}-1-MINUTE-LAST-EXTERNAL")
TICK, LOT = Decimal(10), Decimal("0.001")
BOOKS_KEPT = 400
BOOK_TRIES = 100
MARKET_PATIENCE_S = 60.0
"""For what waits until the market moves."""
REFUSALS = ("Cannot modify order", "immediately match", "PERCENT_PRICE", "UNSUPPORTED_ORDER_TYPE", "NOTIONAL")
"""In the client's log, because the steps bring them about."""


def public(path, **params):
    """A question beside the client: what is true at the venue."""
    with urllib.request.urlopen(f"{desk.url}{path}?{urllib.parse.urlencode(params)}", timeout=10) as answer:
        return json.load(answer)


def signed(method, path, **params):
    """The same, for the account's own."""
    query = urllib.parse.urlencode(params | {"timestamp": int(time.time() * 1_000)})
    address = f"{desk.url}{path}?{query}&{urllib.parse.urlencode({'signature': signature_of(query)})}"
    request = urllib.request.Request(address, method=method, headers={"X-MBX-APIKEY": KEY})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def signature_of(query):
    if not HAS_WS_API:
        return hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
    from nautilus_trader.adapters.binance.common.credentials import extract_ed25519_private_key
    from nautilus_trader.core.nautilus_pyo3 import ed25519_signature

    return ed25519_signature(extract_ed25519_private_key(SECRET), query)


class Bot(Strategy):
    """Writes down what it is told; claims the orders that were there before it."""

    def __init__(self):
        super().__init__(StrategyConfig(external_order_claims=[INSTRUMENT]))
        self.events, self.trades, self.quotes, self.bars, self.history = [], [], [], [], []
        self.books = {}

    def on_start(self):
        self.subscribe_order_book_deltas(INSTRUMENT, book_type=BookType.L2_MBP)
        self.subscribe_trade_ticks(INSTRUMENT)
        self.subscribe_quote_ticks(INSTRUMENT)
        self.subscribe_bars(SECONDS)

    def on_order_book_deltas(self, deltas):
        book = self.cache.order_book(INSTRUMENT)
        if book is not None:
            self.books[book.sequence] = [
                [(level.price.as_decimal(), Decimal(str(level.size()))) for level in side[:20]]
                for side in (book.bids(), book.asks())
            ]
            if len(self.books) > BOOKS_KEPT:
                del self.books[next(iter(self.books))]

    def on_trade_tick(self, tick):
        self.trades.append(tick)

    def on_quote_tick(self, tick):
        self.quotes.append(tick)

    def on_bar(self, bar):
        self.bars.append(bar)

    def on_historical_data(self, data):
        self.history.append(data)

    def on_event(self, event):
        self.events.append(event)

    def told(self, order, kind=OrderEvent):
        """The events of this kind about an order, in the order in which they came."""
        own = (e for e in self.events if isinstance(e, kind))
        return [event for event in own if event.client_order_id == order.client_order_id]


class Cycle:
    """All steps, in the loop of the node."""

    def __init__(self, bot, resting, filled):
        self.bot, self.resting, self.filled = bot, resting, filled
        self.instrument = None

    async def run(self):
        await until(lambda: self.bot.is_running, "the node", 45)
        await self.start()
        await self.market_data()
        await self.streams()
        await self.simple_orders()
        await self.stops()
        await self.errors()
        await self.several_orders()
        await self.account()

    async def start(self):
        bot = self.bot
        with steps("markets") as say:
            found = self.instrument = bot.cache.instrument(INSTRUMENT)
            assert (found.price_increment.as_decimal(), found.size_increment.as_decimal()) == (TICK, LOT)
            say(f"{found.id}: max price {found.max_price}, fees {found.maker_fee} {found.taker_fee}")
        with steps("open orders: reconciled at start") as say:
            (order,) = bot.cache.orders_open()
            assert order.venue_order_id.value == str(self.resting)
            closed = {one.venue_order_id.value: one for one in bot.cache.orders_closed()}
            before = closed[str(self.filled)]
            assert before.status_string() == "FILLED"
            say(order.to_dict()["status"], before.status_string())
        with steps("cancel: an order of before"):
            bot.cancel_order(order)
            await until(lambda: bot.told(order, OrderCanceled), "OrderCanceled")

    async def market_data(self):
        bot = self.bot
        with steps("book: deltas give the snapshot") as say:
            await until(lambda: bot.books, "deltas", 30)
            for _ in range(BOOK_TRIES):
                true = await asyncio.to_thread(public, "/api/v3/depth", symbol=desk.symbol, limit=20)
                await asyncio.sleep(0.25)
                if true["lastUpdateId"] in bot.books:
                    break
            wanted = [[(Decimal(p), Decimal(q)) for p, q in true[side]] for side in ("bids", "asks")]
            assert bot.books[true["lastUpdateId"]] == wanted
            say(f"20 levels a side at update {true['lastUpdateId']}")
        with steps("candles") as say:
            bot.request_bars(MINUTES, start=bot.clock.utc_now() - timedelta(hours=1))
            await until(lambda: len(bot.history) >= 30, "candles")
            say(len(bot.history), "minutes")
        with steps("trades") as say:
            bot.history.clear()
            bot.request_trade_ticks(INSTRUMENT, start=bot.clock.utc_now() - timedelta(hours=1), limit=50)
            await until(lambda: bot.history, "trades")
            say(len(bot.history), "trades")
        with steps("ticker") as say:
            quote = await until(lambda: bot.cache.quote_tick(INSTRUMENT), "a quote")
            assert quote.bid_price < quote.ask_price
            say(quote)

    async def streams(self):
        bot = self.bot
        with steps("stream: trades without a gap") as say:
            await until(lambda: len(bot.trades) > 20, "trades", 30)
            ids = [int(tick.trade_id.value) for tick in bot.trades]
            assert ids == list(range(ids[0], ids[0] + len(ids)))
            say(len(ids))
        with steps("stream: bars") as say:
            await until(lambda: len(bot.bars) >= 3, "bars", 30)
            starts = [bar.ts_event for bar in bot.bars]
            assert all(later - earlier == 1_000_000_000 for earlier, later in pairwise(starts))
            say(bot.bars[-1])

    async def simple_orders(self):
        bot = self.bot
        with steps("limit") as say:
            order = self.limit(OrderSide.BUY, 2, self.price(-40))
            await until(lambda: bot.told(order, OrderAccepted), "OrderAccepted")
            assert order.is_open
            say(order)
        with steps("cancel"):
            bot.cancel_order(order)
            await until(lambda: bot.told(order, OrderCanceled), "OrderCanceled")
            assert order.is_closed
        with steps("market") as say:
            had = bot.portfolio.net_position(INSTRUMENT)
            bought = bot.order_factory.market(INSTRUMENT, OrderSide.BUY, self.quantity(5))
            bot.submit_order(bought)
            await until(lambda: bought.is_closed, "the end of a market order")
            assert bought.status_string() == "FILLED"
            assert bot.portfolio.net_position(INSTRUMENT) - had == 5 * LOT
            say(bought, "position", bot.portfolio.net_position(INSTRUMENT))
        with steps("my trades") as say:
            true = signed("GET", "/api/v3/myTrades", symbol=desk.symbol, orderId=bought.venue_order_id.value)
            numbers = ("price", "qty", "commission")
            wanted = [(str(one["id"]), *(Decimal(one[name]) for name in numbers)) for one in true]
            fills = bot.told(bought, OrderFilled)
            assert wanted == [
                (f.trade_id.value, f.last_px.as_decimal(), f.last_qty.as_decimal(), f.commission.as_decimal())
                for f in fills
            ]
            say(*(f"{f.last_qty} at {f.last_px}, {f.commission}" for f in fills))
        with steps("post-only"):
            posted = self.limit(OrderSide.BUY, 1, self.price(-30), post_only=True)
            await until(lambda: bot.told(posted, OrderAccepted), "OrderAccepted")
            bot.cancel_order(posted)
            crossing = self.limit(OrderSide.BUY, 1, self.price(+60), post_only=True)
            (told,) = await until(lambda: bot.told(crossing, OrderRejected), "OrderRejected")
            assert "Order would immediately match and take." in told.reason
        with steps("limit: IOC and FOK"):
            unmatched = self.limit(OrderSide.BUY, 2, self.price(-50), time_in_force=TimeInForce.IOC)
            await until(lambda: bot.told(unmatched, OrderExpired), "OrderExpired")
            matched = self.limit(OrderSide.BUY, 2, self.price(+50), time_in_force=TimeInForce.FOK)
            await until(lambda: matched.is_closed, "the end of a FOK order")
            assert matched.status_string() == "FILLED"

    async def stops(self):
        factory = self.bot.order_factory
        for kind, make, ticks in (
            ("stop-limit", factory.stop_limit, -300),
            ("limit if touched", factory.limit_if_touched, +300),
        ):
            with steps(f"stop: {kind}") as say:
                order = self.conditional(make, ticks, ticks)
                await until(lambda order=order: self.bot.told(order, OrderAccepted), "OrderAccepted")
                self.bot.cancel_order(order)
                await until(lambda order=order: self.bot.told(order, OrderCanceled), "OrderCanceled")
                say(order)
        with steps("stop: triggers and fills") as say:
            order = self.conditional(factory.stop_limit, -2, -60)
            await until(lambda: order.is_closed, "the market to reach it", MARKET_PATIENCE_S)
            assert order.status_string() == "FILLED"
            say(order)

    async def errors(self):
        bot = self.bot
        with steps("errors: percent price"):
            order = self.limit(OrderSide.BUY, 1, self.instrument.make_price(9_000))
            (told,) = await until(lambda: bot.told(order, OrderRejected), "OrderRejected")
            assert "Filter failure: PERCENT_PRICE_BY_SIDE" in told.reason
        with steps("errors: more than the balance") as say:
            order = self.limit(OrderSide.SELL, 50_000, self.price(+5))
            (told,) = await until(lambda: bot.told(order, OrderDenied), "OrderDenied")
            say(told.reason)
        with steps("errors: stop-market, which this adapter does not send") as say:
            make = bot.order_factory.stop_market
            order = make(INSTRUMENT, OrderSide.SELL, self.quantity(1), self.price(-100))
            bot.submit_order(order)
            (told,) = await until(lambda: bot.told(order, OrderDenied), "OrderDenied")
            say(told.reason)

    async def several_orders(self):
        bot = self.bot
        with steps("cancel all"):
            orders = [self.limit(OrderSide.BUY, 1, self.price(-40 - n)) for n in range(3)]
            await until(lambda: all(order.is_open for order in orders), "three open orders")
            bot.cancel_all_orders(INSTRUMENT)
            await until(lambda: all(order.is_closed for order in orders), "no open order")
            assert {order.status_string() for order in orders} == {"CANCELED"}
            assert signed("GET", "/api/v3/openOrders", symbol=desk.symbol) == []
        steps.absent("edit", "the adapter modifies futures orders only")
        steps.absent("oco", "the adapter denies linked orders")

    async def account(self):
        bot = self.bot
        with steps("user events") as say:
            orders = [one for one in bot.cache.orders() if one.venue_order_id is not None]
            await until(lambda: not [one for one in orders if one.is_inflight], "the last event")
            true = {one["orderId"]: one for one in signed("GET", "/api/v3/allOrders", symbol=desk.symbol)}
            for order in orders:
                one = true[int(order.venue_order_id.value)]
                assert Decimal(one["executedQty"]) == order.filled_qty.as_decimal(), order
                assert (one["status"] in ("NEW", "PARTIALLY_FILLED")) == order.is_open, order
            say(f"{len(orders)} orders as the venue has them")
        with steps("balances") as say:
            account = bot.portfolio.account(BINANCE_VENUE)

            def differ():
                ours = {
                    currency.code: (balance.free.as_decimal(), balance.locked.as_decimal())
                    for currency, balance in account.balances().items()
                }
                true = signed("GET", "/api/v3/account")["balances"]
                return ours != {one["asset"]: (Decimal(one["free"]), Decimal(one["locked"])) for one in true}

            await until(lambda: not differ(), "the account's balances")
            say(*(f"{balance.total}" for balance in account.balances().values()))

    def quantity(self, lots):
        return self.instrument.make_qty(lots * LOT)

    def price(self, ticks):
        """So many ticks from the best bid."""
        bid = Decimal(public("/api/v3/depth", symbol=desk.symbol, limit=5)["bids"][0][0])
        return self.instrument.make_price(bid + ticks * TICK)

    def limit(self, side, lots, price, **more):
        order = self.bot.order_factory.limit(INSTRUMENT, side, self.quantity(lots), price, **more)
        self.bot.submit_order(order)
        return order

    def conditional(self, make, trigger_ticks, limit_ticks):
        trigger, limit = self.price(trigger_ticks), self.price(limit_ticks)
        last = TriggerType.LAST_PRICE
        order = make(INSTRUMENT, OrderSide.SELL, self.quantity(2), limit, trigger, trigger_type=last)
        self.bot.submit_order(order)
        return order


def node_config():
    common = {
        "api_key": KEY,
        "api_secret": SECRET,
        "base_url_http": desk.url,
        "instrument_provider": InstrumentProviderConfig(load_ids=frozenset({INSTRUMENT})),
    }
    return TradingNodeConfig(
        trader_id=TraderId("DESK-001"),
        logging=LoggingConfig(
            log_level="OFF", log_level_file="INFO", log_directory=desk.folder, log_file_name="node"
        ),
        exec_engine=LiveExecEngineConfig(
            generate_missing_orders=False,  # the adapter calls every spot position flat, and would sell it
            reconciliation_startup_delay_secs=0.5,
            open_check_interval_secs=3.0,
            inflight_check_interval_ms=1_000,
        ),
        data_clients={"BINANCE": BinanceDataClientConfig(**common, base_url_ws=desk.ws)},
        exec_clients={
            "BINANCE": BinanceExecClientConfig(
                **common, base_url_ws=f"{desk.ws}/ws-api/v3" if HAS_WS_API else desk.ws
            )
        },
        timeout_connection=20.0,
        timeout_reconciliation=10.0,
        timeout_disconnection=5.0,
        timeout_post_stop=1.0,
    )


def orders_of_before():
    """What a bot that starts again finds: (id of a resting order, id of a filled one)."""
    bid = Decimal(public("/api/v3/depth", symbol=desk.symbol, limit=5)["bids"][0][0])
    buy = {"symbol": desk.symbol, "side": "BUY", "quantity": 3 * LOT}
    at = {"type": "LIMIT", "timeInForce": "GTC", "price": bid - 50 * TICK}
    resting = signed("POST", "/api/v3/order", **buy, **at, newClientOrderId="O-BEFORE-1")
    filled = signed("POST", "/api/v3/order", **buy, type="MARKET", newClientOrderId="O-BEFORE-2")
    return resting["orderId"], filled["orderId"]


def main():
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    bot = Bot()
    cycle = Cycle(bot, *orders_of_before())
    node = TradingNode(node_config(), loop=loop)
    node.trader.add_strategy(bot)
    node.add_data_client_factory("BINANCE", BinanceLiveDataClientFactory)
    node.add_exec_client_factory("BINANCE", BinanceLiveExecClientFactory)
    node.build()

    async def trade():
        try:
            await cycle.run()
        finally:
            await node.stop_async()

    trading = loop.create_task(trade())
    node.run()
    with steps("errors: none but the expected in the client's log") as say:
        trading.result()
        lines = [line for path in Path(desk.folder).glob("node*") for line in path.read_text().splitlines()]
        wrong = [line for line in lines if "[ERROR]" in line and not any(text in line for text in REFUSALS)]
        assert lines
        say(f"{len(lines)} lines")
        assert not wrong, wrong


main()
steps.finish()
