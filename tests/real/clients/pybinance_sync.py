"""python-binance: the synchronous Client, and ThreadedWebsocketManager.

Changed are the URLs that their classes carry, and the keys.
"""

import time
from itertools import pairwise
from pathlib import Path

from binance import AsyncClient, ThreadedWebsocketManager
from binance.client import Client
from binance.exceptions import BinanceAPIException
from binance.ws.streams import BinanceSocketManager
from steps import Steps, raises, settings, wait_until

desk, steps = settings(), Steps("python-binance")
for one in (Client, AsyncClient):
    one.API_URL = f"{desk.url}/api"
    one.MARGIN_API_URL = f"{desk.url}/sapi"
    one.WS_API_URL = f"{desk.ws}/ws-api/v3"
BinanceSocketManager.STREAM_URL = f"{desk.ws}/"
symbol = desk.symbol
client = Client(desk.key, desk.secret)
manager = ThreadedWebsocketManager(api_key=desk.key, api_secret=desk.secret)


def text(price):
    """A price as the symbol's tick wants it."""
    return f"{price:.2f}"


def touch():
    """Best bid and ask."""
    best = client.get_orderbook_ticker(symbol=symbol)
    return float(best["bidPrice"]), float(best["askPrice"])


def market_steps():
    with steps("markets"):
        info = client.get_symbol_info(symbol)
        assert info["baseAsset"] == desk.base
        assert abs(client.get_server_time()["serverTime"] / 1000 - time.time()) < 2
        assert client.get_trade_fee(symbol=symbol)[0]["symbol"] == symbol
    with steps("book"):
        book = client.get_order_book(symbol=symbol, limit=100)
        assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    with steps("ticker"):
        assert float(client.get_ticker(symbol=symbol)["lastPrice"]) > 0
        assert symbol in {one["symbol"] for one in client.get_all_tickers()}
        assert float(client.get_avg_price(symbol=symbol)["price"]) > 0
    with steps("candles") as say:
        candles = client.get_historical_klines(symbol, Client.KLINE_INTERVAL_1MINUTE, "3 hours ago UTC")
        assert all(later[0] - earlier[0] == 60_000 for earlier, later in pairwise(candles))
        say(len(candles))
        assert len(candles) >= 179
    with steps("trades"):
        assert client.get_recent_trades(symbol=symbol, limit=10)
        assert client.get_aggregate_trades(symbol=symbol, limit=10)
        assert client.get_historical_trades(symbol=symbol, limit=10)
    with steps("stream") as say:
        seen = {"depthUpdate": [], "trade": [], "kline": []}
        for start in (manager.start_depth_socket, manager.start_trade_socket, manager.start_kline_socket):
            start(callback=lambda message: seen[message["e"]].append(message), symbol=symbol)
        wait_until(lambda: min(map(len, seen.values())) >= 5, "messages of all streams", 30)
        diffs = seen["depthUpdate"]
        assert all(later["U"] == earlier["u"] + 1 for earlier, later in pairwise(diffs))
        say({name: len(messages) for name, messages in seen.items()})


def order_steps():
    bid, ask = touch()
    low, high = text(bid * 0.98), text(ask * 1.02)
    with steps("limit"):
        order = client.order_limit_buy(symbol=symbol, quantity=2, price=low)
        assert order["status"] == "NEW"
        assert client.get_order(symbol=symbol, orderId=order["orderId"])["origQty"].startswith("2.")
        client.create_test_order(
            symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", quantity=1, price=low
        )
        fok = client.order_limit_buy(symbol=symbol, quantity=2, price=low, timeInForce="FOK")
        assert fok["status"] == "EXPIRED"
    with steps("cancel"):
        assert client.cancel_order(symbol=symbol, orderId=order["orderId"])["status"] == "CANCELED"
    with steps("market") as say:
        bought = client.order_market_buy(symbol=symbol, quantity=3)
        assert bought["status"] == "FILLED"
        assert sum(float(fill["qty"]) for fill in bought["fills"]) == 3
        spent = client.order_market_buy(symbol=symbol, quoteOrderQty="250")
        assert spent["status"] in ("FILLED", "EXPIRED")
        sold = client.order_market_sell(symbol=symbol, quantity=1)
        say(bought["fills"][0]["price"], sold["fills"][0]["price"])
    with steps("post-only"):
        posted = client.create_order(symbol=symbol, side="SELL", type="LIMIT_MAKER", quantity=1, price=high)
        assert client.get_order(symbol=symbol, orderId=posted["orderId"])["status"] == "NEW"
        with raises(BinanceAPIException, code=-2010):
            client.create_order(symbol=symbol, side="BUY", type="LIMIT_MAKER", quantity=1, price=high)
    with steps("stop"):
        stop = client.create_order(
            symbol=symbol,
            side="SELL",
            type=Client.ORDER_TYPE_STOP_LOSS_LIMIT,
            timeInForce="GTC",
            quantity=1,
            price=low,
            stopPrice=low,
        )
        gain = client.create_order(
            symbol=symbol, side="SELL", type=Client.ORDER_TYPE_TAKE_PROFIT, quantity=1, stopPrice=high
        )
    with steps("open orders"):
        opened = {order["orderId"] for order in client.get_open_orders(symbol=symbol)}
        assert opened == {posted["orderId"], stop["orderId"], gain["orderId"]}
        assert len(client.get_all_orders(symbol=symbol)) >= 7
        assert client.get_current_order_count()
    with steps("cancel all"):
        assert len(client.cancel_all_open_orders(symbol=symbol)) == 3
        assert client.get_open_orders() == []
    with steps("edit"):
        order = client.order_limit_buy(symbol=symbol, quantity=2, price=low)
        done = client.cancel_replace_order(
            symbol=symbol,
            side="BUY",
            type="LIMIT",
            cancelReplaceMode="STOP_ON_FAILURE",
            timeInForce="GTC",
            quantity=1,
            price=low,
            cancelOrderId=order["orderId"],
        )
        assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        client.cancel_all_open_orders(symbol=symbol)
    with steps("oco"):
        made = client.create_oco_order(
            symbol=symbol,
            side="SELL",
            quantity=1,
            aboveType="LIMIT_MAKER",
            abovePrice=high,
            belowType="STOP_LOSS_LIMIT",
            belowPrice=low,
            belowStopPrice=low,
            belowTimeInForce="GTC",
        )
        assert made["listOrderStatus"] == "EXECUTING"
        assert client.get_open_oco_orders()[0]["orderListId"] == made["orderListId"]
        client.cancel_order(symbol=symbol, orderId=made["orders"][0]["orderId"])
        assert client.get_open_orders(symbol=symbol) == []


def user_steps():
    with steps("user events") as say:
        events = []
        manager.start_user_socket(callback=events.append)
        time.sleep(2)  # the subscription is made in another thread
        order = client.order_market_buy(symbol=symbol, quantity=1)

        def kinds():
            number = order["orderId"]
            return [(one["e"], one.get("x")) for one in events if one.get("i", number) == number]

        wait_until(lambda: ("executionReport", "TRADE") in kinds(), "a fill")
        wait_until(lambda: any(one["e"] == "outboundAccountPosition" for one in events), "balances")
        reports = [report for kind, report in kinds() if kind == "executionReport"]
        assert reports == ["NEW", "TRADE"], reports
        say(*(f"{kind} {report or ''}".strip() for kind, report in kinds()))
    with steps("my trades"):
        trades = client.get_my_trades(symbol=symbol)
        assert trades
        assert {one["commissionAsset"] for one in trades} == {desk.quote}
        assert trades[-1]["orderId"] == order["orderId"]
    with steps("balances"):
        account = client.get_account()
        assert account["canTrade"]
        balance = client.get_asset_balance(asset=desk.quote)
        assert float(balance["locked"]) == 0
        assert float(balance["free"]) > 0
    with steps("balances: signed with Ed25519"):
        signer = Client(desk.ed25519_key, private_key=Path(desk.ed25519_pem))
        assert float(signer.get_asset_balance(asset=desk.base)["free"]) > 0
        assert signer.order_market_buy(symbol=symbol, quantity=1)["status"] == "FILLED"


def error_steps():
    bid, _ask = touch()
    with steps("errors: insufficient funds"), raises(BinanceAPIException, code=-2010, status_code=400):
        client.order_limit_sell(symbol=symbol, quantity=9000, price=text(bid))
    with steps("errors: unknown order"), raises(BinanceAPIException, code=-2011):
        client.cancel_order(symbol=symbol, orderId=999999)
    with steps("errors: unknown order asked for"), raises(BinanceAPIException, code=-2013):
        client.get_order(symbol=symbol, orderId=999999)
    with steps("errors: bad symbol"), raises(BinanceAPIException, code=-1121):
        client.get_order_book(symbol="NOSUCH")
    with steps("errors: bad filter"), raises(BinanceAPIException, code=-1013):
        client.order_limit_buy(symbol=symbol, quantity=1, price="90.001")
    with steps("errors: bad parameter"), raises(BinanceAPIException, code=-1102):
        client.create_order(symbol=symbol, side="BUY", type="LIMIT", timeInForce="GTC", price=text(bid))
    with steps("errors: bad timestamp"), raises(BinanceAPIException, code=-1021):
        late = Client(desk.key, desk.secret)
        late.timestamp_offset = -120_000
        late.get_account()
    with steps("errors: bad key"), raises(BinanceAPIException, code=-2015, status_code=401):
        Client("x" * 64, desk.secret).get_account()
    with steps("errors: bad signature"), raises(BinanceAPIException, code=-1022):
        Client(desk.key, "wrong").get_account()
    with steps("errors: may not trade"), raises(BinanceAPIException, code=-2015):
        Client(desk.read_key, desk.read_secret).order_market_buy(symbol=symbol, quantity=1)


manager.start()
market_steps()
order_steps()
user_steps()
error_steps()
manager.stop()
steps.finish()
