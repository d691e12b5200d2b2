"""Which messages and fields are understood, and what is wrong with a message that is not.

Place on the data path: behind the framer, before session and application look at a message. One table for
both dialects: formats of tags, required tags of messages, repeating groups (FIX 4.4 volume 6; for tags from
25000 up the schemas of the Binance FIX API). Unknown tags are let pass, as counterparties send their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from engine.venue.fix.wire import Message, parse_timestamp_ns

__all__ = ["STANDARD_TYPES", "Dialect", "Fault", "Group", "Reject", "check", "entries"]


class Dialect(IntEnum):
    """Whose FIX a session speaks; chosen by its logon."""

    STANDARD = 0
    """FIX 4.4 as its dictionary says."""
    BINANCE = 1
    """Order entry and market data of the Binance FIX API."""


class Reject(IntEnum):
    """SessionRejectReason (373)."""

    INVALID_TAG = 0
    REQUIRED_TAG_MISSING = 1
    TAG_WITHOUT_VALUE = 4
    VALUE_INCORRECT = 5
    WRONG_FORMAT = 6
    SIGNATURE = 8
    COMP_ID = 9
    SENDING_TIME = 10
    INVALID_TYPE = 11
    REPEATED_TAG = 13
    GROUP_ORDER = 15
    GROUP_COUNT = 16
    OTHER = 99


class Fault(NamedTuple):
    """What a Reject says."""

    reason: int
    tag: int | None
    text: str


class Group(NamedTuple):
    """A repeating group: every entry begins with the same tag."""

    members: frozenset[int]
    """With those of nested groups."""
    most: int
    """Entries that are read."""


class Rule(NamedTuple):
    """A message that is understood."""

    required: tuple[int, ...]
    dialects: frozenset[Dialect]
    groups: dict[int, Group] = {}
    """Count tag -> group."""


_BOTH = frozenset(Dialect)
_STANDARD = frozenset({Dialect.STANDARD})
_BINANCE = frozenset({Dialect.BINANCE})
_NEW_ORDER = (11, 40, 54, 55)
_ORDER_TAGS = frozenset(
    {11, 38, 40, 18, 44, 54, 55, 59, 111, 152, 847, 7940, 25001, 1100, 1101, 1102, 1107, 1109, 25009}
    | {211, 1094, 835, 836, 25010, 25011, 25012, 25013}
)
_PARTIES = Group(frozenset({448, 447, 452, 802, 523, 803}), 20)
_ORDER_GROUPS = {
    453: _PARTIES,
    78: Group(frozenset({79, 661, 736, 467, 80}), 20),
    386: Group(frozenset({336, 625}), 20),
}
_SYMBOLS = Group(frozenset({55, 65, 48, 22, 460, 461, 167, 15, 207}), 50)

RULES: dict[str, Rule] = {
    "0": Rule((), _BOTH),
    "1": Rule((112,), _BOTH),
    "2": Rule((7, 16), _STANDARD),
    "3": Rule((), _BOTH),
    "4": Rule((36,), _STANDARD),
    "5": Rule((), _BOTH),
    "A": Rule((98, 108), _BOTH, {384: Group(frozenset({372, 385}), 100)}),
    "D": Rule(_NEW_ORDER, _BOTH, _ORDER_GROUPS),
    "E": Rule((25014, 1385, 73), _BINANCE, {73: Group(_ORDER_TAGS, 3)}),
    "F": Rule((11, 55), _BOTH, {453: _PARTIES}),
    "G": Rule((11, 40, 41, 54, 55), _STANDARD, _ORDER_GROUPS),
    "H": Rule((55, 54), _STANDARD, {453: _PARTIES}),
    "j": Rule((), _BOTH),
    "q": Rule((11, 530), _BOTH),
    "x": Rule((320, 559), _BOTH),
    "V": Rule((262, 263), _BOTH, {146: _SYMBOLS, 267: Group(frozenset({269}), 30), 386: _ORDER_GROUPS[386]}),
    "XAK": Rule((11, 38, 55), _BINANCE),
    "XCN": Rule((*_NEW_ORDER, 25033), _BINANCE),
    "XLQ": Rule((6136,), _BINANCE),
}

STANDARD_TYPES = (
    frozenset("0123456789ABCDEFGHJKLMNPQRSTVWXYZabcdefghijklmnopqrstuvwxyz")
    | {f"A{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    | {f"B{letter}" for letter in "ABCDEFGH"}
)
"""MsgTypes of FIX 4.4."""

_INT = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"-?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})", re.ASCII)
_PRINTABLE = re.compile(r"[ -~]+", re.ASCII)
_FORMATS: dict[str, tuple[int, ...]] = {
    "int": (7, 16, 34, 36, 95, 98, 108, 146, 264, 265, 267, 383, 559, 73, 78, 386, 453, 384, 789,
            847, 7940, 9, 25000, 25002, 25009, 25033, 25035, 25036, 25038, 1385),
    "decimal": (38, 44, 99, 111, 110, 152, 1102, 25000, 211),
    "char": (21, 40, 54, 59, 263, 269, 530, 1100, 1101, 1107, 1109, 25001),
    "flag": (43, 97, 123, 141, 266, 9406, 25032),
    "time": (60, 126),
    "text": (11, 41, 37, 49, 56, 55, 262, 320, 112, 58, 66, 25014, 25015, 25034, 6136, 553),
}  # fmt: skip
_FORMAT_TESTS: dict[str, Callable[[str], object]] = {
    "int": _INT.fullmatch,
    "decimal": _DECIMAL.fullmatch,
    "char": lambda value: len(value) == 1,
    "flag": frozenset("YN").__contains__,
    "time": lambda value: parse_timestamp_ns(value) is not None,
    "text": _PRINTABLE.fullmatch,
}
_FORMAT_OF = {tag: name for name, tags in _FORMATS.items() for tag in tags}


def check(message: Message, dialect: Dialect) -> Fault | None:
    """The first thing wrong with a message of a known type; None when there is none."""
    if message.fault is not None:
        return Fault(*message.fault)
    rule = RULES.get(message.type)
    if rule is None or dialect not in rule.dialects:
        return Fault(Reject.INVALID_TYPE, None, f"MsgType {message.type[:8]!r} is not understood here")
    values = message.values
    for tag in rule.required:
        if tag not in values:
            return Fault(Reject.REQUIRED_TAG_MISSING, tag, f"Required tag {tag} is missing.")
    for tag, value in message.fields:
        fault = _check_format(tag, value)
        if fault is not None:
            return fault
    allowed: frozenset[int] = frozenset()
    for count_tag, group in rule.groups.items():
        if count_tag in values:
            allowed |= group.members
            group_fault = _check_group(message, count_tag, group)
            if group_fault is not None:
                return group_fault
    for tag, _ in message.fields:
        if tag in message.repeated and tag not in allowed:
            return Fault(Reject.REPEATED_TAG, tag, f"Tag {tag} appears more than once.")
    return None


def entries(message: Message, count_tag: int) -> list[dict[int, str]]:
    """Entries of a group that `check` has found right; of nested entries the first values."""
    members = RULES[message.type].groups[count_tag].members
    fields = message.fields
    at = next((i for i, field in enumerate(fields) if field[0] == count_tag), len(fields)) + 1
    found: list[dict[int, str]] = []
    first = fields[at][0] if at < len(fields) else 0
    for tag, value in fields[at:]:
        if tag not in members:
            break
        if tag == first:
            found.append({})
        found[-1].setdefault(tag, value)
    return found


def _check_format(tag: int, value: str) -> Fault | None:
    kind = _FORMAT_OF.get(tag)
    if kind is None or _FORMAT_TESTS[kind](value):
        return None
    return Fault(Reject.WRONG_FORMAT, tag, f"Tag {tag} is no {kind}.")


def _check_group(message: Message, count_tag: int, group: Group) -> Fault | None:
    count = message.number(count_tag)
    if count is None or count > group.most:
        return Fault(Reject.VALUE_INCORRECT, count_tag, f"Tag {count_tag} must be 0 to {group.most}.")
    at = next(i for i, field in enumerate(message.fields) if field[0] == count_tag) + 1
    rest = message.fields[at:]
    if count and (not rest or rest[0][0] not in group.members):
        return Fault(Reject.GROUP_ORDER, count_tag, f"No entry follows tag {count_tag}.")
    found = 0
    for tag, _ in rest:
        if tag not in group.members:
            break
        found += tag == rest[0][0]
    if found != count:
        return Fault(
            Reject.GROUP_COUNT, count_tag, f"Tag {count_tag} is {count}, but {found} entries follow."
        )
    return None
