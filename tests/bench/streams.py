"""Event streams for the benchmarks: a mix that keeps its number of live orders, and the recorded one."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from engine.core.types import EVENT_DTYPE, EventType
from tests.bench.measure import NotHere

__all__ = ["WIDTH_TICKS", "mixed_stream", "random_rows", "recorded_stream"]

WIDTH_TICKS = 20
"""Price levels of a side that orders come to, those near the touch most often. As many as in the shared
streams: what removing an order costs nautilus_trader grows with the orders at a price."""
_MID = 100_000
_BLOCK = 1 << 15
"""Rows of random numbers made at a time."""
_RECORDED = Path(__file__).parents[2] / "../shared/vectors/steady_500k.events.bin.gz"


def recorded_stream() -> np.ndarray:
    """500,000 events from an empty book to 151,805 live orders: 60% add, 25% cancel, 15% trade.

    Raises NotHere without the folder of shared vectors.
    """
    if not _RECORDED.is_file():
        raise NotHere("needs ../shared/vectors beside the repository (marked `shared`)")
    return np.frombuffer(gzip.decompress(_RECORDED.read_bytes()), EVENT_DTYPE)


def mixed_stream(n: int, *, live_orders: int, seed: int = 1) -> np.ndarray:
    """`live_orders` adds, then n events: 45% add, 40% cancel, 10% trade, 5% modify, all of live orders.

    One in ten cancels and trades is partial, so that as many orders come as go. The market is uncrossed and
    an order keeps its side.
    """
    total = n + live_orders
    rows: list[tuple[int, int, int, int, int, int, int]] = []
    live: list[int] = []
    sides, prices, lots = [0] * (total + 1), [0] * (total + 1), [0] * (total + 1)
    for i, (kind, pick, size, place, near) in enumerate(random_rows(seed, total, 5)):
        kind = 0 if i < live_orders or not live else kind % 100
        qty = size % 500 + 2
        off = min(place % WIDTH_TICKS, near % WIDTH_TICKS) + 1
        if kind < 45:
            order_id, side = i + 1, pick & 1
            sides[order_id], prices[order_id], lots[order_id] = side, _MID + (off if side else -off), qty
            rows.append((i, prices[order_id], qty, order_id, 1, int(EventType.ADD), side))
            live.append(order_id)
            continue
        at = pick % len(live)
        order_id = live[at]
        side, price, rests = sides[order_id], prices[order_id], lots[order_id]
        if kind >= 95:
            prices[order_id], lots[order_id] = _MID + (off if side else -off), qty
            rows.append((i, prices[order_id], qty, order_id, 1, int(EventType.MODIFY), side))
            continue
        event = EventType.CANCEL if kind < 85 else EventType.TRADE
        if size % 10 == 0 and rests > 1:
            lots[order_id] = rests - rests // 2
            rows.append((i, price, rests // 2, order_id, 1, int(event), side))
        else:
            live[at] = live[-1]
            live.pop()
            rows.append((i, price, rests, order_id, 1, int(event), side))
    return np.array(rows, EVENT_DTYPE)


def random_rows(seed: int, rows: int, columns: int) -> Iterator[list[int]]:
    """`rows` lists of `columns` integers in [0, 2^31): SplitMix64 over a counter, the same everywhere."""
    for start in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - start)
        x = np.arange(start * columns + 1, (start + count) * columns + 1, dtype=np.uint64)
        x = (x + (np.uint64(seed) << np.uint64(40))) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        yield from ((x ^ (x >> np.uint64(31))) >> np.uint64(33)).reshape(count, columns).tolist()
