"""SoupBinTCP 3.00 (and the longer login of 4.x): logical packets in a byte stream, read and made.

Stop on the data path: under the two state machines, soup_client and soup_server. Invariant: however the bytes
are cut, the same packets come out; memory is at most one packet, 64 KiB.

    length  u16 BE   of what follows: the type and the payload
    type    1 byte
    payload

    from the server                                from the client
    A  login accepted: session 10, sequence 20     L  login: user 6, password 10, session 10, sequence 20
    J  login rejected: reason 1                       (4.x: and heartbeat timeout in ms, 5)
    S  sequenced data                              U  unsequenced data
    U  unsequenced data                            R  heartbeat
    H  heartbeat                                   O  logout
    Z  end of session                              +  debug text, from both
All fields are ASCII. Names are filled up with spaces on the right, session and numbers on the left.

Sequenced packets carry no number: both sides count, from the sequence in the login accepted packet on; the
first message of a session is 1.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from engine.core.errors import UsageError
from engine.feeds.transport.damage import DamageCounts, DamageReason

__all__ = [
    "HEARTBEAT_NS",
    "LOGIN_PATIENCE_NS",
    "MAX_PAYLOAD_BYTES",
    "PASSWORD_BYTES",
    "SILENCE_NS",
    "USER_BYTES",
    "LoginAccepted",
    "LoginRequest",
    "SoupFramer",
    "SoupPacket",
    "pack_login_accepted",
    "pack_login_request",
    "pack_soup",
    "printable",
    "read_login_accepted",
    "read_login_request",
]

MAX_PAYLOAD_BYTES = 0xFFFF - 1
SESSION_BYTES = 10
SEQUENCE_BYTES = 20
USER_BYTES = 6
PASSWORD_BYTES = 10
TIMEOUT_BYTES = 5

HEARTBEAT_NS = 1_000_000_000
"""Each side sends something at least this often."""
SILENCE_NS = 15_000_000_000
"""A side that hears nothing for so long takes the connection for dead."""
LOGIN_PATIENCE_NS = 30_000_000_000
"""How long a server waits for the login, and a client for its answer."""

LOGIN_ACCEPTED, LOGIN_REJECTED, SEQUENCED, UNSEQUENCED = b"A", b"J", b"S", b"U"
SERVER_HEARTBEAT, END_OF_SESSION, DEBUG = b"H", b"Z", b"+"
LOGIN_REQUEST, CLIENT_HEARTBEAT, LOGOUT = b"L", b"R", b"O"
NOT_AUTHORISED, NO_SUCH_SESSION = b"A", b"S"

_HEADER = Struct(">Hc")
_ACCEPTED_BYTES = SESSION_BYTES + SEQUENCE_BYTES
_REQUEST_BYTES = USER_BYTES + PASSWORD_BYTES + SESSION_BYTES + SEQUENCE_BYTES


class SoupPacket(NamedTuple):
    """One logical packet."""

    kind: bytes
    payload: bytes


class LoginAccepted(NamedTuple):
    """The server's answer to a good login."""

    session: str
    sequence: int
    """Of the next sequenced message."""


class LoginRequest(NamedTuple):
    """What a client logs in with."""

    user: str
    password: str
    session: str
    """Empty: the one that is running."""
    sequence: int
    """First message wanted; 0: the most recent one."""
    heartbeat_timeout_ms: int | None = None
    """4.x only."""

    def __repr__(self) -> str:
        return f"LoginRequest({self.user!r}, session={self.session!r}, sequence={self.sequence})"


class SoupFramer:
    """Cuts a byte stream into logical packets."""

    def __init__(self, damage: DamageCounts) -> None:
        """Packets without a type are counted in `damage`."""
        self.offset = 0
        """Bytes of the stream that were taken, with those of an unfinished packet."""
        self._damage = damage
        self._held = b""

    def take(self, data: bytes) -> list[SoupPacket]:
        """The packets that these bytes finish."""
        packets = []
        base = self.offset - len(self._held)
        data = self._held + data if self._held else data
        at = 0
        size = len(data)
        while at + 2 <= size:
            end = at + 2 + (data[at] << 8 | data[at + 1])
            if end > size:
                break
            if end == at + 2:
                self._damage.add(DamageReason.EMPTY_PACKET, base + at)
            else:
                packets.append(SoupPacket(data[at + 2 : at + 3], data[at + 3 : end]))
            at = end
        self._held = data[at:]
        self.offset = base + size
        return packets

    @property
    def held_bytes(self) -> int:
        """Bytes of an unfinished packet."""
        return len(self._held)


def pack_soup(kind: bytes, payload: bytes = b"") -> bytes:
    """A logical packet."""
    return _HEADER.pack(len(payload) + 1, kind) + payload


def pack_login_request(request: LoginRequest) -> bytes:
    """The login packet. Raises UsageError for what does not fit; the password is in no message."""
    fields = [
        _field("user", request.user, USER_BYTES).ljust(USER_BYTES),
        _field("password", request.password, PASSWORD_BYTES).ljust(PASSWORD_BYTES),
        _field("session", request.session, SESSION_BYTES).rjust(SESSION_BYTES),
        b"%20d" % request.sequence,
    ]
    if request.heartbeat_timeout_ms is not None:
        fields.append(b"%5d" % max(1, min(request.heartbeat_timeout_ms, 10**TIMEOUT_BYTES - 1)))
    return pack_soup(LOGIN_REQUEST, b"".join(fields))


def read_login_request(payload: bytes) -> LoginRequest | DamageReason:
    """The content of an L packet."""
    if len(payload) not in (_REQUEST_BYTES, _REQUEST_BYTES + TIMEOUT_BYTES):
        return DamageReason.WRONG_LENGTH
    at = USER_BYTES + PASSWORD_BYTES
    sequence = _number(payload[at + SESSION_BYTES : _REQUEST_BYTES])
    if sequence is None:
        return DamageReason.BAD_NUMBER
    user, password = _name(payload[:USER_BYTES]), _name(payload[USER_BYTES:at])
    session = _name(payload[at : at + SESSION_BYTES])
    if user is None or password is None or session is None:
        return DamageReason.BAD_NAME
    timeout_ms = _number(payload[_REQUEST_BYTES:]) if len(payload) > _REQUEST_BYTES else None
    return LoginRequest(user, password, session, sequence, timeout_ms)


def pack_login_accepted(accepted: LoginAccepted) -> bytes:
    """The answer to a good login."""
    session = _field("session", accepted.session, SESSION_BYTES).rjust(SESSION_BYTES)
    return pack_soup(LOGIN_ACCEPTED, session + b"%20d" % accepted.sequence)


def read_login_accepted(payload: bytes) -> LoginAccepted | DamageReason:
    """The content of an A packet."""
    if len(payload) != _ACCEPTED_BYTES:
        return DamageReason.WRONG_LENGTH
    sequence = _number(payload[SESSION_BYTES:])
    if not sequence:
        return DamageReason.BAD_NUMBER
    session = _name(payload[:SESSION_BYTES])
    if session is None:
        return DamageReason.BAD_NAME
    return LoginAccepted(session, sequence)


def printable(text: bytes) -> str:
    """Bytes from outside as text that is safe to show."""
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in text)


def _number(field: bytes) -> int | None:
    """Digits, filled up on either side (some servers do it wrongly); blank is 0."""
    digits = field.strip(b" ")
    if not digits:
        return 0
    number = int(digits) if digits.isdigit() else None
    return number if number is not None and number < 1 << 64 else None


def _name(field: bytes) -> str | None:
    """A name without its filling: spaces, or zeros from servers written in C."""
    name = field.strip(b" \0")
    return name.decode("ascii") if printable(name).encode() == name else None


def _field(name: str, text: str, size: int) -> bytes:
    if len(text) > size or not text.isascii() or not text.isprintable() or text != text.strip():
        raise UsageError(
            f"SoupBinTCP {name}: it has at most {size} printable ASCII characters, without spaces around them"
        )
    return text.encode("ascii")
