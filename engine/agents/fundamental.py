"""The fundamental value: what the instrument is worth, unseen by all but the agents who study it.

A mean-reverting walk on a fixed 100 ms grid, with rare jumps:

    f[k+1] = f[k] + reversion * (anchor - f[k]) + sigma * N[k] + J[k]

N is `Stream.normal`, J is 0 except with probability `jump_chance` a normal of size `jump_ticks`. Only
+ and * on doubles, so it is the same everywhere; its draws depend on the step number alone.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.rng import Stream

__all__ = ["Fundamental", "FundamentalParams"]

STEP_NS = 100_000_000
_STREAM_ID = 0xF0F0


class FundamentalParams(NamedTuple):
    """How the value moves, per 100 ms step."""

    anchor_ticks: int = 10_000
    reversion: float = 0.0005
    sigma_ticks: float = 0.6
    jump_chance: float = 0.002
    jump_ticks: float = 8.0


class Fundamental:
    """The value path; asked at non-decreasing times."""

    def __init__(self, seed: int, params: FundamentalParams) -> None:
        self.params = params
        self._rng = Stream(seed, _STREAM_ID)
        self._step = 0
        self._value = float(params.anchor_ticks)

    def value_ticks(self, time_ns: int) -> float:
        """Value at time_ns, in ticks."""
        p = self.params
        rng = self._rng
        while self._step < time_ns // STEP_NS:
            self._value += p.reversion * (p.anchor_ticks - self._value) + p.sigma_ticks * rng.normal()
            jumped = rng.chance(p.jump_chance)
            shock = rng.normal()
            if jumped:
                self._value += p.jump_ticks * shock
            self._value = max(1.0, self._value)
            self._step += 1
        return self._value
