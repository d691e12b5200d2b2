"""Broken input for parsers: `mutations` of good messages, the same for the same seed on every machine.

Two kinds of damage: to bytes (flips, sets, cuts, splices, doubled and inserted pieces), and to JSON as such
(a value becomes an extreme, a member is doubled, renamed or taken out), which gets past the JSON decoder and
into the fields. Text that is not JSON simply has no values to swap.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

__all__ = ["FUZZ_BUFFERS", "mutations", "truncations"]

FUZZ_BUFFERS = int(os.environ.get("STORMDESK_FUZZ", "20000"))
"""Buffers per parser in tests marked `fuzz`."""

BINARY_EXTREMES = (
    *(bytes([value]) * length for value in (0x00, 0x7F, 0x80, 0xFF) for length in (1, 2, 4, 8)),
    *(b"\x7f" + b"\xff" * length for length in (1, 3, 7)),
    *(b"\x80" + b"\x00" * length for length in (1, 3, 7)),
    b"\r\n",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b'"',
    b"\\",
    b"{",
    b"]",
    b" " * 40,
    b"\x00" * 300,
)

_NUMBERS = """
    NaN Infinity -Infinity 1e400 -1e400 1e-400 1e9999999 1e30 1e-31 -1 0 -0 0.0 1 1.5 1e15 1e16 00 +1 0x10
    1. .5 9223372036854775807 9223372036854775808 -9223372036854775809 18446744073709551616
"""
_STRUCTURES = """
    null true false [] {} [[]] [null] [[null,null]] [["1"]] [["1","2","3"]] [["2","1"],["1","1"]]
    [["NaN","1"]] [["1","-1"]] ["1","2"] [{"a":1}] {"a":{}} [[[]],[[]]]
"""
_TEXTS = r"""
    "" "0" "-1" "1" "NaN" "sNaN" "-Infinity" "1e400" "1e9999999" "-1e9999999" "1e-400" "1_000" "1,5" "1\u0000"
    "\u0661" "\ud835" "\ud835\udfd9" "\ud800" "../../x" "BTC\nUSD" "BTC-USD" "T" "buy" "sell" "none"
    "subscribe" "snapshot" "update" "delete" "2021-13-45T99:99:99Z" "0001-01-01T00:00:00+23:59"
    "9999-12-31T23:59:59-23:59"
"""
_LONG = (
    *("9" * 41, "9" * 400, "9" * 5000, "0." + "0" * 60 + "1", '" "', '" 1"'),
    *(f'"{digit * length}"' for digit, length in (("9", 41), ("9", 400), ("A", 65), ("A", 3000))),
)
JSON_EXTREMES = tuple(
    text.encode() for text in (*_NUMBERS.split(), *_STRUCTURES.split(), *_TEXTS.split(), *_LONG)
)

_TEXT_EXTREMES = tuple(extreme for extreme in JSON_EXTREMES if extreme.startswith(b'"'))
_NUMBER_EXTREMES = tuple(extreme for extreme in JSON_EXTREMES if extreme[:1] in b"-.0123456789")
_DEEP = (
    b"[" * 100 + b"]" * 100,
    b"[" * 5000 + b"]" * 5000,
    b'{"a":' * 1500 + b"1" + b"}" * 1500,
    b"[" * 100_000,
)

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_MASK = (1 << 64) - 1


class _Target(NamedTuple):
    """One good message and where its JSON parts are: (start, end) each."""

    data: bytes
    values: list[tuple[int, int]]
    keys: list[tuple[int, int]]
    members: list[tuple[int, int]]
    """From a key to the end of its value."""
    items: list[tuple[int, int]]
    """Elements of arrays."""


def mutations(corpus: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """`count` damaged messages, each made from one or two of the corpus."""
    targets = [_target(message) for message in corpus if message]
    if not targets:
        raise ValueError("the corpus is empty")
    state = (seed * 0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D) & _MASK or 1
    pieces = len(targets)
    steps = len(_STEPS)
    for _ in range(count):
        # xorshift64 (Marsaglia 2003)
        state ^= state << 13 & _MASK
        state ^= state >> 7
        state ^= state << 17 & _MASK
        target = targets[(state >> 8) % pieces]
        data = _STEPS[(state >> 40) % steps](target, state, targets)
        if state & 0x1C0 == 0x1C0 and data:
            data = _BYTE_STEPS[(state >> 3) % len(_BYTE_STEPS)](data, state >> 5)
        yield data


def truncations(message: bytes) -> Iterator[bytes]:
    """The message cut off after each of its bytes, from none to one short of all."""
    for length in range(len(message)):
        yield message[:length]


def _flip(data: bytes, r: int) -> bytes:
    at = (r >> 16) % len(data)
    return data[:at] + bytes((data[at] ^ 1 << (r & 7),)) + data[at + 1 :]


def _set(data: bytes, r: int) -> bytes:
    at = (r >> 16) % len(data)
    return data[:at] + bytes((r >> 8 & 255,)) + data[at + 1 :]


def _cut(data: bytes, r: int) -> bytes:
    return data[: (r >> 16) % len(data)]


def _cut_head(data: bytes, r: int) -> bytes:
    return data[(r >> 16) % len(data) :]


def _take_out(data: bytes, r: int) -> bytes:
    at = (r >> 16) % len(data)
    return data[:at] + data[at + 1 + (r & 15) :]


def _double(data: bytes, r: int) -> bytes:
    at = (r >> 16) % len(data)
    end = at + 1 + (r & 63)
    return data[:end] + data[at:end] + data[end:]


def _insert(data: bytes, r: int) -> bytes:
    at = (r >> 16) % (len(data) + 1)
    return data[:at] + BINARY_EXTREMES[r % len(BINARY_EXTREMES)] + data[at:]


def _overwrite(data: bytes, r: int) -> bytes:
    at = (r >> 16) % len(data)
    extreme = BINARY_EXTREMES[r % 22]
    return data[:at] + extreme + data[at + len(extreme) :]


_BYTE_STEPS = (_flip, _set, _cut, _cut_head, _take_out, _double, _insert, _overwrite)


def _byte_step(step: Callable[[bytes, int], bytes]) -> Callable[[_Target, int, list[_Target]], bytes]:
    def mutate(target: _Target, r: int, _: list[_Target]) -> bytes:
        return step(target.data, r)

    return mutate


def _splice(target: _Target, r: int, targets: list[_Target]) -> bytes:
    other = targets[(r >> 24) % len(targets)].data
    return target.data[: (r >> 16) % len(target.data)] + other[(r >> 32) % len(other) :]


def _join(target: _Target, r: int, targets: list[_Target]) -> bytes:
    return target.data + targets[(r >> 24) % len(targets)].data


def _replace_value(target: _Target, r: int, targets: list[_Target]) -> bytes:
    if not target.values:
        return _insert(target.data, r)
    start, end = target.values[(r >> 16) % len(target.values)]
    extremes = JSON_EXTREMES
    if r >> 48 & 127 == 0:
        extremes = _DEEP
    elif r >> 55 & 3:  # mostly of the same type, which gets further
        extremes = _TEXT_EXTREMES if target.data[start] == ord('"') else _NUMBER_EXTREMES
    return target.data[:start] + extremes[(r >> 4) % len(extremes)] + target.data[end:]


def _borrow_value(target: _Target, r: int, targets: list[_Target]) -> bytes:
    other = targets[(r >> 24) % len(targets)]
    if not target.values or not other.values:
        return _splice(target, r, targets)
    start, end = target.values[(r >> 16) % len(target.values)]
    first, last = other.values[(r >> 32) % len(other.values)]
    return target.data[:start] + other.data[first:last] + target.data[end:]


def _drop_member(target: _Target, r: int, targets: list[_Target]) -> bytes:
    if not target.members:
        return _take_out(target.data, r)
    start, end = target.members[(r >> 16) % len(target.members)]
    return target.data[:start] + b'"x":0' + target.data[end:]


def _double_member(target: _Target, r: int, targets: list[_Target]) -> bytes:
    """The same key twice, the second time with an extreme."""
    if not target.members:
        return _double(target.data, r)
    at = (r >> 16) % len(target.members)
    end = target.members[at][1]
    first, last = target.keys[at]
    extreme = JSON_EXTREMES[(r >> 4) % len(JSON_EXTREMES)]
    return target.data[:end] + b"," + target.data[first:last] + b":" + extreme + target.data[end:]


def _rename_key(target: _Target, r: int, targets: list[_Target]) -> bytes:
    other = targets[(r >> 24) % len(targets)]
    if not target.keys or not other.keys:
        return _set(target.data, r)
    start, end = target.keys[(r >> 16) % len(target.keys)]
    first, last = other.keys[(r >> 32) % len(other.keys)]
    return target.data[:start] + other.data[first:last] + target.data[end:]


def _double_item(target: _Target, r: int, targets: list[_Target]) -> bytes:
    if not target.items:
        return _double(target.data, r)
    start, end = target.items[(r >> 16) % len(target.items)]
    more = (b"," + target.data[start:end]) * (1 + (r & 3))
    return target.data[:end] + more + target.data[end:]


def _drop_item(target: _Target, r: int, targets: list[_Target]) -> bytes:
    """An element of an array goes, with the comma before or after it."""
    if not target.items:
        return _take_out(target.data, r)
    start, end = target.items[(r >> 16) % len(target.items)]
    if target.data[start - 1 : start] == b",":
        start -= 1
    elif target.data[end : end + 1] == b",":
        end += 1
    return target.data[:start] + target.data[end:]


_STEPS: tuple[Callable[[_Target, int, list[_Target]], bytes], ...] = (
    *(_byte_step(step) for step in _BYTE_STEPS),
    _splice,
    _join,
    *([_replace_value] * 10),
    _borrow_value,
    _borrow_value,
    _drop_member,
    _double_member,
    _rename_key,
    _double_item,
    _drop_item,
)


def _target(message: bytes) -> _Target:
    target = _Target(message, [], [], [], [])
    if not _is_json(message):
        return target
    stack: list[tuple[int, bool, int | None]] = []
    """Of each open container: its start, whether it is an object, and the key that it is the value of."""
    key: int | None = None
    for match in _TOKEN.finditer(message):
        token = match.group()
        start, end = match.span()
        if token in (b"{", b"["):
            stack.append((start, token == b"{", key))
            key = None
            continue
        if token in (b"}", b"]"):
            if not stack:
                return target
            start, _, key = stack.pop()
        elif token in (b",", b":"):
            continue
        elif stack and stack[-1][1] and key is None:
            target.keys.append((start, end))
            target.members.append((start, end))
            key = len(target.keys) - 1
            continue
        target.values.append((start, end))
        if key is not None:
            target.members[key] = (target.keys[key][0], end)
        elif stack:
            target.items.append((start, end))
        key = None
    return target


def _is_json(message: bytes) -> bool:
    """Whether it is JSON, alone or behind a time stamp as captures have it."""
    starts = [at for at in (message.find(b"{"), message.find(b"[")) if at >= 0]
    try:
        json.loads(message[min(starts, default=0) :])
    except ValueError:
        return False
    return True
