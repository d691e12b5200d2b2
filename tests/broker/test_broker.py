"""Requests and their answers: accounts, names, cancels, and cancels with something new in their place."""

from __future__ import annotations

import pytest

from engine.broker.terms import (
    BalanceEvent,
    CancelAllOrders,
    CancelOrder,
    CancelReplace,
    OpenAccount,
    OrderEvent,
    OrderTerms,
    PlaceOrder,
    Refusal,
    Reply,
)
from engine.core.types import Side
from tests.broker.bots import Market, limit, market, stop

MICRO = 1_000_000


@pytest.fixture
def scene() -> Market:
    return Market(bots=2, quiet=True, base="100", quote="10000")


def replace(
    scene: Market,
    order_id: int,
    terms: OrderTerms,
    *,
    allow: bool = False,
    counts: bool = False,
    most: int = -1,
) -> Reply:
    cancel = CancelOrder(scene.bot, scene.number(), order_id=order_id)
    return scene.reply(CancelReplace(scene.bot, cancel.request_id, cancel, terms, allow, counts, most))


# -- accounts --------------------------------------------------------------------------------------------


def test_an_account_is_opened_once_and_begins_with_its_balances(scene: Market) -> None:
    own = scene.own()
    assert (own.base_lots, own.quote_micro) == (100, 1_000_000 * MICRO)
    scene.placed(limit("a", Side.ASK, 10_000, 10))
    scene.reply(OpenAccount(scene.bot, scene.number(), "again", 1, 2))
    assert scene.own().base_locked_lots == 10
    assert scene.session.broker.fees(scene.bot) == (0, 20)


def test_an_account_may_have_fees_of_its_own(scene: Market) -> None:
    number = scene.accounts[-1] + 1
    scene.reply(OpenAccount(number, scene.number(), "own", -5, 100))
    scene.placed(limit("a", Side.ASK, 10_000, 10))
    scene.placed(market("b", Side.BID, 4), account=number)
    (fill,) = scene.session.broker.fills(number)
    assert fill.fee_micro == 4 * 10_000 * 100


def test_who_has_no_account_is_told_so(scene: Market) -> None:
    stranger = scene.accounts[-1] + 5
    assert scene.place(limit("a", Side.BID, 10_000, 5), account=stranger).refusal == Refusal.NO_ACCOUNT
    assert scene.session.broker.balances(stranger) is None
    assert scene.session.broker.open_orders(stranger) == []


def test_a_request_takes_one_latency_and_is_answered_with_what_it_did(scene: Market) -> None:
    scene.told()
    scene.ask(PlaceOrder(scene.bot, 77, limit("a", Side.BID, 10_000, 5)))
    assert scene.session.broker.is_busy
    scene.run(0.4)
    assert scene.told() == []
    scene.run(0.2)
    assert not scene.session.broker.is_busy
    reply, event, balance = scene.told()
    assert isinstance(reply, Reply)
    assert isinstance(event, OrderEvent)
    assert isinstance(balance, BalanceEvent)
    assert (reply.request_id, reply.orders) == (77, (event.order,))


# -- balances --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lots", "refusal"), [(100, ""), (101, "insufficient_balance")])
def test_all_that_is_there_may_be_sold_and_not_one_more(scene: Market, lots: int, refusal: str) -> None:
    assert scene.place(limit("a", Side.ASK, 10_000, lots)).refusal == refusal
    assert scene.place(stop("b", Side.ASK, 9_000, 5)).refusal == ("" if refusal else "insufficient_balance")


def test_a_buy_needs_its_price_and_the_fee(scene: Market) -> None:
    have = scene.own().quote_micro
    price = have // (100 * (MICRO + 20))
    assert scene.place(limit("a", Side.BID, price + 1, 100)).refusal == Refusal.INSUFFICIENT_BALANCE
    assert scene.place(limit("a", Side.BID, price, 100)).refusal == Refusal.NONE
    assert scene.own().quote_locked_micro == price * 100 * (MICRO + 20) <= have


# -- names and cancels -----------------------------------------------------------------------------------


def test_a_name_is_free_again_when_its_order_is_closed(scene: Market) -> None:
    first = scene.placed(limit("a", Side.BID, 9_000, 5))
    assert scene.place(limit("a", Side.BID, 9_000, 5)).refusal == Refusal.DUPLICATE_ORDER
    scene.cancelled(first.order_id)
    second = scene.placed(limit("a", Side.BID, 9_000, 5))
    assert scene.session.broker.order_by_client_id(scene.bot, "a") == second


@pytest.mark.parametrize(
    ("number", "name", "status", "refusal"),
    [
        (1, "", "", ""),
        (0, "a", "", ""),
        (1, "a", "", ""),
        (1, "b", "", "unknown_order"),
        (2, "", "", "unknown_order"),
        (0, "b", "", "unknown_order"),
        (1, "", "ONLY_NEW", ""),
        (1, "", "ONLY_PARTIALLY_FILLED", "restricted"),
    ],
)
def test_a_cancel_names_its_order_in_several_ways(
    scene: Market, number: int, name: str, status: str, refusal: str
) -> None:
    scene.placed(limit("a", Side.BID, 9_000, 5))
    request = CancelOrder(scene.bot, scene.number(), number, name, "by-me", status)
    reply = scene.reply(request)
    assert reply.refusal == refusal
    assert scene.order(1).cancel_id == ("" if refusal else "by-me")


def test_an_order_is_not_another_accounts_to_cancel(scene: Market) -> None:
    order = scene.placed(limit("a", Side.BID, 9_000, 5))
    assert scene.cancelled(order.order_id, account=scene.accounts[1]).refusal == Refusal.UNKNOWN_ORDER
    assert scene.order(order.order_id).status.is_open


def test_cancelling_all_cancels_all_and_then_there_is_nothing(scene: Market) -> None:
    scene.placed(limit("a", Side.BID, 9_000, 5))
    scene.placed(stop("b", Side.ASK, 9_000, 5))
    reply = scene.reply(CancelAllOrders(scene.bot, scene.number()))
    assert [order.status for order in reply.orders] == ["CANCELED", "CANCELED"]
    own = scene.own()
    assert (own.base_locked_lots, own.quote_locked_micro) == (0, 0)
    assert scene.reply(CancelAllOrders(scene.bot, scene.number())).refusal == Refusal.UNKNOWN_ORDER


def test_a_halted_market_takes_no_orders_and_lets_them_be_cancelled(scene: Market) -> None:
    order = scene.placed(limit("a", Side.BID, 9_000, 5))
    scene.session.broker.boundary.market_open = False
    assert scene.place(limit("b", Side.BID, 9_000, 5)).refusal == Refusal.MARKET_CLOSED
    assert scene.cancelled(order.order_id).refusal == Refusal.NONE


# -- something new in its place --------------------------------------------------------------------------


def test_the_new_order_has_the_old_ones_money_and_may_have_its_name(scene: Market) -> None:
    order = scene.placed(limit("a", Side.ASK, 10_000, 100))
    reply = replace(scene, order.order_id, limit("a", Side.ASK, 10_100, 100))
    assert (reply.refusal, reply.cancel_refusal, reply.order_refusal) == ("", "", "")
    assert reply.was_cancelled is not None
    assert reply.was_cancelled.status == "CANCELED"
    assert scene.own().base_locked_lots == 100


@pytest.mark.parametrize("allow", [False, True])
def test_when_the_second_part_fails_the_first_stays_done(scene: Market, allow: bool) -> None:
    order = scene.placed(limit("a", Side.ASK, 10_000, 60))
    reply = replace(scene, order.order_id, limit("b", Side.ASK, 10_100, 101), allow=allow)
    assert reply.refusal == Refusal.REPLACE_PARTLY
    assert (reply.cancel_refusal, reply.order_refusal) == ("", Refusal.INSUFFICIENT_BALANCE)
    assert scene.order(order.order_id).status == "CANCELED"
    assert scene.own().base_locked_lots == 0


@pytest.mark.parametrize(
    ("allow", "lots", "refusal", "order_refusal", "locked"),
    [
        (False, 50, Refusal.CANCEL_FAILED, "", 0),
        (True, 50, Refusal.REPLACE_PARTLY, "", 50),
        (True, 101, Refusal.CANCEL_FAILED, Refusal.INSUFFICIENT_BALANCE, 0),
    ],
)
def test_when_the_first_part_fails_the_second_needs_leave(
    scene: Market, allow: bool, lots: int, refusal: str, order_refusal: str, locked: int
) -> None:
    reply = replace(scene, 999, limit("b", Side.ASK, 10_100, lots), allow=allow)
    assert (reply.refusal, reply.cancel_refusal, reply.order_refusal) == (
        refusal,
        Refusal.UNKNOWN_ORDER,
        order_refusal,
    )
    assert scene.own().base_locked_lots == locked


@pytest.fixture
def traded(scene: Market) -> int:
    """An order of ten of which four are executed."""
    order = scene.placed(limit("a", Side.BID, 10_000, 10))
    scene.placed(limit("s", Side.ASK, 10_000, 4), account=scene.accounts[1])
    return order.order_id


@pytest.mark.parametrize(("total", "left"), [(10, 6), (20, 16), (5, 1)])
def test_a_quantity_that_counts_executions_sends_the_rest_of_it(
    scene: Market, traded: int, total: int, left: int
) -> None:
    (order,) = replace(scene, traded, limit("b", Side.BID, 9_900, total), counts=True).orders
    assert (order.qty_lots, order.chain_lots) == (left, 4)
    scene.placed(limit("t", Side.ASK, 9_900, 1), account=scene.accounts[1])
    if left > 1:
        (again,) = replace(scene, order.order_id, limit("c", Side.BID, 9_900, total), counts=True).orders
        assert (again.qty_lots, again.chain_lots) == (left - 1, 5)


def test_a_quantity_that_counts_executions_and_has_none_left_sends_nothing(
    scene: Market, traded: int
) -> None:
    reply = replace(scene, traded, limit("b", Side.BID, 9_900, 4), counts=True)
    assert (reply.refusal, reply.order_refusal) == (Refusal.REPLACE_PARTLY, Refusal.LOT_SIZE)
    assert scene.order(traded).status == "CANCELED"
    assert scene.own().quote_locked_micro == 0


def test_a_plain_quantity_does_not_count_what_was_executed(scene: Market, traded: int) -> None:
    (order,) = replace(scene, traded, limit("b", Side.BID, 9_900, 10)).orders
    assert (order.qty_lots, order.chain_lots) == (10, 0)


@pytest.mark.parametrize(
    ("most", "refusal"), [(-1, ""), (4, ""), (3, Refusal.CANCEL_FAILED), (0, Refusal.CANCEL_FAILED)]
)
def test_a_replacement_may_say_what_may_have_been_executed_at_most(
    scene: Market, traded: int, most: int, refusal: str
) -> None:
    reply = replace(scene, traded, limit("b", Side.BID, 9_900, 10), counts=True, most=most)
    assert reply.refusal == refusal
    if refusal:
        assert reply.cancel_refusal == Refusal.RESTRICTED
        assert scene.order(traded).status == "PARTIALLY_FILLED"


# -- going on after an image -----------------------------------------------------------------------------


def test_requests_under_way_arrive_in_a_fork_of_the_session(scene: Market) -> None:
    scene.placed(limit("a", Side.BID, 9_000, 5))
    scene.ask(PlaceOrder(scene.bot, scene.number(), limit("b", Side.BID, 9_100, 5)))
    fork = scene.session.fork()
    end = scene.session.now_ns + 2 * MICRO
    fork.advance(end)
    scene.session.advance(end)
    assert fork.broker.state() == scene.session.broker.state()
    assert [order.client_order_id for order in fork.broker.open_orders(scene.bot)] == ["a", "b"]
