"""Event streams for the tests: Flowlab's two generators, at any length, and two of our own.

The first two are the formulas of Flowlab's public streams, so their digests are known from outside.
"""

from __future__ import annotations

import numpy as np

from engine.core.rng import Stream
from engine.core.types import EVENT_DTYPE, EventType

_MASK = (1 << 64) - 1
Row = tuple[int, int, int, int, int, int, int]
"""(ts, price, qty, order_id, instrument_id, event_type, side), the fields of EVENT_DTYPE."""


def event_array(rows: list[Row]) -> np.ndarray:
    """These rows as events."""
    return np.array(rows, EVENT_DTYPE)


def event(kind: int, order_id: int, side: int = 0, price: int = 0, qty: int = 0) -> np.ndarray:
    """One event, as an array of one."""
    return event_array([(0, price, qty, order_id, 1, kind, side)])


def journal_stream(n: int = 5_000) -> np.ndarray:
    """Adds only, on 25 price levels a side."""
    return event_array(
        [(1000 + i, 100_000 + (i % 50) * 10, 100, i + 1, 1, int(EventType.ADD), i % 2) for i in range(n)]
    )


def itch_stream(n: int, seed: int = 0xC0FFEE) -> np.ndarray:
    """60% adds, 25% whole cancels, 15% trades of unknown ids; ends crossed."""
    rows: list[Row] = []
    live: list[int] = []
    next_id = 1
    draw = _Xorshift64(seed)
    for i in range(n):
        kind = draw() % 100
        if kind < 60 or not live:
            price = max(1, 1_000_000 + 100 * (draw() % 50 - 25))
            qty = draw() % 1000 + 1
            side = draw() % 2
            rows.append((i * 1000, price, qty, next_id, 0, int(EventType.ADD), side))
            live.append(next_id)
            next_id += 1
        elif kind < 85:
            at = draw() % len(live)
            live[at], live[-1] = live[-1], live[at]
            rows.append((i * 1000, 0, 0, live.pop(), 0, int(EventType.CANCEL), 0))
        else:
            qty = draw() % 200 + 1
            side = draw() % 2
            # The next unused id, which stays unused: the trade finds no order.
            rows.append((i * 1000, 1_000_000, qty, next_id, 0, int(EventType.TRADE), side))
    return event_array(rows)


def steady_stream(n: int, seed: int = 1, *, live_orders: int = 5_000, width_ticks: int = 40) -> np.ndarray:
    """A calm uncrossed market: n events after `live_orders` adds; 45% add, 40% cancel, 10% trade, 5% modify.

    Trades and half of the cancels are partial where the drawn quantity says so.
    """
    random = Stream(seed, 0)
    rows: list[Row] = []
    live: list[int] = []

    def place() -> tuple[int, int]:
        side = random.below(2)
        off = min(random.below(width_ticks), random.below(width_ticks)) + 1
        return side, 100_000 + (off if side else -off)

    for i in range(n + live_orders):
        kind = random.below(100)
        qty = random.below(500) + 1
        if i < live_orders or kind < 45 or not live:
            side, price = place()
            rows.append((i, price, qty, i + 1, 1, int(EventType.ADD), side))
            live.append(i + 1)
            continue
        at = random.below(len(live))
        order_id = live[at]
        if kind < 85:
            qty = 0 if random.below(2) else qty
            rows.append((i, 0, qty, order_id, 1, int(EventType.CANCEL), 0))
            if qty == 0:
                live[at] = live[-1]
                live.pop()
        elif kind < 95:
            rows.append((i, 0, qty, order_id, 1, int(EventType.TRADE), 0))
        else:
            side, price = place()
            rows.append((i, price, qty, order_id, 1, int(EventType.MODIFY), side))
    return event_array(rows)


def wild_stream(n: int, seed: int = 1, *, ids: int = 3_000, prices: int = 700) -> np.ndarray:
    """Every rule at once, legal or not: all event types, ids that come back, many levels, odd sides."""
    random = Stream(seed, 1)
    kinds = [1] * 9 + [2] * 4 + [3] * 4 + [4] * 4 + [5, 16, 0, 255]
    rows = [
        (
            i,
            random.below(prices) if random.below(50) else _MASK - random.below(3),
            random.below(40) if random.below(30) else _MASK - random.below(40),
            # Ids whose low bits agree crowd the id map; the ends of the range are legal ids.
            random.below(ids) << (34 * random.below(2)) if random.below(50) else _MASK,
            1,
            kinds[random.below(len(kinds))],
            random.below(2) if random.below(40) else 2 + random.below(254),
        )
        for i in range(n)
    ]
    return event_array(rows)


class _Xorshift64:
    def __init__(self, seed: int) -> None:
        self._state = seed

    def __call__(self) -> int:
        x = self._state
        x ^= (x << 13) & _MASK
        x ^= x >> 7
        x ^= (x << 17) & _MASK
        self._state = x
        return x
