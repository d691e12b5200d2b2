"""Request weights per address and new orders per account, in fixed windows of the wall clock.

Place on the data path: before a request is looked at. A client over its weight gets 429; one that goes on
asking gets 418 until its ban is over, twice as long each time. Invariant: at most ADDRESS_LIMIT addresses
are remembered, and a window that is over is forgotten.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.venue.binance import errors
from engine.venue.binance.errors import RequestRefused

__all__ = ["Limits", "Windows"]

MINUTE_MS = 60_000
TEN_SECONDS_MS = 10_000
DAY_MS = 86_400_000
ADDRESS_LIMIT = 1_024
"""Addresses whose weight is remembered."""
PATIENCE = 200
"""Refused requests in one window after which an address is banned."""
FIRST_BAN_MS = 2 * MINUTE_MS
LONGEST_BAN_MS = 3 * DAY_MS


class Limits(NamedTuple):
    """What exchangeInfo announces and the venue enforces."""

    weight_1m: int = 6_000
    """Request weight of one address per minute."""
    orders_10s: int = 100
    """New orders of one account per 10 seconds."""
    orders_1d: int = 200_000
    """New orders of one account per day."""
    raw_5m: int = 61_000
    """Announced only."""

    def describe(self) -> list[dict[str, Any]]:
        """`rateLimits` of exchangeInfo."""
        return [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, self.weight_1m),
            _limit("ORDERS", "SECOND", 10, self.orders_10s),
            _limit("ORDERS", "DAY", 1, self.orders_1d),
            _limit("RAW_REQUESTS", "MINUTE", 5, self.raw_5m),
        ]


class _Address:
    __slots__ = ("banned_until_ms", "bans", "refused", "used", "window")

    def __init__(self) -> None:
        self.window = -1
        self.used = 0
        self.refused = 0
        self.banned_until_ms = 0
        self.bans = 0


class _Orders:
    __slots__ = ("day", "day_count", "short", "short_count")

    def __init__(self) -> None:
        self.short = self.day = -1
        self.short_count = self.day_count = 0


class Windows:
    """The counters."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.refused_weight = 0
        self.refused_orders = 0
        self.bans = 0
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[int, _Orders] = {}

    def charge(self, address: str, weight: int, now_ms: int) -> int:
        """Count a request; returns the weight used in this minute. Raises RequestRefused (429, 418)."""
        entry = self._addresses.get(address)
        if entry is None:
            entry = self._remember(address)
        window = now_ms // MINUTE_MS
        if entry.window != window:
            entry.window = window
            entry.used = entry.refused = 0
        if entry.banned_until_ms > now_ms:
            raise self.ban_error(entry.banned_until_ms)
        entry.used += weight
        if entry.used > self.limits.weight_1m:
            raise self._over_weight(entry, now_ms)
        return entry.used

    def count(self, address: str, weight: int, now_ms: int) -> None:
        """Count weight without refusing anything."""
        entry = self._addresses.get(address) or self._remember(address)
        if entry.window != now_ms // MINUTE_MS:
            entry.window = now_ms // MINUTE_MS
            entry.used = entry.refused = 0
        entry.used += weight

    def used(self, address: str, now_ms: int) -> int:
        """Weight that an address has used in this minute."""
        entry = self._addresses.get(address)
        return entry.used if entry is not None and entry.window == now_ms // MINUTE_MS else 0

    def charge_orders(self, account: int, count: int, now_ms: int) -> None:
        """Count new orders. Raises RequestRefused (429, -1015) when they are too many."""
        entry = self._orders.get(account)
        if entry is None:
            entry = self._orders[account] = _Orders()
        short, day = now_ms // TEN_SECONDS_MS, now_ms // DAY_MS
        if entry.short != short:
            entry.short, entry.short_count = short, 0
        if entry.day != day:
            entry.day, entry.day_count = day, 0
        if entry.short_count + count > self.limits.orders_10s:
            self._refuse_orders(f"{self.limits.orders_10s} orders per 10 SECOND")
        if entry.day_count + count > self.limits.orders_1d:
            self._refuse_orders(f"{self.limits.orders_1d} orders per 1 DAY")
        entry.short_count += count
        entry.day_count += count

    def order_counts(self, account: int, now_ms: int) -> tuple[int, int]:
        """New orders of an account in these 10 seconds and on this day."""
        entry = self._orders.get(account)
        if entry is None:
            return 0, 0
        return (
            entry.short_count if entry.short == now_ms // TEN_SECONDS_MS else 0,
            entry.day_count if entry.day == now_ms // DAY_MS else 0,
        )

    def forget_accounts(self) -> None:
        """Another session: accounts are others."""
        self._orders.clear()

    def limit_error(self, until_ms: int) -> RequestRefused:
        """429."""
        return RequestRefused(
            errors.TOO_MANY_REQUESTS,
            f"Too much request weight used; current limit is {self.limits.weight_1m} request weight per "
            "1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.",
            status=429,
            retry_at_ms=until_ms,
        )

    def ban_error(self, until_ms: int) -> RequestRefused:
        """418."""
        return errors.banned(until_ms)

    def statistics(self) -> dict[str, int]:
        """Fill, limit and refusals."""
        return {
            "addresses": len(self._addresses),
            "address_limit": ADDRESS_LIMIT,
            "heaviest": max((entry.used for entry in self._addresses.values()), default=0),
            "refused_weight": self.refused_weight,
            "refused_orders": self.refused_orders,
            "bans": self.bans,
        }

    def _remember(self, address: str) -> _Address:
        if len(self._addresses) >= ADDRESS_LIMIT:
            del self._addresses[next(iter(self._addresses))]
        entry = self._addresses[address] = _Address()
        return entry

    def _over_weight(self, entry: _Address, now_ms: int) -> RequestRefused:
        self.refused_weight += 1
        entry.refused += 1
        if entry.refused > PATIENCE:
            self.bans += 1
            entry.banned_until_ms = now_ms + min(FIRST_BAN_MS << min(entry.bans, 16), LONGEST_BAN_MS)
            entry.bans += 1
            return self.ban_error(entry.banned_until_ms)
        return self.limit_error((entry.window + 1) * MINUTE_MS)

    def _refuse_orders(self, limit: str) -> None:
        self.refused_orders += 1
        raise RequestRefused(-1015, f"Too many new orders; current limit is {limit}.", status=429)


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
