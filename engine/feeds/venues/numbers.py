"""Numbers, sides, times and symbols as venues write them, read tolerantly and exactly.

Stop on the data path: inside the normalisers. Tolerant by rule: numbers as text or as JSON numbers, times in
s, ms, us or ns (told apart by their size) or as ISO 8601. What is not one raises Refused with the reason;
the normaliser counts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from engine.core.clock import parse_iso_ns
from engine.core.types import Side
from engine.feeds.drops import DropReason
from engine.feeds.venues.events import Level

__all__ = ["MAX_DIGITS", "Numbers", "Refused", "checked_quote_sides", "epoch_ns", "side_of", "symbol_of"]

MAX_DIGITS = 40
"""Longest number text that is read."""
MAX_MEMO = 1 << 18
"""Texts whose value is remembered; when full the memory is cleared and starts again."""
MAX_SYMBOL = 64

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/_.@ -]*")
_LARGEST = Decimal(1).scaleb(30)
_SMALLEST_EXPONENT = -30


class Refused(Exception):
    """A message, or a record in one, that cannot be used. It never leaves a normaliser."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Numbers(dict[str, Decimal]):
    """`numbers[text]` is the exact value. Raises Refused for what is not a finite decimal number.

    A dictionary that fills itself: prices and sizes repeat, so most look-ups cost no parsing.
    """

    def __missing__(self, text: str) -> Decimal:
        value = _parse(text)
        if len(self) >= MAX_MEMO:
            self.clear()
        self[text] = value
        return value

    def price(self, value: str | float | Decimal) -> Decimal:
        """A number above zero, from text or a JSON number."""
        number = self.number(value)
        if number <= 0:
            raise Refused(DropReason.NEGATIVE if number < 0 else DropReason.NOT_POSITIVE)
        return number

    def size(self, value: str | float | Decimal) -> Decimal:
        """A number not below zero."""
        number = self.number(value)
        if number < 0:
            raise Refused(DropReason.NEGATIVE)
        return number

    def number(self, value: str | float | Decimal) -> Decimal:
        """Any finite number. Decode JSON numbers as Decimal where digits matter (checksums)."""
        return self[value if isinstance(value, str) else str(value)]

    def level(self, price: str | float | Decimal, size: str | float | Decimal) -> Level:
        """One level of a book."""
        return self.price(price), self.size(size)

    def levels(self, rows: Iterable[tuple[str, str]]) -> tuple[Level, ...]:
        """Levels of a book from pairs of text; one bad level refuses all, since half a message would be a
        wrong book."""
        return tuple([(self.price(price), self.size(size)) for price, size in rows])

    def statistics(self) -> dict[str, int]:
        """Fill of the memory of texts."""
        return {"number_texts": len(self), "number_texts_limit": MAX_MEMO}


def side_of(text: str) -> Side | None:
    """The side that buy/sell, bid/ask, b/s (any case) name; None for anything else."""
    return _SIDES.get(text.lower())


_SIDES = {
    **dict.fromkeys(("buy", "bid", "b"), Side.BID),
    **dict.fromkeys(("sell", "ask", "s", "a"), Side.ASK),
}


def symbol_of(text: str) -> str:
    """The symbol in capitals. Raises Refused for text that cannot be one: it comes from outside, and goes
    into file names, subjects and onto the screen."""
    if len(text) > MAX_SYMBOL or not _SYMBOL.fullmatch(text):
        raise Refused(DropReason.BAD_SYMBOL)
    return text.upper()


def epoch_ns(value: str | float | Decimal) -> int:
    """Unix time in ns from s, ms, us or ns, as a number or as text, or from ISO 8601 text.

    The unit is told by the size: what would lie before 1973 in a finer unit is a coarser one, which holds
    from 1973 to 5138. Raises Refused for what is not a time.
    """
    if isinstance(value, str) and (stamp_ns := parse_iso_ns(value)) is not None:
        return stamp_ns
    try:
        number = _parse(str(value))
    except Refused:
        raise Refused(DropReason.BAD_TIME) from None
    for digits, scale in ((11, 9), (14, 6), (17, 3), (20, 0)):
        if 0 < number < Decimal(10) ** digits:
            return int(number.scaleb(scale))
    raise Refused(DropReason.BAD_TIME)


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
    if len(text) > MAX_DIGITS:
        raise Refused(DropReason.BAD_NUMBER)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Refused(DropReason.BAD_NUMBER) from None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not text.isascii() or "_" in text or text != text.strip():
        raise Refused(DropReason.BAD_NUMBER)
    if exponent < _SMALLEST_EXPONENT or abs(value) >= _LARGEST:
        raise Refused(DropReason.OUT_OF_RANGE)
    return value
