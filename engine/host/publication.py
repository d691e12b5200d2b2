"""Publishing a session's market as ITCH 5.0: over MoldUDP64, into a file, into a log, while it runs.

Stop on the data path: the way out, behind the exchange's public events. Invariant: the market is the same
with it and without it; every event goes out once, in order, or publishing ends with the reason.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from engine.book.interface import EventArray
from engine.broker.boundary import Boundary
from engine.core.errors import DataError, UsageError
from engine.feeds.itch.writer import ItchWriter, framed
from engine.feeds.transport.addresses import parse_publish_url
from engine.feeds.transport.publisher import MoldPublisher
from engine.session import Session

if TYPE_CHECKING:
    from engine.venue.ouch.itch_server import RetainedFeed

__all__ = ["Publication", "check_destination"]

SESSION_NAME = "STORMDESK"
HELD_LIMIT_BYTES = 64 << 20
"""Messages held back while public data stand still; beyond, they are published before their time."""


class Destination(Protocol):
    """Where framed messages go."""

    @property
    def error(self) -> str | None:
        """What went wrong on the way, if anything."""

    def publish_blocks(self, blocks: bytes, count: int) -> bool: ...

    def close(self) -> None: ...

    def statistics(self) -> dict[str, int]: ...


class Publication:
    """One session on its way out.

    start, close      of the session's side
    error, statistics
    """

    def __init__(
        self,
        session: Session,
        where: str | None,
        *,
        allow_remote: bool = False,
        feed: RetainedFeed | None = None,
    ) -> None:
        """`where`: mold://HOST:PORT, or the path of an .itch file; `feed`: a log for others to serve. Either
        or both. Raises UsageError for any other place, for an address beyond this machine without
        `allow_remote`, for a file that is there already, and for an instrument that ITCH cannot hold."""
        self.where = where
        self.error: str | None = None
        """Why publishing has ended, if it has."""
        self._session = session
        self._writer = ItchWriter(session.exchange.instrument)
        self._outs: list[Destination] = [] if feed is None else [_LiveFeed(feed, session.broker.boundary)]
        if where is not None:
            out = _destination(where, allow_remote=allow_remote)
            self._outs.append(out if isinstance(out, _File) else _LiveFeed(out, session.broker.boundary))
        self._messages = 0

    def start(self) -> None:
        """Publish the opening messages, what rests already, and from now on every event."""
        exchange = self._session.exchange
        self._send(self._writer.opening(self._session.now_ns))
        self._send(self._writer.standing(self._session.now_ns, exchange.book.resting_orders()))
        exchange.watch_events(self._take)

    def close(self) -> None:
        """Publish the closing messages and end."""
        if self.error is None:
            self._session.exchange.hand_over_events()
        self._session.exchange.watch_events(None)
        if self.error is None:
            with contextlib.suppress(DataError):
                self._send(self._writer.closing(self._session.now_ns))
        for out in self._outs:
            try:
                out.close()
            except OSError as error:
                self._end(f"{self.where}: {error.strerror or error}")
            self.error = self.error or out.error

    def statistics(self) -> dict[str, int]:
        """What went out."""
        numbers = {"messages": self._messages, "orders": self._writer.order_count}
        for out in self._outs:
            numbers |= {name: number for name, number in out.statistics().items() if name not in numbers}
        return numbers

    def _take(self, events: EventArray) -> None:
        try:
            self._send(self._writer.messages_of(events))
        except DataError as error:
            self._end(str(error))
        except OSError as error:
            self._end(f"{self.where}: {error.strerror or error}")

    def _send(self, messages: list[bytes]) -> None:
        if messages:
            blocks = b"".join([framed(message) for message in messages])
            for out in self._outs:
                out.publish_blocks(blocks, len(messages))
            self._messages += len(messages)

    def _end(self, reason: str) -> None:
        """The market goes on unpublished."""
        self.error = self.error or reason
        self._session.exchange.watch_events(None)


def check_destination(where: str) -> None:
    """Raises UsageError for what cannot be published to."""
    if "://" in where:
        parse_publish_url(where)
    elif not where.endswith(".itch"):
        raise UsageError(f"--publish {where!r}: name mold://HOST:PORT, or a file that ends in .itch")
    elif Path(where).exists():
        raise UsageError(f"--publish: {where} is there already; name another file")


def _destination(where: str, *, allow_remote: bool) -> Destination:
    check_destination(where)
    if "://" not in where:
        return _File(Path(where))
    publisher = MoldPublisher(parse_publish_url(where), session=SESSION_NAME, allow_remote=allow_remote)
    publisher.start()
    return publisher


class _LiveFeed:
    """A feed that stands still while a fault of the venue says so: messages wait, and leave in order after
    it, with the next one. A file is no feed: it has the market as it was."""

    def __init__(self, out: Destination, boundary: Boundary) -> None:
        self._out = out
        self._boundary = boundary
        self._held: deque[tuple[bytes, int]] = deque()
        self._held_bytes = 0

    @property
    def error(self) -> str | None:
        """Of the way out."""
        return self._out.error

    def publish_blocks(self, blocks: bytes, count: int) -> bool:
        self._held.append((blocks, count))
        self._held_bytes += len(blocks)
        if self._boundary.is_stale and self._held_bytes <= HELD_LIMIT_BYTES:
            return True
        return self._let_go()

    def close(self) -> None:
        self._let_go()
        self._out.close()

    def statistics(self) -> dict[str, int]:
        held = {"held_bytes": self._held_bytes, "held_limit_bytes": HELD_LIMIT_BYTES}
        return {**self._out.statistics(), **held}

    def _let_go(self) -> bool:
        done = True
        while self._held:
            done = self._out.publish_blocks(*self._held.popleft()) and done
        self._held_bytes = 0
        return done


class _File:
    """A BinaryFILE, which gets its name when it is whole."""

    error: str | None = None

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._bytes = 0
        try:
            self._file: BinaryIO = self._part.open("xb")
        except OSError as error:
            raise UsageError(f"--publish: {self._part} cannot be written ({error.strerror})") from error

    def publish_blocks(self, blocks: bytes, count: int) -> bool:
        self._bytes += self._file.write(blocks)
        return True

    def close(self) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._part.rename(self._path)

    def statistics(self) -> dict[str, int]:
        return {"file_bytes": self._bytes}
