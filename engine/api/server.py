"""The order API: a small HTTP and WebSocket server on loopback, through which bots trade as TARGET.

Place on the data path: beside the desk, in its own thread with its own event loop; it talks to the session's
host only (bounded input queue, immutable frames, execution reports). Invariant: whatever a client does, the
engine thread never waits for it.

    GET    /health                        {status: "ok"}; the only route that needs no token
    GET    /status                        version, mode, symbol, session_id, fill and drops of this API
    GET    /api/v1/instrument             symbol, tick_size, lot_size, currency, unit_lots, session_id …
    GET    /api/v1/book?levels=N          best prices and N (1-120, default 20) levels of the latest frame
    POST   /api/v1/orders                 {side: "buy"|"sell", type: "limit"|"market", price_ticks, qty_lots,
                                          time_in_force: "GTC"|"IOC"|"FOK"|"POST_ONLY", client_id} -> 202
    DELETE /api/v1/orders/{client_id}     -> 202
    DELETE /api/v1/orders                 cancel all -> 202
    GET    /api/v1/orders                 resting orders
    GET    /api/v1/account                position_lots, pnl, open_orders
    WS     /api/v1/stream                 out: hello, book, report, ack, error; in: orders as above, or with
                                          {op: "submit"|"cancel"|"cancel_all"}
           ?session=ID&since=SEQUENCE     continues after that report when the session is still the same

202 means queued: what became of an order is told by its execution reports. In a stream, reports come in
order and without loss, books latest-wins (at most one per frame); a client too slow for its reports is
closed with code 1013. A new hello in an open stream means that the desk runs a new session: orders,
positions and report sequences of the old one are gone.

Beside it, on the same port, stands the venue gateway (engine/venue/binance/): /api/v3, /sapi, /ws, /stream,
/ws-api/v3. It has rules, keys and errors of its own.

Every error is {"error": {"code", "message"}}. All orders are of the account TARGET (header
`X-Account: target`, or none). A foreign Origin or Host gets 403, a missing token (when one is set) 401.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import socket
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

from engine.core.errors import UsageError
from engine.venue.wire_ports import WirePorts

if TYPE_CHECKING:
    from engine.api.gateway import Gateway, OrderHost
    from engine.venue.binance.app import VenueApp
    from engine.venue.binance.limits import Limits
    from engine.venue.host import VenueHost
    from engine.venue.keys import KeyStore
    from engine.venue.wire_ports import WireServers

__all__ = ["OrderApi", "VenueOptions"]

CONNECTION_LIMIT = 512
"""Connections at the same time, streams included; more get 503."""
KEEP_ALIVE_S = 30
"""How long an idle HTTP connection is kept."""
WS_PING_S = 20.0
SWITCH_INTERVAL_S = 0.000_5
"""How long the interpreter lets one thread run while another waits, while a venue is served.

Every read and write of a socket lets go of the interpreter; with Python's own 5 ms, the server would wait
that long for the engine's thread each time, several times for each request.
"""
COLLECT_AFTER = (20_000, 50, 100)
"""Garbage collection while a venue is served, as gc.set_threshold takes it.

What bots were told is kept by the ten thousands, and the desk is as large. By Python's own thresholds all is
walked over every few thousand orders, and everybody waits for it: 40 ms and more.
"""
BACKLOG = 512
"""Connections that wait to be taken."""
JOIN_TIMEOUT_S = 3.0
"""How long stop() waits for the thread."""
GRACE_S = 1
"""How long connections get to end when the server stops."""
START_POLL_S = 0.005
START_PATIENCE_S = 5.0
"""How long the thread waits for `after`."""


class VenueOptions(NamedTuple):
    """What the venue gateway needs beside a host."""

    keys: KeyStore
    limits: Limits | None = None
    """None: those of the exchange."""
    legacy_listen_keys: bool = False
    """Serve the listen keys that the exchange has removed, for clients released before."""
    wires: WirePorts = WirePorts()
    """Ports for FIX, OUCH and ITCH."""


class OrderApi:
    """Serves `host` (engine.api.gateway.OrderHost) on http://{host_name}:{port}.

    With `venue`, and a host that has one (`host.venue`, engine.venue.host.VenueHost), exchange clients are
    served too.

    With `after`, the thread imports and serves only once that event is set (or has been waited for long
    enough): connections that come before wait in the port's queue.
    Raises UsageError for an address beyond loopback without a token; `start()` raises it when the port is
    taken. The libraries are imported by the server's thread: the desk is on the screen first.
    """

    def __init__(
        self,
        host: OrderHost,
        *,
        host_name: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        after: threading.Event | None = None,
        venue: VenueOptions | None = None,
    ) -> None:
        self._loopback = _is_loopback(host_name)
        if not self._loopback and not token:
            raise UsageError(
                f"order API on {host_name!r}: anyone on the network could trade; "
                "set a token, or bind to 127.0.0.1"
            )
        self._host = host
        self._host_name = host_name
        self._port = port
        self._token = token
        self._after = after
        self._venue_options = venue
        self._venue: VenueApp | None = None
        self._wires: WireServers | None = None
        self._address: str | None = None
        self._url: str | None = None
        self._error: str | None = None
        self._gateway: Gateway | None = None
        self._listening = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str | None:
        """Where bots connect; None until it listens and after it has stopped."""
        return self._url

    @property
    def address(self) -> str | None:
        """Where it will listen: known when `start()` has returned, so that a bot may start meanwhile."""
        return self._address

    @property
    def error(self) -> str | None:
        """Why the server ended by itself, if it did."""
        return self._error

    @property
    def has_venue(self) -> bool:
        """Whether exchange clients are served."""
        return self._venue_options is not None and _venue_of(self._host) is not None

    @property
    def wires(self) -> dict[str, str]:
        """host:port of "fix", "ouch" and "itch", those that are served."""
        return {} if self._wires is None else self._wires.addresses

    @property
    def public_deeds(self) -> dict[str, int]:
        """What faults of the venue have done to public updates on their way to stream clients."""
        return {} if self._venue is None else self._venue.streams.public_deeds()

    @property
    def clients(self) -> int:
        """Bots connected now: open streams of both APIs, and connections at the other ports."""
        doors = (self._gateway, self._venue, self._wires)
        return sum(door.client_count for door in doors if door is not None)

    def statistics(self) -> dict[str, int]:
        """Fill and drops; empty until it listens."""
        gateway, venue = self._gateway, self._venue
        numbers = gateway.statistics() if gateway is not None else {}
        if venue is not None:
            numbers |= {f"venue_{name}": number for name, number in venue.statistics().items()}
        if self._wires is not None:
            numbers |= self._wires.statistics()
        return numbers

    def start(self) -> None:
        """Take the ports and start the thread; returns at once. Raises UsageError when one is taken."""
        listener = self._bind()
        try:
            self._wires = self._take_wires()
        except BaseException:
            listener.close()
            raise
        name = f"[{self._host_name}]" if ":" in self._host_name else self._host_name
        self._address = f"http://{name}:{listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, args=(listener,), name="order-api", daemon=True)
        self._thread.start()

    def wait_listening(self, timeout_s: float) -> bool:
        """Wait until `url` is known, or until the server has failed (then False)."""
        self._listening.wait(timeout_s)
        return self._url is not None

    def attach(self, host: OrderHost) -> None:
        """Serve another session from now on; open streams get a new hello. From any thread."""
        self._host = host
        if self._gateway is not None:
            self._gateway.host = host
        venue_host = _venue_of(host)
        if self._venue is not None and venue_host is not None:
            self._venue.attach(venue_host)
        if self._wires is not None:
            self._wires.host_changed()

    def stop(self) -> None:
        """End streams and thread."""
        self._stopping.set()
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._request_stop)
            except RuntimeError:  # its loop has closed already
                self._url = None
        if self._thread is not None:
            self._thread.join(JOIN_TIMEOUT_S)
        self._url = None

    def _bind(self) -> socket.socket:
        where = f"order API on {self._host_name}:{self._port}"
        if not 0 <= self._port <= 65_535:
            raise UsageError(f"{where}: not a port; choose one up to 65535, or 0 for a free one")
        try:
            family = socket.AF_INET6 if ":" in self._host_name else socket.AF_INET
            return socket.create_server((self._host_name, self._port), family=family, backlog=BACKLOG)
        except OSError as error:
            raise UsageError(f"{where}: {error}; choose another port, or 0 for a free one") from error

    def _request_stop(self) -> None:
        if self._stop is not None:
            self._stop.set()

    # -- on the server's thread ----------------------------------------------------------------------------

    def _run(self, listener: socket.socket) -> None:
        if self._after is not None:
            self._after.wait(START_PATIENCE_S)
        try:
            with asyncio.Runner(loop_factory=_new_loop) as runner:
                runner.run(self._serve(listener))
        except Exception as error:  # reported where the desk can show it; a thread has no other way
            self._error = f"the order API ended: {type(error).__name__}: {error}"
        finally:
            self._url = None
            self._listening.set()
            listener.close()
            if self._wires is not None:
                self._wires.close()

    async def _serve(self, listener: socket.socket) -> None:
        import uvicorn

        from engine.api.gateway import Gateway
        from engine.api.http import GuardedHttp
        from engine.api.routes import BODY_LIMIT_BYTES, build_app

        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        gateway = self._gateway = Gateway(self._host)
        gateway.host = self._host  # attach() may have been called in between
        venue = self._venue = self._build_venue()
        config = uvicorn.Config(
            build_app(gateway, token=self._token, check_host=self._loopback, venue=venue),
            http=GuardedHttp,
            ws="websockets-sansio" if venue is None else venue.socket_protocol,
            lifespan="off",
            log_config=None,  # nothing may write to the terminal that the desk draws on
            log_level="critical",
            access_log=False,
            server_header=False,
            ws_max_size=BODY_LIMIT_BYTES,
            ws_per_message_deflate=False,
            ws_ping_interval=WS_PING_S if venue is None else None,  # the venue's sockets ping by themselves
            limit_concurrency=CONNECTION_LIMIT,
            timeout_keep_alive=KEEP_ALIVE_S,
            proxy_headers=False,  # nobody may choose the address by which requests are counted
            timeout_graceful_shutdown=GRACE_S,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        feeding = asyncio.create_task(gateway.pump())
        switch_interval_s, collect_after = sys.getswitchinterval(), gc.get_threshold()
        if venue is not None:
            sys.setswitchinterval(min(switch_interval_s, SWITCH_INTERVAL_S))
            gc.freeze()  # what is there now stays: it is not looked at again
            gc.set_threshold(*COLLECT_AFTER)
            venue.start()
        asked_to_stop = asyncio.create_task(self._stop.wait())
        try:
            if self._wires is not None:
                await self._wires.start()
            while not server.started and not serving.done():
                await asyncio.sleep(START_POLL_S)
            self._url = self._address
            self._listening.set()
            if not self._stopping.is_set():
                await asyncio.wait({serving, feeding, asked_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._url = None
            gateway.close_streams("the desk is closing")
            if self._wires is not None:
                await self._wires.stop()
            if venue is not None:
                venue.stop()
                sys.setswitchinterval(switch_interval_s)
                gc.set_threshold(*collect_after)
                gc.unfreeze()
            server.should_exit = True
            await serving

    def _take_wires(self) -> WireServers | None:
        options = self._venue_options
        if options is None or options.wires == WirePorts() or _venue_of(self._host) is None:
            return None
        from engine.venue.wire_ports import WireServers

        return WireServers(options.wires, options.keys, self._find_venue)

    def _find_venue(self) -> VenueHost:
        host = _venue_of(self._host)
        assert host is not None, "sessions that take each other's place are all live"
        return host

    def _build_venue(self) -> VenueApp | None:
        options, host = self._venue_options, _venue_of(self._host)
        if options is None or host is None:
            return None
        from engine.venue.binance.app import VenueApp
        from engine.venue.binance.gateway import Gateway

        return VenueApp(
            Gateway(host, options.keys, limits=options.limits),
            check_host=self._loopback,
            legacy_listen_keys=options.legacy_listen_keys,
        )


def _venue_of(host: OrderHost) -> VenueHost | None:
    """The venue side of a host; replays have none."""
    return getattr(host, "venue", None)


def _new_loop() -> asyncio.AbstractEventLoop:
    """uvloop where there is one (not on Windows): half the time per request."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _is_loopback(host_name: str) -> bool:
    if host_name == "localhost":
        return True
    try:
        return ipaddress.ip_address(host_name).is_loopback
    except ValueError:
        return False
