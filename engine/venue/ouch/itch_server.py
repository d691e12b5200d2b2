"""The market's ITCH 5.0 feed over SoupBinTCP: the same messages as over MoldUDP64, for clients on TCP.

Place on the data path: behind the retained messages of a published session (host/publication.py appends to
them), on the gateway's event loop. Invariant: a client gets every message from the one it asks for on, in
order; one that is too slow for what is retained is cut off with that reason, and the engine never waits.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from engine.core.clock import monotonic_ns
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_listen import SoupListener
from engine.feeds.transport.soupbintcp import LoginRequest
from engine.venue.keys import KeyStore, Permission
from engine.venue.ouch.logins import KeyLogins
from engine.venue.ouch.server import REMOTE_OPTION, STOP_PATIENCE_S, session_name

__all__ = ["ItchSoupServer", "RetainedFeed"]


class RetainedFeed:
    """Where a publication's messages go when nobody but SoupBinTCP clients reads them: into a log."""

    error: str | None = None

    def __init__(self) -> None:
        self.log = RetainedMessages()

    def publish_blocks(self, blocks: bytes, count: int) -> bool:
        """`count` messages, each behind its 2-byte length."""
        return self.log.append_blocks(blocks, count)

    def close(self) -> None:
        """The session is complete."""
        self.log.close()

    def statistics(self) -> dict[str, int]:
        """Fill of the log."""
        return self.log.statistics()


class ItchSoupServer:
    """Serves one session's log, then another's: `start`, `attach`, `stop`, `address`, `statistics`."""

    def __init__(
        self,
        log: RetainedMessages | None,
        keys: KeyStore,
        *,
        session_id: str,
        host_name: str = "127.0.0.1",
        port: int = 0,
        allow_remote: bool = False,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """`log` None: nobody may log in, the session has no feed. Raises UsageError for an address beyond
        this machine without `allow_remote`."""
        logins = KeyLogins(keys)

        def door(request: LoginRequest) -> RetainedMessages | None:
            return self._log if logins.find(request, Permission.READ) is not None else None

        self._log = log
        self._session = session_name(session_id)
        self._listener = SoupListener(
            Address(host_name, port),
            session=lambda: self._session,
            door=door,
            allow_remote=allow_remote,
            option=REMOTE_OPTION,
            clock=clock,
        )

    @property
    def address(self) -> Address | None:
        """Where it listens; None before it does."""
        return self._listener.address

    @property
    def client_count(self) -> int:
        """Connections now."""
        return self._listener.client_count

    async def start(self, listener: socket.socket | None = None) -> None:
        """Take the port and serve, or serve on `listener`, which has it. Raises UsageError when it cannot be
        had."""
        await self._listener.start(listener)
        if self._log is not None:
            self._log.on_append(self._listener.tell)

    def attach(self, log: RetainedMessages | None, session_id: str) -> None:
        """Another session's log from now on. Clients of the one before get what is left and its end."""
        if log is self._log:
            return
        self._log, self._session = log, session_name(session_id)
        self._listener.drop_strangers("another session")
        if log is not None:
            log.on_append(self._listener.tell)

    async def stop(self) -> None:
        """Close the connections; those of a session that is complete get what is left first."""
        await self._listener.stop(STOP_PATIENCE_S)

    def statistics(self) -> dict[str, int]:
        """Connections, and messages sent to all of them."""
        return self._listener.statistics()
