"""Where ITCH messages come from: a BinaryFILE, or a packet capture of MoldUDP64; both give the same bytes.

Stop on the data path: the disk's edge of the ITCH feed. Invariant: what is read is a BinaryFILE, message by
message in sequence; at a hole in a capture's sequence the bytes end, and the hole is told.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from engine.core.errors import FeedGap
from engine.feeds.files import Report, open_data
from engine.feeds.formats import is_packet_capture
from engine.feeds.transport.capture_feed import CaptureFeed

__all__ = ["ItchBytes", "itch_bytes_of", "open_itch_bytes"]


class ItchBytes(io.BufferedReader):
    """A stream of frames (two-byte length, message), and how its transport fared."""

    feed: CaptureFeed | None = None
    """The packets of a capture; None for a BinaryFILE."""
    gap: str | None = None
    """The hole in the sequence at which a capture's messages end."""


@contextmanager
def open_itch_bytes(path: Path, *, report: Report | None = None) -> Iterator[ItchBytes]:
    """The messages of a BinaryFILE or of a pcap or pcapng file, or of either on STDIN. Raises UsageError and
    DataError as `open_data` does."""
    with open_data(path, report=report) as data:
        yield itch_bytes_of(data, where=path.name)


def itch_bytes_of(data: BinaryIO, *, where: str) -> ItchBytes:
    """The messages in an open stream of either kind."""
    assert isinstance(data, io.BufferedReader)
    if not is_packet_capture(data.peek(4)[:4]):
        return ItchBytes(_Unbuffered(data), _BUFFER_BYTES)
    feed = CaptureFeed(data, where=where)
    packets = _Packets(feed)
    stream = packets.stream = ItchBytes(packets, _BUFFER_BYTES)
    stream.feed = feed
    return stream


_BUFFER_BYTES = 1 << 18


class _Unbuffered(io.RawIOBase):
    """A stream as raw bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.readinto(buffer)  # type: ignore[attr-defined,no-any-return]


class _Packets(io.RawIOBase):
    """The message blocks of packets, one after the other."""

    stream: ItchBytes

    def __init__(self, feed: CaptureFeed) -> None:
        self._packets = iter(feed)
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            try:
                timed = next(self._packets, None)
            except FeedGap as gap:
                self.stream.gap = str(gap)
                timed = None
            if timed is None:
                return 0
            self._ready = timed.packet.blocks
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size
