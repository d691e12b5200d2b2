"""FIX messages as bytes: frames out of a stream, fields out of a frame, and back.

Place on the data path: first and last thing in the FIX gateway. Invariant: bytes that are no message cost
exactly themselves: the framer finds the next message behind them, holds at most one, and never raises.

The codec is ours because simplefix, the light one of the packaged ones, takes several times as long (160 us
to decode an execution report) and checks neither length nor sum. It is the other side in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from engine.core.clock import NS_PER_S, utc_seconds, utc_time

__all__ = [
    "BEGIN_STRING",
    "MESSAGE_BYTES",
    "SOH",
    "Fields",
    "Framer",
    "Message",
    "body_bytes",
    "encode",
    "parse_timestamp_ns",
    "timestamp",
]

BEGIN_STRING = "FIX.4.4"
SOH = "\x01"
MESSAGE_BYTES = 65_536
"""Longest message that is read; a longer BodyLength makes it garbage."""
FIELDS = 2_000
"""Most fields of a message that is read."""
TAG_DIGITS = 6

Fields = Iterable[tuple[int, str]]
"""(tag, value) in wire order."""

_START = b"8=FIX"
_HEAD = re.compile(rb"8=([^\x01]{1,10})\x019=([0-9]{1,9})\x01")
_HEAD_BYTES = 24
"""By then a head has shown whether it is one."""
_TAIL = re.compile(rb"10=([0-9]{3})\x01")
_TAIL_BYTES = 7
_TAGS = {str(tag): tag for tag in (*range(1, 1_200), *range(25_000, 25_060))}
"""The usual tags."""
_TAG = re.compile(r"[1-9][0-9]*", re.ASCII)
_LENGTH_OF_DATA = {95: 96, 90: 91, 93: 89, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359,
                   360: 361, 362: 363, 364: 365, 445: 446, 618: 619, 621: 622}  # fmt: skip
_HAS_DATA = re.compile(rb"\x01(?:%s)=" % b"|".join(b"%d" % tag for tag in _LENGTH_OF_DATA))
_SECOND = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)", re.ASCII)


class Message:
    """One message that came whole: its length and sum are right.

    `fields` without 8, 9 and 10; `fault` says what is wrong with them, as (SessionRejectReason, tag, text).
    """

    __slots__ = ("begin", "fault", "fields", "repeated", "type", "values")

    def __init__(self, begin: str, fields: list[tuple[int, str]]) -> None:
        self.begin = begin
        self.fields = fields
        self.type = fields[0][1] if fields and fields[0][0] == 35 else ""
        self.values: dict[int, str] = {}
        """Tag -> its first value."""
        self.repeated: set[int] = set()
        """Tags that came more than once: legal only inside groups."""
        self.fault: tuple[int, int | None, str] | None = None
        for tag, value in fields:
            if tag in self.values:
                self.repeated.add(tag)
            else:
                self.values[tag] = value

    def get(self, tag: int, default: str = "") -> str:
        """The first value of a tag."""
        return self.values.get(tag, default)

    def number(self, tag: int) -> int | None:
        """A non-negative integer; None when the field is missing or is none."""
        value = self.values.get(tag, "")
        return int(value) if len(value) <= 18 and value.isascii() and value.isdigit() else None

    @property
    def sequence(self) -> int:
        """MsgSeqNum; 0 when there is none."""
        return self.number(34) or 0

    def is_set(self, tag: int) -> bool:
        """Whether a flag is Y."""
        return self.values.get(tag) == "Y"


class Framer:
    """Cuts a stream of bytes into messages; counts what is none."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.garbled = 0
        """Starts of messages that turned out to be none, and messages with a wrong sum."""
        self.ignored_bytes = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that these bytes complete. At most one unfinished message is held."""
        self._buffer += data
        at = 0
        try:
            while True:
                start = self._buffer.find(_START, at)
                if start < 0:
                    at = self._skip(at, max(at, len(self._buffer) - len(_START) + 1))
                    return
                at = self._skip(at, start)
                found = self._frame(at)
                if found is None:
                    return
                end, message = found
                at = end if message is not None else self._skip(at, end)
                if message is not None:
                    yield message
        finally:
            del self._buffer[:at]

    def _skip(self, at: int, to: int) -> int:
        self.ignored_bytes += to - at
        return to

    def _frame(self, at: int) -> tuple[int, Message | None] | None:
        """(end, message) of the frame that starts here; None: it is not complete yet."""
        buffer = self._buffer
        head = _HEAD.match(buffer, at)
        if head is None:
            return None if len(buffer) - at < _HEAD_BYTES else self._garbled(at + len(_START))
        length = int(head[2])
        if length > MESSAGE_BYTES:
            return self._garbled(at + len(_START))
        end = head.end() + length
        if len(buffer) < end + _TAIL_BYTES:
            return None
        tail = _TAIL.match(buffer, end)
        if tail is None or length == 0 or buffer[end - 1] != 1:
            return self._garbled(at + len(_START))
        if sum(memoryview(buffer)[at:end]) % 256 != int(tail[1]):
            return self._garbled(tail.end())
        message = _decode(head[1].decode("latin-1"), bytes(buffer[head.end() : end - 1]))
        return (tail.end(), message) if message is not None else self._garbled(tail.end())

    def _garbled(self, end: int) -> tuple[int, None]:
        self.garbled += 1
        return end, None


def encode(
    message_type: str,
    sender: str,
    target: str,
    sequence: int,
    sent: str,
    body: bytes,
    original_sent: str = "",
) -> bytes:
    """A whole message; with `original_sent` a possible duplicate. `body` is of `body_bytes`."""
    again = f"43=Y\x01122={original_sent}\x01" if original_sent else ""
    head = f"35={message_type}\x0134={sequence}\x0149={sender}\x0152={sent}\x0156={target}\x01{again}"
    content = head.encode("latin-1", "replace") + body
    message = b"8=FIX.4.4\x019=%d\x01" % len(content) + content
    return message + b"10=%03d\x01" % (sum(message) & 255)


def body_bytes(fields: Fields) -> bytes:
    """Fields as they stand in a message; characters that FIX has no place for are replaced."""
    return "".join([f"{tag}={value}\x01" for tag, value in fields]).encode("latin-1", "replace")


def timestamp(epoch_ns: int) -> str:
    """UTCTimestamp with microseconds."""
    second, rest = divmod(epoch_ns, NS_PER_S)
    return f"{_second_text(second)}.{rest // 1000:06d}"


def parse_timestamp_ns(text: str) -> int | None:
    """Unix time in ns of a UTCTimestamp; None: it is none."""
    whole, point, fraction = text.partition(".")
    if point and not (len(fraction) in (3, 6, 9) and fraction.isascii() and fraction.isdigit()):
        return None
    second = _parse_second(whole)
    return None if second is None else second * NS_PER_S + int(fraction.ljust(9, "0"))


@lru_cache(maxsize=64)
def _parse_second(text: str) -> int | None:
    match = _SECOND.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return utc_seconds(year, month, day, hour, minute, second)
    except ValueError:
        return None


def _decode(begin: str, content: bytes) -> Message | None:
    """The message in a frame's content; None when it does not even begin with a type."""
    if not content.startswith(b"35="):
        return None
    text = content.decode("latin-1")
    cut = _cut_around_data(text) if _HAS_DATA.search(content) else text.split(SOH, FIELDS)
    if len(cut) > FIELDS:
        return None
    fault: tuple[int, int | None, str] | None = None
    fields: list[tuple[int, str]] = []
    for field in cut:
        tag_text, _, value = field.partition("=")
        tag = _TAGS.get(tag_text) or _rare_tag(tag_text)
        if not tag:
            fault = fault or (0, None, "a field does not begin with a tag number")
        elif not value:
            fault = fault or (4, tag, "the field has no value")
        else:
            fields.append((tag, value))
    if not fields or fields[0][0] != 35:
        return None
    message = Message(begin, fields)
    message.fault = fault
    return message


def _rare_tag(text: str) -> int:
    """A tag that is not in the table of the usual ones; 0: it is no tag."""
    return int(text) if len(text) <= TAG_DIGITS and _TAG.fullmatch(text) is not None else 0


def _cut_around_data(content: str) -> list[str]:
    """Fields of a message with data fields, whose bytes may hold the separator."""
    cut: list[str] = []
    at = 0
    data_tag, data_bytes = 0, 0
    while at <= len(content) and len(cut) <= FIELDS:
        end = -1
        if data_tag and content.startswith(f"{data_tag}=", at):
            end = at + len(f"{data_tag}=") + data_bytes
            if end > len(content) or content[end : end + 1] not in (SOH, ""):
                end = -1
        if end < 0:
            end = content.find(SOH, at)
        if end < 0:
            end = len(content)
        field = content[at:end]
        cut.append(field)
        at = end + 1
        tag_text, _, value = field.partition("=")
        data_tag = 0
        if _is_small_number(tag_text) and _is_small_number(value):
            data_tag, data_bytes = _LENGTH_OF_DATA.get(int(tag_text), 0), int(value)
    return cut


def _is_small_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= TAG_DIGITS


_last_second: tuple[int, str] = (-1, "")


def _second_text(second: int) -> str:
    global _last_second
    known, text = _last_second
    if known != second:
        text = f"{utc_time(second * NS_PER_S):%Y%m%d-%H:%M:%S}"
        _last_second = (second, text)
    return text
