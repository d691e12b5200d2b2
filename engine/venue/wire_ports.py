"""The venue's ports beside HTTP: FIX, OUCH and ITCH, each when asked for, on the order API's event loop.

Place on the data path: outermost, beside the HTTP port; engine/api/server.py starts and stops them with it.
Invariants: loopback alone; a port is taken where it is asked for, in the caller's thread, so that one that is
taken already is told before anything runs; who connects before the loop runs waits in the port's queue.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.venue.fix import FixServer
    from engine.venue.host import VenueHost
    from engine.venue.keys import KeyStore
    from engine.venue.ouch.itch_server import ItchSoupServer
    from engine.venue.ouch.server import OuchServer

__all__ = ["WirePorts", "WireServers"]

LOOPBACK = "127.0.0.1"
BACKLOG = 64
"""Connections that wait to be taken, at each port."""


class WirePorts(NamedTuple):
    """Ports of the three protocols; None: not served, 0: a free one."""

    fix: int | None = None
    ouch: int | None = None
    itch: int | None = None


class WireServers:
    """The servers of these ports: `start`, `stop` on the loop that serves; the rest from any thread.

    `host` gives the host of the present session. Raises UsageError for a port that cannot be had, and for an
    instrument that OUCH cannot hold.
    """

    def __init__(self, ports: WirePorts, keys: KeyStore, host: Callable[[], VenueHost]) -> None:
        self._host = host
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fix: FixServer | None = None
        self._ouch: OuchServer | None = None
        self._itch: ItchSoupServer | None = None
        self._sockets: dict[str, socket.socket] = {}
        try:
            self._build(ports, keys)
        except BaseException:
            self.close()
            raise
        self.addresses: dict[str, str] = {
            name: "{}:{}".format(*taken.getsockname()) for name, taken in self._sockets.items()
        }
        """host:port by protocol: "fix", "ouch", "itch", those that are served."""

    async def start(self) -> None:
        """Serve."""
        self._loop = asyncio.get_running_loop()
        if self._fix is not None:
            await self._fix.start(self._sockets.pop("fix"))
        if self._ouch is not None:
            await self._ouch.start(self._sockets.pop("ouch"))
        if self._itch is not None:
            await self._itch.start(self._sockets.pop("itch"))
            self._follow()  # the session may have changed since the port was taken

    async def stop(self) -> None:
        """End all sessions and give the ports back."""
        for server in (self._fix, self._ouch, self._itch):
            if server is not None:
                await server.stop()
        self.close()

    def close(self) -> None:
        """Give back ports that were never served."""
        for taken in self._sockets.values():
            taken.close()
        self._sockets.clear()

    def host_changed(self) -> None:
        """Another session runs: FIX and OUCH see for themselves, the feed is the other one's."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._follow)

    @property
    def client_count(self) -> int:
        """Connections now, over all three."""
        return sum(server.client_count for server in (self._fix, self._ouch, self._itch) if server)

    def statistics(self) -> dict[str, int]:
        """Fill and drops, by protocol."""
        return {
            f"{name}_{figure}": number
            for name, server in (("fix", self._fix), ("ouch", self._ouch), ("itch", self._itch))
            if server is not None
            for figure, number in server.statistics().items()
        }

    def _build(self, ports: WirePorts, keys: KeyStore) -> None:
        if ports.fix is not None:
            from engine.venue.fix import FixServer

            self._sockets["fix"] = _take("FIX", ports.fix)
            self._fix = FixServer(self._host, keys)
        if ports.ouch is not None:
            from engine.venue.ouch.server import OuchServer

            self._sockets["ouch"] = _take("OUCH", ports.ouch)
            self._ouch = OuchServer(self._host, keys)
        if ports.itch is not None:
            from engine.venue.ouch.itch_server import ItchSoupServer

            self._sockets["itch"] = _take("ITCH", ports.itch)
            host = self._host()
            self._itch = ItchSoupServer(host.itch_log, keys, session_id=host.session_id)

    def _follow(self) -> None:
        if self._itch is not None:
            host = self._host()
            self._itch.attach(host.itch_log, host.session_id)


def _take(protocol: str, port: int) -> socket.socket:
    where = f"{protocol} port {LOOPBACK}:{port}"
    if not 0 <= port <= 65_535:
        raise UsageError(f"{where}: not a port; choose one up to 65535, or 0 for a free one")
    try:
        taken = socket.create_server((LOOPBACK, port), backlog=BACKLOG)
    except OSError as error:
        raise UsageError(f"{where}: {error.strerror}; choose another port, or 0 for a free one") from error
    taken.setblocking(False)
    return taken
