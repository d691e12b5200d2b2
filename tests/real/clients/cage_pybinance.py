"""python-binance in the cage, as anybody writes it: Client(key, secret), its sockets, no address."""

import asyncio
from decimal import Decimal

from binance import AsyncClient, BinanceSocketManager, Client
from binance.exceptions import BinanceAPIException
from outside import nothing_else
from steps import Steps, raises, settings, until

desk, steps = settings(), Steps("python-binance (cage)")
symbol = "BTCUSDT"
quantity = "0.002"
client = Client(desk.key, desk.secret)


def price(share):
    """A share of the best bid, in whole ticks."""
    best = Decimal(client.get_order_book(symbol=symbol)["bids"][0][0])
    return str((best * Decimal(share)) // 10 * 10)


def public():
    with steps("markets") as say:
        info = client.get_symbol_info(symbol)
        assert (info["baseAsset"], info["quoteAsset"]) == ("BTC", "USDT")
        say(len(client.get_exchange_info()["symbols"]), "symbol")
    with steps("book"):
        book = client.get_order_book(symbol=symbol)
        assert Decimal(book["bids"][0][0]) < Decimal(book["asks"][0][0])
    with steps("ticker") as say:
        say(client.get_symbol_ticker(symbol=symbol)["price"], client.get_ticker(symbol=symbol)["lastPrice"])
    with steps("candles") as say:
        candles = client.get_historical_klines(symbol, Client.KLINE_INTERVAL_1MINUTE, "1 hour ago UTC")
        assert len(candles) >= 30
        say(f"{len(candles)} minutes")
    with steps("trades"):
        assert client.get_recent_trades(symbol=symbol)
        assert client.get_aggregate_trades(symbol=symbol)


def orders():
    with steps("limit") as say:
        order = client.order_limit_buy(symbol=symbol, quantity=quantity, price=price("0.98"))
        assert order["status"] == "NEW"
        say(order["orderId"])
    with steps("open orders"):
        assert [one["orderId"] for one in client.get_open_orders(symbol=symbol)] == [order["orderId"]]
    with steps("cancel"):
        assert client.cancel_order(symbol=symbol, orderId=order["orderId"])["status"] == "CANCELED"
    with steps("market") as say:
        bought = client.order_market_buy(symbol=symbol, quantity=quantity)
        assert (bought["status"], Decimal(bought["executedQty"])) == ("FILLED", Decimal(quantity))
        say(bought["fills"])
    sell = {"symbol": symbol, "side": "SELL", "quantity": quantity}
    with steps("post-only"):
        posted = client.create_order(**sell, type="LIMIT_MAKER", price=price("1.02"))
        assert client.get_order(symbol=symbol, orderId=posted["orderId"])["status"] == "NEW"
        with raises(BinanceAPIException, code=-2010):
            client.create_order(**sell, type="LIMIT_MAKER", price=price("0.98"))
    with steps("stop"):
        limits = {"stopPrice": price("0.98"), "price": price("0.97"), "timeInForce": "GTC"}
        stop = client.create_order(**sell, **limits, type="STOP_LOSS_LIMIT")
        assert client.get_order(symbol=symbol, orderId=stop["orderId"])["status"] == "NEW"
    with steps("cancel all"):
        client.cancel_all_open_orders(symbol=symbol)
        assert client.get_open_orders(symbol=symbol) == []
    with steps("edit"):
        limit = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": quantity}
        first = client.create_order(**limit, price=price("0.98"))
        replaced = client.cancel_replace_order(
            **limit,
            price=price("0.97"),
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=first["orderId"],
        )
        assert replaced["newOrderResult"] == "SUCCESS"
    with steps("oco"):
        pair = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS"}
        limits = {"abovePrice": price("1.02"), "belowStopPrice": price("0.98")}
        assert len(client.create_oco_order(**sell, **pair, **limits)["orders"]) == 2
        client.cancel_all_open_orders(symbol=symbol)
    with steps("my trades"):
        assert sum(Decimal(one["qty"]) for one in client.get_my_trades(symbol=symbol)) == Decimal(quantity)
    with steps("balances") as say:
        say(client.get_asset_balance("BTC"), client.get_asset_balance("USDT"))


async def sockets():
    asynchronous = await AsyncClient.create(desk.key, desk.secret)
    manager = BinanceSocketManager(asynchronous)
    told = []

    async def listen(user):
        while True:
            told.append(await user.recv())

    try:
        with steps("stream") as say:
            async with manager.trade_socket(symbol) as trades, manager.depth_socket(symbol) as depth:
                trade, difference = await trades.recv(), await depth.recv()
                assert (trade["e"], difference["e"]) == ("trade", "depthUpdate")
                say(trade["p"], trade["q"])
        with steps("user events") as say:
            async with manager.user_socket() as user:
                listening = asyncio.create_task(listen(user))
                bought = await asynchronous.order_market_buy(symbol=symbol, quantity=quantity)
                await until(lambda: any(is_fill(one, bought["orderId"]) for one in told), "the fill")
                await until(
                    lambda: any(one.get("e") == "outboundAccountPosition" for one in told), "balances"
                )
                listening.cancel()
            say(f"{len(told)} events")
    finally:
        await asynchronous.close_connection()


def is_fill(event, order_id):
    return (event.get("e"), event.get("X"), event.get("i")) == ("executionReport", "FILLED", order_id)


def errors():
    with steps("errors: insufficient funds"), raises(BinanceAPIException, code=-2010):
        client.order_market_sell(symbol=symbol, quantity=50)
    with steps("errors: bad key"), raises(BinanceAPIException, code=-2015):
        Client("x" * 64, desk.secret).get_account()


public()
orders()
asyncio.run(sockets())
errors()
with steps("cage") as say:
    say(nothing_else(desk.port))
steps.finish()
