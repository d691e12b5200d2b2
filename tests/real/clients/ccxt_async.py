"""ccxt.async_support: changed are the hosts in its table of URLs, and the keys."""

import asyncio

import ccxt.async_support as ccxt
from steps import Steps, raises, settings

desk, steps = settings(), Steps("ccxt async")
symbol = f"{desk.base}/{desk.quote}"


def exchange(key=desk.key, secret=desk.secret):
    """An exchange object of the library whose addresses are the desk's."""
    made = ccxt.binance(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}},
        }
    )
    for name, url in made.urls["api"].items():
        made.urls["api"][name] = url.replace("https://api.binance.com", desk.url)
    return made


async def market_steps(ex):
    with steps("markets"):
        assert symbol in await ex.load_markets()
    with steps("book"):
        books = await asyncio.gather(*(ex.fetch_order_book(symbol, limit) for limit in (5, 20, 100, 500)))
        assert all(book["bids"][0][0] < book["asks"][0][0] for book in books)
    with steps("ticker"):
        assert (await ex.fetch_ticker(symbol))["last"] > 0
    with steps("candles") as say:
        intervals = ("1m", "5m", "1h", "1d")
        found = await asyncio.gather(*(ex.fetch_ohlcv(symbol, one, limit=50) for one in intervals))
        say({interval: len(candles) for interval, candles in zip(intervals, found, strict=True)})
        assert len(found[0]) == 50
    with steps("trades"):
        assert await ex.fetch_trades(symbol, limit=20)
    steps.absent("stream", "REST only; ccxt pro has the streams")


async def order_steps(ex):
    book = await ex.fetch_order_book(symbol)
    low, high = book["bids"][0][0] * 0.98, book["asks"][0][0] * 1.02
    with steps("limit"):
        orders = await asyncio.gather(
            *(ex.create_order(symbol, "limit", "buy", 1, low - step / 100) for step in range(8))
        )
        assert len({order["id"] for order in orders}) == 8
    with steps("cancel"):
        gone = await asyncio.gather(*(ex.cancel_order(one["id"], symbol) for one in orders[:4]))
        assert {order["status"] for order in gone} == {"canceled"}
    with steps("market"):
        bought = await ex.create_order(symbol, "market", "buy", 2)
        assert (bought["status"], bought["filled"]) == ("closed", 2)
    with steps("post-only"):
        posted = await ex.create_order(symbol, "limit", "sell", 1, high, {"postOnly": True})
        assert posted["status"] == "open"
        with raises(ccxt.OrderImmediatelyFillable):
            await ex.create_order(symbol, "limit", "buy", 1, high, {"postOnly": True})
    with steps("stop"):
        stop = await ex.create_order(symbol, "limit", "sell", 1, low * 0.99, {"stopPrice": low})
    with steps("open orders"):
        opened = {order["id"] for order in await ex.fetch_open_orders(symbol)}
        assert opened == {posted["id"], stop["id"], *(order["id"] for order in orders[4:])}
    with steps("edit"):
        edited = await ex.edit_order(orders[4]["id"], symbol, "limit", "buy", 2, low)
        assert edited["amount"] == 2
    with steps("cancel all"):
        await ex.cancel_all_orders(symbol)
        assert await ex.fetch_open_orders(symbol) == []
    with steps("oco"):
        sides = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS"}
        prices = {
            "abovePrice": ex.price_to_precision(symbol, high),
            "belowStopPrice": ex.price_to_precision(symbol, low),
        }
        made = await ex.private_post_orderlist_oco(
            {"symbol": desk.symbol, "side": "SELL", "quantity": 1, **sides, **prices}
        )
        assert len(made["orders"]) == 2
        await ex.cancel_all_orders(symbol)
    steps.absent("user events", "REST only; ccxt pro has them")


async def account_steps(ex):
    with steps("my trades"):
        mine = await ex.fetch_my_trades(symbol)
        assert sum(one["amount"] for one in mine) == 2
        assert all(one["fee"]["currency"] == desk.quote for one in mine)
    with steps("balances"):
        balance = await ex.fetch_balance()
        assert balance[desk.base]["used"] == balance[desk.quote]["used"] == 0


async def error_steps(ex):
    price = (await ex.fetch_order_book(symbol))["bids"][0][0]
    with steps("errors: insufficient funds"), raises(ccxt.InsufficientFunds):
        await ex.create_order(symbol, "limit", "sell", 9000, price)
    with steps("errors: unknown order"), raises(ccxt.OrderNotFound):
        await ex.cancel_order("999999", symbol)
    with steps("errors: bad symbol"), raises(ccxt.BadSymbol):
        await ex.public_get_depth({"symbol": "NOSUCH"})
    with steps("errors: price filter"), raises(ccxt.InvalidOrder):
        request = {"symbol": desk.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        await ex.private_post_order({**request, "quantity": 1, "price": "90.001"})
    with steps("errors: bad timestamp"), raises(ccxt.InvalidNonce):
        late = exchange()
        late.nonce = lambda: ex.milliseconds() - 120_000
        try:
            await late.fetch_balance()
        finally:
            await late.close()
    with steps("errors: bad key"), raises(ccxt.AuthenticationError):
        stranger = exchange(key="x" * 64)
        try:
            await stranger.fetch_balance()
        finally:
            await stranger.close()


async def main():
    ex = exchange()
    await market_steps(ex)
    await order_steps(ex)
    await account_steps(ex)
    await error_steps(ex)
    await ex.close()


asyncio.run(main())
steps.finish()
