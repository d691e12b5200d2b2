"""Event streams for the tests: Flowlab's two generators, at any length, and four of our own.

The first two are the formulas of Flowlab's public streams, so their digests are known from outside.
"""

from __future__ import annotations

import numpy as np

from engine.core.rng import Stream
from engine.core.types import EVENT_DTYPE, EventType

_MASK = (1 << 64) - 1
_LIMIT = (1 << 63) - 1
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
    """Every rule at once, legal or not: all event types, ids that come back, many levels, odd sides,
    prices and quantities around both limits (2^63-1 and 2^64-1)."""
    random = Stream(seed, 1)
    kinds = [1] * 9 + [2] * 4 + [3] * 4 + [4] * 4 + [5, 16, 0, 255]

    def far() -> int:
        return (_LIMIT, _LIMIT, _LIMIT + 3, _MASK)[random.below(4)] - random.below(3)

    rows = [
        (
            i,
            random.below(prices) if random.below(50) else far(),
            random.below(40) if random.below(30) else far() - random.below(38),
            # Ids whose low bits agree crowd the id map; the ends of the range are legal ids.
            random.below(ids) << (34 * random.below(2)) if random.below(50) else _MASK,
            1,
            kinds[random.below(len(kinds))],
            random.below(2) if random.below(40) else 2 + random.below(254),
        )
        for i in range(n)
    ]
    return event_array(rows)


def crowded_stream(n: int, seed: int = 1, *, ids: int = 40, levels: int = 3) -> np.ndarray:
    """Large orders on few levels of both sides, so that a level's limit refuses about every third of them,
    and one refusal decides about the next."""
    random = Stream(seed, 2)
    kinds = [1] * 6 + [2] * 3 + [3] * 5 + [4] * 2

    def lots() -> int:
        share = _LIMIT // (1 + random.below(6))
        return max(1, share - random.below(5)) if random.below(4) else 1 + random.below(5)

    rows = []
    for i in range(n):
        kind = kinds[random.below(len(kinds))]
        qty = 0 if kind == EventType.CANCEL and random.below(2) else lots()
        rows.append((i, 100 + random.below(levels), qty, random.below(ids), 1, kind, random.below(2)))
    return event_array(rows)


def deep_stream(n: int, seed: int = 1, *, levels: int = 100_000) -> np.ndarray:
    """n events on a book of about `levels` levels: it is built in random order, each level by one order;
    then orders leave, come, move and trade anywhere in it."""
    random = Stream(seed, 3)
    prices = list(range(1, levels + 1))
    for i in range(levels - 1, 0, -1):
        j = random.below(i + 1)
        prices[i], prices[j] = prices[j], prices[i]
    kinds = (EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE)
    rows: list[Row] = []
    for i in range(n + levels):
        kind = kinds[random.below(4)] if i >= levels else EventType.ADD
        price = prices[i] if i < levels else 1 + random.below(levels)
        order_id = i if kind == EventType.ADD else random.below(i)
        qty = 0 if kind == EventType.CANCEL and random.below(2) else 1 + random.below(100)
        # Bids below the middle, asks above; one in fifty the other way, so that the book is crossed.
        side = int(price > levels // 2) ^ (random.below(50) == 0)
        rows.append((i, price, qty, order_id, 1, int(kind), side))
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
