"""Benchmark `digest`: the canonical digest of a 1,000-level book, and XXH3 alone over the same bytes.

The digest chains one hash per level (engine/book/digest.py), so xxhash alone means the same chain over bytes
that lie ready. What one hash over all the bytes takes stands beside it: that is no digest of ours.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from engine.book import HotBook
from engine.book.digest import L2_LABEL, SIDE_SEPARATOR
from engine.core.types import EVENT_DTYPE, EventType
from tests.bench.measure import Benchmark, Contender, Requirement, Row, Step, Steps, compare, take_turns

__all__ = ["BENCHMARK"]

LEVELS_PER_SIDE = 500
ORDERS_PER_LEVEL = 4
CALLS, RUNS = 100, 15
TIMES_XXHASH = Requirement(3, "at most times")
_MID = 100_000


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Microseconds of CPU per digest."""
    calls, runs = (10, 3) if quick else (CALLS, RUNS)
    steps = Steps(report, 3 * runs)
    HotBook.warm_up()
    book = HotBook()
    book.apply(_adds())
    sides = [[(level.price_ticks, level.qty_lots) for level in book.levels(side)] for side in (0, 1)]
    bids, asks = ([struct.pack("<QQ", *level) for level in side] for side in sides)
    flat = b"".join([L2_LABEL, *bids, SIDE_SEPARATOR, *asks])
    timings = take_turns(
        [
            _repeated("digest", lambda: book.digest(), calls, runs),
            _repeated("chain", lambda: _chain(bids, asks), calls, runs),
            _repeated("flat", lambda: xxh3_64_intdigest(flat), calls, runs, is_digest=False),
        ],
        steps,
        where="digest",
    )
    us = {name: timing.cpu_ns / calls / 1_000 for name, timing in timings.items()}
    work = f"digest of {2 * LEVELS_PER_SIDE:,} levels"
    return [
        compare(
            "digest",
            work,
            "us",
            ours=us["digest"],
            reference="xxhash, the same chain of hashes",
            theirs=us["chain"],
            requires=TIMES_XXHASH,
        ),
        compare(
            "digest",
            work,
            "us",
            ours=us["digest"],
            reference="xxhash, one hash of all bytes",
            theirs=us["flat"],
            why="one hash of all bytes is no digest of ours, which seeds each level's hash with the last",
        ),
    ]


BENCHMARK = Benchmark(
    name="digest",
    work="canonical digest of a book of 1,000 levels",
    reference="xxhash alone over the same bytes",
    requires=(TIMES_XXHASH,),
    measure=measure,
)


def _repeated(
    name: str, once: Callable[[], int], calls: int, runs: int, *, is_digest: bool = True
) -> Contender:
    def work(_state: Any) -> None:
        for _ in range(calls):
            once()

    return Contender(name, lambda: None, work, lambda _state: once() if is_digest else None, runs)


def _chain(bids: list[bytes], asks: list[bytes]) -> int:
    state = xxh3_64_intdigest(L2_LABEL)
    for level in bids:
        state ^= xxh3_64_intdigest(level, state)
    state = xxh3_64_intdigest(SIDE_SEPARATOR, state)
    for level in asks:
        state ^= xxh3_64_intdigest(level, state)
    return state


def _adds() -> np.ndarray:
    rows = []
    for i in range(2 * LEVELS_PER_SIDE * ORDERS_PER_LEVEL):
        side, away = i % 2, i // 2 % LEVELS_PER_SIDE + 1
        rows.append((i, _MID + (away if side else -away), i % 97 + 1, i + 1, 1, int(EventType.ADD), side))
    return np.array(rows, EVENT_DTYPE)
