"""The digest of a recorded event file: raw 40-byte events, plain or gzipped.

Answers "is this file the market that we think it is": the L2 digest after its last event, both
running digests, what the book looks like and what became of the events, with the speed of the book.
The file is read in pieces of CHUNK_EVENTS, so its size has no bound but patience.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np

from engine.book.columnar import ColumnarBook
from engine.book.digest import replay_digest, running_digest
from engine.book.interface import ApplyCounts, BookInterface
from engine.book.reference import ReferenceBook
from engine.core.clock import monotonic_ns
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_BYTES, EVENT_DTYPE

__all__ = ["CHUNK_EVENTS", "DigestReport", "digest_events_file"]

CHUNK_EVENTS = 1 << 16
"""Events read and applied at a time."""


class DigestReport(NamedTuple):
    """What `digest_events_file` found; digests are u64, prices in ticks."""

    l2_digest: int
    bid_levels: int
    ask_levels: int
    best_bid: int | None
    best_ask: int | None
    live_orders: int
    events: int
    ns_per_event: float
    """Time in the book's `apply` alone, without reading, digests or compilation; 0.0 without events."""
    event_digest: int
    replay_digest: int
    counts: ApplyCounts


def digest_events_file(path: str | Path, book: str = "hot") -> DigestReport:
    """Applies a file of raw events (gzipped when its name ends in .gz) to an empty book.

    `book` is hot (the worker), reference (the judge) or columnar (the witness that solves whole logs).

    Raises DataError when the file is missing, unreadable, damaged or not a whole number of events,
    UsageError for an unknown book.
    """
    empty_book = _empty_book(book)
    path = Path(path)
    events = elapsed_ns = event_state = replay_state = 0
    for data in _chunks(path):
        chunk = np.frombuffer(data, EVENT_DTYPE)
        started_ns = monotonic_ns()
        empty_book.apply(chunk)
        elapsed_ns += monotonic_ns() - started_ns
        event_state = running_digest(data, event_state)
        replay_state = replay_digest(data, replay_state, first_sequence=events + 1)
        events += len(chunk)
    return DigestReport(
        l2_digest=empty_book.digest(),
        bid_levels=empty_book.level_count(0),
        ask_levels=empty_book.level_count(1),
        best_bid=empty_book.best_bid,
        best_ask=empty_book.best_ask,
        live_orders=empty_book.order_count,
        events=events,
        ns_per_event=elapsed_ns / events if events else 0.0,
        event_digest=event_state,
        replay_digest=replay_state,
        counts=empty_book.counts,
    )


def _empty_book(name: str) -> BookInterface:
    if name == "reference":
        return ReferenceBook()
    if name == "columnar":
        return ColumnarBook()
    if name != "hot":
        raise UsageError(f"no book is called {name!r}; use hot, reference or columnar.")
    from engine.book.hot import HotBook  # here, because it imports numba

    HotBook.warm_up()
    return HotBook()


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes in pieces of whole events. Raises DataError at a rest that is none."""
    total = 0
    try:
        with _open(path) as stream:
            while data := stream.read(CHUNK_EVENTS * EVENT_BYTES):
                total += len(data)
                rest = len(data) % EVENT_BYTES
                if rest:
                    raise DataError(
                        f"{path}: {total} bytes are {total // EVENT_BYTES} events of {EVENT_BYTES} bytes and "
                        f"{rest} bytes left over. The file is cut short or holds something else."
                    )
                yield data
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such file. Give the path of a file of raw {EVENT_BYTES}-byte events."
        ) from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path}: damaged gzip data after {total} bytes ({error}). Fetch the file again."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error


def _open(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")
