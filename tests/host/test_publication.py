"""A published market is the market: in a file and over UDP, to the last event."""

from __future__ import annotations

import socket
from decimal import Decimal

import pytest

from engine.book.books import HotBooks
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Instrument, StormKind
from engine.feeds.itch.opening import open_itch_bytes
from engine.feeds.itch.stream import ItchStream
from engine.feeds.itch.writer import LOCATE
from engine.feeds.transport.addresses import parse_feed_url
from engine.feeds.transport.live import LiveFeed
from engine.host.live import LiveOptions, SessionHost
from engine.host.publication import Publication
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.storms import StormRequest
from tests.host.hosts import live

pytestmark = pytest.mark.usefixtures("machine_code")

SECONDS = 20
CRASH = StormRequest(StormKind.CRASH, 0.8, 5.0, start_ns=8 * NS_PER_S)


def run(folder, **options) -> SessionHost:
    host = live(folder, speed=None, storms=(CRASH,), until_ns=SECONDS * NS_PER_S, **options)
    host.run_to_end()
    return host


def assert_same_book(books: HotBooks, host: SessionHost) -> None:
    tick = int(host.session.exchange.instrument.tick_size * Decimal(10_000))
    for side in (0, 1):
        ours = [
            (level.price_ticks * tick, level.qty_lots, level.order_count)
            for level in host.session.exchange.book.levels(side)
        ]
        assert [tuple(level) for level in books.levels(LOCATE, side)] == ours
    counts = books.counts
    assert (counts.unknown_order, counts.rejected_duplicate, counts.rejected_side) == (0, 0, 0)


def read(path) -> tuple[HotBooks, ItchStream]:
    books = HotBooks()
    with open_itch_bytes(path) as data:
        stream = ItchStream(data)
        for part in stream:
            books.apply(part.decoded.rows)
    return books, stream


def test_a_file_of_a_storm_reads_back_as_the_market(tmp_path):
    plain = run(tmp_path / "plain")
    host = run(tmp_path / "published", publish=str(tmp_path / "storm.itch"))
    books, stream = read(tmp_path / "storm.itch")
    assert_same_book(books, host)
    assert host.session.exchange.log.digest == plain.session.exchange.log.digest
    by_letter = stream.decoder.by_letter
    assert (by_letter["S"], by_letter["R"], by_letter["H"]) == (6, 1, 1)
    assert stream.cut_off_bytes == 0
    assert list(tmp_path.glob("*.part")) == []


def test_publishing_may_begin_in_the_middle(tmp_path):
    host = live(tmp_path, speed=None, until_ns=SECONDS * NS_PER_S)
    host.session.advance(5 * NS_PER_S)
    from engine.host.publication import Publication

    publication = Publication(host.session, str(tmp_path / "late.itch"))
    publication.start()
    host.session.advance(10 * NS_PER_S)
    publication.close()
    assert publication.error is None
    assert_same_book(read(tmp_path / "late.itch")[0], host)


def test_receivers_of_udp_build_the_market(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"mold://127.0.0.1:{port}"
    feed = LiveFeed(parse_feed_url(url))
    feed.start()
    try:
        host = live(tmp_path, speed=None, until_ns=3 * NS_PER_S, publish=url)
        host.run_to_end()
        blocks = b""
        while not feed.is_over:
            assert feed.wait(20.0)
            blocks += b"".join(packet.blocks for packet in feed.drain())
        blocks += b"".join(packet.blocks for packet in feed.drain())
    finally:
        feed.stop()
    assert feed.error is None
    path = tmp_path / "received.itch"
    path.write_bytes(blocks)
    assert_same_book(read(path)[0], host)
    assert host.publication.error is None


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("somewhere", "name mold://HOST:PORT, or a file that ends in .itch"),
        ("ftp://127.0.0.1:1", "mold"),
        ("mold://192.0.2.1:5000", "--publish-anywhere"),
    ],
)
def test_other_destinations_are_refused(tmp_path, where, reason):
    with pytest.raises(UsageError, match=reason):
        live(tmp_path, publish=where)


def test_a_file_that_is_there_stays(tmp_path):
    path = tmp_path / "mine.itch"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there already"):
        live(tmp_path, publish=str(path))
    assert path.read_bytes() == b"mine"


def test_what_itch_cannot_hold_ends_publishing_not_the_market(tmp_path):
    host = live(tmp_path, speed=None, until_ns=3 * NS_PER_S, publish=str(tmp_path / "a.itch"))
    publication = host.publication
    publication._writer._tick = 1 << 33
    host.run_to_end()
    assert "32 bits" in publication.error
    assert host.session.now_ns == 3 * NS_PER_S
    assert any("not published any more" in alert.text for alert in host.frame().market.alerts)


def test_a_feed_stands_still_while_a_fault_says_so_and_a_file_goes_on(tmp_path):
    class Feed:
        error = None

        def __init__(self) -> None:
            self.blocks = b""
            self.closed = False

        def publish_blocks(self, blocks, count):
            self.blocks += blocks
            return True

        def close(self):
            self.closed = True

        def statistics(self):
            return {}

    session, feed = live(tmp_path).session, Feed()
    publication = Publication(session, str(tmp_path / "still.itch"), feed=feed)
    publication.start()
    for second in range(1, 5):
        session.broker.boundary.is_stale = second in (2, 3)
        before = len(feed.blocks)
        session.advance(second * NS_PER_S)
        session.exchange.hand_over_events()
        assert (len(feed.blocks) == before) == (second in (2, 3))
        assert (publication.statistics()["held_bytes"] > 0) == (second in (2, 3))
    publication.close()
    assert publication.error is None
    assert feed.closed
    assert (tmp_path / "still.itch").read_bytes().startswith(feed.blocks)


def test_a_market_that_itch_cannot_hold_goes_on_without_the_feed_and_says_so(tmp_path):
    instrument = Instrument("FINE", Decimal("0.00001"), Decimal("1"), "USD", 100)
    scenario = load_scenario("minimal")._replace(instrument=instrument)
    host = SessionHost(
        SessionConfig(scenario, seed=1), LiveOptions(runs_root=tmp_path, keep_itch=True, until_ns=NS_PER_S)
    )
    assert host.venue.itch_log is None
    assert "finer than ITCH" in str(host.feed_error)
    host.stop()


def test_a_kept_feed_is_the_file_that_is_published_at_the_same_time(tmp_path):
    host = run(tmp_path, publish=str(tmp_path / "a.itch"), keep_itch=True)
    log = host.venue.itch_log
    assert log is not None
    assert log.is_closed
    kept, sequence = b"", 1
    while sequence < log.next_sequence:
        part = log.read(sequence, 1 << 20)
        assert part is not None
        kept += part.blocks
        sequence += part.message_count
    written = (tmp_path / "a.itch").read_bytes()
    assert written.startswith(kept)
    assert len(written) - len(kept) <= 2, "a file ends with an empty block"
