"""Orders that wait for a price: which price, from which side, and what they may cost then."""

from __future__ import annotations

import pytest

from engine.broker.terms import (
    AmendOrder,
    OrderEvent,
    OrderStatus,
    OrderType,
    PlaceOrder,
    Refusal,
)
from engine.broker.waiting import is_reached
from engine.core.types import Side
from tests.broker.bots import Market, limit, market, stop

MICRO = 1_000_000


@pytest.fixture
def scene() -> Market:
    """Three bots: the first waits, the others move the last price, which is 10,000."""
    scene = Market(bots=3, quiet=True, base="10000", quote="1000000")
    scene.trade(10_000)
    return scene


def started(scene: Market, order_id: int) -> bool:
    """Whether it has come into the book."""
    return scene.order(order_id).working_ns >= 0


@pytest.mark.parametrize(
    ("side", "kind", "stop_price", "short_of", "reached"),
    [
        (Side.ASK, OrderType.STOP_LOSS, 9_990, 9_991, 9_990),
        (Side.BID, OrderType.STOP_LOSS, 10_010, 10_009, 10_010),
        (Side.ASK, OrderType.TAKE_PROFIT, 10_010, 10_009, 10_010),
        (Side.BID, OrderType.TAKE_PROFIT, 9_990, 9_991, 9_990),
    ],
)
def test_it_begins_at_its_price_and_not_a_tick_before(
    scene: Market, side: Side, kind: OrderType, stop_price: int, short_of: int, reached: int
) -> None:
    order = scene.placed(stop("a", side, stop_price, 10, type=kind))
    assert not is_reached(order, short_of)
    assert is_reached(order, reached)
    scene.trade(short_of)
    assert not started(scene, order.order_id)
    scene.trade(reached)
    assert started(scene, order.order_id)


def test_a_price_that_has_been_reached_is_refused(scene: Market) -> None:
    assert scene.place(stop("a", Side.ASK, 10_000, 10)).refusal == Refusal.WOULD_TRIGGER
    assert scene.place(stop("a", Side.ASK, 9_999, 10)).refusal == Refusal.NONE


def test_a_stop_limit_order_rests_at_its_limit_once_it_is_set_off(scene: Market) -> None:
    terms = stop("a", Side.ASK, 9_990, 10, type=OrderType.STOP_LOSS_LIMIT, price_ticks=9_995)
    order = scene.placed(terms)
    scene.told()
    scene.trade(9_990)
    (resting,) = scene.session.exchange.open_orders(scene.bot).values()
    assert resting.price_ticks == 9_995
    kinds = [
        one.execution
        for one in scene.told()
        if isinstance(one, OrderEvent) and one.order.account == scene.bot
    ]
    assert kinds == ["NEW"]
    assert scene.order(order.order_id).status == OrderStatus.NEW


@pytest.mark.parametrize("levels", [3, 40])
def test_a_price_that_an_order_sweeps_through_sets_off_what_waits_for_it(scene: Market, levels: int) -> None:
    """The sweep begins at 9,995, where the sell waits, and ends above where the price was."""
    maker, taker = scene.accounts[1:]
    down = scene.placed(stop("down", Side.ASK, 9_995, 1, type=OrderType.STOP_LOSS_LIMIT, price_ticks=11_000))
    for level in range(levels):
        scene.placed(limit(f"m{level}", Side.ASK, 9_995 + 10 * level, 1), account=maker)
    scene.placed(limit("sweep", Side.BID, 11_000, levels), account=taker)
    assert scene.session.exchange.last_price_ticks == 9_995 + 10 * (levels - 1)
    assert started(scene, down.order_id)


def test_a_trade_before_an_order_waits_does_not_set_it_off_in_the_same_instant(scene: Market) -> None:
    maker, taker = scene.accounts[1:]
    scene.placed(limit("m", Side.ASK, 9_990, 1), account=maker)
    scene.placed(limit("n", Side.ASK, 10_000, 1), account=maker)
    scene.ask(PlaceOrder(taker, scene.number(), limit("sweep", Side.BID, 10_000, 2)))
    scene.ask(PlaceOrder(scene.bot, 500, stop("late", Side.ASK, 9_995, 1)))
    scene.run(1)
    (late,) = scene.session.broker.open_orders(scene.bot)
    assert (late.status, late.working_ns, late.created_ns) == (
        "NEW",
        -1,
        scene.session.broker.fills(taker)[-1].time_ns,
    )


def test_orders_set_off_by_one_price_begin_oldest_first(scene: Market) -> None:
    other = scene.accounts[1]
    first = scene.placed(stop("a", Side.ASK, 9_990, 10))
    second = scene.placed(stop("b", Side.ASK, 9_991, 10))
    scene.placed(limit("bid", Side.BID, 9_980, 15), account=other)
    scene.trade(9_985)
    assert scene.order(first.order_id).executed_lots == 10
    assert (scene.order(second.order_id).executed_lots, scene.order(second.order_id).status) == (5, "EXPIRED")


def test_stops_set_each_other_off_in_one_instant(scene: Market) -> None:
    other = scene.accounts[1]
    orders = [scene.placed(stop(f"s{price}", Side.ASK, price, 1)) for price in (9_990, 9_980, 9_970)]
    for price in (9_980, 9_970, 9_960):
        scene.placed(limit(f"b{price}", Side.BID, price, 1), account=other)
    scene.trade(9_990)
    states = [scene.order(order.order_id) for order in orders]
    assert [state.status for state in states] == ["FILLED"] * 3
    assert len({state.updated_ns for state in states}) == 1


@pytest.mark.parametrize("side", [Side.ASK, Side.BID])
def test_a_trailing_order_follows_the_best_price_and_goes_off_at_its_distance(
    scene: Market, side: Side
) -> None:
    away = 1 if side == Side.ASK else -1
    order = scene.placed(stop("a", side, 0, 10, trailing_bips=100))
    assert order.trailing_ns == order.created_ns
    scene.trade(10_000 + away * 500)
    limit_price = 10_395 if side == Side.ASK else 9_595
    scene.trade(limit_price + away)
    assert not started(scene, order.order_id)
    scene.trade(limit_price)
    assert started(scene, order.order_id)


def test_a_trailing_order_with_a_price_follows_only_from_there(scene: Market) -> None:
    order = scene.placed(stop("a", Side.ASK, 10_100, 10, type=OrderType.TAKE_PROFIT, trailing_bips=100))
    scene.trade(9_800)
    assert not started(scene, order.order_id)
    assert scene.order(order.order_id).trailing_ns == -1
    scene.trade(10_200)
    assert scene.order(order.order_id).trailing_ns > order.created_ns
    scene.trade(10_099)
    assert not started(scene, order.order_id)
    scene.trade(10_098)
    assert started(scene, order.order_id)


def test_a_cancelled_order_waits_no_longer(scene: Market) -> None:
    order = scene.placed(stop("a", Side.ASK, 9_990, 10))
    assert scene.own().base_locked_lots == 10
    scene.cancelled(order.order_id)
    assert scene.own().base_locked_lots == 0
    scene.trade(9_990)
    assert scene.order(order.order_id).status == OrderStatus.CANCELED
    assert scene.session.broker.statistics()["waiting"] == 0


def test_a_buy_that_has_become_too_dear_expires_instead_of_costing_what_is_not_there() -> None:
    scene = Market(bots=3, quiet=True, base="100", quote="1100")
    seller = scene.accounts[1]
    scene.trade(10_000)
    order = scene.placed(stop("a", Side.BID, 10_500, 10))
    own = scene.own()
    assert own.quote_locked_micro == 10 * 10_500 * (MICRO + 20)
    scene.placed(limit("gap", Side.ASK, 12_000, 50), account=seller)
    scene.trade(10_600)
    assert scene.order(order.order_id).status == OrderStatus.EXPIRED
    assert scene.own().quote_micro == own.quote_micro
    assert scene.own().quote_locked_micro == 0


def test_a_trailing_buy_locks_nothing_and_is_paid_when_it_begins() -> None:
    scene = Market(bots=3, quiet=True, base="1000", quote="1100")
    scene.trade(10_000)
    order = scene.placed(stop("a", Side.BID, 0, 10, trailing_bips=100))
    assert scene.own().quote_locked_micro == 0
    scene.placed(limit("spent", Side.BID, 5_000, 15))
    scene.placed(limit("ask", Side.ASK, 10_200, 50), account=scene.accounts[1])
    scene.trade(10_100)
    assert scene.order(order.order_id).status == OrderStatus.EXPIRED, "the money is locked elsewhere"
    assert scene.place(market("b", Side.BID, 3)).refusal == Refusal.NONE


def test_an_amended_order_waits_on_for_less(scene: Market) -> None:
    order = scene.placed(stop("a", Side.ASK, 9_990, 10))
    reply = scene.reply(AmendOrder(scene.bot, scene.number(), order.order_id, new_qty_lots=4))
    assert (reply.orders[0].qty_lots, scene.own().base_locked_lots) == (4, 4)
    scene.placed(limit("bid", Side.BID, 9_980, 50), account=scene.accounts[1])
    scene.trade(9_985)
    assert (scene.order(order.order_id).executed_lots, scene.own().base_locked_lots) == (4, 0)


def test_waiting_orders_go_on_in_a_fork_of_the_session(scene: Market) -> None:
    trailing = scene.placed(stop("a", Side.ASK, 0, 10, trailing_bips=100))
    plain = scene.placed(stop("b", Side.BID, 10_300, 10))
    scene.trade(10_200)
    fork = scene.session.fork()
    original, scene.session = scene.session, fork
    assert fork.broker.state() == original.broker.state()
    scene.trade(10_098)
    assert started(scene, trailing.order_id)
    assert not started(scene, plain.order_id)
