"""Orders that hang together: who begins, who ends, and that two of which one trades cost what one costs."""

from __future__ import annotations

import pytest

from engine.broker.lists import check_list
from engine.broker.terms import (
    CancelList,
    CancelOrder,
    CancelReplace,
    ListEvent,
    ListKind,
    OrderEvent,
    OrderTerms,
    OrderType,
    Refusal,
    Reply,
)
from engine.core.types import Side
from tests.broker.bots import Market, limit, maker, market, stop

MICRO = 1_000_000
OCO, OTO, OTOCO = ListKind
UNIT = MICRO + 20
"""Of a tick-lot with the fee."""


@pytest.fixture
def scene() -> Market:
    """Three bots: the first has lists, the others move the last price, which is 10,000."""
    scene = Market(bots=3, quiet=True, base="100", quote="10000000")
    scene.trade(10_000)
    return scene


def sell_pair(lots: int = 10) -> tuple[OrderTerms, OrderTerms]:
    return maker("above", Side.ASK, 10_050, lots), stop("below", Side.ASK, 9_950, lots)


def buy_pair(lots: int = 10) -> tuple[OrderTerms, OrderTerms]:
    return stop("above", Side.BID, 10_050, lots), maker("below", Side.BID, 9_950, lots)


def statuses(scene: Market, reply: Reply) -> list[str]:
    return [str(scene.order(order.order_id).status) for order in reply.orders]


def is_over(scene: Market, reply: Reply) -> bool:
    assert reply.list_state is not None
    state = scene.session.broker.order_list(scene.bot, reply.list_state.list_id)
    assert state is not None
    return state.status == "ALL_DONE"


def take(scene: Market, side: Side, price_ticks: int, lots: int) -> None:
    """Another bot takes what is there."""
    scene.placed(limit(f"x{scene.number()}", side, price_ticks, lots), account=scene.accounts[1])


# -- one cancels the other -------------------------------------------------------------------------------


def test_of_two_sells_only_one_locks(scene: Market) -> None:
    reply = scene.listed(OCO, *sell_pair(100))
    assert reply.refusal == Refusal.NONE
    assert scene.own().base_locked_lots == 100
    assert scene.place(limit("more", Side.ASK, 10_000, 5)).refusal == Refusal.INSUFFICIENT_BALANCE


def test_a_fill_in_part_ends_the_other_and_the_rest_stays_locked(scene: Market) -> None:
    reply = scene.listed(OCO, *sell_pair(10))
    take(scene, Side.BID, 10_050, 4)
    assert statuses(scene, reply) == ["PARTIALLY_FILLED", "EXPIRED"]
    assert scene.own().base_locked_lots == 6
    take(scene, Side.BID, 10_050, 6)
    assert is_over(scene, reply)
    assert scene.own().base_locked_lots == 0


def test_a_fill_in_part_of_the_cheaper_buy_locks_what_is_left_of_it(scene: Market) -> None:
    reply = scene.listed(OCO, *buy_pair(10))
    assert scene.own().quote_locked_micro == 10 * 10_050 * UNIT
    take(scene, Side.ASK, 9_950, 4)
    assert statuses(scene, reply) == ["EXPIRED", "PARTIALLY_FILLED"]
    assert scene.own().quote_locked_micro == 6 * 9_950 * UNIT


def test_a_stop_that_is_set_off_ends_the_other_before_it_trades(scene: Market) -> None:
    reply = scene.listed(OCO, *sell_pair(100))
    take(scene, Side.BID, 9_940, 100)
    scene.trade(9_950)
    assert statuses(scene, reply) == ["EXPIRED", "FILLED"]
    assert (scene.own().base_lots, scene.own().base_locked_lots) == (0, 0)


@pytest.mark.parametrize("which", [0, 1])
def test_cancelling_one_cancels_both(scene: Market, which: int) -> None:
    reply = scene.listed(OCO, *sell_pair())
    scene.cancelled(reply.orders[which].order_id)
    assert statuses(scene, reply) == ["CANCELED", "CANCELED"]
    assert is_over(scene, reply)
    assert scene.own().base_locked_lots == 0


def test_replacing_one_leaves_the_money_of_both_to_the_new_order(scene: Market) -> None:
    reply = scene.listed(OCO, *sell_pair(100))
    cancel = CancelOrder(scene.bot, scene.number(), order_id=reply.orders[0].order_id)
    terms = limit("new", Side.ASK, 10_100, 100)
    replaced = scene.reply(CancelReplace(scene.bot, cancel.request_id, cancel, terms, allow_failure=False))
    assert replaced.refusal == Refusal.NONE
    assert statuses(scene, reply) == ["CANCELED", "CANCELED"]
    assert scene.own().base_locked_lots == 100


def test_a_pair_whose_maker_would_take_is_refused_whole(scene: Market) -> None:
    take(scene, Side.BID, 10_060, 5)
    assert scene.listed(OCO, *sell_pair()).refusal == Refusal.WOULD_TAKE
    assert scene.session.broker.orders(scene.bot) == []


# -- one triggers the other ------------------------------------------------------------------------------


def test_a_pending_order_locks_nothing_until_the_first_is_filled(scene: Market) -> None:
    reply = scene.listed(OTO, limit("w", Side.BID, 9_990, 10), limit("p", Side.ASK, 10_010, 10))
    assert (scene.own().base_locked_lots, scene.own().quote_locked_micro) == (0, 10 * 9_990 * UNIT)
    take(scene, Side.ASK, 9_990, 4)
    assert statuses(scene, reply) == ["PARTIALLY_FILLED", "PENDING_NEW"]
    take(scene, Side.ASK, 9_990, 6)
    assert statuses(scene, reply) == ["FILLED", "NEW"]
    assert (scene.own().base_locked_lots, scene.own().quote_locked_micro) == (10, 0)


def test_a_pending_order_that_cannot_be_paid_expires(scene: Market) -> None:
    reply = scene.listed(OTO, limit("w", Side.BID, 9_990, 10), limit("p", Side.ASK, 10_010, 111))
    take(scene, Side.ASK, 9_990, 10)
    assert statuses(scene, reply) == ["FILLED", "EXPIRED"]
    assert is_over(scene, reply)


def test_a_pending_market_order_is_paid_from_what_is_there() -> None:
    scene = Market(bots=3, quiet=True, base="100", quote="1000")
    scene.trade(10_000)
    reply = scene.listed(OTO, limit("w", Side.ASK, 10_010, 1), market("p", Side.BID, 50))
    scene.placed(limit("ask", Side.ASK, 11_000, 50), account=scene.accounts[1])
    take(scene, Side.BID, 10_010, 1)
    assert statuses(scene, reply) == ["FILLED", "EXPIRED"], "fifty would cost five times what is there"
    assert scene.own().quote_micro > 0


@pytest.mark.parametrize(("number", "told"), [(0, ["CANCELED", "CANCELED"]), (1, ["CANCELED", "CANCELED"])])
def test_cancelling_either_of_them_cancels_both(scene: Market, number: int, told: list[str]) -> None:
    reply = scene.listed(OTO, limit("w", Side.BID, 9_990, 10), limit("p", Side.ASK, 10_010, 10))
    scene.cancelled(reply.orders[number].order_id)
    assert statuses(scene, reply) == told


def test_a_pending_stop_may_lie_where_the_price_is_before_it_begins(scene: Market) -> None:
    pending = stop("p", Side.BID, 10_020, 10, type=OrderType.TAKE_PROFIT)
    assert scene.place(pending).refusal == Refusal.WOULD_TRIGGER
    reply = scene.listed(OTO, limit("w", Side.ASK, 10_040, 10), pending)
    take(scene, Side.BID, 10_040, 10)
    assert statuses(scene, reply) == ["FILLED", "NEW"]


# -- one triggers two of which one trades ----------------------------------------------------------------


def test_the_pair_of_a_bracket_needs_the_lots_once(scene: Market) -> None:
    scene.placed(limit("all", Side.ASK, 11_000, 100))
    reply = scene.listed(OTOCO, limit("w", Side.BID, 9_990, 10), *sell_pair(10))
    take(scene, Side.ASK, 9_990, 10)
    assert statuses(scene, reply) == ["FILLED", "NEW", "NEW"]
    assert (scene.own().base_lots, scene.own().base_locked_lots) == (110, 110)
    take(scene, Side.BID, 10_050, 10)
    assert statuses(scene, reply) == ["FILLED", "FILLED", "EXPIRED"]
    assert is_over(scene, reply)


def test_a_pair_that_nobody_can_pay_expires_whole(scene: Market) -> None:
    scene.placed(limit("all", Side.ASK, 11_000, 100))
    reply = scene.listed(OTOCO, limit("w", Side.BID, 9_990, 10), *sell_pair(11))
    take(scene, Side.ASK, 9_990, 10)
    assert statuses(scene, reply) == ["FILLED", "EXPIRED", "EXPIRED"]
    assert is_over(scene, reply)


def test_a_stop_that_the_price_has_passed_begins_at_once_and_ends_its_other(scene: Market) -> None:
    reply = scene.listed(OTOCO, limit("w", Side.BID, 9_940, 10), *sell_pair(10))
    scene.placed(limit("bid", Side.BID, 9_900, 50), account=scene.accounts[2])
    take(scene, Side.ASK, 9_940, 10)
    assert statuses(scene, reply) == ["FILLED", "EXPIRED", "FILLED"]
    assert (scene.own().base_lots, scene.own().base_locked_lots) == (100, 0)


def test_a_list_is_cancelled_by_its_id_or_its_name(scene: Market) -> None:
    for named in ({"list_id": 0}, {"list_client_order_id": "Lw1"}):
        number = len(scene.session.broker.order_lists(scene.bot))
        reply = scene.listed(OTOCO, limit(f"w{number}", Side.BID, 9_940, 10), *sell_pair(10))
        answer = scene.reply(CancelList(scene.bot, scene.number(), **named))  # type: ignore[arg-type]
        assert [order.status for order in answer.orders] == ["CANCELED"] * 3
        assert is_over(scene, reply)
        again = scene.reply(CancelList(scene.bot, scene.number(), **named))  # type: ignore[arg-type]
        assert again.refusal == Refusal.UNKNOWN_ORDER


def test_a_list_is_told_when_it_begins_and_when_it_is_over(scene: Market) -> None:
    scene.told()
    reply = scene.listed(OCO, *sell_pair(10))
    scene.cancelled(reply.orders[0].order_id)
    found = scene.told()
    assert [one.state.status for one in found if isinstance(one, ListEvent)] == ["EXECUTING", "ALL_DONE"]
    ended = [
        one.order.order_id for one in found if isinstance(one, OrderEvent) and one.execution == "CANCELED"
    ]
    assert ended == [order.order_id for order in reply.orders]


# -- what can be no list ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "orders", "refusal"),
    [
        (OCO, sell_pair(), Refusal.NONE),
        (OCO, buy_pair(), Refusal.NONE),
        (OCO, sell_pair()[::-1], Refusal.OCO_PRICES),
        (OCO, sell_pair()[:1], Refusal.LIST_SHAPE),
        (OCO, (maker("a", Side.ASK, 10_050, 9), stop("b", Side.ASK, 9_950, 10)), Refusal.LIST_SHAPE),
        (OCO, (maker("a", Side.ASK, 10_050, 9), maker("b", Side.ASK, 9_950, 9)), Refusal.LIST_SHAPE),
        (OCO, (maker("a", Side.ASK, 10_050, 9), stop("b", Side.BID, 9_950, 9)), Refusal.LIST_SHAPE),
        (OCO, (maker("a", Side.ASK, 10_050, 9), stop("b", Side.ASK, 10_000, 9)), Refusal.OCO_PRICES),
        (OTO, (stop("a", Side.ASK, 9_950, 9), limit("b", Side.BID, 9_900, 9)), Refusal.LIST_SHAPE),
        (OTO, (limit("a", Side.ASK, 9_950, 9), market("b", Side.BID, 0, quote_micro=5)), Refusal.LIST_SHAPE),
        (OTOCO, (limit("a", Side.BID, 9_950, 9), *sell_pair()), Refusal.NONE),
        (OTOCO, sell_pair(), Refusal.LIST_SHAPE),
    ],
)
def test_orders_make_a_list_only_in_its_shape(
    kind: ListKind, orders: tuple[OrderTerms, ...], refusal: Refusal
) -> None:
    assert check_list(kind, orders, 10_000) == refusal


def test_orders_of_a_list_need_names_of_their_own(scene: Market) -> None:
    twice = (maker("a", Side.ASK, 10_050, 9), stop("a", Side.ASK, 9_950, 9))
    assert scene.listed(OCO, *twice).refusal == Refusal.DUPLICATE_ORDER
