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
from engine.book.rows import REPLACING, UNPRINTED
from engine.core.types import EVENT_BYTES, NO_SIDE, EventType

__all__ = ["NOTED", "UNUSUAL", "Decoder", "Note", "Octet", "Rule", "Stock", "count_stocks", "decode_messages"]

_FRAME = 2
"""Bytes of the length before a message."""
_TIME_MASK = (1 << 48) - 1
NOTED, UNUSUAL = 1, 2
"""Of Rule.more: the message is noted by its place, not decoded; or it needs `_read_more`."""
_STOCK_AT = 24
"""Where the messages that become rows name their stock, if they do (Q elsewhere: it is passed over)."""
_ADD = int(EventType.ADD)
_NOTHING = int(EventType.SNAPSHOT)
_B, _C, _N, _Q, _S, _U, _X = (ord(letter) for letter in "BCNQSUX")


class Octet(Record, itemsize=1):
    """One byte of the stream."""

    value: Byte


class Rule(Record, itemsize=64):
    """How a message of one type is read: a cache line. Offsets count from the message's type."""

    length: Word
    """Of the message; 0 = there is no such type."""
    kind: Word
    """The last word of its row but for stock and side: event type and letter at their places."""
    qty_mask: Word
    """-1 where the message has a quantity, else 0."""
    price_mask: Word
    """The same of a price."""
    count: Word
    """Messages of this type so far."""
    order_id_at: Byte
    qty_at: Byte
    price_at: Byte
    side_at: Byte
    more: Byte
    """What the rule cannot say: NOTED or UNUSUAL."""
    names_stock: Byte
    """1 where the message names its stock, at _STOCK_AT."""


class Row(Record, itemsize=EVENT_BYTES):
    """A FeedRow as the decoder writes it: its small fields in one word."""

    ts: Word
    price: Word
    qty: Word
    order_id: Word
    last: Word
    """instrument_id, event_type << 32, side << 40, letter << 48, flags << 56."""


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
    messages: Word
    """About its orders and trades."""


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
    rows = Row.table(rows_address, row_room)
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
        if rule.more == NOTED:
            note = notes[noted]
            note.place = body
            note.length = length
            note.row = used
            noted += 1
            continue
        _read_row(octets, body, rule, rows[used])
        used += 1
        if rule.more == UNUSUAL:
            used += _read_more(octets, body, rows[used - 1], rows[used])
    decoder.rows = used
    decoder.notes = noted
    return at


@entry
def count_stocks(decoder_address: int, octets_address: int, start: int, stop: int) -> int:
    """Counts the messages about orders and trades in octets[start:stop] by stock, and takes the names that
    orders tell. The bytes are whole frames that `decode_messages` has seen. Returns `stop`."""
    decoder = Decoder.at(decoder_address)
    octets = Octet.table(octets_address, stop)
    at = start
    while at < stop:
        length = big_short(octets, at)
        body = at + _FRAME
        at = body + length
        if length == 0:
            continue
        rule = decoder.rules[octets[body].value]
        if length == rule.length and rule.more != NOTED:
            stock = decoder.stocks[big_short(octets, body + 1)]
            stock.messages += 1
            if stock.name == 0 and rule.names_stock != 0:
                stock.name = big_word(octets, body + _STOCK_AT)
    return stop


@inlined
def _read_row(octets: Table[Octet], body: int, rule: Rule, row: Row) -> None:
    letter = octets[body + rule.side_at].value
    row.ts = big_word(octets, body + 3) & _TIME_MASK
    row.price = big_half(octets, body + rule.price_at) & rule.price_mask
    row.qty = big_half(octets, body + rule.qty_at) & rule.qty_mask
    row.order_id = big_word(octets, body + rule.order_id_at)
    side = NO_SIDE - 2 * int(letter == _B) - int(letter == _S)
    row.last = big_short(octets, body + 1) | rule.kind | side << 40


@inlined
def _read_more(octets: Table[Octet], body: int, row: Row, next_row: Row) -> int:
    """What the rules cannot say of U, C, X and Q. Returns how many rows were added."""
    letter = octets[body].value
    if letter == _U:
        next_row.ts = row.ts
        next_row.price = big_half(octets, body + 31)
        next_row.qty = big_half(octets, body + 27)
        next_row.order_id = big_word(octets, body + 19)
        next_row.last = (row.last & ~(255 << 32)) | _ADD << 32 | REPLACING << 56
        return 1
    if letter == _C:
        if octets[body + 31].value == _N:
            row.last |= UNPRINTED << 56
    elif letter == _X:
        if row.qty == 0:  # in an event, no quantity means the whole order
            row.last = (row.last & ~(255 << 32)) | _NOTHING << 32
    elif letter == _Q:
        row.qty = big_word(octets, body + 11)
        row.order_id = 0
    return 0
