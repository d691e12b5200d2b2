"""The sending side of MoldUDP64: packets, heartbeats, the end, and answers, by an injected clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.feeds.transport.damage import DamageReason
from engine.feeds.transport.gaps import GapLimits
from engine.feeds.transport.mold_stream import END_NS, MAX_MESSAGE_BYTES, MAX_PACKET_BYTES, MoldStream
from engine.feeds.transport.moldudp64 import Packet, Request, pack_request, read_packet
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.sequencer import Sequencer
from tests.feeds.transport.wire import OTHER, SESSION, end, heartbeat, messages, numbers


def stream_of(count: int) -> tuple[MoldStream, RetainedMessages]:
    log = RetainedMessages()
    for content in messages(1, count):
        log.append(content)
    return MoldStream("STORM00042", log, now_ns=0), log


def sent(stream: MoldStream, now_ns: int = 0) -> list[Packet]:
    """All packets that are to go out now."""
    packets = []
    while (data := stream.next_packet(now_ns)) is not None:
        assert len(data) <= MAX_PACKET_BYTES
        packet = read_packet(data)
        assert isinstance(packet, Packet)
        packets.append(packet)
    return packets


def answered(stream: MoldStream, request: Request) -> Packet | None:
    data = stream.answer(pack_request(request))
    packet = read_packet(data) if data is not None else None
    assert packet is None or isinstance(packet, Packet)
    return packet


def test_messages_go_out_in_full_packets_numbered_from_1() -> None:
    stream, _ = stream_of(1_000)
    packets = sent(stream)
    assert numbers(packets) == [*range(1, 1_001)]
    assert all(len(packet.blocks) > MAX_PACKET_BYTES - 40 for packet in packets[:-1])
    assert packets[0].session == SESSION
    assert stream.is_sent


def test_what_comes_later_goes_out_at_once() -> None:
    stream, log = stream_of(0)
    assert sent(stream) == [heartbeat(1)]
    log.append(messages(1, 1)[0])
    assert numbers(sent(stream, 1)) == [1]


def test_messages_are_never_split() -> None:
    log = RetainedMessages()
    for _ in range(3):
        log.append(bytes(MAX_MESSAGE_BYTES))
    stream = MoldStream("STORM00042", log, now_ns=0)
    assert [packet.message_count for packet in sent(stream)] == [1, 1, 1]


def test_a_heartbeat_follows_a_second_of_silence() -> None:
    stream, log = stream_of(3)
    assert numbers(sent(stream, 5)) == [1, 2, 3]
    assert sent(stream, NS_PER_S + 4) == []
    assert sent(stream, NS_PER_S + 5) == [heartbeat(4)]
    assert sent(stream, 2 * NS_PER_S + 4) == []
    assert sent(stream, 2 * NS_PER_S + 5) == [heartbeat(4)]
    for content in messages(4, 2):
        log.append(content)
    assert numbers(sent(stream, 2 * NS_PER_S + 6)) == [4, 5]
    assert stream.due_ns == 3 * NS_PER_S + 6


def test_the_end_is_said_at_once_and_again() -> None:
    stream, log = stream_of(2)
    log.close()
    packets = sent(stream, 7)
    assert numbers(packets[:1]) == [1, 2]
    assert packets[1:] == [end(3)]
    assert sent(stream, 7 + END_NS - 1) == []
    assert sent(stream, 7 + END_NS) == [end(3)]


def test_requests_are_answered_with_what_fits_in_a_packet() -> None:
    stream, _ = stream_of(1_000)
    sent(stream)
    answer = answered(stream, Request(SESSION, 400, 300))
    assert answer is not None
    assert answer.sequence == 400
    assert 20 < answer.message_count < 300
    assert numbers([answer]) == [*range(400, 400 + answer.message_count)]
    answer = answered(stream, Request(SESSION, 1_000, 65_000))
    assert answer is not None
    assert numbers([answer]) == [1_000]
    answer = answered(stream, Request(SESSION, 5, 1))
    assert answer is not None
    assert numbers([answer]) == [5]


def test_nothing_is_given_that_was_not_sent_or_is_forgotten_or_not_asked_for() -> None:
    stream, log = stream_of(10)
    assert answered(stream, Request(SESSION, 1, 5)) is None
    sent(stream)
    log.append(b"not yet")
    assert answered(stream, Request(SESSION, 11, 5)) is None
    assert answered(stream, Request(SESSION, 1, 0)) is None
    assert answered(stream, Request(OTHER, 1, 5)) is None
    assert stream.answer(b"short") is None
    assert stream.answer(pack_request(Request(SESSION, 1, 1)) + b"x") is None
    counts = stream.statistics()
    assert (counts["requests"], counts["not_retained"], counts["other_session"]) == (4, 3, 1)
    assert stream.damage[DamageReason.HEADER_CUT_OFF] == stream.damage[DamageReason.TRAILING_BYTES] == 1
    assert counts["behind_messages"] == 1


@given(st.binary(max_size=40) | st.tuples(st.integers(1, 400), st.integers(0, 0xFFFF)))
def test_any_request_is_answered_with_what_was_sent_or_not_at_all(content: bytes | tuple[int, int]) -> None:
    stream, _ = stream_of(300)
    sent(stream)
    data = content if isinstance(content, bytes) else pack_request(Request(SESSION, *content))
    answer = stream.answer(data)
    if answer is not None:
        packet = read_packet(answer)
        assert isinstance(packet, Packet)
        assert numbers([packet])[-1] <= 300


def test_a_session_needs_a_name() -> None:
    with pytest.raises(UsageError, match="session name"):
        MoldStream("not a name", RetainedMessages(), now_ns=0)


@given(lost=st.sets(st.integers(0, 10)), lost_answers=st.sets(st.integers(0, 12)))
def test_a_receiver_that_asks_gets_all_of_it(lost: set[int], lost_answers: set[int]) -> None:
    """Sender and gap tracker together: whatever the network loses is asked for and given."""
    stream, log = stream_of(800)
    log.close()
    asked: list[Request] = []
    limits = GapLimits(ask_after_packets=1, ask_again_packets=1, attempts=50)
    receiver = Sequencer(limits=limits, request=asked.append)
    taken: list[int] = []
    for index, packet in enumerate(sent(stream)):
        if index not in lost:
            taken += numbers(receiver.take(packet))
    now_ns = answers = 0
    while not receiver.is_ended:
        now_ns += END_NS
        taken += numbers(ready for packet in sent(stream, now_ns) for ready in receiver.take(packet))
        while asked:
            answer = answered(stream, asked.pop())
            answers += 1
            if answer is not None and answers not in lost_answers:
                taken += numbers(receiver.take(answer))
    assert taken == [*range(1, 801)]
