"""Publishing a session's market as ITCH 5.0: over MoldUDP64, and into a file, while it runs.

Stop on the data path: the way out, behind the exchange's public events. Invariant: the market is the same
with it and without it; every event goes out once, in order, or publishing ends with the reason.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO, Protocol

from engine.book.interface import EventArray
from engine.core.errors import DataError, UsageError
from engine.feeds.itch.writer import ItchWriter, framed
from engine.feeds.transport.addresses import parse_publish_url
from engine.feeds.transport.publisher import MoldPublisher
from engine.session import Session

__all__ = ["Publication", "check_destination"]

SESSION_NAME = "STORMDESK"


class Destination(Protocol):
    """Where framed messages go."""

    error: str | None
    """What went wrong on the way, if anything."""

    def publish_blocks(self, blocks: bytes, count: int) -> bool: ...

    def close(self) -> None: ...

    def statistics(self) -> dict[str, int]: ...


class Publication:
    """One session on its way out.

    start, close      of the session's side
    error, statistics
    """

    def __init__(self, session: Session, where: str, *, allow_remote: bool = False) -> None:
        """`where`: mold://HOST:PORT, or the path of an .itch file. Raises UsageError for anything else, for
        an address beyond this machine without `allow_remote`, for a file that is there already, and for an
        instrument that ITCH cannot hold."""
        self.where = where
        self.error: str | None = None
        """Why publishing has ended, if it has."""
        self._session = session
        self._writer = ItchWriter(session.exchange.instrument)
        self._out = _destination(where, allow_remote=allow_remote)
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
        try:
            self._out.close()
        except OSError as error:
            self._end(f"{self.where}: {error.strerror or error}")
        self.error = self.error or self._out.error

    def statistics(self) -> dict[str, int]:
        """What went out."""
        return {"messages": self._messages, "orders": self._writer.order_count, **self._out.statistics()}

    def _take(self, events: EventArray) -> None:
        try:
            self._send(self._writer.messages_of(events))
        except DataError as error:
            self._end(str(error))
        except OSError as error:
            self._end(f"{self.where}: {error.strerror or error}")

    def _send(self, messages: list[bytes]) -> None:
        if messages:
            self._out.publish_blocks(b"".join([framed(message) for message in messages]), len(messages))
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
