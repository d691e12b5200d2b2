"""Records: rows of raw memory with named, typed fields. One declaration, read by interpreter and compiler.

    class Order(Record):
        order_id: Word
        qty_lots: Word

    orders = Order.table(address, length)
    order = orders[3]
    order.qty_lots -= 5

A kernel (functions.py) is a plain function over such rows. Interpreted, a row is a small Python object
whose fields read and write a memoryview, bounds checked. Compiled (compiled.py), a row is one address in
a register and a field one load or store: the speed of C, because nothing is counted, boxed or flattened.

Promises: the layout is the same on both paths (fields in order, naturally aligned), so a market can move
from one path to the other between two events; and everything is an int64 or a float64 in hand, so both
paths compute the same.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import numpy as np

__all__ = [
    "Byte",
    "Field",
    "Half",
    "Real",
    "Record",
    "RecordType",
    "Table",
    "Unsigned",
    "Wide",
    "WideField",
    "Word",
]

Word = Annotated[int, "i8"]
"""int64."""
Half = Annotated[int, "i4"]
"""int32 in memory, int64 in hand."""
Unsigned = Annotated[int, "u4"]
"""uint32 in memory, int64 in hand."""
Byte = Annotated[int, "u1"]
"""0 to 255 in memory, int64 in hand."""
Real = Annotated[float, "f8"]
"""float64."""

_CODES = {"i8": "q", "i4": "i", "u4": "I", "u1": "B", "f8": "d"}
_SIZES = {"i8": 8, "i4": 4, "u4": 4, "u1": 1, "f8": 8, "wide": 16, "table": 16, "row": 8}
_CACHED_TABLES = 4_096
"""Interpreted tables kept by address; more means tables that are made without end."""

_R = TypeVar("_R", bound="Record")


class Field(NamedTuple):
    """Where a field stands, and what it is: a code of _SIZES."""

    name: str
    offset: int
    code: str
    record: type[Record] | None
    """Of a "table" or a "row": what it leads to."""

    @property
    def target(self) -> type[Record]:
        """What a "table" or a "row" leads to."""
        assert self.record is not None
        return self.record


class RecordType(type):
    """The type of record types: how the compiler knows one among a kernel's globals."""


class Record(metaclass=RecordType):
    """Base of all record types; a subclass declares fields by annotation, in memory order.

    A field may be a Word, Half, Unsigned, Byte, Real, a Wide, another Record (its address), or a
    Table[Record] (address and length). The last two are links: kernels follow them, and only Python
    changes them, between two entries, so compiled code may keep them in registers.
    """

    fields: ClassVar[dict[str, Field]]
    itemsize: ClassVar[int]
    _dtype: ClassVar[np.dtype[Any]]
    __slots__ = ("_offset", "_table")

    def __init_subclass__(cls, itemsize: int | None = None) -> None:
        hints = get_type_hints(cls, include_extras=True, localns={cls.__name__: cls})
        cls.fields = {}
        offset = 0
        for name in cls.__annotations__:
            code, record = _code_of(hints[name])
            size = _SIZES[code]
            offset = -(-offset // min(size, 8)) * min(size, 8)
            cls.fields[name] = Field(name, offset, code, record)
            setattr(cls, name, _descriptor(cls.fields[name]))
            offset += size
        cls.itemsize = itemsize or -(-offset // 8) * 8
        assert cls.itemsize >= offset, f"{cls.__name__} needs {offset} bytes"
        cls._dtype = _dtype_of(cls)

    def __init__(self, table: Table[Any], offset: int) -> None:
        self._table = table
        self._offset = offset

    @classmethod
    def table(cls: type[_R], address: int, length: int) -> Table[_R]:
        """`length` rows that begin at an address."""
        key = (cls, address, length)
        table = _tables.get(key)
        if table is None:
            if len(_tables) >= _CACHED_TABLES:
                _tables.clear()
            table = _tables[key] = Table(cls, address, length)
        return table

    @classmethod
    def at(cls: type[_R], address: int) -> _R:
        """The row at an address."""
        row = _rows.get((cls, address))
        if row is None:
            if len(_rows) >= _CACHED_TABLES:
                _rows.clear()
            row = _rows[(cls, address)] = cls.table(address, 1)[0]
        return row  # type: ignore[return-value]

    @classmethod
    def dtype(cls) -> np.dtype[Any]:
        """The numpy view of the record: "table" and "wide" fields as two words."""
        return cls._dtype

    @property
    def address(self) -> int:
        """Where the row stands."""
        return self._table.address + self._offset

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={getattr(self, name)}" for name in self.fields)
        return f"{type(self).__name__}({values})"


class Table(Generic[_R]):
    """Rows of one record type, side by side. Indexing is bounds checked; there are no negative indices."""

    __slots__ = ("_itemsize", "_views", "address", "length", "record", "words")

    def __init__(self, record: type[_R], address: int, length: int) -> None:
        self.record = record
        self.address = address
        self.length = length
        self._itemsize = record.itemsize
        raw: Any = memoryview((ctypes.c_ubyte * (length * record.itemsize)).from_address(address)).cast("B")
        self._views: dict[str, Any] = {
            code: raw.cast(form) if len(raw) % _SIZES[code] == 0 else raw for code, form in _CODES.items()
        }
        self.words: Any = self._views["i8"]

    def __getitem__(self, index: int) -> _R:
        if not 0 <= index < self.length:
            raise IndexError(f"{self.record.__name__} {index} of {self.length}")
        return self.record(self, index * self._itemsize)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[_R]:
        return (self[i] for i in range(self.length))


_tables: dict[tuple[type[Record], int, int], Table[Any]] = {}
_rows: dict[tuple[type[Record], int], Record] = {}


class Wide:
    """A 128-bit integer field: exact money. Kernels copy it, add products to it and ask for its sign; read it
    as a Python int."""

    __slots__ = ("_index", "_words")

    def __init__(self, words: memoryview, index: int) -> None:
        self._words = words
        self._index = index

    def add_product(self, a: int, b: int, c: int) -> None:
        """Adds a * b * c."""
        self.value += a * b * c

    def take(self, other: Wide) -> None:
        """Becomes what another one is."""
        self.value = other.value

    def add(self, other: Wide) -> None:
        """Adds another one."""
        self.value += other.value

    def sign(self) -> int:
        """1, 0 or -1."""
        return (self.value > 0) - (self.value < 0)

    @property
    def value(self) -> int:
        """As a Python int (not for kernels)."""
        return (self._words[self._index + 1] << 64) + (self._words[self._index] & 0xFFFF_FFFF_FFFF_FFFF)

    @value.setter
    def value(self, value: int) -> None:
        low = value & 0xFFFF_FFFF_FFFF_FFFF
        self._words[self._index] = low - (1 << 64) if low >> 63 else low
        self._words[self._index + 1] = value >> 64

    def __repr__(self) -> str:
        return str(self.value)


class WideField:
    """Descriptor of a Wide."""

    def __init__(self, offset: int) -> None:
        self.offset = offset

    def __get__(self, row: Record | None, owner: type[Record]) -> Any:
        if row is None:
            return self
        return Wide(row._table.words, (row._offset + self.offset) >> 3)


class _Number:
    """Descriptor of a number in memory."""

    def __init__(self, code: str, offset: int) -> None:
        self.code = code
        self.offset = offset
        self.shift = _SIZES[code].bit_length() - 1

    def __get__(self, row: Record | None, owner: type[Record]) -> Any:
        if row is None:
            return self
        return row._table._views[self.code][(row._offset + self.offset) >> self.shift]

    def __set__(self, row: Record, value: float) -> None:
        row._table._views[self.code][(row._offset + self.offset) >> self.shift] = value


class _WordField(_Number):
    """Descriptor of a Word: what kernels read most."""

    def __get__(self, row: Record | None, owner: type[Record]) -> Any:
        if row is None:
            return self
        return row._table.words[(row._offset + self.offset) >> 3]

    def __set__(self, row: Record, value: float) -> None:
        row._table.words[(row._offset + self.offset) >> 3] = value


class _Link:
    """Descriptor of a table (address, length) or of another row (address)."""

    def __init__(self, field: Field) -> None:
        self.record = field.target
        self.offset = field.offset
        self.is_table = field.code == "table"

    def __get__(self, row: Record | None, owner: type[Record]) -> Any:
        if row is None:
            return self
        words = row._table.words
        at = (row._offset + self.offset) >> 3
        if self.is_table:
            return self.record.table(words[at], words[at + 1])
        return self.record.at(words[at])

    def __set__(self, row: Record, value: Any) -> None:
        words = row._table.words
        at = (row._offset + self.offset) >> 3
        words[at] = value.address
        if self.is_table:
            words[at + 1] = value.length


def _code_of(hint: Any) -> tuple[str, type[Record] | None]:
    if get_origin(hint) is Annotated:
        return get_args(hint)[1], None
    if hint is Wide:
        return "wide", None
    if get_origin(hint) is Table:
        return "table", get_args(hint)[0]
    assert isinstance(hint, type), f"{hint} cannot be a field"
    assert issubclass(hint, Record), f"{hint} cannot be a field"
    return "row", hint


def _dtype_of(record: type[Record]) -> np.dtype[Any]:
    formats = {"row": "i8", "wide": ("i8", (2,)), "table": ("i8", (2,))}
    fields = record.fields.values()
    return np.dtype(
        {
            "names": [field.name for field in fields],
            "formats": [formats.get(field.code, field.code) for field in fields],
            "offsets": [field.offset for field in fields],
            "itemsize": record.itemsize,
        }
    )


def _descriptor(field: Field) -> Any:
    if field.record is not None:
        return _Link(field)
    if field.code == "wide":
        return WideField(field.offset)
    return (_WordField if field.code == "i8" else _Number)(field.code, field.offset)


assert sys.byteorder == "little", "records, events and digests are little-endian"
