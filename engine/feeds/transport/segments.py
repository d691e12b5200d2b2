"""Pieces of a session's log: consecutive messages in memory, or in a spill file and perhaps read back.

Stop on the data path: inside the retained messages (retained.py), under their lock. Invariant: a segment's
messages are whole, and a message is found by its sequence without walking the segment.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from pathlib import Path
from typing import NamedTuple

from engine.feeds.transport.moldudp64 import LENGTH_BYTES, walk_blocks

__all__ = ["Run", "Segment", "SpillFile"]

INDEX_STEP = 32
"""Every so many messages their place is noted; reading walks from there."""


class Run(NamedTuple):
    """Consecutive messages."""

    sequence: int
    message_count: int
    blocks: bytes
    """Each behind its 2-byte length."""


class Segment:
    """Consecutive messages; in memory while `file` is None, and else perhaps read back."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.count = 0
        self.data = bytearray()
        self.file: SpillFile | None = None
        self.place = 0
        self.size = 0
        self._index = [0]
        """Places of messages first, first + INDEX_STEP, …"""
        self._next = (first, 0)
        """The message behind the last one read, and its place: most reads go on there."""

    def read(self, sequence: int, max_bytes: int, max_count: int, least: int) -> Run:
        start = self._place(sequence)
        data = self.data
        end = start
        count = 0
        most = min(max_count, self.first + self.count - sequence)
        while count < most:
            behind = end + LENGTH_BYTES + (data[end] << 8 | data[end + 1])
            if behind - start > max_bytes and count >= least:
                break
            end = behind
            count += 1
        self._next = (sequence + count, end)
        return Run(sequence, count, bytes(data[start:end]))

    def unload(self) -> None:
        """Give the memory back; the file has it."""
        self.data = bytearray()

    def _place(self, sequence: int) -> int:
        if sequence == self._next[0]:
            return self._next[1]
        step, rest = divmod(sequence - self.first, INDEX_STEP)
        while len(self._index) <= step:
            self._index.append(walk_blocks(self.data, self._index[-1], INDEX_STEP))
        return walk_blocks(self.data, self._index[step], rest)


class SpillFile:
    """A temporary file without a name that only grows; it goes with the object."""

    def __init__(self, folder: Path | None) -> None:
        self.size = 0
        with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
            self._descriptor = os.dup(file.fileno())
        self.close = weakref.finalize(self, os.close, self._descriptor)

    def append(self, data: bytearray) -> int:
        """Write behind the end; gives the place."""
        place = self.size
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.size)
            self.size += written
            view = view[written:]
        return place

    def load(self, place: int, size: int) -> bytes:
        """What is there. When the file was closed meanwhile it is nothing, or something else's: the caller
        looks whether the segment is still kept."""
        try:
            return os.pread(self._descriptor, size, place)
        except OSError:
            return b""
