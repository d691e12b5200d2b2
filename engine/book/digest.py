"""Digests: of a book's levels, and of a stream of events. Plain Python over XXH3-64.

Two books agree when their L2 digests agree; two streams agree when their running digests do. The
formulas are flowlab.md section 2, and hashing.py holds the compiled way to the same numbers.

    L2       h = xxh3("FLOWLAB-L2-v1"); each bid, price descending: h ^= xxh3(price_le8 + total_le8, seed=h);
             h = xxh3("|", seed=h); each ask, price ascending: as the bids
    event    s = xxh3(s_le8 + event40), from 0
    replay   s = xxh3(s_le8 + sequence_le8 + event40), from 0, sequence from 1
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable

import numpy as np
from xxhash import xxh3_64_intdigest

from engine.book.interface import EventArray
from engine.core.types import EVENT_BYTES, EVENT_DTYPE

__all__ = [
    "EMPTY_BOOK_DIGEST",
    "L2_LABEL",
    "SIDE_SEPARATOR",
    "book_digest",
    "book_digest_by",
    "chain",
    "event_bytes",
    "replay_digest",
    "running_digest",
]

L2_LABEL = b"FLOWLAB-L2-v1"
SIDE_SEPARATOR = b"|"
EMPTY_BOOK_DIGEST = 0xC229AFE6F81A15B0
"""Digest of a book without levels."""


def book_digest(bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> int:
    """Canonical L2 digest (u64) of all levels as (price_ticks, total_lots), each side best first.

    Order counts are not in it.
    """
    state = _fold_side(xxh3_64_intdigest(L2_LABEL), bids)
    return _fold_side(xxh3_64_intdigest(SIDE_SEPARATOR, state), asks)


def book_digest_by(fold_side: Callable[[int, int], int]) -> int:
    """The same, where `fold_side(side, state)` gives the state after the levels of a side."""
    state = fold_side(0, xxh3_64_intdigest(L2_LABEL))
    return fold_side(1, xxh3_64_intdigest(SIDE_SEPARATOR, state))


def chain(state: int, event: bytes) -> int:
    """The running digest after one more event of 40 bytes; `state` is 0 before the first."""
    return xxh3_64_intdigest(state.to_bytes(8, "little") + event)


def running_digest(events: EventArray | bytes, state: int = 0) -> int:
    """The running digest after these events, continued from `state`.

    An array counts with zero padding, whatever its padding bytes are; bytes count as they are (their
    length must be a multiple of 40).
    """
    data = event_bytes(events)
    for start in range(0, len(data), EVENT_BYTES):
        state = xxh3_64_intdigest(state.to_bytes(8, "little") + data[start : start + EVENT_BYTES])
    return state


def replay_digest(events: EventArray | bytes, state: int = 0, *, first_sequence: int = 1) -> int:
    """The replay digest after these events, of which the first has number `first_sequence`.

    Arrays and bytes as in `running_digest`.
    """
    data = event_bytes(events)
    for sequence, start in enumerate(range(0, len(data), EVENT_BYTES), first_sequence):
        head = _PAIR.pack(state, sequence)
        state = xxh3_64_intdigest(head + data[start : start + EVENT_BYTES])
    return state


def event_bytes(events: EventArray | bytes) -> bytes:
    """The 40-byte records of these events, one after the other; of an array, with zero padding."""
    if isinstance(events, bytes):
        assert len(events) % EVENT_BYTES == 0, f"{len(events)} bytes are not whole events"
        return events
    # numpy leaves padding undefined in a new array; a digest must not depend on it.
    clean = np.zeros(len(events), EVENT_DTYPE)
    for name in EVENT_DTYPE.names or ():
        clean[name] = events[name]
    return clean.tobytes()


_PAIR = struct.Struct("<QQ")


def _fold_side(state: int, levels: Iterable[tuple[int, int]]) -> int:
    pack = _PAIR.pack
    for price, total in levels:
        state ^= xxh3_64_intdigest(pack(price, total), state)
    return state
