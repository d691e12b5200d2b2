"""ITCH messages: lengths and offsets are the specification's, and no byte is lost in reading and writing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.itch.messages import (
    MESSAGES,
    AddOrder,
    OrderCancel,
    StockDirectory,
    length_of,
    read_message,
    write_message,
)

SHARED = Path(__file__).parents[3] / "../shared/data/itch50_2019"

LENGTHS = {
    "S": 12,
    "R": 39,
    "H": 25,
    "Y": 20,
    "L": 26,
    "V": 35,
    "W": 12,
    "K": 28,
    "J": 35,
    "h": 21,
    "A": 36,
    "F": 40,
    "E": 31,
    "C": 36,
    "X": 23,
    "D": 19,
    "U": 35,
    "P": 44,
    "Q": 40,
    "B": 19,
    "I": 50,
    "N": 20,
    "O": 48,
}
"""The specification's message lengths, written down apart from the declarations."""

ADD = bytes.fromhex("41 01f0 0000 0d18c2e639c2 00000000000022b1 42 000007d0 4152475820202020 001880a8")
"""An order for 2,000 ARGX at 160.58, as it came over the wire."""


def test_every_type_has_its_length():
    assert {letter: kind.size for letter, kind in MESSAGES.items()} == LENGTHS
    assert length_of("Z") is None


def test_an_add_order_reads_as_the_specification_says():
    message = read_message(ADD)
    assert message == AddOrder(496, 0, 14_400_000_244_162, 8_881, "B", 2_000, "ARGX", 1_605_800)
    assert write_message(message) == ADD


def test_fields_stand_where_the_specification_puts_them():
    places = {field.name: field.offset for field in StockDirectory.fields}
    names = ("stock", "round_lot_size", "issue_subtype", "inverse")
    assert tuple(places[name] for name in names) == (11, 21, 27, 38)
    heads = {tuple(field.offset for field in kind.fields[:3]) for kind in MESSAGES.values()}
    assert heads == {(1, 3, 5)}, "locate, tracking and time come first in every message"


@pytest.mark.parametrize("letter", sorted(LENGTHS))
@given(data=st.data())
def test_bytes_survive_reading_and_writing(letter, data):
    wire = letter.encode() + data.draw(st.binary(min_size=LENGTHS[letter] - 1, max_size=LENGTHS[letter] - 1))
    assert write_message(read_message(wire)) == wire


@pytest.mark.parametrize("letter", sorted(LENGTHS))
def test_every_truncation_and_every_longer_message_is_refused(letter):
    whole = letter.encode() + bytes(LENGTHS[letter] - 1)
    assert read_message(whole) is not None
    assert all(read_message(whole[:length]) is None for length in range(len(whole)))
    assert read_message(whole + b"\0") is None


def test_what_the_wire_cannot_hold_is_refused_with_its_name():
    with pytest.raises(ValueError, match=r"shares 4294967296 does not fit"):
        write_message(OrderCancel(1, 0, 0, 1, 1 << 32))
    with pytest.raises(ValueError, match=r"time_ns -1 does not fit"):
        write_message(OrderCancel(1, 0, -1, 1, 1))
    with pytest.raises(ValueError, match=r"stock 'ABCDEFGHI' is longer"):
        write_message(AddOrder(1, 0, 0, 1, "B", 1, "ABCDEFGHI", 1))


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data beside the repository")
@pytest.mark.parametrize("name", ["0400_book500", "first1000_directory", "two_per_type"])
def test_real_messages_survive_reading_and_writing(name):
    data = (SHARED / f"20191230_{name}.itch").read_bytes()
    at = 0
    while at < len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        assert write_message(read_message(data[at + 2 : end])) == data[at + 2 : end]
        at = end
