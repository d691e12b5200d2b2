"""Exact decimals as 64-bit integers, on a grid that the values themselves decide.

Stop on the data path: inside RecordTable. A column holds value x 10**decimals; a value with more decimals
than any before it refines the whole column. At the end the step of a file (tick, lot) is the finest power
of ten that divides all its values. Invariant: decimal -> integer loses nothing; what does not fit is refused
with a reason.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

import numpy as np
import numpy.typing as npt

from engine.feeds.drops import DropReason
from engine.feeds.venues.numbers import MAX_DIGITS, Refused

__all__ = ["MAX_MEMO", "FixedColumn", "step_exponent"]

MAX_MEMO = 1 << 18
"""Values whose integer is remembered; when full the memory is cleared and starts again."""

_MAX_VALUE = (1 << 63) - 1
_EXACT = Context(prec=2 * MAX_DIGITS, Emin=MIN_EMIN, Emax=MAX_EMAX)
"""No number of an event needs rounding in it."""


class FixedColumn:
    """Numbers of one kind (prices, quantities), as integers.

    Writing   extend, truncate, then settle once
    Reading   len, values, decimals, statistics
    """

    def __init__(self) -> None:
        self.decimals = 0
        """Most digits after the point, trailing zeros aside, that a value has needed so far."""
        self._largest = 0
        self._values: list[int] = []
        self._integers = _Integers(self.integer)
        self._integer_of: Callable[[Decimal], int] = self._integers.__getitem__
        self._settled: array[int] | None = None

    def __len__(self) -> int:
        return len(self._values if self._settled is None else self._settled)

    @property
    def values(self) -> array[int]:
        """The values in steps, once the column is settled."""
        assert self._settled is not None, "numbers are not on their grid before settle"
        return self._settled

    def extend(self, numbers: Sequence[Decimal]) -> None:
        """Append these numbers, none of them below zero; the grid may become finer for them.

        Raises Refused (OUT_OF_RANGE, OFF_GRID) and appends none when one does not fit 63 bits beside all
        values so far.
        """
        decimals = self.decimals
        integers = list(map(self._integer_of, numbers))
        if decimals != self.decimals:
            self.extend(numbers)  # those before the finer one were on the coarser grid
        else:
            self._values.extend(integers)

    def truncate(self, length: int) -> None:
        """Drop all but the first `length` values."""
        del self._values[length:]

    def settle(self) -> Decimal:
        """Divide by the step, at most 1, and say it. Once, after the last value."""
        values = np.array(self._values, dtype=np.int64)
        exponent = step_exponent(values, self.decimals)
        values //= 10**exponent
        self._settled = array("q", values.tobytes())
        self._values = []
        self._integers.clear()
        return Decimal(1).scaleb(exponent - self.decimals)

    def statistics(self) -> dict[str, int]:
        """Fill of the memory of numbers."""
        return {"numbers": len(self._integers), "numbers_limit": MAX_MEMO}

    def integer(self, number: Decimal) -> int:
        """The number on the grid, which becomes finer for it if it must. Raises Refused as `extend`."""
        scaled = _EXACT.scaleb(number, self.decimals)
        integer = int(scaled)
        if integer != scaled:
            self._refine(-int(_EXACT.normalize(number).as_tuple().exponent))
            integer = int(_EXACT.scaleb(number, self.decimals))
        if integer > _MAX_VALUE:
            raise Refused(DropReason.OUT_OF_RANGE)
        if integer > self._largest:
            self._largest = integer
        return integer

    def _refine(self, decimals: int) -> None:
        """Give the column this many decimals. Raises Refused when its largest value does not fit then."""
        factor = 10 ** (decimals - self.decimals)
        if max(1, self._largest) * factor > _MAX_VALUE:
            raise Refused(DropReason.OFF_GRID)
        self._values = [value * factor for value in self._values]
        self._largest *= factor
        self.decimals = decimals
        self._integers.clear()


class _Integers(dict[Decimal, int]):
    """The integers of numbers that came before: they repeat, so most cost one look-up."""

    def __init__(self, integer: Callable[[Decimal], int]) -> None:
        super().__init__()
        self._integer = integer

    def __missing__(self, number: Decimal) -> int:
        integer = self._integer(number)
        if len(self) >= MAX_MEMO:
            self.clear()
        self[number] = integer
        return integer


def step_exponent(values: npt.NDArray[np.int64], most: int) -> int:
    """Largest j up to `most` such that 10**j divides every value."""
    exponent = 0
    while exponent < most and not np.any(values % 10 ** (exponent + 1)):
        exponent += 1
    return exponent
