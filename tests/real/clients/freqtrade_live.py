"""freqtrade, live: the unmodified bot trades by itself, then by its REST server; see freqtrade_bot.py.

What it believes is held against what the venue says to another client of the same key (ccxt). Errors are
asked of freqtrade's own Exchange class, in this process.
"""

import json
import sys
from pathlib import Path

import ccxt
from freqtrade_bot import FreqtradeBot, ccxt_urls
from steps import Steps, raises, settings

desk, steps = settings(), Steps("freqtrade")
pair = f"{desk.base}/{desk.quote}"
program = Path(sys.executable).with_name("freqtrade")
folder = Path(desk.folder) / "bot"
venue = ccxt.binance(
    {
        "apiKey": desk.key,
        "secret": desk.secret,
        "enableRateLimit": False,
        "urls": ccxt_urls(desk.url),
        "options": {"fetchMarkets": {"types": ["spot"]}, "warnOnFetchOpenOrdersWithoutSymbol": False},
    }
)
bot = FreqtradeBot(folder, program, url=desk.url, key=desk.key, secret=desk.secret, pair=pair)


def closed_trades():
    return bot.get("trades?limit=100&order_by_id=false")["trades"]


def open_trade():
    return next(iter(bot.get("status")), None)


def orders_of(trade, side):
    return [order for order in trade["orders"] if order["ft_order_side"] == side]


def settled():
    """No position, nothing open."""
    return open_trade() is None and not venue.fetch_open_orders(pair)


def by_itself():
    with steps("markets") as say:
        assert bot.get("whitelist")["whitelist"] == [pair]
        say(f"freqtrade {bot.get('version')['version']}, whitelist {pair}")
    with steps("limit") as say:
        trade = bot.wait_until(lambda: [*bot.get("status"), *closed_trades()], "an entry")[0]
        entry = orders_of(trade, "buy")[0]
        assert entry["order_type"] == "limit"
        bot.wait_until(lambda: len(closed_trades()) >= 2, "two trades closed by the strategy", 150)
        closed = closed_trades()
        assert all(trade["exit_reason"] == "time" for trade in closed)
        say(f"{len(closed)} trades entered and left by the strategy with limit orders")
    with steps("candles") as say:
        candles = bot.get(f"pair_candles?pair={pair.replace('/', '%2F')}&timeframe=1m&limit=60")
        assert candles["length"] >= 30
        assert all(
            later[0] > earlier[0]
            for earlier, later in zip(candles["data"], candles["data"][1:], strict=False)
        )
        say(f"{candles['length']} analysed minutes, indicator of 20 candles known at the start")
    with steps("book") as say:
        entered = orders_of(closed_trades()[-1], "buy")[0]
        say(f"entries at the order book's best ask: {entered['safe_price']}")
    with steps("stream") as say:
        bot.wait_until(
            lambda: "watch done for" in bot.log() or "reuse watch result" in bot.log(), "kline_1m", 75
        )
        say("candles by its websocket (kline_1m)")


def stops():
    bot.let_enter(False)
    bot.wait_until(settled, "its last trade to close", 60)
    with steps("market") as say:
        bot.post(
            "forceenter", {"pair": pair, "ordertype": "market", "stakeamount": 1000, "entry_tag": "held"}
        )
        trade = bot.wait_until(lambda: (one := open_trade()) and one["amount"] > 0 and one, "a market entry")
        say(f"force entry of {trade['amount']} at {trade['open_rate']}")
    with steps("stop") as say:
        stop = bot.wait_until(
            lambda: [order for order in orders_of(open_trade(), "stoploss") if order["is_open"]],
            "the stop-loss at the exchange",
        )[0]
        there = venue.fetch_order(stop["order_id"], pair)
        assert there["status"] == "open"
        assert there["type"] in ("stop_loss_limit", "limit"), there["type"]
        say(f"stop_loss_limit {there['stopPrice']} for {there['amount']}")
    with steps("open orders") as say:
        mine, theirs = [stop["order_id"]], [order["id"] for order in venue.fetch_open_orders(pair)]
        assert mine == theirs, (mine, theirs)
        say("the same order in both")
    with steps("market: exit") as say:
        bot.post("forceexit", {"tradeid": str(open_trade()["trade_id"]), "ordertype": "market"})
        bot.wait_until(settled, "the forced exit")
        assert closed_trades()[0]["exit_reason"] == "force_exit"
        say("forced exit at market; its stop was cancelled first")


def cancels():
    with steps("cancel") as say:
        price = round(venue.fetch_order_book(pair)["bids"][0][0] * 0.98, 1)
        count = len(venue.fetch_orders(pair))
        bot.post("forceenter", {"pair": pair, "ordertype": "limit", "price": price, "stakeamount": 1000})
        bot.wait_until(
            lambda: open_trade() is None and "due to timeout" in bot.log(),
            "the unfilled order's time-out",
            40,
        )
        orders = venue.fetch_orders(pair)[count:]
        assert [order["status"] for order in orders] == ["canceled"], orders
        assert venue.fetch_open_orders(pair) == []
        say("an entry that was not filled within 4 s was cancelled by freqtrade")
    steps.absent("post-only", "this configuration sends plain limit orders")
    steps.absent("edit", "freqtrade cancels and sends anew")
    steps.absent("oco", "freqtrade has no order lists")
    steps.absent("user events", "freqtrade asks for its orders by REST")
    steps.absent("ticker", "it prices by the order book")
    steps.absent("trades", "it reads candles, not public trades")


def accounts():
    with steps("my trades") as say:
        fills = venue.fetch_my_trades(pair, limit=1000)
        checked = 0
        for trade in closed_trades():
            for side, fee in (("buy", "fee_open_cost"), ("sell", "fee_close_cost")):
                ids = {order["order_id"] for order in orders_of(trade, side) if order["filled"]}
                own = [fill for fill in fills if fill["order"] in ids]
                assert abs(sum(fill["amount"] for fill in own) - trade["amount"]) < 1e-9, (trade, own)
                assert abs(sum(fill["fee"]["cost"] for fill in own) - trade[fee]) < 1e-6, (trade[fee], own)
                checked += len(own)
        assert checked == len(fills), (checked, len(fills))
        profit = sum(trade["profit_abs"] for trade in closed_trades())
        cash = sum((1 if one["side"] == "sell" else -1) * one["cost"] - one["fee"]["cost"] for one in fills)
        assert abs(profit - cash) < 0.02, (profit, cash)
        say(f"{checked} fills of {len(closed_trades())} trades, amounts and fees equal; profit {profit:.4f}")
    with steps("balances") as say:
        told = {one["currency"]: one for one in bot.get("balance")["currencies"]}
        there = venue.fetch_balance()
        for asset in (desk.base, desk.quote):
            assert abs(told[asset]["balance"] - there[asset]["total"]) < 1e-8, (
                asset,
                told[asset],
                there[asset],
            )
        say({asset: told[asset]["balance"] for asset in (desk.base, desk.quote)})
    with steps("cancel all") as say:
        price = round(venue.fetch_order_book(pair)["bids"][0][0] * 0.98, 1)
        bot.post("forceenter", {"pair": pair, "ordertype": "limit", "price": price, "stakeamount": 1000})
        bot.wait_until(lambda: venue.fetch_open_orders(pair), "an open order")
        bot.__exit__()
        assert venue.fetch_open_orders(pair) == []
        say("cancel_open_orders_on_exit")


def errors():
    from freqtrade.exceptions import InsufficientFundsError, InvalidOrderException
    from freqtrade.resolvers import ExchangeResolver

    config = json.loads((folder / "config.json").read_text())
    config |= {"runmode": "live", "user_data_dir": folder, "datadir": folder}
    config |= {"candle_type_def": "spot", "margin_mode": ""}
    config["exchange"]["enable_ws"] = False
    exchange = ExchangeResolver.load_exchange(config, validate=False)
    exchange.reload_markets()
    price = exchange.fetch_l2_order_book(pair)["bids"][0][0]
    terms = {"pair": pair, "side": "buy", "leverage": 1.0, "ordertype": "limit", "time_in_force": "GTC"}
    with steps("errors: insufficient funds"), raises(InsufficientFundsError):
        exchange.create_order(**terms, amount=2.0, rate=price)
    with steps("errors: unknown order"), raises(InvalidOrderException):
        exchange.cancel_order("999999", pair)
    with steps("errors: percent price"), raises(InvalidOrderException):
        exchange.create_order(**terms, amount=0.01, rate=round(price / 20, 1))
    exchange.close()


try:
    with bot:
        by_itself()
        stops()
        cancels()
        accounts()
    errors()
finally:
    bot.__exit__()
    if steps.failed:
        print("\n".join(line for line in bot.log().splitlines()[-40:]))
steps.finish()
