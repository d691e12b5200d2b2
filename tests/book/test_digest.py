"""Digests of books, of streams, and of event files with all that can be wrong with them."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from engine.book import (
    EMPTY_BOOK_DIGEST,
    ApplyCounts,
    ReferenceBook,
    book_digest,
    chain,
    replay_digest,
    running_digest,
)
from engine.book import digest_file as digest_file_module
from engine.book.digest import event_bytes
from engine.book.digest_file import digest_events_file
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_DTYPE, pack_event
from tests.book.streams import itch_stream, wild_stream


def test_the_digest_of_no_levels_is_the_published_constant():
    assert book_digest([], []) == EMPTY_BOOK_DIGEST == 0xC229AFE6F81A15B0


def test_the_digest_follows_its_formula():
    h = xxhash.xxh3_64(b"FLOWLAB-L2-v1").intdigest()
    assert h == 0xB59A15936F9A743B
    h ^= xxhash.xxh3_64(struct.pack("<QQ", 100, 7), seed=h).intdigest()
    h = xxhash.xxh3_64(b"|", seed=h).intdigest()
    h ^= xxhash.xxh3_64(struct.pack("<QQ", 101, 2**64 - 1), seed=h).intdigest()
    assert book_digest([(100, 7)], iter([(101, 2**64 - 1)])) == h


def test_the_digest_tells_sides_and_totals_apart():
    digests = {
        book_digest([(100, 7)], []),
        book_digest([], [(100, 7)]),
        book_digest([(100, 8)], []),
        book_digest([(7, 100)], []),
        book_digest([(100, 7), (99, 7)], []),
        book_digest([], []),
    }
    assert len(digests) == 6


def test_the_chain_is_the_running_digest_one_event_at_a_time():
    events = wild_stream(50)
    state = 0
    for row in events.tolist():
        state = chain(state, pack_event(*row))
    assert state == running_digest(events)


@given(st.integers(0, 60))
def test_running_digests_continue_across_a_cut(cut):
    events = wild_stream(60)
    head, tail = events[:cut], events[cut:]
    assert running_digest(tail, running_digest(head)) == running_digest(events)
    assert replay_digest(tail, replay_digest(head), first_sequence=cut + 1) == replay_digest(events)


def test_the_running_digest_of_an_array_does_not_depend_on_its_padding():
    events = wild_stream(20)
    dirty = np.frombuffer(bytearray(b"\xff" * (40 * 20)), EVENT_DTYPE).copy()
    for name in EVENT_DTYPE.names:
        dirty[name] = events[name]
    assert running_digest(dirty) == running_digest(events)
    assert event_bytes(dirty) == event_bytes(events) == b"".join(pack_event(*row) for row in events.tolist())


def test_the_running_digest_of_bytes_counts_every_byte():
    data = event_bytes(wild_stream(3))
    flipped = bytes([*data[:79], data[79] ^ 1, *data[80:]])
    assert running_digest(flipped) != running_digest(data)
    assert replay_digest(flipped) != replay_digest(data)


# Files


@pytest.fixture(params=["hot", "reference", "columnar"])
def book(request):
    return request.param


@pytest.fixture
def events():
    return itch_stream(3_000)


@pytest.mark.parametrize("name", ["day.events.bin", "day.events.bin.gz"])
@pytest.mark.parametrize("chunk", [1 << 16, 7])
def test_a_file_gives_the_digests_of_its_events(tmp_path, monkeypatch, events, book, name, chunk):
    monkeypatch.setattr(digest_file_module, "CHUNK_EVENTS", chunk)
    data = event_bytes(events)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    judge = ReferenceBook()
    judge.apply(events)
    report = digest_events_file(path, book)
    assert report._replace(ns_per_event=0.0) == (
        judge.digest(),
        judge.level_count(0),
        judge.level_count(1),
        judge.best_bid,
        judge.best_ask,
        judge.order_count,
        3_000,
        0.0,
        running_digest(events),
        replay_digest(events),
        judge.counts,
    )
    assert report.ns_per_event > 0


def test_an_empty_file_is_an_empty_book(tmp_path, book):
    path = tmp_path / "empty.bin"
    path.touch()
    report = digest_events_file(str(path), book)
    assert report == (EMPTY_BOOK_DIGEST, 0, 0, None, None, 0, 0, 0.0, 0, 0, ApplyCounts())


@pytest.mark.parametrize("name", ["day.bin", "day.bin.gz"])
def test_a_file_that_is_no_whole_number_of_events_says_how_many_bytes_are_left(tmp_path, events, name):
    data = event_bytes(events[:10]) + b"\0" * 13
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(
        DataError, match=r"day\.bin.*413 bytes are 10 events of 40 bytes and 13 bytes left over"
    ):
        digest_events_file(path, "reference")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.bin: no such file"):
        digest_events_file(tmp_path / "nowhere.bin", "reference")


def test_a_folder_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        digest_events_file(tmp_path, "reference")


@pytest.mark.parametrize("damage", ["not gzip", "cut short", "flipped"])
def test_damaged_gzip_data_is_named(tmp_path, events, damage):
    packed = gzip.compress(event_bytes(events))
    damaged = {
        "not gzip": event_bytes(events),
        "cut short": packed[: len(packed) // 2],
        "flipped": packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:],
    }
    path = tmp_path / "day.bin.gz"
    path.write_bytes(damaged[damage])
    with pytest.raises(DataError, match="damaged gzip data"):
        digest_events_file(path, "reference")


def test_an_unknown_book_is_refused(tmp_path):
    with pytest.raises(UsageError, match="use hot, reference or columnar"):
        digest_events_file(tmp_path / "day.bin", "cold")
