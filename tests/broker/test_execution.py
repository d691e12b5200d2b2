"""Orders on their way through the market: what is told of each edge, and what is locked on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.broker.terms import (
    AmendOrder,
    BalanceEvent,
    Execution,
    OrderEvent,
    OrderStatus,
    OrderTerms,
    Refusal,
)
from engine.core.types import SelfTrade, Side, TimeInForce
from tests.broker.bots import Market, limit, maker, market

MICRO = 1_000_000
TAKER_PPM = 20


@pytest.fixture
def scene() -> Market:
    return Market(bots=2, quiet=True, base="1000", quote="100000")


def events(scene: Market, account: int) -> list[tuple[str, str, int]]:
    """(execution, status, executed lots) since the last time."""
    return [
        (str(one.execution), str(one.order.status), one.order.executed_lots)
        for one in scene.told()
        if isinstance(one, OrderEvent) and one.order.account == account
    ]


def test_an_order_rests_fills_in_part_and_is_cancelled(scene: Market) -> None:
    bot, other = scene.accounts
    order = scene.placed(limit("a", Side.BID, 10_000, 10))
    assert scene.own().quote_locked_micro == 10 * 10_000 * (MICRO + TAKER_PPM)
    scene.placed(limit("b", Side.ASK, 10_000, 4), account=other)
    assert scene.order(order.order_id).status == OrderStatus.PARTIALLY_FILLED
    assert scene.own().quote_locked_micro == 6 * 10_000 * (MICRO + TAKER_PPM)
    reply = scene.cancelled(order.order_id)
    assert (reply.orders[0].status, reply.orders[0].executed_lots) == (OrderStatus.CANCELED, 4)
    assert scene.own().quote_locked_micro == 0
    fee = scene.session.broker.fees(bot).maker_ppm * 4 * 10_000
    assert scene.own().quote_micro == (10_000_000 - 40_000) * MICRO - fee


def test_each_edge_is_told_once_in_order_and_then_the_balances(scene: Market) -> None:
    bot, other = scene.accounts
    scene.placed(limit("s", Side.ASK, 10_000, 4), account=other)
    scene.ask_for(limit("a", Side.BID, 10_000, 10))
    found = [one for one in scene.told() if bot in (getattr(one, "account", 0), _account(one))]
    assert [type(one).__name__ for one in found] == ["Reply", "OrderEvent", "OrderEvent", "BalanceEvent"]
    assert [one.execution for one in found[1:3] if isinstance(one, OrderEvent)] == ["NEW", "TRADE"]
    last = found[-1]
    assert isinstance(last, BalanceEvent)
    assert last.balances == scene.own()


def _account(message: object) -> int:
    return message.order.account if isinstance(message, OrderEvent) else 0


@pytest.mark.parametrize(
    ("tif", "executed", "edges"),
    [
        (
            TimeInForce.IOC,
            4,
            [("NEW", "NEW", 0), ("TRADE", "PARTIALLY_FILLED", 4), ("EXPIRED", "EXPIRED", 4)],
        ),
        (TimeInForce.FOK, 0, [("NEW", "NEW", 0), ("EXPIRED", "EXPIRED", 0)]),
    ],
)
def test_the_rest_of_an_ioc_and_the_whole_of_a_fok_expire_and_lock_nothing(
    scene: Market, tif: TimeInForce, executed: int, edges: list[tuple[str, str, int]]
) -> None:
    scene.placed(limit("s", Side.ASK, 10_000, 4), account=scene.accounts[1])
    scene.told()
    scene.ask_for(limit("a", Side.BID, 10_000, 10, time_in_force=int(tif)))
    assert events(scene, scene.bot) == edges
    assert scene.own().quote_locked_micro == 0
    assert scene.own().base_lots == 1_000 + executed


def test_a_market_order_for_money_spends_no_more_fee_included(scene: Market) -> None:
    other = scene.accounts[1]
    scene.placed(limit("s", Side.ASK, 10_000, 4), account=other)
    scene.placed(limit("t", Side.ASK, 10_001, 50), account=other)
    money = (4 * 10_000 + 3 * 10_001) * (MICRO + TAKER_PPM)
    before = scene.own().quote_micro
    order = scene.placed(market("a", Side.BID, 0, quote_micro=money))
    assert (order.qty_lots, order.status) == (7, OrderStatus.FILLED)
    assert before - scene.own().quote_micro == money
    assert scene.placed(market("b", Side.BID, 0, quote_micro=money - 1)).qty_lots == 6


def test_a_market_order_for_money_needs_all_of_it(scene: Market) -> None:
    scene.placed(limit("s", Side.ASK, 10_000, 900), account=scene.accounts[1])
    have = scene.own().quote_micro
    assert scene.place(market("a", Side.BID, 0, quote_micro=have + 1)).refusal == Refusal.INSUFFICIENT_BALANCE
    assert scene.place(market("b", Side.BID, 0, quote_micro=have)).refusal == Refusal.NONE


def test_a_market_buy_counts_what_lies_behind_ones_own_orders() -> None:
    """Self-trade prevention takes the own cheap orders away: what is left is dearer than what was shown."""
    scene = Market(bots=2, quiet=True, base="100", quote="1000")
    bot, other = scene.accounts
    scene.placed(limit("own", Side.ASK, 10_000, 10), account=bot)
    scene.placed(limit("dear", Side.ASK, 12_000, 10), account=other)
    refused = scene.place(market("a", Side.BID, 9, self_trade=int(SelfTrade.CANCEL_MAKER)))
    assert refused.refusal == Refusal.INSUFFICIENT_BALANCE
    assert (
        scene.place(market("b", Side.BID, 8, self_trade=int(SelfTrade.CANCEL_MAKER))).refusal == Refusal.NONE
    )
    assert scene.own().quote_micro == 100_000 * MICRO - 8 * 12_000 * (MICRO + TAKER_PPM)


@pytest.mark.parametrize(
    ("mode", "old", "new"),
    [
        (SelfTrade.CANCEL_MAKER, (OrderStatus.EXPIRED_IN_MATCH, 0, 4), (OrderStatus.NEW, 0, 0)),
        (SelfTrade.CANCEL_TAKER, (OrderStatus.NEW, 0, 0), (OrderStatus.EXPIRED_IN_MATCH, 0, 10)),
        (SelfTrade.CANCEL_BOTH, (OrderStatus.EXPIRED_IN_MATCH, 0, 4), (OrderStatus.EXPIRED_IN_MATCH, 0, 10)),
        (SelfTrade.DECREMENT, (OrderStatus.EXPIRED_IN_MATCH, 0, 4), (OrderStatus.NEW, 0, 4)),
        (SelfTrade.ALLOW, (OrderStatus.FILLED, 4, 0), (OrderStatus.PARTIALLY_FILLED, 4, 0)),
    ],
)
def test_orders_that_meet_ones_own_end_as_the_newer_one_says_and_lock_what_is_left(
    scene: Market, mode: SelfTrade, old: tuple[str, int, int], new: tuple[str, int, int]
) -> None:
    first = scene.placed(limit("a", Side.ASK, 10_000, 4))
    second = scene.placed(limit("b", Side.BID, 10_000, 10, self_trade=int(mode)))
    states = [scene.order(one.order_id) for one in (first, second)]
    assert [(one.status, one.executed_lots, one.prevented_lots) for one in states] == [old, new]
    left = [one.remaining_lots if one.status.is_open else 0 for one in states]
    assert scene.own().base_locked_lots == left[0]
    assert scene.own().quote_locked_micro == left[1] * 10_000 * (MICRO + TAKER_PPM)


def test_an_iceberg_shows_its_parts_one_after_another_and_locks_all(scene: Market) -> None:
    other = scene.accounts[1]
    order = scene.placed(limit("a", Side.ASK, 10_000, 25, iceberg_lots=10))
    assert scene.own().base_locked_lots == 25
    for taken, shown, locked in ((10, 10, 15), (4, 6, 11), (6, 5, 5)):
        scene.placed(limit(f"b{taken}", Side.BID, 10_000, taken), account=other)
        (resting,) = scene.session.exchange.open_orders(scene.bot).values()
        assert (resting.remaining_lots, scene.own().base_locked_lots) == (shown, locked)
    scene.placed(limit("last", Side.BID, 10_000, 5), account=other)
    assert scene.order(order.order_id).status == OrderStatus.FILLED
    assert scene.own().base_locked_lots == 0


@pytest.mark.parametrize("make", [limit, maker])
def test_an_iceberg_goes_on_trading_with_what_is_left_of_an_order_that_took_its_part(
    scene: Market, make: Callable[..., OrderTerms]
) -> None:
    other = scene.accounts[1]
    order = scene.placed(make("a", Side.BID, 10_000, 25, iceberg_lots=10))
    taker = scene.placed(limit("b", Side.ASK, 10_000, 40), account=other)
    assert (scene.order(order.order_id).status, scene.own().quote_locked_micro) == ("FILLED", 0)
    assert scene.order(taker.order_id, account=other).remaining_lots == 15


def test_the_next_part_of_an_iceberg_changes_nothing_that_is_told(scene: Market) -> None:
    order = scene.placed(limit("a", Side.ASK, 10_000, 25, iceberg_lots=10))
    scene.told()
    scene.placed(limit("b", Side.BID, 10_000, 10), account=scene.accounts[1])
    (trade,) = [one for one in scene.told() if isinstance(one, OrderEvent) and one.order.account == scene.bot]
    now = scene.order(order.order_id)
    assert (now.working_ns, now.updated_ns) == (order.working_ns, trade.order.updated_ns)


def test_a_maker_that_would_take_is_refused_and_locks_nothing(scene: Market) -> None:
    scene.placed(limit("s", Side.ASK, 10_000, 4), account=scene.accounts[1])
    assert scene.place(maker("a", Side.BID, 10_000, 4)).refusal == Refusal.WOULD_TAKE
    assert scene.session.broker.orders(scene.bot) == []
    assert scene.own().quote_locked_micro == 0
    assert scene.place(maker("a", Side.BID, 9_999, 4)).refusal == Refusal.NONE


# -- amendments ------------------------------------------------------------------------------------------


def amend(scene: Market, order_id: int, lots: int, name: str = "", *, counts: bool = False) -> Refusal:
    request = AmendOrder(
        scene.bot, scene.number(), order_id, "", name, new_qty_lots=lots, counts_executed=counts
    )
    return scene.reply(request).refusal


def test_an_amendment_keeps_the_place_and_unlocks_what_it_takes_away(scene: Market) -> None:
    bot, other = scene.accounts
    order = scene.placed(limit("a", Side.ASK, 10_000, 10))
    scene.placed(limit("behind", Side.ASK, 10_000, 10), account=other)
    assert amend(scene, order.order_id, 6) == Refusal.NONE
    assert scene.own().base_locked_lots == 6
    scene.placed(limit("b", Side.BID, 10_000, 6), account=other)
    assert scene.order(order.order_id).status == OrderStatus.FILLED
    assert bot == order.account


@pytest.mark.parametrize(
    ("lots", "refusal"), [(10, "amend_not_less"), (9, ""), (5, ""), (4, "amend_not_less")]
)
def test_an_amendment_leaves_less_than_there_is_and_more_than_has_traded(
    scene: Market, lots: int, refusal: str
) -> None:
    order = scene.placed(limit("a", Side.BID, 10_000, 10))
    scene.placed(limit("b", Side.ASK, 10_000, 4), account=scene.accounts[1])
    assert amend(scene, order.order_id, lots) == refusal


def test_an_amendment_counts_what_self_trade_prevention_took(scene: Market) -> None:
    order = scene.placed(limit("a", Side.BID, 10_000, 10))
    scene.placed(limit("b", Side.ASK, 10_000, 4, self_trade=int(SelfTrade.DECREMENT)))
    assert scene.order(order.order_id).prevented_lots == 4
    assert amend(scene, order.order_id, 4) == Refusal.AMEND_NOT_LESS
    assert amend(scene, order.order_id, 5) == Refusal.NONE
    assert scene.order(order.order_id).remaining_lots == 1
    assert scene.own().quote_locked_micro == 10_000 * (MICRO + TAKER_PPM)


def test_an_amended_order_goes_by_its_new_name_which_must_be_free(scene: Market) -> None:
    order = scene.placed(limit("a", Side.BID, 10_000, 10))
    scene.placed(limit("taken", Side.BID, 9_999, 10))
    assert amend(scene, order.order_id, 9, "taken") == Refusal.DUPLICATE_ORDER
    assert amend(scene, order.order_id, 9, "a") == Refusal.NONE
    assert amend(scene, order.order_id, 8, "b") == Refusal.NONE
    broker = scene.session.broker
    assert broker.order_by_client_id(scene.bot, "b") == scene.order(order.order_id)
    assert broker.order_by_client_id(scene.bot, "a") is None
    assert scene.place(limit("b", Side.BID, 9_990, 10)).refusal == Refusal.DUPLICATE_ORDER
    assert scene.place(limit("a", Side.BID, 9_990, 10)).refusal == Refusal.NONE


@pytest.mark.parametrize(("lots", "shown"), [(24, 10), (10, 10), (9, 9), (1, 1)])
def test_an_amended_iceberg_loses_first_what_it_does_not_show(scene: Market, lots: int, shown: int) -> None:
    order = scene.placed(limit("a", Side.ASK, 10_000, 25, iceberg_lots=10))
    assert amend(scene, order.order_id, lots) == Refusal.NONE
    (resting,) = scene.session.exchange.open_orders(scene.bot).values()
    assert (resting.remaining_lots, scene.own().base_locked_lots) == (shown, lots)
    scene.placed(limit("b", Side.BID, 10_000, shown), account=scene.accounts[1])
    assert scene.order(order.order_id).remaining_lots == lots - shown == scene.own().base_locked_lots


def test_two_fills_of_one_trade_with_oneself_are_two(scene: Market) -> None:
    scene.placed(limit("a", Side.ASK, 10_000, 4))
    scene.placed(limit("b", Side.BID, 10_000, 4, self_trade=int(SelfTrade.ALLOW)))
    fills = scene.session.broker.fills(scene.bot)
    assert [(one.trade_id, one.side, one.is_maker) for one in fills] == [
        (fills[0].trade_id, 1, True),
        (fills[0].trade_id, 0, False),
    ]
    own = scene.own()
    assert own.base_lots == 1_000
    assert own.quote_micro == 10_000_000 * MICRO - sum(one.fee_micro for one in fills)
    assert all(one.execution != Execution.REJECTED for one in scene.told() if isinstance(one, OrderEvent))
