"""Where events go: files of raw events, of ITCH 5.0 messages, and Parquet tables.

Stop on the data path: the way out to disk. Invariant: a file appears under its name whole or not at all; it
is written beside, and renamed at the end.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import zstandard

from engine.book.interface import EventArray
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_DTYPE, NO_SIDE, EventType, Instrument
from engine.feeds.itch.writer import OPEN_NS, ItchWriter, framed

__all__ = ["Origin", "Sink", "Target", "open_sink", "open_whole", "target_of"]

MAX_LOCATE = (1 << 16) - 1

_PACKINGS = (".gz", ".zst")
_ZSTD_LEVEL, _GZIP_LEVEL = 3, 6


class Target(StrEnum):
    """What can be written."""

    EVENTS = "events"
    """Raw 40-byte events."""
    ITCH = "itch"
    """ITCH 5.0 BinaryFILE."""
    PARQUET = "parquet"


class Origin(NamedTuple):
    """What a sink must know of the events that it writes."""

    name: str
    """Of the source."""
    sha256: str | None
    """Of the source's bytes; None where there is no file."""
    instrument: Instrument
    """Its steps are those of all events; its symbol is that of instruments without a name."""
    names: Mapping[int, str]
    """Symbols by instrument number, as far as they are known by now."""
    opens_ns: int = OPEN_NS
    """What the exchange's clock says at time 0 of the events, ns since its midnight."""
    epoch_ns: int | None = None
    """Unix time of time 0, where the source knows the day."""

    def symbol_of(self, instrument_id: int) -> str:
        """Of this instrument; its number where nothing names it."""
        return self.names.get(instrument_id) or f"#{instrument_id}"


class Sink(Protocol):
    """Takes events in order, then `finish` once."""

    def take(self, events: EventArray, unprinted: npt.NDArray[np.bool_] | None = None) -> None:
        """The next events; `unprinted` marks executions that are in neither tape nor volume."""

    def finish(self) -> None:
        """Nothing more comes."""


def target_of(out: Path, to: str | None) -> Target:
    """What to write, by name or by the file's ending. Raises UsageError when neither says it."""
    if to is not None:
        if to not in tuple(Target):
            raise UsageError(f"--to {to}: use {', '.join(Target)}")
        target = Target(to)
    else:
        name = out.name.lower()
        stem = name.removesuffix(".gz").removesuffix(".zst")
        endings = {".events.bin": Target.EVENTS, ".itch": Target.ITCH, ".parquet": Target.PARQUET}
        found = [target for ending, target in endings.items() if stem.endswith(ending)]
        if not found:
            raise UsageError(
                f"{out.name}: its ending does not say what to write. End it in .events.bin, .itch or "
                ".parquet (the first two also with .gz or .zst), or say --to events, itch or parquet"
            )
        target = found[0]
    if target is Target.PARQUET and out.suffix.lower() in _PACKINGS:
        raise UsageError(f"{out.name}: Parquet is packed inside already; leave {out.suffix} out")
    return target


@contextmanager
def open_whole(out: Path, *, force: bool) -> Iterator[IO[bytes]]:
    """A stream whose bytes become the file `out` when the block ends well, and nothing otherwise; packed as
    the ending .gz or .zst says.

    Raises UsageError when `out` is there already without `force`, or cannot be written, DataError when the
    disk does not take the bytes.
    """
    if out.is_dir() or (out.exists() and not force):
        raise UsageError(
            f"{out}: is there already; name another file" + ("" if out.is_dir() else ", or --force")
        )
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        raw = part.open("xb")
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror or error})") from error
    try:
        with raw:
            with _packed(raw, out) as stream:
                yield stream
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written to its end ({error.strerror or error})") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _packed(raw: IO[bytes], out: Path) -> Iterator[IO[bytes]]:
    match out.suffix.lower():
        case ".gz":
            # No name and no time inside: the same bytes in give the same file.
            with gzip.GzipFile(
                filename="", mode="wb", compresslevel=_GZIP_LEVEL, fileobj=raw, mtime=0
            ) as stream:
                yield stream  # type: ignore[misc]
        case ".zst":
            packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
            with packer.stream_writer(raw, closefd=False) as stream:
                yield stream
        case _:
            yield raw


def open_sink(target: Target, stream: IO[bytes], origin: Origin) -> Sink:
    """Raises UsageError when this target cannot hold the origin's events, or needs what is not installed."""
    match target:
        case Target.EVENTS:
            return _EventSink(stream)
        case Target.ITCH:
            return _ItchSink(stream, origin)
        case Target.PARQUET:
            from engine.feeds.parquet import ParquetSink

            return ParquetSink(stream, origin)


class _EventSink:
    """Raw events."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def take(self, events: EventArray, unprinted: npt.NDArray[np.bool_] | None = None) -> None:
        # Copies of structured arrays leave their padding as it was in memory; in a file it is zero.
        padded = np.zeros(len(events), EVENT_DTYPE)
        padded[:] = events
        self._stream.write(padded.view(np.uint8).data)

    def finish(self) -> None:
        pass


class _ItchSink:
    """Messages, one writer for each instrument. A stock's directory entry comes before its first order."""

    def __init__(self, stream: IO[bytes], origin: Origin) -> None:
        self._stream = stream
        self._origin = origin
        self._writers: dict[int, ItchWriter] = {}
        self._last_ns: int = 0
        self._first = ItchWriter(origin.instrument, opens_ns=origin.opens_ns)

    def take(self, events: EventArray, unprinted: npt.NDArray[np.bool_] | None = None) -> None:
        # What every book refuses is no message: a side that is none, an order without shares.
        adds = events["event_type"] == EventType.ADD
        events = events[~(adds & ((events["side"] >= NO_SIDE) | (events["qty"] == 0)))]
        if not len(events):
            return
        messages: list[bytes] = []
        for row in events.tolist():
            writer = self._writers.get(row[4])
            if writer is None:
                writer = self._begin(row[4], row[0], messages)
            if (message := writer.message_of(row)) is not None:
                messages.append(message)
        self._write(messages)
        self._last_ns = int(events["ts"][-1])

    def finish(self) -> None:
        if not self._writers:
            self._write(self._first.opening())
        self._write(self._first.closing(self._last_ns))

    def _begin(self, instrument_id: int, time_ns: int, messages: list[bytes]) -> ItchWriter:
        """A writer for one more stock; `messages` gets those that introduce it."""
        if instrument_id > MAX_LOCATE:
            raise DataError(f"ITCH: instrument {instrument_id} is beyond {MAX_LOCATE}, its highest number")
        instrument = self._origin.instrument._replace(symbol=self._origin.symbol_of(instrument_id))
        writer = ItchWriter(instrument, locate=instrument_id, opens_ns=self._origin.opens_ns)
        opening = writer.opening(time_ns)
        messages += opening if not self._writers else [m for m in opening if m[:1] in (b"R", b"H")]
        self._writers[instrument_id] = writer
        return writer

    def _write(self, messages: list[bytes]) -> None:
        self._stream.write(b"".join(map(framed, messages)))
