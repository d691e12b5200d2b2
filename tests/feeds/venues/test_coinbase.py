"""Coinbase's normaliser: messages as its documentation shows them, and the shared capture."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import FeedGap
from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.chain import BookChains
from engine.feeds.venues.coinbase import Coinbase
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, levels, reasons, take

TIME = "2019-08-14T20:42:27.265123Z"
TIME_NS = 1_565_815_347_265_123_000

MATCH = {
    "type": "match",
    "trade_id": 10,
    "sequence": 50,
    "maker_order_id": "ac928c66-ca53-498f-9c13-a110027a60e8",
    "time": TIME,
    "product_id": "BTC-USD",
    "size": "5.23512",
    "price": "400.23",
    "side": "sell",
}
SNAPSHOT = {
    "type": "snapshot",
    "product_id": "BTC-USD",
    "bids": [["10101.10", "0.45054140"]],
    "asks": [["10102.55", "0.57753524"]],
}
UPDATE = {
    "type": "l2update",
    "product_id": "BTC-USD",
    "time": TIME,
    "changes": [["buy", "10101.80000000", "0.162567"], ["sell", "10102.55", "0"]],
}
TICKER = {
    "type": "ticker",
    "sequence": 37475248783,
    "product_id": "ETH-USD",
    "best_bid": "1285.04",
    "best_bid_size": "0.46688654",
    "best_ask": "1285.27",
    "best_ask_size": "1.56637040",
    "time": TIME,
}


def advanced(channel: str, sequence: int, *events: dict[str, Any]) -> dict[str, Any]:
    """A message of Advanced Trade."""
    return {
        "channel": channel,
        "client_id": "",
        "timestamp": TIME,
        "sequence_num": sequence,
        "events": events,
    }


def book(kind: str, *updates: tuple[str, str, str], product: str = "BTC-USD") -> dict[str, Any]:
    """A book's part of a message."""
    rows = [{"side": side, "event_time": TIME, "price_level": p, "new_quantity": q} for side, p, q in updates]
    return {"type": kind, "product_id": product, "updates": rows}


MARKET_TRADE = {
    "trade_id": "12345",
    "product_id": "ETH-USD",
    "price": "1260.01",
    "size": "0.3",
    "side": "BUY",
    "time": TIME,
}
MARKET_TRADES = advanced("market_trades", 0, {"type": "update", "trades": [MARKET_TRADE]})
BOOK = advanced("l2_data", 1, book("snapshot", ("bid", "21921.73", "0.063"), ("offer", "21921.74", "1")))
CHANGE = advanced("l2_data", 2, book("update", ("offer", "21921.74", "0"), ("bid", "21921.72", "2")))
ADVANCED_TICKER = advanced(
    "ticker",
    3,
    {
        "type": "snapshot",
        "tickers": [
            {
                "product_id": "BTC-USD",
                "best_bid": "21931.98",
                "best_bid_quantity": "8000.21",
                "best_ask": "21933.98",
                "best_ask_quantity": "8038.07",
            }
        ],
    },
)


@pytest.mark.parametrize("kind", ["match", "last_match"])
def test_the_aggressor_of_a_match_is_not_its_maker(kind: str) -> None:
    (trade,) = take(Coinbase(), MATCH | {"type": kind})
    price, size = Decimal("400.23"), Decimal("5.23512")
    assert trade == Trade("coinbase", "BTC-USD", TIME_NS, RECEIVED_NS, price, size, Side.BID, "10")


def test_a_book_is_a_snapshot_and_changes_by_side() -> None:
    snapshot, delta = take(Coinbase(), SNAPSHOT) + take(Coinbase(), UPDATE)
    sides = (levels(("10101.10", "0.45054140")), levels(("10102.55", "0.57753524")))
    assert snapshot == BookL2("coinbase", "BTC-USD", None, RECEIVED_NS, *sides)
    sides = (levels(("10101.80000000", "0.162567")), levels(("10102.55", "0")))
    assert delta == BookDelta("coinbase", "BTC-USD", TIME_NS, RECEIVED_NS, *sides)


def test_a_ticker_is_a_quote_where_it_has_sizes() -> None:
    normaliser = Coinbase()
    (quote,) = take(normaliser, TICKER)
    sides = levels(("1285.04", "0.46688654"), ("1285.27", "1.56637040"))
    assert quote == Quote("coinbase", "ETH-USD", TIME_NS, RECEIVED_NS, *sides)
    old = {key: value for key, value in TICKER.items() if not key.endswith("_size")}
    assert take(normaliser, old) == []
    assert reasons(normaliser) == {DropReason.NO_SIZES: 1}


def test_the_trades_of_advanced_trade_name_the_maker_too() -> None:
    (trade,) = take(Coinbase(), MARKET_TRADES)
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.trade_id, trade.aggressor_side) == ("ETH-USD", "12345", Side.ASK)


def test_trades_from_before_the_subscription_are_left_out() -> None:
    normaliser = Coinbase()
    events = {"type": "snapshot", "trades": [MARKET_TRADE, MARKET_TRADE]}
    assert take(normaliser, advanced("market_trades", 0, events)) == []
    assert reasons(normaliser) == {DropReason.BEFORE_START: 2}


def test_a_ticker_of_advanced_trade_has_the_time_of_its_message() -> None:
    (quote,) = take(Coinbase(), ADVANCED_TICKER)
    sides = levels(("21931.98", "8000.21"), ("21933.98", "8038.07"))
    assert quote == Quote("coinbase", "BTC-USD", TIME_NS, RECEIVED_NS, *sides)


def chained(*messages: Any) -> list[int | str | None]:
    """What the chains give out: last ids, or `gap`."""
    normaliser, chains = Coinbase(), BookChains()
    out: list[int | str | None] = []
    for message in messages:
        for event in take(normaliser, message):
            if isinstance(event, BookL2 | BookDelta):
                try:
                    out += [update.last_id for update in chains.take(event)]
                except FeedGap:
                    out.append("gap")
    return out


def test_the_books_of_advanced_trade_are_chained_by_the_messages_of_the_connection() -> None:
    snapshot, delta = take(Coinbase(), BOOK) + take(Coinbase(), CHANGE)
    assert isinstance(snapshot, BookL2)
    assert isinstance(delta, BookDelta)
    assert (snapshot.bids, snapshot.asks) == (levels(("21921.73", "0.063")), levels(("21921.74", "1")))
    assert (delta.bids, delta.asks) == (levels(("21921.72", "2")), levels(("21921.74", "0")))
    heartbeat = advanced("heartbeats", 3)
    later = advanced("l2_data", 4, book("update", ("bid", "21921.71", "2")))
    assert chained(MARKET_TRADES, BOOK, CHANGE, heartbeat, later) == [1, 2, 4]


def test_a_missing_message_breaks_every_book_until_its_snapshot() -> None:
    other = advanced("l2_data", 3, book("snapshot", ("bid", "1", "1"), product="ETH-USD"))
    behind = [
        advanced("l2_data", 5, book("update", ("bid", "2", "2"))),
        advanced("l2_data", 6, book("update", ("bid", "3", "2"), product="ETH-USD")),
        advanced("l2_data", 7, book("update", ("bid", "2", "3"))),
        advanced("l2_data", 8, book("snapshot", ("bid", "2", "3"))),
        advanced("l2_data", 9, book("update", ("bid", "2", "4"))),
    ]
    assert chained(BOOK, CHANGE, other, *behind) == [1, 2, 3, "gap", "gap", 8, 9]


@pytest.mark.parametrize(
    "refused",
    [
        advanced("l2_data", 3, book("update", ("bid", "nonsense", "2"))),
        advanced("l2_data", 3, {"type": "update", "product_id": "BTC-USD", "updates": 7}),
        advanced("l2_data", 3, book("other", ("bid", "1", "2"))),
    ],
)
def test_a_refused_book_message_is_a_missing_one(refused: dict[str, Any]) -> None:
    assert chained(BOOK, CHANGE, refused, advanced("l2_data", 4, book("update", ("bid", "1", "1")))) == [
        1,
        2,
        "gap",
    ]


def test_a_refused_message_of_another_channel_breaks_no_book() -> None:
    refused = advanced("candles", 3)
    assert chained(BOOK, CHANGE, refused, advanced("l2_data", 4, book("update", ("bid", "1", "1")))) == [
        1,
        2,
        4,
    ]


def test_a_count_that_starts_again_is_another_connection() -> None:
    assert chained(BOOK, CHANGE, advanced("l2_data", 0, book("update", ("bid", "1", "1")))) == [1, 2]
    again = advanced("l2_data", 0, book("snapshot", ("bid", "1", "1")))
    assert chained(BOOK, CHANGE, again, advanced("l2_data", 1, book("update", ("bid", "1", "2")))) == [
        1,
        2,
        0,
        1,
    ]


def test_two_parts_of_one_product_in_a_message_are_one_update() -> None:
    parts = book("update", ("bid", "1", "1")), book("update", ("bid", "2", "1"), ("bid", "1", "0"))
    (delta,) = take(Coinbase(), advanced("l2_data", 2, *parts))
    assert isinstance(delta, BookDelta)
    assert delta.bids == levels(("1", "1"), ("2", "1"), ("1", "0"))


@pytest.mark.parametrize(
    "message",
    [{"type": "subscriptions", "channels": []}, {"type": "heartbeat"}, advanced("subscriptions", 0)],
)
def test_answers_and_heartbeats_are_neither_events_nor_drops(message: dict[str, Any]) -> None:
    normaliser = Coinbase()
    assert take(normaliser, message) == []
    assert (normaliser.drops.total, normaliser.ignored) == (0, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, DropReason.BAD_FIELD),
        ({"type": "received"}, DropReason.UNKNOWN_STREAM),
        (advanced("candles", 0), DropReason.UNKNOWN_STREAM),
        (MATCH | {"side": "both"}, DropReason.BAD_FIELD),
        (MATCH | {"price": "-1"}, DropReason.NEGATIVE),
        (UPDATE | {"changes": [["none", "1", "1"]]}, DropReason.BAD_FIELD),
        (UPDATE | {"changes": [["buy", "1"]]}, DropReason.BAD_FIELD),
        (MARKET_TRADES | {"sequence_num": -5}, DropReason.BAD_FIELD),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(message: dict[str, Any], reason: DropReason) -> None:
    normaliser = Coinbase()
    assert take(normaliser, message) == []
    assert reasons(normaliser) == {reason: 1}


MESSAGES = [MATCH, SNAPSHOT, UPDATE, TICKER, MARKET_TRADES, BOOK, CHANGE, ADVANCED_TICKER]


@given(st.sampled_from(MESSAGES), st.data())
def test_any_field_may_be_anything(message: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers()))
    field = data.draw(st.sampled_from(sorted(message)))
    normaliser = Coinbase()
    check_events(take(normaliser, message | {field: value}))
    if "events" in message:
        part = message["events"][0]
        changed = part | {data.draw(st.sampled_from(sorted(part))): value}
        check_events(take(normaliser, message | {"events": [changed]}))


@pytest.mark.shared
def test_captured_books_are_rebuilt() -> None:
    normaliser = Coinbase()
    rebuilt = rebuild(normaliser, CAPTURES / "COINBASE.ws.28.0.txt.gz")
    assert rebuilt.kinds == {"BookL2": 10, "BookDelta": 9719, "Trade": 107}
    assert (len(rebuilt.books), rebuilt.applied, rebuilt.crossed, rebuilt.gaps) == (10, 9729, 0, [])
    assert reasons(normaliser) == {DropReason.NO_SIZES: 107}, "the tickers of 2021"
