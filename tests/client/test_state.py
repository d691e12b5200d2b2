"""The client's knowledge without wires: reports once each and in sequence, greetings, lockstep talk."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.client.errors import DeskError, ReportsMissed, RequestRefused, SessionChanged
from engine.client.state import REPORTS_KEPT, DeskState, Wanted
from engine.client.talk import LockstepTalk
from engine.client.words import (
    Account,
    Book,
    Hello,
    HelloAccount,
    Instrument,
    LockstepTerms,
    Order,
    Refused,
    Report,
    Step,
)

INSTRUMENT = Instrument("ACME", Decimal("0.01"), Decimal("0.001"), "USD", 10, "one")


def hello(session: str = "one", sequence: int = 0, *, lockstep: bool = False, orders=(), position=0) -> Hello:
    terms = LockstepTerms(100, False, 7) if lockstep else None
    account = HelloAccount(position, 0.0, tuple(orders))
    return Hello(session, INSTRUMENT, account, sequence, lockstep, terms)


def report(sequence: int, kind: str = "accepted", client_id: int = 1, **fields) -> Report:
    values = {
        "time_ns": 1, "order_id": 50, "side": "buy", "price_ticks": 10, "qty_lots": 5, "filled_lots_last": 0,
        "fill_price_ticks": 0, "remaining_lots": 5, "reason": "", "fee": 0,
    }  # fmt: skip
    return Report(sequence=sequence, kind=kind, client_id=client_id, **(values | fields))


def greeted(**how) -> DeskState:
    state = DeskState()
    assert state.greet(hello(**how)) is None
    return state


def limit(state: DeskState, **how) -> Order:
    terms = {"price_ticks": 10, "qty_lots": 5, "price": None, "quantity": None} | how
    return state.submit(Wanted("buy", False, time_in_force="GTC", client_id=None, **terms))[0]


def step(number: int, *reports: Report) -> Step:
    return Step(number, number * 100, Book(number, number * 100, (), ()), reports, Account(0, 0.0, 0))


def test_a_report_that_came_twice_counts_once():
    state = greeted()
    for _ in range(2):
        state.apply(report(1, "filled", filled_lots_last=5, remaining_lots=0))
    assert (state.position_lots, len(state.take_reports())) == (5, 1)


def test_a_hole_in_the_reports_is_told():
    state = greeted()
    assert isinstance(state.apply(report(3)), ReportsMissed)


def test_reports_that_nobody_takes_are_bounded_and_counted():
    state = greeted()
    for sequence in range(1, REPORTS_KEPT + 4):
        state.apply(report(sequence))
    assert (len(state.reports), state.dropped_reports) == (REPORTS_KEPT, 3)


def test_a_greeting_of_the_same_session_keeps_what_is_known():
    state = greeted()
    order = limit(state)
    assert state.greet(hello()) is None
    assert list(state.orders.values()) == [order]


def test_a_greeting_after_missed_reports_is_adopted_and_told():
    state = greeted()
    limit(state)
    trouble = state.greet(hello(sequence=4, orders=[Order(9, "sell", 10, 5, 5, 77)], position=-3))
    assert isinstance(trouble, ReportsMissed)
    assert (list(state.orders), state.position_lots, state.sequence) == ([9], -3, 4)


def test_another_session_leaves_nothing_of_the_old_one():
    state = greeted()
    limit(state)
    state.apply(report(1, "filled", filled_lots_last=5, remaining_lots=0))
    assert isinstance(state.greet(hello("two")), SessionChanged)
    assert (state.orders, state.position_lots, state.sequence, state.take_reports()) == ({}, 0, 0, [])


def test_a_refused_order_is_gone_and_a_refused_duplicate_leaves_the_first():
    state = greeted()
    order = limit(state)
    state.apply(report(1, "rejected", order.client_id, reason="price_out_of_range"))
    assert state.orders == {}
    order = limit(state)
    state.apply(report(2, "accepted", order.client_id))
    state.apply(report(3, "rejected", order.client_id, reason="duplicate_client_id"))
    assert state.orders == {order.client_id: order}
    state.apply(report(4, "rejected", order.client_id, reason="unknown_order"))
    assert state.orders == {}


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value="0.01", max_value=10**9))
def test_every_price_on_the_grid_is_exact(price: Decimal):
    assert greeted().submit(
        Wanted("buy", False, None, 1, price, None, "GTC", None)
    )[1]["price_ticks"] == price * 100  # fmt: skip


def test_client_ids_in_lockstep_begin_where_the_session_says():
    state = greeted(lockstep=True)
    assert [limit(state).client_id for _ in range(2)] == [7, 8]


def test_a_step_is_answered_once_with_all_that_was_asked():
    talk = LockstepTalk(greeted(lockstep=True))
    assert talk.hear(step(1)) == []
    talk.ask({"op": "cancel_all"})
    (answer,) = talk.answer()
    assert json.loads(answer) == {"op": "done", "step": 1, "requests": [{"op": "cancel_all"}]}
    with pytest.raises(DeskError, match="time is moving"):
        talk.ask({"op": "cancel_all"})


def test_an_answer_that_got_lost_is_told_again():
    talk = LockstepTalk(greeted(lockstep=True))
    talk.hear(step(1))
    answer = talk.answer()
    talk.hear(hello(lockstep=True))
    assert talk.hear(step(1)) == answer
    assert not talk.is_open
    assert talk.hear(Refused("wrong_step", "twice")) == []


def test_a_connection_that_breaks_while_the_bot_thinks_loses_nothing():
    talk = LockstepTalk(greeted(lockstep=True))
    talk.hear(step(1, report(1)))
    talk.ask({"op": "cancel_all"})
    talk.hear(hello(lockstep=True, sequence=1))
    talk.hear(step(1, report(1)))
    assert b"cancel_all" in talk.answer()[0]
    assert len(talk.state.take_reports()) == 1


def test_long_answers_go_in_several_messages():
    talk = LockstepTalk(greeted(lockstep=True))
    talk.hear(step(1))
    for number in range(250):
        talk.ask({"op": "cancel", "client_id": number + 1})
    messages = [json.loads(message) for message in talk.answer()]
    assert len(messages) == 151
    said = [*messages[:-1], *messages[-1]["requests"]]
    assert [request["client_id"] for request in said] == list(range(1, 251))


def test_a_refused_answer_raises():
    talk = LockstepTalk(greeted(lockstep=True))
    talk.hear(step(1))
    talk.answer()
    with pytest.raises(RequestRefused, match="step 1: too much"):
        talk.hear(Refused("too_many_requests", "too much"))
