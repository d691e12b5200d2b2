"""Random numbers: one counter-based stream per actor, keyed by (seed, stream id).

Promise bought here: determinism. Draw number n of a stream is a pure function of (seed, stream id, n):
adding an actor, or an actor drawing more, never moves anybody else's numbers. Floats are made with
IEEE-exact operations only (+ - * / sqrt), never with libm, so every machine and every compiler agrees.

The mixer is SplitMix64's finaliser (Steele, Lea, Flood 2014) over key + n * golden gamma.
"""

from __future__ import annotations

from math import sqrt

__all__ = ["Stream", "exact_log", "mix64"]

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15
_LN2 = 0.6931471805599453
_TWO_53 = 1 << 53


def mix64(value: int) -> int:
    """SplitMix64 finaliser: a bijection of u64 whose output bits look independent."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def exact_log(numerator: int) -> float:
    """ln(numerator / 2**53) for 1 <= numerator <= 2**53, by + - * / alone.

    Splits off the power of two, then ln(m) = 2 artanh((m-1)/(m+1)) by its series; with m in [1/2, 1)
    seventeen terms leave an error below 1e-16.
    """
    assert 1 <= numerator <= _TWO_53
    exponent = numerator.bit_length()
    mantissa = numerator / (1 << exponent)  # a power of two: exact
    z = (mantissa - 1.0) / (mantissa + 1.0)
    square = z * z
    total = 0.0
    for k in range(33, 0, -2):
        total = total * square + 1.0 / k
    return (exponent - 53) * _LN2 + 2.0 * z * total


class Stream:
    """One actor's random numbers. State is (key, count): two integers, so snapshots are exact."""

    __slots__ = ("_key", "count")

    def __init__(self, seed: int, stream_id: int) -> None:
        self._key = mix64((mix64(seed & _MASK) + (stream_id + 1) * _GAMMA) & _MASK)
        self.count = 0

    def __getstate__(self) -> tuple[int, int]:
        return (self._key, self.count)

    def __setstate__(self, state: tuple[int, int]) -> None:
        self._key, self.count = state

    def u64(self) -> int:
        """The next 64 random bits."""
        self.count += 1
        value = (self._key + self.count * _GAMMA) & _MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
        return value ^ (value >> 31)

    def below(self, n: int) -> int:
        """Uniform integer in [0, n) by multiply-shift (bias below n / 2**64)."""
        assert n > 0
        return (self.u64() * n) >> 64

    def between(self, low: int, high: int) -> int:
        """Uniform integer in [low, high], both included."""
        return low + self.below(high - low + 1)

    def uniform(self) -> float:
        """Uniform float in [0, 1) with 53 bits."""
        return (self.u64() >> 11) / _TWO_53

    def chance(self, probability: float) -> bool:
        """True with this probability (always one draw)."""
        return self.uniform() < probability

    def normal(self) -> float:
        """Mean 0, variance 1: the sum of twelve 16-bit uniforms, centred (Irwin-Hall), three draws.

        Tails end at +-6; fat tails in the market come from jumps and sizes, not from here.
        """
        total = 0
        for _ in range(3):
            bits = self.u64()
            total += (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48)
        return (total - 393_210) / 65_536.0

    def exponential_ns(self, mean_ns: int) -> int:
        """Exponential waiting time in ns, at least 1."""
        return max(1, int(-mean_ns * exact_log((self.u64() >> 11) + 1)))

    def pareto(self, minimum: int, maximum: int) -> int:
        """Integer with tail exponent 2 (minimum / sqrt(u)), cut at maximum."""
        u = ((self.u64() >> 11) + 1) / _TWO_53
        return min(maximum, int(minimum / sqrt(u)))
