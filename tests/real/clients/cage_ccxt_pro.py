"""ccxt in the cage, as anybody writes it: ccxt.async_support, and ccxt.pro with streams and the WS-API."""

import asyncio

import ccxt.async_support
import ccxt.pro
from outside import nothing_else
from steps import Steps, settings, until

desk, steps = settings(), Steps("ccxt pro (cage)")
symbol = "BTC/USDT"
amount = 0.002


async def without_streams(exchange):
    try:
        with steps("limit: ccxt.async_support"):
            price = (await exchange.fetch_ticker(symbol))["bid"] * 0.98
            order = await exchange.create_order(symbol, "limit", "buy", amount, price)
            assert (await exchange.cancel_order(order["id"], symbol))["status"] == "canceled"
    finally:
        await exchange.close()


async def public(exchange):
    with steps("markets") as say:
        assert symbol in await exchange.load_markets()
        say(exchange.market(symbol)["precision"])
    with steps("book") as say:
        book = await exchange.watch_order_book(symbol)
        for _ in range(10):
            book = await exchange.watch_order_book(symbol)
            assert book["bids"][0][0] < book["asks"][0][0]
        say(f"{len(book['bids'])} x {len(book['asks'])} levels at update {book['nonce']}")
    with steps("ticker"):
        assert (await exchange.watch_ticker(symbol))["last"] > 0
    with steps("candles") as say:
        candles = await exchange.fetch_ohlcv(symbol, "1m", limit=60)
        assert len(candles) >= 30
        say(f"{len(candles)} minutes")
    with steps("trades"):
        assert await exchange.fetch_trades(symbol)
    with steps("stream") as say:
        trades = await exchange.watch_trades(symbol)
        candles = await exchange.watch_ohlcv(symbol, "1m")
        say(f"{len(trades)} trades, {len(candles)} candle")


async def orders(exchange):
    events, balances = [], []

    async def watch(method, told):
        while True:
            told.append(await method())

    watching = [
        asyncio.create_task(watch(lambda: exchange.watch_orders(symbol), events)),
        asyncio.create_task(watch(exchange.watch_balance, balances)),
    ]
    book = await exchange.fetch_order_book(symbol)
    low, high = book["bids"][0][0] * 0.98, book["asks"][0][0] * 1.02

    def told(order_id, status):
        return any(one["id"] == order_id and one["status"] == status for event in events for one in event)

    with steps("limit"):
        order = await exchange.create_order(symbol, "limit", "buy", amount, low)
        assert order["status"] == "open"
    with steps("open orders"):
        assert [one["id"] for one in await exchange.fetch_open_orders(symbol)] == [order["id"]]
    with steps("edit"):
        order = await exchange.edit_order(order["id"], symbol, "limit", "buy", 2 * amount, low)
        assert order["amount"] == 2 * amount
    with steps("cancel"):
        assert (await exchange.cancel_order(order["id"], symbol))["status"] == "canceled"
    with steps("user events") as say:
        await until(lambda: told(order["id"], "canceled"), "the cancel as an event")
        bought = await exchange.create_order_ws(symbol, "market", "buy", amount)
        await until(lambda: told(bought["id"], "closed"), "the fill as an event")
        await until(lambda: balances, "a balance as an event")
        say(f"{len(events)} of orders, {len(balances)} of balances")
    with steps("market") as say:
        assert (bought["status"], bought["filled"]) == ("closed", amount)
        say(f"{bought['filled']} at {bought['average']}, by WS-API")
    with steps("post-only"):
        posted = await exchange.create_order(symbol, "limit", "sell", amount, high, {"postOnly": True})
        assert posted["status"] == "open"
    with steps("stop"):
        stop = await exchange.create_order(symbol, "limit", "sell", amount, low * 0.99, {"stopPrice": low})
        assert stop["status"] == "open"
    with steps("cancel all"):
        await exchange.cancel_all_orders(symbol)
        assert await exchange.fetch_open_orders(symbol) == []
    with steps("oco"):
        pair = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS", "symbol": "BTCUSDT", "side": "SELL"}
        limits = {
            "abovePrice": exchange.price_to_precision(symbol, high),
            "belowStopPrice": exchange.price_to_precision(symbol, low),
        }
        made = await exchange.private_post_orderlist_oco({**pair, **limits, "quantity": amount})
        assert len(made["orders"]) == 2
        await exchange.cancel_all_orders(symbol)
    with steps("my trades"):
        mine = await exchange.fetch_my_trades(symbol)
        assert sum(one["amount"] for one in mine) == amount
    with steps("balances") as say:
        balance = await exchange.fetch_balance()
        say(balance["total"])
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)


async def errors(exchange):
    with steps("errors: insufficient funds"):
        try:
            await exchange.create_order_ws(symbol, "market", "sell", 50)
        except ccxt.pro.InsufficientFunds:
            pass
        else:
            raise AssertionError("nothing was raised")


async def main():
    await without_streams(ccxt.async_support.binance({"apiKey": desk.key, "secret": desk.secret}))
    exchange = ccxt.pro.binance({"apiKey": desk.key, "secret": desk.secret})
    try:
        await public(exchange)
        await orders(exchange)
        await errors(exchange)
    finally:
        await exchange.close()
    with steps("cage") as say:
        say(nothing_else(desk.port))


asyncio.run(main())
steps.finish()
