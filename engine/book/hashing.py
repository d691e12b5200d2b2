"""XXH3-64 of the two short inputs that digests are made of, as kernels (formulas: digest.py).

Source: the XXH3 specification (xxhash 0.8), the branches for 9 to 16 and for 17 to 128 bytes with the
default secret. Tests hold them equal to the xxhash library.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined
from engine.arena.leaves import (
    folded_product,
    shifted_right,
    signed,
    swapped_bytes,
    wrapped_product,
    wrapped_sum,
)
from engine.book.kernels import Book

__all__ = ["event_digest", "fold_side", "level_digest"]

_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
)
_S = [signed(int.from_bytes(_SECRET[i : i + 8], "little")) for i in range(0, 64, 8)]
_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7 = _S
_PRIME64_1 = 0x9E3779B185EBCA87
_AVALANCHE = 0x165667919E3779F9
_EVENT_START = signed(48 * _PRIME64_1)
_LOW_FLIP = _S3 ^ _S4
_HIGH_FLIP = _S5 ^ _S6


@inlined
def event_digest(state: int, ts: int, price: int, qty: int, order_id: int, last: int) -> int:
    """xxh3_64 of the 48 bytes of `state` and an event, whose last word is `last` (see packed_kind)."""
    total = _EVENT_START
    total = wrapped_sum(total, folded_product(price ^ _S4, qty ^ _S5))
    total = wrapped_sum(total, folded_product(price ^ _S6, qty ^ _S7))
    total = wrapped_sum(total, folded_product(state ^ _S0, ts ^ _S1))
    total = wrapped_sum(total, folded_product(order_id ^ _S2, last ^ _S3))
    return _avalanche(total)


@inlined
def level_digest(state: int, price: int, total: int) -> int:
    """xxh3_64 of the 16 bytes of a level, seeded with `state`."""
    low = price ^ wrapped_sum(_LOW_FLIP, state)
    high = total ^ wrapped_sum(_HIGH_FLIP, -state)
    mixed = wrapped_sum(wrapped_sum(16, swapped_bytes(low)), wrapped_sum(high, folded_product(low, high)))
    return _avalanche(mixed)


@inlined
def _avalanche(word: int) -> int:
    word = wrapped_product(word ^ shifted_right(word, 37), _AVALANCHE)
    return word ^ shifted_right(word, 32)


@entry
def fold_side(book_address: int, side: int, state: int) -> int:
    """The L2 digest after the levels of one side, best first."""
    book = Book.at(book_address)
    book_side = book.sides[side]
    rung = book_side.count
    while rung > 0:
        rung -= 1
        level = book.levels[book_side.rungs[rung].level]
        state ^= level_digest(state, level.price, level.total)
    return state
