"""OKX's normaliser and its checksums: messages as its documentation shows them, and the shared cases."""

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
from engine.feeds.venues.events import BookDelta, BookL2, Quote, Trade
from engine.feeds.venues.okx import Okx
from tests.feeds.venues.mapper_cases import PATH, compare
from tests.feeds.venues.taking import RECEIVED_NS, check_events, levels, reasons, take

TIME_MS = 1_597_026_383_085
TIME_NS = TIME_MS * 1_000_000


def book(action: str, bids: Any, asks: Any, *, channel: str = "books", **extra: Any) -> dict[str, Any]:
    """A book message."""
    row = {"asks": asks, "bids": bids, "ts": str(TIME_MS), **extra}
    return {"arg": {"channel": channel, "instId": "BTC-USDT"}, "action": action, "data": [row]}


TRADES = {
    "arg": {"channel": "trades", "instId": "BTC-USDT"},
    "data": [
        {
            "instId": "BTC-USDT",
            "tradeId": "130639474",
            "px": "42219.9",
            "sz": "0.12060306",
            "side": "buy",
            "ts": str(TIME_MS),
            "count": "3",
        }
    ],
}
BIDS, ASKS = (
    [["3366.1", "7", "0", "3"], ["3366", "6", "3", "4"]],
    [["3366.8", "9", "10", "3"], ["3368", "8", "3", "4"]],
)
SNAPSHOT = book("snapshot", BIDS, ASKS, checksum=-1881014294, prevSeqId=-1, seqId=123456)
UPDATE = book(
    "update",
    [["3366", "0", "0", "0"]],
    [["3372", "8", "3", "4"]],
    checksum=831078360,
    prevSeqId=123456,
    seqId=123457,
)
"""The two books of the documentation's example of checksums, the second as an update of the first."""
BEST = {
    "arg": {"channel": "bbo-tbt", "instId": "BCH-USDT-SWAP"},
    "data": [
        {
            "asks": [["111.06", "55154", "0", "2"]],
            "bids": [["111.05", "57745", "0", "2"]],
            "ts": str(TIME_MS),
            "seqId": 363996337,
        }
    ],
}
TICKER = {
    "arg": {"channel": "tickers", "instId": "BTC-USDT"},
    "data": [
        {
            "instId": "BTC-USDT",
            "askPx": "9999.99",
            "askSz": "11",
            "bidPx": "8888.88",
            "bidSz": "5",
            "ts": str(TIME_MS),
        }
    ],
}
OLD_TRADE = {
    "table": "futures/trade",
    "data": [
        {
            "side": "sell",
            "trade_id": "2578238628528131",
            "price": 4061.94,
            "qty": 4,
            "instrument_id": "BTC-USD-190628",
            "timestamp": "2019-03-31T23:59:59.388Z",
        }
    ],
}
OLD_BOOK = {
    "table": "spot/depth",
    "action": "partial",
    "data": [
        {
            "instrument_id": "BTC-USDT",
            "asks": [[4084.57, 38, 0, 3]],
            "bids": [["4084.56", "4", "1"]],
            "timestamp": "2019-08-01T00:00:08.930Z",
        }
    ],
}


def test_a_trade_is_the_takers() -> None:
    (trade,) = take(Okx(), TRADES)
    price, size = Decimal("42219.9"), Decimal("0.12060306")
    assert trade == Trade("okx", "BTC-USDT", TIME_NS, RECEIVED_NS, price, size, Side.BID, "130639474")


def test_trades_are_read_from_one_channel() -> None:
    normaliser = Okx()
    one_by_one = TRADES | {"arg": {"channel": "trades-all", "instId": "BTC-USDT"}}
    assert [len(take(normaliser, message)) for message in (TRADES, one_by_one, TRADES)] == [1, 0, 1]
    assert reasons(normaliser) == {DropReason.TOLD_TWICE: 1}


def test_books_name_their_predecessor_and_their_checksum_without_its_sign() -> None:
    normaliser = Okx()
    snapshot, delta = take(normaliser, SNAPSHOT) + take(normaliser, UPDATE)
    sides = (levels(("3366.1", "7"), ("3366", "6")), levels(("3366.8", "9"), ("3368", "8")))
    checksum = (1 << 32) - 1881014294
    assert snapshot == BookL2("okx", "BTC-USDT", TIME_NS, RECEIVED_NS, *sides, 123456, checksum)
    sides = (levels(("3366", "0")), levels(("3372", "8")))
    ids = (123456, 123457, 123457)
    assert delta == BookDelta("okx", "BTC-USDT", TIME_NS, RECEIVED_NS, *sides, *ids, 831078360)


def play(*messages: dict[str, Any]) -> list[int | str | None]:
    """Last ids that the chains give out, or `gap`."""
    normaliser, chains = Okx(), BookChains()
    out: list[int | str | None] = []
    for message in messages:
        for event in take(normaliser, message):
            assert isinstance(event, BookL2 | BookDelta)
            try:
                out += [update.last_id for update in chains.take(event)]
            except FeedGap:
                out.append("gap")
    return out


def test_the_checksums_of_the_documentation_are_verified() -> None:
    assert play(SNAPSHOT, UPDATE) == [123456, 123457]
    wrong = book("update", [["3366", "1", "0", "1"]], [], checksum=831078360, prevSeqId=123456, seqId=123457)
    assert play(SNAPSHOT, wrong, UPDATE, SNAPSHOT) == [123456, "gap", 123456]


def test_a_checksum_of_0_is_none() -> None:
    assert play(book("snapshot", BIDS, ASKS, checksum=0, seqId=5, prevSeqId=-1)) == [5]


def test_numbers_that_start_again_after_maintenance_go_on() -> None:
    snapshot = book("snapshot", BIDS, ASKS, seqId=15, prevSeqId=-1)
    heartbeat = book("update", [], [], seqId=15, prevSeqId=15)
    reset = book("update", [["1", "1"]], [], seqId=3, prevSeqId=15)
    after = book("update", [["1", "2"]], [], seqId=5, prevSeqId=3)
    assert play(snapshot, heartbeat, reset, after) == [15, 3, 5]
    assert play(snapshot, after) == [15], "an older one: dropped"
    assert play(snapshot, book("update", [["1", "2"]], [], seqId=19, prevSeqId=17)) == [15, "gap"]


def test_the_best_prices_are_a_quote_with_its_number() -> None:
    (quote,) = take(Okx(), BEST)
    sides = levels(("111.05", "57745"), ("111.06", "55154"))
    assert quote == Quote("okx", "BCH-USDT-SWAP", TIME_NS, RECEIVED_NS, *sides, 363996337)


def test_a_ticker_is_a_quote_and_may_be_one_sided() -> None:
    (quote,) = take(Okx(), TICKER)
    assert quote == Quote(
        "okx", "BTC-USDT", TIME_NS, RECEIVED_NS, *levels(("8888.88", "5"), ("9999.99", "11"))
    )
    row = TICKER["data"][0] | {"bidPx": "", "bidSz": ""}  # type: ignore[operator]
    (quote,) = take(Okx(), TICKER | {"data": [row]})
    assert isinstance(quote, Quote)
    assert quote.bid is None


def test_five_levels_are_a_whole_book_unless_there_are_more() -> None:
    normaliser = Okx()
    five = book("", BIDS, ASKS, channel="books5", seqId=9)
    kinds = [type(event) for message in (five, SNAPSHOT, five) for event in take(normaliser, message)]
    assert kinds == [BookL2, BookL2]
    assert reasons(normaliser) == {DropReason.TOLD_TWICE: 1}


def test_spreads_are_read_as_books_of_their_own() -> None:
    message = book("", BIDS, ASKS, channel="sprd-books5")
    message["arg"] = {"channel": "sprd-books5", "sprdId": "BTC-USD-231229_BTC-USD-240329"}
    (event,) = take(Okx(), message)
    assert event.symbol == "BTC-USD-231229_BTC-USD-240329"


def test_the_tables_of_v3_are_read_too() -> None:
    (trade,), (snapshot,) = take(Okx(), OLD_TRADE), take(Okx(), OLD_BOOK)
    assert isinstance(trade, Trade)
    assert (trade.price, trade.size, trade.aggressor_side) == (Decimal("4061.94"), Decimal(4), Side.ASK)
    assert trade.exchange_time_ns == 1_554_076_799_388_000_000
    assert isinstance(snapshot, BookL2)
    assert (snapshot.bids, snapshot.asks) == (levels(("4084.56", "4")), levels(("4084.57", "38")))


@pytest.mark.parametrize("message", [{"event": "subscribe", "arg": {"channel": "trades"}}, b"pong"])
def test_answers_are_neither_events_nor_drops(message: Any) -> None:
    normaliser = Okx()
    assert take(normaliser, message) == []
    assert (normaliser.drops.total, normaliser.ignored) == (0, 1)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({}, DropReason.BAD_FIELD),
        ({"arg": {"channel": "mark-price", "instId": "A"}, "data": []}, DropReason.UNKNOWN_STREAM),
        ({"table": "swap/funding_rate", "data": []}, DropReason.UNKNOWN_STREAM),
        (book("change", BIDS, ASKS), DropReason.BAD_FIELD),
        (book("update", [["1"]], ASKS), DropReason.BAD_FIELD),
        (book("update", [["0", "1"]], ASKS), DropReason.NOT_POSITIVE),
        (book("update", BIDS, ASKS, checksum=1 << 40), DropReason.BAD_FIELD),
        (book("update", BIDS, ASKS, seqId=-7), DropReason.BAD_FIELD),
        (SNAPSHOT | {"arg": {"channel": "books", "instId": ""}}, DropReason.BAD_SYMBOL),
    ],
)
def test_what_cannot_be_used_is_counted_with_its_reason(message: dict[str, Any], reason: DropReason) -> None:
    normaliser = Okx()
    assert take(normaliser, message) == []
    assert reasons(normaliser) == {reason: 1}


@given(st.sampled_from([TRADES, SNAPSHOT, UPDATE, BEST, TICKER, OLD_TRADE, OLD_BOOK]), st.data())
def test_any_field_may_be_anything(message: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(st.none() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers()))
    row = message["data"][0]
    changed = row | {data.draw(st.sampled_from(sorted(row))): value}
    check_events(take(Okx(), message | {"data": [changed]}))
    check_events(take(Okx(), message | {data.draw(st.sampled_from(sorted(message))): value}))


@pytest.mark.shared
@pytest.mark.skipif(not PATH.is_file(), reason="no venue_mapper_cases in ../shared")
def test_the_shared_cases_are_told_alike() -> None:
    table = compare("okx", Okx)
    print(f"\n{table}")
    assert table.different == []
    assert (table.cases, table.equal) == (101, 87)
