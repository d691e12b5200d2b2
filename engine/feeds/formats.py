"""What kind of data file this is, told by its content alone; names and endings are not trusted.

Stop on the data path: before any reader. Invariant: a format is named only when what the head of the file
holds fits it, all of it or (lines and messages, of which some may be damaged) most; otherwise it is UNKNOWN.
"""

from __future__ import annotations

import io
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from engine.core.types import EVENT_BYTES, EVENT_DTYPE, NO_SIDE, EventType
from engine.feeds.captures import detect_capture, read_messages
from engine.feeds.files import open_data
from engine.feeds.itch.messages import MESSAGES
from engine.feeds.venues.registry import guess_venue

__all__ = ["HEAD_BYTES", "FileFormat", "detect_format", "format_of_head", "is_packet_capture", "packing_of"]

HEAD_BYTES = 1 << 16
"""How much of the unpacked file is looked at."""
TEXT_HEAD_BYTES = 4 << 20
"""How much of one that is text: a venue's first message may be a book with thousands of levels."""
TEXT_HEAD_MESSAGES = 4_096

_ITCH_LENGTHS = {ord(letter): kind.size for letter, kind in MESSAGES.items()}
_PCAP_MAGICS = tuple(
    bytes.fromhex(magic) for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a")
)


class FileFormat(StrEnum):
    """Known data files."""

    VENUE = "venue capture"
    """Messages of one of the venues in venues/registry.py, one a line."""
    EVENTS = "40-byte events"
    ITCH = "ITCH 5.0 BinaryFILE"
    CAPTURE = "packet capture"
    """pcap or pcapng."""
    RUN = "recorded run"
    """A directory."""
    UNKNOWN = "unknown"


def detect_format(path: Path) -> FileFormat:
    """The format of the file. Raises UsageError or DataError when it cannot be read."""
    with open_data(path) as stream:
        head = stream.read(HEAD_BYTES)
        if detect_capture(head) is not None:
            head += stream.read(TEXT_HEAD_BYTES - HEAD_BYTES)
    return format_of_head(head)


def format_of_head(head: bytes) -> FileFormat:
    """The format of a file that begins with these bytes."""
    if is_packet_capture(head):
        return FileFormat.CAPTURE
    if detect_capture(head[:HEAD_BYTES]) is not None and _venue_of(io.BytesIO(head)) is not None:
        return FileFormat.VENUE
    if _are_itch_frames(head[:HEAD_BYTES]):
        return FileFormat.ITCH
    if _are_events(head[:HEAD_BYTES]):
        return FileFormat.EVENTS
    return FileFormat.UNKNOWN


def packing_of(head: bytes) -> str:
    """`plain`, `gzip` or `zstd`, by a file's first bytes as they lie on disk."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head.startswith(b"\x28\xb5\x2f\xfd") else "plain"


def is_packet_capture(head: bytes) -> bool:
    """Whether these are the first bytes of a pcap or pcapng file."""
    return head.startswith(_PCAP_MAGICS)


def _venue_of(head: BinaryIO) -> str | None:
    messages = islice(read_messages(Path("head"), head), TEXT_HEAD_MESSAGES)
    return guess_venue([message.text for message in messages if message.problem is None])


def _are_itch_frames(head: bytes) -> bool:
    """The first frame has a known type and that type's length, and so have three times as many of the whole
    frames in the head as have not: a damaged file is still one."""
    offset = fitting = others = 0
    while offset + 2 < len(head):
        length = head[offset] << 8 | head[offset + 1]
        if _ITCH_LENGTHS.get(head[offset + 2]) == length:
            fitting += offset + 2 + length <= len(head)
        elif fitting:
            others += 1
        else:
            return False
        offset += 2 + length
    return fitting > 3 * others


def _are_events(head: bytes) -> bool:
    """Every whole record in the head has an event type, a side and zero padding."""
    whole = len(head) // EVENT_BYTES
    events = np.frombuffer(head, EVENT_DTYPE, count=whole)
    padding = np.frombuffer(head, np.uint8, count=whole * EVENT_BYTES).reshape(whole, EVENT_BYTES)[:, 38:]
    types = [int(event_type) for event_type in EventType]
    return bool(
        whole
        and np.isin(events["event_type"], types).all()
        and (events["side"] <= NO_SIDE).all()
        and not padding.any()
    )
