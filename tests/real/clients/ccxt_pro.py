"""ccxt.pro: streams, user data, orders over WebSocket. Changed are hosts in its tables of URLs, and keys."""

import asyncio
from itertools import pairwise

import ccxt.pro as ccxt
from steps import Steps, raises, settings, until

desk, steps = settings(), Steps("ccxt pro")
symbol = f"{desk.base}/{desk.quote}"
WITHIN_S = 25


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
        if isinstance(url, str):
            made.urls["api"][name] = url.replace("https://api.binance.com", desk.url)
    made.urls["api"]["ws"]["spot"] = f"{desk.ws}/ws"
    made.urls["api"]["ws"]["ws-api"]["spot"] = f"{desk.ws}/ws-api/v3"
    return made


async def collect(watch, into):
    """What a watch method gives, until the task is cancelled."""
    while True:
        into.extend(dict(one) for one in await watch())


async def market_steps(ex):
    with steps("markets"):
        assert symbol in await ex.load_markets()
    with steps("book") as say:
        watched = await ex.watch_order_book(symbol)
        say(f"{len(watched['bids'])} x {len(watched['asks'])} levels")
        assert watched["bids"][0][0] < watched["asks"][0][0]
    with steps("ticker"):
        assert (await ex.watch_ticker(symbol))["last"] > 0
        assert (await ex.watch_bids_asks([symbol]))[symbol]["bid"] > 0
    with steps("candles"):
        assert len(await ex.fetch_ohlcv_ws(symbol, "1m", limit=30)) == 30
    with steps("trades"):
        assert await ex.fetch_trades(symbol, limit=5)


async def stream_step(ex):
    with steps("stream") as say:
        seen = {"depth": 0, "trades": 0, "candles": 0}

        async def count(name, watch):
            while True:
                await watch()
                seen[name] += 1

        tasks = [
            asyncio.ensure_future(count("depth", lambda: ex.watch_order_book(symbol))),
            asyncio.ensure_future(count("trades", lambda: ex.watch_trades(symbol))),
            asyncio.ensure_future(count("candles", lambda: ex.watch_ohlcv(symbol, "1m"))),
        ]
        await until(lambda: min(seen.values()) >= 5 or any(task.done() for task in tasks), seen, WITHIN_S)
        for task in tasks:
            assert not task.done(), task.exception()
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        book = ex.orderbooks[symbol]
        assert all(high[0] > low[0] for high, low in pairwise(book["bids"]))
        assert book["bids"][0][0] < book["asks"][0][0]
        say(seen)
        await ex.un_watch_order_book(symbol)


async def order_steps(ex):
    orders, trades, balances = [], [], []
    tasks = [
        asyncio.ensure_future(collect(lambda: ex.watch_orders(symbol), orders)),
        asyncio.ensure_future(collect(lambda: ex.watch_my_trades(symbol), trades)),
        asyncio.ensure_future(collect(lambda: _one(ex.watch_balance()), balances)),
    ]
    await asyncio.sleep(1)  # the subscriptions
    book = await ex.fetch_order_book(symbol)
    low, high = book["bids"][0][0] * 0.98, book["asks"][0][0] * 1.02
    low, high = (float(ex.price_to_precision(symbol, price)) for price in (low, high))
    with steps("limit"):
        order = await ex.create_order_ws(symbol, "limit", "buy", 2, low)
        assert order["status"] == "open"
        assert (await ex.fetch_order_ws(order["id"], symbol))["remaining"] == 2
    with steps("edit"):
        edited = await ex.edit_order_ws(order["id"], symbol, "limit", "buy", 3, low)
        assert edited["amount"] == 3
    with steps("cancel"):
        assert (await ex.cancel_order_ws(edited["id"], symbol))["status"] == "canceled"
    with steps("market") as say:
        bought = await ex.create_order_ws(symbol, "market", "buy", 3)
        assert (bought["status"], bought["filled"]) == ("closed", 3)
        say(bought["average"])
    with steps("post-only"):
        # postOnly goes to the venue as a parameter of its own here, which the exchange refuses too
        posted = await ex.create_order_ws(symbol, "limit_maker", "sell", 1, high)
        assert posted["status"] == "open"
        with raises(ccxt.OrderImmediatelyFillable):
            await ex.create_order_ws(symbol, "limit_maker", "buy", 1, high)
    with steps("stop"):
        stop = await ex.create_order_ws(symbol, "limit", "sell", 1, low, {"stopPrice": low})
        assert stop["id"]
    with steps("open orders"):
        opened = await ex.fetch_open_orders_ws(symbol)
        assert {one["id"] for one in opened} == {posted["id"], stop["id"]}
    with steps("cancel all"):
        await ex.cancel_all_orders_ws(symbol)
        assert await ex.fetch_open_orders_ws(symbol) == []
    steps.absent("oco", "no order lists over WebSocket in ccxt; by REST see ccxt")
    with steps("user events") as say:
        last = (stop["id"], "canceled")
        await until(
            lambda: last in [(one["id"], one["status"]) for one in orders], "the last cancel", WITHIN_S
        )
        for task in tasks:
            assert not task.done(), task.exception()
        states = {}
        for one in orders:
            known = states.setdefault(one["id"], [])
            if known[-1:] != [one["status"]]:
                known.append(one["status"])
        assert states[order["id"]] == ["open", "canceled"], states
        assert states[edited["id"]] == ["open", "canceled"], states
        assert states[bought["id"]][-1] == "closed", states
        assert states[posted["id"]] == ["open", "canceled"], states
        assert [one["timestamp"] for one in trades] == sorted(one["timestamp"] for one in trades)
        assert sum(one["amount"] for one in {one["id"]: one for one in trades}.values()) == 3
        assert balances
        say(f"{len(orders)} of orders, {len(trades)} of trades, {len(balances)} of balances")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with steps("my trades"):
        mine = await ex.fetch_my_trades_ws(symbol)
        assert {one["id"] for one in mine} == {one["id"] for one in trades}
    with steps("balances"):
        balance = await ex.fetch_balance()
        told = (await ex.fetch_balance_ws())["info"]["balances"]  # which it does not parse for spot
        assert {one["asset"] for one in told} == {desk.base, desk.quote}
        watched = balances[-1]
        assert watched[desk.base] == balance[desk.base], (watched, balance)
        assert watched[desk.quote] == balance[desk.quote], (watched, balance)
        assert balance[desk.quote]["used"] == 0


async def _one(watching):
    return [await watching]


async def error_steps(ex):
    with steps("errors: insufficient funds"), raises(ccxt.InsufficientFunds):
        await ex.create_order_ws(symbol, "market", "sell", 9000)
    with steps("errors: unknown order"), raises(ccxt.OrderNotFound):
        await ex.cancel_order_ws("999999", symbol)
    with steps("errors: unknown order asked for"), raises(ccxt.OrderNotFound):
        await ex.fetch_order_ws("999999", symbol)
    with steps("errors: bad symbol"), raises(ccxt.BadSymbol):
        await ex.fetch_order_ws("1", _foreign_symbol(ex))
    with steps("errors: bad filter"), raises(ccxt.InvalidOrder):
        await ex.create_order_ws(symbol, "limit", "buy", 1, 1)
    with steps("errors: bad timestamp"), raises(ccxt.InvalidNonce):
        late = exchange()
        late.nonce = lambda: ex.milliseconds() - 120_000
        await _and_close(late, lambda: late.fetch_balance_ws())
    with steps("errors: bad key"), raises(ccxt.AuthenticationError):
        stranger = exchange(key="x" * 64)
        await _and_close(stranger, lambda: stranger.fetch_balance_ws())
    with steps("errors: bad key for user data"), raises(ccxt.AuthenticationError):
        stranger = exchange(secret="wrong")
        await _and_close(stranger, lambda: stranger.watch_orders(symbol))


def _foreign_symbol(ex):
    """A symbol that the library knows and the venue does not."""
    market = {**ex.market(symbol), "id": "NOSUCH", "symbol": "NO/SUCH", "base": "NO", "quote": "SUCH"}
    ex.set_markets([ex.market(symbol), market])
    return "NO/SUCH"


async def _and_close(ex, action):
    try:
        await ex.load_markets()
        await asyncio.wait_for(action(), WITHIN_S)
    finally:
        await ex.close()


async def main():
    ex = exchange()
    await market_steps(ex)
    await stream_step(ex)
    await order_steps(ex)
    await error_steps(ex)
    await ex.close()


asyncio.run(main())
steps.finish()
