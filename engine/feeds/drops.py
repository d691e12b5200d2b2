"""What a feed could not use, counted by reason: nothing goes silently, and nothing goes by half.

Stop on the data path: inside every decoder. Invariant: a message is either used or counted here, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Drop", "DropCounts", "DropReason"]


class DropReason(StrEnum):
    """Why a message of a feed, or a record within one, was not used."""

    BAD_LINE = "not `<local ns> <JSON>`"
    LINE_TOO_LONG = "line too long"
    BAD_JSON = "not valid JSON"
    UNKNOWN_STREAM = "unknown stream"
    BAD_FIELD = "a field is missing or of the wrong type"
    OTHER_SYMBOL = "another symbol than the first one"
    NOT_A_MARKET_TRADE = "a trade outside the book"
    TOLD_TWICE = "told by another stream of the same connection"
    BEFORE_START = "happened before the subscription"
    NO_SIZES = "a quote without sizes"
    NO_SIDE = "a trade without a side"
    IDS_REVERSED = "first update id after the last"
    BAD_NUMBER = "not a plain decimal number"
    NEGATIVE = "negative number"
    NOT_POSITIVE = "zero where a positive number must be"
    CROSSED = "bid above ask"
    BAD_TIME = "not a time"
    BAD_SYMBOL = "not a symbol"
    OFF_GRID = "too fine for 63 bits beside larger values"
    OUT_OF_RANGE = "too large a number"


class Drop(NamedTuple):
    """What was not used, for one reason."""

    reason: DropReason
    lines: int
    first_line: int
    """Number of the first such line, from 1."""
    first_offset: int
    """Byte offset of its start in the unpacked file."""


class DropCounts:
    """Drops of one feed, in order of first appearance of their reasons."""

    def __init__(self) -> None:
        self.total = 0
        """All drops."""
        self.line = 0
        self.offset = 0
        """Where the message lies that is being read: who reads a file sets them before each."""
        self._drops: dict[DropReason, Drop] = {}

    def add(self, reason: DropReason, *, line: int | None = None, offset: int | None = None) -> None:
        """One more; `line` and `offset` say where it was, if not in the message that is being read, and stay
        those of the first."""
        drop = self._drops.get(reason) or Drop(
            reason, 0, self.line if line is None else line, self.offset if offset is None else offset
        )
        self._drops[reason] = drop._replace(lines=drop.lines + 1)
        self.total += 1

    def __iter__(self) -> Iterator[Drop]:
        return iter(self._drops.values())

    def statistics(self) -> dict[str, int]:
        """Drops by reason."""
        return {str(drop.reason): drop.lines for drop in self._drops.values()}
