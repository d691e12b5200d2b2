"""The numbered messages of a session that is published: in memory first, then in a file, then forgotten.

Stop on the data path: between the engine thread, which appends, and the publishers' threads, which read; it
is their only queue. Invariant: an appended message can be read until it is forgotten, and none is forgotten
that a sender still has to send.

How nothing is lost and the engine never waits for the network: there is no queue that could be full.
Appending writes into memory; a segment of SEGMENT_BYTES that is complete, and older than the newest
`memory_bytes`, goes to a spill file (a temporary file without a name: it ends with the process), by the
thread that appends, in one write into the page cache, some 25 ns a message. Only when `spill_bytes` more are
full is the oldest half of the file forgotten, and re-requests for it get no answer any more (counted). What a
sender has not sent yet (`protect`) is never forgotten: if it lags that far behind, `append` waits until it
has gone on. That wait, like any other, is wall time and no session time: the messages and their order are the
same.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

from engine.core.clock import monotonic_ns
from engine.feeds.transport.moldudp64 import LENGTH_BYTES, MAX_COUNT, MAX_MESSAGE_BYTES
from engine.feeds.transport.segments import Run, Segment, SpillFile

__all__ = ["MEMORY_BYTES", "SEGMENT_BYTES", "SPILL_BYTES", "RetainedMessages"]

SEGMENT_BYTES = 1 << 20
"""Messages are kept, spilled and forgotten in pieces of about this size."""
MEMORY_BYTES = 64 << 20
"""Newest messages, in memory: about 1.7 million of ITCH."""
SPILL_BYTES = 4 << 30
"""Older ones, in a file: about 100 million."""
_LOADED_SEGMENTS = 4
"""Spilled segments that were read back and are kept."""
_FIRST = attrgetter("first")


class RetainedMessages:
    """The log of one session.

    Writing   append, append_blocks, close
    Reading   read, next_sequence, first_sequence, is_closed
    Senders   protect, on_append
    """

    def __init__(
        self,
        *,
        memory_bytes: int = MEMORY_BYTES,
        spill_bytes: int = SPILL_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        spill_folder: Path | None = None,
    ) -> None:
        """`spill_bytes` 0: memory only. `spill_folder` None: the system's folder for temporary files."""
        self.next_sequence = 1
        """Number of the next message."""
        self.is_closed = False
        self.spill_error: str | None = None
        """Why nothing is spilled any more; memory alone then retains."""
        self._memory_limit = memory_bytes
        self._spill_half = spill_bytes // 2
        self._segment_bytes = segment_bytes
        self._spill_folder = spill_folder
        self._changed = threading.Condition(threading.Lock())
        self._segments: list[Segment] = [Segment(1)]
        self._files: deque[SpillFile] = deque()
        self._loaded: deque[Segment] = deque()
        self._memory_bytes = 0
        self._protected: int | None = None
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._forgotten = self._waits = self._waited_ns = self._refused = 0

    @property
    def first_sequence(self) -> int:
        """Oldest message that can be read, or the next one."""
        return self._segments[0].first

    def append(self, message: bytes) -> bool:
        """One message; False (and counted) after `close`."""
        assert len(message) <= MAX_MESSAGE_BYTES
        return self.append_blocks(len(message).to_bytes(LENGTH_BYTES, "big") + message, 1)

    def append_blocks(self, blocks: bytes, count: int) -> bool:
        """`count` messages, each behind its 2-byte length: a piece of an ITCH file as it stands."""
        with self._changed:
            if self.is_closed:
                self._refused += count
                return False
            segment = self._segments[-1]
            segment.data += blocks
            segment.count += count
            self._memory_bytes += len(blocks)
            self.next_sequence += count
            if len(segment.data) >= self._segment_bytes:
                self._segments.append(Segment(self.next_sequence))
                self._make_room()
        for listener in self._listeners:
            listener()
        return True

    def read(self, sequence: int, max_bytes: int, max_count: int = MAX_COUNT) -> Run | None:
        """Messages from this one on, as many as fit (one at least); None when it is forgotten or to come."""
        run = self._read_segment(sequence, max_bytes, max_count, least=1)
        while run is not None and run.message_count < max_count:
            # It may have ended with its segment, and not because no more fits.
            end = sequence + run.message_count
            room, most = max_bytes - len(run.blocks), max_count - run.message_count
            more = self._read_segment(end, room, most, least=0) if room > 0 else None
            if more is None or more.message_count == 0:
                break
            run = Run(sequence, run.message_count + more.message_count, run.blocks + more.blocks)
        return run

    def protect(self, sequence: int) -> None:
        """Keep all from this message on: a sender has not sent it yet."""
        with self._changed:
            self._protected = sequence
            if self._waits:
                self._changed.notify_all()

    def on_append(self, listener: Callable[[], None]) -> None:
        """Call this after every append and at the end, in the thread that appends; it must be quick."""
        self._listeners = (*self._listeners, listener)

    def close(self) -> None:
        """The session is complete."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
        for listener in self._listeners:
            listener()

    def statistics(self) -> dict[str, int]:
        """Fill of memory and file with their limits, messages kept and forgotten, and waits for room."""
        with self._changed:
            return {
                "messages": self.next_sequence - 1,
                "kept": self.next_sequence - self.first_sequence,
                "forgotten": self._forgotten,
                "memory_bytes": self._memory_bytes,
                "memory_bytes_limit": self._memory_limit,
                "spilled_bytes": sum(file.size for file in self._files),
                "spilled_bytes_limit": 2 * self._spill_half,
                "waits": self._waits,
                "waited_ns": self._waited_ns,
                "refused": self._refused,
            }

    def _read_segment(self, sequence: int, max_bytes: int, max_count: int, *, least: int) -> Run | None:
        """Messages of the segment that holds this one."""
        with self._changed:
            segment = self._find(sequence)
            if segment is None:
                return None
            if segment.data or segment.file is None:
                return segment.read(sequence, max_bytes, max_count, least)
            file = segment.file
        data = file.load(segment.place, segment.size)  # the thread that appends does not wait for this
        with self._changed:
            if self._find(sequence) is not segment or len(data) < segment.size:
                return None
            segment.data = bytearray(data)
            self._loaded.append(segment)
            if len(self._loaded) > _LOADED_SEGMENTS:
                self._loaded.popleft().unload()
            return segment.read(sequence, max_bytes, max_count, least)

    def _find(self, sequence: int) -> Segment | None:
        if not self.first_sequence <= sequence < self.next_sequence:
            return None
        return self._segments[bisect_right(self._segments, sequence, key=_FIRST) - 1]

    def _make_room(self) -> None:
        """Spill or forget the oldest segments until memory is within its limit."""
        while self._memory_bytes > self._memory_limit and len(self._segments) > 1:
            oldest = next(segment for segment in self._segments if segment.file is None)
            if oldest is self._segments[-1] or self.is_closed:
                return
            if self._spill_half and self.spill_error is None:
                self._spill(oldest)
            else:
                self._forget(oldest)

    def _spill(self, segment: Segment) -> None:
        size = len(segment.data)
        try:
            if not self._files or self._files[-1].size + size > self._spill_half:
                if len(self._files) == 2 and not self._forget_file():
                    return
                self._files.append(SpillFile(self._spill_folder))
            file = self._files[-1]
            segment.place = file.append(segment.data)
        except OSError as error:
            self.spill_error = f"messages are no longer spilled: {error.strerror or error}"
            return
        segment.file = file
        segment.size = size
        segment.unload()
        self._memory_bytes -= size

    def _forget_file(self) -> bool:
        """Forget the older file and its segments, which are the oldest; False as `_forget`."""
        oldest = self._files[0]
        last = [segment for segment in self._segments if segment.file is oldest][-1]
        if not self._forget(last):
            return False
        self._files.popleft().close()
        return True

    def _forget(self, last: Segment) -> bool:
        """Forget the segments up to this one, once every sender has sent them; False: the session was closed
        before that, so there is no need for room any more."""
        behind = last.first + last.count
        if self._protected is not None and self._protected < behind:
            self._waits += 1
            started_ns = monotonic_ns()
            self._changed.wait_for(lambda: self.is_closed or (self._protected or behind) >= behind)
            self._waited_ns += monotonic_ns() - started_ns
            if (self._protected or behind) < behind:
                return False
        while self._segments[0].first < behind:
            oldest = self._segments.pop(0)
            self._forgotten += oldest.count
            if oldest.file is None:
                self._memory_bytes -= len(oldest.data)
        return True
