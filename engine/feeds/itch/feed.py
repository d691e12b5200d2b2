"""ITCH messages from files, pipes and live addresses as one kind of stream, for what reads them once.

Stop on the data path: in front of the stream reader (stream.py). Invariant: the stream is a BinaryFILE's
bytes, whole messages in sequence; where a hole ends it, `problem` says so.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from engine.core.clock import monotonic_ns
from engine.core.errors import StormdeskError, UsageError
from engine.feeds.files import STDIN, Report, file_sha256
from engine.feeds.itch.opening import open_itch_bytes
from engine.feeds.transport.addresses import parse_feed_url
from engine.feeds.transport.live import LiveFeed

__all__ = ["LIVE_SCHEMES", "ItchFeed", "open_itch_feed", "open_live_feed"]

LIVE_SCHEMES = ("mold://", "soup://")
WAIT_S = 0.1
"""How long a live feed is waited for at a time."""


class ItchFeed(NamedTuple):
    """ITCH messages, each behind its length, from wherever they come."""

    name: str
    sha256: str | None
    stream: BinaryIO
    problem: Callable[[], str | None]
    """Asked at the end: the hole at which the bytes ended."""
    again: Path | None = None
    """Where they can be read once more."""


@contextmanager
def open_itch_feed(path: Path, *, report: Report | None = None) -> Iterator[ItchFeed]:
    """A BinaryFILE or packet capture; STDIN too. Raises UsageError and DataError as `open_data` does."""
    is_pipe = path == STDIN
    sha256 = None if is_pipe else file_sha256(path)
    with open_itch_bytes(path, report=report) as data:
        name = "standard input" if is_pipe else path.name
        yield ItchFeed(name, sha256, data, lambda: data.gap, None if is_pipe else path)


@contextmanager
def open_live_feed(
    url: str,
    *,
    duration_ns: int | None,
    allow_remote: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], int] = monotonic_ns,
) -> Iterator[ItchFeed]:
    """A mold:// or soup:// address, until its session ends, `duration_ns` are over, or `stopped()`.

    Raises UsageError for an address that is none, beyond this machine without `allow_remote`, or that cannot
    be opened.
    """
    feed = LiveFeed(parse_feed_url(url), allow_remote=allow_remote)
    feed.start()
    try:
        if isinstance(feed.error, UsageError):
            raise feed.error
        until_ns = None if duration_ns is None else clock() + duration_ns
        frames = _LiveFrames(feed, lambda: stopped() or (until_ns is not None and clock() >= until_ns))
        yield ItchFeed(url, None, frames, frames.problem)  # type: ignore[arg-type]  # it is read with readinto
    finally:
        feed.stop()


class _LiveFrames(io.RawIOBase):
    """What a live feed brings, as a stream that ends with it."""

    def __init__(self, feed: LiveFeed, is_over: Callable[[], bool]) -> None:
        self._feed = feed
        self._is_over = is_over
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if self._is_over():
                return 0
            was_over = self._feed.is_over
            self._ready = b"".join(packet.blocks for packet in self._feed.drain())
            if not self._ready and was_over:
                return 0
            if not self._ready:
                self._feed.wait(WAIT_S)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size

    def problem(self) -> str | None:
        """Why the feed ended before its session did."""
        error: StormdeskError | None = self._feed.error
        return None if error is None else str(error)
