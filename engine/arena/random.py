"""Random numbers for kernels: `engine/core/rng.py`'s streams, draw for draw, over a record.

The state of a stream is two words, so it lies in a table like everything else; draw number n is the same
function of (seed, stream id, n), whether it is taken here, there, interpreted or compiled (tested). The
floats are made by IEEE-exact operations in the same order, which is what makes the last bit agree.
"""

from __future__ import annotations

from math import sqrt

from engine.arena.functions import inlined, routine
from engine.arena.layout import Record, Word
from engine.arena.leaves import check, high_product, shifted_right, signed, wrapped_product, wrapped_sum
from engine.core.rng import Stream

__all__ = [
    "NEVER_NS",
    "StreamRow",
    "below",
    "between",
    "chance",
    "draw64",
    "exact_log",
    "exponential_ns",
    "normal",
    "pareto",
    "seed_stream",
    "uniform",
]

NEVER_NS = 1 << 61
"""73 years: the longest waiting time, so that a time in the future is always an int64."""

_GAMMA = signed(0x9E3779B97F4A7C15)
_FIRST = signed(0xBF58476D1CE4E5B9)
_SECOND = signed(0x94D049BB133111EB)
_LN2 = 0.6931471805599453
_TWO_53 = 1 << 53
_NEVER = float(NEVER_NS)


class StreamRow(Record):
    """One actor's random numbers: 64 bits of key, and how many have been drawn."""

    key: Word
    count: Word


def seed_stream(row: StreamRow, seed: int, stream_id: int) -> None:
    """Makes the row the stream (seed, stream id), from its beginning (Python only)."""
    key, count = Stream(seed, stream_id).__getstate__()
    row.key = signed(key)
    row.count = count


@inlined
def draw64(stream: StreamRow) -> int:
    """The next 64 random bits, as a word whose sign means nothing."""
    stream.count += 1
    value = wrapped_sum(stream.key, wrapped_product(stream.count, _GAMMA))
    value = wrapped_product(value ^ shifted_right(value, 30), _FIRST)
    value = wrapped_product(value ^ shifted_right(value, 27), _SECOND)
    return value ^ shifted_right(value, 31)


@inlined
def below(stream: StreamRow, n: int) -> int:
    """Uniform integer in [0, n) by multiply-shift."""
    check(n > 0)
    return high_product(draw64(stream), n)


@inlined
def between(stream: StreamRow, low: int, high: int) -> int:
    """Uniform integer in [low, high], both included."""
    return low + below(stream, high - low + 1)


@inlined
def uniform(stream: StreamRow) -> float:
    """Uniform float in [0, 1) with 53 bits."""
    return shifted_right(draw64(stream), 11) / _TWO_53


@inlined
def chance(stream: StreamRow, probability: float) -> bool:
    """True with this probability (always one draw)."""
    return uniform(stream) < probability


@routine
def normal(stream: StreamRow) -> float:
    """Mean 0, variance 1: the sum of twelve 16-bit uniforms, centred (Irwin-Hall), three draws."""
    total = 0
    for _ in range(3):
        bits = draw64(stream)
        total += (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + ((bits >> 48) & 0xFFFF)
    return (total - 393_210) / 65_536.0


@inlined
def exponential_ns(stream: StreamRow, mean_ns: float) -> int:
    """Exponential waiting time in ns, 1 to NEVER_NS. The mean is a whole number of any size, as a float."""
    delay_ns = -mean_ns * exact_log(shifted_right(draw64(stream), 11) + 1)
    return max(1, int(min(delay_ns, _NEVER)))


@inlined
def pareto(stream: StreamRow, minimum: int, maximum: int) -> int:
    """Integer with tail exponent 2 (minimum / sqrt(u)), cut at maximum, which is below 2^53."""
    u = (shifted_right(draw64(stream), 11) + 1) / _TWO_53
    return int(min(float(maximum), minimum / sqrt(u)))


@routine
def exact_log(numerator: int) -> float:
    """ln(numerator / 2**53) for 1 <= numerator <= 2**53, by + - * / alone (core/rng.py says how)."""
    check(1 <= numerator <= _TWO_53)
    exponent = 54
    while numerator < 1 << (exponent - 1):  # to the number's bit length: two rounds on average
        exponent -= 1
    mantissa = numerator / (1 << exponent)
    z = (mantissa - 1.0) / (mantissa + 1.0)
    square = z * z
    total = 0.0
    k = 33
    while k > 0:
        total = total * square + 1.0 / k
        k -= 2
    return (exponent - 53) * _LN2 + 2.0 * z * total
