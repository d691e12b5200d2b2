"""Decimals and names of one instrument <-> ticks, lots and micro; exact both ways.

A price is ticks x tick_size, a quantity lots x lot_size, an amount of money micro x tick_size x lot_size /
1e6. All three steps are finite decimals, so every integer has an exact text.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

from engine.core.types import Instrument
from engine.market.ledger import MICRO

__all__ = ["MIN_DECIMALS", "Money", "Step", "parse_decimal"]

MIN_DECIMALS = 8
"""Digits after the point that are printed at least."""
MAX_DECIMAL_CHARS = 40
_DECIMAL = re.compile(r"[0-9]*\.?[0-9]*", re.ASCII)


def parse_decimal(text: str) -> tuple[int, int] | None:
    """(digits, decimals) of a plain decimal like "0.0150" -> (150, 4); None for anything else."""
    if not 0 < len(text) <= MAX_DECIMAL_CHARS or _DECIMAL.fullmatch(text) is None or text == ".":
        return None
    whole, _, fraction = text.partition(".")
    return int(whole + fraction), len(fraction)


class Step(NamedTuple):
    """A smallest step, as digits / 10^decimals."""

    digits: int
    decimals: int

    @classmethod
    def of(cls, step: Decimal) -> Step:
        """The step of a positive finite decimal."""
        sign, digits, exponent = step.normalize().as_tuple()
        assert sign == 0
        assert isinstance(exponent, int)
        number = int("".join(map(str, digits)))
        return cls(number * 10 ** max(0, exponent), max(0, -exponent))

    def text(self, count: int, decimals: int = MIN_DECIMALS) -> str:
        """`count` steps as a plain decimal with at least `decimals` digits after the point."""
        places = max(decimals, self.decimals)
        value = count * self.digits * 10 ** (places - self.decimals)
        sign = "-" if value < 0 else ""
        if places == 0:
            return f"{sign}{abs(value)}"
        digits = str(abs(value)).rjust(places + 1, "0")
        point = len(digits) - places
        if places > decimals:  # more than asked for, only where they say something
            end = len(digits)
            while end > point + decimals and digits[end - 1] == "0":
                end -= 1
            digits = digits[:end]
        return f"{sign}{digits[:point]}.{digits[point:]}" if len(digits) > point else f"{sign}{digits}"

    def steps(self, text: str) -> int | None:
        """How many steps a decimal is; None when it is none, or no multiple of the step."""
        parsed = parse_decimal(text)
        if parsed is None:
            return None
        value, decimals = parsed
        value *= 10 ** max(0, self.decimals - decimals)
        unit = self.digits * 10 ** max(0, decimals - self.decimals)
        count, rest = divmod(value, unit)
        return count if rest == 0 else None

    def floor(self, text: str) -> int | None:
        """How many whole steps fit into a decimal; None when it is none."""
        parsed = parse_decimal(text)
        if parsed is None:
            return None
        value, decimals = parsed
        value *= 10 ** max(0, self.decimals - decimals)
        return int(value // (self.digits * 10 ** max(0, decimals - self.decimals)))


class Money:
    """Names and decimals of an instrument at the venue."""

    def __init__(self, instrument: Instrument) -> None:
        self.quote = instrument.currency.upper()
        plain = re.sub(r"[^A-Z0-9]", "", instrument.symbol.upper())
        has_quote = plain.endswith(self.quote) and len(plain) > len(self.quote)
        self.base = plain[: -len(self.quote)] if has_quote else plain
        self.symbol = self.base + self.quote
        """E.g. BTCUSDT, ACMEUSD."""
        self.price = Step.of(instrument.tick_size)
        self.quantity = Step.of(instrument.lot_size)
        self.amount = Step.of(instrument.tick_size * instrument.lot_size / MICRO)
        """Of money in micro."""

    def price_text(self, ticks: int) -> str:
        """A price."""
        return self.price.text(ticks)

    def quantity_text(self, lots: int) -> str:
        """A quantity of the base asset."""
        return self.quantity.text(lots)

    def amount_text(self, micro: int) -> str:
        """An amount of the quote asset."""
        return self.amount.text(micro)

    def ticks(self, text: str) -> int | None:
        """Ticks of a price; None when it is no decimal or no multiple of the tick."""
        return self.price.steps(text)

    def lots(self, text: str) -> int | None:
        """Lots of a quantity; None when it is no decimal or no multiple of the lot."""
        return self.quantity.steps(text)

    def micro(self, text: str) -> int | None:
        """Micro of an amount of the quote asset, rounded down; None when it is no decimal."""
        return self.amount.floor(text)
