"""MoldUDP64 1.00: packets of numbered messages in UDP datagrams, read and made.

Stop on the data path: a datagram's payload in, a packet out. Invariant: `read_packet` answers any bytes with
a whole packet or with Damage, never with a part of one.

    session    10 bytes   name of the stream, alphanumeric
    sequence   u64 BE     number of the first message; messages of a session count from 1
    count      u16 BE     messages in the packet; 0 = heartbeat, 0xFFFF = end of session; in both the sequence
                          is that of the next message to come
    count times: length u16 BE, message

A request for retransmission is the same header alone, sent to the re-request server: the first message
wanted and how many.

The blocks are framed exactly like Nasdaq's BinaryFILE (2-byte length, message), so a decoder of such files
reads `Packet.blocks` as it stands: nothing is taken apart on the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from engine.core.errors import UsageError
from engine.feeds.transport.damage import Damage, DamageReason

__all__ = [
    "HEADER_BYTES",
    "LENGTH_BYTES",
    "MAX_COUNT",
    "MAX_MESSAGE_BYTES",
    "MAX_SEQUENCE",
    "SESSION_BYTES",
    "Packet",
    "Request",
    "frame_messages",
    "pack_end_of_session",
    "pack_heartbeat",
    "pack_packet",
    "pack_request",
    "read_packet",
    "read_request",
    "session_name",
    "split_blocks",
    "walk_blocks",
]

SESSION_BYTES = 10
HEADER_BYTES = 20
LENGTH_BYTES = 2
MAX_COUNT = 0xFFFE
"""Most messages in a packet, and most that one request can ask for."""
MAX_MESSAGE_BYTES = 0xFFFF
MAX_SEQUENCE = (1 << 64) - 1

_END_OF_SESSION = 0xFFFF
_HEADER = Struct(">10sQH")
_LENGTH = Struct(">H")


class Packet(NamedTuple):
    """A downstream packet: messages, a heartbeat (no messages) or the end of the session."""

    session: bytes
    sequence: int
    """Of the first message; without messages, of the next one to come."""
    message_count: int
    blocks: bytes
    """Each message behind its 2-byte length."""
    is_end: bool = False

    @property
    def end(self) -> int:
        """Sequence behind the last message."""
        return self.sequence + self.message_count

    def messages(self) -> list[bytes]:
        """The messages, each by itself."""
        return split_blocks(self.blocks)

    def without_first(self, count: int) -> Packet:
        """The packet from its message number `count` (counted from 0) on; `count` is less than all."""
        assert 0 <= count < self.message_count
        rest = self.blocks[walk_blocks(self.blocks, 0, count) :]
        return self._replace(
            sequence=self.sequence + count, message_count=self.message_count - count, blocks=rest
        )


class Request(NamedTuple):
    """A request for retransmission."""

    session: bytes
    sequence: int
    message_count: int


def read_packet(data: bytes) -> Packet | Damage:
    """The downstream packet that these bytes are, all of them."""
    size = len(data)
    if size < HEADER_BYTES:
        return Damage(DamageReason.HEADER_CUT_OFF, size)
    session, sequence, count = _HEADER.unpack_from(data)
    if count == 0 or count == _END_OF_SESSION:
        if size > HEADER_BYTES:
            return Damage(DamageReason.TRAILING_BYTES, HEADER_BYTES)
        return Packet(session, sequence, 0, b"", count == _END_OF_SESSION)
    if size == HEADER_BYTES:
        return Damage(DamageReason.IS_REQUEST, HEADER_BYTES)
    if sequence == 0 or sequence + count > MAX_SEQUENCE:
        return Damage(DamageReason.BAD_SEQUENCE, SESSION_BYTES)
    offset = HEADER_BYTES
    try:
        for _ in range(count):
            offset += LENGTH_BYTES + (data[offset] << 8 | data[offset + 1])
    except IndexError:
        offset = size + 1
    if offset > size:
        return Damage(DamageReason.BLOCKS_CUT_OFF, _start_of_cut_block(data))
    if offset < size:
        return Damage(DamageReason.TRAILING_BYTES, offset)
    return Packet(session, sequence, count, data[HEADER_BYTES:])


def _start_of_cut_block(data: bytes) -> int:
    """Where the block begins that the packet's end cuts off."""
    start = HEADER_BYTES
    while start + LENGTH_BYTES <= len(data):
        end = start + LENGTH_BYTES + (data[start] << 8 | data[start + 1])
        if end > len(data):
            break
        start = end
    return start


def read_request(data: bytes) -> Request | Damage:
    """The request for retransmission that these bytes are."""
    if len(data) < HEADER_BYTES:
        return Damage(DamageReason.HEADER_CUT_OFF, len(data))
    if len(data) > HEADER_BYTES:
        return Damage(DamageReason.TRAILING_BYTES, HEADER_BYTES)
    session, sequence, count = _HEADER.unpack(data)
    if sequence == 0:
        return Damage(DamageReason.BAD_SEQUENCE, SESSION_BYTES)
    return Request(session, sequence, count)


def split_blocks(blocks: bytes) -> list[bytes]:
    """The messages of whole, framed blocks."""
    messages = []
    offset = 0
    size = len(blocks)
    while offset < size:
        start = offset + LENGTH_BYTES
        offset = start + (blocks[offset] << 8 | blocks[offset + 1])
        messages.append(blocks[start:offset])
    return messages


def walk_blocks(blocks: bytes | bytearray, offset: int, count: int) -> int:
    """Where `count` blocks end that begin at `offset`; all of them must be there."""
    for _ in range(count):
        offset += LENGTH_BYTES + (blocks[offset] << 8 | blocks[offset + 1])
    return offset


def frame_messages(messages: Iterable[bytes]) -> bytes:
    """Messages, each behind its 2-byte length; none may exceed MAX_MESSAGE_BYTES."""
    pieces = []
    for message in messages:
        pieces.append(_LENGTH.pack(len(message)))
        pieces.append(message)
    return b"".join(pieces)


def pack_packet(session: bytes, sequence: int, count: int, blocks: bytes) -> bytes:
    """A packet of `count` framed messages, the first of which has this sequence."""
    assert len(session) == SESSION_BYTES
    assert 1 <= count <= MAX_COUNT
    return _HEADER.pack(session, sequence, count) + blocks


def pack_heartbeat(session: bytes, next_sequence: int) -> bytes:
    """A heartbeat: nothing to send, `next_sequence` comes next."""
    assert len(session) == SESSION_BYTES
    return _HEADER.pack(session, next_sequence, 0)


def pack_end_of_session(session: bytes, next_sequence: int) -> bytes:
    """The end of the session; its last message was `next_sequence` - 1."""
    assert len(session) == SESSION_BYTES
    return _HEADER.pack(session, next_sequence, _END_OF_SESSION)


def pack_request(request: Request) -> bytes:
    """A request for retransmission."""
    assert len(request.session) == SESSION_BYTES
    return _HEADER.pack(request.session, request.sequence, request.message_count)


def session_name(text: str) -> bytes:
    """The session field for this name: ASCII letters and digits, filled up with spaces on the right.

    Raises UsageError for another alphabet or more than 10 characters.
    """
    if not text or len(text) > SESSION_BYTES or not (text.isascii() and text.isalnum()):
        raise UsageError(f"{text!r} is no session name: it has 1 to {SESSION_BYTES} ASCII letters and digits")
    return text.encode("ascii").ljust(SESSION_BYTES)
