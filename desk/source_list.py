"""What could be played: scenarios, the sample, recent sources, and data files told by their content.

Place: behind the source picker, in a thread of its own; files are looked at one by one, heads only. Bounds:
MAX_FILES are looked at, MAX_DEPTH folders deep below the configured one, MAX_HEAD_BYTES of an ITCH file.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from desk.recent import RecentSource
from engine.core.errors import StormdeskError
from engine.feeds.formats import FileFormat, detect_format
from engine.feeds.itch.messages import StockDirectory
from engine.feeds.itch.opening import open_itch_bytes
from engine.feeds.itch.stream import ItchStream
from engine.scenarios.loader import list_scenarios

__all__ = ["SourceOption", "data_files", "known_sources", "look_at"]

MAX_FILES = 2_000
MAX_DEPTH = 2
MAX_HEAD_BYTES = 1 << 21
"""Of an ITCH file: its directory of stocks stands at the start of the day."""
PLAYABLE = frozenset(FileFormat) - {FileFormat.UNKNOWN, FileFormat.EVENTS}
WITH_STOCKS = frozenset({FileFormat.ITCH, FileFormat.CAPTURE})


@dataclass(frozen=True, slots=True)
class SourceOption:
    """One entry of the picker."""

    kind: str
    """One of: "scenario", "sample", "recent", "file"."""
    name: str
    path: str | None = None
    symbol: str | None = None
    size: int | None = None
    format: str | None = None
    """None: not looked at yet."""
    stocks: tuple[str, ...] = ()
    """Of an ITCH file's directory, by name; empty: unknown, or it has none."""
    problem: str | None = None
    """Why it cannot be played."""

    @property
    def key(self) -> tuple[str, str | None, str | None]:
        return (self.kind, self.path or self.name, self.symbol)

    @property
    def words(self) -> str:
        parts = (self.name, self.symbol, self.kind, self.format)
        return " ".join(part for part in parts if part).upper()


def known_sources(recent: list[RecentSource], sample: Path) -> list[SourceOption]:
    """What needs no looking for."""
    options = [
        SourceOption("recent", Path(one.path).name, one.path, one.symbol)
        for one in recent
        if Path(one.path) != sample
    ]
    options.append(SourceOption("sample", sample.name, str(sample)))
    return options + [SourceOption("scenario", name, format="simulated market") for name in list_scenarios()]


def data_files(folders: list[tuple[Path, int]], known: set[str]) -> Iterator[SourceOption]:
    """Files in these folders, each as deep as it says, without the `known` paths and hidden ones."""
    seen = set(known)
    for folder, depth in folders:
        for path in _files(folder, depth):
            where = str(path)
            if where in seen:
                continue
            seen.add(where)
            yield SourceOption("file", path.name, where)
            if len(seen) >= MAX_FILES:
                return


def look_at(option: SourceOption) -> SourceOption:
    """The entry with size, format and number of stocks; `problem` where it is no data file. Never raises."""
    if option.path is None:
        return option
    path = Path(option.path)
    try:
        size = path.stat().st_size
        kind = detect_format(path)
        stocks = _stocks_of(path) if kind in WITH_STOCKS else ()
    except (StormdeskError, OSError) as error:
        return replace(option, format="cannot be read", problem=str(error))
    if kind not in PLAYABLE:
        problem = f"{path.name} holds no market to play: {kind}"
        return replace(option, size=size, format=str(kind), problem=problem)
    return replace(option, size=size, format=str(kind), stocks=stocks)


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Regular files by name, then those of the folders below."""
    below: list[Path] = []
    entries: list[os.DirEntry[str]] = []
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name)
    for entry in entries:
        with contextlib.suppress(OSError):
            if entry.is_file() and entry.stat().st_size:
                yield Path(entry.path)
            elif depth and entry.is_dir(follow_symlinks=False):
                below.append(Path(entry.path))
    for path in below:
        yield from _files(path, depth - 1)


def _stocks_of(path: Path) -> tuple[str, ...]:
    """Stocks that the head of an ITCH file lists."""
    with open_itch_bytes(path) as data:
        head = data.read(MAX_HEAD_BYTES)
    names: set[str] = set()
    stream = ItchStream(io.BytesIO(head))
    for part in stream:
        for noted in stream.notes(part, "R"):
            assert isinstance(noted.message, StockDirectory)
            names.add(noted.message.stock)
    return tuple(sorted(names))
