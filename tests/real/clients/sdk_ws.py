"""binance-sdk-spot: WebSocket API and streams with typed models, the session logged on with Ed25519.

Changed are stream_url and keys. The library answers errors as {"error": …} instead of raising.
"""

import asyncio
import logging
import time
from contextlib import contextmanager
from itertools import pairwise

from binance_common.configuration import ConfigurationWebSocketAPI, ConfigurationWebSocketStreams
from binance_sdk_spot.spot import Spot
from steps import Steps, raises, settings, until

desk, steps = settings(), Steps("binance-sdk-spot WS")
symbol = desk.symbol
warnings = []


class Keep(logging.Handler):
    """Warnings and errors of the library."""

    def emit(self, record):
        """One of them."""
        warnings.append(record.getMessage())


logging.getLogger().addHandler(Keep(logging.WARNING))


@contextmanager
def typed(step):
    """A step in which everything fits its model."""
    with steps(step) as say:
        warnings.clear()
        yield say
        assert not warnings, warnings


async def connect(key=desk.ed25519_key, secret=None, **more):
    """The library's WebSocket API at the desk."""
    configuration = ConfigurationWebSocketAPI(
        api_key=key, api_secret=secret, stream_url=f"{desk.ws}/ws-api/v3", **more
    )
    api = Spot(config_ws_api=configuration).websocket_api
    await api.create_connection()
    return api


async def got(asking):
    """What a request was answered, in its model."""
    answer = (await asking).data()
    return getattr(answer, "actual_instance", answer).result


async def code_of(asking):
    """The code with which a request was refused."""
    return (await asking).data()["error"]["code"]


async def market_steps(api):
    with typed("markets"):
        # of this one answer the library has no model of its own: it takes that of REST
        info = (await api.exchange_info(symbol=symbol)).data().additional_properties["result"]
        assert info["symbols"][0]["baseAsset"] == desk.base
        assert abs((await got(api.time())).server_time / 1000 - time.time()) < 2
        assert (await api.ping()).rate_limits[0].rateLimitType == "REQUEST_WEIGHT"
    with typed("book"):
        book = await got(api.depth(symbol=symbol, limit=50))
        assert float(book.bids[0][0]) < float(book.asks[0][0])
    with typed("ticker"):
        assert (await api.ticker24hr(symbol=symbol)).data()
        assert (await api.ticker_price(symbol=symbol)).data()
        assert (await api.ticker_book(symbol=symbol)).data()
        assert float((await got(api.avg_price(symbol=symbol))).price) > 0
    with typed("candles"):
        assert len(await got(api.klines(symbol=symbol, interval="1m", limit=50))) == 50
        assert len(await got(api.ui_klines(symbol=symbol, interval="1h", limit=10))) == 10
    with typed("trades"):
        assert await got(api.trades_recent(symbol=symbol, limit=5))
        assert await got(api.trades_aggregate(symbol=symbol, limit=5))
        assert await got(api.trades_historical(symbol=symbol, limit=5))


async def stream_step():
    with typed("stream") as say:
        configuration = ConfigurationWebSocketStreams(stream_url=f"{desk.ws}/stream")
        streams = Spot(config_ws_streams=configuration).websocket_streams
        await streams.create_connection()
        seen = {}
        for name, subscribing in (
            ("depth", streams.diff_book_depth(symbol=symbol.lower(), update_speed="100ms")),
            ("trade", streams.trade(symbol=symbol.lower())),
            ("kline", streams.kline(symbol=symbol.lower(), interval="1m")),
            ("aggTrade", streams.agg_trade(symbol=symbol.lower())),
            ("bookTicker", streams.book_ticker(symbol=symbol.lower())),
            ("depth5", streams.partial_book_depth(symbol=symbol.lower(), levels="5", update_speed="100ms")),
            ("ticker", streams.ticker(symbol=symbol.lower())),
            ("miniTicker", streams.mini_ticker(symbol=symbol.lower())),
            ("ticker_1h", streams.rolling_window_ticker(symbol=symbol.lower(), window_size="1h")),
            ("avgPrice", streams.avg_price(symbol=symbol.lower())),
        ):
            handle = await subscribing
            handle.on("message", seen.setdefault(name, []).append)
            await asyncio.sleep(0.25)  # five messages a second are the limit
        await until(lambda: min(map(len, seen.values())) >= 3, "all streams", 30)
        diffs = seen["depth"]
        assert all(earlier.u + 1 == later.U for earlier, later in pairwise(diffs))
        assert all(type(message).__name__ != "dict" for messages in seen.values() for message in messages)
        say({name: len(messages) for name, messages in seen.items()})
        await streams.close_connection(close_session=True)


async def order_steps(api, events):
    best = await got(api.ticker_book(symbol=symbol))
    low, high = round(float(best.bid_price) * 0.98, 2), round(float(best.ask_price) * 1.02, 2)
    resting = {"symbol": symbol, "type": "LIMIT", "time_in_force": "GTC"}
    with typed("limit"):
        order = await got(api.order_place(side="BUY", price=low, quantity=2, **resting))
        assert order.status == "NEW"
        asked = await got(api.order_status(symbol=symbol, order_id=order.order_id))
        assert asked.client_order_id == order.client_order_id
        await got(api.order_test(side="BUY", price=low, quantity=2, **resting))
    with typed("cancel"):
        assert (await got(api.order_cancel(symbol=symbol, order_id=order.order_id))).status == "CANCELED"
    with typed("market"):
        bought = await got(api.order_place(symbol=symbol, side="BUY", type="MARKET", quantity=3))
        assert bought.status == "FILLED"
        assert bought.fills
    maker = {"symbol": symbol, "type": "LIMIT_MAKER", "quantity": 1, "price": high}
    with typed("post-only"):
        posted = await got(api.order_place(side="SELL", **maker))
    with steps("post-only: crossing"):
        assert await code_of(api.order_place(side="BUY", **maker)) == -2010
    with typed("stop"):
        stop = await got(
            api.order_place(symbol=symbol, side="SELL", type="STOP_LOSS", quantity=1, stop_price=low)
        )
    with typed("open orders"):
        opened = await got(api.open_orders_status(symbol=symbol))
        assert {one.order_id for one in opened} == {posted.order_id, stop.order_id}
        assert len(await got(api.all_orders(symbol=symbol))) == 4
        assert await got(api.account_rate_limits_orders())
    with typed("edit"):
        replaced = await got(
            api.order_cancel_replace(
                cancel_replace_mode="STOP_ON_FAILURE",
                side="SELL",
                price=high,
                quantity=3,
                cancel_order_id=posted.order_id,
                **resting,
            )
        )
        renewed = replaced.new_order_response.order_id
        amended = await got(api.order_amend_keep_priority(symbol=symbol, new_qty=1, order_id=renewed))
        assert amended.amended_order.order_id == renewed
    with typed("cancel all"):
        assert len(await got(api.open_orders_cancel_all(symbol=symbol))) == 2
        assert await got(api.open_orders_status()) == []
    with typed("oco"):
        made = await got(
            api.order_list_place_oco(
                symbol, "SELL", 1, "LIMIT_MAKER", "STOP_LOSS", above_price=high, below_stop_price=low
            )
        )
        assert (await got(api.order_list_status(order_list_id=made.order_list_id))).list_order_status
        assert len(await got(api.open_order_lists_status())) == 1
        gone = await got(api.order_list_cancel(symbol=symbol, order_list_id=made.order_list_id))
        assert gone.list_order_status == "ALL_DONE"
    with typed("user events") as say:

        def reports(order_id):
            told = [one.actual_instance for one in events]
            return [one.x for one in told if type(one).__name__ == "ExecutionReport" and one.i == order_id]

        legs = [one.order_id for one in made.orders]
        await until(lambda: all("CANCELED" in reports(leg) for leg in legs), "both legs")
        assert reports(order.order_id) == ["NEW", "CANCELED"]
        assert reports(bought.order_id)[0] == "NEW"
        assert reports(renewed) == ["NEW", "REPLACED", "CANCELED"]
        say({type(one.actual_instance).__name__ for one in events}, len(events))
    with typed("my trades"):
        mine = await got(api.my_trades(symbol=symbol))
        assert sum(float(one.qty) for one in mine) == 3
    with typed("balances"):
        account = await got(api.account_status())
        assert all(float(one.locked) == 0 for one in account.balances)
        assert (await got(api.account_commission(symbol=symbol))).standard_commission
    return bought


async def error_steps(api):
    hmac = await connect(desk.key, desk.secret)
    limit = {"symbol": symbol, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC", "quantity": 1}
    with steps("errors: insufficient funds"):
        assert await code_of(api.order_place(symbol, "SELL", "MARKET", quantity=9000)) == -2010
    with steps("errors: unknown order"):
        assert await code_of(api.order_cancel(symbol=symbol, order_id=999999)) == -2011
        assert await code_of(hmac.order_status(symbol=symbol, order_id=999999)) == -2013
    with steps("errors: bad symbol"):
        assert await code_of(api.depth(symbol="NOSUCH")) == -1121
    with steps("errors: bad filter"):
        assert await code_of(api.order_place(price=90.001, **limit)) == -1013
    with steps("errors: bad parameter"):
        assert await code_of(hmac.order_place(**limit)) == -1102
    with steps("errors: bad timestamp"):
        late = {"timestamp": int(time.time() * 1000) - 120_000}
        asking = hmac.send_signed_message({"method": "account.status", "params": late})
        assert await code_of(asking) == -1021
    with steps("errors: bad key"), raises(ValueError):
        await (await connect("x" * 64, "y" * 64)).user_data_stream_subscribe_signature()
    with steps("errors: bad signature"):
        assert await code_of((await connect(desk.key, "wrong")).account_status()) == -1022
    with steps("errors: HMAC may not log on"):
        assert await code_of(hmac.session_logon()) == -4056


async def main():
    api = await connect(private_key=desk.ed25519_pem)
    await market_steps(api)
    await stream_step()
    events = []
    with typed("user events: subscribed after session.logon"):
        logged_on = await got(api.session_logon())
        assert logged_on.api_key == desk.ed25519_key
        assert (await got(api.session_status())).authorized_since
        subscription = await api.user_data_stream_subscribe()
        subscription.stream.on("message", events.append)
        assert (await got(api.session_subscriptions()))[0].subscription_id == 0
    await order_steps(api, events)
    with typed("user events: unsubscribed, logged out"):
        await subscription.stream.unsubscribe()  # this end only; the venue goes on telling
        await api.user_data_stream_unsubscribe()
        assert (await got(api.session_logout())).api_key is None
        signed = await api.user_data_stream_subscribe_signature()
        assert signed.response.data().result.subscription_id is not None
    await error_steps(api)


asyncio.run(main())
steps.finish()
