"""A quoting bot on ccxt, unmodified but for its address: it trades at the desk's Binance-compatible venue.

pip install ccxt; stormdesk key new        # shows the key once: put it into BINANCE_KEY, BINANCE_SECRET
python -m engine.client.examples.ccxt_bot [http://127.0.0.1:8765]
"""

from __future__ import annotations

import os
import sys
from typing import Any

from engine.client.discovery import find_desk


def connect(venue: str) -> Any:
    """ccxt's own Binance client, with the desk where the exchange would be."""
    import ccxt  # type: ignore[import-not-found, unused-ignore]

    exchange = ccxt.binance({"apiKey": os.environ["BINANCE_KEY"], "secret": os.environ["BINANCE_SECRET"]})
    for name, path in {"public": "/api/v3", "private": "/api/v3", "sapi": "/sapi/v1"}.items():
        exchange.urls["api"][name] = venue + path
    exchange.options |= {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}
    return exchange


def requote(exchange: Any, symbol: str, amount: float) -> None:
    """Join the best bid and the best ask with one order each."""
    for order in exchange.fetch_open_orders(symbol):
        exchange.cancel_order(order["id"], symbol)
    book = exchange.fetch_order_book(symbol, 5)
    if book["bids"] and book["asks"]:
        exchange.create_limit_buy_order(symbol, amount, book["bids"][0][0])
        exchange.create_limit_sell_order(symbol, amount, book["asks"][0][0])


if __name__ == "__main__":
    bot = connect(sys.argv[1] if len(sys.argv) > 1 else find_desk().venue or find_desk().url)
    market = next(iter(bot.load_markets().values()))
    while True:  # ccxt itself keeps to the venue's rate limit
        requote(bot, market["symbol"], 10 * market["limits"]["amount"]["min"])
