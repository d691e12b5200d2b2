"""Deribit's normaliser: notifications as its documentation shows them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.deribit import Deribit
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, encoded, levels, reasons, take

TIME_MS = 1_567_296_022_565
TIME_NS = TIME_MS * 1_000_000
NAME = "BTC-PERPETUAL"

TRADE = {
    "trade_seq": 20944815,
    "trade_id": "39355898",
    "timestamp": TIME_MS,
    "tick_direction": 2,
    "price": 9598.5,
    "instrument_name": NAME,
    "index_price": 9600.8,
    "direction": "sell",
    "amount": 2000,
}
BOOK = {
    "type": "snapshot",
    "timestamp": TIME_MS,
    "instrument_name": NAME,
    "change_id": 20,
    "bids": [["new", 9598.5, 20.0], ["new", 9598, 0.5]],
    "asks": [["new", 9599, 10]],
}
CHANGE = {
    "type": "change",
    "timestamp": TIME_MS,
    "prev_change_id": 20,
    "instrument_name": NAME,
    "change_id": 22,
    "bids": [["delete", 9598.5, 0], ["change", 9598, 7]],
    "asks": [["new", 9598.5, 3]],
}
QUOTE = {
    "timestamp": TIME_MS,
    "instrument_name": NAME,
    "best_bid_price": 9600.5,
    "best_bid_amount": 162800,
    "best_ask_price": 9601,
    "best_ask_amount": 49710,
}
GROUPED = {
    "timestamp": TIME_MS,
    "instrument_name": NAME,
    "change_id": 30,
    "bids": [[9595.0, 100]],
    "asks": [[9605.0, 4.5]],
}


def told(channel: str, data: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}


MESSAGES = (
    ("", told(f"trades.{NAME}.raw", [TRADE, TRADE | {"direction": "buy", "liquidation": "T"}])),
    ("", told(f"book.{NAME}.raw", BOOK)),
    ("", told(f"book.{NAME}.raw", CHANGE)),
    ("", told(f"book.{NAME}.none.10.100ms", GROUPED)),
    ("", told(f"quote.{NAME}", QUOTE)),
    ("", told(f"ticker.{NAME}.raw", QUOTE | {"mark_price": 9600.7, "stats": {"volume": None}})),
    ("", {"jsonrpc": "2.0", "id": 0, "result": [f"trades.{NAME}.raw"]}),
)
"""One of every kind, for the fuzz tests."""


def test_trades_are_taken_one_by_one() -> None:
    deribit = Deribit()
    bad = [TRADE | {"price": 0}, TRADE | {"timestamp": "soon"}]
    events = take(deribit, told(f"trades.{NAME}.raw", [TRADE, *bad, TRADE | {"direction": "buy"}]))
    first = Trade(
        "deribit", NAME, TIME_NS, RECEIVED_NS, Decimal("9598.5"), Decimal(2000), Side.ASK, "39355898"
    )
    assert events == [first, first._replace(aggressor_side=Side.BID)]
    assert reasons(deribit) == {DropReason.NOT_POSITIVE: 1, DropReason.BAD_TIME: 1}


def test_a_raw_book_is_a_snapshot_and_changes_that_name_their_predecessor() -> None:
    deribit = Deribit()
    assert take(deribit, told(f"book.{NAME}.raw", BOOK)) + take(
        deribit, told(f"book.{NAME}.raw", CHANGE)
    ) == [
        BookL2(
            "deribit",
            NAME,
            TIME_NS,
            RECEIVED_NS,
            levels(("9598.5", "20"), ("9598", "0.5")),
            levels(("9599", "10")),
            last_id=20,
        ),
        BookDelta(
            "deribit",
            NAME,
            TIME_NS,
            RECEIVED_NS,
            levels(("9598.5", "0"), ("9598", "7")),
            levels(("9598.5", "3")),
            previous_id=20,
            last_id=22,
        ),
    ]


@pytest.mark.parametrize("previous", [{}, {"prev_change_id": None}, {"prev_change_id": 0}])
def test_a_change_that_follows_nothing_is_the_whole_book_of_a_new_instrument(
    previous: dict[str, Any],
) -> None:
    change = {key: value for key, value in CHANGE.items() if key != "prev_change_id"} | previous
    (event,) = take(Deribit(), told(f"book.{NAME}.raw", change))
    assert isinstance(event, BookL2)
    assert event.bids == levels(("9598", "7"))


def test_a_grouped_book_is_whole_by_every_message() -> None:
    (event,) = take(Deribit(), told(f"book.{NAME}.none.10.100ms", GROUPED))
    assert isinstance(event, BookL2)
    assert (event.bids, event.asks) == (levels(("9595", "100")), levels(("9605", "4.5")))


def test_a_grouped_book_does_not_replace_the_raw_one() -> None:
    deribit = Deribit()
    take(deribit, told(f"book.{NAME}.raw", BOOK))
    assert take(deribit, told(f"book.{NAME}.none.10.100ms", GROUPED)) == []
    assert reasons(deribit) == {DropReason.TOLD_TWICE: 1}


@pytest.mark.parametrize("channel", [f"quote.{NAME}", f"ticker.{NAME}.raw"])
def test_quotes_and_tickers_give_the_best_prices(channel: str) -> None:
    (event,) = take(Deribit(), told(channel, QUOTE))
    bid, ask = levels(("9600.5", "162800"), ("9601", "49710"))
    assert event == Quote("deribit", NAME, TIME_NS, RECEIVED_NS, bid, ask)


def test_a_quote_without_a_bid_keeps_its_ask() -> None:
    (event,) = take(
        Deribit(), told(f"ticker.{NAME}.raw", QUOTE | {"best_bid_price": 0, "best_bid_amount": 0})
    )
    assert isinstance(event, Quote)
    assert event.bid is None
    assert event.ask == (9601, 49710)


@pytest.mark.parametrize(
    ("channel", "data", "reason"),
    [
        (f"quote.{NAME}", QUOTE | {"best_bid_price": 9602}, DropReason.CROSSED),
        (f"quote.{NAME}", QUOTE | {"best_bid_price": -7}, DropReason.NEGATIVE),
        (f"quote.{NAME}", QUOTE | {"best_bid_amount": -7}, DropReason.NEGATIVE),
        (f"quote.{NAME}", QUOTE | {"best_bid_price": None, "best_ask_price": None}, DropReason.NOT_POSITIVE),
        (f"quote.{NAME}", QUOTE | {"instrument_name": "../x"}, DropReason.BAD_SYMBOL),
        (f"quote.{NAME}", {"timestamp": TIME_MS}, DropReason.BAD_FIELD),
        (f"book.{NAME}.raw", CHANGE | {"asks": [["split", 1, 1]]}, DropReason.BAD_FIELD),
        (f"book.{NAME}.raw", CHANGE | {"asks": [["new", "NaN", 1]]}, DropReason.BAD_NUMBER),
        (f"book.{NAME}.raw", CHANGE | {"change_id": -1}, DropReason.BAD_FIELD),
        (f"book.{NAME}.none.many.100ms", GROUPED, DropReason.BAD_FIELD),
        (f"perpetual.{NAME}.raw", {}, DropReason.UNKNOWN_STREAM),
    ],
)
def test_bad_messages_are_drops_with_a_reason(channel: str, data: Any, reason: DropReason) -> None:
    deribit = Deribit()
    assert take(deribit, told(channel, data)) == []
    assert reasons(deribit) == {reason: 1}


def test_answers_to_requests_are_ignored() -> None:
    deribit = Deribit()
    assert take(deribit, {"jsonrpc": "2.0", "id": 0, "result": "ok"}) == []
    assert (deribit.ignored, deribit.drops.total) == (1, 0)


def test_unknown_keys_and_numbers_as_text_are_fine() -> None:
    row = TRADE | {"price": "9598.50", "amount": "2e3", "timestamp": str(TIME_MS), "new_key": {"a": [1]}}
    (event,) = take(Deribit(), told(f"trades.{NAME}.100ms", [row]))
    assert isinstance(event, Trade)
    assert (str(event.price), event.size, event.exchange_time_ns) == ("9598.50", 2000, TIME_NS)


def test_its_messages_are_recognised() -> None:
    recognised = [Deribit.recognises(encoded(message)) for _, message in MESSAGES]
    assert recognised == [True] * 6 + [False]


_numbers = st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none(), st.booleans())


@given(
    price=_numbers,
    amount=_numbers,
    previous=_numbers,
    action=st.sampled_from(["new", "change", "delete", "x"]),
)
def test_whatever_is_in_a_book_keeps_the_rules_of_events(
    price: Any, amount: Any, previous: Any, action: str
) -> None:
    deribit = Deribit()
    data = CHANGE | {"bids": [[action, price, amount]], "prev_change_id": previous}
    events = take(deribit, told(f"book.{NAME}.raw", data))
    check_events(events)
    assert len(events) + deribit.drops.total == 1


@pytest.mark.shared
def test_the_mapper_cases_are_reproduced() -> None:
    if not PATH.is_file():
        pytest.skip("no mapper cases in ../shared")
    table = compare("deribit", Deribit)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal) == (18, 11)
    assert dict(table.not_comparable) == {
        "a quote without any side: dropped by rule": 5,
        "dropped by rule: negative number": 1,
        "a channel that tardis reads for something else gives a quote": 1,
    }


@pytest.mark.shared
def test_the_captured_books_are_rebuilt() -> None:
    deribit = Deribit()
    rebuilt = rebuild(deribit, CAPTURES / "DERIBIT.ws.1.0.txt.gz")
    assert rebuilt.kinds == {"Quote": 82, "BookDelta": 36, "BookL2": 10}
    assert (rebuilt.gaps, rebuilt.crossed, rebuilt.applied) == ([], 0, 46)
    assert reasons(deribit) == {DropReason.NOT_POSITIVE: 7}  # tickers of options that nobody quotes
