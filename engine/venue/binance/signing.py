"""Who sends this, and did they sign it now: API key, timestamp window, signature.

Place on the data path: before parameters are looked at. Invariant: `admit` returns a key only for a request
that this key may make, that was signed by it over the bytes as sent, and that is not older than its window.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from engine.venue.binance import errors
from engine.venue.binance.endpoints import Security
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.parameters import INT64_MAX, Kind
from engine.venue.keys import API_KEY, Key, KeyKind, KeyStore, Permission

__all__ = [
    "SIGNATURE_NAMES",
    "admit",
    "check_time",
    "find_key",
    "parse_query",
    "signed_bytes",
    "socket_payload",
]

DEFAULT_WINDOW_MS = 5_000
LONGEST_WINDOW_MS = 60_000
AHEAD_MS = 1_000
"""How far a client's clock may be ahead."""
MICROSECONDS_FROM = 10**14
"""Timestamps from here on count microseconds: in ms they would be the year 5138."""
SIGNATURE_NAMES = ("signature", "timestamp", "recvWindow")
PARAMETER_LIMIT = 128
"""Parameters in one request."""
_WINDOW = re.compile(r"[0-9]{1,20}(\.[0-9]{1,3})?\Z")


def parse_query(query: str, body: str = "") -> dict[str, str]:
    """The parameters of query string and body, decoded; the query's win.

    Raises RequestRefused when one comes twice in the same place, or there are too many.
    """
    params: dict[str, str] = {}
    if query:
        _parse_into(params, query)
    if body:
        own: dict[str, str] = {}
        _parse_into(own, body)
        params = own | params
    return params


def _parse_into(params: dict[str, str], text: str) -> None:
    parts = text.split("&")
    if len(parts) > PARAMETER_LIMIT:
        raise errors.too_many_parameters(PARAMETER_LIMIT, len(parts))
    for part in parts:
        if not part:
            continue
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unquote_plus(name), unquote_plus(value)
        if name in params:
            raise errors.duplicate_value()
        params[name] = value


def signed_bytes(query: str, body: str) -> bytes:
    """What a REST request signs: query and body as sent, without the signature parameter."""
    return (_without_signature(query) + _without_signature(body)).encode("utf-8", "surrogateescape")


def _without_signature(text: str) -> str:
    at = text.find("signature=")
    if at < 0:
        return text
    if at == 0 or text[at - 1] == "&":
        end = text.find("&", at)
        if end < 0:
            return text[: max(0, at - 1)]
        return text[:at] + text[end + 1 :]
    return "&".join(part for part in text.split("&") if not part.startswith("signature="))


def socket_payload(params: Mapping[str, str]) -> bytes:
    """What a WS-API request signs: its parameters but the signature, sorted by name."""
    return "&".join([f"{name}={params[name]}" for name in sorted(params) if name != "signature"]).encode(
        "utf-8", "surrogateescape"
    )


def find_key(store: KeyStore, api_key: str | None, security: Security) -> Key:
    """The key of a request, if it may make one of this kind. Raises RequestRefused (-2014, -2015)."""
    key = store.find(api_key) if api_key is not None else None
    if key is None and (api_key is None or API_KEY.match(api_key) is None):
        raise RequestRefused(-2014, "API-key format invalid.", status=401)
    wanted = Permission.TRADE if security is Security.TRADE else Permission.READ
    if key is None or not key.may(wanted):
        raise RequestRefused(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    return key


def check_time(params: Mapping[str, str], now_ms: int) -> None:
    """Check `timestamp` and `recvWindow` against the venue's clock. Raises RequestRefused."""
    text = params.get("timestamp")
    if not text:
        raise errors.mandatory("timestamp")
    if Kind.LONG.match(text) is None:
        raise errors.illegal("timestamp", Kind.LONG.pattern)
    stamp = int(text)
    if stamp > INT64_MAX:
        raise errors.overflowed("timestamp")
    stamp_ms = stamp // 1_000 if stamp >= MICROSECONDS_FROM else stamp
    window_ms: float = DEFAULT_WINDOW_MS
    window_text = params.get("recvWindow")
    if window_text is not None:
        if _WINDOW.match(window_text) is None:
            raise errors.illegal("recvWindow", "^[0-9]{1,20}$")
        window_ms = float(window_text)
        if window_ms > LONGEST_WINDOW_MS:
            raise RequestRefused(-1131, "recvWindow must be less than 60000.")
    if stamp_ms >= now_ms + AHEAD_MS:
        raise RequestRefused(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - stamp_ms > window_ms:
        raise RequestRefused(-1021, "Timestamp for this request is outside of the recvWindow.")


def admit(store: KeyStore, key: Key, params: dict[str, str], payload: bytes, now_ms: int) -> dict[str, str]:
    """Check time and signature; takes the parameters of the signature out of `params` and returns it."""
    check_time(params, now_ms)
    signature = params.get("signature")
    if not signature:
        raise errors.mandatory("signature")
    signature = signature.replace(" ", "+")  # base64 that its sender did not percent-encode
    if not store.verify(key, payload, signature):
        if Kind.SIGNATURE.match(signature) is None:
            raise errors.illegal("signature", _signature_pattern(key))
        raise RequestRefused(-1022, "Signature for this request is not valid.")
    for name in SIGNATURE_NAMES:
        params.pop(name, None)
    return params


def _signature_pattern(key: Key) -> str:
    return "^[A-Fa-f0-9]{64}$" if key.kind is KeyKind.HMAC else Kind.SIGNATURE.pattern
