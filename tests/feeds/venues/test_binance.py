"""Binance's normaliser: messages as its documentation shows them, the shared cases and captures."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.book_sync import COINM, SPOT, USDM
from engine.feeds.captures import read_messages
from engine.feeds.drops import DropReason
from engine.feeds.files import open_data
from engine.feeds.venues.binance import Binance
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, encoded, levels, reasons, take

EVENT_MS = 1_672_515_782_136
EVENT_NS = EVENT_MS * 1_000_000

DEPTH = {
    "e": "depthUpdate",
    "E": EVENT_MS,
    "s": "BNBBTC",
    "U": 157,
    "u": 160,
    "b": [["0.0024", "10"]],
    "a": [["0.0026", "100"]],
}
FUTURES_DEPTH = DEPTH | {"T": EVENT_MS - 3, "pu": 149}
COINM_DEPTH = FUTURES_DEPTH | {"s": "BTCUSD_200626", "ps": "BTCUSD"}
TRADE = {
    "e": "trade",
    "E": EVENT_MS,
    "s": "BNBBTC",
    "t": 12345,
    "p": "0.001",
    "q": "100",
    "T": EVENT_MS - 1,
    "m": True,
    "M": True,
}
AGGREGATED = {
    "e": "aggTrade",
    "E": EVENT_MS,
    "s": "BNBBTC",
    "a": 5933014,
    "p": "0.001",
    "q": "100",
    "f": 100,
    "l": 105,
    "T": EVENT_MS - 1,
    "m": False,
}
QUOTE = {"u": 400900217, "s": "BNBUSDT", "b": "25.35190000", "B": "31.21", "a": "25.36520000", "A": "40.66"}
SNAPSHOT = {"lastUpdateId": 160, "bids": [["0.0024", "10"]], "asks": [["0.0026", "100"]]}
URL = "https://api.binance.com/api/v3/depth?symbol=BNBBTC&limit=1000"


def wrapped(stream: str, data: Any) -> dict[str, Any]:
    """A message of a combined stream."""
    return {"stream": stream, "data": data}


@pytest.mark.parametrize(
    "message", [DEPTH, wrapped("bnbbtc@depth@100ms", DEPTH), wrapped("bnbbtc@depth", DEPTH)]
)
def test_a_spot_update_follows_the_id_before_its_first(message: dict[str, Any]) -> None:
    normaliser = Binance()
    (delta,) = take(normaliser, message)
    sides = (levels(("0.0024", "10")), levels(("0.0026", "100")))
    assert delta == BookDelta("binance", "BNBBTC", EVENT_NS, RECEIVED_NS, *sides, 156, 157, 160)
    assert normaliser.market("BNBBTC") == SPOT


def test_a_futures_update_names_its_predecessor_and_the_time_of_the_matching_engine() -> None:
    normaliser = Binance()
    (delta,) = take(normaliser, wrapped("bnbbtc@depth@100ms", FUTURES_DEPTH))
    assert isinstance(delta, BookDelta)
    assert (delta.previous_id, delta.first_id, delta.last_id) == (149, 157, 160)
    assert delta.exchange_time_ns == EVENT_NS - 3_000_000
    assert normaliser.market("BNBBTC") == USDM


def test_a_coin_margined_update_is_read_as_any_other() -> None:
    normaliser = Binance()
    (delta,) = take(normaliser, wrapped("btcusd_200626@depth", COINM_DEPTH))
    assert delta.symbol == "BTCUSD_200626"
    assert normaliser.market("BTCUSD_200626") == COINM


def test_a_symbol_does_not_change_its_market() -> None:
    normaliser = Binance()
    assert len(take(normaliser, DEPTH)) == 1
    assert take(normaliser, FUTURES_DEPTH) == []
    assert reasons(normaliser) == {DropReason.BAD_FIELD: 1}


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, Side.ASK), (False, Side.BID)])
def test_a_trade_keeps_its_id_and_its_aggressor(buyer_is_maker: bool, side: Side) -> None:
    (trade,) = take(Binance(), TRADE | {"m": buyer_is_maker})
    price, size = Decimal("0.001"), Decimal(100)
    time_ns = EVENT_NS - 1_000_000
    assert trade == Trade("binance", "BNBBTC", time_ns, RECEIVED_NS, price, size, side, "12345", 12344)


def test_trades_name_the_one_before_them_also_when_it_was_left_out_on_purpose() -> None:
    normaliser = Binance()
    told = [{"t": 5}, {"t": 6, "X": "ADL"}, {"t": 7}, {"t": 1, "s": "ETHBTC"}, {"t": 9}]
    trades = [event for change in told for event in take(normaliser, TRADE | change)]
    assert [(t.previous_id, t.trade_id) for t in trades if isinstance(t, Trade)] == [
        (4, "5"),
        (6, "7"),
        (0, "1"),
        (7, "9"),
    ]
    assert reasons(normaliser) == {DropReason.NOT_A_MARKET_TRADE: 1}


def test_aggregated_trades_are_read_only_where_there_are_no_others() -> None:
    both, only = Binance(), Binance()
    both.begin([encoded(AGGREGATED), encoded(TRADE)])
    only.begin([encoded(wrapped("bnbbtc@aggTrade", AGGREGATED))])
    for normaliser, id_read in ((Binance(), "12345"), (both, "12345"), (only, "5933014")):
        (trade,) = take(normaliser, AGGREGATED) + take(normaliser, TRADE)
        assert isinstance(trade, Trade)
        assert trade.trade_id == id_read
        assert reasons(normaliser) == {DropReason.TOLD_TWICE: 1}


@pytest.mark.parametrize(
    "message", [QUOTE, wrapped("bnbusdt@bookTicker", QUOTE), wrapped("!bookTicker", QUOTE)]
)
def test_a_spot_quote_has_no_time(message: dict[str, Any]) -> None:
    bid, ask = levels(("25.35190000", "31.21"), ("25.36520000", "40.66"))
    assert take(Binance(), message) == [Quote("binance", "BNBUSDT", None, RECEIVED_NS, bid, ask, 400900217)]


def test_a_futures_quote_has_the_time_of_the_matching_engine() -> None:
    (quote,) = take(Binance(), QUOTE | {"e": "bookTicker", "T": EVENT_MS, "E": EVENT_MS + 5})
    assert quote.exchange_time_ns == EVENT_NS


def test_a_one_sided_quote_is_kept() -> None:
    (quote,) = take(Binance(), QUOTE | {"b": "0.00000000", "B": "0.00000000"})
    assert isinstance(quote, Quote)
    assert quote.bid is None
    assert quote.ask is not None


@pytest.mark.parametrize(
    ("message", "about"),
    [
        (SNAPSHOT, URL),
        (SNAPSHOT | {"symbol": "BNBBTC", "E": EVENT_MS}, ""),
        (wrapped("bnbbtc@depthSnapshot", SNAPSHOT), ""),
        (wrapped("bnbbtc@depth20@100ms", SNAPSHOT), ""),
        (SNAPSHOT, "wss://stream.binance.com/ws/bnbbtc@depth20@100ms"),
        (wrapped("bnbbtc@depth10@500ms", FUTURES_DEPTH), ""),
    ],
)
def test_a_whole_book_gets_its_symbol_from_message_stream_or_url(message: dict[str, Any], about: str) -> None:
    (book,) = take(Binance(), message, about)
    assert isinstance(book, BookL2)
    assert (book.symbol, book.last_id) == ("BNBBTC", 160)
    assert book.bids == levels(("0.0024", "10"))


def test_a_book_without_a_symbol_is_of_the_only_one_that_the_connection_shows() -> None:
    normaliser = Binance()
    assert take(normaliser, SNAPSHOT) == []
    assert reasons(normaliser) == {DropReason.BAD_SYMBOL: 1}
    normaliser.begin([encoded(SNAPSHOT), encoded(DEPTH), b"{", encoded(TRADE)])
    assert [book.symbol for book in take(normaliser, SNAPSHOT)] == ["BNBBTC"]
    other = Binance()
    take(other, DEPTH)
    assert len(take(other, SNAPSHOT)) == 1
    take(other, QUOTE)
    assert take(other, SNAPSHOT) == [], "two symbols: not to be guessed"


def test_a_partial_book_gives_way_to_the_updates_of_the_whole_one() -> None:
    normaliser = Binance()
    partial, update = wrapped("bnbbtc@depth20@100ms", SNAPSHOT), wrapped("bnbbtc@depth", DEPTH)
    kinds = [type(event) for message in (partial, update, partial) for event in take(normaliser, message)]
    assert kinds == [BookL2, BookDelta]
    assert reasons(normaliser) == {DropReason.TOLD_TWICE: 1}
    warned = Binance()
    warned.begin([encoded(partial), encoded(update)])
    assert take(warned, partial) == []


@pytest.mark.parametrize("message", [{"result": None, "id": 1}, {"id": 7, "result": ["a@trade"]}])
def test_answers_are_neither_events_nor_drops(message: dict[str, Any]) -> None:
    normaliser = Binance()
    assert take(normaliser, message) == []
    assert (normaliser.drops.total, normaliser.ignored) == (0, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, DropReason.BAD_FIELD),
        ({"e": "24hrTicker", "s": "BNBBTC"}, DropReason.UNKNOWN_STREAM),
        (wrapped("bnbbtc@kline_1m", {}), DropReason.UNKNOWN_STREAM),
        (wrapped("!forceOrder@arr", {}), DropReason.UNKNOWN_STREAM),
        (wrapped("bnbbtc@depth99999999999", DEPTH), DropReason.UNKNOWN_STREAM),
        (wrapped("bnbbtc@trade", TRADE | {"t": None}), DropReason.BAD_FIELD),
        (DEPTH | {"U": 161}, DropReason.IDS_REVERSED),
        (DEPTH | {"E": -1}, DropReason.BAD_TIME),
        (DEPTH | {"b": [["1", "-1"]]}, DropReason.NEGATIVE),
        (DEPTH | {"b": [["1e99", "1"]]}, DropReason.OUT_OF_RANGE),
        (DEPTH | {"s": "../../etc"}, DropReason.BAD_SYMBOL),
        (TRADE | {"q": "0"}, DropReason.NOT_POSITIVE),
        (QUOTE | {"b": "25.4"}, DropReason.CROSSED),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(message: dict[str, Any], reason: DropReason) -> None:
    normaliser = Binance()
    assert take(normaliser, message) == []
    assert reasons(normaliser) == {reason: 1}


def test_numbers_may_be_json_numbers() -> None:
    (delta,) = take(Binance(), DEPTH | {"b": [[0.0024, 10]], "a": []})
    assert isinstance(delta, BookDelta)
    assert delta.bids == levels(("0.0024", "10"))


MESSAGES = [DEPTH, FUTURES_DEPTH, TRADE, QUOTE, SNAPSHOT | {"symbol": "BNBBTC"}]


@given(st.sampled_from(MESSAGES), st.data())
def test_any_field_may_be_anything(message: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers()))
    normaliser = Binance()
    events = take(normaliser, message | {data.draw(st.sampled_from(sorted(message))): value})
    check_events(events)
    assert len(events) + normaliser.drops.total + normaliser.ignored == 1


@pytest.mark.shared
@pytest.mark.skipif(not PATH.is_file(), reason="no venue_mapper_cases in ../shared")
def test_the_shared_cases_are_told_alike() -> None:
    table = compare("binance", Binance)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal) == (37, 37)


def captures(name: str) -> tuple[Path, Path]:
    """The REST answers and the stream of a connection."""
    return CAPTURES / f"{name}.http.0.0.txt.gz", CAPTURES / f"{name}.ws.1.0.txt.gz"


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "books", "behind", "at_snapshot"),
    [
        ("BINANCE", 4, 172, 0),
        ("BINANCE_US", 4, 332, 0),
        ("BINANCE_FUTURES", 4, 749, 3),
        ("BINANCE_DELIVERY", 10, 1783, 5),
    ],
)
def test_captured_books_are_rebuilt(name: str, books: int, behind: int, at_snapshot: int) -> None:
    """`behind` is the number of updates behind the snapshots, `at_snapshot` of those that end where one
    stands, which the rule for futures keeps. Every quote of an update's id is the top of the book then."""
    rebuilt = rebuild(Binance(), *captures(name))
    assert (len(rebuilt.books), rebuilt.crossed, rebuilt.gaps) == (books, 0, [])
    assert rebuilt.applied == books + behind + at_snapshot
    compared = [quote for quote in rebuilt.quotes if (quote.symbol, quote.update_id) in rebuilt.tops]
    assert len(compared) > 20
    assert all((q.bid, q.ask) == rebuilt.tops[q.symbol, q.update_id or 0] for q in compared)


@pytest.mark.shared
def test_captured_aggregated_trades_are_read_when_they_are_the_only_ones() -> None:
    _, path = captures("BINANCE_FUTURES")
    if not path.is_file():
        pytest.skip(f"no {path.name} in ../shared")
    with open_data(path) as stream:
        messages = list(read_messages(path, stream))
    normaliser = Binance()
    normaliser.begin([message.text for message in messages])
    events = [event for m in messages for event in normaliser.take(m.text, m.receive_time_ns or 0, m.about)]
    trades = [event for event in events if isinstance(event, Trade)]
    assert len(trades) == 91
    assert all(int(trade.trade_id or 0) == (trade.previous_id or 0) + 1 for trade in trades)
