"""Kraken's normaliser and its checksums: messages as its documentation shows them, and what is shared."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import FeedGap
from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.chain import BookChains
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from engine.feeds.venues.kraken import Kraken
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, levels, reasons, take

TRADES = [
    0,
    [
        ["5541.20000", "0.15850568", "1534614057.321597", "s", "l", ""],
        ["6060.00000", "0.02455000", "1534614057.324998", "b", "l", ""],
    ],
    "trade",
    "XBT/USD",
]
SPREAD = [
    0,
    ["5698.40000", "5700.00000", "1542057299.545897", "1.01234567", "0.98765432"],
    "spread",
    "XBT/USD",
]
TICKER = [
    0,
    {"a": ["5525.40000", 1, "1.000"], "b": ["5525.10000", 1, "1.500"], "c": ["5525.10000", "0.00398963"]},
    "ticker",
    "XBT/USD",
]
STAMP = "1582905487.684110"
BIDS = (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950)
SNAPSHOT = [
    0,
    {
        "as": [[f"0.05{5 * n:03}", "0.00000500", STAMP] for n in range(1, 11)],
        "bs": [[f"0.0{n}", "0.00000500", STAMP] for n in BIDS],
    },
    "book-10",
    "XBT/USD",
]
"""The book of the documentation's example ("Book checksum (WebSocket v1)")."""
CHECKSUM_V1 = 974_947_235
SPLIT_UPDATE = [
    0,
    {"a": [["0.05010", "0.00000500", STAMP]]},
    {"b": [["0.05000", "0.00000500", "1582905488.1"]], "c": str(CHECKSUM_V1)},
    "book-10",
    "XBT/USD",
]
BOOK_V2 = b"""{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[
{"price":45283.5,"qty":0.10000000},{"price":45283.4,"qty":1.54582015},{"price":45282.1,"qty":0.10000000},
{"price":45281.0,"qty":0.10000000},{"price":45280.3,"qty":1.54592586},{"price":45279.0,"qty":0.07990000},
{"price":45277.6,"qty":0.03310103},{"price":45277.5,"qty":0.30000000},{"price":45277.3,"qty":1.54602737},
{"price":45276.6,"qty":0.15445238}],"asks":[
{"price":45285.2,"qty":0.00100000},{"price":45286.4,"qty":1.54571953},{"price":45286.6,"qty":1.54571109},
{"price":45289.6,"qty":1.54560911},{"price":45290.2,"qty":0.15890660},{"price":45291.8,"qty":1.54553491},
{"price":45294.7,"qty":0.04454749},{"price":45296.1,"qty":0.35380000},{"price":45297.5,"qty":0.09945542},
{"price":45299.5,"qty":0.18772827}],"checksum":3310070434}]}"""
"""The documentation's example ("Book checksum (WebSocket v2)")."""
TRADE_V2 = {
    "channel": "trade",
    "type": "update",
    "data": [
        {
            "symbol": "MATIC/USD",
            "side": "sell",
            "price": 0.5117,
            "qty": 40.0,
            "ord_type": "market",
            "trade_id": 4665906,
            "timestamp": "2023-09-25T07:49:37.708706Z",
        }
    ],
}
TICKER_V2 = {
    "channel": "ticker",
    "type": "snapshot",
    "data": [
        {"symbol": "ALGO/USD", "bid": 0.10025, "bid_qty": 740.0, "ask": 0.10036, "ask_qty": 1361.44813783}
    ],
}


def test_trades_of_v1_have_no_ids() -> None:
    first, second = take(Kraken(), TRADES)
    price, size, time_ns = Decimal("5541.20000"), Decimal("0.15850568"), 1_534_614_057_321_597_000
    assert first == Trade("kraken", "XBT/USD", time_ns, RECEIVED_NS, price, size, Side.ASK, None)
    assert isinstance(second, Trade)
    assert second.aggressor_side is Side.BID


def test_a_spread_is_a_quote_and_a_ticker_one_without_a_time() -> None:
    (spread,), (ticker,) = take(Kraken(), SPREAD), take(Kraken(), TICKER)
    sides = levels(("5698.40000", "1.01234567"), ("5700.00000", "0.98765432"))
    assert spread == Quote("kraken", "XBT/USD", 1_542_057_299_545_897_000, RECEIVED_NS, *sides)
    sides = levels(("5525.10000", "1.500"), ("5525.40000", "1.000"))
    assert ticker == Quote("kraken", "XBT/USD", None, RECEIVED_NS, *sides)


def test_a_book_of_v1_names_its_depth_and_may_come_in_two_parts() -> None:
    normaliser = Kraken()
    snapshot, delta = take(normaliser, SNAPSHOT) + take(normaliser, SPLIT_UPDATE)
    assert isinstance(snapshot, BookL2)
    assert (len(snapshot.bids), len(snapshot.asks), snapshot.depth, snapshot.checksum) == (10, 10, 10, None)
    assert isinstance(delta, BookDelta)
    assert (delta.bids, delta.asks) == (levels(("0.05000", "0.00000500")), levels(("0.05010", "0.00000500")))
    assert delta.exchange_time_ns == 1_582_905_488_100_000_000
    assert delta.checksum == CHECKSUM_V1


def test_a_one_sided_snapshot_of_v1_is_a_snapshot() -> None:
    (book,) = take(Kraken(), [0, {"as": [["1.0", "2.0", STAMP]]}, "book-25", "XBT/USD"])
    assert isinstance(book, BookL2)
    assert (book.bids, book.depth) == ((), 25)


def play(*messages: Any) -> list[BookL2 | BookDelta]:
    """What the chains give out; raises FeedGap at a wrong checksum."""
    normaliser, chains = Kraken(), BookChains()
    out: list[BookL2 | BookDelta] = []
    for message in messages:
        for event in take(normaliser, message):
            assert isinstance(event, BookL2 | BookDelta)
            out += chains.take(event)
    return out


def test_the_checksums_of_the_documentation_are_verified() -> None:
    assert len(play(SNAPSHOT, SPLIT_UPDATE)) == 2
    (book,) = play(BOOK_V2)
    assert isinstance(book, BookL2)
    assert (book.checksum, book.depth) == (3_310_070_434, 10)


def test_a_wrong_checksum_is_a_gap_until_the_next_snapshot() -> None:
    with pytest.raises(FeedGap, match="kraken BTC/USD, checksum of the book") as raised:
        play(BOOK_V2.replace(b"1.54582015", b"1.54582014"))
    assert raised.value.expected == 3_310_070_434
    chains, normaliser = BookChains(), Kraken()
    wrong = [0, {"a": [["0.05010", "0.00000600", STAMP]], "c": str(CHECKSUM_V1)}, "book-10", "XBT/USD"]
    (snapshot,), (update,) = take(normaliser, SNAPSHOT), take(normaliser, wrong)
    assert isinstance(snapshot, BookL2)
    assert isinstance(update, BookDelta)
    assert chains.take(snapshot) == (snapshot,)
    with pytest.raises(FeedGap):
        chains.take(update)
    assert not chains.synchronised("kraken", "XBT/USD")
    assert chains.take(update) == ()
    assert chains.take(snapshot) == (snapshot,)
    assert chains.statistics()["checksums_wrong"] == 1


def test_a_level_that_falls_out_of_the_subscribed_depth_is_named_as_gone() -> None:
    better = [0, {"a": [["0.05001", "0.00000700", STAMP]]}, "book-10", "XBT/USD"]
    _, delta = play(SNAPSHOT, better)
    assert delta.asks == levels(("0.05001", "0.00000700"), ("0.05050", "0.00000000"))
    assert delta.bids == ()


def test_the_depth_of_v2_is_the_subscribed_one_else_that_of_the_snapshot() -> None:
    answer = {
        "method": "subscribe",
        "result": {"channel": "book", "depth": 25, "snapshot": True, "symbol": "BTC/USD"},
        "success": True,
    }
    normaliser = Kraken()
    depths = [book.depth for message in (BOOK_V2, answer, BOOK_V2) for book in take(normaliser, message)]  # type: ignore[union-attr]
    assert depths == [10, 25]


def test_trades_and_tickers_of_v2() -> None:
    (trade,), (quote,) = take(Kraken(), TRADE_V2), take(Kraken(), TICKER_V2)
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.trade_id, trade.aggressor_side) == ("MATIC/USD", "4665906", Side.ASK)
    assert trade.exchange_time_ns == 1_695_628_177_708_706_000
    sides = levels(("0.10025", "740.0"), ("0.10036", "1361.44813783"))
    assert quote == Quote("kraken", "ALGO/USD", None, RECEIVED_NS, *sides)


def test_trades_from_before_the_subscription_are_left_out() -> None:
    normaliser = Kraken()
    assert take(normaliser, TRADE_V2 | {"type": "snapshot"}) == []
    assert reasons(normaliser) == {DropReason.BEFORE_START: 1}


@pytest.mark.parametrize(
    "message",
    [
        {"event": "heartbeat"},
        {"event": "systemStatus", "status": "online"},
        {"channel": "heartbeat"},
        {"channel": "status", "data": []},
        {"method": "subscribe", "result": None, "success": False},
    ],
)
def test_answers_and_heartbeats_are_neither_events_nor_drops(message: dict[str, Any]) -> None:
    normaliser = Kraken()
    assert take(normaliser, message) == []
    assert (normaliser.drops.total, normaliser.ignored) == (0, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, DropReason.BAD_FIELD),
        ([], DropReason.BAD_FIELD),
        ([1, {}, "ohlc-5", "XBT/USD"], DropReason.UNKNOWN_STREAM),
        ({"channel": "ohlc", "data": []}, DropReason.UNKNOWN_STREAM),
        ([1, [["1", "1", "1", "x"]], "trade", "XBT/USD"], DropReason.BAD_FIELD),
        ([1, {"a": [["1", "x", "1"]]}, "book-10", "XBT/USD"], DropReason.BAD_NUMBER),
        ([1, {"a": [], "c": "99999999999"}, "book-10", "XBT/USD"], DropReason.BAD_FIELD),
        ([1, ["0", "0", "0", "0", "0"], "spread", "XBT/USD"], DropReason.NOT_POSITIVE),
        ([1, ["2", "1", STAMP, "1", "1"], "spread", "XBT/USD"], DropReason.CROSSED),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(message: Any, reason: DropReason) -> None:
    normaliser = Kraken()
    assert take(normaliser, message) == []
    assert reasons(normaliser) == {reason: 1}


json_values = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from([TRADES, SPREAD, TICKER, SNAPSHOT, SPLIT_UPDATE]), st.integers(0, 4), json_values)
def test_any_part_of_v1_may_be_anything(message: list[Any], at: int, value: Any) -> None:
    changed = list(message)
    changed[at % len(message)] = value
    check_events(take(Kraken(), changed))


@given(st.sampled_from([json.loads(BOOK_V2), TRADE_V2, TICKER_V2]), json_values, st.data())
def test_any_field_of_v2_may_be_anything(message: dict[str, Any], value: Any, data: st.DataObject) -> None:
    row = message["data"][0]
    changed = row | {data.draw(st.sampled_from(sorted(row))): value}
    check_events(take(Kraken(), message | {"data": [changed]}))
    check_events(take(Kraken(), message | {data.draw(st.sampled_from(sorted(message))): value}))


@pytest.mark.shared
@pytest.mark.skipif(not PATH.is_file(), reason="no venue_mapper_cases in ../shared")
def test_the_shared_cases_are_told_alike() -> None:
    table = compare("kraken", Kraken)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal) == (14, 13)


@pytest.mark.shared
def test_the_captured_connection_has_tickers_only() -> None:
    rebuilt = rebuild(Kraken(), CAPTURES / "KRAKEN.ws.49.0.txt.gz")
    assert rebuilt.kinds == {"Quote": 18}
    assert all(quote.exchange_time_ns is None for quote in rebuilt.quotes)
