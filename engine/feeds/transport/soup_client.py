"""The client of SoupBinTCP as a state machine without input or output: bytes in, events and bytes out.

Stop on the data path: between a TCP connection and the inbox. Invariant: over any number of connections,
sequenced messages come out in order, each exactly once; a message that the server cannot give again is
reported as a gap, never skipped silently.

    connected ► (login request) ► accepted ► sequenced data … ► end of session
                                ► rejected
    lost at any time: connect again, and the login asks for the next message due

Time is an argument of every call, in ns of any clock that never steps back.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from engine.feeds.transport import soupbintcp as soup
from engine.feeds.transport.damage import DamageCounts, DamageReason
from engine.feeds.transport.soupbintcp import LoginRequest, SoupFramer, SoupPacket

__all__ = [
    "ClientEvent",
    "ClientState",
    "ConnectionLost",
    "DebugText",
    "LoggedIn",
    "LoginRefused",
    "SequencedMessage",
    "SessionEnded",
    "SoupClient",
    "SoupGap",
    "UnsequencedMessage",
]


class ClientState(StrEnum):
    """Where a client is."""

    DISCONNECTED = "not connected"
    LOGGING_IN = "waits for the answer to its login"
    LOGGED_IN = "logged in"
    ENDED = "the session is over"
    REFUSED = "the login was refused"


class LoggedIn(NamedTuple):
    """The login was accepted."""

    session: str
    sequence: int
    is_new_session: bool
    """Another session than before the connection was lost: what follows begins anew."""


class LoginRefused(NamedTuple):
    """The login was not accepted; the server closes."""

    reason: str


class SequencedMessage(NamedTuple):
    """A message of the stream."""

    sequence: int
    message: bytes


class SoupGap(NamedTuple):
    """The server goes on behind the message that was due."""

    session: str
    expected: int
    got: int


class UnsequencedMessage(NamedTuple):
    """A message outside the stream."""

    message: bytes


class DebugText(NamedTuple):
    """Text for people."""

    text: str


class SessionEnded(NamedTuple):
    """No more messages will come in this session."""

    session: str
    next_sequence: int


class ConnectionLost(NamedTuple):
    """The connection is dead or of no use: close it, and connect again."""

    reason: str


ClientEvent = (
    LoggedIn
    | LoginRefused
    | SequencedMessage
    | SoupGap
    | UnsequencedMessage
    | DebugText
    | SessionEnded
    | ConnectionLost
)

_FIXED_LENGTHS = {soup.LOGIN_REJECTED: 1, soup.SERVER_HEARTBEAT: 0, soup.END_OF_SESSION: 0}
_REASONS = {soup.NOT_AUTHORISED: "user or password is wrong", soup.NO_SUCH_SESSION: "session not available"}


class SoupClient:
    """One login, over as many connections as it takes.

    Connection  connected, receive, tick, disconnected
    Commands    send, log_out
    Output      outgoing
    State       state, session, next_sequence, statistics
    """

    def __init__(
        self,
        user: str,
        password: str,
        *,
        session: str = "",
        sequence: int = 1,
        heartbeat_timeout_ms: int | None = None,
    ) -> None:
        """`session` empty: the one that runs. `sequence`: first message wanted, 0: the most recent one.
        With a timeout the login is that of SoupBinTCP 4.x. Raises UsageError for what does not fit."""
        self.state = ClientState.DISCONNECTED
        self.session = session
        self.next_sequence = sequence
        """Sequence of the next message due."""
        self.damage = DamageCounts()
        self._user = user
        self._password = password
        self._timeout_ms = heartbeat_timeout_ms
        self._framer = SoupFramer(self.damage)
        self._outgoing = bytearray()
        self._to_skip = 0
        self._sent_at_ns = self._heard_at_ns = 0
        self._counts = dict.fromkeys(
            ("connections", "packets", "sequenced", "unsequenced", "heartbeats", "duplicate", "gaps"), 0
        )
        soup.pack_login_request(self._login())  # says now what would not fit then

    def connected(self, now_ns: int) -> None:
        """A connection is open: the login goes out."""
        assert self.state is ClientState.DISCONNECTED
        self._framer = SoupFramer(self.damage)
        self._outgoing = bytearray(soup.pack_login_request(self._login()))
        self._to_skip = 0
        self._sent_at_ns = self._heard_at_ns = now_ns
        self._counts["connections"] += 1
        self.state = ClientState.LOGGING_IN

    def disconnected(self) -> None:
        """The connection is gone; what was not sent is not kept."""
        self._outgoing.clear()
        if self.state in (ClientState.LOGGING_IN, ClientState.LOGGED_IN):
            self.state = ClientState.DISCONNECTED

    def receive(self, data: bytes, now_ns: int) -> list[ClientEvent]:
        """What these bytes of the connection mean."""
        events: list[ClientEvent] = []
        self._heard_at_ns = now_ns
        for packet in self._framer.take(data):
            self._counts["packets"] += 1
            if self.state is ClientState.LOGGED_IN and packet.kind == soup.SEQUENCED:
                self._take_sequenced(packet.payload, events)
            else:
                self._take(packet, events)
        return events

    def tick(self, now_ns: int) -> list[ClientEvent]:
        """Heartbeats, and whether the other side is still there; call it several times a second."""
        if self.state is ClientState.LOGGED_IN:
            if now_ns - self._sent_at_ns >= soup.HEARTBEAT_NS:
                self._queue(soup.CLIENT_HEARTBEAT, b"", now_ns)
            patience_ns = soup.SILENCE_NS
        elif self.state is ClientState.LOGGING_IN:
            patience_ns = soup.LOGIN_PATIENCE_NS
        else:
            return []
        if now_ns - self._heard_at_ns < patience_ns:
            return []
        self.disconnected()
        return [ConnectionLost(f"nothing heard for {patience_ns // soup.HEARTBEAT_NS} s")]

    def send(self, message: bytes, now_ns: int) -> bool:
        """Send an unsequenced message; False when not logged in or the message is too long."""
        if self.state is not ClientState.LOGGED_IN or len(message) > soup.MAX_PAYLOAD_BYTES:
            return False
        self._queue(soup.UNSEQUENCED, message, now_ns)
        return True

    def log_out(self, now_ns: int) -> None:
        """Ask the server to close the connection."""
        if self.state is ClientState.LOGGED_IN:
            self._queue(soup.LOGOUT, b"", now_ns)

    def outgoing(self) -> bytes:
        """Bytes for the connection, once."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def statistics(self) -> dict[str, int]:
        """What came, over all connections, and what could not be used."""
        return {
            **self._counts,
            "held_bytes": self._framer.held_bytes,
            "held_bytes_limit": soup.MAX_PAYLOAD_BYTES + 3,
            **self.damage.statistics(),
        }

    def _login(self) -> LoginRequest:
        return LoginRequest(self._user, self._password, self.session, self.next_sequence, self._timeout_ms)

    def _queue(self, kind: bytes, payload: bytes, now_ns: int) -> None:
        self._outgoing += soup.pack_soup(kind, payload)
        self._sent_at_ns = now_ns

    def _take_sequenced(self, message: bytes, events: list[ClientEvent]) -> None:
        if self._to_skip:
            self._to_skip -= 1
            self._counts["duplicate"] += 1
            return
        self._counts["sequenced"] += 1
        events.append(SequencedMessage(self.next_sequence, message))
        self.next_sequence += 1

    def _take(self, packet: SoupPacket, events: list[ClientEvent]) -> None:
        kind, payload = packet
        if kind == soup.DEBUG:
            events.append(DebugText(soup.printable(payload)))
        elif kind not in _KNOWN:
            self._reject(DamageReason.UNKNOWN_TYPE)
        elif len(payload) != _FIXED_LENGTHS.get(kind, len(payload)):
            self._reject(DamageReason.WRONG_LENGTH)
        elif self.state is ClientState.LOGGING_IN and kind == soup.LOGIN_ACCEPTED:
            self._take_accepted(payload, events)
        elif self.state is ClientState.LOGGING_IN and kind == soup.LOGIN_REJECTED:
            self.state = ClientState.REFUSED
            events.append(LoginRefused(_REASONS.get(payload, f"reason {soup.printable(payload)}")))
        elif kind == soup.SERVER_HEARTBEAT:
            self._counts["heartbeats"] += 1
        elif self.state is ClientState.LOGGED_IN and kind == soup.UNSEQUENCED:
            self._counts["unsequenced"] += 1
            events.append(UnsequencedMessage(payload))
        elif self.state is ClientState.LOGGED_IN and kind == soup.END_OF_SESSION:
            self.state = ClientState.ENDED
            events.append(SessionEnded(self.session, self.next_sequence))
        else:
            self._reject(DamageReason.OUT_OF_PLACE)

    def _take_accepted(self, payload: bytes, events: list[ClientEvent]) -> None:
        accepted = soup.read_login_accepted(payload)
        if isinstance(accepted, DamageReason):
            # Without a sequence nothing that follows could be placed.
            self._reject(accepted)
            self.disconnected()
            events.append(ConnectionLost(f"login accepted packet: {accepted}"))
            return
        is_new = bool(self.session) and accepted.session != self.session
        # Of a new session all is wanted; 0 asked for whatever is the most recent message.
        due = 1 if is_new else self.next_sequence or accepted.sequence
        if accepted.sequence > due:
            self._counts["gaps"] += 1
            events.append(SoupGap(accepted.session, due, accepted.sequence))
        self.next_sequence = max(due, accepted.sequence)
        self._to_skip = self.next_sequence - accepted.sequence
        self.session = accepted.session
        self.state = ClientState.LOGGED_IN
        events.append(LoggedIn(accepted.session, accepted.sequence, is_new))

    def _reject(self, reason: DamageReason) -> None:
        self.damage.add(reason, self._framer.offset)


_KNOWN = frozenset(
    (
        soup.LOGIN_ACCEPTED,
        soup.LOGIN_REJECTED,
        soup.SEQUENCED,
        soup.UNSEQUENCED,
        soup.SERVER_HEARTBEAT,
        soup.END_OF_SESSION,
    )
)
