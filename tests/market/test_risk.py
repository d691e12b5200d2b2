"""The one gate: each limit on its edge."""

from __future__ import annotations

import pytest

from engine.core.types import Account
from engine.market.orders import REASON_CODES, Reason
from engine.market.risk import MAX_OPEN_ORDERS, RiskGate, RiskLimits, gate_order
from tests.market.checked_market import LoopedExchange

LIMITS = RiskLimits(max_order_lots=100, max_price_ticks=5_000, max_open_orders=3)
LEGAL = {"side": 0, "price_ticks": 1_000, "qty_lots": 10, "open_orders": 0}
REASONS = list(REASON_CODES)


def check(exchange: LoopedExchange, account: int = 16, **order: int) -> Reason:
    """What the gate says to an order."""
    return REASONS[gate_order(exchange.market, account, **(LEGAL | order))]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, Reason.NONE),
        ({"qty_lots": 1}, Reason.NONE),
        ({"qty_lots": 100}, Reason.NONE),
        ({"qty_lots": 101}, Reason.QUANTITY),
        ({"qty_lots": 0}, Reason.QUANTITY),
        ({"qty_lots": -1}, Reason.QUANTITY),
        ({"price_ticks": 0}, Reason.NONE),
        ({"price_ticks": 1}, Reason.NONE),
        ({"price_ticks": 5_000}, Reason.NONE),
        ({"price_ticks": 5_001}, Reason.PRICE),
        ({"price_ticks": -1}, Reason.PRICE),
        ({"open_orders": 2}, Reason.NONE),
        ({"open_orders": 3}, Reason.TOO_MANY_ORDERS),
        ({"qty_lots": 0, "price_ticks": -1, "open_orders": 9}, Reason.QUANTITY),
        ({"price_ticks": -1, "open_orders": 9}, Reason.PRICE),
    ],
)
def test_a_limit_holds_on_its_edge(change, reason):
    exchange = LoopedExchange(LIMITS)
    assert check(exchange, **change) is reason
    if change.get("open_orders", 0) >= LIMITS.max_open_orders:
        assert check(exchange, Account.HISTORY, open_orders=9) is Reason.NONE


@pytest.mark.parametrize(
    ("price_ticks", "qty_lots", "reason"),
    [
        (5_000, 100, ""),
        (5_000, 101, Reason.QUANTITY),
        (5_000, 0, Reason.QUANTITY),
        (5_000, -(1 << 63), Reason.QUANTITY),
        (5_000, (1 << 63) - 1, Reason.QUANTITY),
        (5_001, 100, Reason.PRICE),
        (-1, 100, Reason.PRICE),
        (-(1 << 63), 100, Reason.PRICE),
        ((1 << 63) - 1, 100, Reason.PRICE),
    ],
)
def test_the_market_asks_the_gate_on_every_path(price_ticks, qty_lots, reason, kernel_path):
    exchange = LoopedExchange(LIMITS)
    reports = exchange.listen(16)
    exchange.enter(account=16, side=0, price_ticks=price_ticks, qty_lots=qty_lots)
    assert [report.reason for report in reports] == [reason]
    assert exchange.book.order_count == (not reason)
    exchange._check()


def test_a_killed_account_sends_nothing_and_others_go_on():
    exchange = LoopedExchange(LIMITS)
    exchange.gate.kill(16)
    assert check(exchange) is Reason.KILL_SWITCH
    assert check(exchange, qty_lots=0) is Reason.KILL_SWITCH
    assert check(exchange, 17) is Reason.NONE
    exchange.gate.reset(16)
    assert check(exchange) is Reason.NONE


def test_a_killed_account_can_still_cancel(kernel_path):
    exchange = LoopedExchange(LIMITS)
    order_id = exchange.enter(account=16, side=0, price_ticks=10, qty_lots=1)
    exchange.gate.kill(16)
    exchange.replace_now(account=16, order_id=order_id, price_ticks=11, qty_lots=1)
    assert exchange.book.order(order_id) == (0, 10, 1)
    exchange.cancel_now(account=16, order_id=order_id)
    assert exchange.book.order_count == 0


def test_the_gate_counts_what_it_passed_and_refused():
    exchange = LoopedExchange(LIMITS)
    for qty_lots in (1, 2, 0, 101):
        check(exchange, qty_lots=qty_lots)
    check(exchange, price_ticks=-1)
    assert exchange.gate.statistics() == {
        "passed": 2,
        "refused_price_out_of_range": 1,
        "refused_quantity_out_of_range": 2,
    }


def test_no_limit_may_allow_more_open_orders_than_one_wake_up_can_cancel():
    with pytest.raises(AssertionError):
        RiskGate(LoopedExchange().arena, RiskLimits(max_open_orders=MAX_OPEN_ORDERS + 1))
