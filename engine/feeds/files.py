"""Opening data files: plain, gzip or zstd by content, or standard input; hashed, bounded, split into lines.

Stop on the data path: the disk's edge of the feeds. Invariant: no more than MAX_UNPACKED_BYTES leave here,
and every failure to read is a UsageError or DataError that names the file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import zstandard

from engine.core.errors import DataError, UsageError

__all__ = [
    "MAX_LINE_BYTES",
    "MAX_UNPACKED_BYTES",
    "STDIN",
    "Line",
    "Report",
    "file_sha256",
    "is_gzip",
    "open_data",
    "read_all",
    "read_lines",
]

MAX_UNPACKED_BYTES = 512 << 20
"""Largest file, unpacked, that is read; a bigger one is refused."""

MAX_LINE_BYTES = 4 << 20
"""Longest text line that is looked at; a longer one is handed over cut and marked."""

_ZSTD_CHUNK_BYTES = 4_096
"""Packed bytes unpacked at a time: a block of four bytes may stand for 128 KiB."""
_MAX_WINDOW_BYTES = 1 << 27
"""Most memory that a zstd frame may ask for."""

STDIN = Path("-")
"""Names standard input, which can be read once."""

_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_BUFFER_BYTES = 1 << 18


Report = Callable[[int], object]
"""What wants to know how many bytes of a file have been read."""


class Line(NamedTuple):
    """One line of a text file, without its line end."""

    number: int
    """Counted from 1."""
    offset: int
    """Byte offset of its start in the unpacked file."""
    content: bytes
    is_whole: bool
    """False: longer than MAX_LINE_BYTES, the rest was skipped."""


@contextmanager
def open_data(path: Path, *, report: Report | None = None) -> Iterator[BinaryIO]:
    """The unpacked bytes of the file (or of STDIN) as a buffered stream.

    `report` hears how many bytes of the file, as it lies on disk, have been read. Raises UsageError when it
    cannot be opened, DataError when its packed data is damaged or cut off.
    """
    try:
        with _open_packed(path, report) as packed:
            magic = packed.peek(4)[:4]
            if magic.startswith(_GZIP_MAGIC):
                with gzip.GzipFile(fileobj=packed) as unpacked:
                    yield io.BufferedReader(unpacked, _BUFFER_BYTES)
            elif magic == _ZSTD_MAGIC:
                yield io.BufferedReader(_Zstd(packed), _BUFFER_BYTES)
            else:
                yield packed
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise DataError(
            f"{path}: damaged packed data ({error}). Fetch the file again, or unpack what is readable "
            f"(`zcat {path.name} > part`, `zstdcat` for .zst) and open that."
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error


@contextmanager
def _open_packed(path: Path, report: Report | None) -> Iterator[io.BufferedReader[Any]]:
    if path == STDIN:
        yield sys.stdin.buffer  # type: ignore[misc]  # a BufferedReader, says io
        return
    with io.BufferedReader(_Reported(path, report), _BUFFER_BYTES) as packed:
        yield packed


class _Reported(io.FileIO):
    """A file that says how far it has been read."""

    def __init__(self, path: Path, report: Report | None) -> None:
        super().__init__(path, "rb")
        self._report = report

    def readinto(self, buffer: Any) -> int:
        got = super().readinto(buffer)
        if self._report is not None:
            self._report(self.tell())
        return got


class _Zstd(io.RawIOBase):
    """Unpacks zstd frames one after the other, and tells the end of a file from a cut."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._frame: Any = None
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            unused = b"" if self._frame is None or not self._frame.eof else self._frame.unused_data
            chunk = unused or self._packed.read(_ZSTD_CHUNK_BYTES)
            if not chunk:
                if self._frame is not None and not self._frame.eof:
                    raise EOFError("the zstd data ends in the middle of a frame")
                return 0
            if self._frame is None or self._frame.eof:
                self._frame = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()
            self._ready = self._frame.decompress(chunk)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def file_sha256(path: Path) -> str:
    """SHA-256 of the file's bytes as they lie on disk, in hex. Raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as packed:
            return hashlib.file_digest(packed, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error


def is_gzip(path: Path) -> bool:
    """Whether the file's first bytes are gzip's. Raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as packed:
            return packed.read(2) == _GZIP_MAGIC
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror or error}). Check the path.") from error


def read_lines(path: Path, stream: BinaryIO) -> Iterator[Line]:
    """The lines of the stream, in order. Raises DataError past MAX_UNPACKED_BYTES."""
    offset = 0
    number = 0
    while piece := stream.readline(MAX_LINE_BYTES):
        number += 1
        start = offset
        offset += len(piece)
        content = piece
        while piece and not piece.endswith(b"\n") and offset <= MAX_UNPACKED_BYTES:
            piece = stream.readline(MAX_LINE_BYTES)
            offset += len(piece)
        if offset > MAX_UNPACKED_BYTES:
            raise _above_limit(path)
        yield Line(number, start, content.rstrip(b"\r\n"), offset - start == len(content))


def read_all(path: Path, stream: BinaryIO) -> bytes:
    """What is left of the stream. Raises DataError past MAX_UNPACKED_BYTES."""
    data = stream.read(MAX_UNPACKED_BYTES + 1)
    if len(data) > MAX_UNPACKED_BYTES:
        raise _above_limit(path)
    return data


def _above_limit(path: Path) -> DataError:
    return DataError(
        f"{path}: more than {MAX_UNPACKED_BYTES >> 20} MiB unpacked, which is the limit. "
        "Cut the capture into shorter files."
    )
