"""Numbers, sides, times and symbols as venues write them, read tolerantly and exactly.

Stop on the data path: inside the normalisers. Tolerant by rule: numbers as text or as JSON numbers, times in
s, ms, us or ns (told apart by their size) or as ISO 8601. What is not one raises Refused with the reason;
the normaliser counts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import TypeAlias, cast

from engine.core.clock import parse_iso_ns
from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import Level

__all__ = [
    "MAX_DIGITS",
    "Numbers",
    "Refused",
    "WireNumber",
    "checked_quote_sides",
    "epoch_ns",
    "id_of",
    "side_of",
    "symbol_of",
    "trade_id_of",
]

WireNumber: TypeAlias = int | float | str
"""How venues write a number; a decoder that keeps int and float apart keeps every digit of both."""

MAX_DIGITS = 40
"""Longest number text that is read."""
MAX_MEMO = 1 << 18
"""Texts whose value is remembered; when full the memory is cleared and starts again."""
MAX_SYMBOL = 64
MAX_TRADE_ID = 80

_SYMBOL = re.compile(r"[A-Za-z0-9@][A-Za-z0-9:/_.@ -]*")
_TRADE_ID = re.compile(r"[A-Za-z0-9:/_.@+=-]+")
_MAX_WHOLE_DIGITS = 30
_SMALLEST_EXPONENT = -30
_MAX_63_BITS = (1 << 63) - 1


class Refused(Exception):
    """A message, or a record in one, that cannot be used. It never leaves a normaliser."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Numbers(dict[WireNumber, Decimal]):
    """`numbers[text]` is the exact value. Raises Refused for what is not a decimal number from 0 up.

    A dictionary that fills itself, under texts: prices and sizes repeat, so most look-ups cost no parsing.
    """

    def __missing__(self, text: WireNumber) -> Decimal:
        if not isinstance(text, str):
            return self[str(text)]
        is_plain = len(text) <= _MAX_WHOLE_DIGITS and text.isascii() and text.replace(".", "", 1).isdigit()
        value = Decimal(text) if is_plain else _parse(text)
        if len(self) >= MAX_MEMO:
            self.clear()
        self[text] = value
        return value

    def number(self, value: WireNumber | Decimal) -> Decimal:
        """A number from 0 up. Decode JSON numbers as Decimal where digits matter (checksums)."""
        return self[value if isinstance(value, str) else str(value)]  # a signalling NaN cannot be looked up

    def price(self, value: WireNumber | Decimal) -> Decimal:
        """A number above zero, from text or a JSON number."""
        number = self.number(value)
        if not number:
            raise Refused(DropReason.NOT_POSITIVE)
        return number

    def size(self, value: WireNumber | Decimal) -> Decimal:
        """A number not below zero."""
        return self.number(value)

    def level(self, price: WireNumber | Decimal, size: WireNumber | Decimal) -> Level:
        """One level of a book."""
        return self.price(price), self.number(size)

    def quote_side(self, price: WireNumber | None, size: WireNumber | None) -> Level | None:
        """One side of a quote; None where it is missing, or stated as 0."""
        if price is None or size is None or price == "" or not self.number(price):
            return None
        return self.number(price), self.number(size)

    def levels(self, rows: Iterable[tuple[WireNumber | Decimal, WireNumber | Decimal]]) -> tuple[Level, ...]:
        """Levels of a book from pairs of price and size; one bad level refuses all, since half a message
        would be a wrong book."""
        columns = tuple(zip(*rows, strict=True))
        if not columns:
            return ()
        prices, sizes = map(self._column, columns)
        if not all(prices):
            raise Refused(DropReason.NOT_POSITIVE)
        return tuple(zip(prices, sizes, strict=True))

    def _column(self, values: tuple[WireNumber | Decimal, ...]) -> tuple[Decimal, ...]:
        is_text = isinstance(values[0], str)  # then all are, in what venues send, and any other is found out
        texts = cast("tuple[str, ...]", values) if is_text else map(str, values)
        return tuple(map(self.__getitem__, texts))

    def statistics(self) -> dict[str, int]:
        """Fill of the memory of texts."""
        return {"number_texts": len(self), "number_texts_limit": MAX_MEMO}


def side_of(text: str) -> Side | None:
    """The side that buy/sell, bid/ask, b/s (any case) name; None for anything else."""
    return _SIDES.get(text.lower())


_SIDES = {
    **dict.fromkeys(("buy", "bid", "b"), Side.BID),
    **dict.fromkeys(("sell", "ask", "offer", "s", "a"), Side.ASK),
}


def symbol_of(text: str) -> str:
    """The symbol in capitals. Raises Refused for text that cannot be one: it comes from outside, and goes
    into file names, subjects and onto the screen."""
    if len(text) > MAX_SYMBOL or not _SYMBOL.fullmatch(text):
        raise Refused(DropReason.BAD_SYMBOL)
    return text.upper()


def id_of(value: int | str) -> int:
    """An update number, as a number or as text. Raises Refused when it has no place in 63 bits."""
    if isinstance(value, str):
        if not (len(value) <= 19 and value.isascii() and value.isdigit()):
            raise Refused(DropReason.BAD_FIELD)
        value = int(value)
    if not 0 <= value <= _MAX_63_BITS:
        raise Refused(DropReason.BAD_FIELD)
    return value


def trade_id_of(value: int | str | None) -> str | None:
    """A trade's name as text; None where it has none. Raises Refused for what cannot be one."""
    if value is None or value == "":
        return None
    if isinstance(value, int):
        return str(id_of(value))
    if len(value) > MAX_TRADE_ID or not _TRADE_ID.fullmatch(value):
        raise Refused(DropReason.BAD_FIELD)
    return value


def epoch_ns(value: str | float | Decimal) -> int:
    """Unix time in ns from s, ms, us or ns, as a number or as text, or from ISO 8601 text.

    The unit is told by the size: what would lie before 1973 in a finer unit is a coarser one, which holds
    from 1973 to 5138. Raises Refused for what is not a time, or not one between 1970 and 2262 (63 bits).
    """
    if isinstance(value, int) and _FIRST_MS <= value < _FIRST_US:  # what most venues send
        return value * 1_000_000
    if isinstance(value, str):
        if len(value) <= 20 and value.isascii() and value.isdigit():
            value = int(value)
        elif (stamp_ns := parse_iso_ns(value)) is not None:
            return _checked_time_ns(stamp_ns)
    if isinstance(value, int):
        for limit, scale in _SCALES:
            if value < limit:
                return _checked_time_ns(value * scale)
        raise Refused(DropReason.BAD_TIME)
    try:
        number = _parse(str(value))
    except Refused:
        raise Refused(DropReason.BAD_TIME) from None
    for limit, scale in _SCALES:
        if number < limit:
            return _checked_time_ns(int(number * scale))
    raise Refused(DropReason.BAD_TIME)


_FIRST_MS, _FIRST_US = 10**11, 9 * 10**12
_SCALES = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3), (10**20, 1))
"""Below the first number the unit is that many ns: s, ms, us, ns."""


def _checked_time_ns(time_ns: int) -> int:
    if not 0 < time_ns <= _MAX_63_BITS:
        raise Refused(DropReason.BAD_TIME)
    return time_ns


def checked_quote_sides(bid: Level | None, ask: Level | None) -> tuple[Level | None, Level | None]:
    """Both sides of a quote, where a side without size counts as not there. Raises Refused when both are
    missing or the bid is above the ask."""
    bid, ask = (side if side is not None and side[1] > 0 else None for side in (bid, ask))
    if bid is None and ask is None:
        raise Refused(DropReason.NOT_POSITIVE)
    if bid is not None and ask is not None and bid[0] > ask[0]:
        raise Refused(DropReason.CROSSED)
    return bid, ask


def _parse(text: str) -> Decimal:
    """A number from 0 up, however it is written."""
    if len(text) > MAX_DIGITS:
        raise Refused(DropReason.BAD_NUMBER)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Refused(DropReason.BAD_NUMBER) from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not text.isascii() or "_" in text or text != text.strip():
        raise Refused(DropReason.BAD_NUMBER)
    if exponent < _SMALLEST_EXPONENT or value.adjusted() >= _MAX_WHOLE_DIGITS:
        raise Refused(DropReason.OUT_OF_RANGE)
    if value < 0:
        raise Refused(DropReason.NEGATIVE)
    return value
