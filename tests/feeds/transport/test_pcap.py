"""Capture files: both formats, both byte orders, every header on the way to UDP, and any damage."""

from __future__ import annotations

import gzip
import io
import struct
from collections.abc import Iterator
from pathlib import Path

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.damage import DamageCount, DamageReason
from engine.feeds.transport.frames import MAX_EXTENSION_HEADERS, MAX_VLAN_TAGS, UdpPayload, read_frame
from engine.feeds.transport.pcap import MAX_INTERFACES, MAX_RECORD_BYTES, CaptureReader, Datagram, is_capture
from engine.feeds.transport.pcap_writer import MAX_PAYLOAD_BYTES, CaptureWriter
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations, truncations
from tests.feeds.transport.wire import (
    GROUP,
    SOURCE,
    block,
    enhanced,
    ethernet,
    frame,
    interface,
    ipv4,
    ipv6,
    old_packet,
    option,
    pcap,
    section,
    simple,
    udp,
)

SIX = Address("2001:db8::1", 4001)
SIX_GROUP = Address("ff0e::1", 26477)
FRAMES = [frame(b"one"), frame(b""), frame(b"three" * 40)]
PAYLOADS = [b"one", b"", b"three" * 40]


def read(data: bytes) -> tuple[list[Datagram], CaptureReader]:
    reader = CaptureReader(io.BytesIO(data))
    return list(reader), reader


def damage_of(reader: CaptureReader) -> list[tuple[DamageReason, int, int]]:
    return [tuple(count) for count in reader.damage]


def carried(link_type: int, content: bytes) -> bytes | DamageReason:
    """The payload in a frame, or why there is none."""
    answer = read_frame(link_type, content)
    return answer.payload if isinstance(answer, UdpPayload) else answer


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit_ns"), [(0xA1B2C3D4, 1_000), (0xA1B23C4D, 1)])
def test_pcap_is_read_in_both_byte_orders_and_resolutions(order: str, magic: int, unit_ns: int) -> None:
    data = pcap(FRAMES, order=order, magic=magic)
    assert is_capture(data[:12])
    datagrams, reader = read(data)
    assert [datagram.payload for datagram in datagrams] == PAYLOADS
    assert [datagram.time_ns for datagram in datagrams] == [
        (1_000 + index) * NS_PER_S + 7 * unit_ns for index in range(3)
    ]
    assert datagrams[0].source == SOURCE
    assert datagrams[0].destination == GROUP
    assert [datagram.offset for datagram in datagrams] == [24, 24 + 16 + len(FRAMES[0]), 24 + 32 + 2 * 42 + 3]
    assert not list(reader.damage)
    assert reader.statistics() == {"bytes": len(data), "records": 3, "datagrams": 3}


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_in_both_byte_orders(order: str) -> None:
    data = section(order) + interface(order) + enhanced(FRAMES[0], order, units=1_700_000_000_123_456)
    data += block(5, bytes(12), order) + simple(FRAMES[1], order) + old_packet(FRAMES[2], order, units=9)
    assert is_capture(data[:12])
    datagrams, reader = read(data)
    assert [datagram.payload for datagram in datagrams] == PAYLOADS
    assert [datagram.time_ns for datagram in datagrams] == [1_700_000_000_123_456_000, None, 9_000]
    assert not list(reader.damage)


def test_sections_of_different_byte_order_follow_each_other() -> None:
    little = section("<") + interface("<") + enhanced(FRAMES[0], "<")
    big = (
        section(">")
        + interface(">")
        + interface(">", link_type=101)
        + enhanced(FRAMES[0][14:], ">", number=1)
    )
    datagrams, reader = read(little + big + little)
    assert [datagram.payload for datagram in datagrams] == [b"one"] * 3
    assert not list(reader.damage)


@pytest.mark.parametrize(
    ("resolution", "offset_s", "units", "time_ns"),
    [
        (9, None, 1_234_567_891, 1_234_567_891),
        (3, None, 1_500, 1_500_000_000),
        (0, None, 2, 2_000_000_000),
        (0x80 | 10, None, 1_536, 1_500_000_000),
        (0x80 | 0, None, 3, 3_000_000_000),
        (12, None, 1_999, 1),
        (6, 10, 5, 10_000_005_000),
        (6, -1, 1_000_000, 0),
        (6, -2, 1_000_000, None),
        (0, None, 1 << 40, None),
        (127, None, 1 << 63, 0),
        (255, None, 1 << 63, 0),
    ],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_an_interface_says_how_its_times_count(
    order: str, resolution: int, offset_s: int | None, units: int, time_ns: int | None
) -> None:
    options = option(2, b"eth0", order) + option(9, bytes((resolution,)), order)
    if offset_s is not None:
        options += option(14, struct.pack(order + "q", offset_s), order)
    options += option(0, b"", order) + option(9, b"\x00", order)  # behind the end of options: not one
    data = section(order) + interface(order, options=options) + enhanced(FRAMES[0], order, units=units)
    assert [datagram.time_ns for datagram in read(data)[0]] == [time_ns]


def test_a_simple_packet_ends_where_the_snap_length_cut_it() -> None:
    data = section() + interface(snap_length=20) + simple(FRAMES[2][:20], length=len(FRAMES[2]))
    datagrams, reader = read(data)
    assert datagrams == []
    assert damage_of(reader) == [(DamageReason.FRAME_CUT_OFF, 1, 28 + 20)]


@pytest.mark.parametrize(
    "tags", [(), (0x8100,), (0x88A8, 0x8100), (0x9100, 0x8100), (0x8100,) * MAX_VLAN_TAGS]
)
def test_vlan_tags_are_taken_off(tags: tuple[int, ...]) -> None:
    assert carried(1, ethernet(ipv4(udp(b"x")), tags=tags)) == b"x"


def test_more_tags_than_there_are_is_not_ip() -> None:
    assert carried(1, ethernet(ipv4(udp(b"x")), tags=(0x8100,) * (MAX_VLAN_TAGS + 1))) is DamageReason.NOT_IP


@pytest.mark.parametrize(
    ("link_type", "header"),
    [
        (101, b""),
        (228, b""),
        (12, b""),
        (113, bytes(14) + b"\x08\x00"),
        (113, bytes(14) + b"\x81\x00\x00\x05\x08\x00"),
        (276, b"\x08\x00" + bytes(18)),
        (276, b"\x81\x00" + bytes(18) + b"\x00\x05\x08\x00"),
        (0, b"\x02\0\0\0"),
        (0, b"\0\0\0\x02"),
        (108, b"\0\0\0\x02"),
    ],
)
def test_every_link_type_leads_to_ipv4(link_type: int, header: bytes) -> None:
    assert carried(link_type, header + ipv4(udp(b"payload"))) == b"payload"


@pytest.mark.parametrize(
    ("link_type", "header"),
    [
        (1, bytes(12) + b"\x86\xdd"),
        (101, b""),
        (229, b""),
        (113, bytes(14) + b"\x86\xdd"),
        (276, b"\x86\xdd" + bytes(18)),
        (0, b"\x18\0\0\0"),
        (0, b"\x1c\0\0\0"),
        (0, b"\0\0\0\x1e"),
        (108, b"\0\0\0\x1e"),
    ],
)
def test_every_link_type_leads_to_ipv6(link_type: int, header: bytes) -> None:
    content = header + ipv6(udp(b"payload", SIX, SIX_GROUP), SIX, SIX_GROUP)
    assert read_frame(link_type, content) == UdpPayload(SIX, SIX_GROUP, b"payload")


def test_ipv4_options_and_padding_are_taken_off() -> None:
    assert carried(1, ethernet(ipv4(udp(b"x"), options=b"\x01" * 40) + bytes(18))) == b"x"
    assert carried(1, ethernet(ipv4(udp(b"x") + b"padding within IP"))) == b"x"


def test_ipv6_extension_headers_are_taken_off() -> None:
    hop_by_hop, authentication = b"\x33\x01" + bytes(14), b"\x2c\x04" + bytes(22)
    atomic = b"\x3c\x00\x00\x00\0\0\0\x01"
    destination = b"\x11\x00" + bytes(6)
    content = hop_by_hop + authentication + atomic + destination + udp(b"x", SIX, SIX_GROUP)
    assert carried(229, ipv6(content, SIX, SIX_GROUP, next_header=0)) == b"x"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (ethernet(b"", 0x0806), DamageReason.NOT_IP),
        (ethernet(b"x" * 50, 0x0026), DamageReason.NOT_IP),
        (ethernet(ipv4(b"x" * 20, protocol=6)), DamageReason.NOT_UDP),
        (ethernet(ipv4(udp(b"x"), fragment=0x2000)), DamageReason.FRAGMENT),
        (ethernet(ipv4(b"x" * 30, fragment=0x0010)), DamageReason.FRAGMENT),
        (ethernet(ipv4(udp(b"x")))[:-1], DamageReason.FRAME_CUT_OFF),
        (ethernet(b"\x55" + ipv4(udp(b"x"))[1:]), DamageReason.BAD_IP),
        (ethernet(b"\x44" + ipv4(udp(b"x"))[1:]), DamageReason.BAD_IP),
        (ethernet(b"\x4f" + ipv4(udp(b"x"))[1:]), DamageReason.BAD_IP),
        (ethernet(ipv4(udp(b"xyz", length=7))), DamageReason.BAD_UDP),
        (ethernet(ipv4(udp(b"xyz", length=12))), DamageReason.BAD_UDP),
        (ethernet(ipv4(b"1234567")), DamageReason.BAD_UDP),
    ],
)
def test_a_frame_without_a_datagram_has_one_reason(content: bytes, reason: DamageReason) -> None:
    assert carried(1, content) is reason


@pytest.mark.parametrize(
    ("content", "next_header", "reason"),
    [
        (b"\x11\x00\x00\x08" + bytes(4) + udp(b"x"), 44, DamageReason.FRAGMENT),
        (b"\x11\x00\x00\x01" + bytes(4) + udp(b"x"), 44, DamageReason.FRAGMENT),
        (b"x" * 20, 6, DamageReason.NOT_UDP),
        (b"x" * 20, 59, DamageReason.NOT_UDP),
        (b"\x11\xff" + bytes(30), 0, DamageReason.BAD_IP),
        (b"\x11", 60, DamageReason.BAD_IP),
        ((b"\x00\x00" + bytes(6)) * MAX_EXTENSION_HEADERS, 0, DamageReason.BAD_IP),
        (b"1234567", 17, DamageReason.BAD_UDP),
    ],
)
def test_ipv6_without_a_datagram_has_one_reason(
    content: bytes, next_header: int, reason: DamageReason
) -> None:
    assert carried(229, ipv6(content, SIX, SIX_GROUP, next_header=next_header)) is reason


def test_a_version_that_does_not_fit_its_ethertype_is_bad() -> None:
    six = ipv6(udp(b"x"), SIX, SIX_GROUP)
    assert carried(1, ethernet(six)) is DamageReason.BAD_IP
    assert carried(1, ethernet(ipv4(udp(b"x" * 40)), 0x86DD)) is DamageReason.BAD_IP
    assert carried(101, b"\x50" + bytes(60)) is DamageReason.NOT_IP
    assert carried(0, b"\x07\0\0\0" + bytes(60)) is DamageReason.NOT_IP
    assert carried(147, bytes(60)) is DamageReason.UNKNOWN_LINK


@pytest.mark.parametrize(
    ("link_type", "content"),
    [
        (1, ethernet(ipv4(udp(b"x"), options=b"\x01" * 8), tags=(0x8100,))),
        (113, bytes(14) + b"\x08\x00" + ipv4(udp(b"x"))),
        (276, b"\x08\x00" + bytes(18) + ipv4(udp(b"x"))),
        (0, b"\x1e\0\0\0" + ipv6(b"\x11\x00" + bytes(6) + udp(b"x"), SIX, SIX_GROUP, next_header=60)),
        (101, ipv4(udp(b"x"))),
    ],
)
def test_every_truncation_of_a_frame_is_cut_off(link_type: int, content: bytes) -> None:
    assert carried(link_type, content) == b"x"
    for cut in truncations(content):
        assert carried(link_type, cut) is DamageReason.FRAME_CUT_OFF


@pytest.mark.parametrize("whole", [pcap(FRAMES), section() + interface() + b"".join(map(enhanced, FRAMES))])
def test_every_truncation_of_a_file_gives_the_records_before_it(whole: bytes) -> None:
    all_of_it = read(whole)[0]
    for cut in truncations(whole):
        datagrams, reader = read(cut)
        assert datagrams == all_of_it[: len(datagrams)]
        if len(cut) < 4:
            assert damage_of(reader) == [(DamageReason.NOT_A_CAPTURE, 1, 0)]
            continue
        assert reader.offset == len(cut)
        if damage_of(reader):  # otherwise it was cut between two records
            [(reason, times, offset)] = damage_of(reader)
            assert (reason, times) == (DamageReason.FILE_CUT_OFF, 1)
            assert offset <= len(cut)


def test_damage_is_told_with_the_offset_of_its_record_and_reading_goes_on() -> None:
    arp = ethernet(bytes(28), 0x0806)
    data = pcap([arp, FRAMES[0], arp, FRAMES[0][:30], FRAMES[1]])
    datagrams, reader = read(data)
    assert [datagram.payload for datagram in datagrams] == [b"one", b""]
    assert list(reader.damage) == [
        DamageCount(DamageReason.NOT_IP, 2, 24),
        DamageCount(DamageReason.FRAME_CUT_OFF, 1, 24 + 2 * (16 + 42) + 16 + 45),
    ]


def test_a_pcap_record_that_is_none_ends_the_file() -> None:
    good = pcap(FRAMES[:1])
    datagrams, reader = read(good + struct.pack("<IIII", 1, 1, MAX_RECORD_BYTES + 1, 1) + pcap(FRAMES)[24:])
    assert len(datagrams) == 1
    assert damage_of(reader) == [(DamageReason.RECORD_TOO_LONG, 1, len(good))]


@pytest.mark.parametrize("length", [0, 8, 13, (1 << 24) + 4, 0xFFFFFFFC])
def test_behind_a_block_that_is_none_the_next_section_is_found(length: int) -> None:
    before = section() + interface() + enhanced(FRAMES[0])
    broken = struct.pack("<II", 6, length) + b"\n\r\r\n" + enhanced(FRAMES[1])
    datagrams, reader = read(before + broken + section(">") + interface(">") + enhanced(FRAMES[2], ">"))
    assert [datagram.payload for datagram in datagrams] == [PAYLOADS[0], PAYLOADS[2]]
    assert damage_of(reader) == [(DamageReason.FRAMING_LOST, 1, len(before))]


def test_the_next_section_is_found_across_chunks_and_at_no_cost_of_memory() -> None:
    before = section() + struct.pack("<II", 6, 1)
    for filling in range(65_500, 65_560):
        data = before + b"\n\r\r\n" + bytes(filling) + section() + interface() + enhanced(FRAMES[0])
        assert [datagram.payload for datagram in read(data)[0]] == [b"one"]


def test_lengths_of_a_block_that_disagree_cost_that_block_only() -> None:
    broken = bytearray(enhanced(FRAMES[1]))
    broken[-4:] = b"\0\0\0\0"
    before = section() + interface()
    datagrams, reader = read(before + broken + enhanced(FRAMES[2]))
    assert [datagram.payload for datagram in datagrams] == [PAYLOADS[2]]
    assert damage_of(reader) == [(DamageReason.BAD_BLOCK_LENGTH, 1, len(before))]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (enhanced(FRAMES[0], number=1), DamageReason.UNKNOWN_INTERFACE),
        (old_packet(FRAMES[0], number=1), DamageReason.UNKNOWN_INTERFACE),
        (block(6, bytes(16)), DamageReason.BLOCK_TOO_SHORT),
        (block(3, b""), DamageReason.BLOCK_TOO_SHORT),
        (block(1, bytes(4)), DamageReason.BLOCK_TOO_SHORT),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 99, 99) + b"x" * 20), DamageReason.BLOCK_TOO_SHORT),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 1 << 19, 9) + bytes(1 << 19)), DamageReason.RECORD_TOO_LONG),
        (block(0x0A0D0D0A, b"????" + bytes(12)), DamageReason.BAD_SECTION),
    ],
)
def test_a_bad_block_is_counted_with_its_offset(broken: bytes, reason: DamageReason) -> None:
    before = section() + interface()
    _, reader = read(before + broken + section())
    assert damage_of(reader) == [(reason, 1, len(before))]


def test_a_simple_packet_without_an_interface_is_counted() -> None:
    assert damage_of(read(section() + simple(FRAMES[0]))[1]) == [(DamageReason.UNKNOWN_INTERFACE, 1, 28)]


def test_interfaces_are_limited() -> None:
    data = section() + interface() * (MAX_INTERFACES + 2) + enhanced(FRAMES[0], number=MAX_INTERFACES - 1)
    datagrams, reader = read(data)
    assert len(datagrams) == 1
    assert reader.damage[DamageReason.TOO_MANY_INTERFACES] == 2


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04" * 9, b"\x1f\x8b" + bytes(40)])
def test_another_file_is_not_a_capture(data: bytes) -> None:
    datagrams, reader = read(data)
    assert datagrams == []
    assert damage_of(reader) == [(DamageReason.NOT_A_CAPTURE, 1, 0)]
    assert not is_capture(data[:12])


class Dribble(io.RawIOBase):
    """A pipe that gives one to three bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._pieces = io.BytesIO(data)
        self._reads = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._reads += 1
        piece = self._pieces.read(min(len(buffer), 1 + self._reads % 3))
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("whole", [pcap(FRAMES), section() + interface() + b"".join(map(enhanced, FRAMES))])
def test_pipes_and_unpackers_are_read_like_files(whole: bytes) -> None:
    expected = read(whole)[0]
    assert list(CaptureReader(Dribble(whole))) == expected
    assert list(CaptureReader(io.BufferedReader(Dribble(whole)))) == expected
    with gzip.open(io.BytesIO(gzip.compress(whole))) as unpacked:
        assert list(CaptureReader(unpacked)) == expected


def test_the_writer_makes_files_with_right_checksums() -> None:
    stream = io.BytesIO()
    writer = CaptureWriter(stream)
    contents = [b"", b"a", b"ab", b"\xff\xff", bytes(40), b"x" * MAX_PAYLOAD_BYTES]
    for index, payload in enumerate(contents):
        writer.write(1_700_000_000_000_000_001 + index, SOURCE, GROUP, payload)
    datagrams, reader = read(stream.getvalue())
    assert [datagram.payload for datagram in datagrams] == contents
    assert [datagram.time_ns for datagram in datagrams] == [
        1_700_000_000_000_000_001 + index for index in range(len(contents))
    ]
    assert not list(reader.damage)
    assert writer.datagrams == len(contents)
    for _, data in dpkt.pcap.Reader(io.BytesIO(stream.getvalue())):
        packet = dpkt.ethernet.Ethernet(data).data
        assert checksum(bytes(packet)[:20]) == 0
        pseudo = packet.src + packet.dst + b"\0\x11" + struct.pack(">H", len(packet.data))
        assert checksum(pseudo + bytes(packet.data)) == 0


def test_a_group_has_its_ethernet_address() -> None:
    stream = io.BytesIO()
    CaptureWriter(stream).write(0, SOURCE, Address("239.255.1.2", 5), b"x")
    assert stream.getvalue()[40:46] == b"\x01\x00\x5e\x7f\x01\x02"


def checksum(data: bytes) -> int:
    """RFC 1071, word by word; 0 over data that holds its own right checksum."""
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def dpkt_datagrams(data: bytes) -> Iterator[tuple[int, str, int, bytes]]:
    """The same file through dpkt: time in us, source host, destination port, payload."""
    reader_type = dpkt.pcapng.Reader if data.startswith(b"\n\r\r\n") else dpkt.pcap.Reader
    reader = reader_type(io.BytesIO(data))
    kinds = {1: dpkt.ethernet.Ethernet, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2, 101: dpkt.ip.IP}
    for time, content in reader:
        packet = kinds[reader.datalink()](content)
        while not isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
            packet = packet.data
        host = dpkt.utils.inet_to_str(packet.src)
        yield round(float(time) * 1e6), host, packet.data.dport, bytes(packet.data.data)


@given(
    payloads=st.lists(st.binary(max_size=60), min_size=1, max_size=8),
    link_type=st.sampled_from([1, 101, 113, 276]),
    tags=st.lists(st.just(0x8100), max_size=2),
    is_pcapng=st.booleans(),
    order=st.sampled_from("<>"),
    is_v6=st.booleans(),
)
def test_dpkt_reads_the_same_datagrams(
    payloads: list[bytes], link_type: int, tags: list[int], is_pcapng: bool, order: str, is_v6: bool
) -> None:
    is_v6 = is_v6 and link_type != 101
    source, destination = (SIX, SIX_GROUP) if is_v6 else (SOURCE, GROUP)
    ethertype = 0x86DD if is_v6 else 0x0800
    make_ip = ipv6 if is_v6 else ipv4
    header = {
        1: ethernet(b"", ethertype, tuple(tags)),
        101: b"",
        113: b"\0\0\0\x01\0\x06" + bytes(8) + struct.pack(">H", ethertype),
        276: struct.pack(">H", ethertype) + bytes(6) + b"\0\x01\0\x06" + bytes(8),
    }[link_type]
    contents = [
        header + make_ip(udp(payload, source, destination), source, destination) for payload in payloads
    ]
    if is_pcapng:
        data = section(order) + interface(order, link_type=link_type)
        data += b"".join(enhanced(content, order, units=index) for index, content in enumerate(contents))
    else:
        data = pcap(contents, order=order, link_type=link_type, time=0)
    datagrams, reader = read(data)
    assert not list(reader.damage)
    ours = [
        ((datagram.time_ns or 0) // 1000, datagram.source.host, datagram.destination.port, datagram.payload)
        for datagram in datagrams
    ]
    assert ours == list(dpkt_datagrams(data))


FINDINGS = Path(__file__).parents[1] / "findings" / "transport"
CORPUS = [
    pcap(FRAMES),
    pcap(FRAMES, order=">", magic=0xA1B23C4D),
    pcap([ethernet(ipv4(udp(b"x"), options=b"\x01" * 8), tags=(0x88A8, 0x8100))]),
    pcap(
        [b"\x86\xdd" + bytes(18) + ipv6(b"\x11\x00" + bytes(6) + udp(b"x"), SIX, SIX_GROUP, next_header=0)],
        link_type=276,
    ),
    pcap([bytes(14) + b"\x08\x00" + ipv4(udp(b"x"))], link_type=113),
    pcap([b"\x02\0\0\0" + ipv4(udp(b"x"))], link_type=0),
    section()
    + interface(options=option(9, b"\x09") + option(14, bytes(8)))
    + enhanced(FRAMES[0], units=1 << 60),
    section(">") + interface(">", snap_length=96) + simple(FRAMES[2], ">") + old_packet(FRAMES[0], ">"),
    (section() + interface() + enhanced(FRAMES[1])) * 2 + block(10, b"secrets!") + enhanced(FRAMES[0]),
]


@given(st.sampled_from(CORPUS), st.binary(max_size=120))
def test_any_bytes_behind_a_head_are_read_to_the_end(good: bytes, rest: bytes) -> None:
    check(good[: 24 + len(rest) % 40] + rest)


@given(st.integers(0, 300), st.binary(max_size=120))
def test_any_frame_is_a_datagram_or_has_a_reason(link_type: int, content: bytes) -> None:
    for kind in (link_type, 0, 1, 101, 113, 276):
        answer = read_frame(kind, content)
        assert isinstance(answer, DamageReason) or answer.payload in content


@pytest.mark.parametrize("path", sorted(FINDINGS.glob("pcap-*.bin")), ids=lambda path: path.stem)
def test_what_was_found_once_stays_found(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.fuzz
def test_damaged_files_never_raise_and_are_read_to_the_end() -> None:
    for data in mutations(CORPUS, 2, FUZZ_BUFFERS):
        check(data)


def check(data: bytes) -> None:
    """All is read or counted, nothing is made up, and every offset lies in the file."""
    datagrams, reader = read(data)
    assert reader.offset <= len(data)
    assert len(datagrams) == reader.datagrams <= reader.records
    for datagram in datagrams:
        assert 0 <= datagram.offset < len(data)
        assert datagram.payload in data
        assert datagram.time_ns is None or 0 <= datagram.time_ns < 1 << 63
    for count in reader.damage:
        assert 0 <= count.first_offset <= len(data)
    stopped = reader.damage[DamageReason.RECORD_TOO_LONG] or reader.damage[DamageReason.NOT_A_CAPTURE]
    assert stopped or reader.offset == len(data)
