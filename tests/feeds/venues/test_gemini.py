"""Gemini's normaliser: market data v2 and v1, the newer streams, and REST."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from engine.feeds.venues.gemini import Gemini
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import CAPTURES, RECEIVED_NS, check_events, encoded, levels, reasons, take

TIME_MS = 1_569_888_020_080
TIME_NS = TIME_MS * 1_000_000
STREAM_NS = 1_783_981_139_947_514_400

TRADE = {
    "type": "trade",
    "symbol": "BTCUSD",
    "event_id": 8280715334,
    "timestamp": TIME_MS,
    "price": "8325.00",
    "quantity": "0.1",
    "side": "buy",
}
CHANGES = {
    "type": "l2_updates",
    "symbol": "BTCUSD",
    "changes": [["buy", "8324.5", "2"], ["sell", "8325.5", "0"], ["buy", "8324", "0"]],
}
WHOLE = CHANGES | {
    "changes": [["buy", "8324.5", "2"], ["sell", "8325.5", "1.5"]],
    "trades": [TRADE, TRADE],
    "auction_events": [],
}
V1_CHANGE = {"type": "change", "side": "bid", "price": "3626.73", "remaining": "1.6", "delta": "0.8"}
V1_TRADE = {"type": "trade", "tid": 5375547515, "price": "3632.54", "amount": "0.1", "makerSide": "ask"}
V1 = {
    "type": "update",
    "eventId": 5375547515,
    "timestamp": 1569888020,
    "timestampms": TIME_MS,
    "socket_sequence": 66,
}
V1_SOCKET = "wss://api.gemini.com/v1/marketdata/btcusd"
DEPTH = {
    "e": "depthUpdate",
    "E": STREAM_NS,
    "s": "wifusd",
    "U": 289,
    "u": 676,
    "b": [["0.148800", "11129.36421900"], ["0.148900", "0.00000000"]],
    "a": [],
}
STREAM_TRADE = {"E": STREAM_NS, "s": "wifusd", "t": 284, "p": "62145.38000", "q": "0.01625", "m": True}
STREAM_QUOTE = {
    "u": 752,
    "E": STREAM_NS,
    "s": "wifusd",
    "b": "1.06",
    "B": "958.7",
    "a": "1.07",
    "A": "38.4",
    "c": "1",
}
STREAM_BOOK = {"lastUpdateId": 9, "bids": [["1.06", "2"]], "asks": [["1.07", "3"]]}
REST_BOOK = {
    "bids": [{"price": "3607.85", "amount": "6.643", "timestamp": "1547147541"}],
    "asks": [{"price": "3607.86", "amount": "14.68", "timestamp": "1547147541"}],
}
REST_TRADES = [
    {
        "timestamp": 1547146811,
        "timestampms": TIME_MS,
        "tid": 53,
        "price": "3610.85",
        "amount": "0.27",
        "type": "sell",
    },
    {
        "timestamp": 1547146811,
        "timestampms": TIME_MS,
        "tid": 54,
        "price": "3610.8",
        "amount": "1",
        "type": "block",
    },
]


def v1(*events: dict[str, Any]) -> dict[str, Any]:
    return V1 | {"events": list(events)}


MESSAGES = (
    ("", WHOLE),
    ("", CHANGES),
    ("", TRADE),
    (
        V1_SOCKET,
        v1(
            V1_CHANGE | {"reason": "initial"}, V1_CHANGE | {"reason": "initial", "side": "ask", "price": 3627}
        ),
    ),
    (V1_SOCKET, v1(V1_TRADE, V1_CHANGE | {"reason": "trade", "symbol": "BTCUSD"})),
    ("", DEPTH),
    ("wss://ws.gemini.com?snapshot=-1", DEPTH | {"s": "btcusd"}),
    ("", STREAM_TRADE),
    ("", STREAM_QUOTE),
    ("wifusd@depth5", STREAM_BOOK),
    ("https://api.gemini.com/v1/book/btcusd", REST_BOOK),
    ("https://api.gemini.com/v1/trades/btcusd?limit_trades=2", REST_TRADES),
    ("", {"type": "heartbeat", "timestamp": TIME_MS}),
)
"""One of every kind, for the fuzz tests."""


def test_the_first_message_of_a_symbol_is_its_whole_book() -> None:
    gemini = Gemini()
    bids, asks = levels(("8324.5", "2")), levels(("8325.5", "1.5"))
    assert take(gemini, WHOLE) == [BookL2("gemini", "BTCUSD", None, RECEIVED_NS, bids, asks)]
    assert reasons(gemini) == {DropReason.BEFORE_START: 2}


def test_later_ones_are_changes() -> None:
    bids, asks = levels(("8324.5", "2"), ("8324", "0")), levels(("8325.5", "0"))
    assert take(Gemini(), CHANGES) == [BookDelta("gemini", "BTCUSD", None, RECEIVED_NS, bids, asks)]


@pytest.mark.parametrize(
    ("text", "side"), [("buy", Side.BID), ("sell", Side.ASK), ("block", None), ("auction", None)]
)
def test_a_trade_names_its_aggressor_if_it_has_one(text: str, side: Side | None) -> None:
    (event,) = take(Gemini(), TRADE | {"side": text})
    price, size = Decimal("8325.00"), Decimal("0.1")
    assert event == Trade("gemini", "BTCUSD", TIME_NS, RECEIVED_NS, price, size, side, "8280715334")


def test_v1_takes_its_symbol_from_the_connection_and_starts_with_the_whole_book() -> None:
    initial = V1_CHANGE | {"reason": "initial"}
    (event,) = take(Gemini(), v1(initial, initial | {"side": "ask", "price": "3627"}), V1_SOCKET)
    bids, asks = levels(("3626.73", "1.6")), levels(("3627", "1.6"))
    assert event == BookL2("gemini", "BTCUSD", TIME_NS, RECEIVED_NS, bids, asks)


def test_v1_gives_a_trade_and_what_it_left() -> None:
    left = V1_CHANGE | {"reason": "trade", "remaining": "0"}
    trade, delta = take(Gemini(), v1(V1_TRADE, left, {"type": "auction_indicative"}), V1_SOCKET)
    assert isinstance(trade, Trade)
    assert (trade.aggressor_side, trade.trade_id) == (Side.BID, "5375547515")
    assert delta == BookDelta("gemini", "BTCUSD", TIME_NS, RECEIVED_NS, levels(("3626.73", "0")), ())


def test_v1_of_many_symbols_gives_a_delta_for_each() -> None:
    rows = [V1_CHANGE | {"symbol": symbol, "reason": "place"} for symbol in ("BTCUSD", "ETHUSD", "BTCUSD")]
    events = take(Gemini(), v1(*rows))
    assert [(event.symbol, len(event.bids)) for event in events if isinstance(event, BookDelta)] == [
        ("BTCUSD", 2),
        ("ETHUSD", 1),
    ]


def test_v1_without_any_symbol_is_dropped() -> None:
    gemini = Gemini()
    assert take(gemini, v1(V1_CHANGE)) == []
    assert reasons(gemini) == {DropReason.BAD_SYMBOL: 1}


def test_a_stream_of_a_connection_with_snapshots_starts_with_the_whole_book() -> None:
    gemini = Gemini()
    events = [
        *take(gemini, DEPTH, "wss://ws.gemini.com?snapshot=-1"),
        *take(gemini, DEPTH, "wss://ws.gemini.com?snapshot=-1"),
    ]
    assert events == [
        BookL2(
            "gemini",
            "WIFUSD",
            STREAM_NS,
            RECEIVED_NS,
            levels(("0.148800", "11129.36421900")),
            (),
            last_id=676,
        ),
        BookDelta(
            "gemini",
            "WIFUSD",
            STREAM_NS,
            RECEIVED_NS,
            levels(("0.148800", "11129.36421900"), ("0.148900", "0.00000000")),
            (),
            first_id=289,
            last_id=676,
        ),
    ]


def test_a_stream_of_another_connection_starts_with_changes() -> None:
    (event,) = take(Gemini(), DEPTH)
    assert isinstance(event, BookDelta)


def test_stream_trades_quotes_and_shown_books_are_read() -> None:
    trade, quote = take(Gemini(), STREAM_TRADE) + take(Gemini(), STREAM_QUOTE)
    assert isinstance(trade, Trade)
    assert (trade.symbol, trade.aggressor_side, trade.trade_id) == ("WIFUSD", Side.ASK, "284")
    bid, ask = levels(("1.06", "958.7"), ("1.07", "38.4"))
    assert quote == Quote("gemini", "WIFUSD", STREAM_NS, RECEIVED_NS, bid, ask, 752)
    (book,) = take(Gemini(), STREAM_BOOK, "wifusd@depth5")
    assert isinstance(book, BookL2)
    assert (book.symbol, book.last_id) == ("WIFUSD", 9)


def test_a_stream_quote_without_an_ask_keeps_its_bid() -> None:
    (event,) = take(Gemini(), {key: value for key, value in STREAM_QUOTE.items() if key not in "aA"})
    assert isinstance(event, Quote)
    assert (event.bid, event.ask) == (levels(("1.06", "958.7"))[0], None)


def test_rest_answers_are_read() -> None:
    (book,) = take(Gemini(), REST_BOOK, "https://api.gemini.com/v1/book/btcusd")
    bids, asks = levels(("3607.85", "6.643")), levels(("3607.86", "14.68"))
    assert book == BookL2("gemini", "BTCUSD", None, RECEIVED_NS, bids, asks)
    trades = take(Gemini(), REST_TRADES, "https://api.gemini.com/v1/trades/btcusd")
    assert [trade.aggressor_side for trade in trades if isinstance(trade, Trade)] == [Side.ASK, None]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (TRADE | {"price": "0"}, DropReason.NOT_POSITIVE),
        (TRADE | {"quantity": "-1"}, DropReason.NEGATIVE),
        (TRADE | {"timestamp": "soon"}, DropReason.BAD_TIME),
        (CHANGES | {"changes": [["hold", "1", "1"]]}, DropReason.BAD_FIELD),
        (CHANGES | {"changes": [["buy", "1", "Infinity"]]}, DropReason.BAD_NUMBER),
        (DEPTH | {"U": 677}, DropReason.IDS_REVERSED),
        (STREAM_QUOTE | {"b": "1.08"}, DropReason.CROSSED),
        (STREAM_BOOK, DropReason.BAD_SYMBOL),
        ({"type": "candles_1m_updates", "symbol": "BTCUSD"}, DropReason.UNKNOWN_STREAM),
        ({"e": "kline", "s": "btcusd"}, DropReason.UNKNOWN_STREAM),
    ],
)
def test_bad_messages_are_drops_with_a_reason(message: Any, reason: DropReason) -> None:
    gemini = Gemini()
    assert take(gemini, message) == []
    assert reasons(gemini) == {reason: 1}


@pytest.mark.parametrize("message", [{"type": "heartbeat", "timestamp": TIME_MS}, {"id": "1", "status": 200}])
def test_answers_and_heartbeats_are_ignored(message: Any) -> None:
    gemini = Gemini()
    assert take(gemini, message) == []
    assert (gemini.ignored, gemini.drops.total) == (1, 0)


def test_its_messages_are_recognised() -> None:
    recognised = [Gemini.recognises(encoded(message)) for _, message in MESSAGES]
    assert recognised == [True] * 9 + [False] * 4


@given(
    price=st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none()),
    side=st.sampled_from(["buy", "sell", "x"]),
    message=st.sampled_from([WHOLE, CHANGES]),
)
def test_whatever_is_in_a_book_keeps_the_rules_of_events(
    price: Any, side: str, message: dict[str, Any]
) -> None:
    gemini = Gemini()
    events = take(gemini, message | {"changes": [[side, price, "1"]], "trades": None})
    check_events(events)
    assert len(events) + gemini.drops.total == 1


@pytest.mark.shared
def test_the_mapper_cases_are_reproduced() -> None:
    if not PATH.is_file():
        pytest.skip("no mapper cases in ../shared")
    table = compare("gemini", Gemini)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal, table.not_comparable.total()) == (8, 8, 0)


@pytest.mark.shared
def test_the_captured_books_are_rebuilt() -> None:
    gemini = Gemini()
    rebuilt = rebuild(gemini, CAPTURES / "GEMINI.ws.1.0.txt.gz")
    assert rebuilt.kinds == {"BookDelta": 645, "BookL2": 10, "Trade": 16}
    assert (rebuilt.gaps, rebuilt.crossed, rebuilt.applied) == ([], 0, 655)
    assert reasons(gemini) == {DropReason.BEFORE_START: 500}
