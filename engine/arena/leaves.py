"""Leaves: the few operations that interpreter and compiler do not share, one machine instruction each.

Python integers do not wrap and have no top half of a product; the compiled ones do. Each leaf stands here
once as Python, and in compiled.py once as the instruction; tests hold them equal. Words are int64; where
they stand for 64 random or hashed bits, the sign means nothing.
"""

from __future__ import annotations

import ctypes
from typing import Any

__all__ = [
    "big_half",
    "big_short",
    "big_word",
    "check",
    "folded_product",
    "high_product",
    "move_rows",
    "prefetch",
    "shifted_right",
    "signed",
    "swapped_bytes",
    "wrapped_product",
    "wrapped_sum",
]

_MASK = (1 << 64) - 1


def signed(word: int) -> int:
    """The int64 with these 64 bits; for constants, before any kernel runs."""
    word &= _MASK
    return word - (1 << 64) if word >> 63 else word


def wrapped_sum(a: int, b: int) -> int:
    """a + b modulo 2^64."""
    return signed(a + b)


def wrapped_product(a: int, b: int) -> int:
    """a * b modulo 2^64."""
    return signed(a * b)


def shifted_right(word: int, bits: int) -> int:
    """The 64 bits moved right, zeros coming in."""
    return signed((word & _MASK) >> bits)


def high_product(a: int, b: int) -> int:
    """The upper 64 bits of the 128-bit product of two unsigned words."""
    return signed(((a & _MASK) * (b & _MASK)) >> 64)


def folded_product(a: int, b: int) -> int:
    """Both halves of the 128-bit product of two unsigned words, xored (XXH3's mixing step)."""
    product = (a & _MASK) * (b & _MASK)
    return signed((product >> 64) ^ product)


def swapped_bytes(word: int) -> int:
    """The 8 bytes in reverse order."""
    return signed(int.from_bytes((word & _MASK).to_bytes(8, "little"), "big"))


def big_word(table: Any, at: int) -> int:
    """The eight bytes that begin at byte `at` of a table, the most significant first (network order)."""
    return signed(_big(table, at, 8))


def big_half(table: Any, at: int) -> int:
    """The same with four bytes, unsigned."""
    return _big(table, at, 4)


def big_short(table: Any, at: int) -> int:
    """The same with two bytes, unsigned."""
    return _big(table, at, 2)


def check(holds: bool) -> None:
    """An invariant: verified when interpreted and in the checked build, free in the fast one."""
    assert holds


def prefetch(row: Any) -> None:
    """Tells the processor that this row will be needed soon."""


def move_rows(table: Any, source: int, to: int, count: int) -> None:
    """Copies rows[source : source + count] over rows[to : to + count]; they may overlap."""
    check(min(source, to) >= 0)
    check(max(source, to) + count <= len(table))
    size = table.record.itemsize
    ctypes.memmove(table.address + to * size, table.address + source * size, count * size)


def _big(table: Any, at: int, size: int) -> int:
    check(at >= 0)
    check(at + size <= len(table) * table.record.itemsize)
    return int.from_bytes(ctypes.string_at(table.address + at, size), "big")
