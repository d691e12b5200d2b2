"""What the exchange is called inside the cage, and the files that make every other name unknown.

Place on the data path: before it; the texts cover /etc/hosts, /etc/nsswitch.conf and /etc/resolv.conf of the
bot. Invariant: a name is known here, or no question about it leaves the process.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from engine.core.errors import UsageError

__all__ = [
    "EXCHANGE_NAMES",
    "PLAIN_PORTS",
    "RESOLVER_TEXT",
    "TLS_PORTS",
    "hosts_text",
    "names_with",
    "nsswitch_text",
]

EXCHANGE_NAMES = (
    *(f"api{which}.binance.com" for which in ("", "1", "2", "3", "4", "-gcp")),
    *("stream.binance.com", "ws-api.binance.com", "data-stream.binance.com"),
    *("data-api.binance.vision", "data-stream.binance.vision"),
    # Its testnets, and the exchange of the United States: the same API, for bots that are set to them.
    *("testnet.binance.vision", "api.testnet.binance.vision", "api1.testnet.binance.vision"),
    *("stream.testnet.binance.vision", "ws-api.testnet.binance.vision"),
    *(f"demo-{room}.binance.com" for room in ("api", "stream", "ws-api")),
    *(f"{room}.binance.us" for room in ("api", "stream", "ws-api")),
    # ccxt asks the two futures exchanges for their markets before it does anything on spot.
    *("fapi.binance.com", "dapi.binance.com"),
)
"""Hosts of Binance Spot that stock clients call (binance-spot-api-docs, rest-api.md and web-socket-*.md)."""
TLS_PORTS = (443, 9443)
PLAIN_PORTS = (80,)
NAME_LIMIT = 64
"""Names in all, those of `--host` included: they have to fit one certificate and one hosts file."""
RESOLVER_TEXT = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"
"""/etc/resolv.conf: nobody listens there, so that clients with a resolver of their own fail at once too."""
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?", re.ASCII)


def names_with(more: Iterable[str]) -> tuple[str, ...]:
    """The exchange's names and the additional ones, each once. Raises UsageError for what is no host name."""
    names = dict.fromkeys(EXCHANGE_NAMES)
    for text in more:
        name = text.lower().rstrip(".")
        if not _NAME.fullmatch(name):
            raise UsageError(f"--host {text!r} is not a host name; give it as in api.exchange.com")
        names[name] = None
    if len(names) > NAME_LIMIT:
        raise UsageError(f"--host: {len(names)} names in all, at most {NAME_LIMIT}")
    return tuple(names)


def hosts_text(names: Sequence[str], machine_name: str) -> str:
    """/etc/hosts: the names, and the machine's own, all on loopback."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    if machine_name and machine_name != "localhost":
        lines.append(f"127.0.0.1 {machine_name}")
    lines += [f"127.0.0.1 {name}" for name in names]
    return "\n".join(lines) + "\n"


def nsswitch_text(original: str) -> str:
    """/etc/nsswitch.conf with hosts from files alone, all else as it was.

    Some systems ask a resolver through a Unix socket before they read the hosts file, and Unix sockets of
    the file system lead out of a network namespace.
    """
    kept = [line for line in original.splitlines() if not line.lstrip().startswith("hosts:")]
    return "\n".join([*kept, "hosts: files"]) + "\n"
