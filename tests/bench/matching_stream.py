"""A stream of orders for matching engines: 57% limit, 5% market, 5% immediate-or-cancel, 33% cancel."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np

from tests.bench.matching_sorted import SortedMatcher
from tests.bench.streams import WIDTH_TICKS, random_rows

__all__ = ["REQUEST_DTYPE", "RequestKind", "mixed_requests"]

REQUEST_DTYPE = np.dtype(
    [("order_id", "u8"), ("price_ticks", "i8"), ("qty_lots", "i8"), ("kind", "u1"), ("side", "u1")],
    align=True,
)
"""One request, 32 bytes. `kind` is a RequestKind, `side` 0 = bid and 1 = ask. A market order's price and a
cancel's price, quantity and side are 0."""


class RequestKind(IntEnum):
    """What is asked of the matching engine."""

    LIMIT = 0
    """Trades at its price or better; the rest of it rests."""
    MARKET = 1
    """Trades at any price; the rest of it is gone."""
    IOC = 2
    """As a limit order, but the rest of it is gone."""
    CANCEL = 3
    """The resting order `order_id` leaves."""


_MID = 100_000
_MOST_LOTS = 500


def mixed_requests(n: int, *, live_orders: int, seed: int = 1) -> np.ndarray:
    """`live_orders` passive limit orders, then n mixed requests, dtype REQUEST_DTYPE.

    One limit order in ten crosses the middle. Orders that take grow when more than `live_orders` rest, and
    shrink when fewer do, so that the number of live orders stays. Every cancel names an order that rests.
    """
    return np.fromiter(_rows(n, live_orders, seed), REQUEST_DTYPE, n + live_orders)


def _rows(n: int, live_orders: int, seed: int) -> Iterator[tuple[int, int, int, int, int]]:
    matcher = SortedMatcher()
    ids: list[int] = []
    for i, (kind, pick, size, place, near, cross) in enumerate(random_rows(seed, n + live_orders, 6)):
        kind = 0 if i < live_orders else kind % 100
        if kind >= 67:
            order_id = _resting(matcher, ids, pick)
            if order_id:
                yield order_id, 0, 0, RequestKind.CANCEL, 0
                matcher.cancel(order_id)
                continue
            kind = 0
        order_id, side = i + 1, pick & 1
        lots = size % _MOST_LOTS + 1
        away = min(place % WIDTH_TICKS, near % WIDTH_TICKS) + 1
        takes = kind >= 57 or (i >= live_orders and cross % 10 == 0)
        if takes:
            away = -(place % 3) - 1
            lots = lots * (5 if len(matcher.orders) > live_orders else 2) // 2
        price = _MID + (away if side else -away)
        if kind < 57:
            yield order_id, price, lots, RequestKind.LIMIT, side
            matcher.limit(order_id, side, price, lots)
            ids.append(order_id)
        elif kind < 62:
            yield order_id, 0, lots, RequestKind.MARKET, side
            matcher.market(order_id, side, lots)
        else:
            yield order_id, price, lots, RequestKind.IOC, side
            matcher.ioc(order_id, side, price, lots)


def _resting(matcher: SortedMatcher, ids: list[int], pick: int) -> int:
    """Takes the id of a resting order out of `ids`, where some have traded since; 0: there is none."""
    while ids:
        at = pick % len(ids)
        order_id = ids[at]
        ids[at] = ids[-1]
        ids.pop()
        if order_id in matcher.orders:
            return order_id
    return 0
