"""All books against the published digests, and against streams that we can make ourselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.book import EMPTY_BOOK_DIGEST, replay_digest, running_digest
from engine.book.digest_file import digest_events_file
from tests.book.books import BOOKS
from tests.book.streams import itch_stream, journal_stream

_VECTORS = Path(__file__).parents[2] / "../shared/vectors"

# file: L2 digest, bid and ask levels, best bid and ask, live orders, running digest, replay digest,
# adds, cancels, trades
_PUBLISHED = {
    "flowlab_5000.events.bin": (
        (0x838BEE05028A68E4, 25, 25, 100480, 100010, 5_000, 5_000, 0xC9E4283F1B81D249, 0x510894107D54E0A7),
        (5_000, 0, 0),
    ),
    "flowlab_50000.events.bin": (
        (0xF54CE1B763823E87, 50, 50, 1002400, 997500, 17_388, 50_000, 0x3C15650FDF6C54C2, 0xD7A56FEDFA85CBC8),
        (29_955, 12_567, 7_478),
    ),
    "warmup_50k.events.bin": (
        (0x5DABA27C063D94B7, 22, 20, 10000, 10001, 50_000, 50_000, 0x812B77F05D2ADDB6, 0x09CC4CE258AEC5D6),
        (50_000, 0, 0),
    ),
    "steady_500k.events.bin.gz": (
        (0xA92424124BE5A9BA, 21, 21, 10000, 10001, 151_805, 500_000, 0xF8C3EAB6DF9A440B, 0xEA792F11C0839BBF),
        (299_636, 125_127, 75_237),
    ),
}


@pytest.mark.shared
@pytest.mark.parametrize("book", ["hot", "reference", "columnar"])
@pytest.mark.parametrize("name", _PUBLISHED)
def test_a_published_stream_gives_every_published_number(name, book):
    if not _VECTORS.is_dir():
        pytest.skip("needs ../shared/vectors beside the repository")
    report = digest_events_file(_VECTORS / name, book)
    numbers, (adds, cancels, trades) = _PUBLISHED[name]
    assert numbers == (
        report.l2_digest,
        report.bid_levels,
        report.ask_levels,
        report.best_bid,
        report.best_ask,
        report.live_orders,
        report.events,
        report.event_digest,
        report.replay_digest,
    )
    counts = report.counts
    assert sum(counts) == report.events
    assert counts.added == adds
    assert counts.cancelled + counts.partially_cancelled == cancels
    assert counts.traded + counts.unknown_order == trades


@pytest.mark.parametrize("book_class", BOOKS)
def test_an_empty_book_has_the_published_digest(book_class):
    book = book_class()
    assert book.digest() == EMPTY_BOOK_DIGEST
    assert (book.best_bid, book.best_ask, book.crossed, book.order_count) == (None, None, False, 0)
    book._check()


@pytest.mark.parametrize("book_class", BOOKS)
def test_the_journal_stream_gives_its_published_digests(book_class):
    events = journal_stream()
    book = book_class()
    assert book.apply(events).added == 5_000
    assert book.digest() == 0x838BEE05028A68E4
    assert book.crossed
    assert running_digest(events) == 0xC9E4283F1B81D249
    assert replay_digest(events) == 0x510894107D54E0A7
    book._check()


@pytest.mark.parametrize("book_class", BOOKS)
def test_the_itch_stream_gives_its_published_digests(book_class):
    events = itch_stream(50_000)
    book = book_class()
    counts = book.apply(events)
    assert (counts.added, counts.cancelled, counts.unknown_order) == (29_955, 12_567, 7_478)
    assert book.digest() == 0xF54CE1B763823E87
    assert book.order_count == 17_388
    assert running_digest(events) == 0x3C15650FDF6C54C2
    assert replay_digest(events) == 0xD7A56FEDFA85CBC8
    book._check()
