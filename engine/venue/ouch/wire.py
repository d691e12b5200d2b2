"""How OUCH messages lie on the wire: fields, options, and the reading and writing that follows from them.

Place on the data path: under the tables of messages.py. Invariant: memory is bounded by the message's bytes,
and whatever the bytes are, they are a message or damage, never an exception.

A message is its fixed part and, in most, an appendage: its length (u16), then options, each with length (u8,
of what follows), tag (u8) and value. A message whose appendage is optional ends behind the fixed part when
it has no option.
"""

from __future__ import annotations

import struct
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, NamedTuple, get_args, get_type_hints

import msgspec.structs

__all__ = [
    "MAX_MESSAGE_BYTES",
    "Appendage",
    "Damage",
    "Language",
    "MessageField",
    "Options",
    "OuchMessage",
    "Read",
    "Tag",
    "write",
]

MAX_MESSAGE_BYTES = 512
"""Longest message read; the longest that makes sense has 140 bytes."""


class Appendage(StrEnum):
    """Whether options may follow."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"
    """Its length is always there."""


class Tag(IntEnum):
    """Options of Appendix A."""

    SECONDARY_REFERENCE = 1
    FIRM = 2
    MIN_QTY = 3
    CUSTOMER_TYPE = 4
    MAX_FLOOR = 5
    PRICE_TYPE = 6
    PEG_OFFSET = 7
    DISCRETION_PRICE = 9
    DISCRETION_PRICE_TYPE = 10
    DISCRETION_PEG_OFFSET = 11
    POST_ONLY = 12
    RANDOM_RESERVES = 13
    ROUTE = 14
    EXPIRE_TIME = 15
    TRADE_NOW = 16
    HANDLE_INST = 17
    BBO_WEIGHT = 18
    DISPLAY_QUANTITY = 22
    DISPLAY_PRICE = 23
    GROUP_ID = 24
    SHARES_LOCATED = 25
    LOCATE_BROKER = 26
    SIDE = 27
    USER_REF_IDX = 28
    AIQ_STRATEGY = 29
    AIQ_GROUP_ID = 30


TAG_CODES = {
    Tag.SECONDARY_REFERENCE: "Q",
    Tag.FIRM: "4s",
    Tag.MIN_QTY: "I",
    Tag.CUSTOMER_TYPE: "c",
    Tag.MAX_FLOOR: "I",
    Tag.PRICE_TYPE: "c",
    Tag.PEG_OFFSET: "i",
    Tag.DISCRETION_PRICE: "Q",
    Tag.DISCRETION_PRICE_TYPE: "c",
    Tag.DISCRETION_PEG_OFFSET: "i",
    Tag.POST_ONLY: "c",
    Tag.RANDOM_RESERVES: "I",
    Tag.ROUTE: "4s",
    Tag.EXPIRE_TIME: "I",
    Tag.TRADE_NOW: "c",
    Tag.HANDLE_INST: "c",
    Tag.BBO_WEIGHT: "c",
    Tag.DISPLAY_QUANTITY: "I",
    Tag.DISPLAY_PRICE: "Q",
    Tag.GROUP_ID: "H",
    Tag.SHARES_LOCATED: "c",
    Tag.LOCATE_BROKER: "4s",
    Tag.SIDE: "c",
    Tag.USER_REF_IDX: "B",
    Tag.AIQ_STRATEGY: "c",
    Tag.AIQ_GROUP_ID: "2s",
}
"""How each option's value is written, as in `struct`, big-endian."""
Options = dict[Tag, int | str]


class MessageField(NamedTuple):
    """Where a field stands in its message."""

    name: str
    offset: int
    code: str
    """As in `struct`, big-endian."""


class Damage(StrEnum):
    """Why bytes are no message, or its options cannot be used."""

    EMPTY = "empty"
    UNKNOWN_TYPE = "unknown type"
    WRONG_LENGTH = "wrong length"
    BAD_APPENDAGE = "appendage and message length disagree"
    BAD_OPTION = "option cut off, or of another length than its tag's"
    UNKNOWN_OPTION = "option that this message does not have"
    REPEATED_OPTION = "option given twice"


class OuchMessage(msgspec.Struct, frozen=True):
    """What all messages have; a subclass adds its fields in the order of the specification."""

    letter: ClassVar[str]
    title: ClassVar[str]
    appendage: ClassVar[Appendage] = Appendage.OPTIONAL
    tags: ClassVar[frozenset[Tag]] = frozenset((Tag.USER_REF_IDX,))
    """Options that it may have."""
    fields: ClassVar[tuple[MessageField, ...]]
    size: ClassVar[int]
    """Bytes of the fixed part, with its letter and without the appendage's length."""


class Read(NamedTuple):
    """What bytes are. With damage, `message` is the fixed part without options, where that could be read."""

    message: OuchMessage | None
    damage: Damage | None = None


class _Layout(NamedTuple):
    fixed: struct.Struct
    kind: type[OuchMessage]
    texts: tuple[tuple[int, int], ...]
    """Which values are text, and how long."""


_LAYOUTS: dict[type[OuchMessage], _Layout] = {}
_LENGTH = struct.Struct(">H")
_VALUES = {int(tag): (tag, struct.Struct(f">{code}")) for tag, code in TAG_CODES.items()}


class Language:
    """The messages of one direction: the same letter means another message in the other."""

    def __init__(self, kinds: tuple[type[OuchMessage], ...]) -> None:
        self.kinds = {kind.letter: kind for kind in kinds}
        """By letter, in the specification's order."""
        self._layouts = {ord(kind.letter): _lay_out(kind) for kind in kinds}

    def read(self, data: bytes) -> Read:
        """The message in these bytes."""
        if not data:
            return Read(None, Damage.EMPTY)
        layout = self._layouts.get(data[0])
        if layout is None:
            return Read(None, Damage.UNKNOWN_TYPE)
        size = layout.fixed.size
        if not size <= len(data) <= MAX_MESSAGE_BYTES:
            return Read(None, Damage.WRONG_LENGTH)
        values: list[Any] = list(layout.fixed.unpack_from(data))[1:]
        for at, _ in layout.texts:
            values[at] = values[at].decode("latin-1").rstrip(" ")
        kind = layout.kind
        if len(data) == size and kind.appendage is not Appendage.REQUIRED:
            return Read(kind(*values))
        if kind.appendage is Appendage.NONE:
            return Read(None, Damage.WRONG_LENGTH)
        options = _read_options(data[size:], kind.tags)
        if isinstance(options, Damage):
            return Read(kind(*values), options)
        return Read(kind(*values, options))


def write(message: OuchMessage) -> bytes:
    """Its bytes. Raises ValueError, naming the field, for a value that the wire cannot hold."""
    layout = _LAYOUTS[type(message)]
    *values, options = msgspec.structs.astuple(message)
    for at, size in layout.texts:
        text = values[at].encode("latin-1")
        if len(text) > size:
            raise ValueError(f"{message.fields[at].name} {values[at]!r} is longer than {size} characters")
        values[at] = text.ljust(size)
    try:
        fixed = layout.fixed.pack(message.letter.encode(), *values)
    except struct.error as error:
        raise ValueError(f"{message.title}: {error}") from error
    if message.appendage is Appendage.NONE or (message.appendage is Appendage.OPTIONAL and not options):
        return fixed
    appendage = b"".join([_write_option(tag, value) for tag, value in options.items()])
    return fixed + _LENGTH.pack(len(appendage)) + appendage


def _read_options(data: bytes, allowed: frozenset[Tag]) -> Options | Damage:
    if len(data) < 2 or _LENGTH.unpack_from(data)[0] != len(data) - 2:
        return Damage.BAD_APPENDAGE
    options: Options = {}
    at, end = 2, len(data)
    while at < end:
        length = data[at]
        if length < 1 or at + 1 + length > end:
            return Damage.BAD_OPTION
        known = _VALUES.get(data[at + 1])
        if known is None or known[0] not in allowed:
            return Damage.UNKNOWN_OPTION
        tag, value = known
        if value.size != length - 1:
            return Damage.BAD_OPTION
        if tag in options:
            return Damage.REPEATED_OPTION
        (content,) = value.unpack_from(data, at + 2)
        options[tag] = content.decode("latin-1").rstrip(" ") if isinstance(content, bytes) else content
        at += 1 + length
    return options


def _write_option(tag: Tag, value: int | str) -> bytes:
    layout = _VALUES[tag][1]
    content = value.encode("latin-1").ljust(layout.size) if isinstance(value, str) else value
    try:
        if isinstance(content, bytes) and len(content) > layout.size:
            raise struct.error("too long")
        packed = layout.pack(content)
    except struct.error as error:
        raise ValueError(f"{tag.name} {value!r}: {error}") from error
    return bytes((len(packed) + 1, tag)) + packed


def _lay_out(kind: type[OuchMessage]) -> _Layout:
    """Lays a message's fields out, in order, without padding."""
    hints = get_type_hints(kind, include_extras=True)
    offset, fields = 1, []
    for name in kind.__struct_fields__[:-1]:
        code = get_args(hints[name])[1]
        fields.append(MessageField(name, offset, code))
        offset += struct.calcsize(f">{code}")
    kind.fields, kind.size = tuple(fields), offset
    texts = tuple(
        (at, struct.calcsize(field.code)) for at, field in enumerate(fields) if field.code[-1] in "cs"
    )
    layout = _LAYOUTS[kind] = _Layout(struct.Struct(">c" + "".join(f.code for f in fields)), kind, texts)
    return layout
