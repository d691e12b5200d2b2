"""book.c, compiled and called: the same algorithm as the hot book's, by another compiler."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from engine.book.digest import book_digest
from tests.bench.measure import NotHere

__all__ = ["CBook"]

_SOURCE = Path(__file__).with_name("book.c")


class CBook:
    """A book in C. Freed with this object."""

    def __init__(self, *flags: str) -> None:
        """`flags`: further arguments for gcc, such as -DAHEAD=0. Raises NotHere without gcc."""
        self._library = _library(flags)
        self._book = self._library.book_new()

    def __del__(self) -> None:
        if hasattr(self, "_book"):
            self._library.book_free(self._book)

    def apply(self, events: np.ndarray, tops: np.ndarray | None = None) -> None:
        """Applies events, dtype EVENT_DTYPE; row i of `tops`, dtype TOP_DTYPE, is filled after event i."""
        assert tops is None or len(tops) >= len(events)
        self._library.book_apply(
            self._book, events.ctypes.data, len(events), None if tops is None else tops.ctypes.data
        )

    def digest(self) -> int:
        """Canonical L2 digest."""
        return book_digest(self._levels(0), self._levels(1))

    def _levels(self, side: int) -> list[tuple[int, int]]:
        rows = np.zeros((self._library.book_levels(self._book, side, None), 2), np.int64)
        self._library.book_levels(self._book, side, rows.ctypes.data)
        return [(price, total) for price, total in rows.tolist()]


@cache
def _library(flags: tuple[str, ...]) -> ctypes.CDLL:
    gcc = shutil.which("gcc")
    if gcc is None:
        raise NotHere("gcc is not installed (apt install gcc)")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "book.so"
        command = [gcc, "-O3", "-std=c11", "-shared", "-fPIC", *flags, "-o", str(built), str(_SOURCE)]
        subprocess.run(command, check=True)
        library = ctypes.CDLL(str(built))  # stays loaded when the file is gone
    address, count = ctypes.c_void_p, ctypes.c_int64
    library.book_new.restype = address
    library.book_free.argtypes = [address]
    library.book_free.restype = None
    library.book_apply.argtypes = [address, address, count, address]
    library.book_apply.restype = None
    library.book_levels.argtypes = [address, ctypes.c_int, address]
    library.book_levels.restype = count
    return library
