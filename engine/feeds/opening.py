"""Opening any recorded exchange as a source for a session: the format is told by content.

Stop on the data path: the door between feeds and session.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from engine.feeds.formats import FileFormat, detect_format
from engine.feeds.itch.source import ItchSource, open_itch
from engine.feeds.source import HistoricalSource
from engine.feeds.source import open_source as open_capture

__all__ = ["Source", "open_source"]

Source: TypeAlias = HistoricalSource | ItchSource


def open_source(path: Path | str, *, symbol: str | None = None) -> Source:
    """The source in a file; of several instruments `symbol`, else the busiest or first.

    Raises UsageError when the file cannot be opened or has no such instrument, DataError when it is damaged
    or of no known format.
    """
    path = Path(path)
    if detect_format(path) in (FileFormat.ITCH, FileFormat.CAPTURE):
        return open_itch(path, symbol=symbol)
    return open_capture(path, symbol=symbol)
