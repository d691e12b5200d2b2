"""KuCoin's normaliser: spot and futures topics, and the REST order books."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from engine.feeds.venues.kucoin import Kucoin
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, encoded, levels, reasons, take

TIME_MS = 1_660_608_000_026
TIME_NS = TIME_MS * 1_000_000
MATCH_NS = TIME_NS + 914_990

MATCH = {
    "symbol": "BTC-USDT",
    "side": "sell",
    "type": "match",
    "makerOrderId": "62fadde41add68000167fb58",
    "sequence": "1636276321894",
    "size": "0.00001255",
    "price": "24093.9",
    "takerOrderId": "62faddfff0476c0001c86c71",
    "time": str(MATCH_NS),
    "tradeId": "62fade002e113d292303a18b",
}
EXECUTION = {"side": "buy", "size": 10, "price": "93.624", "tradeId": "1701197946092", "ts": MATCH_NS}
DELTA = {
    "sequenceStart": 877,
    "sequenceEnd": 879,
    "symbol": "BTC-USDT",
    "changes": {
        "asks": [["24088.8", "0", "877"], ["0", "0", "878"]],
        "bids": [["24081.2", "0.00265", "879"]],
    },
    "time": TIME_MS,
}
FUTURES_DELTA = {"sequence": 877, "change": "0.21506,sell,12", "timestamp": TIME_MS}
TICKER = {
    "sequence": "880",
    "bestAsk": "0.9052",
    "bestAskSize": "404.3024",
    "bestBid": "0.9027",
    "bestBidSize": "202.2365",
    "price": "0.909",
    "time": TIME_MS,
}
FUTURES_TICKER = {
    "symbol": "XBTUSDTM",
    "sequence": 880,
    "bestBidSize": 202.2365,
    "bestBidPrice": "0.9027",
    "bestAskPrice": "0.9052",
    "bestAskSize": 404.3024,
    "ts": TIME_NS,
}
LEVEL1 = {"asks": ["0.9052", "404.3024"], "bids": ["0.9027", "202.2365"], "timestamp": TIME_MS}
SHOWN = {"asks": [["24088.7", "0.64"]], "bids": [["24088.6", "7.07"]], "timestamp": TIME_MS}
FUTURES_SHOWN = {"bids": [["89720.9", 513]], "asks": [["89721", 906]], "sequence": 870, "timestamp": TIME_MS}
REST = {
    "code": "200000",
    "data": {
        "time": TIME_MS,
        "sequence": "876",
        "bids": [["24088.6", "7.07"]],
        "asks": [["24088.7", "0.64"]],
    },
}
FUTURES_REST = {
    "code": "200000",
    "data": {"sequence": 876, "symbol": "XBTUSDTM", "bids": [[24088.6, 7]], "asks": None, "ts": TIME_NS},
}
REST_URL = "https://api.kucoin.com/api/v3/market/orderbook/level2?symbol=BTC-USDT"
FUTURES_REST_URL = "https://api-futures.kucoin.com/api/v1/level2/snapshot?symbol=XBTUSDTM"


def told(topic: str, data: Any, subject: str = "") -> dict[str, Any]:
    return {"type": "message", "topic": topic, "subject": subject, "data": data}


MESSAGES = (
    ("", told("/market/match:BTC-USDT", MATCH, "trade.l3match")),
    ("", told("/contractMarket/execution:SOLUSDTM", EXECUTION, "match")),
    ("", told("/market/level2:BTC-USDT", DELTA, "trade.l2update")),
    ("", told("/contractMarket/level2:XBTUSDTM", FUTURES_DELTA, "level2")),
    ("", told("/market/ticker:BTC-USDT", TICKER, "trade.ticker")),
    ("", told("/market/ticker:all", TICKER, "BTC-USDT")),
    ("", told("/contractMarket/tickerV2:XBTUSDTM", FUTURES_TICKER, "tickerV2")),
    ("", told("/spotMarket/level1:BTC-USDT", LEVEL1, "level1")),
    ("", told("/spotMarket/level2Depth5:BTC-USDT", SHOWN, "level2")),
    ("", told("/contractMarket/level2Depth50:XBTUSDTM", FUTURES_SHOWN, "level2")),
    ("", told("/market/level2Snapshot:BTC-USDT", REST["data"], "trade.l2Snapshot")),
    (REST_URL, REST),
    (FUTURES_REST_URL, FUTURES_REST),
    ("", {"id": "hQvf8jkno", "type": "welcome"}),
)
"""One of every kind, for the fuzz tests."""


def test_a_match_is_a_trade_of_its_taker() -> None:
    (event,) = take(Kucoin(), told("/market/match:BTC-USDT", MATCH))
    price, size = Decimal("24093.9"), Decimal("0.00001255")
    assert event == Trade(
        "kucoin", "BTC-USDT", MATCH_NS, RECEIVED_NS, price, size, Side.ASK, "62fade002e113d292303a18b"
    )


def test_an_execution_of_futures_counts_contracts() -> None:
    (event,) = take(Kucoin(), told("/contractMarket/execution:SOLUSDTM", EXECUTION))
    assert isinstance(event, Trade)
    assert (event.symbol, event.size, event.aggressor_side) == ("SOLUSDTM", 10, Side.BID)
    assert event.exchange_time_ns == MATCH_NS


def test_an_increment_keeps_its_numbers_and_leaves_out_price_zero() -> None:
    (event,) = take(Kucoin(), told("/market/level2:BTC-USDT", DELTA))
    bids, asks = levels(("24081.2", "0.00265")), levels(("24088.8", "0"))
    assert event == BookDelta("kucoin", "BTC-USDT", TIME_NS, RECEIVED_NS, bids, asks, 876, 877, 879)


@pytest.mark.parametrize(
    ("change", "bids", "asks"),
    [
        ("0.21506,sell,12", (), levels(("0.21506", "12"))),
        ("0.21506,buy,0", levels(("0.21506", "0")), ()),
        ("0,buy,0", (), ()),
    ],
)
def test_an_increment_of_futures_is_one_level(change: str, bids: Any, asks: Any) -> None:
    (event,) = take(Kucoin(), told("/contractMarket/level2:MYROUSDTM", FUTURES_DELTA | {"change": change}))
    assert event == BookDelta("kucoin", "MYROUSDTM", TIME_NS, RECEIVED_NS, bids, asks, 876, 877, 877)


@pytest.mark.parametrize(
    ("topic", "data", "update_id"),
    [
        ("/market/ticker:BTC-USDT", TICKER, 880),
        ("/contractMarket/tickerV2:BTC-USDT", FUTURES_TICKER, 880),
        ("/spotMarket/level1:BTC-USDT", LEVEL1, None),
    ],
)
def test_tickers_are_quotes(topic: str, data: Any, update_id: int | None) -> None:
    (event,) = take(Kucoin(), told(topic, data))
    bid, ask = levels(("0.9027", "202.2365"), ("0.9052", "404.3024"))
    assert event == Quote("kucoin", "BTC-USDT", TIME_NS, RECEIVED_NS, bid, ask, update_id)


def test_the_ticker_of_all_symbols_names_them_by_subject() -> None:
    (event,) = take(Kucoin(), told("/market/ticker:all", TICKER, "ETH-BTC"))
    assert event.symbol == "ETH-BTC"


def test_a_ticker_without_an_ask_keeps_its_bid() -> None:
    (event,) = take(
        Kucoin(), told("/market/ticker:BTC-USDT", TICKER | {"bestAsk": None, "bestAskSize": None})
    )
    assert isinstance(event, Quote)
    assert (event.bid, event.ask) == (levels(("0.9027", "202.2365"))[0], None)


@pytest.mark.parametrize(
    ("message", "about", "symbol", "last_id"),
    [
        (REST, REST_URL, "BTC-USDT", 876),
        (FUTURES_REST, FUTURES_REST_URL, "XBTUSDTM", 876),
        (FUTURES_REST, FUTURES_REST_URL.partition("?")[0], "XBTUSDTM", 876),
        (told("/market/level2Snapshot:BTC-USDT", REST["data"]), "", "BTC-USDT", 876),
        (told("/spotMarket/level2Depth5:BTC-USDT", SHOWN), "", "BTC-USDT", None),
        (told("/contractMarket/level2Depth50:XBTUSDTM", FUTURES_SHOWN), "", "XBTUSDTM", 870),
    ],
)
def test_whole_books_are_read(message: Any, about: str, symbol: str, last_id: int | None) -> None:
    (event,) = take(Kucoin(), message, about)
    assert isinstance(event, BookL2)
    assert (event.symbol, event.last_id, event.exchange_time_ns) == (symbol, last_id, TIME_NS)
    assert len(event.bids) == 1


def test_a_shown_book_does_not_replace_the_incremental_one() -> None:
    kucoin = Kucoin()
    take(kucoin, told("/spotMarket/level2Depth50:BTC-USDT", SHOWN))
    take(kucoin, told("/market/level2:BTC-USDT", DELTA))
    assert take(kucoin, told("/spotMarket/level2Depth50:BTC-USDT", SHOWN)) == []
    assert reasons(kucoin) == {DropReason.TOLD_TWICE: 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (told("/market/match:BTC-USDT", MATCH | {"price": "0"}), DropReason.NOT_POSITIVE),
        (told("/market/match:BTC-USDT", MATCH | {"time": "soon"}), DropReason.BAD_TIME),
        (told("/market/match:BTC-USDT", MATCH | {"tradeId": "a b"}), DropReason.BAD_FIELD),
        (told("/market/match:", MATCH), DropReason.BAD_SYMBOL),
        (told("/market/level2:BTC-USDT", DELTA | {"sequenceEnd": 876}), DropReason.IDS_REVERSED),
        (
            told("/market/level2:BTC-USDT", DELTA | {"changes": {"bids": [["1", "-2", "3"]]}}),
            DropReason.NEGATIVE,
        ),
        (told("/contractMarket/level2:X", FUTURES_DELTA | {"change": "1,buy"}), DropReason.BAD_FIELD),
        (told("/contractMarket/level2:X", FUTURES_DELTA | {"change": "1,none,2"}), DropReason.BAD_FIELD),
        (told("/contractMarket/level2:X", FUTURES_DELTA | {"change": "-1,buy,2"}), DropReason.NEGATIVE),
        (told("/contractMarket/level2:X", FUTURES_DELTA | {"change": "x,buy,2"}), DropReason.BAD_NUMBER),
        (told("/market/ticker:BTC-USDT", TICKER | {"bestBid": "0.91"}), DropReason.CROSSED),
        (told("/market/ticker:BTC-USDT", {"time": TIME_MS}), DropReason.NOT_POSITIVE),
        (told("/market/candles:BTC-USDT_1min", {}), DropReason.UNKNOWN_STREAM),
    ],
)
def test_bad_messages_are_drops_with_a_reason(message: Any, reason: DropReason) -> None:
    kucoin = Kucoin()
    assert take(kucoin, message) == []
    assert reasons(kucoin) == {reason: 1}


@pytest.mark.parametrize("kind", ["welcome", "ack", "pong"])
def test_control_messages_are_ignored(kind: str) -> None:
    kucoin = Kucoin()
    assert take(kucoin, {"id": "1", "type": kind}) == []
    assert (kucoin.ignored, kucoin.drops.total) == (1, 0)


def test_its_messages_are_recognised() -> None:
    recognised = [Kucoin.recognises(encoded(message)) for _, message in MESSAGES]
    assert recognised == [True] * 13 + [False]


@given(
    first=st.one_of(st.integers(), st.text(max_size=5)),
    last=st.one_of(st.integers(), st.text(max_size=5)),
    rows=st.lists(
        st.lists(st.one_of(st.floats(), st.integers(), st.text(max_size=5)), max_size=3), max_size=4
    ),
)
def test_whatever_is_in_an_increment_keeps_the_rules_of_events(
    first: Any, last: Any, rows: list[Any]
) -> None:
    kucoin = Kucoin()
    data = DELTA | {"sequenceStart": first, "sequenceEnd": last, "changes": {"bids": rows}}
    events = take(kucoin, told("/market/level2:BTC-USDT", data))
    check_events(events)
    assert len(events) + kucoin.drops.total == 1


@pytest.mark.shared
def test_the_mapper_cases_are_reproduced() -> None:
    if not PATH.is_file():
        pytest.skip("no mapper cases in ../shared")
    table = compare("kucoin", Kucoin)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal) == (31, 30)
    assert dict(table.not_comparable) == {"dropped by rule: first update id after the last": 1}


@pytest.mark.shared
def test_the_captured_books_are_rebuilt_and_equal_the_tickers() -> None:
    kucoin = Kucoin()
    rebuilt = rebuild(kucoin, *(CAPTURES / f"KUCOIN.{part}.txt.gz" for part in ("http.0.0", "ws.1.0")))
    assert rebuilt.kinds == {"BookDelta": 3853, "Quote": 830, "Trade": 18, "BookL2": 9}
    assert (rebuilt.gaps, rebuilt.crossed, len(rebuilt.books)) == ([], 0, 9)
    assert reasons(kucoin) == {DropReason.UNKNOWN_STREAM: 6}  # candles
    comparable = [
        (quote, rebuilt.tops[quote.symbol, quote.update_id])
        for quote in rebuilt.quotes
        if quote.update_id is not None and (quote.symbol, quote.update_id) in rebuilt.tops
    ]
    assert len(comparable) == 819
    assert all((quote.bid, quote.ask) == top for quote, top in comparable)
