"""Captures of MoldUDP64: sessions told apart, two lines of a feed merged, holes reported or stepped over."""

from __future__ import annotations

import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.core.errors import FeedGap
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.capture_feed import MAX_SESSIONS, CaptureFeed
from engine.feeds.transport.damage import DamageReason
from engine.feeds.transport.gaps import Gap, GapLimits
from engine.feeds.transport.moldudp64 import Request, pack_end_of_session, pack_heartbeat, pack_request
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations
from tests.feeds.transport.wire import GROUP, OTHER, SESSION, SOURCE, frame, numbers, packet_bytes, pcap

LINE_B = Address("233.54.12.112", 26478)


def feed_of(frames: Iterable[bytes], **options: object) -> CaptureFeed:
    return CaptureFeed(io.BytesIO(pcap(frames)), **options)  # type: ignore[arg-type]


def test_a_capture_gives_its_messages_in_sequence_with_their_times() -> None:
    feed = feed_of([frame(packet_bytes(5, 2)), frame(packet_bytes(9, 1)), frame(packet_bytes(7, 2))])
    packets = list(feed)
    assert numbers(packet for _, packet in packets) == [5, 6, 7, 8, 9]
    assert [time_ns for time_ns, _ in packets] == [
        second * NS_PER_S + 7_000 for second in (1_000, 1_002, 1_002)
    ]
    assert feed.statistics()["delivered"] == 5
    assert feed.statistics()["sessions"] == 1


def test_the_lines_of_a_feed_fill_each_others_holes() -> None:
    line_a = [packet_bytes(1, 2), packet_bytes(5, 2), pack_heartbeat(SESSION, 7)]
    line_b = [packet_bytes(1, 1), packet_bytes(2, 4), packet_bytes(6, 2), pack_end_of_session(SESSION, 8)]
    mixed = [frame(line_a[0]), frame(line_b[0], SOURCE, LINE_B), frame(line_a[1])]
    mixed += [frame(data, SOURCE, LINE_B) for data in line_b[1:]] + [frame(line_a[2])]
    feed = feed_of(mixed)
    assert numbers(packet for _, packet in feed) == [*range(1, 8)]
    assert feed.sequencers[SESSION].is_ended


def test_sessions_are_told_apart() -> None:
    feed = feed_of([frame(packet_bytes(1, 2)), frame(packet_bytes(40, 1, OTHER)), frame(packet_bytes(3, 1))])
    taken = [packet for _, packet in feed]
    assert numbers(packet for packet in taken if packet.session == SESSION) == [1, 2, 3]
    assert numbers(packet for packet in taken if packet.session == OTHER) == [40]
    assert list(feed.sequencers) == [SESSION, OTHER]


def test_sessions_are_limited() -> None:
    names = [b"S%09d" % index for index in range(MAX_SESSIONS + 3)]
    feed = feed_of(frame(packet_bytes(1, 1, name)) for name in names)
    assert len(list(feed)) == MAX_SESSIONS
    assert feed.damage[DamageReason.TOO_MANY_SESSIONS] == 3


def test_other_traffic_is_counted_with_the_offset_of_its_record() -> None:
    name_lookup = frame(b"\x12\x34\x01\x00\x00\x01" + bytes(20))
    request = frame(pack_request(Request(SESSION, 1, 5)), GROUP, SOURCE)
    feed = feed_of([name_lookup, frame(packet_bytes(1, 1)), request])
    assert len(list(feed)) == 1
    assert [(count.reason, count.first_offset) for count in feed.damage] == [
        (DamageReason.TRAILING_BYTES, 24),
        (DamageReason.IS_REQUEST, 24 + 16 + len(name_lookup) + 16 + len(frame(packet_bytes(1, 1)))),
    ]


def test_only_datagrams_to_a_port_can_be_asked_for() -> None:
    frames = [frame(packet_bytes(1, 1)), frame(packet_bytes(1, 1, OTHER), SOURCE, LINE_B)]
    feed = feed_of(frames, port=LINE_B.port)
    assert [packet.session for _, packet in feed] == [OTHER]
    assert feed.datagrams_elsewhere == 1


def test_a_hole_halts_with_the_sequences() -> None:
    feed = feed_of([frame(packet_bytes(1, 1)), frame(packet_bytes(3, 1))], where="day.pcap")
    taken = []
    with pytest.raises(FeedGap, match=r"day\.pcap: session 'STORM00042'") as raised:  # noqa: PT012 - what came before
        for _, packet in feed:
            taken += numbers([packet])
    assert taken == [1]
    assert (raised.value.expected, raised.value.got) == (2, 3)


def test_a_start_that_is_wanted_must_be_there() -> None:
    with pytest.raises(FeedGap):
        list(feed_of([frame(packet_bytes(3, 1))], start=1))
    assert numbers(packet for _, packet in feed_of([frame(packet_bytes(3, 1))], start=3)) == [3]


def test_holes_can_be_told_and_stepped_over() -> None:
    gaps: list[Gap] = []
    firsts = (1, 4, 5, 9, 12)
    datagrams = [*(packet_bytes(first, 1) for first in firsts), pack_heartbeat(SESSION, 20)]
    limits = GapLimits(patience_packets=2)
    feed = feed_of(map(frame, datagrams), on_gap=gaps.append, limits=limits)
    assert numbers(packet for _, packet in feed) == list(firsts)
    assert [(gap.expected, gap.got) for gap in gaps] == [(2, 4), (6, 9), (10, 12), (13, 20)]
    assert feed.statistics()["skipped"] == 2 + 3 + 2 + 7


@given(
    kept=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    room=st.integers(1, 12),
    patience=st.integers(1, 6),
)
def test_stepping_over_leaves_out_nothing_that_came_in_time(
    kept: list[int], room: int, patience: int
) -> None:
    gaps: list[Gap] = []
    limits = GapLimits(waiting_messages=room, patience_packets=patience)
    feed = feed_of(
        (frame(packet_bytes(first, 2)) for first in kept), start=1, limits=limits, on_gap=gaps.append
    )
    taken = numbers(packet for _, packet in feed)
    assert taken == sorted(set(taken))
    missing = [number for gap in gaps for number in range(gap.expected, gap.got)]
    assert sorted(taken + missing) == [*range(1, max(kept) + 2)]
    if kept == sorted(kept):
        assert set(taken) == {number for first in kept for number in (first, first + 1)}


CORPUS = [
    pcap(
        [
            frame(packet_bytes(1, 4)),
            frame(packet_bytes(9, 2)),
            frame(packet_bytes(5, 4)),
            frame(packet_bytes(1, 2, OTHER)),
            frame(pack_heartbeat(SESSION, 11)),
            frame(pack_end_of_session(OTHER, 3)),
        ]
    )
]


@pytest.mark.fuzz
def test_damaged_captures_give_messages_in_sequence_or_report_why_not() -> None:
    limits = GapLimits(patience_packets=2, waiting_messages=16)
    for data in mutations(CORPUS, 4, FUZZ_BUFFERS):
        gaps: list[Gap] = []
        expected: dict[bytes, int] = {}
        feed = CaptureFeed(io.BytesIO(data), limits=limits, on_gap=gaps.append)
        for _, packet in feed:
            assert packet.sequence >= expected.get(packet.session, 1)
            expected[packet.session] = packet.end
            assert len(packet.messages()) == packet.message_count
        counts = feed.statistics()
        assert counts.get("received", 0) == counts.get("delivered", 0) + counts.get(
            "duplicate", 0
        ) + counts.get("waiting", 0) + counts.get("dropped", 0)
