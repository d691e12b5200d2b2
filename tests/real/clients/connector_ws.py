"""binance-connector: SpotWebsocketStreamClient, SpotWebsocketAPIClient. Changed are stream_url and keys."""

import json
import time
from itertools import pairwise

from binance.lib.utils import websocket_api_signature
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient
from steps import Steps, settings, wait_until

desk, steps = settings(), Steps("binance-connector WS")
symbol = desk.symbol
answers, events, trouble = {}, [], []


def heard(_client, message):
    """An answer by its id, or an event."""
    told = json.loads(message)
    if "event" in told:
        events.append(told["event"])
    else:
        answers[told["id"]] = told


def connect(key=desk.key, secret=desk.secret):
    """A WS-API client."""
    return SpotWebsocketAPIClient(
        stream_url=f"{desk.ws}/ws-api/v3",
        api_key=key,
        api_secret=secret,
        on_message=heard,
        on_error=lambda _client, error: trouble.append(error),
    )


api = connect()


def ask(method, *words, status=200, **more):
    """The result of a request, or its error's code when an error is wanted."""
    asked = f"{time.monotonic_ns()}"
    method(*words, id=asked, **more)
    told = wait_until(lambda: answers.get(asked), method.__name__)
    assert told["status"] == status, told
    return told["result"] if status == 200 else told["error"]["code"]


def market_steps():
    with steps("markets"):
        info = ask(api.exchange_info)  # takes an id or a symbol, not both
        assert info["symbols"][0]["baseAsset"] == desk.base
        assert ask(api.ping_connectivity) == {}
        assert abs(ask(api.server_time)["serverTime"] / 1000 - time.time()) < 2
    with steps("book"):
        book = ask(api.order_book, symbol, limit=50)
        assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    with steps("ticker"):
        assert float(ask(api.ticker_24hr, symbol=symbol)["lastPrice"]) > 0
        assert float(ask(api.ticker_price, symbol=symbol)["price"]) > 0
        assert ask(api.ticker_book, symbol=symbol)["symbol"] == symbol
        assert ask(api.ticker, symbol=symbol, windowSize="1h")["symbol"] == symbol
        assert float(ask(api.avg_price, symbol)["price"]) > 0
    with steps("candles"):
        assert len(ask(api.klines, symbol, "1m", limit=50)) == 50
        assert len(ask(api.ui_klines, symbol, "1h", limit=10)) == 10
    with steps("trades"):
        assert ask(api.recent_trades, symbol, limit=5)
        assert ask(api.aggregate_trades, symbol, limit=5)
        assert ask(api.historical_trades, symbol, desk.key, limit=5)
    with steps("stream") as say:
        seen, errors, names = {}, [], {}

        def streamed(_client, message):
            told = json.loads(message)
            if "stream" in told:
                seen.setdefault(told["stream"], []).append(told["data"])
            elif "id" in told:
                names[told["id"]] = told

        client = SpotWebsocketStreamClient(
            stream_url=desk.ws,
            on_message=streamed,
            on_error=lambda _client, error: errors.append(error),
            is_combined=True,
        )
        client.diff_book_depth(symbol, speed=100, id=1)
        client.trade(symbol, id=2)
        client.kline(symbol, "1m", id=3)
        client.agg_trade(symbol, id="four")
        more = ("bookTicker", "depth5@100ms", "miniTicker", "ticker", "ticker_1h")
        # Five messages a second are the limit.
        client.subscribe([f"{symbol.lower()}@{name}" for name in more])
        wait_until(lambda: len(seen) == 9 and min(map(len, seen.values())) >= 3, seen.keys(), 30)
        assert names["four"]["result"] is None
        time.sleep(1)
        client.list_subscribe(id=77)
        assert len(wait_until(lambda: names.get(77))["result"]) == 9
        client.trade(symbol, action="UNSUBSCRIBE", id=78)
        wait_until(lambda: 78 in names)
        client.ping()
        diffs = seen[f"{symbol.lower()}@depth@100ms"]
        assert all(later["U"] == earlier["u"] + 1 for earlier, later in pairwise(diffs))
        assert errors == []
        say({name.partition("@")[2]: len(messages) for name, messages in seen.items()})
        client.stop()


def order_steps():
    subscribe = {"id": "subscribe", "method": "userDataStream.subscribe.signature"}
    api.send(subscribe | {"params": websocket_api_signature(desk.key, desk.secret, {})})
    wait_until(lambda: answers.get("subscribe"))
    best = ask(api.ticker_book, symbol=symbol)
    low, high = f"{float(best['bidPrice']) * 0.98:.2f}", f"{float(best['askPrice']) * 1.02:.2f}"
    with steps("limit"):
        order = ask(api.new_order, symbol, "BUY", "LIMIT", timeInForce="GTC", quantity=2, price=low)
        assert order["status"] == "NEW"
        assert ask(api.get_order, symbol, orderId=order["orderId"])["price"] == order["price"]
        test = {"timeInForce": "GTC", "quantity": 2, "price": low}
        assert ask(api.new_order_test, symbol, "BUY", "LIMIT", **test) == {}
    with steps("cancel"):
        assert ask(api.cancel_order, symbol, orderId=order["orderId"])["status"] == "CANCELED"
    with steps("market"):
        bought = ask(api.new_order, symbol, "BUY", "MARKET", quantity=3)
        assert (bought["status"], len(bought["fills"]) > 0) == ("FILLED", True)
    with steps("post-only"):
        posted = ask(api.new_order, symbol, "SELL", "LIMIT_MAKER", quantity=1, price=high)
        crossing = ask(api.new_order, symbol, "BUY", "LIMIT_MAKER", quantity=1, price=high, status=400)
        assert crossing == -2010
    with steps("stop"):
        stop = ask(api.new_order, symbol, "SELL", "STOP_LOSS", quantity=1, stopPrice=low)
    with steps("open orders"):
        opened = {one["orderId"] for one in ask(api.get_open_orders, symbol=symbol)}
        assert opened == {posted["orderId"], stop["orderId"]}
        assert len(ask(api.order_history, symbol=symbol)) == 4
        assert ask(api.order_rate_limit)
    with steps("edit"):
        changed = {"timeInForce": "GTC", "quantity": 2, "price": high, "cancelOrderId": posted["orderId"]}
        done = ask(api.cancel_replace_order, symbol, "STOP_ON_FAILURE", "SELL", "LIMIT", **changed)
        assert done["newOrderResult"] == "SUCCESS"
    with steps("cancel all"):
        assert len(ask(api.cancel_open_orders, symbol)) == 2
        assert ask(api.get_open_orders) == []
    with steps("oco"):
        prices = {"abovePrice": high, "belowStopPrice": low}
        made = ask(api.new_oco_order, symbol, "SELL", 1, "LIMIT_MAKER", "STOP_LOSS", **prices)
        assert ask(api.get_oco_order, orderListId=made["orderListId"])["listOrderStatus"] == "EXECUTING"
        assert len(ask(api.get_open_oco_orders)) == 1
        gone = ask(api.cancel_oco_order, symbol, orderListId=made["orderListId"])
        assert gone["listOrderStatus"] == "ALL_DONE"
    with steps("user events") as say:
        legs = {one["orderId"] for one in made["orders"]}

        def reports(order_id):
            return [one["x"] for one in events if one["e"] == "executionReport" and one["i"] == order_id]

        wait_until(lambda: all("CANCELED" in reports(leg) for leg in legs), events)
        assert reports(order["orderId"]) == ["NEW", "CANCELED"]
        assert reports(bought["orderId"])[0] == "NEW"
        assert set(reports(bought["orderId"])[1:]) == {"TRADE"}
        assert reports(posted["orderId"]) == ["NEW", "CANCELED"]
        assert [one["l"] for one in events if one["e"] == "listStatus"] == ["EXEC_STARTED", "ALL_DONE"]
        times = [one["E"] for one in events]
        assert times == sorted(times)
        fills = [one["t"] for one in events if one["e"] == "executionReport" and one["x"] == "TRADE"]
        say(f"{len(events)} events", "subscribed by the library's own signature: its listen keys are gone")
    with steps("my trades"):
        assert [one["id"] for one in ask(api.my_trades, symbol=symbol)] == fills
    with steps("balances"):
        balances = {one["asset"]: one for one in ask(api.account)["balances"]}
        last = [one for one in events if one["e"] == "outboundAccountPosition"][-1]
        assert all(balances[one["a"]]["free"] == one["f"] for one in last["B"])
        assert all(float(one["locked"]) == 0 for one in balances.values())


def error_steps():
    limit = {"timeInForce": "GTC", "quantity": 1}
    with steps("errors: insufficient funds"):
        assert ask(api.new_order, symbol, "SELL", "MARKET", quantity=9000, status=400) == -2010
    with steps("errors: unknown order"):
        assert ask(api.cancel_order, symbol, orderId=999999, status=400) == -2011
        assert ask(api.get_order, symbol, orderId=999999, status=400) == -2013
    with steps("errors: bad symbol"):
        assert ask(api.order_book, "NOSUCH", status=400) == -1121
    with steps("errors: bad filter"):
        assert ask(api.new_order, symbol, "BUY", "LIMIT", price="90.001", **limit, status=400) == -1013
    with steps("errors: bad parameter"):
        assert ask(api.new_order, symbol, "BUY", "LIMIT", **limit, status=400) == -1102
    with steps("errors: bad timestamp"):
        late = websocket_api_signature(desk.key, desk.secret, {"recvWindow": 1000})
        time.sleep(1.1)
        api.send({"id": "late", "method": "account.status", "params": late})
        assert wait_until(lambda: answers.get("late"))["error"]["code"] == -1021
    with steps("errors: bad key"):
        assert ask(connect("x" * 64).account, status=401) == -2015
    with steps("errors: bad signature"):
        assert ask(connect(secret="wrong").account, status=400) == -1022
    with steps("errors: removed listen key"):
        assert ask(api.user_data_start, status=400) < 0
    assert trouble == []


market_steps()
order_steps()
error_steps()
steps.finish()
