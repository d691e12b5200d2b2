"""An arena: the tables of one book or market, and the one place that allocates, grows and copies them.

Rows refer to rows of other tables by index; only a root's table fields hold addresses. So the whole state
is a few arrays: a copy of them is a fork, their bytes are a snapshot, and `relink` makes either live.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from engine.arena.layout import Record, Table

__all__ = ["Arena", "ArenaImage", "Rows", "TablePlace"]

Rows = npt.NDArray[np.void]
"""A table as numpy sees it: a 1-d structured array, sharing the memory."""

_R = TypeVar("_R", bound=Record)


class TablePlace(NamedTuple):
    """Where a table stood when an image was taken."""

    name: str
    length: int
    address: int


class ArenaImage(NamedTuple):
    """An arena as bytes: the tables one after the other."""

    places: tuple[TablePlace, ...]
    data: bytes


class Arena:
    """Named tables. A table's memory stays where it is until `grow`."""

    def __init__(self) -> None:
        self._rows: dict[str, Rows] = {}
        self._records: dict[str, type[Record]] = {}
        self._addresses: dict[str, int] = {}
        self.roots: dict[str, Record] = {}
        """The rows that `row` has given out and that are still there."""

    def new(self, name: str, record: type[_R], length: int = 1) -> Table[_R]:
        """A table of zeros."""
        assert name not in self._rows, f"two tables called {name}"
        self._records[name] = record
        self._place(name, _zeros(record, length))
        return self.table(name, record)

    def grow(self, name: str, record: type[_R], length: int) -> Table[_R]:
        """A longer table with the rows of the old one, which is gone: whoever held its address must take
        the new one."""
        old = self._rows[name]
        assert length > len(old)
        self._place(name, _zeros(record, length))
        _copy_bytes(old, self._rows[name])
        return self.table(name, record)

    def renew(self, name: str, record: type[_R], length: int) -> Rows:
        """Another, empty table under this name; gives the rows of the old one, which is gone otherwise."""
        old = self._rows[name]
        self._place(name, _zeros(record, length))
        return old

    def table(self, name: str, record: type[_R]) -> Table[_R]:
        """A table by its name."""
        assert self._records[name] is record
        return record.table(self._addresses[name], len(self._rows[name]))

    def row(self, name: str, record: type[_R]) -> _R:
        """The first row of a table by its name: what roots are read by."""
        row = self.roots.get(name)
        if row is None:
            row = self.roots[name] = self.table(name, record)[0]
        return row  # type: ignore[return-value]

    def address(self, name: str) -> int:
        """Where a table begins."""
        return self._addresses[name]

    def rows(self, name: str) -> Rows:
        """A table as a structured array."""
        return self._rows[name]

    def names(self) -> Iterator[str]:
        """All tables, in the order in which they were made."""
        return iter(self._rows)

    @property
    def nbytes(self) -> int:
        """Memory of all tables."""
        return sum(rows.nbytes for rows in self._rows.values())

    def image(self) -> ArenaImage:
        """All tables as they are now, in one copy."""
        places = [TablePlace(name, len(rows), self._addresses[name]) for name, rows in self._rows.items()]
        return ArenaImage(tuple(places), b"".join(rows.tobytes() for rows in self._rows.values()))

    def restore(self, image: ArenaImage) -> None:
        """Takes over the tables of an image, which are those that this arena has, at their lengths.

        Raises ValueError for an image of other tables.
        """
        if [place.name for place in image.places] != list(self._rows):
            raise ValueError("the image holds other tables")
        start, moved = 0, {}
        for name, length, address in image.places:
            record = self._records[name]
            end = start + length * record.itemsize
            rows = _zeros(record, length)
            _copy_bytes(np.frombuffer(image.data, np.uint8, end - start, start), rows)
            self._place(name, rows)
            moved[address] = self._addresses[name]
            start = end
        if start != len(image.data):
            raise ValueError("the image is longer than its tables")
        self.relink(moved)

    def relink(self, moved: dict[int, int]) -> None:
        """Rewrites every address in the tables: old -> new. An address that is nowhere in `moved` is a
        defect, but for 0."""
        for name, record in self._records.items():
            for field in record.fields.values():
                if field.record is None:
                    continue
                addresses: Any = self._rows[name][field.name]
                if field.code == "table":
                    addresses = addresses[:, 0]
                addresses[:] = [moved[address] if address else 0 for address in addresses.tolist()]

    def __getstate__(self) -> dict[str, Any]:
        return {"records": self._records, "image": self.image()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._records = state["records"]
        self._rows, self._addresses = dict.fromkeys(self._records, np.zeros(0, np.void)), {}
        self.roots = {}
        self.restore(state["image"])

    def _place(self, name: str, rows: Rows) -> None:
        self.roots.pop(name, None)
        self._rows[name] = rows
        self._addresses[name] = rows.ctypes.data


def _zeros(record: type[Record], length: int) -> Rows:
    """Rows that begin on a cache line."""
    size = record.itemsize * length
    memory = np.zeros(size + 64, np.uint8)
    skip = -memory.ctypes.data % 64
    return memory[skip : skip + size].view(record.dtype())


def _copy_bytes(source: npt.NDArray[Any], to: Rows) -> None:
    """The source's bytes to the front of a table; numpy would copy records field by field."""
    to.view(np.uint8)[: source.nbytes] = source.view(np.uint8)
