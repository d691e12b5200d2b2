"""binance-connector: Spot, its REST client. Changed are base_url and keys."""

import time
from pathlib import Path
from unittest.mock import patch

from binance.error import ClientError
from binance.spot import Spot
from steps import Steps, raises, settings

desk, steps = settings(), Steps("binance-connector REST")
client = Spot(desk.key, desk.secret, base_url=desk.url)
symbol = desk.symbol


def text(price):
    """A price as the symbol's tick wants it."""
    return f"{price:.2f}"


def touch():
    """Best bid and ask."""
    best = client.book_ticker(symbol)
    return float(best["bidPrice"]), float(best["askPrice"])


def market_steps():
    with steps("markets"):
        info = client.exchange_info(symbol=symbol)
        assert info["symbols"][0]["baseAsset"] == desk.base
        assert client.exchange_info(symbols=[symbol])["symbols"] == info["symbols"]
        assert abs(client.time()["serverTime"] / 1000 - time.time()) < 2
        weighed = Spot(base_url=desk.url, show_limit_usage=True).depth(symbol)
        assert "x-mbx-used-weight-1m" in weighed["limit_usage"]
    with steps("book"):
        book = client.depth(symbol, limit=100)
        assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    with steps("ticker"):
        assert float(client.ticker_24hr(symbol)["lastPrice"]) > 0
        assert float(client.ticker_price(symbol)["price"]) > 0
        assert client.ticker_price(symbols=[symbol])[0]["symbol"] == symbol
        assert client.trading_day_ticker(symbol)["symbol"] == symbol
        assert client.rolling_window_ticker(symbol, windowSize="5m")["symbol"] == symbol
        assert float(client.avg_price(symbol)["price"]) > 0
    with steps("candles"):
        assert len(client.klines(symbol, "1m", limit=100)) == 100
        assert len(client.ui_klines(symbol, "1h", limit=24)) == 24
    with steps("trades"):
        assert client.trades(symbol, limit=5)
        assert client.historical_trades(symbol, limit=5)
        assert client.agg_trades(symbol, limit=5)
    steps.absent("stream", "REST only; see binance-connector WS")


def order_steps():
    bid, ask = touch()
    low, high = text(bid * 0.98), text(ask * 1.02)
    good = {"timeInForce": "GTC"}
    with steps("limit"):
        assert client.new_order_test(symbol, "BUY", "LIMIT", quantity=1, price=low, **good) == {}
        order = client.new_order(symbol, "BUY", "LIMIT", quantity=2, price=low, **good)
        assert order["status"] == "NEW"
        own = {"newClientOrderId": "a-1_b"} | good
        named = client.new_order(symbol, "BUY", "LIMIT", quantity=2, price=low, **own)
        assert client.get_order(symbol, origClientOrderId="a-1_b")["orderId"] == named["orderId"]
    with steps("cancel"):
        assert client.cancel_order(symbol, orderId=order["orderId"])["status"] == "CANCELED"
        assert client.cancel_order(symbol, origClientOrderId="a-1_b")["origClientOrderId"] == "a-1_b"
    with steps("market"):
        bought = client.new_order(symbol, "BUY", "MARKET", quantity=3)
        assert bought["status"] == "FILLED"
        assert client.new_order(symbol, "BUY", "MARKET", quoteOrderQty=250)["fills"]
        assert client.new_order(symbol, "SELL", "MARKET", quantity=1, newOrderRespType="ACK")["orderId"]
    with steps("post-only"):
        posted = client.new_order(symbol, "SELL", "LIMIT_MAKER", quantity=1, price=high)
        with raises(ClientError, error_code=-2010, status_code=400):
            client.new_order(symbol, "BUY", "LIMIT_MAKER", quantity=1, price=high)
    with steps("stop"):
        at = {"price": low, "stopPrice": low} | good
        stop = client.new_order(symbol, "SELL", "STOP_LOSS_LIMIT", quantity=1, **at)
        trail = client.new_order(symbol, "SELL", "TAKE_PROFIT", quantity=1, trailingDelta=200)
    with steps("open orders"):
        opened = {order["orderId"] for order in client.get_open_orders(symbol)}
        assert opened == {posted["orderId"], stop["orderId"], trail["orderId"]}
        assert len(client.get_orders(symbol)) >= 8
        assert client.get_order_rate_limit()
    with steps("edit"):
        done = client.cancel_and_replace(
            symbol,
            "SELL",
            "LIMIT",
            "STOP_ON_FAILURE",
            cancelOrderId=posted["orderId"],
            quantity=2,
            price=high,
            **good,
        )
        assert done["newOrderResponse"]["origQty"].startswith("2.")
    with steps("cancel all"):
        assert len(client.cancel_open_orders(symbol)) == 3
        assert client.get_open_orders() == []
    with steps("oco"):
        made = client.new_oco_order(
            symbol, "SELL", 1, "LIMIT_MAKER", "STOP_LOSS", abovePrice=high, belowStopPrice=low
        )
        assert len(client.get_oco_open_orders()) == 1
        assert client.get_oco_order(orderListId=made["orderListId"])["listOrderStatus"] == "EXECUTING"
        client.cancel_oco_order(symbol, orderListId=made["orderListId"])
        pending = client.new_oto_order(
            symbol=symbol,
            workingType="LIMIT_MAKER",
            workingSide="BUY",
            workingPrice=low,
            workingQuantity=1,
            pendingType="LIMIT",
            pendingSide="SELL",
            pendingPrice=high,
            pendingQuantity=1,
            pendingTimeInForce="GTC",
        )
        client.cancel_oco_order(symbol, orderListId=pending["orderListId"])
        assert len(client.get_oco_orders()) == 2
    steps.absent("user events", "REST only; see binance-connector WS")


def account_steps():
    with steps("my trades"):
        trades = client.my_trades(symbol)
        assert sum(float(one["qty"]) for one in trades if one["isBuyer"]) >= 3
        assert {one["commissionAsset"] for one in trades} == {desk.quote}
        assert client.query_prevented_matches(symbol, orderId=1) == []
        assert client.query_commission_rates(symbol)["standardCommission"]
    with steps("balances"):
        account = client.account(omitZeroBalances="true")
        assert {one["asset"] for one in account["balances"]} == {desk.base, desk.quote}
        assert all(float(one["locked"]) == 0 for one in account["balances"])
    with steps("balances: signed with Ed25519"):
        private = Path(desk.ed25519_pem).read_bytes()
        signer = Spot(desk.ed25519_key, base_url=desk.url, private_key=private)
        assert signer.account()["canTrade"]
        assert signer.new_order(symbol, "BUY", "MARKET", quantity=1)["status"] == "FILLED"


def error_steps():
    bid, _ask = touch()
    with steps("errors: insufficient funds"), raises(ClientError, error_code=-2010, status_code=400):
        client.new_order(symbol, "SELL", "MARKET", quantity=9000)
    with steps("errors: unknown order"), raises(ClientError, error_code=-2011):
        client.cancel_order(symbol, orderId=999999)
    with steps("errors: unknown order asked for"), raises(ClientError, error_code=-2013):
        client.get_order(symbol, orderId=999999)
    with steps("errors: bad symbol"), raises(ClientError, error_code=-1121):
        client.depth("NOSUCH")
    with steps("errors: bad filter"), raises(ClientError, error_code=-1013):
        client.new_order(symbol, "BUY", "LIMIT", timeInForce="GTC", quantity=1, price="90.001")
    with steps("errors: bad parameter"), raises(ClientError, error_code=-1102):
        client.new_order(symbol, "BUY", "LIMIT", timeInForce="GTC", price=text(bid))
    with steps("errors: unread parameter"), raises(ClientError, error_code=-1104):
        client.new_order(symbol, "BUY", "MARKET", quantity=1, timeInforce="GTC")
    clock = patch("binance.api.get_timestamp", lambda: int(time.time() * 1000) - 120_000)
    with steps("errors: bad timestamp"), raises(ClientError, error_code=-1021), clock:
        client.account()
    with steps("errors: bad key"), raises(ClientError, error_code=-2015, status_code=401):
        Spot("x" * 64, desk.secret, base_url=desk.url).account()
    with steps("errors: malformed key"), raises(ClientError, error_code=-2014, status_code=401):
        Spot("no key", desk.secret, base_url=desk.url).account()
    with steps("errors: bad signature"), raises(ClientError, error_code=-1022):
        Spot(desk.key, "wrong", base_url=desk.url).account()
    with steps("errors: may not trade"), raises(ClientError, error_code=-2015):
        reader = Spot(desk.read_key, desk.read_secret, base_url=desk.url)
        reader.new_order(symbol, "BUY", "MARKET", quantity=1)


market_steps()
order_steps()
account_steps()
error_steps()
steps.finish()
