"""ccxt, the synchronous exchange class: changed are the hosts in its table of URLs, and the keys."""

import time
from itertools import pairwise

import ccxt
from steps import Steps, raises, settings

desk, steps = settings(), Steps("ccxt")


def exchange(key=desk.key, secret=desk.secret, **more):
    """An exchange object of the library whose addresses are the desk's."""
    made = ccxt.binance(
        {
            "apiKey": key,
            "secret": secret,
            "enableRateLimit": False,
            "options": {"fetchMarkets": {"types": ["spot"]}, **more},
        }
    )
    for name, url in made.urls["api"].items():
        made.urls["api"][name] = url.replace("https://api.binance.com", desk.url)
    return made


ex = exchange()
symbol = f"{desk.base}/{desk.quote}"


def market_steps():
    with steps("markets") as say:
        market = ex.load_markets()[symbol]
        assert market["id"] == desk.symbol
        assert market["limits"]["amount"]["min"] > 0
        assert abs(ex.fetch_time() / 1000 - time.time()) < 2
        assert symbol in ex.fetch_trading_fees()
        say(f"{len(ex.markets)} market, precision {market['precision']}")
    with steps("book") as say:
        book = ex.fetch_order_book(symbol, 100)
        assert book["bids"][0][0] < book["asks"][0][0]
        say(f"{len(book['bids'])} x {len(book['asks'])} levels")
    with steps("ticker") as say:
        assert ex.fetch_ticker(symbol)["last"] > 0
        assert symbol in ex.fetch_tickers([symbol])
        best = ex.fetch_bids_asks([symbol])[symbol]
        assert best["bid"] < best["ask"]
        say(f"bid {best['bid']}, ask {best['ask']}")
    with steps("candles") as say:
        candles = ex.fetch_ohlcv(symbol, "1m", limit=500)
        assert all(later[0] - earlier[0] == 60_000 for earlier, later in pairwise(candles))
        hours = ex.fetch_ohlcv(symbol, "1h", limit=10)
        say(f"{len(candles)} minutes, {len(hours)} hours")
        assert len(candles) >= 30
        assert len(hours) == 10
    with steps("trades") as say:
        trades = ex.fetch_trades(symbol, limit=50)
        assert trades
        assert trades[-1]["timestamp"] >= trades[0]["timestamp"]
        say(f"{len(trades)} trades")
    steps.absent("stream", "REST only; ccxt pro has the streams")


def order_steps():
    book = ex.fetch_order_book(symbol)
    low, high = book["bids"][0][0] * 0.98, book["asks"][0][0] * 1.02
    with steps("limit") as say:
        order = ex.create_order(symbol, "limit", "buy", 2, low)
        assert order["status"] == "open"
        assert ex.fetch_order(order["id"], symbol)["remaining"] == 2
        immediate = ex.create_order(symbol, "limit", "buy", 2, low, {"timeInForce": "IOC"})
        assert immediate["status"] in ("canceled", "expired"), immediate["status"]
        say(order["id"])
    with steps("cancel"):
        assert ex.cancel_order(order["id"], symbol)["status"] == "canceled"
        assert ex.fetch_order(order["id"], symbol)["status"] == "canceled"
    with steps("market") as say:
        bought = ex.create_order(symbol, "market", "buy", 3)
        assert bought["status"] == "closed"
        assert bought["filled"] == 3
        spent = ex.create_market_buy_order_with_cost(symbol, 250)
        sold = ex.create_order(symbol, "market", "sell", 1)
        say(f"bought at {bought['average']}, sold at {sold['average']}, for 250: {spent['filled']}")
        assert bought["fees"][0]["currency"] == desk.quote
    with steps("post-only"):
        posted = ex.create_order(symbol, "limit", "sell", 1, high, {"postOnly": True})
        assert posted["status"] == "open"
        assert posted["postOnly"]
        with raises(ccxt.OrderImmediatelyFillable):
            ex.create_order(symbol, "limit", "buy", 1, high, {"postOnly": True})
    with steps("stop") as say:
        stop = ex.create_order(symbol, "limit", "sell", 2, low * 0.99, {"stopPrice": low})
        assert ex.fetch_order(stop["id"], symbol)["stopPrice"] == float(ex.price_to_precision(symbol, low))
        gain = ex.create_order(symbol, "limit", "sell", 2, high, {"takeProfitPrice": high})
        loss = ex.create_order(symbol, "market", "sell", 2, None, {"stopLossPrice": low})
        trailing = {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}
        trail = ex.create_order(symbol, "limit", "sell", 2, low, trailing)
        say(*(one["type"] for one in (stop, gain, loss, trail)))
    with steps("open orders") as say:
        opened = ex.fetch_open_orders(symbol)
        assert {posted["id"], stop["id"]} <= {one["id"] for one in opened}
        say(len(opened))
        assert len(ex.fetch_orders(symbol)) >= len(opened) + 4
    with steps("cancel all"):
        ex.cancel_all_orders(symbol)
        assert ex.fetch_open_orders(symbol) == []
    with steps("edit") as say:
        order = ex.create_order(symbol, "limit", "buy", 2, low)
        edited = ex.edit_order(order["id"], symbol, "limit", "buy", 3, low * 0.99)
        assert edited["id"] != order["id"]
        assert edited["amount"] == 3
        assert ex.fetch_order(order["id"], symbol)["status"] == "canceled"
        say("by cancelReplace")
    with steps("oco"):
        sides = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS"}
        made = ex.private_post_orderlist_oco(
            {
                "symbol": desk.symbol,
                "side": "SELL",
                "quantity": 1,
                "abovePrice": ex.price_to_precision(symbol, high),
                "belowStopPrice": ex.price_to_precision(symbol, low),
                **sides,
            }
        )
        assert len(made["orders"]) == 2
        gone = ex.private_delete_orderlist({"symbol": desk.symbol, "orderListId": made["orderListId"]})
        assert gone["listOrderStatus"] == "ALL_DONE"
    steps.absent("user events", "REST only; ccxt pro has them")


def account_steps():
    with steps("my trades") as say:
        mine = ex.fetch_my_trades(symbol)
        assert sum(one["amount"] for one in mine if one["side"] == "buy") >= 3
        assert all(one["fee"]["currency"] == desk.quote for one in mine)
        say(f"{len(mine)} fills")
    with steps("balances") as say:
        ex.cancel_all_orders(symbol) if ex.fetch_open_orders(symbol) else None
        balance = ex.fetch_balance()
        assert balance[desk.base]["used"] == 0
        assert balance[desk.quote]["free"] == balance[desk.quote]["total"] > 0
        say(balance["total"])


def error_steps():
    price = ex.fetch_order_book(symbol)["bids"][0][0]
    with steps("errors: insufficient funds"), raises(ccxt.InsufficientFunds):
        ex.create_order(symbol, "limit", "sell", 9000, price)
    with steps("errors: unknown order"), raises(ccxt.OrderNotFound):
        ex.cancel_order("999999", symbol)
    with steps("errors: unknown order asked for"), raises(ccxt.OrderNotFound):
        ex.fetch_order("999999", symbol)
    with steps("errors: bad symbol"), raises(ccxt.BadSymbol):
        ex.public_get_depth({"symbol": "NOSUCH"})
    filters = {"symbol": desk.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    with steps("errors: price filter"), raises(ccxt.InvalidOrder):
        ex.private_post_order({**filters, "quantity": 1, "price": "90.001"})
    with steps("errors: lot size"), raises(ccxt.InvalidOrder):
        ex.private_post_order({**filters, "quantity": "1.5", "price": price})
    with steps("errors: percent price"), raises(ccxt.InvalidOrder):
        ex.private_post_order({**filters, "quantity": 1, "price": ex.price_to_precision(symbol, price / 20)})
    with steps("errors: bad parameter"), raises(ccxt.BadRequest):
        ex.private_post_order({**filters, "price": price})
    with steps("errors: duplicate client id"):
        both = {**filters, "quantity": 1, "price": ex.price_to_precision(symbol, price * 0.98)}
        ex.private_post_order({**both, "newClientOrderId": "twice"})
        with raises(ccxt.InvalidOrder):
            ex.private_post_order({**both, "newClientOrderId": "twice"})
        ex.cancel_all_orders(symbol)
    with steps("errors: bad timestamp"), raises(ccxt.InvalidNonce):
        late = exchange()
        late.nonce = lambda: ccxt.Exchange.milliseconds() - 120_000
        late.fetch_balance()
    with steps("errors: bad key"), raises(ccxt.AuthenticationError):
        exchange(key="x" * 64).fetch_balance()
    with steps("errors: bad signature"), raises(ccxt.AuthenticationError):
        exchange(secret="wrong").fetch_balance()
    with steps("errors: may not trade"), raises(ccxt.AuthenticationError):
        exchange(desk.read_key, desk.read_secret).create_order(symbol, "market", "buy", 1)


market_steps()
order_steps()
account_steps()
error_steps()
steps.finish()
