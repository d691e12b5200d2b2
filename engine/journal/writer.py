"""Writes the journal: every input is here before its effect can be seen (stop 2 on the data path).

What each fsync policy can lose of the inputs that `commit` has taken:

    policy     process killed   power cut
    "always"   nothing          nothing: commit returns after its fsync
    "group"    nothing          those of the last GROUP_INTERVAL_NS of wall time and of the turn after it
    "os"       nothing          those that the system had not written by itself (Linux: up to about 30 s)

With every policy a segment that is full, the END record, and the name of a file are on the medium before
anything follows them. Before its commit an input is in this process alone. Without fsync a power cut may
also leave a hole before later bytes; the journal then reads up to the hole, which is named as damage.
Invariant: the file always is whole records with gap-free sequences, then at most one torn record.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import xxhash

from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.core.errors import RecordingFailed, UsageError
from engine.core.types import Command
from engine.journal.durable import create_exclusively, fsync_directory, lock_directory, write_all
from engine.journal.reader import JournalReader, TornTail
from engine.journal.records import (
    FIRST_NOTE_KIND,
    RECORD_BYTES,
    SEGMENT_BYTES,
    Checkpoint,
    RecordType,
    RunHeader,
    encode_header,
    encode_record,
    segment_name,
)

__all__ = ["FsyncPolicy", "JournalExtent", "JournalWriter"]

FsyncPolicy = Literal["always", "group", "os"]

GROUP_INTERVAL_NS = 20 * NS_PER_MS
"""With "group", at most one fsync in this much wall time."""
PENDING_LIMIT_BYTES = 256 * 1024
"""Records kept in this process before they go to the operating system without a commit."""


class JournalExtent(NamedTuple):
    """Size and digest of a journal's bytes, over all segments in order."""

    bytes: int
    xxh3: str
    """XXH3-64, 16 hex digits."""


class JournalWriter:
    """Appends inputs and checkpoints to a journal directory of its own.

    append, checkpoint    take a record (cheap; in this process)
    commit                hands them on, as durable as the policy says
    finish, close         the END record; or just stop
    reopen, torn          go on after a crash; what was cut off for it

    Every method raises RecordingFailed when the files cannot be written; the writer is then closed, and
    what is on disk stays readable.
    """

    _segment: int
    """Descriptor of the segment being written; -1 when closed."""
    _lock: int
    torn: TornTail | None
    """What `reopen` cut off: bytes after the last whole record. None when there were none."""

    def __init__(
        self,
        path: Path,
        header: RunHeader,
        *,
        fsync: FsyncPolicy = "group",
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Create the directory `path` (its parent exists, the name is free) with the header in it."""
        self._prepare(path, fsync, segment_bytes)
        with self._writing():
            path.mkdir()
            self._lock = lock_directory(path)
            self._create_with_header(encode_header(header))
        self._records = 1

    @classmethod
    def reopen(
        cls, path: Path, *, fsync: FsyncPolicy = "group", segment_bytes: int = SEGMENT_BYTES
    ) -> JournalWriter:
        """Go on after a crash: a torn tail is cut off (`torn` reports it), then records are appended after
        the last whole one.

        Raises JournalDamaged when the journal is damaged, UsageError when it has ended or is being written.
        """
        self = cls.__new__(cls)
        self._prepare(path, fsync, segment_bytes)
        try:
            self._lock = lock_directory(path)
        except BlockingIOError as error:
            raise UsageError(f"{path}: another process is writing this journal.") from error
        try:
            self._resume()
        except BaseException:
            self.close()
            raise
        return self

    def append(self, command: Command) -> None:
        """Take the next input; it may have its effect once `commit` has returned."""
        assert command.kind < FIRST_NOTE_KIND, "checkpoints have their own method"
        assert command.sequence == self._inputs + 1, "input sequences have no gaps"
        self._take(RecordType.INPUT, command)
        self._inputs += 1

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Take a checkpoint: the state after all inputs so far, at its time."""
        self._take(RecordType.CHECKPOINT, checkpoint.as_command())

    def commit(self) -> None:
        """Hand everything taken to the system; then fsync as the policy says.

        To be called once per turn, also without new records: a group's fsync may be waiting for its time.
        """
        self._flush()
        if not self._unsynced or self._policy == "os":
            return
        if self._policy == "always" or monotonic_ns() - self._synced_at_ns >= GROUP_INTERVAL_NS:
            self._sync()

    def finish(self, final: Checkpoint) -> JournalExtent:
        """Write the END record with the session's last state, make it durable, close."""
        self._take(RecordType.END, final.as_command())
        self._flush()
        self._sync()
        self.close()
        return self.extent

    def close(self) -> None:
        """Release the files. Without `finish` before it the journal stays a cut-off one."""
        for descriptor in (self._segment, self._lock):
            if descriptor >= 0:
                with contextlib.suppress(OSError):  # nothing more is to be written
                    os.close(descriptor)
        self._segment = self._lock = -1

    @property
    def extent(self) -> JournalExtent:
        """What has been handed to the operating system so far."""
        return JournalExtent(self._bytes, self._digest.hexdigest())

    def statistics(self) -> dict[str, int]:
        """Records and bytes so far, and how full the buffer before the next commit is."""
        return {
            "records": self._records,
            "inputs": self._inputs,
            "bytes": self._bytes,
            "segment_bytes": self._segment_size,
            "segment_bytes_limit": self._segment_limit,
            "pending_bytes": len(self._pending),
            "pending_bytes_limit": PENDING_LIMIT_BYTES,
            "fsyncs": self._fsyncs,
        }

    def _prepare(self, path: Path, fsync: FsyncPolicy, segment_bytes: int) -> None:
        assert segment_bytes >= RECORD_BYTES
        self.path = path
        self._policy = fsync
        self._segment_limit = segment_bytes
        self._segment = -1
        self._lock = -1
        self.torn = None
        self._segment_path = path
        self._segment_size = 0
        self._pending = bytearray()
        self._records = 0
        self._inputs = 0
        self._bytes = 0
        self._digest = xxhash.xxh3_64()
        self._unsynced = False
        self._synced_at_ns = 0
        self._fsyncs = 0

    def _create_with_header(self, record: bytes) -> None:
        """The first segment gets its name only with the header safe in it: a cut header cannot exist."""
        temporary = self.path / ".header.tmp"
        self._segment = create_exclusively(temporary)
        write_all(self._segment, record)
        os.fsync(self._segment)
        self._segment_path = self.path / segment_name(0)
        os.rename(temporary, self._segment_path)
        fsync_directory(self.path)
        fsync_directory(self.path.parent)
        self._count_bytes(record)

    def _resume(self) -> None:
        reader = JournalReader(self.path)
        for record in reader:
            self._inputs = record.inputs
            self._records = record.sequence + 1
        if reader.complete:
            raise UsageError(f"{self.path}: this journal has ended; a finished run is never continued.")
        self._records = max(self._records, 1)
        with self._writing():
            self._segment_path = reader.segments[-1]
            self._segment = os.open(self._segment_path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            if reader.torn is not None:
                os.ftruncate(self._segment, reader.torn.offset)
                os.fsync(self._segment)
            self.torn = reader.torn
            self._segment_size = os.fstat(self._segment).st_size
        self._bytes = reader.bytes
        self._digest = reader.digest

    def _take(self, kind: RecordType, command: Command) -> None:
        if self._segment < 0:
            raise RecordingFailed(f"{self.path}: the journal is closed.")
        if self._segment_size + len(self._pending) + RECORD_BYTES > self._segment_limit:
            self._rotate()
        elif len(self._pending) + RECORD_BYTES > PENDING_LIMIT_BYTES:
            self._flush()
        self._pending += encode_record(kind, self._records, command.pack())
        self._records += 1

    def _flush(self) -> None:
        if not self._pending:
            return
        with self._writing():
            write_all(self._segment, self._pending)
        self._count_bytes(self._pending)
        self._pending.clear()
        self._unsynced = True

    def _sync(self) -> None:
        with self._writing():
            os.fsync(self._segment)
        self._unsynced = False
        self._synced_at_ns = monotonic_ns()
        self._fsyncs += 1

    def _rotate(self) -> None:
        self._flush()
        self._sync()
        with self._writing():
            os.close(self._segment)
            self._segment = -1
            self._segment_path = self.path / segment_name(self._records)
            self._segment = create_exclusively(self._segment_path)
            fsync_directory(self.path)
        self._segment_size = 0

    def _count_bytes(self, data: bytes | bytearray) -> None:
        self._digest.update(data)
        self._bytes += len(data)
        self._segment_size += len(data)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turns an OSError into RecordingFailed. After a failed write or fsync nothing more is tried:
        the system may have dropped the pages, and a later success would hide the hole."""
        try:
            yield
        except OSError as error:
            self._drop_partial_record()
            self.close()
            raise RecordingFailed(
                f"{error.strerror or error}: {self._segment_path} cannot be written. "
                "What is on disk stays readable; mend that and record again."
            ) from error

    def _drop_partial_record(self) -> None:
        """Keep the whole records of an interrupted write; if that fails too, a reader sees a torn tail."""
        if self._segment < 0 or not self._pending:
            return
        with contextlib.suppress(OSError):
            written = os.fstat(self._segment).st_size - self._segment_size
            os.ftruncate(self._segment, self._segment_size + written // RECORD_BYTES * RECORD_BYTES)
