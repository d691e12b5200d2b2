"""For clients in the cage: proves that they reach nothing but the exchange. Standard library only."""

from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path

__all__ = ["nothing_else"]

PATIENCE_S = 3.0
UNREACHABLE = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ECONNREFUSED, errno.EAFNOSUPPORT)
"""What the kernel says at once, without a packet."""
EXCHANGE = "api.binance.com"


def nothing_else(desk_port: int) -> str:
    """What was tried. Raises AssertionError for an address that answers, or is merely slow to refuse."""
    addresses = [
        ("127.0.0.1", desk_port),  # the venue itself, by its own address
        ("::1", desk_port),
        ("127.0.0.1", 22),
        ("192.0.2.1", 443),
        ("8.8.8.8", 53),
        ("169.254.169.254", 80),
        ("2001:db8::1", 443),
        ("2606:4700:4700::1111", 53),
    ]
    for address in addresses:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            if kind == socket.SOCK_DGRAM and address[0] in ("127.0.0.1", "::1"):
                continue  # a datagram socket on loopback connects to nobody as well
            _refused(address, kind)
    for name in ("www.example.com", "github.com", "api.kraken.com", "testnet.binancefuture.com"):
        try:
            found = socket.getaddrinfo(name, 443)
        except OSError:
            continue
        raise AssertionError(f"{name} is known here: {found}")
    interfaces = [name for _, name in socket.if_nameindex()]
    routes = Path("/proc/net/route").read_text().splitlines()[1:]
    assert (interfaces, routes) == (["lo"], []), (interfaces, routes)
    context = ssl.create_default_context()
    trusted = [dict(pair for (pair,) in one["subject"]) for one in context.get_ca_certs()]
    assert [one["commonName"] for one in trusted] == ["Stormdesk cage"], trusted
    with (
        socket.create_connection((EXCHANGE, 443), PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname=EXCHANGE) as peer,
    ):
        names = [name for kind, name in peer.getpeercert()["subjectAltName"] if kind == "DNS"]
    assert EXCHANGE in names, names
    assert all(".binance" in name for name in names), names
    return f"{len(addresses)} addresses and 4 names refused; certificate of {len(names)} names"


def _refused(address: tuple[str, int], kind: int) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, kind) as sender:
        sender.settimeout(PATIENCE_S)
        try:
            sender.connect(address)
        except OSError as error:
            if error.errno in UNREACHABLE:
                return
            raise
        raise AssertionError(f"{address} was reached")
