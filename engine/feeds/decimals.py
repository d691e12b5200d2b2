"""Decimal text to exact integers, without a float in between.

Stop on the data path: inside the decoders. Everything is first an integer number of 1e-8, the resolution
that Binance itself keeps; the step of a file (tick, lot) is the finest power of ten that divides all its
values. Invariant: text -> integer loses nothing; what does not fit is refused with a reason.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import numpy.typing as npt

from engine.feeds.drops import DropReason

__all__ = [
    "FIXED_DECIMALS",
    "MAX_MEMO",
    "FixedPoint",
    "parse_fixed",
    "step_exponent",
    "step_size",
]

FIXED_DECIMALS = 8
"""Decimals of the fixed-point numbers; finer text is refused as off the grid."""

MAX_MEMO = 1 << 18
"""Texts whose value is remembered; when full the memory is cleared and starts again."""

_MAX_TEXT = 40
_MAX_VALUE = (1 << 63) - 1


_BAD_NUMBER, _NEGATIVE, _OFF_GRID, _OUT_OF_RANGE = -1, -2, -3, -4
_REFUSALS = {
    _BAD_NUMBER: DropReason.BAD_NUMBER,
    _NEGATIVE: DropReason.NEGATIVE,
    _OFF_GRID: DropReason.OFF_GRID,
    _OUT_OF_RANGE: DropReason.OUT_OF_RANGE,
}


class FixedPoint(dict[str, int]):
    """`fixed[text]` is the value in 1e-8, or below zero when refused (`refusal` names the reason).

    A dictionary that fills itself: prices and sizes repeat, so most look-ups cost no parsing.
    """

    def __missing__(self, text: str) -> int:
        if len(self) >= MAX_MEMO:
            self.clear()
        value = self[text] = parse_fixed(text)
        return value

    @staticmethod
    def refusal(value: int) -> DropReason:
        """The reason behind a value that is not positive."""
        return _REFUSALS.get(value, DropReason.NOT_POSITIVE)


def parse_fixed(text: str) -> int:
    """The decimal number as an integer of 1e-8; negative codes are refusals.

    Only digits with at most one point are a number: no sign, exponent, space, underscore, NaN or infinity.
    """
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isdecimal() and digits.isascii() and whole and len(text) <= _MAX_TEXT):
        return _NEGATIVE if text.startswith("-") else _BAD_NUMBER
    if len(fraction) != FIXED_DECIMALS:
        if point and not fraction:
            return _BAD_NUMBER
        fraction = fraction.rstrip("0").ljust(FIXED_DECIMALS, "0")
        if len(fraction) > FIXED_DECIMALS:
            return _OFF_GRID
        digits = whole + fraction
    value = int(digits)
    return value if value <= _MAX_VALUE else _OUT_OF_RANGE


def step_exponent(values: npt.NDArray[np.int64]) -> int:
    """Largest j in 0..8 such that 10**j divides every value: the step is 10**j * 1e-8, at most 1."""
    exponent = 0
    while exponent < FIXED_DECIMALS and not np.any(values % 10 ** (exponent + 1)):
        exponent += 1
    return exponent


def step_size(exponent: int) -> Decimal:
    """The step for this exponent as an exact decimal: 6 -> 0.01."""
    return Decimal(1).scaleb(exponent - FIXED_DECIMALS)
