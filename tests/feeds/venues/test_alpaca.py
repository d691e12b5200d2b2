"""Alpaca's normaliser: the stream of stocks and crypto, and the REST answers."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import parse_iso_ns
from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.alpaca import Alpaca
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from tests.feeds.venues.taking import RECEIVED_NS, SHARED, check_events, encoded, levels, reasons, take

TIME = "2022-03-18T14:02:09.722539521Z"
TIME_NS = parse_iso_ns(TIME)
STREAM_PAYLOADS = SHARED / "alpaca_payload_shapes" / "alpaca_ws_payloads.jsonl"
REST_PAYLOADS = SHARED / "alpaca_payload_shapes" / "alpaca_rest_payloads.jsonl"

TRADE_FIELDS = {"t": TIME, "x": "V", "p": 177.79, "s": 90, "c": ["@", "I"], "i": 6142, "z": "C"}
QUOTE_FIELDS = {
    "t": TIME,
    "bx": "V",
    "bp": 25.41,
    "bs": 35,
    "ax": "V",
    "ap": 25.43,
    "as": 36,
    "c": ["R"],
    "z": "B",
}
TRADE = {"T": "t", "S": "AAPL"} | TRADE_FIELDS
COIN_TRADE = {"T": "t", "S": "BTC/USD", "p": 40650, "s": 0.1517, "t": TIME, "i": 26932440, "tks": "S"}
QUOTE = {"T": "q", "S": "SPIP"} | QUOTE_FIELDS
BOOK = {
    "T": "o",
    "S": "BTC/USD",
    "t": TIME,
    "b": [{"p": 65128.1, "s": 1.6542}],
    "a": [{"p": 65130, "s": 0}],
}
SNAPSHOT = {"latestTrade": TRADE_FIELDS, "latestQuote": QUOTE_FIELDS, "minuteBar": {"o": 1}, "dailyBar": None}

MESSAGES = (
    ("", [TRADE, QUOTE, COIN_TRADE, BOOK]),
    ("", [BOOK | {"r": True}]),
    ("", QUOTE),
    ("", {"trades": {"AAPL": [TRADE_FIELDS, TRADE_FIELDS]}, "next_page_token": None}),
    ("", {"symbol": "AAPL", "quotes": [QUOTE_FIELDS], "next_page_token": "x"}),
    ("", {"quotes": {"AAPL": QUOTE_FIELDS}}),
    ("", {"AAPL": SNAPSHOT}),
    ("", {"snapshots": {"AAPL": SNAPSHOT}}),
    ("", {"symbol": "AAPL"} | SNAPSHOT),
    ("", {"orderbooks": {"BTC/USD": {"t": TIME, "b": [{"p": 1, "s": 2}], "a": []}}}),
    ("", [{"T": "success", "msg": "authenticated"}]),
)
"""One of every kind, for the fuzz tests."""


def test_an_array_gives_the_events_of_its_records() -> None:
    trade, quote, coin, delta = take(Alpaca(), [TRADE, QUOTE, COIN_TRADE, BOOK])
    price, size = Decimal("177.79"), Decimal(90)
    assert trade == Trade("alpaca", "AAPL", TIME_NS, RECEIVED_NS, price, size, None, "6142")
    bid, ask = levels(("25.41", "35"), ("25.43", "36"))
    assert quote == Quote("alpaca", "SPIP", TIME_NS, RECEIVED_NS, bid, ask)
    assert isinstance(coin, Trade)
    assert (coin.symbol, coin.aggressor_side) == ("BTC/USD", Side.ASK)
    bids, asks = levels(("65128.1", "1.6542")), levels(("65130", "0"))
    assert delta == BookDelta("alpaca", "BTC/USD", TIME_NS, RECEIVED_NS, bids, asks)


def test_a_book_with_the_reset_mark_is_whole() -> None:
    (event,) = take(Alpaca(), [BOOK | {"r": True}])
    assert isinstance(event, BookL2)


def test_a_bad_record_goes_alone() -> None:
    alpaca = Alpaca()
    bad = [TRADE | {"p": "NaN"}, TRADE | {"p": None}, 7, TRADE | {"t": "soon"}, TRADE | {"S": ""}]
    events = take(alpaca, [TRADE, *bad, QUOTE])
    assert [type(event) for event in events] == [Trade, Quote]
    assert reasons(alpaca) == {
        DropReason.BAD_NUMBER: 1,
        DropReason.BAD_FIELD: 2,
        DropReason.BAD_TIME: 1,
        DropReason.BAD_SYMBOL: 1,
    }


@pytest.mark.parametrize(
    ("sides", "bid", "ask"),
    [
        ({"bp": 0, "bs": 0}, None, levels(("25.43", "36"))[0]),
        ({"ap": 0, "as": 5}, levels(("25.41", "35"))[0], None),
        ({"as": 0}, levels(("25.41", "35"))[0], None),
        ({"bp": None}, None, levels(("25.43", "36"))[0]),
    ],
)
def test_a_side_without_price_or_size_is_not_there(sides: dict[str, Any], bid: Any, ask: Any) -> None:
    (event,) = take(Alpaca(), [QUOTE | sides])
    assert isinstance(event, Quote)
    assert (event.bid, event.ask) == (bid, ask)


@pytest.mark.parametrize(
    ("sides", "reason"),
    [
        ({"bp": 0, "ap": 0}, DropReason.NOT_POSITIVE),
        ({"bp": 25.44}, DropReason.CROSSED),
        ({"bp": -1}, DropReason.NEGATIVE),
    ],
)
def test_bad_quotes_are_drops_with_a_reason(sides: dict[str, Any], reason: DropReason) -> None:
    alpaca = Alpaca()
    assert take(alpaca, [QUOTE | sides]) == []
    assert reasons(alpaca) == {reason: 1}


@pytest.mark.parametrize(
    ("conditions", "tape", "is_taken"),
    [
        (["@"], "C", True),
        (["@", "F", "T", "I"], "C", True),
        (["B"], "C", True),
        (["B"], "A", False),
        (["@", "W"], "C", False),
        (["M"], "B", False),
        ([" ", "7", "V"], "A", False),
        (None, "", True),
    ],
)
def test_trades_that_were_not_made_in_the_market_now_are_left_out(
    conditions: list[str] | None, tape: str, is_taken: bool
) -> None:
    alpaca = Alpaca()
    assert len(take(alpaca, [TRADE | {"c": conditions, "z": tape}])) == is_taken
    assert reasons(alpaca) == ({} if is_taken else {DropReason.NOT_A_MARKET_TRADE: 1})


@pytest.mark.parametrize("kind", ["b", "n", "s", "x", "c", "l", ""])
def test_other_streams_are_counted_as_such(kind: str) -> None:
    alpaca = Alpaca()
    assert take(alpaca, [{"T": kind, "S": "AAPL", "c": 177.9, "s": 3, "t": 1}]) == []
    assert reasons(alpaca) == {DropReason.UNKNOWN_STREAM: 1}


@pytest.mark.parametrize("kind", ["success", "subscription", "error"])
def test_answers_are_ignored(kind: str) -> None:
    alpaca = Alpaca()
    assert take(alpaca, [{"T": kind, "msg": "x"}]) == []
    assert (alpaca.ignored, alpaca.drops.total) == (1, 0)


@pytest.mark.parametrize(
    ("message", "symbols"),
    [
        ({"trades": {"AAPL": [TRADE_FIELDS, TRADE_FIELDS], "TSLA": TRADE_FIELDS}}, ["AAPL", "AAPL", "TSLA"]),
        ({"symbol": "AAPL", "trades": [TRADE_FIELDS]}, ["AAPL"]),
        ({"symbol": "AAPL", "trade": TRADE_FIELDS}, ["AAPL"]),
        ({"quotes": {"AAPL": QUOTE_FIELDS}, "next_page_token": None}, ["AAPL"]),
        ({"AAPL": SNAPSHOT, "TSLA": {"latestTrade": TRADE_FIELDS}}, ["AAPL", "AAPL", "TSLA"]),
        ({"snapshots": {"BTC/USD": SNAPSHOT}}, ["BTC/USD", "BTC/USD"]),
        ({"symbol": "AAPL"} | SNAPSHOT, ["AAPL", "AAPL"]),
        ({"orderbooks": {"BTC/USD": BOOK}}, ["BTC/USD"]),
        ({"bars": {"AAPL": [{"t": TIME, "o": 174}]}}, []),
        ({"trades": {}}, []),
        ({"symbol": "AAPL", "trades": None}, []),
        ({}, []),
    ],
)
def test_rest_answers_tell_their_kind(message: Any, symbols: list[str]) -> None:
    alpaca = Alpaca()
    assert [event.symbol for event in take(alpaca, message)] == symbols
    assert alpaca.drops.total == 0


def test_its_messages_are_recognised() -> None:
    recognised = [Alpaca.recognises(encoded(message)) for _, message in MESSAGES]
    assert recognised == [True] * 3 + [False] * 8


_values = st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none())


@given(price=_values, size=_values, time=_values, kind=st.sampled_from("tqo"))
def test_whatever_is_in_a_record_keeps_the_rules_of_events(
    price: Any, size: Any, time: Any, kind: str
) -> None:
    alpaca = Alpaca()
    record = {"T": kind, "S": "AAPL", "t": time, "p": price, "s": size, "bp": price, "bs": size}
    if kind == "o":
        record["b"] = [{"p": price, "s": size}]
    events = take(alpaca, [record])
    check_events(events)
    assert len(events) + alpaca.drops.total == 1


@pytest.mark.shared
def test_the_published_stream_payloads_are_read() -> None:
    if not STREAM_PAYLOADS.is_file():
        pytest.skip("no Alpaca payloads in ../shared")
    text = STREAM_PAYLOADS.read_text(encoding="utf-8").replace("<msgpack Timestamp>", TIME)
    alpaca = Alpaca()
    events = [event for line in text.splitlines() for event in take(alpaca, line.encode())]
    assert [type(event) for event in events] == [Trade, Quote, BookDelta]
    assert reasons(alpaca) == {DropReason.UNKNOWN_STREAM: 6}  # news, bars, a status, a cancel


@pytest.mark.shared
def test_the_published_rest_payloads_are_read() -> None:
    if not REST_PAYLOADS.is_file():
        pytest.skip("no Alpaca payloads in ../shared")
    alpaca = Alpaca()
    bodies = [json.loads(line) for line in REST_PAYLOADS.read_text(encoding="utf-8").splitlines()]
    events = [event for body in bodies for event in take(alpaca, body)]
    check_events(events)
    assert (sum(isinstance(event, Trade) for event in events), len(events)) == (13, 20)
    assert reasons(alpaca) == {DropReason.CROSSED: 4}  # quotes before the market opens
