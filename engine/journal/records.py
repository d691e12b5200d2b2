"""The journal's format: framing, record types, header and checkpoint.

    record  = u32 length LE, u32 CRC-32 (IEEE) LE over the payload, payload
    payload = u8 record type, u64 journal sequence LE (0, 1, 2 … over all records), body

Record 0 is the header (JSON); the body of every other record is one 64-byte `Command`. Thus every length
but the header's is known before it is read, and the header is on disk, whole, before its file gets its name
(writer.py). A length that is not the known one is damage and cannot be taken for a torn tail; any burst of
up to 32 flipped bits in CRC or payload fails the CRC. So one flipped byte is found wherever it is.

Framing as in flowlab.md section 10, which has no sequence in its records.
"""

from __future__ import annotations

import struct
import zlib
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

from engine.core.types import COMMAND_BYTES, Command, CommandKind

__all__ = [
    "FIRST_NOTE_KIND",
    "FORMAT_VERSION",
    "FRAME_BYTES",
    "MAX_HEADER_BYTES",
    "PAYLOAD_BYTES",
    "RECORD_BYTES",
    "SEGMENT_BYTES",
    "Checkpoint",
    "RecordType",
    "RunHeader",
    "decode_command",
    "decode_header",
    "encode_header",
    "encode_record",
    "segment_name",
    "split_frame",
    "split_payload",
]

FORMAT_VERSION = 1
SEGMENT_BYTES = 64 * 1024 * 1024
"""A segment is closed before it would grow beyond this."""
MAX_HEADER_BYTES = 16 * 1024 * 1024
"""Largest header payload; a scenario file is a few kB."""
FIRST_NOTE_KIND = 128
"""Commands of this kind and above change nothing and have no input sequence."""

_FRAME = struct.Struct("<II")
_PREFIX = struct.Struct("<BQ")
FRAME_BYTES = _FRAME.size
PAYLOAD_BYTES = _PREFIX.size + COMMAND_BYTES
"""Payload of every record but the header."""
RECORD_BYTES = FRAME_BYTES + PAYLOAD_BYTES
"""Bytes on disk of every record but the header."""
_U64 = (1 << 64) - 1


class RecordType(IntEnum):
    """What a record holds."""

    HEADER = 1
    INPUT = 2
    """A command, with its gap-free input sequence (1, 2, 3 …)."""
    CHECKPOINT = 3
    """State of the session at this point of the journal; not an input, command sequence 0."""
    END = 4
    """The last checkpoint; nothing follows it. A journal without it was cut off."""


class RunHeader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run was recorded from: with the inputs that follow, all that recomputing needs."""

    format_version: int = FORMAT_VERSION
    engine_version: str
    source_hash: str
    """engine.core.identity.engine_source_hash() of the engine that records."""
    scenario_name: str
    scenario_toml: str
    """The scenario file's full text."""
    seed: int
    source: str = "sim"
    """"sim" or the source file's name."""
    source_path: str | None = None
    """Where the source file was when the run was recorded."""
    source_sha256: str | None = None
    """Hex; the source is found again by this, wherever it lies then."""
    target: str = "none"
    """What the verdict is about, as after --target (engine/target/spec.py)."""
    targets: list[str] = []
    """All targets, the first included; empty: that one alone."""
    options: dict[str, Any] = {}
    """Further settings that the session's state depends on (JSON values)."""
    run_id: str = ""
    started_wall_ns: int = 0
    """Wall time at which recording began, ns since 1970; a label."""
    record_from_ns: int = 0
    """Session time at which recording began."""
    prologue_inputs: int = 0
    """Inputs that were accepted before recording began."""
    thresholds: dict[str, float | None] = {}
    """engine.recording.verdict.Thresholds, by field."""


class Checkpoint(NamedTuple):
    """State of a session at a session time; equal checkpoints mean equal histories."""

    time_ns: int
    event_count: int
    event_digest: int
    """u64, running digest over all public events so far."""
    book_digest: int
    """u64, canonical L2 digest of the book."""
    told_digest: int = 0
    """u64, running digest of what bots at the venue were told."""

    def as_command(self) -> Command:
        """The note that stands for it in the journal."""
        return Command(
            kind=CommandKind.CHECKPOINT,
            time_ns=self.time_ns,
            order_id=self.event_digest,
            price_ticks=_signed(self.book_digest),
            qty_lots=self.event_count,
            a=_signed(self.told_digest),
        )

    @classmethod
    def from_command(cls, note: Command) -> Checkpoint:
        """The checkpoint in a CHECKPOINT note."""
        return cls(note.time_ns, note.qty_lots, note.order_id, note.price_ticks & _U64, note.a & _U64)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word


def segment_name(first_sequence: int) -> str:
    """File name of the segment that begins with this journal sequence; names sort in order."""
    return f"{first_sequence:020d}.journal"


def encode_record(kind: RecordType, sequence: int, body: bytes) -> bytes:
    """One framed record."""
    payload = _PREFIX.pack(kind, sequence) + body
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def encode_header(header: RunHeader) -> bytes:
    """Record 0."""
    return encode_record(RecordType.HEADER, 0, msgspec.json.encode(header))


def split_frame(frame: bytes) -> tuple[int, int]:
    """(payload length, CRC-32) of a record's first FRAME_BYTES bytes."""
    length, crc = _FRAME.unpack(frame)
    return length, crc


def split_payload(payload: bytes, crc: int) -> tuple[int, int, bytes]:
    """(record type, journal sequence, body) of a payload; ValueError when the CRC is another one."""
    found = zlib.crc32(payload)
    if found != crc:
        raise ValueError(f"CRC-32 {found:08x} of the record is not the stored {crc:08x}")
    kind, sequence = _PREFIX.unpack_from(payload)
    return kind, sequence, payload[_PREFIX.size :]


def decode_header(body: bytes) -> RunHeader:
    """The header in record 0's body; ValueError when it is not one, or of another format version."""
    try:
        version = msgspec.json.decode(body, type=_Version).format_version
        if version == FORMAT_VERSION:
            return msgspec.json.decode(body, type=RunHeader)
    except msgspec.DecodeError as error:
        raise ValueError(f"the header cannot be read ({error})") from error
    raise ValueError(f"journal format {version}; this version reads format {FORMAT_VERSION}")


def decode_command(kind: int, body: bytes) -> Command:
    """The command of an INPUT, CHECKPOINT or END record; ValueError when body and type do not agree."""
    command = Command.unpack(body)
    expects_input = kind == RecordType.INPUT
    if not expects_input and kind not in (RecordType.CHECKPOINT, RecordType.END):
        raise ValueError(f"record type {kind} does not belong here")
    if expects_input != (command.kind < FIRST_NOTE_KIND):
        raise ValueError(f"a command of kind {command.kind} in a record of type {kind}")
    return command


class _Version(msgspec.Struct):
    """Only the version, so that a newer header is named instead of refused for its new fields."""

    format_version: int
