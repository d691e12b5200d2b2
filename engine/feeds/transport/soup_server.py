"""The server of SoupBinTCP as a state machine without input or output: one connection of one client.

Stop on the data path: between the retained messages of a session and a TCP connection. Invariant: a client
gets every message from the one it asked for on, in order; one that cannot be had any more ends the
connection.

The server never pushes more than the connection takes: `pump` fills the output up to a limit, and the
messages wait in the log, not here. Who may read what is the door's business: it gives a login its log, the
same to all (a feed) or to each user his own (order entry). Passwords are compared in constant time.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from engine.feeds.transport import soupbintcp as soup
from engine.feeds.transport.damage import DamageCounts, DamageReason
from engine.feeds.transport.moldudp64 import split_blocks
from engine.feeds.transport.retained import RetainedMessages
from engine.feeds.transport.soupbintcp import LoginAccepted, LoginRequest, SoupFramer, SoupPacket

__all__ = [
    "LOGIN_REFUSED",
    "ClientMessage",
    "Door",
    "LoggedOut",
    "ServerEvent",
    "ServerState",
    "SoupServer",
    "UserLoggedIn",
    "one_log_for",
]

Door = Callable[[LoginRequest], RetainedMessages | None]
"""The messages that a login may read; None: user or password is wrong."""

OUTGOING_BYTES = 1 << 18
"""Output that waits for the connection at the most; more stays in the log."""
LOGIN_REFUSED = "login refused"
_READ_BYTES = 1 << 15


class ServerState(StrEnum):
    """Where a connection is."""

    EXPECTING_LOGIN = "waits for the login"
    LOGGED_IN = "logged in"
    CLOSING = "to be closed when the output is sent"


class UserLoggedIn(NamedTuple):
    """A client may read."""

    user: str
    sequence: int


class ClientMessage(NamedTuple):
    """An unsequenced message of the client."""

    message: bytes


class LoggedOut(NamedTuple):
    """The connection is to be closed once its output is sent."""

    reason: str


ServerEvent = UserLoggedIn | ClientMessage | LoggedOut


def one_log_for(accounts: Mapping[str, str], log: RetainedMessages) -> Door:
    """The door of a feed: everybody reads the same. `accounts`: passwords by user; users are compared without
    regard to case, as the protocol says."""
    passwords = {user.upper(): password.encode() for user, password in accounts.items()}

    def open_log(request: LoginRequest) -> RetainedMessages | None:
        password = passwords.get(request.user.upper())
        is_right = password is not None and hmac.compare_digest(password, request.password.encode())
        return log if is_right else None

    return open_log


class SoupServer:
    """One connection.

    Connection  receive, pump, tick, outgoing, close
    State       state, log, next_sequence, statistics
    """

    def __init__(self, door: Door, *, session: str, now_ns: int) -> None:
        """Raises UsageError for a session name that is none."""
        soup.pack_login_accepted(LoginAccepted(session, 1))  # says now what would not fit then
        self.state = ServerState.EXPECTING_LOGIN
        self.next_sequence = 1
        """Next message for this client."""
        self.damage = DamageCounts()
        self._door = door
        self.log: RetainedMessages | None = None
        """What the client reads; None: it has not logged in."""
        self._session = session
        self._framer = SoupFramer(self.damage)
        self._outgoing = bytearray()
        self._has_ended = False
        self._sent_at_ns = self._heard_at_ns = self._connected_at_ns = now_ns
        self._counts = dict.fromkeys(("packets", "sequenced", "unsequenced", "heartbeats"), 0)

    def receive(self, data: bytes, now_ns: int) -> list[ServerEvent]:
        """What these bytes of the client mean."""
        events: list[ServerEvent] = []
        self._heard_at_ns = now_ns
        for packet in self._framer.take(data):
            self._counts["packets"] += 1
            if self.state is ServerState.CLOSING:
                break
            self._take(packet, events, now_ns)
        return events

    def pump(self, now_ns: int) -> list[ServerEvent]:
        """Move messages from the log to the output, as many as it holds; call it when either has changed."""
        log = self.log
        if self.state is not ServerState.LOGGED_IN or log is None:
            return []
        while len(self._outgoing) < OUTGOING_BYTES:
            run = log.read(self.next_sequence, _READ_BYTES)
            if run is None:
                break
            for message in split_blocks(run.blocks):
                self._outgoing += soup.pack_soup(soup.SEQUENCED, message[: soup.MAX_PAYLOAD_BYTES])
            self.next_sequence += run.message_count
            self._counts["sequenced"] += run.message_count
            self._sent_at_ns = now_ns
        if self.next_sequence < log.first_sequence:
            return self.close(f"too slow: message {self.next_sequence} is not kept any more")
        if log.is_closed and self.next_sequence == log.next_sequence and not self._has_ended:
            self._has_ended = True
            self._queue(soup.END_OF_SESSION, b"", now_ns)
            return self.close("end of session")
        return []

    def tick(self, now_ns: int) -> list[ServerEvent]:
        """Heartbeats, and clients that are silent; call it several times a second."""
        if self.state is ServerState.EXPECTING_LOGIN:
            if now_ns - self._connected_at_ns >= soup.LOGIN_PATIENCE_NS:
                return self.close("no login")
        elif self.state is ServerState.LOGGED_IN:
            if now_ns - self._heard_at_ns >= soup.SILENCE_NS:
                return self.close("silent")
            if now_ns - self._sent_at_ns >= soup.HEARTBEAT_NS:
                self._queue(soup.SERVER_HEARTBEAT, b"", now_ns)
        return []

    def close(self, reason: str) -> list[ServerEvent]:
        """Take nothing more from this client, and send it nothing but what is in the output."""
        self.state = ServerState.CLOSING
        return [LoggedOut(reason)]

    def outgoing(self) -> bytes:
        """Bytes for the connection, once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def statistics(self) -> dict[str, int]:
        """What came and went, and what could not be used."""
        return {
            **self._counts,
            "outgoing_bytes": len(self._outgoing),
            "outgoing_bytes_limit": OUTGOING_BYTES,
            **self.damage.statistics(),
        }

    def _take(self, packet: SoupPacket, events: list[ServerEvent], now_ns: int) -> None:
        kind, payload = packet
        if kind == soup.DEBUG:
            return
        if kind in (soup.CLIENT_HEARTBEAT, soup.LOGOUT) and payload:
            self._reject(DamageReason.WRONG_LENGTH)
        elif self.state is ServerState.EXPECTING_LOGIN and kind == soup.LOGIN_REQUEST:
            self._take_login(payload, events, now_ns)
        elif self.state is ServerState.LOGGED_IN and kind == soup.CLIENT_HEARTBEAT:
            self._counts["heartbeats"] += 1
        elif self.state is ServerState.LOGGED_IN and kind == soup.UNSEQUENCED:
            self._counts["unsequenced"] += 1
            events.append(ClientMessage(payload))
        elif self.state is ServerState.LOGGED_IN and kind == soup.LOGOUT:
            events += self.close("logged out")
        else:
            self._reject(DamageReason.OUT_OF_PLACE if kind in _KNOWN else DamageReason.UNKNOWN_TYPE)

    def _take_login(self, payload: bytes, events: list[ServerEvent], now_ns: int) -> None:
        request = soup.read_login_request(payload)
        if isinstance(request, DamageReason):
            self._reject(request)
            events += self._refuse(soup.NOT_AUTHORISED, now_ns)
            return
        log = self._door(request)
        if log is None:
            events += self._refuse(soup.NOT_AUTHORISED, now_ns)
        elif request.session not in ("", self._session) or not self._place(log, request.sequence):
            events += self._refuse(soup.NO_SUCH_SESSION, now_ns)
        else:
            self.state = ServerState.LOGGED_IN
            self.log = log
            self._outgoing += soup.pack_login_accepted(LoginAccepted(self._session, self.next_sequence))
            self._sent_at_ns = now_ns
            events.append(UserLoggedIn(request.user, self.next_sequence))

    def _place(self, log: RetainedMessages, sequence: int) -> bool:
        """Where to begin; False when that message is not kept any more."""
        behind = log.next_sequence
        # What is still to come is waited for; 0 is the most recent message.
        self.next_sequence = min(sequence, behind) if sequence else max(log.first_sequence, behind - 1)
        return self.next_sequence >= log.first_sequence

    def _refuse(self, reason: bytes, now_ns: int) -> list[ServerEvent]:
        self._queue(soup.LOGIN_REJECTED, reason, now_ns)
        return self.close(LOGIN_REFUSED)

    def _queue(self, kind: bytes, payload: bytes, now_ns: int) -> None:
        self._outgoing += soup.pack_soup(kind, payload)
        self._sent_at_ns = now_ns

    def _reject(self, reason: DamageReason) -> None:
        self.damage.add(reason, self._framer.offset)


_KNOWN = frozenset((soup.LOGIN_REQUEST, soup.UNSEQUENCED, soup.CLIENT_HEARTBEAT, soup.LOGOUT))
