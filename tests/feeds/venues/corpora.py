"""Good messages of every venue, one or more of each kind, as (about, message): what the fuzz tests mutate."""

from __future__ import annotations

from typing import Any, TypeAlias

from tests.feeds.venues import (
    test_alpaca,
    test_bitstamp,
    test_deribit,
    test_gemini,
    test_hyperliquid,
    test_kucoin,
)

__all__ = ["CORPORA", "Corpus"]

Corpus: TypeAlias = tuple[tuple[str, Any], ...]

_MS = 1_660_608_000_026
_ISO = "2022-08-16T00:00:00.026914Z"
_ROWS = [["100.10", "2.5"], ["100.05", "0"]]

_BINANCE: Corpus = (
    (
        "",
        {
            "stream": "btcusdt@depth@100ms",
            "data": {"e": "depthUpdate", "E": _MS, "s": "BTCUSDT", "U": 11, "u": 15, "b": _ROWS, "a": _ROWS},
        },
    ),
    (
        "",
        {
            "e": "depthUpdate",
            "E": _MS,
            "T": _MS,
            "s": "BTCUSD_PERP",
            "ps": "BTCUSD",
            "U": 11,
            "u": 15,
            "pu": 9,
            "b": _ROWS,
            "a": [],
        },
    ),
    ("", {"stream": "btcusdt@depth20@100ms", "data": {"lastUpdateId": 9, "bids": _ROWS, "asks": _ROWS}}),
    (
        "https://api.binance.com/api/v3/depth?symbol=BTCUSDT&limit=1000",
        {"lastUpdateId": 9, "bids": _ROWS, "asks": _ROWS},
    ),
    (
        "",
        {
            "e": "trade",
            "E": _MS,
            "s": "BTCUSDT",
            "t": 7,
            "p": "100.1",
            "q": "2",
            "T": _MS,
            "m": True,
            "X": "MARKET",
        },
    ),
    (
        "",
        {
            "stream": "btcusdt@aggTrade",
            "data": {
                "e": "aggTrade",
                "E": _MS,
                "s": "BTCUSDT",
                "a": 7,
                "p": "100.1",
                "q": "2",
                "f": 1,
                "l": 2,
                "T": _MS,
                "m": False,
            },
        },
    ),
    (
        "",
        {
            "stream": "btcusdt@bookTicker",
            "data": {"u": 15, "s": "BTCUSDT", "b": "100", "B": "1", "a": "101", "A": "2"},
        },
    ),
    ("", {"result": None, "id": 1}),
)
_BYBIT: Corpus = (
    (
        "",
        {
            "topic": "orderbook.50.BTCUSDT",
            "type": "snapshot",
            "ts": _MS,
            "data": {"s": "BTCUSDT", "b": _ROWS, "a": _ROWS, "u": 1, "seq": 7},
            "cts": _MS,
        },
    ),
    (
        "",
        {
            "topic": "orderbook.50.BTCUSDT",
            "type": "delta",
            "ts": _MS,
            "data": {"s": "BTCUSDT", "b": _ROWS, "a": [], "u": 2, "seq": 8},
            "cts": _MS,
        },
    ),
    (
        "",
        {
            "topic": "publicTrade.BTCUSDT",
            "type": "snapshot",
            "ts": _MS,
            "data": [
                {
                    "T": _MS,
                    "s": "BTCUSDT",
                    "S": "Buy",
                    "v": "0.001",
                    "p": "16578.50",
                    "L": "PlusTick",
                    "i": "20f43950-d8dd-5b31-9112-a178eb6023af",
                    "BT": False,
                }
            ],
        },
    ),
    (
        "",
        {
            "topic": "orderBookL2_25.BTCUSD",
            "type": "snapshot",
            "data": [
                {"price": "100.10", "symbol": "BTCUSD", "id": 1001000, "side": "Buy", "size": 10},
                {"price": "100.20", "symbol": "BTCUSD", "id": 1002000, "side": "Sell", "size": 12},
            ],
            "cross_seq": 5,
            "timestamp_e6": _MS * 1000,
        },
    ),
    (
        "",
        {
            "topic": "orderBookL2_25.BTCUSD",
            "type": "delta",
            "data": {
                "delete": [{"price": "100.10", "symbol": "BTCUSD", "id": 1001000, "side": "Buy"}],
                "update": [{"price": "100.20", "symbol": "BTCUSD", "id": 1002000, "side": "Sell", "size": 7}],
                "insert": [],
                "transactTimeE6": 0,
            },
            "cross_seq": 6,
            "timestamp_e6": str(_MS * 1000),
        },
    ),
    (
        "",
        {
            "topic": "trade.BTCUSD",
            "data": [
                {
                    "trade_time_ms": _MS,
                    "timestamp": _ISO,
                    "symbol": "BTCUSD",
                    "side": "Sell",
                    "size": 43,
                    "price": 3787,
                    "tick_direction": "ZeroMinusTick",
                    "trade_id": "9d229f26-09a8-42f8-aff3-0ba047b0449d",
                    "cross_seq": 1,
                }
            ],
        },
    ),
    ("", {"success": True, "ret_msg": "", "op": "subscribe"}),
)
_COINBASE: Corpus = (
    ("", {"type": "snapshot", "product_id": "BTC-USD", "bids": _ROWS, "asks": _ROWS}),
    (
        "",
        {
            "type": "l2update",
            "product_id": "BTC-USD",
            "time": _ISO,
            "changes": [["buy", "100.10", "0.5"], ["sell", "101", "0"]],
        },
    ),
    (
        "",
        {
            "type": "match",
            "trade_id": 10,
            "sequence": 50,
            "maker_order_id": "a",
            "taker_order_id": "b",
            "time": _ISO,
            "product_id": "BTC-USD",
            "size": "5.23512",
            "price": "400.23",
            "side": "sell",
        },
    ),
    (
        "",
        {
            "type": "ticker",
            "sequence": 5,
            "product_id": "BTC-USD",
            "price": "100",
            "best_bid": "100",
            "best_bid_size": "1",
            "best_ask": "101",
            "best_ask_size": "2",
            "side": "buy",
            "time": _ISO,
            "trade_id": 1,
            "last_size": "1",
        },
    ),
    (
        "",
        {
            "channel": "l2_data",
            "client_id": "",
            "timestamp": _ISO,
            "sequence_num": 0,
            "events": [
                {
                    "type": "snapshot",
                    "product_id": "BTC-USD",
                    "updates": [
                        {"side": "bid", "event_time": _ISO, "price_level": "100.1", "new_quantity": "2"},
                        {"side": "offer", "event_time": _ISO, "price_level": "100.2", "new_quantity": "3"},
                    ],
                }
            ],
        },
    ),
    (
        "",
        {
            "channel": "market_trades",
            "client_id": "",
            "timestamp": _ISO,
            "sequence_num": 1,
            "events": [
                {
                    "type": "update",
                    "trades": [
                        {
                            "trade_id": "7",
                            "product_id": "ETH-USD",
                            "price": "1260.01",
                            "size": "0.3",
                            "side": "BUY",
                            "time": _ISO,
                        }
                    ],
                }
            ],
        },
    ),
    (
        "",
        {
            "channel": "ticker",
            "timestamp": _ISO,
            "sequence_num": 2,
            "events": [
                {
                    "type": "update",
                    "tickers": [
                        {
                            "type": "ticker",
                            "product_id": "BTC-USD",
                            "price": "100",
                            "best_bid": "100",
                            "best_bid_quantity": "1",
                            "best_ask": "101",
                            "best_ask_quantity": "2",
                        }
                    ],
                }
            ],
        },
    ),
    ("", {"type": "subscriptions", "channels": []}),
)
_KRAKEN: Corpus = (
    ("", [170, [["0.01136500", "2.51146536", "1561939201.587070", "s", "l", ""]], "trade", "LTC/XBT"]),
    (
        "",
        [
            923,
            {
                "as": [["0.102987", "3.00000000", "1561939199.992830"]],
                "bs": [["0.102810", "2.00000000", "1561635364.836639"]],
            },
            "book-10",
            "ADA/CAD",
        ],
    ),
    (
        "",
        [
            741,
            {"a": [["413.900000", "27.7", "1561939258.5"]]},
            {"b": [["400.000000", "0.0", "1561939258.5", "r"]], "c": "974942666"},
            "book-10",
            "BCH/USD",
        ],
    ),
    (
        "",
        [
            325,
            ["43770.20000", "43770.30000", "1633053779.916349", "0.00917717", "0.31670440"],
            "spread",
            "XBT/USD",
        ],
    ),
    (
        "",
        {
            "channel": "trade",
            "type": "update",
            "data": [
                {
                    "symbol": "BTC/USD",
                    "side": "buy",
                    "price": 100.1,
                    "qty": 0.25,
                    "trade_id": 123,
                    "ord_type": "limit",
                    "timestamp": _ISO,
                }
            ],
        },
    ),
    (
        "",
        {
            "channel": "book",
            "type": "snapshot",
            "data": [
                {
                    "symbol": "BTC/USD",
                    "bids": [{"price": 99.9, "qty": 0.5}],
                    "asks": [{"price": 100.1, "qty": 1}],
                    "checksum": 123456,
                    "timestamp": _ISO,
                }
            ],
        },
    ),
    (
        "",
        {
            "channel": "book",
            "type": "update",
            "data": [
                {
                    "symbol": "BTC/USD",
                    "bids": [{"price": 99.9, "qty": 0}],
                    "asks": [],
                    "checksum": 2439117997,
                    "timestamp": _ISO,
                }
            ],
        },
    ),
    (
        "",
        {
            "channel": "ticker",
            "type": "update",
            "data": [
                {
                    "symbol": "BTC/USD",
                    "bid": 99.9,
                    "bid_qty": 1.2,
                    "ask": 100.1,
                    "ask_qty": 2.3,
                    "timestamp": _ISO,
                }
            ],
        },
    ),
    ("", {"event": "heartbeat"}),
)
_OKX: Corpus = (
    (
        "",
        {
            "arg": {"channel": "books", "instId": "BTC-USDT"},
            "action": "snapshot",
            "data": [
                {
                    "asks": [["100.2", "1.5", "0", "3"]],
                    "bids": [["100.1", "2", "0", "1"]],
                    "ts": str(_MS),
                    "checksum": -855196043,
                    "prevSeqId": -1,
                    "seqId": 123456,
                }
            ],
        },
    ),
    (
        "",
        {
            "arg": {"channel": "books", "instId": "BTC-USDT"},
            "action": "update",
            "data": [
                {
                    "asks": [["100.2", "0", "0", "0"]],
                    "bids": [],
                    "ts": str(_MS),
                    "checksum": -1,
                    "prevSeqId": 123456,
                    "seqId": 123457,
                }
            ],
        },
    ),
    (
        "",
        {
            "arg": {"channel": "trades", "instId": "BTC-USDT"},
            "data": [
                {
                    "instId": "BTC-USDT",
                    "tradeId": "130639474",
                    "px": "42219.9",
                    "sz": "0.12060306",
                    "side": "buy",
                    "ts": str(_MS),
                    "count": "3",
                }
            ],
        },
    ),
    (
        "",
        {
            "arg": {"channel": "bbo-tbt", "instId": "BTC-USDT"},
            "data": [
                {
                    "asks": [["100.2", "1.5", "0", "3"]],
                    "bids": [["100.1", "2", "0", "1"]],
                    "ts": str(_MS),
                    "seqId": 9,
                }
            ],
        },
    ),
    (
        "",
        {
            "arg": {"channel": "tickers", "instId": "BTC-USDT"},
            "data": [
                {
                    "instType": "SPOT",
                    "instId": "BTC-USDT",
                    "last": "1",
                    "askPx": "100.2",
                    "askSz": "11",
                    "bidPx": "100.1",
                    "bidSz": "5",
                    "ts": str(_MS),
                }
            ],
        },
    ),
    (
        "",
        {
            "table": "spot/depth_l2_tbt",
            "action": "partial",
            "data": [
                {
                    "instrument_id": "BTC-USDT",
                    "asks": [["2.35", "1", "0", "1"]],
                    "bids": [["2.25", "1459", "0", "1"]],
                    "timestamp": _ISO,
                    "checksum": 1099728614,
                }
            ],
        },
    ),
    (
        "",
        {
            "table": "spot/trade",
            "data": [
                {
                    "instrument_id": "BCH-USDT",
                    "price": "328.74",
                    "side": "sell",
                    "size": "0.12",
                    "timestamp": _ISO,
                    "trade_id": "423886239",
                }
            ],
        },
    ),
    (
        "",
        {
            "table": "spot/ticker",
            "data": [
                {
                    "instrument_id": "EOS-USDT",
                    "last": "2.5",
                    "best_bid": "2.584",
                    "best_bid_size": "1574",
                    "best_ask": "2.585",
                    "best_ask_size": "849",
                    "timestamp": _ISO,
                }
            ],
        },
    ),
    ("", {"event": "subscribe", "arg": {"channel": "books", "instId": "BTC-USDT"}}),
)

CORPORA: dict[str, Corpus] = {
    "alpaca": test_alpaca.MESSAGES,
    "binance": _BINANCE,
    "bitstamp": test_bitstamp.MESSAGES,
    "bybit": _BYBIT,
    "coinbase": _COINBASE,
    "deribit": test_deribit.MESSAGES,
    "gemini": test_gemini.MESSAGES,
    "hyperliquid": test_hyperliquid.MESSAGES,
    "kraken": _KRAKEN,
    "kucoin": test_kucoin.MESSAGES,
    "okx": _OKX,
}
