"""OUCH 5.0 over SoupBinTCP: order entry for bots that speak it, on the gateway's event loop.

Place on the data path: beside the other gateways, above the host. Requests are unsequenced messages,
responses the sequenced messages of the user's session: they are retained, and a client that logs in again
gets them from the number on that it asks for. Invariant: the engine never waits for a client; a response is
retained before it is sent.

A port (port.py) comes into being with the first login of its key and lasts as long as the market's session;
with another session all connections end (end of session), and the next login begins anew, under another
session name. Orders stay when a connection is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
from collections.abc import Callable

from engine.core.clock import monotonic_ns
from engine.core.errors import UsageError
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soup_listen import SoupListener
from engine.feeds.transport.soupbintcp import SESSION_BYTES, LoginRequest
from engine.venue.host import VenueHost
from engine.venue.keys import KeyStore, Permission
from engine.venue.ouch.logins import KeyLogins
from engine.venue.ouch.orders import OrderRules
from engine.venue.ouch.port import OuchPort

__all__ = ["MEMORY_BYTES", "SPILL_BYTES", "OuchServer", "session_name"]

MEMORY_BYTES = 4 << 20
"""Newest responses of one port, in memory: some 60,000."""
SPILL_BYTES = 256 << 20
"""Older ones of one port, in a file: some 4 million."""
SEGMENT_BYTES = 1 << 16
TICK_S = 0.02
"""How often time is looked at."""
STOP_PATIENCE_S = 1.0
REMOTE_OPTION = "--venue-anywhere"


def session_name(session_id: str) -> str:
    """SoupBinTCP's name of a session: ten characters, another for another session."""
    return hashlib.sha256(session_id.encode()).hexdigest()[:SESSION_BYTES].upper()


class OuchServer:
    """Serves whatever session the host has.

    start, stop     on the loop that serves
    address, error, statistics
    """

    def __init__(
        self,
        host: Callable[[], VenueHost],
        keys: KeyStore,
        *,
        host_name: str = "127.0.0.1",
        port: int = 0,
        allow_remote: bool = False,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """`host` gives the host of the present session. Raises UsageError for an address beyond this machine
        without `allow_remote`, and for an instrument that OUCH cannot hold."""
        self.error: str | None = None
        """Why the present session cannot be traded in."""
        self._find_host = host
        self._host = host()
        self._rules: OrderRules | None = OrderRules(self._host.instrument)
        self._session = session_name(self._host.session_id)
        self._logins = KeyLogins(keys)
        self._ports: dict[str, OuchPort] = {}
        """By name of the key."""
        self._by_account: dict[int, OuchPort] = {}
        self._by_log: dict[RetainedMessages, OuchPort] = {}
        self._since = self._host.told_count
        self._now_ns = 0
        """Session time, as far as it is known."""
        self._lost = self._host.boundary.connections_lost
        self._counts = dict.fromkeys(("sessions", "gaps", "told", "deaf"), 0)
        self._is_news = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_news: Callable[[], None] = lambda: None
        self._ticking: asyncio.Task[None] | None = None
        self._listener = SoupListener(
            Address(host_name, port),
            session=lambda: self._session,
            door=self._open_port,
            hear=self._hear,
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
        self._loop = asyncio.get_running_loop()
        await self._listener.start(listener)
        self._follow(self._host)
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """End every session: clients get what is left, and the end."""
        self._stop_news()
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        self._end_ports()
        self._listener.drop_strangers("closing")
        await self._listener.stop(STOP_PATIENCE_S)

    def statistics(self) -> dict[str, int]:
        """Connections, and what the ports of this session have done together."""
        total = {**self._listener.statistics(), **self._counts, "ports": len(self._ports)}
        for port in self._ports.values():
            for name, count in port.statistics().items():
                total[name] = total.get(name, 0) + count
        return total

    # -- clients ---------------------------------------------------------------------------------------

    def _open_port(self, request: LoginRequest) -> RetainedMessages | None:
        """The responses that a login may read."""
        self._look_at_session()
        key = self._logins.find(request, Permission.TRADE)
        if key is None or self._rules is None or self._host.boundary.is_down:
            return None
        port = self._ports.get(key.name)
        if port is None:
            try:
                account = self._host.open_account(key.name, maker_ppm=key.maker_ppm, taker_ppm=key.taker_ppm)
            except UsageError:  # all accounts are in use
                return None
            log = RetainedMessages(
                memory_bytes=MEMORY_BYTES, spill_bytes=SPILL_BYTES, segment_bytes=SEGMENT_BYTES
            )
            port = OuchPort(
                account,
                key.name[:4].upper(),
                self._rules,
                log=log,
                send=self._host.request,
                next_id=self._host.next_request_id,
                now_ns=self._session_ns(),
            )
            self._ports[key.name] = self._by_account[account] = self._by_log[log] = port
        return port.log

    def _hear(self, log: RetainedMessages, message: bytes) -> bool:
        port = self._by_log.get(log)
        if port is None or self._host.boundary.is_down:
            self._counts["deaf"] += 1  # of a session that is over, or nobody answers
            return True
        return port.receive(message, self._now_ns)

    # -- the venue -------------------------------------------------------------------------------------

    def _follow(self, host: VenueHost) -> None:
        """Hear of what this host tells."""
        self._stop_news()
        self._stop_news = host.on_news(self._wake)

    def _wake(self) -> None:
        """There is news; on the engine's thread."""
        if not self._is_news and self._loop is not None:
            self._is_news = True
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._take_news)

    def _take_news(self) -> None:
        self._is_news = False
        self._look_at_session()
        self._take_told()
        self._look_at_boundary()

    def _take_told(self) -> None:
        host = self._host
        messages = host.told(self._since)
        if not messages:
            return
        if messages[0].sequence > self._since + 1:
            # What was told meanwhile is lost: the orders' present state says what became of them.
            self._counts["gaps"] += 1
            self._since = host.told_count
            for port in self._ports.values():
                port.resync(host.broker)
        else:
            for told in messages:
                port_of = self._by_account.get(told.account)
                if port_of is not None:
                    self._counts["told"] += 1
                    port_of.told(told)
            self._since = messages[-1].sequence
            self._now_ns = max(self._now_ns, messages[-1].told_ns)
        self._listener.ring()

    def _look_at_boundary(self) -> None:
        boundary = self._host.boundary
        if boundary.connections_lost > self._lost or boundary.is_down:
            self._listener.drop_all("the venue has lost the connection")
        self._lost = boundary.connections_lost

    def _look_at_session(self) -> None:
        """Another session in the place of the one that ran: nothing of the old one holds any more."""
        host = self._find_host()
        name = session_name(host.session_id)
        if host is self._host and name == self._session:
            return
        self._end_ports()
        self._listener.drop_strangers("another session")
        self._counts["sessions"] += 1
        self._host, self._session = host, name
        self._since = host.told_count
        self._lost = host.boundary.connections_lost
        self._now_ns = 0
        self.error = None
        try:
            self._rules = OrderRules(host.instrument)
        except UsageError as error:
            self._rules = None
            self.error = str(error)
        self._follow(host)

    def _end_ports(self) -> None:
        for port in self._ports.values():
            port.end()
        for table in (self._ports, self._by_account, self._by_log):
            table.clear()
        self._listener.ring()

    def _session_ns(self) -> int:
        self._now_ns = max(self._now_ns, self._host.frame().market.time_ns)
        return self._now_ns

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._take_news()
            now_ns = self._session_ns()
            for port in self._ports.values():
                port.tick(now_ns)
