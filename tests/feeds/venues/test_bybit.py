"""Bybit's normaliser: messages as its documentation shows them, and the shared captures of v2."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.bybit import Bybit
from engine.feeds.venues.chain import BookChains
from engine.feeds.venues.events import BookDelta, BookL2, Trade
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, levels, reasons, take

TIME_MS = 1_672_304_484_978
TIME_NS = TIME_MS * 1_000_000

SNAPSHOT = {
    "topic": "orderbook.50.BTCUSDT",
    "type": "snapshot",
    "ts": TIME_MS,
    "data": {
        "s": "BTCUSDT",
        "b": [["16493.50", "0.006"]],
        "a": [["16611.00", "0.029"]],
        "u": 18521288,
        "seq": 7,
    },
    "cts": TIME_MS - 4,
}
DELTA = {
    "topic": "orderbook.50.BTCUSDT",
    "type": "delta",
    "ts": TIME_MS,
    "data": {"s": "BTCUSDT", "b": [["16493.50", "0"]], "a": [], "u": 18521289, "seq": 9},
}
TRADES = {
    "topic": "publicTrade.BTCUSDT",
    "type": "snapshot",
    "ts": TIME_MS,
    "data": [
        {
            "T": TIME_MS - 1,
            "s": "BTCUSDT",
            "S": "Buy",
            "v": "0.001",
            "p": "16578.50",
            "i": "20f43950",
            "BT": False,
        },
        {"T": TIME_MS, "s": "BTCUSDT", "S": "Sell", "v": "2", "p": "16578.00", "i": "20f43951", "BT": True},
        {"T": TIME_MS, "s": "BTCUSDT", "S": "Sell", "v": "0", "p": "16578.00", "i": "20f43952", "BT": False},
        {"T": TIME_MS, "s": "BTCUSDT", "S": "Sell", "v": "3", "p": "16577.50", "i": "20f43953", "BT": False},
    ],
}
OLD_SNAPSHOT = {
    "topic": "orderBookL2_25.BTCUSD",
    "type": "snapshot",
    "data": [
        {"price": "2999.00", "symbol": "BTCUSD", "id": 29990000, "side": "Buy", "size": 9},
        {"price": "3001.00", "symbol": "BTCUSD", "id": 30010000, "side": "Sell", "size": 10},
    ],
    "cross_seq": 11518,
    "timestamp_e6": 1555647164875373,
}
OLD_DELTA = {
    "topic": "orderBookL2_25.BTCUSD",
    "type": "delta",
    "data": {
        "delete": [{"price": "3001.00", "symbol": "BTCUSD", "id": 30010000, "side": "Sell"}],
        "update": [{"price": "2999.00", "symbol": "BTCUSD", "id": 29990000, "side": "Buy", "size": 8}],
        "insert": [{"price": "2998.00", "symbol": "BTCUSD", "id": 29980000, "side": "Buy", "size": 5}],
        "transactTimeE6": 0,
    },
    "cross_seq": 11519,
    "timestamp_e6": "1555647221331673",
}
OLD_TRADES = {
    "topic": "trade.BTCUSD",
    "data": [
        {
            "timestamp": "2019-01-22T15:04:33.461Z",
            "symbol": "BTCUSD",
            "side": "Sell",
            "size": 980,
            "price": 3563.5,
            "trade_id": "d8ff9a81-c6ff-5b41-9bb4-3ffe1a3ae62f",
            "trade_time_ms": "1555647221331",
        }
    ],
}


def test_updates_count_up_by_one_behind_a_snapshot() -> None:
    snapshot, delta = take(Bybit(), SNAPSHOT) + take(Bybit(), DELTA)
    sides = (levels(("16493.50", "0.006")), levels(("16611.00", "0.029")))
    assert snapshot == BookL2("bybit", "BTCUSDT", TIME_NS, RECEIVED_NS, *sides, 18521288)
    sides = (levels(("16493.50", "0")), ())
    ids = (18521288, 18521289, 18521289)
    assert delta == BookDelta("bybit", "BTCUSDT", TIME_NS, RECEIVED_NS, *sides, *ids)


def test_a_snapshot_after_a_service_restart_begins_at_1_and_is_taken() -> None:
    normaliser, chains = Bybit(), BookChains()
    restart = SNAPSHOT | {"data": SNAPSHOT["data"] | {"u": 1}}  # type: ignore[operator]
    second = DELTA | {"data": DELTA["data"] | {"u": 2}}  # type: ignore[operator]
    given_out = []
    for message in (SNAPSHOT, DELTA, restart, second):
        for event in take(normaliser, message):
            assert isinstance(event, BookL2 | BookDelta)
            given_out += chains.take(event)
    assert [event.last_id for event in given_out] == [18521288, 18521289, 1, 2]


def test_the_deepest_stream_of_a_symbol_is_read() -> None:
    normaliser = Bybit()
    shallow = SNAPSHOT | {"topic": "orderbook.1.BTCUSDT"}
    assert [len(take(normaliser, message)) for message in (shallow, SNAPSHOT, shallow)] == [1, 1, 0]
    assert reasons(normaliser) == {DropReason.TOLD_TWICE: 1}


def test_trades_of_one_message_stand_alone() -> None:
    normaliser = Bybit()
    first, last = take(normaliser, TRADES)
    price, size = Decimal("16578.50"), Decimal("0.001")
    time_ns = TIME_NS - 1_000_000
    assert first == Trade("bybit", "BTCUSDT", time_ns, RECEIVED_NS, price, size, Side.BID, "20f43950")
    assert isinstance(last, Trade)
    assert (last.trade_id, last.aggressor_side) == ("20f43953", Side.ASK)
    assert reasons(normaliser) == {DropReason.NOT_A_MARKET_TRADE: 1, DropReason.NOT_POSITIVE: 1}


@pytest.mark.parametrize("data", [OLD_SNAPSHOT["data"], {"order_book": OLD_SNAPSHOT["data"]}])
def test_the_books_of_v2_are_lists_of_levels(data: Any) -> None:
    normaliser = Bybit()
    snapshot, delta = take(normaliser, OLD_SNAPSHOT | {"data": data}) + take(normaliser, OLD_DELTA)
    time_ns = 1_555_647_164_875_373_000
    sides = (levels(("2999.00", "9")), levels(("3001.00", "10")))
    assert snapshot == BookL2("bybit", "BTCUSD", time_ns, RECEIVED_NS, *sides)
    time_ns = 1_555_647_221_331_673_000
    sides = (levels(("2999.00", "8"), ("2998.00", "5")), levels(("3001.00", "0")))
    assert delta == BookDelta("bybit", "BTCUSD", time_ns, RECEIVED_NS, *sides)


def test_the_trades_of_v2_have_their_finer_time() -> None:
    (trade,) = take(Bybit(), OLD_TRADES)
    assert isinstance(trade, Trade)
    assert trade.exchange_time_ns == 1_555_647_221_331_000_000
    assert (trade.price, trade.size, trade.aggressor_side) == (Decimal("3563.5"), Decimal(980), Side.ASK)
    assert trade.trade_id == "d8ff9a81-c6ff-5b41-9bb4-3ffe1a3ae62f"


@pytest.mark.parametrize("message", [{"success": True, "ret_msg": "", "op": "subscribe"}, {"op": "pong"}])
def test_answers_are_neither_events_nor_drops(message: dict[str, Any]) -> None:
    normaliser = Bybit()
    assert take(normaliser, message) == []
    assert (normaliser.drops.total, normaliser.ignored) == (0, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (SNAPSHOT | {"topic": "tickers.BTCUSDT"}, DropReason.UNKNOWN_STREAM),
        (SNAPSHOT | {"topic": "orderbook.full.BTCUSDT"}, DropReason.UNKNOWN_STREAM),
        (SNAPSHOT | {"type": "other"}, DropReason.BAD_FIELD),
        (SNAPSHOT | {"data": None}, DropReason.BAD_FIELD),
        (SNAPSHOT | {"ts": "now"}, DropReason.BAD_TIME),
        (OLD_DELTA | {"type": ""}, DropReason.BAD_FIELD),
        (
            OLD_SNAPSHOT | {"data": [{"symbol": "A", "price": "1", "side": "?", "size": 1}]},
            DropReason.BAD_FIELD,
        ),
        (
            OLD_SNAPSHOT | {"data": [{"symbol": name, "price": "1", "side": "Buy"} for name in "AB"]},
            DropReason.BAD_FIELD,
        ),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(message: dict[str, Any], reason: DropReason) -> None:
    normaliser = Bybit()
    assert take(normaliser, message) == []
    assert reasons(normaliser) == {reason: 1}


@given(st.sampled_from([SNAPSHOT, DELTA, TRADES, OLD_SNAPSHOT, OLD_DELTA, OLD_TRADES]), st.data())
def test_any_field_may_be_anything(message: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers()))
    field = data.draw(st.sampled_from(sorted(message)))
    inner = message["data"] if isinstance(message["data"], dict) else message["data"][0]
    changed = inner | {data.draw(st.sampled_from(sorted(inner))): value}
    normaliser = Bybit()
    check_events(take(normaliser, message | {field: value}))
    check_events(take(normaliser, message | {"data": [changed] if inner is not message["data"] else changed}))


@pytest.mark.shared
@pytest.mark.parametrize(("name", "books", "deltas", "trades"), [("25", 8, 3252, 101), ("26", 2, 1016, 150)])
def test_captured_books_are_rebuilt(name: str, books: int, deltas: int, trades: int) -> None:
    rebuilt = rebuild(Bybit(), CAPTURES / f"BYBIT.ws.{name}.0.txt.gz")
    assert rebuilt.kinds == {"BookL2": books, "BookDelta": deltas, "Trade": trades}
    assert (len(rebuilt.books), rebuilt.applied) == (books, books + deltas)
    assert (rebuilt.crossed, rebuilt.gaps) == (0, [])
    assert all(book.depth <= 25 for book in rebuilt.books.values()), "every level that goes is named"
