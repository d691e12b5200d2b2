"""Draws over a record are those of core/rng.py's streams, interpreted and compiled, to the last bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arena.layout import Real, Record, Word
from engine.arena.leaves import signed
from engine.arena.memory import Arena
from engine.arena.random import (
    NEVER_NS,
    StreamRow,
    below,
    between,
    chance,
    draw64,
    exact_log,
    exponential_ns,
    normal,
    pareto,
    seed_stream,
    uniform,
)
from engine.core import rng
from engine.core.rng import Stream
from tests.arena.compiling import compiled, needs_compiler

TWO_53 = 1 << 53
SEEDS = st.integers(0, (1 << 64) - 1)
STREAM_IDS = st.integers(0, (1 << 48) - 1)
WORDS = st.integers(1, (1 << 63) - 1)
SIZES = st.integers(1, 10**12)
SHARES = st.floats(0, 1)


class Drawn(Record):
    """What to draw with, and one draw of every kind."""

    n: Word
    low: Word
    high: Word
    least: Word
    greatest: Word
    numerator: Word
    share: Real
    mean_ns: Real
    bits: Word
    below: Word
    between: Word
    uniform: Real
    chance: Word
    normal: Real
    exponential_ns: Word
    pareto: Word
    log: Real


def draw_all(stream_address: int, drawn_address: int) -> int:
    stream, drawn = StreamRow.at(stream_address), Drawn.at(drawn_address)
    drawn.bits = draw64(stream)
    drawn.below = below(stream, drawn.n)
    drawn.between = between(stream, drawn.low, drawn.high)
    drawn.uniform = uniform(stream)
    drawn.chance = 1 if chance(stream, drawn.share) else 0
    drawn.normal = normal(stream)
    drawn.exponential_ns = exponential_ns(stream, drawn.mean_ns)
    drawn.pareto = pareto(stream, drawn.least, drawn.greatest)
    drawn.log = exact_log(drawn.numerator)
    return 0


@pytest.fixture(scope="module", params=["interpreted", pytest.param("checked", marks=needs_compiler)])
def draw(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    if request.param == "interpreted":
        return draw_all
    return compiled([draw_all], checked=True)["draw_all"]


class Drawer:
    """A stream's row and what is drawn from it."""

    def __init__(self, seed: int, stream_id: int) -> None:
        self.arena = Arena()
        self.stream = self.arena.new("stream", StreamRow)[0]
        self.drawn = self.arena.new("drawn", Drawn)[0]
        seed_stream(self.stream, seed, stream_id)


@given(
    seed=SEEDS,
    stream_id=STREAM_IDS,
    n=WORDS,
    low=st.integers(-(1 << 40), 1 << 40),
    width=st.integers(0, 1 << 40),
    least=SIZES,
    greatest=SIZES,
    numerator=st.integers(1, TWO_53) | st.integers(0, 53).map(lambda bits: 1 << bits),
    share=SHARES,
    mean_ns=st.integers(0, 10**12) | st.integers(0, 10**21),
)
def test_every_draw_is_that_of_the_stream(
    draw, seed, stream_id, n, low, width, least, greatest, numerator, share, mean_ns
):
    drawer, stream = Drawer(seed, stream_id), Stream(seed, stream_id)
    drawn = drawer.drawn
    drawn.n, drawn.low, drawn.high, drawn.least, drawn.greatest = n, low, low + width, least, greatest
    drawn.numerator, drawn.share, drawn.mean_ns = numerator, share, float(mean_ns)
    for _ in range(3):
        draw(drawer.stream.address, drawn.address)
        assert drawn.bits == signed(stream.u64())
        assert drawn.below == stream.below(n)
        assert drawn.between == stream.between(low, low + width)
        assert drawn.uniform.hex() == stream.uniform().hex()
        assert drawn.chance == stream.chance(share)
        assert drawn.normal.hex() == stream.normal().hex()
        assert drawn.exponential_ns == min(NEVER_NS, stream.exponential_ns(mean_ns))
        assert drawn.pareto == stream.pareto(least, greatest)
        assert drawn.log.hex() == rng.exact_log(numerator).hex()
    assert drawer.stream.count == stream.count


def test_a_streams_numbers_are_pinned(draw):
    drawer = Drawer(42, 16)
    for name in ("n", "high", "least", "greatest", "numerator"):
        setattr(drawer.drawn, name, 1)
    draw(drawer.stream.address, drawer.drawn.address)
    assert drawer.drawn.bits == signed(0xC66C58D68A883C8C)
    assert drawer.stream.count == 10


@pytest.mark.parametrize("draws", [0, 1, 7])
def test_a_row_goes_on_where_a_stream_stands(draws):
    """The state is the same two words on both sides."""
    drawer, stream = Drawer(5, 6), Stream(5, 6)
    for _ in range(draws):
        stream.u64()
        draw64(drawer.stream)
    key, count = stream.__getstate__()
    assert (drawer.stream.key, drawer.stream.count) == (signed(key), count)


def test_a_wait_beyond_all_sessions_is_cut_not_wrapped(draw):
    drawer = Drawer(1, 2)
    drawn = drawer.drawn
    drawn.n = drawn.high = drawn.least = drawn.greatest = drawn.numerator = 1
    drawn.mean_ns = 1e30
    draw(drawer.stream.address, drawn.address)
    assert drawn.exponential_ns == NEVER_NS


@pytest.mark.parametrize("numerator", [0, TWO_53 + 1])
def test_the_logarithm_refuses_what_is_out_of_its_range(draw, numerator):
    drawer = Drawer(1, 2)
    drawn = drawer.drawn
    drawn.n = drawn.high = drawn.least = drawn.greatest = 1
    drawn.numerator = numerator
    with pytest.raises(AssertionError):
        draw(drawer.stream.address, drawn.address)
