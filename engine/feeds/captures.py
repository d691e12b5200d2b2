"""Captures of venue connections, line by line: when a message came, its text, and the URL it answers.

Stop on the data path: between the lines of a text file and a venue's normaliser. Invariant: every line is a
message, a message with its problem named, or one of the client's own lines, which are no market data.

Kinds of line, each told by itself (a file may mix them):

    <epoch> <JSON>                      hftbacktest's recorder; the epoch in s, ms, us or ns
    <seconds.fraction>: <JSON>          cryptofeed's raw collection: a message of the server
    <URL> -> <seconds.fraction>: <JSON>     a REST answer
    <URL> <-> <seconds.fraction>            a connection was opened: skipped
    <URL> <- <seconds.fraction>: <JSON>     a request of the client: skipped
    <JSON>                              no time of receipt

Line shapes of cryptofeed: its docs/raw_data_collection.md and sample_data.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

from engine.feeds.drops import DropReason
from engine.feeds.files import read_lines

__all__ = ["CaptureFormat", "Message", "detect_capture", "merge_messages", "read_messages"]

MAX_URL_CHARS = 4096
"""Longest URL that is handed over; the rest is cut."""
DETECTED_LINES = 200
"""Lines of a file's head that are looked at."""

_STAMPED = re.compile(rb"(\d{1,20})(?:\.(\d{1,18}))?:? ")
_STAMPED_NS = re.compile(rb"[1-8]\d{18} ")
_NS_DIGITS = 19
_ADDRESSED = re.compile(rb"([a-z]{2,5}://\S+) (<->|<-|->) (\d{1,20})(?:\.(\d{1,18}))?(?:: |:?$)")
_MAX_TIME_NS = (1 << 63) - 1


class CaptureFormat(StrEnum):
    """Kinds of capture file."""

    EPOCH_LINES = "epoch and JSON lines"
    CRYPTOFEED = "cryptofeed raw data"
    JSON_LINES = "JSON lines"


class Message(NamedTuple):
    """One message as it came."""

    receive_time_ns: int | None
    """Unix time; None where the capture has none."""
    text: bytes
    about: str
    """The URL that a REST answer is for; empty for messages of a stream."""
    line: int
    """Number of its line, from 1."""
    offset: int
    """Byte offset of its line in the unpacked file."""
    problem: DropReason | None
    """Why it must be counted as a drop, and not decoded; `text` is then the whole line."""


def detect_capture(head: bytes) -> CaptureFormat | None:
    """The kind that most of the first lines are of; None: not a capture. The last line may be cut off."""
    kinds: Counter[CaptureFormat | None] = Counter()
    for line in head.splitlines()[:DETECTED_LINES]:
        if line.strip():
            kinds[_kind_of(line)] += 1
    kind, lines = max(kinds.items(), key=lambda item: item[1], default=(None, 0))
    return kind if 2 * lines > kinds.total() else None


def read_messages(path: Path, stream: BinaryIO) -> Iterator[Message]:
    """The messages of the stream in order. Raises DataError when `path` is longer than the limit."""
    for number, offset, line, is_whole in read_lines(path, stream):
        if not is_whole:
            yield Message(None, line, "", number, offset, DropReason.LINE_TOO_LONG)
        elif _STAMPED_NS.match(line):  # the usual one, so the short way
            yield Message(int(line[:_NS_DIGITS]), line[_NS_DIGITS + 1 :], "", number, offset, None)
        elif stamped := _STAMPED.match(line):
            time_ns = _time_ns(*stamped.groups())
            if time_ns is None:
                yield Message(None, line, "", number, offset, DropReason.BAD_TIME)
            else:
                yield Message(time_ns, line[stamped.end() :], "", number, offset, None)
        elif line[:1] in (b"{", b"["):
            yield Message(None, line, "", number, offset, None)
        elif addressed := _ADDRESSED.match(line):
            url, arrow, seconds, fraction = addressed.groups()
            if arrow != b"->":
                continue
            time_ns = _time_ns(seconds, fraction)
            about = url[:MAX_URL_CHARS].decode("ascii", "replace")
            if time_ns is None:
                yield Message(None, line, about, number, offset, DropReason.BAD_TIME)
            else:
                yield Message(time_ns, line[addressed.end() :], about, number, offset, None)
        elif line.strip():
            yield Message(None, line, "", number, offset, DropReason.BAD_LINE)


def merge_messages(*captures: Iterator[Message]) -> Iterator[Message]:
    """Several captures of one time as one, by time of receipt; at the same time the first one goes first.

    A message without a time stays behind the one above it, and the order within a capture is kept always.
    """
    timed = (_with_times(capture) for capture in captures)
    for _, message in heapq.merge(*timed, key=lambda pair: pair[0]):
        yield message


def _with_times(capture: Iterator[Message]) -> Iterator[tuple[int, Message]]:
    """Each message with the latest time that its capture has reached."""
    reached_ns = 0
    for message in capture:
        if message.receive_time_ns is not None and message.receive_time_ns > reached_ns:
            reached_ns = message.receive_time_ns
        yield reached_ns, message


def _time_ns(whole: bytes, fraction: bytes | None) -> int | None:
    """Unix time in ns: seconds with a fraction, or a whole number in the unit that its size tells (as
    `numbers.epoch_ns`). None: not one."""
    number = int(whole)
    if fraction is not None:
        time_ns = number * 1_000_000_000 + int(fraction.ljust(9, b"0")[:9])
    else:
        for limit, scale in _SCALES:
            if number < limit:
                time_ns = number * scale
                break
        else:
            return None
    return time_ns if 0 < time_ns <= _MAX_TIME_NS else None


_SCALES = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**20, 1))


def _kind_of(line: bytes) -> CaptureFormat | None:
    if stamped := _STAMPED.match(line):
        return CaptureFormat.CRYPTOFEED if line[stamped.end() - 2] == ord(":") else CaptureFormat.EPOCH_LINES
    if line[:1] in (b"{", b"["):
        return CaptureFormat.JSON_LINES
    return CaptureFormat.CRYPTOFEED if _ADDRESSED.match(line) else None
