"""The one gate: each limit on its edge."""

from __future__ import annotations

import pytest

from engine.market.orders import Reason
from engine.market.risk import RiskGate, RiskLimits

LIMITS = RiskLimits(max_order_lots=100, max_price_ticks=5_000, max_open_orders=3)
LEGAL = {"price_ticks": 1_000, "qty_lots": 10, "open_orders": 0}


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
    assert RiskGate(LIMITS).check(16, **(LEGAL | change)) is reason


def test_a_killed_account_sends_nothing_and_others_go_on():
    gate = RiskGate(LIMITS)
    gate.killed.add(16)
    assert gate.check(16, **LEGAL) is Reason.KILL_SWITCH
    assert gate.check(16, **(LEGAL | {"qty_lots": 0})) is Reason.KILL_SWITCH
    assert gate.check(17, **LEGAL) is Reason.NONE


def test_the_gate_counts_what_it_passed_and_refused():
    gate = RiskGate(LIMITS)
    for qty_lots in (1, 2, 0, 101):
        gate.check(16, **(LEGAL | {"qty_lots": qty_lots}))
    gate.check(16, **(LEGAL | {"price_ticks": -1}))
    assert gate.statistics() == {
        "passed": 2,
        "refused_price_out_of_range": 1,
        "refused_quantity_out_of_range": 2,
    }
