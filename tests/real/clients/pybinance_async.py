"""python-binance: AsyncClient (REST and WS-API), BinanceSocketManager, depth cache.

Changed are the URLs that its classes carry, and the keys.
"""

import asyncio
from itertools import pairwise

from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from binance.exceptions import BinanceAPIException
from steps import Steps, raises, settings, until

desk, steps = settings(), Steps("python-binance async")
AsyncClient.API_URL = f"{desk.url}/api"
AsyncClient.WS_API_URL = f"{desk.ws}/ws-api/v3"
BinanceSocketManager.STREAM_URL = f"{desk.ws}/"
symbol = desk.symbol


def text(price):
    """A price as the symbol's tick wants it."""
    return f"{price:.2f}"


async def read(socket, into):
    """What a socket brings, until the task is cancelled."""
    async with socket as stream:
        while True:
            into.append(await stream.recv())


async def market_steps(client, manager):
    with steps("markets"):
        assert (await client.get_symbol_info(symbol))["quoteAsset"] == desk.quote
        assert (await client.ws_get_exchange_info(symbol=symbol))["symbols"]
    with steps("book"):
        asked = await client.get_order_book(symbol=symbol, limit=50)
        over_socket = await client.ws_get_order_book(symbol=symbol, limit=50)
        assert over_socket["lastUpdateId"] >= asked["lastUpdateId"]
        async with DepthCacheManager(client, symbol=symbol) as cache:
            for _ in range(5):
                kept = await asyncio.wait_for(cache.recv(), 10)
            assert kept.get_bids()[0][0] < kept.get_asks()[0][0]
    with steps("ticker"):
        assert float((await client.get_ticker(symbol=symbol))["lastPrice"]) > 0
        assert float((await client.ws_get_symbol_ticker(symbol=symbol))["price"]) > 0
    with steps("candles"):
        assert len(await client.get_historical_klines(symbol, "1h", "1 day ago UTC")) >= 24
        assert len(await client.ws_get_klines(symbol=symbol, interval="1m", limit=20)) == 20
    with steps("trades"):
        assert await client.get_recent_trades(symbol=symbol)
        assert await client.ws_get_aggregate_trades(symbol=symbol, limit=5)
    with steps("stream") as say:
        seen = {"depth": [], "trade": [], "kline": [], "many": []}
        streams = [f"{symbol.lower()}@{name}" for name in ("bookTicker", "aggTrade", "depth5", "miniTicker")]
        tasks = [
            asyncio.ensure_future(read(manager.depth_socket(symbol, interval=100), seen["depth"])),
            asyncio.ensure_future(read(manager.trade_socket(symbol), seen["trade"])),
            asyncio.ensure_future(read(manager.kline_socket(symbol), seen["kline"])),
            asyncio.ensure_future(read(manager.multiplex_socket(streams), seen["many"])),
        ]
        await until(
            lambda: len({one.get("stream") for one in seen["many"]}) == 4 <= min(map(len, seen.values())),
            "messages of all streams",
            30,
        )
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        diffs = seen["depth"]
        assert all(later["U"] == earlier["u"] + 1 for earlier, later in pairwise(diffs))
        say({name: len(got) for name, got in seen.items()})


async def order_steps(client):
    best = await client.get_orderbook_ticker(symbol=symbol)
    low, high = text(float(best["bidPrice"]) * 0.98), text(float(best["askPrice"]) * 1.02)
    with steps("limit"):
        order = await client.ws_order_limit_buy(symbol=symbol, quantity=2, price=low)
        assert order["status"] == "NEW"
        found = await client.ws_get_order(symbol=symbol, orderId=order["orderId"])
        assert found == await client.get_order(symbol=symbol, orderId=order["orderId"])
    with steps("cancel"):
        gone = await client.ws_cancel_order(symbol=symbol, orderId=order["orderId"])
        assert gone["status"] == "CANCELED"
    with steps("market"):
        bought = await client.ws_order_market_buy(symbol=symbol, quantity=2)
        assert bought["status"] == "FILLED"
        sold = await client.order_market_sell(symbol=symbol, quantity=1)
        assert sold["status"] == "FILLED"
    maker = {"symbol": symbol, "type": "LIMIT_MAKER", "quantity": 1, "price": high}
    with steps("post-only"):
        posted = await client.ws_create_order(side="SELL", **maker)
        with raises(BinanceAPIException, code=-2010):
            await client.ws_create_order(side="BUY", **maker)
    with steps("stop"):
        stop = await client.ws_create_order(
            symbol=symbol,
            side="SELL",
            type="STOP_LOSS_LIMIT",
            timeInForce="GTC",
            quantity=1,
            price=low,
            stopPrice=low,
        )
    with steps("open orders"):
        opened = await client.ws_get_open_orders(symbol=symbol)
        assert {one["orderId"] for one in opened} == {posted["orderId"], stop["orderId"]}
        assert opened == await client.get_open_orders(symbol=symbol)
        assert await client.ws_get_account_rate_limits_orders()
    with steps("edit"):
        done = await client.ws_cancel_and_replace_order(
            symbol=symbol,
            side="SELL",
            type="LIMIT",
            timeInForce="GTC",
            quantity=2,
            price=high,
            cancelReplaceMode="STOP_ON_FAILURE",
            cancelOrderId=posted["orderId"],
        )
        assert done["newOrderResult"] == "SUCCESS"
    with steps("cancel all"):
        await client.ws_cancel_all_open_orders(symbol=symbol)
        assert await client.ws_get_open_orders(symbol=symbol) == []
    with steps("oco"):
        prices = {"abovePrice": high, "belowStopPrice": low}
        kinds = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS"}
        made = await client.ws_create_oco_order(symbol=symbol, side="SELL", quantity=1, **prices, **kinds)
        assert len(made["orders"]) == 2
        await client.ws_cancel_oco_order(symbol=symbol, orderListId=made["orderListId"])
        assert await client.ws_get_oco_open_orders() == []


async def user_steps(client, manager):
    with steps("user events") as say:
        events = []
        task = asyncio.ensure_future(read(manager.user_socket(), events))
        await asyncio.sleep(1)  # the subscription
        best = await client.get_orderbook_ticker(symbol=symbol)
        order = await client.ws_order_limit_buy(
            symbol=symbol, quantity=1, price=text(float(best["bidPrice"]) * 0.98)
        )
        await client.ws_cancel_order(symbol=symbol, orderId=order["orderId"])
        bought = await client.ws_order_market_buy(symbol=symbol, quantity=1)

        def reports(order_id):
            return [one["x"] for one in events if one["e"] == "executionReport" and one["i"] == order_id]

        await until(lambda: reports(bought["orderId"]) == ["NEW", "TRADE"], events)
        assert reports(order["orderId"]) == ["NEW", "CANCELED"]
        times = [one["E"] for one in events]
        assert times == sorted(times)
        say(*(one["e"] for one in events))
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    with steps("my trades"):
        assert (await client.ws_get_my_trades(symbol=symbol))[-1]["orderId"] == bought["orderId"]
        assert await client.ws_get_my_trades(symbol=symbol) == await client.get_my_trades(symbol=symbol)
    with steps("balances"):
        rest, socket = await client.get_account(), await client.ws_get_account()
        assert rest["balances"] == socket["balances"]
        assert float(rest["balances"][0]["locked"]) == 0


async def error_steps(client):
    for name, call, code in (
        ("insufficient funds", lambda: client.ws_order_market_sell(symbol=symbol, quantity=9000), -2010),
        ("unknown order", lambda: client.ws_cancel_order(symbol=symbol, orderId=999999), -2011),
        ("unknown order asked for", lambda: client.get_order(symbol=symbol, orderId=999999), -2013),
        ("bad symbol", lambda: client.get_order_book(symbol="NOSUCH"), -1121),
        ("bad filter", lambda: client.ws_order_limit_buy(symbol=symbol, quantity=1, price="90.001"), -1013),
        ("bad parameter", lambda: client.ws_create_order(symbol=symbol, side="BUY", type="LIMIT"), -1102),
    ):
        with steps(f"errors: {name}"), raises(BinanceAPIException, code=code):
            await call()
    late, stranger = AsyncClient(desk.key, desk.secret), AsyncClient("x" * 64, desk.secret)
    late.timestamp_offset = -120_000
    with steps("errors: bad timestamp"), raises(BinanceAPIException, code=-1021):
        await late.ws_get_account()
    with steps("errors: bad key"), raises(BinanceAPIException, code=-2015):
        await stranger.ws_get_account()
    await late.close_connection()
    await stranger.close_connection()


async def main():
    client = await AsyncClient.create(desk.key, desk.secret)
    manager = BinanceSocketManager(client)
    await market_steps(client, manager)
    await order_steps(client)
    await user_steps(client, manager)
    await error_steps(client)
    await client.close_connection()


asyncio.run(main())
steps.finish()
