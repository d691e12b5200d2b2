"""A live MoldUDP64 session over a real socket, unicast or multicast, in asyncio.

Stop on the data path: the network's edge; packets in sequence go into an inbox. Invariant: nothing is lost
silently: what the inbox has no room for is dropped before the sequencer, which reports the hole.

The socket is on loopback unless `allow_remote` is given. Requests for retransmission go out through a socket
of their own, connected to the re-request server, so that nobody else can answer them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.core.errors import DataError, UsageError
from engine.feeds.transport.addresses import (
    REMOTE_OPTION,
    Address,
    MoldAddress,
    is_multicast,
    require_local,
)
from engine.feeds.transport.damage import Damage, DamageCounts
from engine.feeds.transport.gaps import GapLimits
from engine.feeds.transport.inbox import Inbox
from engine.feeds.transport.moldudp64 import Packet, Request, pack_request, read_packet, session_name
from engine.feeds.transport.sequencer import Sequencer

__all__ = ["MoldReceiver"]

MAX_DATAGRAM_BYTES = 1 << 16
RECEIVE_BUFFER_BYTES = 4 << 20
"""Asked of the system for the socket; it may give less (statistics say what it gave)."""
TICK_S = 0.02
"""How often time is looked at."""
_BURST = 64
"""Datagrams read before the loop looks after others."""


class MoldReceiver:
    """Receives one MoldUDP64 session until it ends, halts, or `run` is cancelled."""

    def __init__(
        self,
        address: MoldAddress,
        inbox: Inbox,
        *,
        allow_remote: bool = False,
        limits: GapLimits | None = None,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """Raises UsageError for an address beyond this machine without `allow_remote`."""
        require_local(address.stream, address.interface, allow_remote=allow_remote, option=REMOTE_OPTION)
        if address.rerequest is not None:
            require_local(address.rerequest, None, allow_remote=allow_remote, option=REMOTE_OPTION)
        self.inbox = inbox
        self.damage = DamageCounts()
        self.sequencer = Sequencer(
            where=str(address.stream),
            session=session_name(address.session) if address.session is not None else None,
            start=address.start,
            limits=limits,
            request=self._request if address.rerequest is not None else None,
            clock=clock,
        )
        self.local_address: Address | None = None
        """Where it listens; None before it does."""
        self.is_ready = asyncio.Event()
        """Set once it listens, or has failed to."""
        self._address = address
        self._clock = clock
        self._requester: socket.socket | None = None
        self._buffer = bytearray(MAX_DATAGRAM_BYTES)
        self._view = memoryview(self._buffer)
        self._heard_at_ns = 0
        self._heard: Packet | None = None
        """The last heartbeat, end or dropped packet that came while the inbox was full."""
        self._counts = dict.fromkeys(("datagrams", "bytes", "dropped_no_room", "socket_errors"), 0)
        self._counts["receive_buffer_bytes"] = 0

    async def run(self) -> None:
        """Receive; the inbox says how it ended. Needs a loop with `add_reader`, as all but Windows' are."""
        loop = asyncio.get_running_loop()
        sockets: list[socket.socket] = []
        try:
            if self._address.rerequest is not None:
                self._requester = _open_requester(self._address.rerequest)
                sockets.append(self._requester)
            listener = _open_listener(self._address)
            sockets.append(listener)
            self.local_address = Address(*listener.getsockname()[:2])
            self._counts["receive_buffer_bytes"] = listener.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
            self._heard_at_ns = self._clock()
            for opened in sockets:
                loop.add_reader(opened, self._read, opened)
            self.is_ready.set()
            while not self.inbox.is_over:
                await asyncio.sleep(TICK_S)
                self._step(None)
        except UsageError as error:
            self.inbox.finish(error)
        finally:
            for opened in sockets:
                loop.remove_reader(opened)
                opened.close()
            self.inbox.stop(str(self._address.stream))
            self.is_ready.set()

    def take(self, data: bytes) -> None:
        """One datagram."""
        self._counts["datagrams"] += 1
        self._counts["bytes"] += len(data)
        packet = read_packet(data)
        if isinstance(packet, Damage):
            self.damage.add(packet.reason, packet.offset)
            return
        self._heard_at_ns = self._clock()
        if self.inbox.is_over:
            return
        if packet.message_count and not self._has_room_for(packet):
            self._counts["dropped_no_room"] += 1
            packet = Packet(packet.session, packet.end, 0, b"")  # it is known how far the stream has come
        self._step(packet)

    def statistics(self) -> dict[str, int]:
        """Everything between the socket and the consumer."""
        return {
            **self._counts,
            "silent_ms": (self._clock() - self._heard_at_ns) // NS_PER_MS if self._heard_at_ns else 0,
            **self.damage.statistics(),
            **self.sequencer.statistics(),
            **{f"inbox_{name}": value for name, value in self.inbox.statistics().items()},
        }

    def _has_room_for(self, packet: Packet) -> bool:
        """Whether the inbox holds this packet and all that wait; a packet that will wait also leaves a place
        for the one that closes the hole before it."""
        will_wait = packet.sequence > self.sequencer.expected
        return self.inbox.room > self.sequencer.waiting_packets + will_wait

    def _step(self, packet: Packet | None) -> None:
        """A packet, or a tick. While the inbox is full no hole gets older: first the consumer must drain, and
        what was heard meanwhile of the stream's end is kept."""
        if self.inbox.room == 0:
            if packet is not None and packet.session == self.sequencer.session:
                self._heard = packet
            return
        try:
            if self._heard is not None:
                heard = self._heard
                self._heard = None
                self._put(heard)
            if packet is not None:
                self._put(packet)
            else:
                self.sequencer.tick()
        except DataError as error:
            self.inbox.finish(error)

    def _put(self, packet: Packet) -> None:
        ready = self.sequencer.take(packet)
        if ready:
            self.inbox.put(ready)
        if self.sequencer.is_ended:
            self.inbox.finish()

    def _read(self, opened: socket.socket) -> None:
        """The datagrams that are there. asyncio's own datagram transport reads one at a time, into 256 KiB of
        fresh memory each: several times the work."""
        for _ in range(_BURST):
            try:
                size = opened.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:  # nobody listens on the re-request server's port
                self._counts["socket_errors"] += 1
                return
            self.take(bytes(self._view[:size]))

    def _request(self, request: Request) -> None:
        assert self._requester is not None
        try:
            self._requester.send(pack_request(request))
        except OSError:  # lost like any packet: it is asked again
            self._counts["socket_errors"] += 1


def _open_requester(server: Address) -> socket.socket:
    """A socket that talks to the re-request server only. Raises UsageError when there is no way to it."""
    requester = socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        requester.connect(server)
        requester.setblocking(False)
    except OSError as error:
        requester.close()
        raise UsageError(f"re-request server {server}: {error.strerror or error}") from error
    return requester


def _open_listener(address: MoldAddress) -> socket.socket:
    """The bound socket of a stream. Raises UsageError when the address cannot be used."""
    host = address.stream.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if is_multicast(host) and family == socket.AF_INET6:
        raise UsageError(
            f"{address.stream}: multicast is received over IPv4 only; name a group in 224.0.0.0/4"
        )
    listener = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        if is_multicast(host):
            # Several receivers of a group on one machine are usual; on a unicast port they are a mistake.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            group = socket.inet_aton(host) + socket.inet_aton(address.interface or "0.0.0.0")
            listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
        listener.bind(address.stream)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise UsageError(
            f"cannot listen on {address.stream}: {error.strerror or error}. "
            "Name an address of this machine and a free port."
        ) from error
    return listener
