"""The fundamental value: what the instrument is worth, unseen by all but the agents who study it.

A mean-reverting walk on a fixed 100 ms grid, with rare jumps:

    f[k+1] = f[k] + reversion * (anchor - f[k]) + sigma * N[k] + J[k]

N is a normal draw (arena/random.py), J is 0 except with probability `jump_chance` a normal of size
`jump_ticks`. Only + and * on doubles, so it is the same everywhere; its draws depend on the step number
alone, so whoever asks first moves it on and nobody can tell.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.arena.functions import routine
from engine.arena.layout import Real, Record, Word
from engine.arena.memory import Arena
from engine.arena.random import StreamRow, chance, normal, seed_stream

__all__ = ["STEP_NS", "Fundamental", "FundamentalParams", "FundamentalRow", "value_ticks"]

STEP_NS = 100_000_000
_STREAM_ID = 0xF0F0


class FundamentalParams(NamedTuple):
    """How the value moves, per 100 ms step."""

    anchor_ticks: int = 10_000
    reversion: float = 0.0005
    sigma_ticks: float = 0.6
    jump_chance: float = 0.002
    jump_ticks: float = 8.0


class FundamentalRow(Record):
    """FundamentalParams, and where the value stands."""

    stream: StreamRow
    step: Word
    """Steps made so far."""
    value_ticks: Real
    anchor_ticks: Word
    reversion: Real
    sigma_ticks: Real
    jump_chance: Real
    jump_ticks: Real


@routine
def value_ticks(fundamental: FundamentalRow, time_ns: int) -> float:
    """Value at time_ns, in ticks; asked at non-decreasing times."""
    stream = fundamental.stream
    while fundamental.step < time_ns // STEP_NS:
        value = fundamental.value_ticks
        pull = fundamental.reversion * (fundamental.anchor_ticks - value)
        value += pull + fundamental.sigma_ticks * normal(stream)
        jumped = chance(stream, fundamental.jump_chance)
        shock = normal(stream)
        if jumped:
            value += fundamental.jump_ticks * shock
        fundamental.value_ticks = max(1.0, value)
        fundamental.step += 1
    return fundamental.value_ticks


class Fundamental:
    """The value path for Python readers: owner of the row that the kernels share."""

    def __init__(self, seed: int, params: FundamentalParams, arena: Arena | None = None) -> None:
        self.params = params
        self.arena = Arena() if arena is None else arena
        row = self.arena.new("fundamental", FundamentalRow)[0]
        row.stream = self.arena.new("fundamental_stream", StreamRow)[0]
        seed_stream(row.stream, seed, _STREAM_ID)
        row.value_ticks = float(params.anchor_ticks)
        row.anchor_ticks = params.anchor_ticks
        row.reversion = params.reversion
        row.sigma_ticks = params.sigma_ticks
        row.jump_chance = params.jump_chance
        row.jump_ticks = params.jump_ticks

    @property
    def row(self) -> FundamentalRow:
        """The record."""
        return self.arena.row("fundamental", FundamentalRow)

    def value_ticks(self, time_ns: int) -> float:
        """Value at time_ns, in ticks; asked at non-decreasing times."""
        return value_ticks(self.row, time_ns)

    def jump(self, time_ns: int, ticks: int) -> None:
        """News at time_ns, the present: the value, and what it reverts to, change by so many ticks."""
        row = self.row
        row.value_ticks = max(1.0, value_ticks(row, time_ns) + ticks)
        row.anchor_ticks = max(1, row.anchor_ticks + ticks)
