"""Publishing over MoldUDP64: a thread that sends the session's messages and answers re-requests.

Stop on the data path: the way out, behind the engine thread. Invariant: the engine thread never waits for the
network and no message is lost on this side; what the network loses, receivers see as a gap and can ask for.

The engine thread appends to the retained messages (retained.py says what happens when they are many) and goes
on. This thread reads them, packs and sends; it lags when it must, and then packs fuller. Nothing is dropped
for lack of room in a socket: the packet is sent again when there is some.

Requests for retransmission come to the socket that sends (`request_address`) and are answered to where they
came from. Both kinds of packets are limited per second, so that a burst does not run over the receivers'
socket buffers, and so that nobody can use the answers to flood somebody else.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable

from engine.core.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from engine.core.errors import UsageError
from engine.feeds.transport.addresses import (
    PUBLISH_OPTION,
    Address,
    PublishAddress,
    is_loopback,
    is_multicast,
    require_local,
)
from engine.feeds.transport.mold_stream import MAX_MESSAGE_BYTES, MoldStream
from engine.feeds.transport.retained import RetainedMessages

__all__ = ["ANSWERS_PER_S", "PACKETS_PER_S", "MoldPublisher"]

PACKETS_PER_S = 20_000
"""Packets of the stream in a second: 700,000 messages of ITCH when they are full. More would run over the
small receive buffers that systems give by default."""
ANSWERS_PER_S = 20_000
"""Answers to requests; requests beyond wait in the socket for the next slice (counted)."""
LINGER_NS = NS_PER_S
"""How long the end of the session is told, and requests are answered, after the last message."""
CLOSE_PATIENCE_S = 30.0
"""How long `close` waits for a stream that is behind."""
SEND_BUFFER_BYTES = 1 << 20
_SLICE_NS = 5 * NS_PER_MS
"""The limits hold in each slice of this length."""
_BURST = 32
"""Packets between two looks at requests."""
_LONGEST_REQUEST = 64
_NO_PROTECTION = 1 << 64


class MoldPublisher:
    """One session on one socket.

    start, publish, publish_blocks, close      of the engine's side
    stream_address, request_address, error, statistics
    """

    def __init__(
        self,
        address: PublishAddress,
        *,
        session: str,
        allow_remote: bool = False,
        log: RetainedMessages | None = None,
        clock: Callable[[], int] = monotonic_ns,
        linger_ns: int = LINGER_NS,
        packets_per_s: int = PACKETS_PER_S,
        answers_per_s: int = ANSWERS_PER_S,
    ) -> None:
        """`address.session` goes before `session`. Raises UsageError for an address beyond this machine
        without `allow_remote`, and for a session name that is none."""
        require_local(address.stream, address.interface, allow_remote=allow_remote, option=PUBLISH_OPTION)
        if address.requests is not None:
            require_local(address.requests, None, allow_remote=allow_remote, option=PUBLISH_OPTION)
        self.log = log if log is not None else RetainedMessages()
        self.stream_address = address.stream
        self.error: str | None = None
        """The last thing that the network refused, if any."""
        self._address = address
        self._clock = clock
        self._stream = MoldStream(address.session or session, self.log, now_ns=clock())
        self._linger_ns = linger_ns
        self._packets_in_slice = max(1, packets_per_s * _SLICE_NS // NS_PER_S)
        self._answers_in_slice = max(1, answers_per_s * _SLICE_NS // NS_PER_S)
        self._slice_ends_ns = self._packets_left = self._answers_left = 0
        self._pending: bytes | None = None
        self._is_idle = False
        self._ended_at_ns: int | None = None
        self._send_errors = self._blocked = self._answer_pauses = 0
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._bell, self._bell_button = socket.socketpair()
        self._bell.setblocking(False)
        self._bell_button.setblocking(False)
        self.log.on_append(self._ring)

    @property
    def request_address(self) -> Address | None:
        """Where requests for retransmission go; None before `start`."""
        return Address(*self._socket.getsockname()[:2]) if self._socket is not None else None

    def start(self) -> None:
        """Take the port and begin to send. Raises UsageError when the address cannot be used."""
        self._socket = _open_socket(self._address)
        self._thread = threading.Thread(target=self._run, args=(self._socket,), name="publisher", daemon=True)
        self._thread.start()

    def publish(self, message: bytes) -> bool:
        """One message, from the engine thread; False (and counted) after `close`."""
        assert len(message) <= MAX_MESSAGE_BYTES
        return self.log.append(message)

    def publish_blocks(self, blocks: bytes, count: int) -> bool:
        """`count` messages, each behind its 2-byte length, in one go."""
        return self.log.append_blocks(blocks, count)

    def close(self) -> None:
        """Send what is left, tell the end of the session, and end the thread (after `linger_ns`)."""
        self.log.close()
        if self._thread is None:
            self.log.protect(_NO_PROTECTION)
            self._close_bell()
            return
        self._thread.join(CLOSE_PATIENCE_S)
        if self._thread.is_alive():
            self.error = (
                f"{self._address.stream}: {self.statistics()['behind_messages']} messages were not sent"
            )

    def statistics(self) -> dict[str, int]:
        """What went out, and fill and losses of everything between engine and network."""
        return {
            **self._stream.statistics(),
            **{f"log_{name}": value for name, value in self.log.statistics().items()},
            "send_errors": self._send_errors,
            "send_blocked": self._blocked,
            "answer_pauses": self._answer_pauses,
        }

    def _ring(self) -> None:
        """Wake the thread; called by whoever appends. Costs a system call only when it sleeps."""
        if self._is_idle:
            self._is_idle = False
            with contextlib.suppress(OSError):  # it has been rung already, or the thread is gone
                self._bell_button.send(b"\0")

    def _run(self, sender: socket.socket) -> None:
        bell_alone, bell_and_requests = selectors.DefaultSelector(), selectors.DefaultSelector()
        for selector in (bell_alone, bell_and_requests):
            selector.register(self._bell, selectors.EVENT_READ)
        bell_and_requests.register(sender, selectors.EVENT_READ)
        try:
            while not self._is_done(self._clock()):
                for _ in range(_BURST):
                    if not self._send_next(sender):
                        break
                self._wait(bell_and_requests if self._answers_left else bell_alone, sender)
        finally:
            if not self._stream.has_ended:
                self.error = "publishing ended before the session did"
            self.log.protect(_NO_PROTECTION)  # nobody may wait for a sender that is gone
            for selector in (bell_alone, bell_and_requests):
                selector.close()
            sender.close()
            self._close_bell()

    def _is_done(self, now_ns: int) -> bool:
        if not self._stream.has_ended or self._pending is not None:
            return False
        if self._ended_at_ns is None:
            self._ended_at_ns = now_ns
        return now_ns - self._ended_at_ns >= self._linger_ns

    def _send_next(self, sender: socket.socket) -> bool:
        """Send one packet of the stream; False when there is none now, or no room for it."""
        now_ns = self._clock()
        if now_ns >= self._slice_ends_ns:
            self._slice_ends_ns = now_ns + _SLICE_NS
            self._packets_left = self._packets_in_slice
            self._answers_left = self._answers_in_slice
        if self._packets_left == 0:
            return False
        packet = self._pending if self._pending is not None else self._stream.next_packet(now_ns)
        if packet is None:
            return False
        self._pending = None if self._send(sender, packet, self._address.stream) else packet
        self._packets_left -= 1
        return self._pending is None

    def _send(self, sender: socket.socket, packet: bytes, to: tuple[str, int]) -> bool:
        """False: the socket has no room now."""
        try:
            sender.sendto(packet, to)
        except BlockingIOError:
            self._blocked += 1
            return False
        except OSError as error:
            # Sent and lost, like any packet that the network loses: receivers ask for it again.
            self._send_errors += 1
            self.error = f"{to[0]}: {error.strerror or error}"
        return True

    def _wait(self, selector: selectors.BaseSelector, sender: socket.socket) -> None:
        """Answer requests; sleep until there is something to send."""
        self._is_idle = True
        now_ns = self._clock()
        if self._pending is not None:
            wait_ns = NS_PER_MS
        elif self._packets_left == 0:
            wait_ns = self._slice_ends_ns - now_ns
        elif not self._stream.is_sent or (self.log.is_closed and not self._stream.has_ended):
            wait_ns = 0
        else:
            wait_ns = self._stream.due_ns - now_ns
        if self._answers_left == 0:
            wait_ns = min(wait_ns, self._slice_ends_ns - now_ns)
        for key, _ in selector.select(max(0, wait_ns) / NS_PER_S):
            if key.fileobj is sender:
                self._answer_requests(sender)
            else:
                self._bell.recv(64)
        self._is_idle = False

    def _answer_requests(self, sender: socket.socket) -> None:
        for _ in range(min(_BURST, self._answers_left)):
            try:
                data, from_address = sender.recvfrom(_LONGEST_REQUEST)
            except BlockingIOError:
                return
            except OSError as error:
                self._send_errors += 1
                self.error = str(error.strerror or error)
                return
            answer = self._stream.answer(data)
            if answer is not None:
                self._send(sender, answer, from_address)  # without room it is lost, like any packet
                self._answers_left -= 1
                self._answer_pauses += self._answers_left == 0

    def _close_bell(self) -> None:
        self._bell.close()
        self._bell_button.close()


def _open_socket(address: PublishAddress) -> socket.socket:
    host = address.stream.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if is_multicast(host) and family == socket.AF_INET6:
        raise UsageError(f"{address.stream}: multicast is sent over IPv4 only; name a group in 224.0.0.0/4")
    sender = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if is_multicast(host):
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, address.ttl)
            if address.interface is not None:
                sender.setsockopt(
                    socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address.interface)
                )
        if address.requests is not None:
            sender.bind(address.requests)
        elif is_loopback(host):
            sender.bind((host, 0))
        else:
            sender.bind((address.interface or ("::" if family == socket.AF_INET6 else "0.0.0.0"), 0))
        sender.setblocking(False)
    except OSError as error:
        sender.close()
        where = address.requests or address.stream
        raise UsageError(
            f"cannot publish from {where}: {error.strerror or error}. Choose another port."
        ) from error
    return sender
