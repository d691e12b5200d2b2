"""ccxt in the cage, as anybody writes it: keys, a symbol, no address, no option."""

import time

import ccxt
from outside import nothing_else
from steps import Steps, raises, settings

desk, steps = settings(), Steps("ccxt (cage)")
exchange = ccxt.binance({"apiKey": desk.key, "secret": desk.secret})
symbol = "BTC/USDT"
amount = 0.002

with steps("markets") as say:
    assert symbol in exchange.load_markets()
    assert abs(exchange.fetch_time() / 1000 - time.time()) < 2
    say(f"{len(exchange.markets)} market, limits {exchange.market(symbol)['limits']}")
with steps("book") as say:
    book = exchange.fetch_order_book(symbol)
    assert book["bids"][0][0] < book["asks"][0][0]
    say(f"{book['bids'][0]} {book['asks'][0]}")
with steps("ticker") as say:
    say(exchange.fetch_ticker(symbol)["last"])
with steps("candles") as say:
    candles = exchange.fetch_ohlcv(symbol, "1m", limit=60)
    assert len(candles) >= 30
    say(f"{len(candles)} minutes")
with steps("trades") as say:
    assert exchange.fetch_trades(symbol)
steps.absent("stream", "REST only; ccxt pro has the streams")

low, high = book["bids"][0][0] * 0.98, book["asks"][0][0] * 1.02
with steps("limit") as say:
    order = exchange.create_limit_buy_order(symbol, amount, low)
    assert order["status"] == "open"
    say(order["id"], order["price"])
with steps("open orders"):
    assert [one["id"] for one in exchange.fetch_open_orders(symbol)] == [order["id"]]
with steps("edit") as say:
    order = exchange.edit_order(order["id"], symbol, "limit", "buy", 2 * amount, low)
    assert order["amount"] == 2 * amount
with steps("cancel"):
    assert exchange.cancel_order(order["id"], symbol)["status"] == "canceled"
with steps("market") as say:
    bought = exchange.create_market_buy_order(symbol, amount)
    assert (bought["status"], bought["filled"]) == ("closed", amount)
    say(f"{bought['filled']} at {bought['average']}")
with steps("post-only"):
    posted = exchange.create_order(symbol, "limit", "sell", amount, high, {"postOnly": True})
    assert posted["status"] == "open"
    with raises(ccxt.OrderImmediatelyFillable):
        exchange.create_order(symbol, "limit", "buy", amount, high, {"postOnly": True})
with steps("stop"):
    stop = exchange.create_order(symbol, "limit", "sell", amount, low * 0.99, {"stopPrice": low})
    assert stop["status"] == "open"
with steps("cancel all"):
    exchange.cancel_all_orders(symbol)
    assert exchange.fetch_open_orders(symbol) == []
with steps("oco"):
    pair = {"aboveType": "LIMIT_MAKER", "belowType": "STOP_LOSS", "symbol": "BTCUSDT", "side": "SELL"}
    limits = {
        "abovePrice": exchange.price_to_precision(symbol, high),
        "belowStopPrice": exchange.price_to_precision(symbol, low),
    }
    made = exchange.private_post_orderlist_oco({**pair, **limits, "quantity": amount})
    assert len(made["orders"]) == 2
    exchange.cancel_all_orders(symbol)
steps.absent("user events", "REST only; ccxt pro has them")
with steps("my trades"):
    mine = exchange.fetch_my_trades(symbol)
    assert sum(one["amount"] for one in mine) == amount
with steps("balances") as say:
    balance = exchange.fetch_balance()
    assert balance["USDT"]["used"] == 0
    say(balance["total"])
with steps("errors: insufficient funds"), raises(ccxt.InsufficientFunds):
    exchange.create_market_sell_order(symbol, 50)
with steps("errors: bad key"), raises(ccxt.AuthenticationError):
    ccxt.binance({"apiKey": "x" * 64, "secret": desk.secret}).fetch_balance()
with steps("cage") as say:
    say(nothing_else(desk.port))
steps.finish()
