"""The compiled ITCH decoder with its rules, which are made from the declarations in messages.py.

Stop on the data path: bytes in, feed rows and typed records out. Invariant: what the rules say of a field's
place is what the declaration says; there is no second table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.arena.machine import live
from engine.arena.memory import Arena
from engine.book.books import RowArray
from engine.book.rows import FeedRow
from engine.core.types import EventType
from engine.feeds.itch.kernels import (
    NOTED,
    UNUSUAL,
    Decoder,
    Note,
    Rule,
    Stock,
    count_stocks,
    decode_messages,
)
from engine.feeds.itch.messages import MESSAGES, ItchMessage, read_message

__all__ = ["ROWS_A_CALL", "Decoded", "ItchDecoder", "Noted"]

ROWS_A_CALL = 8_192
"""Rows of one call: few enough to stay in the processor's cache until the books have seen them."""
NOTES_A_CALL = 1_024
LOCATES = 1 << 16
"""Numbers that a stock can have."""

_EVENT_TYPES = {
    "A": EventType.ADD,
    "F": EventType.ADD,
    "E": EventType.TRADE,
    "C": EventType.TRADE,
    "X": EventType.CANCEL,
    "D": EventType.CANCEL,
    "U": EventType.CANCEL,
    "P": EventType.PRINT,
    "Q": EventType.PRINT,
}
"""What the first row of a message is; every other type is a typed record."""
_UNUSUAL = "UCXQ"
_STOCK_AT = 24


class Noted(NamedTuple):
    """A message that is not about an order or a trade of one."""

    row: int
    """How many rows of the same call come before it."""
    message: ItchMessage


class Decoded(NamedTuple):
    """What one call made of the bytes."""

    end: int
    """Where the first frame begins that is not part of it."""
    rows: RowArray
    """Valid until the next call."""
    note_count: int
    """Messages that are not rows; `ItchDecoder.notes` reads them."""
    first_damage: int | None
    """Place of the first frame that was not understood."""


class ItchDecoder:
    """Decodes frames of a two-byte length and a message.

    Input    decode, then notes and count_stocks
    Counts   by_letter unknown_type wrong_length stocks
    """

    def __init__(self, rows_a_call: int = ROWS_A_CALL) -> None:
        self._arena = Arena()
        self._row = self._arena.new("decoder", Decoder)[0]
        self._row.rules = self._arena.new("rules", Rule, 256)
        self._row.stocks = self._arena.new("stocks", Stock, LOCATES)
        rows = self._arena.new("rows", FeedRow, rows_a_call)
        notes = self._arena.new("notes", Note, NOTES_A_CALL)
        self._room = rows.address, rows.length, notes.address, notes.length
        self._rows = self._arena.rows("rows")
        self._state = self._arena.rows("decoder")[["rows", "notes", "first_damage"]]
        for letter, kind in MESSAGES.items():
            _fill_rule(self._row.rules[ord(letter)], letter, kind)

    def decode(self, octets: npt.NDArray[np.uint8], start: int, stop: int) -> Decoded:
        """The messages whose frames lie wholly in octets[start:stop], as many as one call has room for."""
        assert octets.dtype == np.uint8
        assert octets.flags.c_contiguous
        assert 0 <= start <= stop <= len(octets)
        end = live(decode_messages)(self._row.address, octets.ctypes.data, start, stop, *self._room)
        rows, notes, damage = self._state[0].item()
        return Decoded(end, self._rows[:rows], notes, None if damage < 0 else damage)

    def count_stocks(self, octets: npt.NDArray[np.uint8], start: int, end: int) -> None:
        """Adds what a call of `decode` has passed to `stocks`: from its `start` to its `end`."""
        live(count_stocks)(self._row.address, octets.ctypes.data, start, end)

    def notes(self, octets: npt.NDArray[np.uint8], letters: str | None = None) -> Iterator[Noted]:
        """The last call's messages that are not rows, read from the same bytes: all, or of these types."""
        wanted = None if letters is None else letters.encode()
        for at, length, row in self._arena.rows("notes")[: self._row.notes].tolist():
            if wanted is None or octets[at] in wanted:
                message = read_message(octets[at : at + length].tobytes())
                assert message is not None, "the kernel lets no other length through"
                yield Noted(row, message)

    @property
    def by_letter(self) -> dict[str, int]:
        """Messages so far, by type, in the specification's order; types without any are left out."""
        counts = self._arena.rows("rules")["count"]
        return {letter: count for letter in MESSAGES if (count := int(counts[ord(letter)]))}

    def stocks(self) -> dict[int, tuple[str, int]]:
        """Name, as far as orders told it, and messages of each stock that was counted, by locate code."""
        table = self._arena.rows("stocks")
        busy = np.flatnonzero(table["messages"])
        names = table["name"][busy].astype(">i8").tobytes().decode("latin-1")
        messages = table["messages"][busy].tolist()
        return {
            locate: (names[8 * at : 8 * at + 8].strip("\0 "), messages[at])
            for at, locate in enumerate(busy.tolist())
        }

    @property
    def unknown_type(self) -> int:
        """Frames with a letter that ITCH 5.0 does not have, or empty."""
        return self._row.unknown_type

    @property
    def wrong_length(self) -> int:
        """Frames of another length than their type's."""
        return self._row.wrong_length


def _fill_rule(rule: Rule, letter: str, kind: type[ItchMessage]) -> None:
    """The side of P has been "B" whatever the trade since 2014: it is not read."""
    offsets = {field.name: field.offset for field in kind.fields}
    rule.length = kind.size
    rule.more = NOTED
    if letter not in _EVENT_TYPES:
        return
    rule.more = UNUSUAL if letter in _UNUSUAL else 0
    rule.kind = int(_EVENT_TYPES[letter]) << 32 | ord(letter) << 48
    rule.order_id_at = offsets.get("order_id", 0)
    rule.side_at = 0 if letter == "P" else offsets.get("side", 0)
    rule.names_stock = offsets.get("stock") == _STOCK_AT
    if letter != "U":  # whose quantity and price are those of its second row
        rule.qty_at, rule.qty_mask = offsets.get("shares", 0), -("shares" in offsets)
        rule.price_at, rule.price_mask = offsets.get("price", 0), -("price" in offsets)
