"""The messages of OUCH 5.0 on the wire: against the specification's offsets, and against any bytes."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.venue.ouch.messages import (
    REQUESTS,
    RESPONSES,
    AccountQuery,
    AiqCanceled,
    CancelOrder,
    EnterOrder,
    OrderAccepted,
    OrderExecuted,
    Rejected,
    ReplaceOrder,
    SystemEvent,
)
from engine.venue.ouch.wire import (
    MAX_MESSAGE_BYTES,
    TAG_CODES,
    Appendage,
    Damage,
    Language,
    OuchMessage,
    Read,
    Tag,
    write,
)
from tests.feeds.fuzzing import FUZZ_BUFFERS, mutations, truncations

ENTER = EnterOrder(1, "B", 100, "AAPL", 1_503_400, "0", "Y", "A", "N", "N", "CLORD1", {Tag.USER_REF_IDX: 5})
ENTER_BYTES = (
    b"O\x00\x00\x00\x01B\x00\x00\x00\x64AAPL    \x00\x00\x00\x00\x00\x16\xf0\xa80YANNCLORD1        "
    b"\x00\x03\x02\x1c\x05"
)
EVERY = [(language, kind) for language in (REQUESTS, RESPONSES) for kind in language.kinds.values()]


def values(code: str) -> st.SearchStrategy[Any]:
    """Whatever a field of this code can hold."""
    if code[-1] in "cs":
        text = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=struct.calcsize(code))
        return text.map(lambda held: held.rstrip(" "))
    bits = 8 * struct.calcsize(f">{code}")
    return (
        st.integers(0, 2**bits - 1)
        if code.isupper()
        else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )


def written(kind: type[OuchMessage]) -> st.SearchStrategy[OuchMessage]:
    """Any message of a kind."""
    fields = [values(field.code) for field in kind.fields]
    options = st.fixed_dictionaries({}, optional={tag: values(TAG_CODES[tag]) for tag in sorted(kind.tags)})
    return st.builds(kind, *fields, options)


def sample(kind: type[OuchMessage]) -> OuchMessage:
    """One message of a kind, with all its options."""
    held: dict[str, Any] = {"c": "Y", "s": "ab"}
    fields = [held.get(field.code[-1], 7) for field in kind.fields]
    return kind(*fields, {tag: held.get(TAG_CODES[tag][-1], 3) for tag in sorted(kind.tags)})


CORPUS = {
    language: [write(sample(kind)) for kind in language.kinds.values()] for language in (REQUESTS, RESPONSES)
}


def test_an_order_lies_on_the_wire_as_the_specification_says() -> None:
    assert write(ENTER) == ENTER_BYTES
    assert REQUESTS.read(ENTER_BYTES) == Read(ENTER)


def test_lengths_are_those_of_the_specification() -> None:
    """With the appendage's length, where a message may have one."""

    def lengths(language: Language) -> dict[str, int]:
        return {
            letter: kind.size + (0 if kind.appendage is Appendage.NONE else 2)
            for letter, kind in language.kinds.items()
        }

    assert lengths(REQUESTS) == {"O": 47, "U": 40, "X": 11, "M": 12, "C": 19, "D": 11, "E": 11, "Q": 3}
    expected = {"S": 10, "A": 64, "U": 68, "C": 20, "D": 34, "E": 36, "B": 38, "J": 31, "P": 15, "I": 15}
    assert lengths(RESPONSES) == expected | {"T": 32, "M": 20, "R": 16, "X": 27, "G": 19, "K": 19, "Q": 15}


@pytest.mark.parametrize(
    ("kind", "offsets"),
    [
        (EnterOrder, {"side": 5, "quantity": 6, "symbol": 10, "price": 18, "time_in_force": 26}),
        (EnterOrder, {"display": 27, "capacity": 28, "sweep": 29, "cross_type": 30, "client_order_id": 31}),
        (ReplaceOrder, {"user_ref_num": 5, "quantity": 9, "price": 13, "sweep": 23, "client_order_id": 24}),
        (OrderAccepted, {"user_ref_num": 9, "symbol": 18, "price": 26, "reference": 36, "state": 47}),
        (OrderExecuted, {"quantity": 13, "price": 17, "liquidity": 25, "match_number": 26}),
        (AiqCanceled, {"quantity": 13, "prevented_quantity": 18, "price": 22, "strategy": 31}),
        (Rejected, {"user_ref_num": 9, "reason": 13, "client_order_id": 15}),
    ],
)
def test_fields_stand_where_the_specification_has_them(
    kind: type[OuchMessage], offsets: dict[str, int]
) -> None:
    places = {field.name: field.offset for field in kind.fields}
    assert {name: places[name] for name in offsets} == offsets


def test_an_optional_appendage_is_left_out_when_it_is_empty() -> None:
    assert write(CancelOrder(77, 0)) == b"X\x00\x00\x00\x4d\x00\x00\x00\x00"
    assert REQUESTS.read(write(CancelOrder(77, 0)) + b"\0\0") == Read(CancelOrder(77, 0))
    assert write(AccountQuery()) == b"Q"
    assert write(AccountQuery({Tag.USER_REF_IDX: 3})) == b"Q\x00\x03\x02\x1c\x03"
    assert write(OrderExecuted(1, 1, 1, 1, "A", 1))[-2:] == b"\0\0"


@given(st.sampled_from(EVERY).flatmap(lambda one: st.tuples(st.just(one[0]), written(one[1]))))
def test_what_is_written_is_read_again(pair: tuple[Language, OuchMessage]) -> None:
    language, message = pair
    assert language.read(write(message)) == Read(message)


@pytest.mark.parametrize(
    ("data", "damage"),
    [
        (b"", Damage.EMPTY),
        (b"Z", Damage.UNKNOWN_TYPE),
        (b"o" + ENTER_BYTES[1:], Damage.UNKNOWN_TYPE),
        (ENTER_BYTES[:44], Damage.WRONG_LENGTH),
        (b"X" + b"\0" * (MAX_MESSAGE_BYTES + 1), Damage.WRONG_LENGTH),
        (ENTER_BYTES[:45], Damage.BAD_APPENDAGE),
        (ENTER_BYTES[:46], Damage.BAD_APPENDAGE),
        (ENTER_BYTES + b"\0", Damage.BAD_APPENDAGE),
        (ENTER_BYTES[:-1], Damage.BAD_APPENDAGE),
        (ENTER_BYTES[:45] + b"\x00\x03\x03\x1c\x05", Damage.BAD_OPTION),
        (ENTER_BYTES[:45] + b"\x00\x03\x00\x1c\x05", Damage.BAD_OPTION),
        (ENTER_BYTES[:45] + b"\x00\x04\x03\x1c\x05\x06", Damage.BAD_OPTION),
        (ENTER_BYTES[:45] + b"\x00\x01\x02", Damage.BAD_OPTION),
        (ENTER_BYTES[:45] + b"\x00\x03\x02\x63\x05", Damage.UNKNOWN_OPTION),
        (ENTER_BYTES[:45] + b"\x00\x03\x02\x122", Damage.UNKNOWN_OPTION),
        (ENTER_BYTES[:45] + b"\x00\x06\x02\x1c\x05\x02\x1c\x05", Damage.REPEATED_OPTION),
    ],
)
def test_what_is_no_message_is_damage(data: bytes, damage: Damage) -> None:
    assert REQUESTS.read(data).damage is damage


def test_a_system_event_has_no_appendage() -> None:
    data = write(SystemEvent(5, "S"))
    assert RESPONSES.read(data) == Read(SystemEvent(5, "S"))
    assert RESPONSES.read(data + b"\0\0") == Read(None, Damage.WRONG_LENGTH)


@pytest.mark.parametrize(
    "message",
    [
        EnterOrder(2**32, "B", 1, "A", 1, "0", "Y", "A", "N", "N", ""),
        EnterOrder(1, "BB", 1, "A", 1, "0", "Y", "A", "N", "N", ""),
        EnterOrder(1, "B", 1, "A" * 9, 1, "0", "Y", "A", "N", "N", ""),
        CancelOrder(1, 1, {Tag.USER_REF_IDX: 256}),
    ],
)
def test_what_the_wire_cannot_hold_is_not_written(message: OuchMessage) -> None:
    with pytest.raises(ValueError, match=r"side|symbol|enter|USER_REF_IDX"):
        write(message)


@pytest.mark.parametrize(("language", "data"), [(one, data) for one in CORPUS for data in CORPUS[one]])
def test_every_truncation_is_damage_or_a_message_without_options(language: Language, data: bytes) -> None:
    for short in truncations(data):
        message, damage = language.read(short)
        assert damage is not None or (message is not None and write(message) == short)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_damage(data: bytes) -> None:
    check(data)


@pytest.mark.fuzz
def test_damaged_messages_never_raise() -> None:
    for corpus in CORPUS.values():
        for data in mutations(corpus, seed=5, count=FUZZ_BUFFERS):
            check(data)


def check(data: bytes) -> None:
    for language in (REQUESTS, RESPONSES):
        message, damage = language.read(data)
        if damage is None:
            assert message is not None
            assert language.read(write(message)) == Read(message)
