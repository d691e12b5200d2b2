"""Sources that were opened last, newest first: one small file in the user's state folder.

Invariant: a convenience only. A file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from platformdirs import user_state_path

__all__ = ["RecentSource", "read_recent", "recent_path", "remember"]

RECENT_LIMIT = 12
MAX_FILE_BYTES = 1 << 16


class RecentSource(msgspec.Struct, frozen=True):
    """A data file, and which of its symbols."""

    path: str
    symbol: str | None = None


def recent_path() -> Path:
    """Where the list lies."""
    return user_state_path("stormdesk") / "recent.json"


def read_recent(path: Path) -> list[RecentSource]:
    """The list; empty when there is none."""
    try:
        with path.open("rb") as stream:
            return msgspec.json.decode(stream.read(MAX_FILE_BYTES), type=list[RecentSource])[:RECENT_LIMIT]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def remember(path: Path, source: RecentSource) -> None:
    """Put a source at the head of the list."""
    kept = [source, *(one for one in read_recent(path) if one != source)][:RECENT_LIMIT]
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(kept)))
