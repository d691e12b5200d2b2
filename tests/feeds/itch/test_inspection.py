"""What is said of a file of ITCH is what a plain reading of it finds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from engine.feeds.itch.inspection import ItchFacts, clock_text, inspect_itch
from engine.feeds.itch.messages import MESSAGES, AddOrder, OrderDelete, OrderExecuted, SystemEvent
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.moldudp64 import pack_end_of_session, pack_packet
from engine.feeds.transport.pcap_writer import CaptureWriter
from tests.feeds.itch.days import framed, itch_day
from tests.feeds.itch.oracle import PlainFeed, messages_of
from tests.feeds.transport.wire import SESSION, SOURCE

SHARED = Path(__file__).parents[3] / "../shared/data/itch50_2019"
GROUP = Address("239.1.2.3", 5_000)


def inspected(tmp_path: Path, data: bytes) -> ItchFacts:
    path = tmp_path / "a.itch"
    path.write_bytes(data)
    return inspect_itch(path)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_is_described_as_a_plain_reading_finds_it(tmp_path: Path, seed: int) -> None:
    day = itch_day(5_000, stocks=15, seed=seed)
    facts, plain = inspected(tmp_path, day.data), PlainFeed()
    plain.take(day.data)
    letters = Counter(message.letter for message in messages_of(day.data) if message is not None)
    assert facts.by_type == {f"{x} {MESSAGES[x].title}": letters[x] for x in MESSAGES if letters[x]}
    assert facts.messages == letters.total() == day.messages
    times = [row[0] for row in plain.rows]
    assert (facts.first_time, facts.last_time) == (clock_text(min(times)), clock_text(max(times)))
    seconds = Counter(time_ns // 1_000_000_000 for time_ns in times)
    assert facts.rate_peak == max(seconds.values())
    assert (facts.stocks_listed, facts.stocks_active) == (15, len(plain.books))
    assert facts.live_orders == sum(book.order_count for book in plain.books.values())
    assert (facts.unknown_orders, facts.rejected, facts.crossed_books) == (0, 0, 0)
    by_stock = Counter(
        message.locate
        for message in messages_of(day.data)
        if message is not None and message.letter in "AFECXDUPQ"
    )
    for stock in facts.busiest:
        book = plain.books[stock.locate]
        assert stock.digest == f"{book.digest():#018x}"
        assert stock.messages == by_stock[stock.locate]
        assert stock.levels_bid == book.level_count(0)
        assert stock.best_bid == (None if book.best_bid is None else f"{book.best_bid / 10_000:.4f}")
    assert [stock.messages for stock in facts.busiest] == sorted(by_stock.values(), reverse=True)[:10]
    assert [text.split(" ", 1)[1] for text in facts.day] == [
        "start of messages", "start of system hours", "start of market hours",
        "end of market hours", "end of system hours", "end of messages",
    ]  # fmt: skip


def test_damage_is_counted_with_its_first_place(tmp_path: Path) -> None:
    good = framed([SystemEvent(0, 0, 5, "O")])
    facts = inspected(tmp_path, good * 9 + b"\0\4zabc" + b"\0\4Sabc" + b"\0\0" + good + b"\0\x0cS12")
    assert (facts.unknown_type, facts.wrong_length, facts.cut_off_bytes) == (2, 1, 5)
    assert facts.first_damage_offset == 9 * len(good)
    assert facts.messages == 13
    assert (facts.first_time, facts.rate_mean, facts.rate_peak_at) == (None, None, None)


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    add = AddOrder(7, 0, 1_000_000_000, 5, "B", 100, "ABC", 123_400)
    rest = [OrderExecuted(7, 0, 2, 99, 1, 1), OrderDelete(7, 0, 3, 98), add, add]
    facts = inspected(tmp_path, framed([add, *rest]))
    assert (facts.unknown_orders, facts.rejected, facts.live_orders) == (2, 2, 1)
    (stock,) = facts.busiest
    assert (stock.symbol, stock.best_bid, stock.best_ask) == ("ABC", "12.3400", None)


def capture(path: Path, data: bytes, *, without: int | None = None) -> int:
    """The messages as packets of ten; gives how many packets."""
    frames = [framed([message]) for message in messages_of(data) if message is not None]
    packets = [frames[at : at + 10] for at in range(0, len(frames), 10)]
    with path.open("wb") as stream:
        writer = CaptureWriter(stream)
        for number, part in enumerate(packets):
            if number != without:
                packet = pack_packet(SESSION, 10 * number + 1, len(part), b"".join(part))
                writer.write(number, SOURCE, GROUP, packet)
        writer.write(len(packets), SOURCE, GROUP, b"not a packet")
        writer.write(len(packets), SOURCE, GROUP, pack_end_of_session(SESSION, len(frames) + 1))
    return len(packets)


def test_a_packet_capture_is_described_as_the_file_that_was_sent(tmp_path: Path) -> None:
    day = itch_day(2_000, stocks=5)
    packets = capture(tmp_path / "a.pcap", day.data)
    sent, seen = inspected(tmp_path, day.data), inspect_itch(tmp_path / "a.pcap")
    assert seen.transport is not None
    assert seen.transport["delivered"] == day.messages
    assert seen.transport["sessions"] == 1
    assert seen.transport["datagrams"] == packets + 2
    assert seen.books_digest == sent.books_digest
    assert (seen.by_type, seen.busiest, seen.gap) == (sent.by_type, sent.busiest, None)


def test_a_hole_in_a_packet_capture_ends_the_reading_and_is_told(tmp_path: Path) -> None:
    day = itch_day(2_000, stocks=5)
    capture(tmp_path / "a.pcap", day.data, without=30)
    facts = inspect_itch(tmp_path / "a.pcap")
    assert facts.messages == 300
    assert facts.gap is not None
    assert "301" in facts.gap


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/itch50_2019 is not there")
@pytest.mark.parametrize(
    ("name", "messages", "counts"),
    [
        ("20191230_first1000_directory.itch", 1_000, {"S": 1, "R": 993, "H": 3, "Y": 3}),
        ("20191230_0400_book500.itch", 500, {"A": 495, "D": 4, "U": 1}),
        ("20191230_two_per_type.itch", 12, {"A": 2, "D": 2, "U": 2, "X": 2, "E": 2, "C": 2}),
    ],
)
def test_real_files_hold_what_their_manifest_says(name: str, messages: int, counts: dict[str, int]) -> None:
    facts = inspect_itch(SHARED / name)
    assert facts.messages == messages
    assert {text[0]: count for text, count in facts.by_type.items()} == counts
    assert facts.stocks_listed == counts.get("R", 0)
    if "book500" in name:
        assert (facts.live_orders, facts.unknown_orders) == (491, 0)
    if "two_per" in name:
        assert facts.unknown_orders == 9
