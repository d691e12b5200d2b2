"""binance-sdk-spot: its REST API with typed models. Changed are base_path and keys.

The library parses into its models and falls back to raw answers with a warning: a warning fails the step.
"""

import logging
import time
from contextlib import contextmanager
from unittest.mock import patch

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, UnauthorizedError
from binance_sdk_spot.rest_api.models import (
    KlinesIntervalEnum,
    NewOrderNewOrderRespTypeEnum,
    NewOrderSideEnum,
    NewOrderTimeInForceEnum,
    NewOrderTypeEnum,
)
from binance_sdk_spot.spot import Spot
from steps import Steps, raises, settings

desk, steps = settings(), Steps("binance-sdk-spot REST")
symbol = desk.symbol
warnings = []


class Keep(logging.Handler):
    """Warnings of the library."""

    def emit(self, record):
        """One of them."""
        warnings.append(record.getMessage())


logging.getLogger().addHandler(Keep(logging.WARNING))


def connect(key=desk.key, secret=desk.secret, **more):
    """The library's REST API at the desk."""
    at = {"base_path": desk.url, "timeout": 10_000}
    return Spot(ConfigurationRestAPI(api_key=key, api_secret=secret, **at, **more)).rest_api


api = connect()
BUY, SELL = NewOrderSideEnum["BUY"].value, NewOrderSideEnum["SELL"].value
LIMIT, MARKET = NewOrderTypeEnum["LIMIT"].value, NewOrderTypeEnum["MARKET"].value
GTC = NewOrderTimeInForceEnum["GTC"].value


@contextmanager
def typed(step):
    """A step in which every answer fits its model."""
    with steps(step) as say:
        warnings.clear()
        yield say
        assert not warnings, warnings


def touch():
    """Best bid and ask."""
    best = api.ticker_book_ticker(symbol=symbol).data().actual_instance
    return float(best.bid_price), float(best.ask_price)


def market_steps():
    with typed("markets") as say:
        info = api.exchange_info(symbol=symbol).data()
        assert info.symbols[0].base_asset == desk.base
        assert len(info.symbols[0].filters) >= 6
        assert abs(api.time().data().server_time / 1000 - time.time()) < 2
        assert api.account_commission(symbol=symbol).data().standard_commission.taker
        say(*(limit.rateLimitType for limit in api.ping().rate_limits))
    with typed("book"):
        book = api.depth(symbol=symbol, limit=100).data()
        assert float(book.bids[0][0]) < float(book.asks[0][0])
    with typed("ticker"):
        assert float(api.ticker24hr(symbol=symbol).data().actual_instance.last_price) > 0
        assert float(api.ticker_price(symbol=symbol).data().actual_instance.price) > 0
        assert api.ticker(symbol=symbol).data().actual_instance.symbol == symbol
        assert api.ticker_trading_day(symbol=symbol).data().actual_instance.symbol == symbol
        assert api.ticker_price(symbols=[symbol]).data()
        assert float(api.avg_price(symbol=symbol).data().price) > 0
    with typed("candles"):
        minute = KlinesIntervalEnum["INTERVAL_1m"].value
        assert len(api.klines(symbol=symbol, interval=minute, limit=100).data()) == 100
        assert len(api.ui_klines(symbol=symbol, interval="1h", limit=24).data()) == 24
    with typed("trades"):
        for found in (api.get_trades(symbol), api.historical_trades(symbol), api.agg_trades(symbol)):
            assert found.data()
    steps.absent("stream", "REST only; see binance-sdk-spot WS")


def order_steps():
    bid, ask = touch()
    low, high = round(bid * 0.98, 2), round(ask * 1.02, 2)
    with typed("limit"):
        order = api.new_order(symbol, BUY, LIMIT, GTC, 2, price=low).data()
        assert order.status == "NEW"
        assert api.get_order(symbol, order_id=order.order_id).data().orig_qty.startswith("2.")
        api.order_test(symbol, BUY, LIMIT, time_in_force=GTC, quantity=1, price=low)
        rates = api.order_test(symbol, BUY, LIMIT, True, GTC, 1, price=low).data()
        assert rates.standard_commission_for_order.taker
    with typed("cancel"):
        assert api.delete_order(symbol, order_id=order.order_id).data().status == "CANCELED"
    with typed("market") as say:
        bought = api.new_order(symbol, BUY, MARKET, quantity=3).data()
        assert (bought.status, bool(bought.fills)) == ("FILLED", True)
        for kind in NewOrderNewOrderRespTypeEnum:
            sold = api.new_order(symbol, SELL, MARKET, quantity=1, new_order_resp_type=kind.value).data()
            assert sold.order_id
        say(bought.fills[0].price, bought.fills[0].commission_asset)
    maker = NewOrderTypeEnum["LIMIT_MAKER"].value
    with typed("post-only"):
        posted = api.new_order(symbol, SELL, maker, quantity=1, price=high).data()
        with raises(BadRequestError, status_code=-2010):
            api.new_order(symbol, BUY, maker, quantity=1, price=high)
    with typed("stop"):
        stop = api.new_order(symbol, SELL, "STOP_LOSS_LIMIT", GTC, 1, price=low, stop_price=low).data()
        gain = api.new_order(symbol, SELL, "TAKE_PROFIT", quantity=1, stop_price=high).data()
    with typed("open orders"):
        opened = {one.order_id for one in api.get_open_orders(symbol=symbol).data()}
        assert opened == {posted.order_id, stop.order_id, gain.order_id}
        assert len(api.all_orders(symbol).data()) >= 8
        assert api.rate_limit_order().data()
    with typed("edit"):
        replaced = api.order_cancel_replace(
            symbol,
            SELL,
            LIMIT,
            "STOP_ON_FAILURE",
            time_in_force=GTC,
            quantity=3,
            price=high,
            cancel_order_id=posted.order_id,
        ).data()
        assert replaced.new_order_result == "SUCCESS"
        renewed = replaced.new_order_response.order_id
        amended = api.order_amend_keep_priority(symbol, new_qty=1, order_id=renewed).data()
        assert amended.amended_order.qty.startswith("1.")
    with typed("cancel all"):
        assert len(api.delete_open_orders(symbol).data()) == 3
        assert api.get_open_orders().data() == []
    with typed("oco"):
        made = api.order_list_oco(
            symbol, SELL, 1, "LIMIT_MAKER", "STOP_LOSS", above_price=high, below_stop_price=low
        ).data()
        assert len(made.order_reports) == 2
        assert len(api.open_order_list().data()) == 1
        assert api.get_order_list(order_list_id=made.order_list_id).data().list_order_status == "EXECUTING"
        gone = api.delete_order_list(symbol, order_list_id=made.order_list_id).data()
        assert gone.list_order_status == "ALL_DONE"
        assert len(api.all_order_list().data()) == 1
    steps.absent("user events", "REST only; see binance-sdk-spot WS")


def account_steps():
    with typed("my trades"):
        trades = api.my_trades(symbol).data()
        assert sum(float(one.qty) for one in trades if one.is_buyer) == 3
        assert {one.commission_asset for one in trades} == {desk.quote}
        assert api.my_prevented_matches(symbol, order_id=1).data() == []
        assert api.my_allocations(symbol).data() == []
    with typed("balances"):
        account = api.get_account(omit_zero_balances=True).data()
        assert {one.asset for one in account.balances} == {desk.base, desk.quote}
        assert all(float(one.locked) == 0 for one in account.balances)
    with typed("balances: signed with Ed25519"):
        signer = connect(desk.ed25519_key, None, private_key=desk.ed25519_pem)
        assert signer.get_account().data().can_trade
        assert signer.new_order(symbol, BUY, MARKET, quantity=1).data().status == "FILLED"


def error_steps():
    with steps("errors: insufficient funds"), raises(BadRequestError, status_code=-2010):
        api.new_order(symbol, SELL, MARKET, quantity=9000)
    with steps("errors: unknown order"), raises(BadRequestError, status_code=-2011):
        api.delete_order(symbol, order_id=999999)
    with steps("errors: unknown order asked for"), raises(BadRequestError, status_code=-2013):
        api.get_order(symbol, order_id=999999)
    with steps("errors: bad symbol"), raises(BadRequestError, status_code=-1121):
        api.depth(symbol="NOSUCH")
    with steps("errors: bad filter"), raises(BadRequestError, status_code=-1013):
        api.new_order(symbol, BUY, LIMIT, GTC, 1, price=90.001)
    with steps("errors: bad parameter"), raises(BadRequestError, status_code=-1102):
        api.new_order(symbol, BUY, LIMIT, GTC, 1)
    clock = patch("binance_common.utils.get_timestamp", lambda: int(time.time() * 1000) - 120_000)
    with steps("errors: bad timestamp"), raises(BadRequestError, status_code=-1021), clock:
        api.get_account()
    with steps("errors: bad key"), raises(UnauthorizedError, status_code=-2015):
        connect("x" * 64).get_account()
    with steps("errors: bad signature"), raises(BadRequestError, status_code=-1022):
        connect(secret="wrong").get_account()
    with steps("errors: may not trade"), raises(UnauthorizedError, status_code=-2015):
        connect(desk.read_key, desk.read_secret).new_order(symbol, BUY, MARKET, quantity=1)


market_steps()
order_steps()
account_steps()
error_steps()
steps.finish()
