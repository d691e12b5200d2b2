"""A moving window over a byte stream: look ahead, step over, search. Files, pipes and unpackers alike.

Stop on the data path: under the capture reader. Invariant: memory is bounded by what is asked for at once
plus one chunk, and a pipe is never made to wait for more than what is asked for.
"""

from __future__ import annotations

from typing import BinaryIO

__all__ = ["CHUNK_BYTES", "FileWindow"]

CHUNK_BYTES = 1 << 16
"""Read at once from the stream at the most, when less is asked for."""


class FileWindow:
    """The stream from `offset` on.

    peek     bytes from here on, without moving
    read     the same, and moves behind them
    skip     moves without keeping
    find     moves to the next occurrence of a pattern
    """

    def __init__(self, stream: BinaryIO) -> None:
        # read1 gives what there is, where read would wait until all that was asked for is there.
        self._read_some = getattr(stream, "read1", stream.read)
        self._held = b""
        self._at = 0
        self._base = 0

    @property
    def offset(self) -> int:
        """Bytes of the stream before the window."""
        return self._base + self._at

    def peek(self, size: int) -> bytes:
        """The next `size` bytes; fewer only at the end of the stream."""
        if len(self._held) - self._at < size:
            self._fill(size)
        return self._held[self._at : self._at + size]

    def read(self, size: int) -> bytes:
        """The next `size` bytes, and moves behind them; fewer only at the end of the stream."""
        data = self.peek(size)
        self._at += len(data)
        return data

    def skip(self, size: int) -> bool:
        """Moves `size` bytes on; False when the stream ends before."""
        while size > 0:
            step = len(self.read(min(size, CHUNK_BYTES)))
            if not step:
                return False
            size -= step
        return True

    def find(self, pattern: bytes) -> bool:
        """Moves to where `pattern` next occurs, here included; False (and at the end) when it does not."""
        while True:
            found = self._held.find(pattern, self._at)
            if found >= 0:
                self._at = found
                return True
            self._at = max(self._at, len(self._held) - len(pattern) + 1)
            held = len(self._held) - self._at
            self._fill(held + 1)
            if len(self._held) == held:
                self._at = held
                return False

    def _fill(self, size: int) -> None:
        """Holds `size` bytes from here on, if the stream has them."""
        pieces = [self._held[self._at :]]
        self._base += self._at
        self._at = 0
        missing = size - len(pieces[0])
        while missing > 0 and (data := self._read_some(max(missing, CHUNK_BYTES))):
            pieces.append(data)
            missing -= len(data)
        self._held = b"".join(pieces)
