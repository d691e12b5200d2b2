"""Leaves are the only operations written twice: once in Python, once as an instruction. They must agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.arena import leaves
from engine.arena.layout import Record, Word
from engine.arena.leaves import (
    big_half,
    big_short,
    big_word,
    folded_product,
    high_product,
    move_rows,
    shifted_right,
    signed,
    swapped_bytes,
    wrapped_product,
    wrapped_sum,
)
from engine.arena.machine import JIT_MODE
from tests.arena.compiling import compiled, needs_compiler

LEAST, GREATEST = -(2**63), 2**63 - 1
EDGES = (0, 1, -1, LEAST, GREATEST, 2**32, -(2**32), 0x9E3779B97F4A7C15 - 2**64)
WORDS = st.integers(LEAST, GREATEST) | st.sampled_from(EDGES)
BITS = st.integers(0, 63)


def add(a: int, b: int) -> int:
    return wrapped_sum(a, b)


def multiply(a: int, b: int) -> int:
    return wrapped_product(a, b)


def shift(word: int, bits: int) -> int:
    return shifted_right(word, bits)


def high(a: int, b: int) -> int:
    return high_product(a, b)


def fold(a: int, b: int) -> int:
    return folded_product(a, b)


def swap(word: int) -> int:
    return swapped_bytes(word)


class Cell(Record):
    value: Word


def slide(address: int, length: int, source: int, to: int, count: int) -> int:
    move_rows(Cell.table(address, length), source, to, count)
    return 0


def read(address: int, length: int, at: int, size: int) -> int:
    cells = Cell.table(address, length)
    if size == 8:
        return big_word(cells, at)
    return big_half(cells, at) if size == 4 else big_short(cells, at)


ENTRIES = (add, multiply, shift, high, fold, swap, slide, read)
Code = dict[str, Callable[..., int]]


@pytest.fixture(scope="module")
def code() -> Code:
    return compiled(ENTRIES)


def test_every_leaf_is_tested_here():
    tested = {name for function in ENTRIES for name in function.__code__.co_names}
    assert set(leaves.__all__) - tested == {"check", "prefetch", "signed"}


@needs_compiler
@given(a=WORDS, b=WORDS, bits=BITS)
@example(a=LEAST, b=LEAST, bits=63)
@example(a=LEAST, b=-1, bits=0)
@example(a=GREATEST, b=GREATEST, bits=1)
def test_both_paths_give_the_same_words(code, a, b, bits):
    for function in (add, multiply, high, fold):
        assert code[function.__name__](a, b) == function(a, b), function.__name__
    assert code["shift"](a, bits) == shift(a, bits)
    assert code["swap"](a) == swap(a)


@given(a=WORDS, b=WORDS, bits=BITS)
def test_leaves_are_what_they_say(a, b, bits):
    unsigned_a, unsigned_b = a % 2**64, b % 2**64
    assert wrapped_sum(a, b) % 2**64 == (a + b) % 2**64
    assert wrapped_product(a, b) % 2**64 == a * b % 2**64
    assert shifted_right(a, bits) % 2**64 == unsigned_a >> bits
    assert high_product(a, b) % 2**64 == unsigned_a * unsigned_b >> 64
    assert folded_product(a, b) == signed(high_product(a, b) ^ wrapped_product(a, b))
    assert swapped_bytes(a) % 2**64 == int.from_bytes(unsigned_a.to_bytes(8, "little"), "big")


@needs_compiler
@given(st.data())
def test_rows_move_on_both_paths_and_may_overlap(code, data):
    length = data.draw(st.integers(1, 40))
    count = data.draw(st.integers(0, length))
    source, to = (data.draw(st.integers(0, length - count)) for _ in range(2))
    expected = list(range(length))
    expected[to : to + count] = range(source, source + count)
    for move in (slide, code["slide"]):
        cells = np.arange(length, dtype=np.int64)
        move(cells.ctypes.data, length, source, to, count)
        assert cells.tolist() == expected


@pytest.mark.parametrize(("source", "to", "count"), [(-1, 0, 2), (0, 3, 2), (3, 0, 2)])
def test_rows_do_not_move_beyond_their_table(source, to, count):
    cells = np.arange(4, dtype=np.int64)
    with pytest.raises(AssertionError):
        slide(cells.ctypes.data, 4, source, to, count)
    assert cells.tolist() == [0, 1, 2, 3]


@given(word=st.integers(0, 2**64 - 1))
def test_signed_keeps_the_bits(word):
    assert LEAST <= signed(word) <= GREATEST
    assert signed(word) % 2**64 == word


@needs_compiler
@given(data=st.binary(min_size=24, max_size=24), at=st.integers(0, 16), size=st.sampled_from((2, 4, 8)))
def test_bytes_are_read_in_network_order_at_any_place(code, data, at, size):
    cells = np.frombuffer(data, np.int64)
    expected = int.from_bytes(data[at : at + size], "big")
    for function in (read, code["read"]):
        assert function(cells.ctypes.data, 3, at, size) == (signed(expected) if size == 8 else expected)


@pytest.mark.parametrize("size", [2, 4, 8])
def test_no_byte_outside_a_table_is_read(size):
    cells = np.zeros(3, np.int64)
    checked = compiled((read,), checked=True)["read"] if JIT_MODE != "0" else read
    for function in (read, checked):
        for at in (-1, 24 - size + 1, 1 << 40):
            with pytest.raises((AssertionError, IndexError)):
                function(cells.ctypes.data, 3, at, size)
