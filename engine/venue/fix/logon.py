"""Who logs on, in which dialect, and whether the key says so too.

Place on the data path: the first message of a link. Standard: Username (553) is the API key, Password (554)
the secret of an HMAC key. Binance: Username is the API key, RawData (96) its signature over
A|SenderCompID|TargetCompID|MsgSeqNum|SendingTime, joined by SOH. Invariant: a refusal never says which half
was wrong, and nothing here keeps or shows a password.
"""

from __future__ import annotations

import hmac
import re
from typing import NamedTuple

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.venue.fix.rules import Dialect, Fault, Reject, check
from engine.venue.fix.wire import BEGIN_STRING, SOH, Message, parse_timestamp_ns
from engine.venue.keys import Key, KeyKind, KeyStore, Permission

__all__ = ["BINANCE_COMP_ID", "Login", "read_logon"]

BINANCE_COMP_ID = "SPOT"
"""TargetCompID of the Binance dialect."""
RECV_WINDOW_MS = 5_000
"""How old a signed logon may be when it does not say."""
MOST_RECV_WINDOW_MS = 60_000
STANDARD_SKEW_NS = 120 * NS_PER_S
MOST_HEARTBEAT_S = 3_600
_COMP_ID = re.compile(r"[!-~]{1,64}", re.ASCII)
_BINANCE_COMP_ID = re.compile(r"[a-zA-Z0-9_-]{1,8}", re.ASCII)
_UNAUTHORISED = Fault(Reject.OTHER, None, "Invalid API-key, IP, or permissions for action.")


class Login(NamedTuple):
    """A logon that is right."""

    key: Key
    dialect: Dialect
    comp_id: str
    """The counterparty's."""
    only_acks: bool


def read_logon(message: Message, keys: KeyStore, comp_id: str, now_ns: int) -> Login | Fault:
    """The login that a Logon makes, or why it makes none. `now_ns`: our clock, as clients are told."""
    dialect = Dialect.BINANCE if 96 in message.values or 25035 in message.values else Dialect.STANDARD
    if message.begin != BEGIN_STRING:
        return Fault(Reject.OTHER, None, f"BeginString must be {BEGIN_STRING}.")
    if message.type != "A":
        return Fault(Reject.OTHER, None, "The first message must be a Logon.")
    fault = check(message, dialect) or _header_fault(message, dialect, comp_id, now_ns)
    if fault is not None:
        return fault
    if dialect is Dialect.BINANCE:
        fault = _binance_fault(message)
    elif message.number(108) is None or int(message.get(108)) > MOST_HEARTBEAT_S:
        fault = Fault(Reject.VALUE_INCORRECT, 108, f"HeartBtInt must be 0 to {MOST_HEARTBEAT_S}.")
    if fault is not None:
        return fault
    key = keys.find(message.get(553)) if 553 in message.values else None
    if key is None or not _proves(message, keys, key, dialect):
        return _UNAUTHORISED
    if not key.may(Permission.READ):
        return _UNAUTHORISED
    return Login(key, dialect, message.get(49), message.get(25036) == "2")


def _header_fault(message: Message, dialect: Dialect, comp_id: str, now_ns: int) -> Fault | None:
    wanted = BINANCE_COMP_ID if dialect is Dialect.BINANCE else comp_id
    pattern = _BINANCE_COMP_ID if dialect is Dialect.BINANCE else _COMP_ID
    if pattern.fullmatch(message.get(49)) is None:
        return Fault(Reject.COMP_ID, 49, "SenderCompID is missing or malformed.")
    if message.get(56) != wanted:
        return Fault(Reject.COMP_ID, 56, f"TargetCompID must be {wanted}.")
    if message.sequence == 0:
        return Fault(Reject.REQUIRED_TAG_MISSING, 34, "MsgSeqNum is missing or no number.")
    if message.get(98) != "0":
        return Fault(Reject.VALUE_INCORRECT, 98, "EncryptMethod must be 0.")
    if message.is_set(141) and message.sequence != 1:
        return Fault(Reject.VALUE_INCORRECT, 34, "MsgSeqNum must be 1 when ResetSeqNumFlag is Y.")
    if message.is_set(9406):
        return Fault(Reject.VALUE_INCORRECT, 9406, "Drop copy sessions are not offered.")
    sent_ns = parse_timestamp_ns(message.get(52))
    if sent_ns is None:
        return Fault(Reject.REQUIRED_TAG_MISSING, 52, "SendingTime is missing or malformed.")
    if dialect is Dialect.STANDARD:
        late = abs(now_ns - sent_ns) > STANDARD_SKEW_NS
    else:
        window_ms = message.number(25000) if 25000 in message.values else RECV_WINDOW_MS
        if window_ms is None or window_ms > MOST_RECV_WINDOW_MS:
            return Fault(Reject.VALUE_INCORRECT, 25000, f"RecvWindow must be 0 to {MOST_RECV_WINDOW_MS}.")
        late = not -NS_PER_S < now_ns - sent_ns <= window_ms * NS_PER_MS
    if late:
        return Fault(Reject.SENDING_TIME, 52, "Timestamp for this request is outside of the recvWindow.")
    return None


def _binance_fault(message: Message) -> Fault | None:
    for tag in (95, 96, 141, 553, 25035):
        if tag not in message.values:
            return Fault(Reject.REQUIRED_TAG_MISSING, tag, f"Required tag {tag} is missing.")
    heartbeat_s = message.number(108)
    if heartbeat_s is None or not 5 <= heartbeat_s <= 60:
        return Fault(Reject.VALUE_INCORRECT, 108, "HeartBtInt must be 5 to 60.")
    if not message.is_set(141):
        return Fault(Reject.VALUE_INCORRECT, 141, "ResetSeqNumFlag must be Y.")
    if message.number(95) != len(message.get(96)):
        return Fault(Reject.VALUE_INCORRECT, 95, "RawDataLength is not the length of RawData.")
    for tag in (25035, 25036):
        if message.get(tag, "1") not in ("1", "2"):
            return Fault(Reject.VALUE_INCORRECT, tag, f"Tag {tag} must be 1 or 2.")
    return None


def _proves(message: Message, keys: KeyStore, key: Key, dialect: Dialect) -> bool:
    """Whether the logon could only have come from the key's owner."""
    if dialect is Dialect.STANDARD:
        if key.kind is not KeyKind.HMAC:
            return False
        password = message.get(554).encode("latin-1", "replace")
        return hmac.compare_digest(password, key.material.encode())
    parts = [message.get(tag) for tag in (35, 49, 56, 34, 52)]
    return keys.verify(key, SOH.join(parts).encode("latin-1", "replace"), message.get(96))
