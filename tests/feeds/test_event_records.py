"""Captures of Binance become records or counted drops, line by line; other venues have tests of their own."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.book_sync import SPOT, USDM
from engine.feeds.capture_reader import CaptureReader
from engine.feeds.drops import DropReason
from engine.feeds.records import DepthUpdate, QuoteTick, TradeTick
from engine.feeds.venues.normaliser import MAX_NAMES
from tests.feeds.captures import EPOCH_NS, decode, depth, line, quote, snapshot, trade

START_MS = EPOCH_NS // 1_000_000 + 1000


def records(reader: CaptureReader) -> list[Any]:
    return list(reader.records.table.records())


def reasons(reader: CaptureReader) -> dict[DropReason, int]:
    return {drop.reason: drop.lines for drop in reader.drops}


def market(reader: CaptureReader) -> str:
    return reader.normaliser.market(reader.records.symbol)


def test_a_spot_depth_update_keeps_ids_and_exact_levels() -> None:
    reader = decode(
        depth(11, 15, bids=[("99.97000000", "1.50000000")], asks=[("100.01", "0.00000000")], at_ms=7)
    )
    assert market(reader) == SPOT
    assert records(reader) == [
        DepthUpdate(0, 10, 11, 15, START_MS + 7, bids=((9997, 15),), asks=((10001, 0),), is_snapshot=False)
    ]


def test_a_futures_depth_update_names_its_predecessor_and_its_transaction_time() -> None:
    reader = decode(depth(11, 15, bids=[("99.9", "1")], previous=7))
    (update,) = records(reader)
    assert market(reader) == USDM
    assert (update.previous_id, update.first_id, update.last_id) == (7, 11, 15)
    assert update.exchange_time_ms == START_MS - 3


def test_a_snapshot_is_a_depth_update_that_follows_nothing() -> None:
    reader = decode(snapshot(12, bids=[("99.9", "1")]), depth(13, 13))
    first = records(reader)[0]
    assert first.is_snapshot
    assert (first.previous_id, first.first_id, first.last_id, first.exchange_time_ms) == (0, 12, 12, 0)


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, Side.ASK), (False, Side.BID)])
def test_the_aggressor_is_the_side_that_did_not_make(buyer_is_maker: bool, side: Side) -> None:
    reader = decode(trade(5, "100.05", "0.25", buyer_is_maker=buyer_is_maker))
    assert records(reader) == [TradeTick(0, 5, START_MS, 10005, 25, side, previous_id=4)]


def test_a_quote_keeps_both_sides() -> None:
    reader = decode(quote(9, ("99.9", "1.5"), ("100.1", "2.0")))
    assert records(reader) == [QuoteTick(0, 9, 999, 15, 1001, 20)]


def test_session_time_counts_from_the_first_record() -> None:
    reader = decode(trade(1, "0", at_ms=10), trade(1, at_ms=50), trade(2, at_ms=80))
    assert reader.records.epoch_ns == EPOCH_NS + 50_000_000
    assert [record.time_ns for record in records(reader)] == [0, 30_000_000]


def test_a_local_clock_that_goes_back_is_held_and_counted() -> None:
    reader = decode(trade(1, at_ms=50), trade(2, at_ms=20), trade(3, at_ms=49), trade(4, at_ms=60))
    assert [record.time_ns for record in records(reader)] == [0, 0, 0, 10_000_000]
    assert reader.records.clock_backwards == 2


def test_unknown_keys_are_ignored() -> None:
    reader = decode(trade(1, some_new_field={"deep": [1, None]}))
    assert len(records(reader)) == 1
    assert reader.drops.total == 0


def test_unknown_streams_are_counted_by_name() -> None:
    reader = decode(trade(1), line({"stream": "btcusdt@kline_1m", "data": {"k": 1}}), trade(2))
    assert reasons(reader) == {DropReason.UNKNOWN_STREAM: 1}
    assert reader.normaliser.streams == {"btcusdt@trade": 2, "btcusdt@kline_1m": 1}


def test_the_number_of_stream_names_is_bounded() -> None:
    reader = decode(*(line({"stream": f"s{number}@kline"}) for number in range(MAX_NAMES + 5)))
    assert len(reader.normaliser.streams) == MAX_NAMES + 1
    assert reader.normaliser.streams["(others)"] == 5


FIRST = depth(1, 1, bids=[("99.9", "1")])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"garbage", DropReason.BAD_LINE),
        (b"123", DropReason.BAD_LINE),
        (b"-5 {}", DropReason.BAD_LINE),
        (b"99999999999999999999 {}", DropReason.BAD_TIME),
        (b"123 {", DropReason.BAD_JSON),
        (b'123 {"x": ' + b"[" * 100_000, DropReason.BAD_JSON),
        (b'123 {"stream": "\xff\xfe"}', DropReason.BAD_JSON),
        (b'123 {"stream": "x@trade", "data": {"p": NaN}}', DropReason.BAD_JSON),
        (b"123 {}", DropReason.BAD_FIELD),
        (b"123 [1]", DropReason.BAD_FIELD),
        (b'123 {"stream": 7}', DropReason.BAD_FIELD),
        (b'123 {"stream": "x@trade"}', DropReason.BAD_FIELD),
        (depth(1, 2, u="2"), DropReason.BAD_FIELD),
        (depth(-1, 2), DropReason.BAD_FIELD),
        (depth(1, 2**63), DropReason.BAD_FIELD),
        (depth(1, 2, bids=[("1", "2", "3")]), DropReason.BAD_FIELD),  # type: ignore[list-item]
        (depth(3, 2), DropReason.IDS_REVERSED),
        (depth(3, 4, previous=9), DropReason.BAD_FIELD),  # futures in a spot capture
        (depth(1, 2, bids=[("99.9", "-1")]), DropReason.NEGATIVE),
        (depth(1, 2, asks=[("0", "1")]), DropReason.NOT_POSITIVE),
        (depth(1, 2, asks=[("5", "NaN")]), DropReason.BAD_NUMBER),
        (depth(1, 2, asks=[("5.0000000000000000001", "1")]), DropReason.OFF_GRID),
        (trade(1, "0", "1"), DropReason.NOT_POSITIVE),
        (trade(1, "1", "0.00"), DropReason.NOT_POSITIVE),
        (trade(1, "1", "99999999999999999999"), DropReason.OUT_OF_RANGE),
        (trade(1, X="INSURANCE_FUND"), DropReason.NOT_A_MARKET_TRADE),
        (trade(1, s="ETHUSDT"), DropReason.OTHER_SYMBOL),
        (trade(1, s="\n"), DropReason.BAD_SYMBOL),
        (trade(1, T="soon"), DropReason.BAD_TIME),
        (quote(1, ("1", "1"), ("2", "0")), DropReason.NOT_POSITIVE),
        (quote(1, ("2", "1"), ("1", "1")), DropReason.CROSSED),
    ],
)
def test_a_bad_line_is_one_counted_drop_with_its_reason_and_place(bad: bytes, reason: DropReason) -> None:
    reader = decode(FIRST, bad, bad, trade(2))
    (drop,) = reader.drops
    assert (drop.reason, drop.lines, drop.first_line, drop.first_offset) == (reason, 2, 2, len(FIRST) + 1)
    assert len(records(reader)) == 2


def test_a_depth_update_with_one_bad_level_goes_whole() -> None:
    reader = decode(depth(1, 1), depth(2, 2, bids=[("99.9", "1"), ("99.8", "x")], asks=[("100", "1")]))
    assert len(reader.records.table) == 1
    assert reader.records.table.level_count == 0


def test_a_depth_update_with_one_level_off_the_grid_goes_whole() -> None:
    reader = decode(FIRST, depth(2, 2, bids=[("99.9", "1"), ("99.8", "0.0000000000000000001")]))
    assert reader.records.table.level_count == 1
    assert records(reader)[0].bids == ((999, 1),)


def test_numbers_finer_than_1e_8_are_kept() -> None:
    reader = decode(depth(1, 1, bids=[("0.000000000123", "1")]), trade(1, "0.00000000012", "5"))
    update, tick = records(reader)
    assert (update.bids, tick.price_ticks) == (((123, 1),), 120)


GOOD = [
    depth(11, 15, bids=[("99.97", "1.5")], asks=[("100.01", "0.0")]),
    depth(11, 15, bids=[("99.97", "1.5")], previous=7),
    snapshot(12, bids=[("99.97", "1.5")]),
    trade(5),
    quote(9, ("99.9", "1.5"), ("100.1", "2.0")),
]


@given(st.sampled_from(GOOD), st.integers(0, 400), st.integers(0, 20), st.binary(max_size=20))
def test_a_line_with_any_bytes_changed_is_a_record_or_a_drop(
    good: bytes, at: int, removed: int, inserted: bytes
) -> None:
    at %= len(good)
    mutated = good[:at] + inserted.replace(b"\n", b"") + good[at + removed :]
    reader = decode(mutated)
    assert len(reader.records.table) + sum(reasons(reader).values()) == reader.lines


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(GOOD), st.data())
def test_a_line_with_any_field_replaced_is_a_record_or_a_drop(good: bytes, data: st.DataObject) -> None:
    stamp, _, text = good.partition(b" ")
    message = json.loads(text)
    target = data.draw(st.sampled_from([message, message.get("data", message)]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(json_values)
    reader = decode(stamp + b" " + json.dumps(message).encode())
    assert len(reader.records.table) + sum(reasons(reader).values()) == reader.lines == 1
