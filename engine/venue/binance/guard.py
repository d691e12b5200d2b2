"""Which hosts and origins may speak to the venue.

Place on the data path: before anything else of a request. Loopback alone is no protection: any page in a
browser may send requests to 127.0.0.1; such a request shows its Origin, and one through a rebound DNS name
shows that name as its Host. Inside a cage, clients believe that they talk to the exchange and name its hosts.
"""

from __future__ import annotations

__all__ = ["EXCHANGE_NAMES", "LOOPBACK_NAMES", "refuse_foreign"]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})

EXCHANGE_NAMES = frozenset(
    {
        *(f"{name}.binance.{tld}" for name in ("api", "stream", "ws-api") for tld in ("com", "us")),
        *(f"api{number}.binance.com" for number in ("1", "2", "3", "4", "-gcp")),
        "data-api.binance.vision",
        "data-stream.binance.vision",
        "data-stream.binance.com",
        "testnet.binance.vision",
        "api.testnet.binance.vision",
        "api1.testnet.binance.vision",
        "stream.testnet.binance.vision",
        "ws-api.testnet.binance.vision",
        "demo-api.binance.com",
        "demo-stream.binance.com",
        "demo-ws-api.binance.com",
    }
)
"""Names of the exchange that a caged client uses."""
_ALLOWED = LOOPBACK_NAMES | EXCHANGE_NAMES


def refuse_foreign(host: str, origin: str | None, *, check_host: bool) -> str:
    """Why a request with these headers is refused; empty: it is not."""
    if check_host and host not in _ALLOWED and host.rpartition(":")[0] not in _ALLOWED:
        return "Host: this venue answers to 127.0.0.1, localhost and the exchange's names only"
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return "Origin: requests of other web pages are refused"
    return ""
