"""Public requests: exchange information, book, trades, candles, tickers.

Source of fields and rules: rest-api.md of the public Binance Spot API documentation.

Place on the data path: handlers behind the endpoint table, for REST and WS-API alike; parameters were checked
before. They read published values only. Invariant: every answer is a function of one published state; a book
snapshot's lastUpdateId counts the same events as the depth stream's U and u.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from engine.core.clock import NS_PER_MS
from engine.venue.binance import errors
from engine.venue.binance.call import Answer, Call, Route
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.exchange_info import exchange_info, market_status
from engine.venue.binance.market_texts import (
    Rows,
    Statistics,
    buyer_is_maker,
    day_start_ns,
    parse_zone_ns,
    statistics_since,
    texts_of,
)
from engine.venue.binance.parameters import names_in, whole
from engine.venue.candles import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS
from engine.venue.market_data import MarketData

if TYPE_CHECKING:
    from engine.venue.binance.gateway import Gateway

__all__ = ["market_routes"]

Params = Mapping[str, str]

MAX_DEPTH = 5_000
MAX_ROWS = 1_000
"""Trades, aggregate trades or candles in one answer."""
AVERAGE_MINUTES = 5
_WINDOW = re.compile(r"([0-9]{1,2})([mhd])", re.ASCII)
_WINDOWS = {"m": (MINUTE_NS, 59), "h": (HOUR_NS, 23), "d": (DAY_NS, 7)}


def market_routes(gateway: Gateway) -> list[Route]:
    """(method, path, handler) of all public endpoints."""
    handlers: dict[str, Callable[[Call], Answer]] = {
        "ping": lambda call: {},
        "time": lambda call: {"serverTime": call.gateway.now_ms()},
        "exchangeInfo": exchange_info,
        "depth": lambda call: depth(_data(call), call.params),
        "trades": lambda call: trades(_data(call), call.params),
        "historicalTrades": lambda call: trades(_data(call), call.params),
        "aggTrades": lambda call: aggregate_trades(_data(call), call.params),
        "klines": lambda call: klines(_data(call), call.params),
        "uiKlines": lambda call: klines(_data(call), call.params),
        "avgPrice": lambda call: average_price(_data(call)),
        "ticker/24hr": _for_symbols(ticker_24hr),
        "ticker/tradingDay": _for_symbols(ticker_trading_day, needs_symbol=True),
        "ticker": _for_symbols(ticker_window, needs_symbol=True),
        "ticker/price": _for_symbols(ticker_price),
        "ticker/bookTicker": _for_symbols(ticker_book),
    }
    return [("GET", f"/api/v3/{name}", _checking_status(handler)) for name, handler in handlers.items()]


# -- book and trades ----------------------------------------------------------------------------------------


def depth(market_data: MarketData, params: Params) -> Answer:
    """lastUpdateId and levels of the last boundary's book; at most MAX_DEPTH levels a side."""
    levels = min(whole(params, "limit", 100), MAX_DEPTH)
    image, texts = market_data.image, texts_of(market_data)
    text = (
        f'{{"lastUpdateId":{image.update_id},"bids":{texts.levels(image.bids, levels)},'
        f'"asks":{texts.levels(image.asks, levels)}}}'
    )
    return msgspec.Raw(text.encode())


def trades(market_data: MarketData, params: Params) -> Answer:
    """The last trades, or those from an id on; oldest first."""
    count = min(whole(params, "limit", 500), MAX_ROWS)
    if "fromId" in params:
        rows = market_data.trades_since(whole(params, "fromId", 0) - 1)[:count]
    else:
        rows = market_data.last_trades(count)
    texts = texts_of(market_data)
    return [
        {
            "id": trade_id,
            "price": texts.price(price),
            "qty": texts.quantity(lots),
            "quoteQty": texts.quote(price * lots),
            "time": texts.ms(time_ns),
            "isBuyerMaker": buyer_is_maker(side),
            "isBestMatch": True,
        }
        for trade_id, _, time_ns, price, lots, side in rows.tolist()
    ]


def aggregate_trades(market_data: MarketData, params: Params) -> Answer:
    """Trades of one aggressor at one instant and price as one: from an id on, within a time, or the last."""
    count = min(whole(params, "limit", 500), MAX_ROWS)
    start, end = params.get("startTime"), params.get("endTime")
    epoch_ns = market_data.epoch_ns
    if "fromId" in params:
        if start is not None or end is not None:
            raise errors.bad_combination()
        rows = market_data.aggregates_since(whole(params, "fromId", 0))
        if len(rows):
            rows = rows[: int(rows["aggregate_id"].searchsorted(rows["aggregate_id"][0] + count))]
    elif start is None and end is None:
        newest = market_data.last_trades(1)["aggregate_id"].max(initial=0)
        rows = market_data.aggregates_since(int(newest) - count + 1)
    else:
        rows = market_data.aggregates_since(_session_ns(start or "0", epoch_ns), key="time_ns")
        if end is not None:
            rows = rows[: rows["time_ns"].searchsorted(_session_ns(end, epoch_ns) + NS_PER_MS)]
    found = _aggregates(market_data, rows)
    return found[-count:] if start is None and "fromId" not in params else found[:count]


def _aggregates(market_data: MarketData, rows: Rows) -> list[dict[str, Any]]:
    if not len(rows):
        return []
    texts = texts_of(market_data)
    starts = np.flatnonzero(np.diff(rows["aggregate_id"], prepend=-1))
    ends = np.append(starts[1:], len(rows)) - 1
    lots = np.add.reduceat(rows["qty_lots"], starts)
    columns = zip(rows[starts].tolist(), lots.tolist(), rows["trade_id"][ends].tolist(), strict=True)
    return [
        {
            "a": aggregate_id,
            "p": texts.price(price),
            "q": texts.quantity(total),
            "f": first_id,
            "l": last_id,
            "T": texts.ms(time_ns),
            "m": buyer_is_maker(side),
            "M": True,
        }
        for (first_id, aggregate_id, time_ns, price, _, side), total, last_id in columns
    ]


def _session_ns(text: str, epoch_ns: int) -> int:
    """Session time at which a ms since 1970 began, within int64."""
    return max(-(1 << 62), min(1 << 62, int(text) * NS_PER_MS - epoch_ns))


# -- candles ------------------------------------------------------------------------------------------------


def klines(market_data: MarketData, params: Params) -> Answer:
    """Candles; those before the session are the synthetic history."""
    zone_ns = _zone_ns(params)
    found = market_data.klines(
        INTERVALS[params["interval"]],
        start_ns=_wall_ns(params, "startTime"),
        end_ns=_wall_ns(params, "endTime"),
        limit=min(whole(params, "limit", 500), MAX_ROWS),
        zone_ns=zone_ns,
    )
    texts = texts_of(market_data)
    price, quantity, quote = texts.price, texts.quantity, texts.quote
    return [
        (
            open_ns // NS_PER_MS,
            price(first),
            price(high),
            price(low),
            price(last),
            quantity(volume),
            end_ns // NS_PER_MS - 1,
            quote(worth),
            count,
            quantity(taken),
            quote(taken_worth),
            "0",
        )
        for (
            open_ns,
            end_ns,
            first,
            high,
            low,
            last,
            volume,
            worth,
            taken,
            taken_worth,
            count,
            *_,
        ) in found.tolist()
    ]


def average_price(market_data: MarketData) -> Answer:
    """The last five minutes' average, weighted by quantity."""
    texts, last = texts_of(market_data), market_data.last_trade
    return {
        "mins": AVERAGE_MINUTES,
        "price": texts.average(*market_data.average()),
        "closeTime": texts.ms(last.time_ns if last is not None else 0),
    }


def _wall_ns(params: Params, name: str) -> int | None:
    value = params.get(name)
    return None if value is None else min(int(value) * NS_PER_MS, 1 << 62)


def _zone_ns(params: Params) -> int:
    zone_ns = parse_zone_ns(params.get("timeZone", "0"))
    if zone_ns is None:
        raise errors.invalid_data("timeZone")
    return zone_ns


# -- tickers ------------------------------------------------------------------------------------------------


def ticker_24hr(market_data: MarketData, params: Params) -> Answer:
    """Statistics of the last 24 hours (in full minutes)."""
    found = statistics_since(market_data, market_data.now_ns - DAY_NS)
    if params.get("type") == "MINI":
        return _mini(market_data, found)
    top, texts = market_data.top, texts_of(market_data)
    return {
        "symbol": texts.symbol,
        "priceChange": found.change,
        "priceChangePercent": found.change_percent,
        "weightedAvgPrice": found.average,
        "prevClosePrice": found.previous_close,
        "lastPrice": found.last,
        "lastQty": found.last_qty,
        "bidPrice": texts.price(top.bid_ticks),
        "bidQty": texts.quantity(top.bid_lots),
        "askPrice": texts.price(top.ask_ticks),
        "askQty": texts.quantity(top.ask_lots),
        "openPrice": found.open,
        "highPrice": found.high,
        "lowPrice": found.low,
        "volume": found.volume,
        "quoteVolume": found.quote,
        "openTime": found.open_ns // NS_PER_MS,
        "closeTime": found.close_ns // NS_PER_MS,
        "firstId": found.first_id,
        "lastId": found.last_id,
        "count": found.trades,
    }


def ticker_trading_day(market_data: MarketData, params: Params) -> Answer:
    """Statistics of the day, in the zone asked for."""
    start_ns = day_start_ns(market_data.now_ns, _zone_ns(params))
    found = statistics_since(market_data, start_ns, end_ns=start_ns + DAY_NS - 1)
    return _mini(market_data, found) if params.get("type") == "MINI" else _full(market_data, found)


def ticker_window(market_data: MarketData, params: Params) -> Answer:
    """Statistics of a window that opens on a full minute."""
    match = _WINDOW.fullmatch(params.get("windowSize", "1d"))
    unit_ns, most = _WINDOWS[match[2]] if match is not None else (0, 0)
    if match is None or not 1 <= int(match[1]) <= most:
        raise errors.invalid_data("windowSize")
    start_ns = market_data.now_ns - int(match[1]) * unit_ns
    found = statistics_since(market_data, start_ns - start_ns % MINUTE_NS)
    return _mini(market_data, found) if params.get("type") == "MINI" else _full(market_data, found)


def ticker_price(market_data: MarketData, params: Params) -> Answer:
    """The last price; before the first trade, the opening price."""
    texts = texts_of(market_data)
    return {"symbol": texts.symbol, "price": texts.price(market_data.last_price_ticks or 0)}


def ticker_book(market_data: MarketData, params: Params) -> Answer:
    """Best bid and ask."""
    top, texts = market_data.top, texts_of(market_data)
    return {
        "symbol": texts.symbol,
        "bidPrice": texts.price(top.bid_ticks),
        "bidQty": texts.quantity(top.bid_lots),
        "askPrice": texts.price(top.ask_ticks),
        "askQty": texts.quantity(top.ask_lots),
    }


def _full(market_data: MarketData, found: Statistics) -> dict[str, Any]:
    return {
        "symbol": texts_of(market_data).symbol,
        "priceChange": found.change,
        "priceChangePercent": found.change_percent,
        "weightedAvgPrice": found.average,
        **_mini_fields(found),
    }


def _mini(market_data: MarketData, found: Statistics) -> dict[str, Any]:
    return {"symbol": texts_of(market_data).symbol, **_mini_fields(found)}


def _mini_fields(found: Statistics) -> dict[str, Any]:
    return {
        "openPrice": found.open,
        "highPrice": found.high,
        "lowPrice": found.low,
        "lastPrice": found.last,
        "volume": found.volume,
        "quoteVolume": found.quote,
        "openTime": found.open_ns // NS_PER_MS,
        "closeTime": found.close_ns // NS_PER_MS,
        "firstId": found.first_id,
        "lastId": found.last_id,
        "count": found.trades,
    }


# -- which symbols ------------------------------------------------------------------------------------------


def _data(call: Call) -> MarketData:
    data: MarketData = call.gateway.host.market_data
    return data


def _for_symbols(
    ticker: Callable[[MarketData, Params], Answer], *, needs_symbol: bool = False
) -> Callable[[Call], Answer]:
    """One object for `symbol`, a list for `symbols` or none of both."""

    def answer(call: Call) -> Answer:
        params = call.params
        if "symbol" in params and "symbols" in params:
            raise errors.bad_combination()
        if "symbol" in params:
            return ticker(_data(call), params)
        if "symbols" in params:
            wanted = bool(names_in(params["symbols"]))
        elif needs_symbol:
            raise errors.mandatory_one_of("symbol", "symbols")
        else:
            wanted = True
        wanted = wanted and params.get("symbolStatus", market_status(call)) == market_status(call)
        return [ticker(_data(call), params)] if wanted else []

    return answer


def _checking_status(handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
    """With symbol and symbolStatus, a market in another status is refused."""

    def answer(call: Call) -> Answer:
        params = call.params
        wanted = params.get("symbolStatus")
        if wanted is not None and "symbol" in params and wanted != market_status(call):
            raise RequestRefused(-1220, "The symbol's status does not match the requested symbolStatus.")
        return handler(call)

    return answer
