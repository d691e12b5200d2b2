"""Reads a journal back, record by record in bounded memory, and locates every damage.

A tail is torn when the file ends inside its last record, or in zeros that were never written, from a record
or from a sector within a record on (a power cut can leave the length of a file without its content).
Everything else that is not a whole, right record is damage: JournalDamaged, with the file and the offset of
the record. Nothing is ever skipped, and nothing is left out without `torn`, which says where and how much.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import xxhash

from engine.core.errors import JournalDamaged
from engine.core.types import Command
from engine.journal.records import (
    FRAME_BYTES,
    MAX_HEADER_BYTES,
    PAYLOAD_BYTES,
    RECORD_BYTES,
    Checkpoint,
    RecordType,
    RunHeader,
    decode_command,
    decode_header,
    segment_name,
    split_frame,
    split_payload,
)

__all__ = ["JournalContents", "JournalReader", "JournalRecord", "TornTail", "find_torn_tail", "read_journal"]

_SEGMENT = re.compile(r"\d{20}\.journal")
_CHUNK_BYTES = 1 << 16
_SECTOR_BYTES = 512
"""Disks write whole sectors: what was never written begins at one."""


class TornTail(NamedTuple):
    """Bytes after the last whole record."""

    path: str
    offset: int
    bytes: int

    def __str__(self) -> str:
        return f"{self.path}: torn tail, {self.bytes} bytes cut off at byte {self.offset}"


class JournalRecord(NamedTuple):
    """One record after the header."""

    sequence: int
    """Journal sequence."""
    kind: RecordType
    command: Command
    inputs: int
    """Inputs up to and including this record."""
    path: str
    offset: int

    @property
    def checkpoint(self) -> Checkpoint:
        """Of a CHECKPOINT or END record."""
        return Checkpoint.from_command(self.command)


@dataclass(frozen=True, slots=True)
class JournalContents:
    """A journal in memory."""

    header: RunHeader
    commands: list[Command]
    """The inputs, in order."""
    checkpoints: list[tuple[int, Checkpoint]]
    """(inputs before it, checkpoint), in order; that of the END record is the last."""
    complete: bool
    """Whether it ends with an END record."""
    torn: TornTail | None


def read_journal(path: Path) -> JournalContents:
    """The whole journal (64 bytes an input and more, in memory; `JournalReader` iterates instead).

    Raises JournalDamaged, or OSError when the files cannot be read.
    """
    reader = JournalReader(path)
    commands: list[Command] = []
    checkpoints: list[tuple[int, Checkpoint]] = []
    for record in reader:
        if record.kind == RecordType.INPUT:
            commands.append(record.command)
        else:
            checkpoints.append((record.inputs, record.checkpoint))
    return JournalContents(reader.header, commands, checkpoints, reader.complete, reader.torn)


def find_torn_tail(path: Path) -> TornTail | None:
    """What `JournalReader.torn` would say, from the last record that was written: cheap for any length.

    Blind for damage before that one. Raises JournalDamaged for it and for a missing header, or OSError.
    """
    reader = JournalReader(path)
    segment = reader.segments[-1]
    end = reader.header_bytes if len(reader.segments) == 1 else 0
    with segment.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        written = _written_bytes(file, size)
        if written > end:
            end += (written - 1 - end) // RECORD_BYTES * RECORD_BYTES
            file.seek(end)
            data = file.read(RECORD_BYTES)
            if _is_whole(data):
                end += RECORD_BYTES
            elif not _was_cut_off(data, file, end):
                raise JournalDamaged(str(segment), offset=end, reason="the last record is not whole")
    return TornTail(str(segment), end, size - end) if end < size else None


class JournalReader:
    """Iterates over the records of a journal directory, or of one that is a single file.

    `header`, `header_bytes` and `segments` are there at once; `complete`, `torn`, `bytes` and `digest` after
    a full iteration (they describe the whole records). Each iteration reads the files anew.
    """

    def __init__(self, path: Path) -> None:
        """Open the journal and read its header; raises JournalDamaged."""
        self.path = path
        self.segments = _list_segments(path)
        self.header = self._read_header()
        self._begin()

    def __iter__(self) -> Iterator[JournalRecord]:
        self._begin()
        for index, segment in enumerate(self.segments):
            if index and segment.name != segment_name(self._sequence):
                raise JournalDamaged(
                    str(segment), offset=0, reason=f"a segment is missing: record {self._sequence} comes next"
                )
            with segment.open("rb") as file:
                yield from self._read_segment(file, segment, is_last=index == len(self.segments) - 1)

    def _begin(self) -> None:
        self.complete = False
        self.torn: TornTail | None = None
        self.bytes = 0
        self.digest = xxhash.xxh3_64()
        self._sequence = 0
        self._inputs = 0
        self._time_ns = 0

    def _read_header(self) -> RunHeader:
        segment = self.segments[0]
        with segment.open("rb") as file:
            frame = file.read(FRAME_BYTES)
            payload = self._header_payload(file, segment, frame)
            self.header_bytes = len(frame) + len(payload)
            try:
                kind, sequence, body = split_payload(payload, split_frame(frame)[1])
                if (kind, sequence) != (RecordType.HEADER, 0):
                    raise ValueError(f"record {sequence} of type {kind} where the header belongs")
                return decode_header(body)
            except ValueError as error:
                raise JournalDamaged(str(segment), offset=0, reason=str(error)) from error

    def _header_payload(self, file: BinaryIO, segment: Path, frame: bytes) -> bytes:
        room = os.fstat(file.fileno()).st_size - FRAME_BYTES
        length = split_frame(frame)[0] if len(frame) == FRAME_BYTES else 0
        if not 9 < length <= min(room, MAX_HEADER_BYTES):
            # Never a torn tail: the file has its name only since the header is on the medium.
            reason = f"the header's length reads {length}, with {max(room, 0)} bytes after it"
            raise JournalDamaged(str(segment), offset=0, reason=reason)
        return file.read(length)

    def _read_segment(self, file: BinaryIO, segment: Path, *, is_last: bool) -> Iterator[JournalRecord]:
        size = os.fstat(file.fileno()).st_size
        offset = 0
        while offset < size:
            record = None
            if self._sequence == 0:
                data = file.read(self.header_bytes)
            else:
                data = file.read(RECORD_BYTES)
                record = self._check(file, segment, offset, data)
            if self.torn is not None:
                if not is_last:
                    raise JournalDamaged(
                        str(segment), offset=offset, reason="cut off within an inner segment"
                    )
                return
            self.digest.update(data)
            self.bytes += len(data)
            self._sequence += 1
            offset += len(data)
            if record is not None:
                yield record

    def _check(self, file: BinaryIO, segment: Path, offset: int, data: bytes) -> JournalRecord | None:
        """The record in `data`; None with `torn` set when the file was never written further."""
        try:
            if self.complete:
                raise ValueError("bytes after the END record")
            kind, sequence, body = _split_record(data)
            if sequence != self._sequence:
                raise ValueError(f"journal sequence {sequence}, must be {self._sequence}")
            command = decode_command(kind, body)
            self._check_order(command, is_input=kind == RecordType.INPUT)
        except ValueError as error:
            if not self.complete and not _is_whole(data) and _was_cut_off(data, file, offset):
                self.torn = TornTail(str(segment), offset, segment.stat().st_size - offset)
                return None
            raise JournalDamaged(str(segment), offset=offset, reason=str(error)) from error
        self.complete = kind == RecordType.END
        return JournalRecord(sequence, RecordType(kind), command, self._inputs, str(segment), offset)

    def _check_order(self, command: Command, *, is_input: bool) -> None:
        expected = self._inputs + 1 if is_input else 0
        if command.sequence != expected:
            raise ValueError(f"input sequence {command.sequence}, must be {expected}")
        if command.time_ns < self._time_ns:
            raise ValueError(f"time goes back from {self._time_ns} ns to {command.time_ns} ns")
        self._time_ns = command.time_ns
        self._inputs += is_input


def _list_segments(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    try:
        names = sorted(name for name in os.listdir(path) if _SEGMENT.fullmatch(name))
    except FileNotFoundError:
        names = []
    if not names or names[0] != segment_name(0):
        raise JournalDamaged(str(path), offset=0, reason="the first segment is missing")
    return [path / name for name in names]


def _split_record(data: bytes) -> tuple[int, int, bytes]:
    """(record type, journal sequence, body); ValueError when these bytes are no whole record."""
    if len(data) >= FRAME_BYTES:
        length, crc = split_frame(data[:FRAME_BYTES])
        if length != PAYLOAD_BYTES:
            raise ValueError(f"record length {length}, must be {PAYLOAD_BYTES}")
        if len(data) == RECORD_BYTES:
            return split_payload(data[FRAME_BYTES:], crc)
    raise ValueError(f"{len(data)} of {RECORD_BYTES} bytes")


def _is_whole(data: bytes) -> bool:
    try:
        _split_record(data)
    except ValueError:
        return False
    return True


def _was_cut_off(data: bytes, file: BinaryIO, offset: int) -> bool:
    """Whether the bytes at `offset`, no whole record, are what a crash can leave of one.

    Either the file ends in them, or it is zeros to its end, from them or a sector that begins in them on.
    `file` is read on from behind them.
    """
    if len(data) < RECORD_BYTES and (
        len(data) < FRAME_BYTES or split_frame(data[:FRAME_BYTES])[0] == PAYLOAD_BYTES
    ):
        return True
    sector = -offset % _SECTOR_BYTES
    unwritten = data[sector if sector < len(data) else 0 :]
    while unwritten:
        if any(unwritten):
            return False
        unwritten = file.read(_CHUNK_BYTES)
    return True


def _written_bytes(file: BinaryIO, size: int) -> int:
    """Bytes up to the last that is not zero."""
    while size:
        start = max(0, size - _CHUNK_BYTES)
        file.seek(start)
        written = len(file.read(size - start).rstrip(b"\0"))
        if written:
            return start + written
        size = start
    return 0
