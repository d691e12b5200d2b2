"""When snapshots are taken, and where they are kept: on disk by a recording, in memory by a replay.

The distance between two is measured in work, not in time: going on from the one before never takes longer
than WORK_BETWEEN, which is a fraction of a second, however busy or quiet the market. Snapshots change
nothing: with them or without, a session computes the same.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from pathlib import Path
from threading import Thread
from typing import NamedTuple

from engine.core.errors import SnapshotDamaged, UsageError
from engine.core.identity import engine_source_hash
from engine.image import SessionImage
from engine.journal.snapshot import decode_snapshot, encode_snapshot, list_snapshots, write_snapshot
from engine.session import Session

__all__ = ["SnapshotShelf", "SnapshotWriter", "work_of"]

WORK_BETWEEN = 400_000
"""Happenings between two snapshots: about a tenth of a second, compiled."""
PYTHON_WORK = 500
"""What a callback of Python counts for: it takes about as long as so many compiled happenings."""
BYTES_LIMIT = 512 * 1024 * 1024
"""What a recording's snapshots may take on disk, and a replay's in memory."""


def work_of(session: Session) -> int:
    """What the session has done so far."""
    return session.kernel.processed + PYTHON_WORK * session.kernel.python_calls


class SnapshotWriter:
    """Writes the snapshots of a recording, in a thread of its own, one at a time.

    A snapshot that is due while the last is still being written waits for the next call. The first failure
    ends the writing and is kept in `error`: the run is whole without snapshots.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._due_work = WORK_BETWEEN
        self._thread: Thread | None = None
        self.error: str | None = None
        self.written = 0
        self.bytes_written = 0
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            self.error = f"no snapshots: {error}"

    def keep_pace(self, session: Session) -> None:
        """Takes a snapshot when one is due."""
        work = work_of(session)
        if work < self._due_work or self.error is not None or (self._thread and self._thread.is_alive()):
            return
        self._due_work = work + WORK_BETWEEN
        try:
            image = session.image()
        except UsageError as error:
            self.error = str(error)
            return
        self._thread = Thread(target=self._write, args=(image,), name="snapshot", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Waits for the one that is being written."""
        if self._thread is not None:
            self._thread.join()

    def statistics(self) -> dict[str, int]:
        """Snapshots written, their bytes and the limit of those."""
        return {"written": self.written, "bytes": self.bytes_written, "limit": BYTES_LIMIT}

    def _write(self, image: SessionImage) -> None:
        try:
            path = write_snapshot(self._folder, image, engine_hash=engine_source_hash())
            self.bytes_written += path.stat().st_size
            self.written += 1
            if self.bytes_written > BYTES_LIMIT:
                self.error = f"snapshots take more than {BYTES_LIMIT} bytes: no more are written"
        except OSError as error:
            self.error = f"no more snapshots: {error}"


class _Kept(NamedTuple):
    time_ns: int
    data: bytes
    """Empty: it is on disk."""
    path: Path | None


class SnapshotShelf:
    """The snapshots that a replay can go on from: those of the run, and those it takes itself."""

    def __init__(self, folder: Path) -> None:
        self._kept: list[_Kept] = []
        self._bytes = 0
        self._due_work = WORK_BETWEEN
        self.unusable: str | None = None
        """Why a snapshot of the run could not be used, if one could not."""
        for time_ns, path in list_snapshots(folder):
            self._kept.append(_Kept(time_ns, b"", path))

    def keep_pace(self, session: Session) -> None:
        """Takes a snapshot when one is due and none is near."""
        work = work_of(session)
        if work < self._due_work:
            return
        self._due_work = work + WORK_BETWEEN
        if self._bytes > BYTES_LIMIT or any(kept.time_ns == session.now_ns for kept in self._kept):
            return
        data = encode_snapshot(session.image(), engine_hash=engine_source_hash())
        self._bytes += len(data)
        insort(self._kept, _Kept(session.now_ns, data, None), key=lambda kept: kept.time_ns)

    def latest(self, time_ns: int, *, after_ns: int) -> SessionImage | None:
        """The latest image in (after_ns, time_ns]; None when there is none."""
        while True:
            at = bisect_right(self._kept, time_ns, key=lambda kept: kept.time_ns) - 1
            if at < 0 or self._kept[at].time_ns <= after_ns:
                return None
            kept = self._kept[at]
            try:
                data = kept.data if kept.path is None else kept.path.read_bytes()
                return decode_snapshot(data, engine_hash=engine_source_hash(), where=str(kept.path))
            except (SnapshotDamaged, OSError) as error:
                self.unusable = str(error)
                del self._kept[at]

    def moved_to(self, session: Session) -> None:
        """The replay goes on from an image: the next snapshot is due WORK_BETWEEN after it."""
        self._due_work = work_of(session) + WORK_BETWEEN

    def statistics(self) -> dict[str, int]:
        """Snapshots at hand, bytes of those in memory, and their limit."""
        return {"snapshots": len(self._kept), "bytes": self._bytes, "limit": BYTES_LIMIT}
