"""Exact quotients of integers: the double nearest to a / b, as Python divides, on both paths.

Compiled code turns integers into doubles before it divides, which rounds twice once they pass 2^53; and a
price times lots may pass 2^63. Where everything is small, these functions are that one division.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.arena.leaves import check, high_product, shifted_right, wrapped_product, wrapped_sum

__all__ = ["MAX_DIVISOR", "ratio", "weighted_mean"]

_EXACT = 1 << 53
"""Integers up to here are doubles."""
MAX_DIVISOR = (1 << 62) - 1


@inlined
def ratio(a: int, b: int) -> float:
    """a / b; |a| < 2^63, 0 < b <= MAX_DIVISOR."""
    if b <= _EXACT and -_EXACT <= a <= _EXACT:
        return float(a) / float(b)
    return -_divided(0, -a, b) if a < 0 else _divided(0, a, b)


@inlined
def weighted_mean(a: int, a_weight: int, b: int, b_weight: int) -> float:
    """(a * a_weight + b * b_weight) / (a_weight + b_weight), all of it
    from 0 to 2^63 - 1, the weights' sum from 1 to MAX_DIVISOR."""
    first = wrapped_product(a, a_weight)
    second = wrapped_product(b, b_weight)
    low = wrapped_sum(first, second)
    carry = shifted_right((first & second) | ((first | second) & ~low), 63)
    high = high_product(a, a_weight) + high_product(b, b_weight) + carry
    weight = a_weight + b_weight
    if high == 0 and 0 <= low <= _EXACT and weight <= _EXACT:
        return float(low) / float(weight)
    return _divided(high, low, weight)


@routine
def _divided(high: int, low: int, divisor: int) -> float:
    """The unsigned 128-bit (high, low) / divisor, which is below 2^63: long division, bit by bit.

    It stops at 55 bits, of which the last also stands for all that is left. `float` rounds those once,
    half to even: two bits more than a double holds make that the right one.
    """
    check(0 < divisor <= MAX_DIVISOR)
    check(0 <= high < divisor)
    quotient = 0
    rest = high
    place = 64
    while quotient >> 54 == 0 and (place > 0 or rest != 0):
        place -= 1
        rest *= 2
        quotient *= 2
        if place >= 0:
            rest += shifted_right(low, place) & 1
        if rest >= divisor:
            rest -= divisor
            quotient += 1
    if rest != 0 or (place > 0 and low & ((1 << place) - 1) != 0):
        quotient |= 1
    if place >= 0:
        return float(quotient << place)
    result = float(quotient)
    while place < 0:
        result *= 0.5
        place += 1
    return result
