import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import DataError
from engine.core.types import Side
from engine.feeds.binance import MAX_NAMES, SPOT, USDM, CaptureDecoder
from engine.feeds.drops import DropReason
from engine.feeds.files import Line
from engine.feeds.records import DepthUpdate, QuoteTick, TradeTick
from tests.feeds.captures import EPOCH_NS, decode, depth, line, quote, snapshot, trade

START_MS = EPOCH_NS // 1_000_000 + 1000


def records(decoder: CaptureDecoder) -> list[Any]:
    return list(decoder.table.records())


def reasons(decoder: CaptureDecoder) -> dict[DropReason, int]:
    return {drop.reason: drop.lines for drop in decoder.drops()}


def test_a_spot_depth_update_keeps_ids_and_exact_levels() -> None:
    decoder = decode(
        depth(11, 15, bids=[("99.97000000", "1.50000000")], asks=[("100.01", "0.00000000")], at_ms=7)
    )
    assert decoder.kind == SPOT
    assert records(decoder) == [
        DepthUpdate(0, 10, 11, 15, START_MS + 7, bids=((9997, 15),), asks=((10001, 0),), is_snapshot=False)
    ]


def test_a_futures_depth_update_names_its_predecessor_and_its_transaction_time() -> None:
    decoder = decode(depth(11, 15, bids=[("99.9", "1")], previous=7))
    (update,) = records(decoder)
    assert decoder.kind == USDM
    assert (update.previous_id, update.first_id, update.last_id) == (7, 11, 15)
    assert update.exchange_time_ms == START_MS - 3


def test_a_snapshot_is_a_depth_update_that_follows_nothing() -> None:
    decoder = decode(snapshot(12, bids=[("99.9", "1")]), depth(13, 13))
    first = records(decoder)[0]
    assert first.is_snapshot
    assert (first.previous_id, first.first_id, first.last_id, first.exchange_time_ms) == (0, 12, 12, 0)


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, Side.ASK), (False, Side.BID)])
def test_the_aggressor_is_the_side_that_did_not_make(buyer_is_maker: bool, side: Side) -> None:
    decoder = decode(trade(5, "100.05", "0.25", buyer_is_maker=buyer_is_maker))
    assert records(decoder) == [TradeTick(0, 5, START_MS, 10005, 25, side, previous_id=4)]


def test_a_quote_keeps_both_sides() -> None:
    decoder = decode(quote(9, ("99.9", "1.5"), ("100.1", "2.0")))
    assert records(decoder) == [QuoteTick(0, 9, 999, 15, 1001, 20)]


def test_session_time_counts_from_the_first_record() -> None:
    decoder = decode(trade(1, at_ms=50), trade(2, at_ms=80))
    assert decoder.epoch_ns == EPOCH_NS + 50_000_000
    assert [record.time_ns for record in records(decoder)] == [0, 30_000_000]


def test_a_local_clock_that_goes_back_is_held_and_counted() -> None:
    decoder = decode(trade(1, at_ms=50), trade(2, at_ms=20), trade(3, at_ms=49), trade(4, at_ms=60))
    assert [record.time_ns for record in records(decoder)] == [0, 0, 0, 10_000_000]
    assert decoder.clock_backwards == 2


def test_unknown_keys_are_ignored() -> None:
    decoder = decode(trade(1, some_new_field={"deep": [1, None]}))
    assert len(records(decoder)) == 1
    assert decoder.drops() == ()


def test_unknown_streams_are_counted_by_name() -> None:
    decoder = decode(trade(1), line({"stream": "btcusdt@kline_1m", "data": {"k": 1}}), trade(2))
    assert reasons(decoder) == {DropReason.UNKNOWN_STREAM: 1}
    assert decoder.streams == {"btcusdt@trade": 2, "btcusdt@kline_1m": 1}


def test_the_number_of_stream_names_is_bounded() -> None:
    decoder = decode(*(line({"stream": f"s{number}@kline"}) for number in range(MAX_NAMES + 5)))
    assert len(decoder.streams) == MAX_NAMES + 1
    assert decoder.streams["(others)"] == 5


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"garbage", DropReason.BAD_LINE),
        (b"123", DropReason.BAD_LINE),
        (b"-5 {}", DropReason.BAD_LINE),
        (b"99999999999999999999 {}", DropReason.BAD_LINE),
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
        (depth(1, 2, asks=[("5.123456789", "1")]), DropReason.OFF_GRID),
        (trade(1, "0", "1"), DropReason.NOT_POSITIVE),
        (trade(1, "1", "0.00"), DropReason.NOT_POSITIVE),
        (trade(1, "1", "99999999999999999"), DropReason.OUT_OF_RANGE),
        (trade(1, X="INSURANCE_FUND"), DropReason.NOT_A_MARKET_TRADE),
        (trade(1, s="ETHUSDT"), DropReason.OTHER_SYMBOL),
        (quote(1, ("1", "1"), ("2", "0")), DropReason.NOT_POSITIVE),
    ],
)
def test_a_bad_line_is_one_counted_drop_with_its_reason_and_place(bad: bytes, reason: DropReason) -> None:
    decoder = decode(depth(1, 1, bids=[("99.9", "1")]), bad, bad, trade(2))
    (drop,) = decoder.drops()
    assert (drop.reason, drop.lines, drop.first_line, drop.first_offset) == (reason, 2, 2, 2000)
    assert len(records(decoder)) == 2


def test_a_depth_update_with_one_bad_level_goes_whole() -> None:
    decoder = decode(depth(1, 1), depth(2, 2, bids=[("99.9", "1"), ("99.8", "x")], asks=[("100", "1")]))
    assert len(decoder.table) == 1
    assert decoder.table.level_count == 0


def test_an_over_long_line_is_a_drop() -> None:
    decoder = CaptureDecoder("test")
    decoder.decode([Line(1, 0, trade(1), True), Line(2, 90, b"1" * 100, False)])
    assert reasons(decoder) == {DropReason.LINE_TOO_LONG: 1}


def test_a_coin_margined_capture_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="COIN-M"):
        decode(depth(1, 2, previous=0, ps="BTCUSD"))


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
    decoder = decode(mutated)
    assert len(decoder.table) + sum(reasons(decoder).values()) == decoder.lines


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
    decoder = decode(stamp + b" " + json.dumps(message).encode())
    assert len(decoder.table) + sum(reasons(decoder).values()) == decoder.lines == 1
