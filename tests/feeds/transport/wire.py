"""Bytes for the transport's tests: messages, packets, frames and capture files, built field by field."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from ipaddress import ip_address

from engine.feeds.transport.addresses import Address
from engine.feeds.transport.moldudp64 import Packet, frame_messages, pack_packet

SESSION = b"STORM00042"
OTHER = b"STORM00043"
SOURCE = Address("10.0.0.1", 4001)
GROUP = Address("233.54.12.111", 26477)


def message(number: int) -> bytes:
    """Message `number`; no two are equal, and their lengths differ."""
    return b"%d" % number + b"x" * (number % 7)


def messages(first: int, count: int) -> list[bytes]:
    return [message(number) for number in range(first, first + count)]


def packet(first: int, count: int, session: bytes = SESSION) -> Packet:
    """A packet of messages `first` to `first + count - 1`."""
    return Packet(session, first, count, frame_messages(messages(first, count)))


def packet_bytes(first: int, count: int, session: bytes = SESSION) -> bytes:
    return pack_packet(session, first, count, frame_messages(messages(first, count)))


def heartbeat(expected: int, session: bytes = SESSION) -> Packet:
    return Packet(session, expected, 0, b"")


def end(expected: int, session: bytes = SESSION) -> Packet:
    return Packet(session, expected, 0, b"", True)


def numbers(packets: Iterable[Packet]) -> list[int]:
    """The sequences of all messages, after a look at whether each message is the one that it claims to be."""
    found = []
    for ready in packets:
        contents = ready.messages()
        assert len(contents) == ready.message_count
        for offset, content in enumerate(contents):
            assert content == message(ready.sequence + offset)
            found.append(ready.sequence + offset)
    return found


def udp(
    payload: bytes, source: Address = SOURCE, destination: Address = GROUP, length: int | None = None
) -> bytes:
    size = 8 + len(payload) if length is None else length
    return struct.pack(">HHHH", source.port, destination.port, size, 0) + payload


def ipv4(
    content: bytes,
    source: Address = SOURCE,
    destination: Address = GROUP,
    *,
    protocol: int = 17,
    options: bytes = b"",
    fragment: int = 0,
) -> bytes:
    header = 5 + len(options) // 4
    total = header * 4 + len(content)
    ends = ip_address(source.host).packed + ip_address(destination.host).packed
    return (
        struct.pack(">BBHHHBBH", 0x40 | header, 0, total, 7, fragment, 64, protocol, 0)
        + ends
        + options
        + content
    )


def ipv6(content: bytes, source: Address, destination: Address, *, next_header: int = 17) -> bytes:
    ends = ip_address(source.host).packed + ip_address(destination.host).packed
    return struct.pack(">IHBB", 6 << 28, len(content), next_header, 64) + ends + content


def ethernet(content: bytes, ethertype: int = 0x0800, tags: tuple[int, ...] = ()) -> bytes:
    """A frame; `tags` are the ethertypes of VLAN tags, outermost first."""
    types = [*tags, ethertype]
    return (
        bytes(12)
        + b"".join(struct.pack(">HH", kind, 5) for kind in types[:-1])
        + struct.pack(">H", types[-1])
        + content
    )


def frame(payload: bytes, source: Address = SOURCE, destination: Address = GROUP) -> bytes:
    """An Ethernet frame with this datagram."""
    return ethernet(ipv4(udp(payload, source, destination), source, destination))


def pcap(
    frames: Iterable[bytes],
    *,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    link_type: int = 1,
    time: int = 1_000,
) -> bytes:
    """A pcap file; frame i is captured at `time` + i seconds and 7 units."""
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65_535, link_type)
    for index, content in enumerate(frames):
        data += struct.pack(order + "IIII", time + index, 7, len(content), len(content)) + content
    return data


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str = "<", *, link_type: int = 1, snap_length: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snap_length) + options, order)


def enhanced(content: bytes, order: str = "<", *, number: int = 0, units: int = 0) -> bytes:
    head = struct.pack(order + "IIIII", number, units >> 32, units & 0xFFFFFFFF, len(content), len(content))
    return block(6, head + content, order)


def simple(content: bytes, order: str = "<", *, length: int | None = None) -> bytes:
    return block(3, struct.pack(order + "I", len(content) if length is None else length) + content, order)


def old_packet(content: bytes, order: str = "<", *, number: int = 0, units: int = 0) -> bytes:
    head = struct.pack(
        order + "HHIIII", number, 9, units >> 32, units & 0xFFFFFFFF, len(content), len(content)
    )
    return block(2, head + content, order)
