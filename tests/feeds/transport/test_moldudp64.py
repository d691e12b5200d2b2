"""MoldUDP64 packets: every field, every truncation, and any bytes at all."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import UsageError
from engine.feeds.transport.damage import Damage, DamageReason
from engine.feeds.transport.moldudp64 import (
    MAX_COUNT,
    MAX_SEQUENCE,
    Packet,
    Request,
    frame_messages,
    pack_end_of_session,
    pack_heartbeat,
    pack_packet,
    pack_request,
    read_packet,
    read_request,
    session_name,
    split_blocks,
)
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations, truncations
from tests.feeds.transport.wire import SESSION, messages, packet_bytes

FINDINGS = Path(__file__).parents[1] / "findings" / "transport"
CORPUS = [
    packet_bytes(1, 3),
    packet_bytes(7, 1),
    packet_bytes(1 << 40, 40),
    pack_packet(SESSION, 9, 4, frame_messages([b"", b"a", b"", b"A" * 300])),
    pack_heartbeat(SESSION, 12),
    pack_end_of_session(SESSION, 12),
    pack_request(Request(SESSION, 3, 9)),
]


def test_a_packet_is_session_sequence_count_and_framed_messages() -> None:
    data = b"STORM00042" + b"\0\0\0\0\0\0\x01\x02" + b"\0\x02" + b"\0\x03abc" + b"\0\0"
    packet = read_packet(data)
    assert packet == Packet(SESSION, 258, 2, b"\0\x03abc\0\0")
    assert isinstance(packet, Packet)
    assert packet.messages() == [b"abc", b""]
    assert packet.end == 260
    assert not packet.is_end
    assert pack_packet(SESSION, 258, 2, frame_messages([b"abc", b""])) == data


def test_a_heartbeat_and_the_end_carry_the_next_sequence_and_no_messages() -> None:
    assert read_packet(b"STORM00042" + b"\0\0\0\0\0\0\0\x05" + b"\0\0") == Packet(SESSION, 5, 0, b"")
    assert read_packet(b"STORM00042" + b"\0\0\0\0\0\0\0\x05" + b"\xff\xff") == Packet(
        SESSION, 5, 0, b"", True
    )
    assert read_packet(pack_heartbeat(SESSION, MAX_SEQUENCE)) == Packet(SESSION, MAX_SEQUENCE, 0, b"")
    assert read_packet(pack_end_of_session(SESSION, 1)) == Packet(SESSION, 1, 0, b"", True)


def test_a_packet_can_be_cut_at_a_message() -> None:
    packet = read_packet(packet_bytes(10, 5))
    assert isinstance(packet, Packet)
    rest = packet.without_first(3)
    assert (rest.sequence, rest.message_count, rest.messages()) == (13, 2, messages(13, 2))
    assert packet.without_first(0) == packet


@pytest.mark.parametrize("data", CORPUS)
def test_every_truncation_is_damage_within_the_packet(data: bytes) -> None:
    for cut in truncations(data):
        answer = read_packet(cut)
        if len(cut) == 20 and cut[18:] not in (b"\0\0", b"\xff\xff"):
            assert answer == Damage(DamageReason.IS_REQUEST, 20)
            continue
        assert isinstance(answer, Damage)
        assert answer.reason in (DamageReason.HEADER_CUT_OFF, DamageReason.BLOCKS_CUT_OFF)
        assert 0 <= answer.offset <= len(cut)


@pytest.mark.parametrize("data", CORPUS)
def test_bytes_behind_a_packet_are_damage(data: bytes) -> None:
    if data[18:20] == b"\0\x09":  # the request reads as a packet whose blocks are missing
        assert read_packet(data + b"x") == Damage(DamageReason.BLOCKS_CUT_OFF, 20)
    else:
        assert read_packet(data + b"x") == Damage(DamageReason.TRAILING_BYTES, len(data))


@pytest.mark.parametrize(("sequence", "count"), [(0, 1), (MAX_SEQUENCE, 1), (MAX_SEQUENCE - 2, 3)])
def test_messages_are_numbered_from_1_and_never_past_64_bits(sequence: int, count: int) -> None:
    data = struct.pack(">10sQH", SESSION, sequence, count) + b"\0\0" * count
    assert read_packet(data) == Damage(DamageReason.BAD_SEQUENCE, 10)


def test_the_largest_packet_of_a_datagram_is_read() -> None:
    count = (65_507 - 20) // 2
    answer = read_packet(pack_packet(SESSION, 1, count, b"\0\0" * count))
    assert isinstance(answer, Packet)
    assert answer.messages() == [b""] * count


def test_a_request_is_a_header_alone() -> None:
    request = Request(SESSION, 77, MAX_COUNT)
    assert pack_request(request) == SESSION + (77).to_bytes(8, "big") + b"\xff\xfe"
    assert read_request(pack_request(request)) == request
    assert read_packet(pack_request(request)) == Damage(DamageReason.IS_REQUEST, 20)
    for cut in truncations(pack_request(request)):
        assert read_request(cut) == Damage(DamageReason.HEADER_CUT_OFF, len(cut))
    assert read_request(pack_request(request) + b"\0") == Damage(DamageReason.TRAILING_BYTES, 20)
    assert read_request(pack_request(Request(SESSION, 0, 1))) == Damage(DamageReason.BAD_SEQUENCE, 10)


def test_a_session_name_is_filled_up_on_the_right() -> None:
    assert session_name("A1") == b"A1        "
    assert session_name("STORM00042") == SESSION


@pytest.mark.parametrize("name", ["", "ELEVENCHARS", "A B", "Ä", "a-b", "\x1b[2J"])
def test_other_session_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="session name"):
        session_name(name)


@given(
    sequence=st.integers(1, MAX_SEQUENCE - 100),
    contents=st.lists(st.binary(max_size=80), min_size=1, max_size=30),
)
def test_what_is_packed_is_read(sequence: int, contents: list[bytes]) -> None:
    blocks = frame_messages(contents)
    packet = read_packet(pack_packet(SESSION, sequence, len(contents), blocks))
    assert packet == Packet(SESSION, sequence, len(contents), blocks)
    assert isinstance(packet, Packet)
    assert packet.messages() == contents == split_blocks(blocks)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_packet_or_damage(data: bytes) -> None:
    check(data)


@given(st.binary(max_size=60), st.integers(0, 0xFFFF))
def test_any_blocks_are_a_packet_or_damage(blocks: bytes, count: int) -> None:
    check(struct.pack(">10sQH", SESSION, 5, count) + blocks)


@pytest.mark.parametrize("path", sorted(FINDINGS.glob("moldudp64-*.bin")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_found(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.fuzz
def test_damaged_packets_never_raise_and_never_give_half_a_packet() -> None:
    for data in mutations(CORPUS, 1, FUZZ_BUFFERS):
        check(data)


def check(data: bytes) -> None:
    """What is read is exactly what would be packed, and damage lies within the bytes."""
    packet = read_packet(data)
    if isinstance(packet, Damage):
        assert 0 <= packet.offset <= len(data)
    elif packet.message_count:
        contents = packet.messages()
        assert len(contents) == packet.message_count
        assert pack_packet(packet.session, packet.sequence, len(contents), frame_messages(contents)) == data
    else:
        pack = pack_end_of_session if packet.is_end else pack_heartbeat
        assert pack(packet.session, packet.sequence) == data
    request = read_request(data)
    if isinstance(request, Damage):
        assert 0 <= request.offset <= len(data)
    else:
        assert pack_request(request) == data
