"""Capture files, pcap and pcapng -> UDP datagrams, as a stream: the file is never in memory.

Stop on the data path: the disk's edge of recorded exchange feeds. Invariant: any bytes are read to the end
without an exception; what cannot be used is counted with the file offset of its record, and reading goes on
behind it where the framing allows.

Where the framing allows: in both formats a record with bad content is stepped over by its length. A pcap
record whose length is none ends the file, for nothing in that format marks the next one. A pcapng block whose
length is none is followed by a search for the next section header, which the format has for that purpose.

Formats: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.txt, .../draft-ietf-opsawg-pcapng-02.txt.

dpkt reads these formats too. It is not used here: it raises at the first damage, without an offset, and
unpacks whole object trees; the tests use it as an independent witness.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO, Literal, NamedTuple

from engine.core.clock import NS_PER_S
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.damage import DamageCounts, DamageReason
from engine.feeds.transport.file_window import FileWindow
from engine.feeds.transport.frames import read_frame

__all__ = ["MAX_BLOCK_BYTES", "MAX_INTERFACES", "MAX_RECORD_BYTES", "CaptureReader", "Datagram", "is_capture"]

MAX_RECORD_BYTES = 1 << 18
"""Longest packet record; libpcap's own limit (MAXIMUM_SNAPLEN)."""
MAX_BLOCK_BYTES = 1 << 24
"""Longest pcapng block that is believed; libpcap's limit too. Blocks without packets are not held."""
MAX_INTERFACES = 4_096
"""Interfaces of a pcapng section."""

_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""Byte order, and ns per unit of the fraction."""
_SECTION_MAGIC = b"\n\r\r\n"
_BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_SECTION, _INTERFACE, _OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET = 0x0A0D0D0A, 1, 2, 3, 6
_PACKET_BLOCKS = (_OLD_PACKET, _SIMPLE_PACKET, _ENHANCED_PACKET)
_OPTION_RESOLUTION, _OPTION_OFFSET = 9, 14


class Datagram(NamedTuple):
    """One UDP datagram of a capture."""

    time_ns: int | None
    """Capture time since the Unix epoch; None where the file does not say (simple packet blocks), or says
    what is none."""
    source: Address
    destination: Address
    payload: bytes
    offset: int
    """Of its record in the file."""


def is_capture(head: bytes) -> bool:
    """Whether a file that begins so is a pcap or pcapng file; 12 bytes are enough."""
    return head[:4] in _PCAP_MAGIC or (head[:4] == _SECTION_MAGIC and head[8:12] in _BYTE_ORDERS)


class CaptureReader:
    """The datagrams of a capture, once, in file order: `for datagram in CaptureReader(stream)`.

    State   damage, records, datagrams, offset, statistics
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.damage = DamageCounts()
        """Everything that gave no datagram; other protocols are among it (NOT_IP, NOT_UDP)."""
        self.records = 0
        """Packet records."""
        self.datagrams = 0
        self._window = FileWindow(stream)

    def __iter__(self) -> Iterator[Datagram]:
        head = self._window.peek(4)
        if head in _PCAP_MAGIC:
            return self._pcap(*_PCAP_MAGIC[head])
        if head == _SECTION_MAGIC:
            return self._pcapng()
        self.damage.add(DamageReason.NOT_A_CAPTURE)
        return iter(())

    @property
    def offset(self) -> int:
        """How far the file was read."""
        return self._window.offset

    def statistics(self) -> dict[str, int]:
        """Records, datagrams, bytes read, and damage by reason."""
        return {
            "bytes": self.offset,
            "records": self.records,
            "datagrams": self.datagrams,
            **self.damage.statistics(),
        }

    def _pcap(self, order: str, fraction_ns: int) -> Iterator[Datagram]:
        window = self._window
        header = window.read(24)
        if len(header) < 24:
            self.damage.add(DamageReason.FILE_CUT_OFF)
            return
        link_type = Struct(order + "I").unpack_from(header, 20)[0] & 0xFFFF  # above it: length of check sums
        unpack_record = Struct(order + "IIII").unpack
        while True:
            start = window.offset
            head = window.read(16)
            if not head:
                return
            if len(head) < 16:
                self.damage.add(DamageReason.FILE_CUT_OFF, start)
                return
            seconds, fraction, length, _ = unpack_record(head)
            if length > MAX_RECORD_BYTES:
                self.damage.add(DamageReason.RECORD_TOO_LONG, start)
                return
            frame = window.read(length)
            if len(frame) < length:
                self.damage.add(DamageReason.FILE_CUT_OFF, start)
                return
            datagram = self._datagram(link_type, frame, seconds * NS_PER_S + fraction * fraction_ns, start)
            if datagram is not None:
                yield datagram

    def _pcapng(self) -> Iterator[Datagram]:
        window = self._window
        section = _Section("<")
        while head := window.peek(12):
            start = window.offset
            if head[:4] == _SECTION_MAGIC and len(head) == 12:
                order = _BYTE_ORDERS.get(head[8:])
                if order is None:
                    self.damage.add(DamageReason.BAD_SECTION, start)
                    self._find_section()
                    continue
                section = _Section(order)
            if len(head) < 12:
                self.damage.add(DamageReason.FILE_CUT_OFF, start)
                window.skip(12)
                return
            kind, length = section.two_words.unpack_from(head)
            if length % 4 or length < 12 or length > MAX_BLOCK_BYTES:
                self.damage.add(DamageReason.FRAMING_LOST, start)
                self._find_section()
                continue
            body = self._block(kind, length)
            if body is None:
                self.damage.add(DamageReason.FILE_CUT_OFF, start)
                return
            if section.word.unpack_from(body, len(body) - 4)[0] != length:
                self.damage.add(DamageReason.BAD_BLOCK_LENGTH, start)
            elif kind == _INTERFACE:
                reason = section.describe(body[8:-4])
                if reason is not None:
                    self.damage.add(reason, start)
            elif kind in _PACKET_BLOCKS:
                datagram = self._packet(kind, body[8:-4], section, start)
                if datagram is not None:
                    yield datagram

    def _block(self, kind: int, length: int) -> bytes | None:
        """A whole block, or its last word alone when nothing of it is wanted; None: the file ends in it."""
        if kind != _INTERFACE and kind not in _PACKET_BLOCKS:
            if not self._window.skip(length - 4):
                return None
            length = 4
        block = self._window.read(length)
        return block if len(block) == length else None

    def _find_section(self) -> None:
        """Moves to the next section header, or to the end."""
        window = self._window
        window.skip(4)
        while window.find(_SECTION_MAGIC) and window.peek(12)[8:] not in _BYTE_ORDERS:
            window.skip(4)

    def _packet(self, kind: int, body: bytes, section: _Section, start: int) -> Datagram | None:
        """The datagram in an enhanced, simple or old packet block."""
        content = section.packet(kind, body)
        if isinstance(content, DamageReason):
            self.records += 1
            self.damage.add(content, start)
            return None
        return self._datagram(*content, start)

    def _datagram(self, link_type: int, frame: bytes, time_ns: int | None, start: int) -> Datagram | None:
        self.records += 1
        content = read_frame(link_type, frame)
        if isinstance(content, DamageReason):
            self.damage.add(content, start)
            return None
        self.datagrams += 1
        return Datagram(time_ns, content.source, content.destination, content.payload, start)


class _Interface(NamedTuple):
    """One interface of a section."""

    link_type: int
    snap_length: int
    units_per_s: int
    offset_s: int


class _Section:
    """A pcapng section: its byte order and interfaces."""

    def __init__(self, order: str) -> None:
        self.order_name: Literal["little", "big"] = "little" if order == "<" else "big"
        self.word = Struct(order + "I")
        self.two_words = Struct(order + "II")
        self._half = Struct(order + "H")
        self._two_halves = Struct(order + "HH")
        self._five_words = Struct(order + "IIIII")
        self._interfaces: list[_Interface] = []

    def describe(self, body: bytes) -> DamageReason | None:
        """Takes an interface description block: link type, and how its times count."""
        if len(body) < 8:
            return DamageReason.BLOCK_TOO_SHORT
        if len(self._interfaces) >= MAX_INTERFACES:
            return DamageReason.TOO_MANY_INTERFACES
        units_per_s, offset_s = 1_000_000, 0
        at = 8
        while at + 4 <= len(body):
            code, size = self._two_halves.unpack_from(body, at)
            value = body[at + 4 : at + 4 + size]
            if code == 0 or len(value) < size:
                break
            if code == _OPTION_RESOLUTION and size == 1:
                units_per_s = 1 << (value[0] & 127) if value[0] & 128 else 10 ** value[0]
            elif code == _OPTION_OFFSET and size == 8:
                offset_s = int.from_bytes(value, self.order_name, signed=True)
            at += 4 + size + -size % 4
        link_type, snap_length = self._half.unpack_from(body)[0], self.word.unpack_from(body, 4)[0]
        self._interfaces.append(_Interface(link_type, snap_length, units_per_s, offset_s))
        return None

    def packet(self, kind: int, body: bytes) -> tuple[int, bytes, int | None] | DamageReason:
        """Link type, frame and time of a packet block."""
        if len(body) < (4 if kind == _SIMPLE_PACKET else 20):
            return DamageReason.BLOCK_TOO_SHORT
        number = high = low = captured = 0
        if kind != _SIMPLE_PACKET:
            number, high, low, captured, _ = self._five_words.unpack_from(body)
        if kind == _OLD_PACKET:
            number = self._half.unpack_from(body)[0]  # the other half counts drops
        if number >= len(self._interfaces):
            return DamageReason.UNKNOWN_INTERFACE
        link_type, snap_length, units_per_s, offset_s = self._interfaces[number]
        if kind == _SIMPLE_PACKET:
            # It gives the length on the wire only: captured is what snap length and block left of it.
            length = min(self.word.unpack_from(body)[0], snap_length or MAX_RECORD_BYTES, len(body) - 4)
            frame, time_ns = body[4 : 4 + length], None
        else:
            if captured > len(body) - 20:
                return DamageReason.BLOCK_TOO_SHORT
            frame = body[20 : 20 + captured]
            since_ns = (high << 32 | low) * NS_PER_S // units_per_s + offset_s * NS_PER_S
            time_ns = since_ns if 0 <= since_ns < 1 << 63 else None
        if len(frame) > MAX_RECORD_BYTES:
            return DamageReason.RECORD_TOO_LONG
        return link_type, frame, time_ns
