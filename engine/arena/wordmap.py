"""A map from words to words, in one table: order ids to slots, prices to volumes.

Open addressing with linear probing over a power of two from 4 on, kept at most half full by its owner.
Value 0 is a free entry; removal shifts later entries back, so there are no tombstones and searches stay
short.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined
from engine.arena.layout import Record, Table, Word
from engine.arena.leaves import high_product, shifted_right, signed, wrapped_product

__all__ = ["MapEntry", "find_entry", "forget_entry", "home_entry", "move_entries"]

_SPREAD = signed(0x9E3779B97F4A7C15)
"""2^64 times the golden ratio's fraction."""


class MapEntry(Record):
    """One entry: 16 bytes, four to a cache line."""

    key: Word
    value: Word
    """0 = this entry is free."""


@inlined
def find_entry(entries: Table[MapEntry], key: int) -> int:
    """The entry that holds this key, or the free one into which it belongs."""
    mask = len(entries) - 1
    at = home_entry(entries, key)
    while entries[at].value != 0 and entries[at].key != key:
        at = (at + 1) & mask
    return at


@inlined
def forget_entry(entries: Table[MapEntry], at: int) -> None:
    """Frees an entry. Later ones of its run move back into the hole when their home allows it."""
    mask = len(entries) - 1
    hole = at
    probe = (at + 1) & mask
    while entries[probe].value != 0:
        home = home_entry(entries, entries[probe].key)
        if ((probe - home) & mask) >= ((probe - hole) & mask):
            entries[hole].key = entries[probe].key
            entries[hole].value = entries[probe].value
            hole = probe
        probe = (probe + 1) & mask
    entries[hole].value = 0


@inlined
def home_entry(entries: Table[MapEntry], key: int) -> int:
    """Where the search for a key begins.

    Keys that follow each other share a cache line. Lines are spread by the golden ratio (Fibonacci hashing:
    the line's place is the fraction of line x ratio), which puts each next line into the widest gap that is
    left: keys that count upwards meet the oldest ones, of which few are left, and seldom each other.
    """
    fraction = wrapped_product(shifted_right(key, 2), _SPREAD)
    return (high_product(fraction, len(entries) >> 2) << 2) | (key & 3)


@entry
def move_entries(old_address: int, old_length: int, new_address: int, new_length: int) -> int:
    """Enters all that an old table holds into an empty, longer one. Returns how many."""
    old_entries = MapEntry.table(old_address, old_length)
    new_entries = MapEntry.table(new_address, new_length)
    moved = 0
    for i in range(old_length):
        old = old_entries[i]
        if old.value != 0:
            new = new_entries[find_entry(new_entries, old.key)]
            new.key = old.key
            new.value = old.value
            moved += 1
    return moved
