"""What kind of data file this is, told by its content alone; names and endings are not trusted.

Stop on the data path: before any reader. Invariant: a format is named only when every record that the head
of the file holds fits it; otherwise the answer is UNKNOWN.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.core.types import EVENT_BYTES, EVENT_DTYPE, EventType
from engine.feeds.files import open_data, read_all

__all__ = ["HEAD_BYTES", "FileFormat", "ItchCounts", "count_itch_messages", "detect_format"]

HEAD_BYTES = 1 << 16
"""How much of the unpacked file is looked at."""

_CAPTURE_LINE = re.compile(
    rb'^\d{1,19} \s*\{.*?("stream"\s*:\s*"[^"]*@(depth|trade|bookTicker)|"lastUpdateId")', re.MULTILINE
)

_ITCH_NAMES = {
    "S": ("system event", 12),
    "R": ("stock directory", 39),
    "H": ("trading action", 25),
    "Y": ("short sale restriction", 20),
    "L": ("market participant position", 26),
    "V": ("circuit breaker levels", 35),
    "W": ("circuit breaker status", 12),
    "K": ("IPO quoting period", 28),
    "J": ("auction collar", 35),
    "h": ("operational halt", 21),
    "A": ("add order", 36),
    "F": ("add order with participant", 40),
    "E": ("order executed", 31),
    "C": ("order executed at price", 36),
    "X": ("order cancel", 23),
    "D": ("order delete", 19),
    "U": ("order replace", 35),
    "P": ("trade", 44),
    "Q": ("cross trade", 40),
    "B": ("broken trade", 19),
    "I": ("order imbalance", 50),
    "N": ("retail price improvement", 20),
    "O": ("direct listing price discovery", 48),
}
"""Nasdaq TotalView-ITCH 5.0: message name and length in bytes by type."""

_ITCH_LENGTHS = {ord(letter): length for letter, (_, length) in _ITCH_NAMES.items()}


class FileFormat(StrEnum):
    """Known data files."""

    BINANCE = "Binance capture"
    EVENTS = "40-byte events"
    ITCH = "ITCH 5.0 BinaryFILE"
    UNKNOWN = "unknown"


class ItchCounts(NamedTuple):
    """Messages of an ITCH file by their framing."""

    messages: int
    by_type: dict[str, int]
    """By `letter name`, in order of first appearance."""
    unknown_type: int
    """Messages of a type that ITCH 5.0 does not have."""
    wrong_length: int
    """Messages whose length is not their type's."""
    cut_off_bytes: int
    """Bytes of an unfinished message at the end."""


def detect_format(path: Path) -> FileFormat:
    """The format of the file. Raises UsageError or DataError when it cannot be read."""
    with open_data(path) as stream:
        head = stream.read(HEAD_BYTES)
    if _CAPTURE_LINE.search(head):
        return FileFormat.BINANCE
    if _are_itch_frames(head):
        return FileFormat.ITCH
    if _are_events(head):
        return FileFormat.EVENTS
    return FileFormat.UNKNOWN


def count_itch_messages(path: Path) -> ItchCounts:
    """Walk the two-byte big-endian length frames and count. Raises DataError as `read_all` does."""
    with open_data(path) as stream:
        data = read_all(path, stream)
    by_letter: dict[int, int] = {}
    wrong_length = offset = 0
    while offset + 2 < len(data):
        length = data[offset] << 8 | data[offset + 1]
        end = offset + 2 + length
        if length == 0 or end > len(data):
            break
        letter = data[offset + 2]
        by_letter[letter] = by_letter.get(letter, 0) + 1
        wrong_length += _ITCH_LENGTHS.get(letter, length) != length
        offset = end
    known = {letter: count for letter, count in by_letter.items() if letter in _ITCH_LENGTHS}
    return ItchCounts(
        messages=sum(by_letter.values()),
        by_type={f"{chr(letter)} {_ITCH_NAMES[chr(letter)][0]}": count for letter, count in known.items()},
        unknown_type=sum(by_letter.values()) - sum(known.values()),
        wrong_length=wrong_length,
        cut_off_bytes=len(data) - offset,
    )


def _are_itch_frames(head: bytes) -> bool:
    """Every whole frame in the head has a known type and that type's length."""
    offset = frames = 0
    while offset + 2 < len(head):
        length = head[offset] << 8 | head[offset + 1]
        if _ITCH_LENGTHS.get(head[offset + 2]) != length:
            return False
        frames += offset + 2 + length <= len(head)
        offset += 2 + length
    return frames > 0


def _are_events(head: bytes) -> bool:
    """Every whole record in the head has an event type, a side and zero padding."""
    whole = len(head) // EVENT_BYTES
    events = np.frombuffer(head, EVENT_DTYPE, count=whole)
    padding = np.frombuffer(head, np.uint8, count=whole * EVENT_BYTES).reshape(whole, EVENT_BYTES)[:, 38:]
    types = [int(event_type) for event_type in EventType]
    return bool(
        whole
        and np.isin(events["event_type"], types).all()
        and (events["side"] <= 1).all()
        and not padding.any()
    )
