"""Records: one declaration, one layout, and the same values on both paths."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arena.layout import Byte, Half, Real, Record, Table, Unsigned, Wide, Word
from engine.arena.leaves import check
from engine.arena.memory import Arena
from tests.arena.compiling import compiled, needs_compiler


class Item(Record):
    """One field of every code, in an order that needs padding."""

    byte: Byte
    half: Half
    unsigned: Unsigned
    word: Word
    flag: Byte
    real: Real


class Box(Record):
    """What leads elsewhere."""

    items: Table[Item]
    first: Item
    money: Wide
    count: Word


def copy_fields(source: int, target: int) -> int:
    """Every field through a kernel's hands, and the size of the small ones once widened."""
    a, b = Item.at(source), Item.at(target)
    b.byte = a.byte
    b.half = a.half
    b.unsigned = a.unsigned
    b.word = a.word
    b.flag = a.flag
    b.real = a.real * 0.5
    return a.byte + a.half + a.unsigned + a.flag


def add_money(box_address: int, a: int, b: int, c: int) -> int:
    box = Box.at(box_address)
    box.money.add_product(a, b, c)
    box.count += 1
    return box.count


def read_word(box_address: int, index: int) -> int:
    return Box.at(box_address).items[index].word


def follow_links(box_address: int) -> int:
    box = Box.at(box_address)
    last = Item.table(box.items[len(box.items) - 1].address, 1)[0]
    return 100 * last.word + box.first.word


def move_link(box_address: int) -> int:
    box = Box.at(box_address)
    box.first = box.items[1]
    return 0


def insist(holds: int) -> int:
    check(holds != 0)
    return 1


ENTRIES = (copy_fields, add_money, read_word, follow_links, insist)
FUNCTIONS = {function.__name__: function for function in ENTRIES}
Code = dict[str, Callable[..., int]]


@pytest.fixture(
    scope="module",
    params=["interpreted", *(pytest.param(path, marks=needs_compiler) for path in ("compiled", "checked"))],
)
def code(request: pytest.FixtureRequest) -> Code:
    if request.param == "interpreted":
        return FUNCTIONS
    return compiled(ENTRIES, checked=request.param == "checked")


@pytest.fixture(scope="module", params=["interpreted", pytest.param("checked", marks=needs_compiler)])
def careful_code(request: pytest.FixtureRequest) -> Code:
    return FUNCTIONS if request.param == "interpreted" else compiled(ENTRIES, checked=True)


def new_box(words: list[int]) -> tuple[Arena, Box]:
    arena = Arena()
    box = arena.new("box", Box)[0]
    box.items = arena.new("items", Item, len(words))
    for item, word in zip(box.items, words, strict=True):
        item.word = word
    return arena, box


def test_fields_are_aligned_and_in_order():
    offsets = {name: field.offset for name, field in Item.fields.items()}
    assert offsets == {"byte": 0, "half": 4, "unsigned": 8, "word": 16, "flag": 24, "real": 32}
    assert Item.itemsize == Item.dtype().itemsize == 40
    assert [Box.fields[name].offset for name in Box.fields] == [0, 16, 24, 40]


@given(
    byte=st.integers(0, 255),
    half=st.integers(-(2**31), 2**31 - 1),
    unsigned=st.integers(0, 2**32 - 1),
    word=st.integers(-(2**63), 2**63 - 1),
    flag=st.integers(0, 255),
    real=st.floats(allow_nan=False),
)
def test_every_field_holds_its_range(code, byte, half, unsigned, word, flag, real):
    rows = np.zeros(2, Item.dtype())
    rows[0] = (byte, half, unsigned, word, flag, real)
    items = Item.table(rows.ctypes.data, 2)
    total = code["copy_fields"](items[0].address, items[1].address)
    assert total == byte + half + unsigned + flag
    assert rows[1].tolist() == (byte, half, unsigned, word, flag, real * 0.5)
    assert (items[1].byte, items[1].half, items[1].word) == (byte, half, word)


@given(
    factors=st.lists(
        st.tuples(st.integers(-(2**62), 2**62), st.integers(-(10**6), 10**6), st.integers(-100, 100)),
        max_size=12,
    )
)
def test_wide_money_is_exact(code, factors):
    _arena, box = new_box([0])
    for n, (a, b, c) in enumerate(factors, 1):
        assert code["add_money"](box.address, a, b, c) == n
    assert box.money.value == sum(a * b * c for a, b, c in factors)


@given(value=st.integers(-(2**127), 2**127 - 1))
def test_a_wide_field_holds_128_bits(value):
    _arena, box = new_box([0])
    box.money.value = value
    assert box.money.value == value
    assert str(box.money) == str(value)


def test_links_lead_to_rows_and_tables(code):
    _arena, box = new_box([7, 8, 9])
    box.first = box.items[1]
    assert code["follow_links"](box.address) == 908
    assert box.first.word == 8
    box.items = Item.table(box.first.address, 2)
    assert [item.word for item in box.items] == [8, 9]
    assert code["follow_links"](box.address) == 908


@needs_compiler
def test_a_kernel_that_moves_a_link_is_not_compiled():
    with pytest.raises(Exception, match="only Python may change that"):
        compiled((move_link,), checked=False)


@pytest.mark.parametrize("index", [3, -1, 2**40, -(2**63)])
def test_an_index_outside_a_table_is_an_error(careful_code, index):
    _arena, box = new_box([7, 8, 9])
    assert careful_code["read_word"](box.address, 2) == 9
    with pytest.raises(IndexError, match="Item"):
        careful_code["read_word"](box.address, index)


def test_an_invariant_that_does_not_hold_is_an_error(careful_code):
    assert careful_code["insist"](1) == 1
    with pytest.raises(AssertionError):
        careful_code["insist"](0)


@needs_compiler
def test_the_checked_build_says_where_it_failed():
    code = compiled(ENTRIES, checked=True)
    _arena, box = new_box([7])
    with pytest.raises(IndexError, match="an index outside a table of Item in read_word"):
        code["read_word"](box.address, 1)


def test_a_longer_table_keeps_its_rows():
    arena, box = new_box([1, 2, 3])
    box.items = arena.grow("items", Item, 5)
    assert [item.word for item in box.items] == [1, 2, 3, 0, 0]
    assert arena.nbytes == 5 * Item.itemsize + Box.itemsize


def test_a_pickled_arena_is_a_world_of_its_own():
    arena, box = new_box([1, 2, 3])
    box.money.add_product(2, 3, 4)
    other = pickle.loads(pickle.dumps(arena))
    twin = other.row("box", Box)
    assert list(other.names()) == list(arena.names())
    assert twin.items.address == other.rows("items").ctypes.data
    twin.items[0].word = 10
    twin.money.add_product(1, 1, 1)
    assert ([item.word for item in box.items], box.money.value) == ([1, 2, 3], 24)
    assert ([item.word for item in twin.items], twin.money.value) == ([10, 2, 3], 25)


def test_an_image_brings_back_what_was():
    arena, box = new_box([1, 2, 3])
    image = arena.image()
    box.items[0].word = 10
    box.items = arena.grow("items", Item, 8)
    arena.restore(image)
    assert [item.word for item in arena.row("box", Box).items] == [1, 2, 3]


def test_an_image_of_other_tables_is_refused():
    arena, _box = new_box([1])
    other = Arena()
    other.new("box", Box)
    with pytest.raises(ValueError, match="other tables"):
        other.restore(arena.image())
