"""Where feeds come from and go to: mold:// and soup:// URLs, checked before anything is opened.

Stop on the data path: the command line's edge. Invariant: nothing is connected or bound beyond loopback
unless that was asked for in so many words, and no password is ever in a URL, an error or a file.

    mold://HOST:PORT[?interface=ADDRESS&rerequest=HOST:PORT&gap=halt|rerequest&session=NAME&sequence=N]
    soup://USER@HOST:PORT[?session=NAME&sequence=N]            password: STORMDESK_SOUP_PASSWORD
    mold://HOST:PORT[?session=NAME&interface=ADDRESS&requests=HOST:PORT&ttl=N]                publishing
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from engine.core.errors import UsageError
from engine.feeds.transport.moldudp64 import MAX_SEQUENCE, session_name
from engine.feeds.transport.soupbintcp import LoginRequest, pack_login_request

__all__ = [
    "PASSWORD_VARIABLE",
    "PUBLISH_OPTION",
    "REMOTE_OPTION",
    "Address",
    "GapPolicy",
    "MoldAddress",
    "PublishAddress",
    "SoupAddress",
    "is_loopback",
    "is_multicast",
    "parse_feed_url",
    "parse_publish_url",
    "require_local",
    "soup_password",
]

PASSWORD_VARIABLE = "STORMDESK_SOUP_PASSWORD"
REMOTE_OPTION = "--allow-remote"
"""Option of the command line that lets feeds come from other machines."""
PUBLISH_OPTION = "--publish-anywhere"
"""Option that lets a published market go to other machines."""
MAX_URL = 512
MAX_TTL = 255


class GapPolicy(StrEnum):
    """What to do about a hole that does not close by itself."""

    HALT = "halt"
    REREQUEST = "rerequest"


class Address(NamedTuple):
    """One end of a connection."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class MoldAddress(NamedTuple):
    """A MoldUDP64 stream to receive."""

    stream: Address
    """Unicast: the own address to listen on. Multicast: the group."""
    interface: str | None = None
    """Own address of the interface on which a group is joined."""
    rerequest: Address | None = None
    gap: GapPolicy = GapPolicy.HALT
    session: str | None = None
    """None: the first one seen."""
    start: int | None = None
    """First message wanted; None: the first one seen."""


class SoupAddress(NamedTuple):
    """A SoupBinTCP server."""

    server: Address
    user: str
    session: str = ""
    """Empty: the one that runs."""
    sequence: int = 1
    """First message wanted; 0: the most recent one."""


class PublishAddress(NamedTuple):
    """Where a MoldUDP64 stream is sent."""

    stream: Address
    session: str | None = None
    interface: str | None = None
    """Own address of the interface through which a group is reached."""
    requests: Address | None = None
    """Own address that sends, and takes requests; None: any port."""
    ttl: int = 1
    """Routers that a multicast packet passes, and itself; 1: the own network."""


def parse_feed_url(url: str) -> MoldAddress | SoupAddress:
    """The source that this URL names. Raises UsageError."""
    parts, options = _split(url, ("mold", "soup"))
    if parts.scheme == "soup":
        return _soup(url, parts, options)
    return _mold(url, parts, options)


def parse_publish_url(url: str) -> PublishAddress:
    """The destination that this URL names. Raises UsageError."""
    parts, options = _split(url, ("mold",))
    _refuse_others(url, options, ("session", "interface", "requests", "ttl"))
    _refuse_user(url, parts)
    stream = _numeric(url, _address(url, parts.netloc))
    session = options.get("session")
    if session is not None:
        session_name(session)
    requests = options.get("requests")
    return PublishAddress(
        stream=stream,
        session=session,
        interface=_interface(url, stream, options),
        requests=_numeric(url, _address(url, requests)) if requests is not None else None,
        ttl=_number(url, "ttl", options.get("ttl", "1"), 1, MAX_TTL),
    )


def require_local(address: Address, interface: str | None, *, allow_remote: bool, option: str) -> None:
    """Raises UsageError for what is beyond this machine, unless that is allowed; `option` allows it."""
    if allow_remote or is_loopback(address.host):
        return
    if interface is not None and is_multicast(address.host) and is_loopback(interface):
        return
    raise UsageError(f"{address} is not on this machine: loopback addresses only, or say {option}")


def soup_password(environment: Mapping[str, str] = os.environ) -> str:
    """The password for SoupBinTCP servers. Raises UsageError when there is none."""
    password = environment.get(PASSWORD_VARIABLE)
    if password is None:
        raise UsageError(
            f"soup:// needs a password: set {PASSWORD_VARIABLE} (empty, if the server wants none)"
        )
    return password


def is_loopback(host: str) -> bool:
    """Whether this host is the own machine."""
    parsed = _parsed(host)
    return parsed.is_loopback if parsed is not None else host == "localhost"


def is_multicast(host: str) -> bool:
    """Whether this is the address of a group."""
    parsed = _parsed(host)
    return parsed is not None and parsed.is_multicast


def _mold(url: str, parts: SplitResult, options: dict[str, str]) -> MoldAddress:
    _refuse_others(url, options, ("interface", "rerequest", "gap", "session", "sequence"))
    _refuse_user(url, parts)
    stream = _numeric(url, _address(url, parts.netloc))
    rerequest = options.get("rerequest")
    server = _numeric(url, _address(url, rerequest)) if rerequest is not None else None
    wanted = options.get("gap", "halt" if server is None else "rerequest")
    if wanted not in tuple(GapPolicy):
        raise _error(url, "gap is halt or rerequest")
    gap = GapPolicy(wanted)
    if (gap is GapPolicy.REREQUEST) != (server is not None):
        raise _error(url, "gap=rerequest and rerequest=HOST:PORT belong together")
    session = options.get("session")
    if session is not None:
        session_name(session)
    # Who can ask for what is missing begins at the beginning; who cannot begins with what comes.
    sequence = options.get("sequence", "1" if server is not None else None)
    start = _number(url, "sequence", sequence, 1, MAX_SEQUENCE) if sequence is not None else None
    return MoldAddress(stream, _interface(url, stream, options), server, gap, session, start)


def _soup(url: str, parts: SplitResult, options: dict[str, str]) -> SoupAddress:
    _refuse_others(url, options, ("session", "sequence"))
    user, at, host = parts.netloc.rpartition("@")
    if not at or not user:
        raise _error(url, "a user is missing: soup://USER@HOST:PORT")
    address = SoupAddress(
        server=_address(url, host),
        user=unquote(user),
        session=options.get("session", ""),
        sequence=_number(url, "sequence", options.get("sequence", "1"), 0, MAX_SEQUENCE),
    )
    pack_login_request(LoginRequest(address.user, "", address.session, address.sequence))
    return address


def _split(url: str, schemes: tuple[str, ...]) -> tuple[SplitResult, dict[str, str]]:
    """The URL's parts and its options. A password ends it here, before anything could repeat it."""
    userinfo = re.match(r"[^/?#]*//([^/?#]*)@", url)
    if userinfo is not None and ":" in userinfo[1]:
        raise UsageError(f"a password does not belong into a URL: put it into {PASSWORD_VARIABLE}")
    if len(url) > MAX_URL or not url.isprintable():
        raise UsageError(f"this is no URL of a feed: at most {MAX_URL} printable characters")
    try:
        parts = urlsplit(url)
        pairs = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query), max_num_fields=8
        )
    except ValueError as error:
        raise _error(url, str(error)) from None
    if parts.scheme not in schemes:
        raise _error(url, "it begins with " + " or ".join(f"{scheme}://" for scheme in schemes))
    if parts.path not in ("", "/") or parts.fragment:
        raise _error(url, "nothing but ?options may follow HOST:PORT")
    options = dict(pairs)
    if len(options) < len(pairs):
        raise _error(url, "an option is given twice")
    return parts, options


def _refuse_others(url: str, options: dict[str, str], known: tuple[str, ...]) -> None:
    for name in options:
        if name not in known:
            raise _error(url, f"unknown option {name!r}; there are " + ", ".join(known))


def _refuse_user(url: str, parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise _error(url, "MoldUDP64 has no users")


_HOST_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")


def _address(url: str, text: str) -> Address:
    match = _HOST_AND_PORT.fullmatch(text)
    port = int(match[3]) if match is not None else 0
    if match is None or not 0 < port < 1 << 16:
        raise _error(url, f"{text!r} is not HOST:PORT with a port from 1 to 65535")
    return Address(match[1] or match[2], port)


def _numeric(url: str, address: Address) -> Address:
    """The address as a number: what packets are compared with and sockets are bound to."""
    if address.host == "localhost":
        return Address("127.0.0.1", address.port)
    if _parsed(address.host) is None:
        raise _error(url, f"{address.host!r} is not an IP address")
    return address


def _interface(url: str, stream: Address, options: dict[str, str]) -> str | None:
    interface = options.get("interface")
    if interface is None:
        return None
    parsed = _parsed(interface)
    if not is_multicast(stream.host) or parsed is None or parsed.version != 4 or ":" in stream.host:
        raise _error(
            url, "interface is the own IPv4 address through which an IPv4 multicast group is reached"
        )
    return interface


def _number(url: str, name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and least <= int(text) <= most):
        raise _error(url, f"{name} is a number from {least} to {most}")
    return int(text)


def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _error(url: str, reason: str) -> UsageError:
    return UsageError(f"{url}: {reason}")
