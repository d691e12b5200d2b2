"""The books: `HotBook`, the worker; `ReferenceBook`, the judge; `ColumnarBook`, the witness. One interface,
one digest.

Second stop on the data path: the market writes events, a book turns them into price levels.

    reference.py       sorted containers, obviously right; also the live book of the simulated market
    hot.py             arrays, worked on by kernels.py, which numba compiles (compiler.py says how)
    columnar.py        a book whose state is the log that makes it
    reconstruction.py  a whole log solved by sorts and running sums: orders and levels at every cut
    lives.py           the first half of that: what rests of each order
    digest.py          canonical digest of a book, running digests of a stream of events
    digest_file.py     the digest of a recorded event file, with its speed
    interface.py       what all books promise, and the rules of every event type

Importing this package does not import numba: `HotBook` is loaded when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.book.columnar import ColumnarBook
from engine.book.digest import EMPTY_BOOK_DIGEST, book_digest, chain, replay_digest, running_digest
from engine.book.interface import TOP_DTYPE, ApplyCounts, BookInterface, BookStatistics, Level
from engine.book.reconstruction import Reconstruction, reconstruct
from engine.book.reference import ReferenceBook

if TYPE_CHECKING:
    from engine.book.hot import HotBook

__all__ = [
    "EMPTY_BOOK_DIGEST",
    "TOP_DTYPE",
    "ApplyCounts",
    "BookInterface",
    "BookStatistics",
    "ColumnarBook",
    "HotBook",
    "Level",
    "Reconstruction",
    "ReferenceBook",
    "book_digest",
    "chain",
    "reconstruct",
    "replay_digest",
    "running_digest",
]


def __getattr__(name: str) -> Any:
    if name == "HotBook":
        from engine.book.hot import HotBook

        return HotBook
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
