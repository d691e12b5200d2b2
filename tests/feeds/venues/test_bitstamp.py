"""Bitstamp's normaliser: its websocket channels and the REST order book."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.bitstamp import Bitstamp
from engine.feeds.venues.events import BookDelta, BookL2, Trade
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, encoded, levels, reasons, take

TIME_US = 1_641_343_691_244_908
STAMPS = {"timestamp": "1641343691", "microtimestamp": str(TIME_US)}
BOOK = STAMPS | {"bids": [["1.15979", "993.0"], ["1.14", "7"]], "asks": [["1.16601", "1200.00000000"]]}
DETAIL = STAMPS | {
    "bids": [["1.15", "2", "1001"], ["1.14", "1", "1002"], ["1.15", "0.5", "1003"]],
    "asks": [["1.16", "3", "1004"]],
}
TRADE = STAMPS | {
    "id": 84550458,
    "amount": 0.001643,
    "amount_str": "0.00164300",
    "price": 3651.3,
    "price_str": "3651.30",
    "type": 0,
    "buy_order_id": 3056112169,
    "sell_order_id": 3056099349,
}
REST = "https://www.bitstamp.net/api/v2/order_book/bateur"


def told(channel: str, data: Any, event: str = "data") -> dict[str, Any]:
    return {"data": data, "channel": channel, "event": event}


MESSAGES = (
    ("", told("live_trades_btceur", TRADE, "trade")),
    ("", told("diff_order_book_bateur", BOOK)),
    ("", told("order_book_bateur", BOOK)),
    ("", told("detail_order_book_bateur", DETAIL)),
    (REST, BOOK),
    (REST + "/?group=2", DETAIL),
    ("", {"event": "bts:subscription_succeeded", "channel": "live_trades_btceur", "data": {}}),
)
"""One of every kind, for the fuzz tests."""


def test_a_trade_keeps_the_exact_texts() -> None:
    events = take(Bitstamp(), told("live_trades_btceur", TRADE, "trade"))
    price, size = Decimal("3651.30"), Decimal("0.00164300")
    assert events == [
        Trade("bitstamp", "BTCEUR", TIME_US * 1000, RECEIVED_NS, price, size, Side.BID, "84550458")
    ]
    assert (str(events[0].price), str(events[0].size)) == ("3651.30", "0.00164300")


def test_a_trade_of_the_perpetual_without_texts_is_read_from_its_numbers() -> None:
    trade = {key: value for key, value in TRADE.items() if not key.endswith("_str")} | {"type": 1}
    (event,) = take(Bitstamp(), told("live_trades_btcusd-perp", trade, "trade"))
    assert isinstance(event, Trade)
    assert (event.symbol, event.price, event.aggressor_side) == ("BTCUSD-PERP", Decimal("3651.3"), Side.ASK)


def test_a_difference_is_ordered_by_its_microseconds() -> None:
    (event,) = take(Bitstamp(), told("diff_order_book_bateur", BOOK))
    assert event == BookDelta(
        "bitstamp",
        "BATEUR",
        TIME_US * 1000,
        RECEIVED_NS,
        levels(("1.15979", "993.0"), ("1.14", "7")),
        levels(("1.16601", "1200.00000000")),
        last_id=TIME_US,
    )


@pytest.mark.parametrize(
    ("message", "about"),
    [
        (BOOK, REST),
        (BOOK, REST + "/"),
        (told("order_book_bateur", BOOK), ""),
        (told("diff_order_book_bateur", BOOK, "snapshot"), ""),
    ],
)
def test_a_whole_book_comes_from_rest_and_from_the_socket(message: Any, about: str) -> None:
    (event,) = take(Bitstamp(), message, about)
    assert isinstance(event, BookL2)
    assert (event.symbol, event.last_id, event.asks) == ("BATEUR", TIME_US, levels(("1.16601", "1200")))


def test_a_book_stamped_in_seconds_stands_before_the_updates_of_its_second() -> None:
    (event,) = take(Bitstamp(), BOOK | {"microtimestamp": ""}, REST)
    assert isinstance(event, BookL2)
    assert event.last_id == 1_641_343_691_000_000


@pytest.mark.parametrize(
    ("message", "about"), [(told("detail_order_book_bateur", DETAIL), ""), (DETAIL, REST + "?group=2")]
)
def test_orders_of_a_detailed_book_add_up_to_levels(message: Any, about: str) -> None:
    (event,) = take(Bitstamp(), message, about)
    assert isinstance(event, BookL2)
    assert event.bids == levels(("1.15", "2.5"), ("1.14", "1"))


def test_the_pushed_book_does_not_replace_the_differential_one() -> None:
    bitstamp = Bitstamp()
    take(bitstamp, told("diff_order_book_bateur", BOOK))
    assert take(bitstamp, told("order_book_bateur", BOOK)) == []
    assert reasons(bitstamp) == {DropReason.TOLD_TWICE: 1}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (told("live_trades_btceur", TRADE | {"price_str": "-1"}, "trade"), DropReason.NEGATIVE),
        (told("live_trades_btceur", TRADE | {"price_str": "nan"}, "trade"), DropReason.BAD_NUMBER),
        (told("live_trades_btceur", TRADE | {"type": 2}, "trade"), DropReason.BAD_FIELD),
        (
            told("live_trades_btceur", TRADE | {"microtimestamp": "", "timestamp": ""}, "trade"),
            DropReason.BAD_TIME,
        ),
        (told("live_trades_btceur", STAMPS, "trade"), DropReason.BAD_FIELD),
        (told("diff_order_book_", BOOK), DropReason.BAD_SYMBOL),
        (told("diff_order_book_bateur", BOOK | {"bids": [["1", "2", "3"]]}), DropReason.BAD_FIELD),
        (told("diff_order_book_bateur", BOOK | {"bids": [["0", "2"]]}), DropReason.NOT_POSITIVE),
        (told("live_orders_btceur", {}, "order_created"), DropReason.UNKNOWN_STREAM),
        (b"[1]", DropReason.BAD_FIELD),
        (b"{", DropReason.BAD_JSON),
    ],
)
def test_bad_messages_are_drops_with_a_reason(message: Any, reason: DropReason) -> None:
    bitstamp = Bitstamp()
    assert take(bitstamp, message) == []
    assert reasons(bitstamp) == {reason: 1}


def test_control_messages_are_ignored() -> None:
    bitstamp = Bitstamp()
    assert take(bitstamp, {"event": "bts:request_reconnect", "channel": "", "data": ""}) == []
    assert (bitstamp.ignored, bitstamp.drops.total) == (1, 0)


def test_its_messages_are_recognised() -> None:
    recognised = [Bitstamp.recognises(encoded(message)) for _, message in MESSAGES]
    assert recognised[:5] == [True] * 5


_rows = st.lists(st.lists(st.one_of(st.floats(), st.integers(), st.text(max_size=5)), max_size=3), max_size=4)


@given(rows=_rows, channel=st.sampled_from(["order_book", "diff_order_book", "detail_order_book"]))
def test_whatever_is_in_a_book_keeps_the_rules_of_events(rows: list[Any], channel: str) -> None:
    bitstamp = Bitstamp()
    events = take(bitstamp, told(f"{channel}_bateur", BOOK | {"asks": rows}))
    check_events(events)
    assert len(events) + bitstamp.drops.total == 1


@pytest.mark.shared
def test_the_mapper_cases_are_reproduced() -> None:
    if not PATH.is_file():
        pytest.skip("no mapper cases in ../shared")
    table = compare("bitstamp", Bitstamp)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal, table.not_comparable.total()) == (7, 7, 0)


@pytest.mark.shared
def test_the_captured_books_are_rebuilt() -> None:
    bitstamp = Bitstamp()
    rebuilt = rebuild(bitstamp, *(CAPTURES / f"BITSTAMP.{part}.txt.gz" for part in ("http.0.0", "ws.1.0")))
    assert rebuilt.kinds == {"BookDelta": 717, "BookL2": 10, "Trade": 10}
    assert (rebuilt.gaps, rebuilt.crossed, bitstamp.drops.total) == ([], 0, 0)
    assert rebuilt.applied == 625  # 102 updates were in the snapshots
