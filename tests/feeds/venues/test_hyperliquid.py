"""Hyperliquid's normaliser: l2Book, trades, bbo."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookL2, Quote, Trade
from engine.feeds.venues.hyperliquid import Hyperliquid
from tests.feeds.venues.rebuilding import rebuild
from tests.feeds.venues.taking import RECEIVED_NS, SHARED, check_events, encoded, levels, reasons, take

TIME_MS = 1_737_918_794_873
TIME_NS = TIME_MS * 1_000_000

BOOK = {
    "coin": "BTC",
    "time": TIME_MS,
    "levels": [
        [{"n": 5, "px": "105055.0", "sz": "3.03622"}, {"n": 1, "px": "105054.0", "sz": "0.1428"}],
        [{"n": 2, "px": "105056.0", "sz": "1.5"}],
    ],
}
TRADE = {
    "coin": "BTC",
    "hash": "0xde477894bfb2b4eac0a8041c9228ca013100955485522c8e6e787dfa0077475b",
    "px": "105056.0",
    "side": "B",
    "sz": "0.00219",
    "tid": 121451470284048,
    "time": TIME_MS,
    "users": ["0xe9ed7e16612d676df804f5aecd16e1f9bf9ec9dd", "0x6802b4267f7f2bf7003dcf993c51542245b38329"],
}
BBO = {
    "coin": "@107",
    "time": TIME_MS,
    "bbo": [{"px": "12.5", "sz": "3", "n": 1}, {"px": "12.6", "sz": "4", "n": 2}],
}


def told(channel: str, data: Any) -> dict[str, Any]:
    return {"channel": channel, "data": data}


MESSAGES = (
    ("", told("l2Book", BOOK)),
    ("", told("trades", [TRADE, TRADE | {"side": "A", "tid": 7}])),
    ("", told("bbo", BBO)),
    ("", told("bbo", BBO | {"bbo": [None, BBO["bbo"][1]]})),
    ("", BOOK),
    (
        "",
        told(
            "subscriptionResponse", {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC"}}
        ),
    ),
)
"""One of every kind, for the fuzz tests."""


@pytest.mark.parametrize("message", [told("l2Book", BOOK), BOOK])
def test_a_book_is_whole_by_every_message(message: Any) -> None:
    bids, asks = levels(("105055.0", "3.03622"), ("105054.0", "0.1428")), levels(("105056.0", "1.5"))
    assert take(Hyperliquid(), message) == [BookL2("hyperliquid", "BTC", TIME_NS, RECEIVED_NS, bids, asks)]


def test_trades_are_taken_one_by_one() -> None:
    hyperliquid = Hyperliquid()
    events = take(hyperliquid, told("trades", [TRADE, TRADE | {"sz": "-1"}, TRADE | {"side": "A"}]))
    price, size = Decimal("105056.0"), Decimal("0.00219")
    first = Trade("hyperliquid", "BTC", TIME_NS, RECEIVED_NS, price, size, Side.BID, "121451470284048")
    assert events == [first, first._replace(aggressor_side=Side.ASK)]
    assert reasons(hyperliquid) == {DropReason.NEGATIVE: 1}


def test_the_best_prices_of_a_spot_pair_are_a_quote() -> None:
    bid, ask = levels(("12.5", "3"), ("12.6", "4"))
    assert take(Hyperliquid(), told("bbo", BBO)) == [
        Quote("hyperliquid", "@107", TIME_NS, RECEIVED_NS, bid, ask)
    ]


def test_a_quote_without_a_bid_keeps_its_ask() -> None:
    (event,) = take(Hyperliquid(), told("bbo", BBO | {"bbo": [None, {"px": "12.6", "sz": "4"}]}))
    assert isinstance(event, Quote)
    assert (event.bid, event.ask) == (None, (Decimal("12.6"), 4))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (told("bbo", BBO | {"bbo": [None, None]}), DropReason.NOT_POSITIVE),
        (told("bbo", BBO | {"bbo": [{"px": "13", "sz": "1"}, {"px": "12", "sz": "1"}]}), DropReason.CROSSED),
        (told("l2Book", BOOK | {"levels": [[]]}), DropReason.BAD_FIELD),
        (told("l2Book", BOOK | {"levels": [[{"px": "NaN", "sz": "1"}], []]}), DropReason.BAD_NUMBER),
        (told("l2Book", BOOK | {"coin": "#?"}), DropReason.BAD_SYMBOL),
        (told("l2Book", BOOK | {"time": 0}), DropReason.BAD_TIME),
        (told("trades", [TRADE | {"side": "C"}]), DropReason.BAD_FIELD),
        (told("candle", {"t": 1}), DropReason.UNKNOWN_STREAM),
        (b'"pong"', DropReason.BAD_FIELD),
    ],
)
def test_bad_messages_are_drops_with_a_reason(message: Any, reason: DropReason) -> None:
    hyperliquid = Hyperliquid()
    assert take(hyperliquid, message) == []
    assert reasons(hyperliquid) == {reason: 1}


@pytest.mark.parametrize("channel", ["subscriptionResponse", "pong", "error"])
def test_answers_are_ignored(channel: str) -> None:
    hyperliquid = Hyperliquid()
    assert take(hyperliquid, told(channel, "x")) == []
    assert (hyperliquid.ignored, hyperliquid.drops.total) == (1, 0)


def test_its_messages_are_recognised() -> None:
    recognised = [Hyperliquid.recognises(encoded(message)) for _, message in MESSAGES]
    assert recognised == [True] * 4 + [False] * 2


_values = st.one_of(st.floats(), st.integers(), st.text(max_size=5), st.none())


@given(px=_values, sz=_values, time=_values, channel=st.sampled_from(["l2Book", "bbo", "trades"]))
def test_whatever_is_in_a_message_keeps_the_rules_of_events(
    px: Any, sz: Any, time: Any, channel: str
) -> None:
    row = {"px": px, "sz": sz}
    data = {
        "l2Book": {"coin": "BTC", "time": time, "levels": [[row], []]},
        "bbo": {"coin": "BTC", "time": time, "bbo": [row, None]},
        "trades": [TRADE | row | {"time": time}],
    }[channel]
    hyperliquid = Hyperliquid()
    events = take(hyperliquid, told(channel, data))
    check_events(events)
    assert len(events) + hyperliquid.drops.total == 1


@pytest.mark.shared
def test_the_captured_books_are_not_crossed() -> None:
    hyperliquid = Hyperliquid()
    rebuilt = rebuild(hyperliquid, SHARED / "binance_l2_2024" / "hyperliquid_btcusd_20250126.jsonl.gz")
    assert rebuilt.kinds == {"BookL2": 46, "Trade": 64}
    assert (rebuilt.gaps, rebuilt.crossed, hyperliquid.drops.total) == ([], 0, 0)
