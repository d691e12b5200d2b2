"""The compiled decoder and the shared books give what a plain reading gives, whatever the bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.book import HotBook
from engine.book.books import HotBooks
from engine.book.interface import TOP_DTYPE
from engine.core.types import EVENT_DTYPE
from engine.feeds.itch.decoder import ItchDecoder
from engine.feeds.itch.messages import (
    MESSAGES,
    AddOrder,
    CrossTrade,
    OrderCancel,
    OrderDelete,
    OrderExecuted,
    OrderExecutedAtPrice,
    OrderReplace,
    SystemEvent,
    TradeMessage,
)
from tests.feeds.itch.days import framed, itch_day
from tests.feeds.itch.oracle import PlainFeed
from tests.paths import PATHS, running

SHARED = Path(__file__).parents[3] / "../shared/data/itch50_2019"
ROW_FIELDS = ["ts", "price", "qty", "order_id", "instrument_id", "event_type", "side"]

IDS = st.integers(0, 4) | st.sampled_from((2**63, 2**64 - 1))
SHARES = st.sampled_from((0, 1, 2, 3, 10, 2**32 - 1))
STOCKS = st.integers(0, 2) | st.just(65_535)
MESSAGE = st.one_of(
    st.builds(
        AddOrder, STOCKS, st.just(0), st.just(1), IDS, st.sampled_from("BSX"), SHARES, st.just("A"), SHARES
    ),
    st.builds(OrderExecuted, STOCKS, st.just(0), st.just(2), IDS, SHARES, st.just(9)),
    st.builds(
        OrderExecutedAtPrice,
        STOCKS,
        st.just(0),
        st.just(3),
        IDS,
        SHARES,
        st.just(9),
        st.sampled_from("YN"),
        SHARES,
    ),
    st.builds(OrderCancel, STOCKS, st.just(0), st.just(4), IDS, SHARES),
    st.builds(OrderDelete, STOCKS, st.just(0), st.just(5), IDS),
    st.builds(OrderReplace, STOCKS, st.just(0), st.just(6), IDS, IDS, SHARES, SHARES),
    st.builds(
        TradeMessage,
        STOCKS,
        st.just(0),
        st.just(7),
        IDS,
        st.sampled_from("BS"),
        SHARES,
        st.just("A"),
        SHARES,
        st.just(1),
    ),
    st.builds(
        CrossTrade,
        STOCKS,
        st.just(0),
        st.just(8),
        st.sampled_from((0, 5, 2**64 - 1)),
        st.just("A"),
        SHARES,
        st.just(1),
        st.just("O"),
    ),
    st.builds(SystemEvent, st.just(0), st.just(0), st.just(9), st.just("Q")),
)


def decoded(data: bytes, *, rows_a_call: int = 64, step: int | None = None):
    """All rows as the books left them, all tops, the decoder and the books; bytes come in steps."""
    octets = np.frombuffer(data, np.uint8)
    decoder, books = ItchDecoder(rows_a_call), HotBooks()
    rows, tops, notes = [], [], 0
    at = 0
    for stop in [*range(step or len(data), len(data), step or len(data) or 1), len(data)]:
        while True:
            part = decoder.decode(octets, at, stop)
            top = np.zeros(len(part.rows), TOP_DTYPE)
            books.apply(part.rows, top)
            rows.append(part.rows.copy())
            tops.append(top)
            notes += len(list(decoder.notes(octets)))
            if part.end == at:
                break
            at = part.end
    return np.concatenate(rows), np.concatenate(tops), notes, decoder, books


def assert_reads_as_plain(data: bytes, **how) -> None:
    rows, tops, notes, decoder, books = decoded(data, **how)
    plain = PlainFeed()
    plain.take(data)
    events = rows.view(EVENT_DTYPE)
    assert [tuple(row) for row in events[ROW_FIELDS].tolist()] == plain.rows
    assert notes == plain.notes
    assert decoder.unknown_type + decoder.wrong_length == plain.damaged
    assert {locate: books.digest(locate) for locate in plain.books} == {
        locate: book.digest() for locate, book in plain.books.items()
    }
    assert tops.tolist() == plain.top_rows().tolist()
    for locate, book in plain.books.items():
        assert (books.best_bid(locate), books.best_ask(locate)) == (book.best_bid, book.best_ask)
        for side in (0, 1):
            assert books.levels(locate, side, 3) == book.levels(side, 3)
            assert books.level_count(locate, side) == book.level_count(side)
    assert books.order_count == sum(book.order_count for book in plain.books.values())


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60)
@given(messages=st.lists(MESSAGE, max_size=40), step=st.integers(1, 90))
def test_any_messages_read_as_a_plain_reading_does(path, messages, step):
    with running(path):
        assert_reads_as_plain(framed(messages), rows_a_call=7, step=step)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60)
@given(data=st.data())
@example(data=None)
def test_any_bytes_read_as_a_plain_reading_does(path, data):
    stream = b"\0\1S\0\0\0\0" if data is None else data.draw(st.binary(max_size=300))
    with running(path):
        assert_reads_as_plain(stream)


@pytest.mark.parametrize("path", PATHS)
def test_a_day_of_many_stocks_reads_as_a_plain_reading_does(path):
    day = itch_day(3_000, stocks=7, seed=5)
    with running(path):
        assert_reads_as_plain(day.data, rows_a_call=500, step=4_096)
        _, _, _, decoder, books = decoded(day.data)
    assert decoder.by_letter == {
        letter: day.by_letter[letter] for letter in MESSAGES if letter in day.by_letter
    }
    assert not any((books.counts.unknown_order, books.counts.rejected_side, books.counts.rejected_duplicate))


@pytest.mark.parametrize("letter", sorted(MESSAGES))
def test_every_truncation_of_every_message_waits_for_the_rest(letter):
    """A frame that is not whole is left where it begins: nothing behind its end is looked at."""
    size = MESSAGES[letter].size
    frame = size.to_bytes(2, "big") + letter.encode() + bytes(size - 1)
    decoder = ItchDecoder(4)
    for length in range(len(frame)):
        octets = np.frombuffer(frame[:length] or b"\0", np.uint8)
        part = decoder.decode(octets, 0, length)
        assert (part.end, len(part.rows), part.note_count, part.first_damage) == (0, 0, 0, None)
    assert decoder.by_letter == {}
    assert decoder.decode(np.frombuffer(frame, np.uint8), 0, len(frame)).end == len(frame)


def test_damage_is_told_by_its_place_and_passed_over():
    good = framed([SystemEvent(0, 0, 1, "O")])
    stream = good + b"\0\3Axx" + b"\0\2Zz" + b"\0\0" + good
    decoder = ItchDecoder()
    part = decoder.decode(np.frombuffer(stream, np.uint8), 0, len(stream))
    assert part.first_damage == len(good)
    assert (decoder.wrong_length, decoder.unknown_type, part.note_count) == (1, 2, 2)


def test_each_book_equals_a_book_of_its_own():
    rows, _, _, _, books = decoded(itch_day(20_000, stocks=40, seed=9).data, rows_a_call=8_192)
    events = rows.view(EVENT_DTYPE).copy()
    for locate in range(1, 41):
        own = HotBook()
        own.apply(events[events["instrument_id"] == locate])
        assert own.digest() == books.digest(locate)


def test_books_of_unseen_instruments_are_empty():
    books = HotBooks()
    assert books.digest(40_000) == HotBook().digest()
    assert (books.best_bid(40_000), books.levels(40_000, 0), books.level_count(40_000, 1)) == (None, [], 0)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the repository")
@pytest.mark.parametrize(
    ("name", "by_letter", "live_orders", "unknown"),
    [
        ("0400_book500", {"A": 495, "D": 4, "U": 1}, 491, 0),
        ("first1000_directory", {"S": 1, "R": 993, "H": 3, "Y": 3}, 0, 0),
        ("two_per_type", dict.fromkeys("AECXDU", 2), 2, 9),
    ],
)
def test_the_real_slices_hold_what_their_manifest_says(name, by_letter, live_orders, unknown):
    data = (SHARED / f"20191230_{name}.itch").read_bytes()
    assert_reads_as_plain(data)
    _, _, _, decoder, books = decoded(data)
    assert decoder.by_letter == by_letter
    assert (books.order_count, books.counts.unknown_order) == (live_orders, unknown)
