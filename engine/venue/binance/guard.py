"""Which hosts and origins may speak to the venue.

Place on the data path: before anything else of a request. Loopback alone is no protection: any page in a
browser may send requests to 127.0.0.1; such a request shows its Origin, and one through a rebound DNS name
shows that name as its Host. Inside a cage, clients believe that they talk to the exchange and name its hosts.
"""

from __future__ import annotations

__all__ = ["CAGE_ADDRESS", "EXCHANGE_DOMAINS", "LOOPBACK_NAMES", "refuse_foreign"]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
EXCHANGE_DOMAINS = ("binance.com", "binance.us", "binance.vision", "binancefuture.com")
"""A caged client takes the venue for a host of these. No web page can make such a name lead here."""

CAGE_ADDRESS = "127.67.65.71"
"""From where a cage connects, as no browser does: its bot may call the venue what its user says."""


def refuse_foreign(host: str, origin: str | None, *, address: str, check_host: bool) -> str:
    """Why a request with these headers is refused; empty: it is not."""
    named = check_host and address != CAGE_ADDRESS
    if named and not _is_ours(host) and not _is_ours(_without_port(host)):
        return "Host: this venue answers to 127.0.0.1, localhost and the exchange's names only"
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return "Origin: requests of other web pages are refused"
    return ""


def _without_port(host: str) -> str:
    name, _, port = host.rpartition(":")
    return name if port.isascii() and port.isdigit() else host


def _is_ours(name: str) -> bool:
    name = name.lower()
    return name in LOOPBACK_NAMES or name.endswith(_SUFFIXES)


_SUFFIXES = tuple(f".{domain}" for domain in EXCHANGE_DOMAINS)
