"""Requests as commands of the journal, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.broker.journaling import MAX_REQUEST_BYTES, PIECE_BYTES, RequestText, request_commands
from engine.broker.terms import (
    AmendOrder,
    Asked,
    BrokerNote,
    BrokerRequest,
    CancelAllOrders,
    CancelList,
    CancelOrder,
    CancelReplace,
    Limited,
    ListKind,
    OpenAccount,
    OrderTerms,
    OrderType,
    PlaceList,
    PlaceOrder,
    decode_request,
    encode_request,
)
from engine.core.errors import UsageError
from engine.core.types import CommandKind

numbers = st.integers(0, 1 << 62)
names = st.text(max_size=36)
terms = st.builds(
    OrderTerms, names, st.integers(0, 1), st.sampled_from(OrderType), st.integers(0, 2), numbers, numbers,
    numbers, numbers, st.integers(0, 5_000), numbers, st.integers(0, 4), st.none() | numbers,
)  # fmt: skip
cancels = st.builds(CancelOrder, numbers, numbers, numbers, names, names, names)
requests: st.SearchStrategy[BrokerRequest | BrokerNote] = st.one_of(
    st.builds(OpenAccount, numbers, numbers, names, st.none() | numbers, st.none() | numbers),
    st.builds(PlaceOrder, numbers, numbers, terms),
    cancels,
    st.builds(CancelAllOrders, numbers, numbers),
    st.builds(CancelReplace, numbers, numbers, cancels, terms, st.booleans(), st.booleans(), numbers),
    st.builds(AmendOrder, numbers, numbers, numbers, names, names, numbers, st.booleans()),
    st.builds(PlaceList, numbers, numbers, st.sampled_from(ListKind), names, st.tuples(terms, terms, terms)),
    st.builds(CancelList, numbers, numbers, numbers, names, names),
    st.builds(Asked, numbers, st.lists(numbers, max_size=5).map(tuple)),
    st.builds(Limited, numbers, numbers, numbers),
)


@given(asked=st.lists(requests, max_size=5))
def test_requests_come_back_as_they_were_asked_in_their_order(
    asked: list[BrokerRequest | BrokerNote],
) -> None:
    text = RequestText()
    commands = [command for request in asked for command in request_commands(request)]
    found = [request for command in commands if (request := text.take(command)) is not None]
    assert found == asked
    assert text.waiting == b""


def test_a_request_ends_with_its_last_piece() -> None:
    commands = request_commands(CancelList(1, 2, 3, "n" * 80, "m" * 80))
    assert [one.kind for one in commands[:-1]] == [CommandKind.TEXT] * (len(commands) - 1)
    assert commands[-1].kind == CommandKind.BROKER
    assert {one.flags for one in commands[:-1]} == {PIECE_BYTES}
    assert len(commands) > 3


def test_requests_written_before_there_were_more_fields_can_still_be_read() -> None:
    old = encode_request(CancelReplace(1, 2, CancelOrder(1, 2), OrderTerms("a", 0, OrderType.LIMIT), True))
    shorter = bytes([old[0] - 2]) + old[1:-2]
    assert decode_request(shorter) == decode_request(old)


def test_a_request_that_is_too_long_is_refused_before_it_is_written() -> None:
    with pytest.raises(UsageError, match="at most"):
        request_commands(CancelList(1, 2, 3, "n" * MAX_REQUEST_BYTES))


def test_pieces_that_make_no_request_are_refused_and_the_next_one_is_read() -> None:
    text, good = RequestText(), CancelAllOrders(1, 2)
    (command,) = request_commands(good)
    for broken in (
        command._replace(flags=0),
        command._replace(flags=PIECE_BYTES + 1),
        command._replace(a=1, flags=33),
    ):
        with pytest.raises(UsageError):
            text.take(broken)
        assert text.take(command) == good


def test_pieces_without_an_end_are_bounded() -> None:
    text = RequestText()
    piece = request_commands(CancelList(1, 2, 3, "n" * 80))[0]
    for _ in range(MAX_REQUEST_BYTES // PIECE_BYTES):
        assert text.take(piece) is None
    with pytest.raises(UsageError, match="more than"):
        text.take(piece)
    assert text.waiting == b""
