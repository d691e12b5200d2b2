"""ITCH 5.0 BinaryFILE bytes to feed rows (kernel): table-driven, one pass, no copy.

Each frame is a two-byte length and a message. A message about an order or a trade becomes one FeedRow, a
replacement two (a cancel, and an add that takes over its side); every other known message is noted by its
place, for Python to read as a typed record. Where the fields of a message stand is the decoder's table of
rules, one row per letter, made from the declarations in messages.py.

Invariant: no byte outside [start, stop) is read; what does not fit its type's length is counted and skipped.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined
from engine.arena.layout import Byte, Record, Table, Word
from engine.arena.leaves import big_half, big_short, big_word
from engine.book.rows import REPLACING, UNPRINTED, FeedRow
from engine.core.types import NO_SIDE, EventType

__all__ = ["Decoder", "Note", "Octet", "Rule", "Stock", "decode_messages"]

_FRAME = 2
"""Bytes of the length before a message."""
_TIME_MASK = (1 << 48) - 1
_NEEDS_MORE, _NAMES_STOCK = 4, 8
_STOCK_AT = 24
"""Where the messages that become rows name their stock, if they do (Q elsewhere: it is passed over)."""
_ADD = int(EventType.ADD)
_NOTHING = int(EventType.SNAPSHOT)
_B, _C, _N, _Q, _S, _U, _X = (ord(letter) for letter in "BCNQSUX")


class Octet(Record, itemsize=1):
    """One byte of the stream."""

    value: Byte


class Rule(Record):
    """How a message of one type is read: 64 bytes, a cache line. Offsets count from the message's type."""

    length: Word
    """Of the message; 0 = there is no such type."""
    event_type: Word
    """0 = noted, not decoded."""
    order_id_at: Word
    qty_at: Word
    price_at: Word
    masks: Word
    """Bit 0: it has a quantity; bit 1: a price; bit 2: it needs more than the table says; bit 3: it names
    its stock."""
    side_at: Word
    count: Word
    """Messages of this type so far."""


class Note(Record):
    """Where a message stands that is not a row."""

    place: Word
    """Of its type, in the bytes."""
    length: Word
    row: Word
    """How many rows come before it."""


class Stock(Record):
    """One stock, by its locate code."""

    name: Word
    """Its eight characters as a big-endian word, from the first order that names it; 0 = none yet."""
    rows: Word
    """Rows of it so far."""


class Decoder(Record):
    """What the decoder knows and counts."""

    rules: Table[Rule]
    stocks: Table[Stock]
    """One for each locate code."""
    rows: Word
    """Rows of the last call."""
    notes: Word
    """Notes of the last call."""
    unknown_type: Word
    wrong_length: Word
    first_damage: Word
    """Place in the bytes of the first message of the last call that was not understood; -1 for none."""


@entry
def decode_messages(
    decoder_address: int,
    octets_address: int,
    start: int,
    stop: int,
    rows_address: int,
    row_room: int,
    notes_address: int,
    note_room: int,
) -> int:
    """Decodes octets[start:stop] until they end, a frame is not whole, or the rows or notes are full.

    Returns where the first frame begins that was not decoded.
    """
    decoder = Decoder.at(decoder_address)
    rules = decoder.rules
    octets = Octet.table(octets_address, stop)
    rows = FeedRow.table(rows_address, row_room)
    notes = Note.table(notes_address, note_room)
    used = 0
    noted = 0
    decoder.first_damage = -1
    at = start
    while at + _FRAME < stop and used + 1 < row_room and noted < note_room:
        length = big_short(octets, at)
        body = at + _FRAME
        end = body + length
        if end > stop:
            break
        at = end
        rule = rules[octets[body].value]
        if length != rule.length or length == 0:
            if decoder.first_damage < 0:
                decoder.first_damage = body - _FRAME
            if rule.length == 0 or length == 0:
                decoder.unknown_type += 1
            else:
                decoder.wrong_length += 1
            continue
        rule.count += 1
        if rule.event_type == 0:
            note = notes[noted]
            note.place = body
            note.length = length
            note.row = used
            noted += 1
            continue
        row = rows[used]
        _read_row(octets, body, rule, row)
        used += 1
        stock = decoder.stocks[row.instrument_id]
        stock.rows += 1
        if rule.masks & _NAMES_STOCK != 0:
            if stock.name == 0:
                stock.name = big_word(octets, body + _STOCK_AT)
        elif rule.masks & _NEEDS_MORE != 0:
            used += _read_more(octets, body, row, rows[used])
    decoder.rows = used
    decoder.notes = noted
    return at


@inlined
def _read_row(octets: Table[Octet], body: int, rule: Rule, row: FeedRow) -> None:
    letter = octets[body].value
    side = octets[body + rule.side_at].value
    row.ts = big_word(octets, body + 3) & _TIME_MASK
    row.price = big_half(octets, body + rule.price_at) & -((rule.masks >> 1) & 1)
    row.qty = big_half(octets, body + rule.qty_at) & -(rule.masks & 1)
    row.order_id = big_word(octets, body + rule.order_id_at)
    row.instrument_id = big_short(octets, body + 1)
    row.event_type = rule.event_type
    row.side = NO_SIDE - 2 * int(side == _B) - int(side == _S)
    row.letter = letter
    row.flags = 0


@inlined
def _read_more(octets: Table[Octet], body: int, row: FeedRow, next_row: FeedRow) -> int:
    """What the rules cannot say of U, C, X and Q. Returns how many rows were added."""
    if row.letter == _U:
        next_row.ts = row.ts
        next_row.price = big_half(octets, body + 31)
        next_row.qty = big_half(octets, body + 27)
        next_row.order_id = big_word(octets, body + 19)
        next_row.instrument_id = row.instrument_id
        next_row.event_type = _ADD
        next_row.side = NO_SIDE
        next_row.letter = _U
        next_row.flags = REPLACING
        return 1
    if row.letter == _C:
        if octets[body + 31].value == _N:
            row.flags = UNPRINTED
    elif row.letter == _X:
        if row.qty == 0:
            row.event_type = _NOTHING  # in an event, no quantity means the whole order
    elif row.letter == _Q:
        row.qty = big_word(octets, body + 11)
        row.order_id = 0
    return 0
