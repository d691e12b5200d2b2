"""The order state machine: exactly the edges that its picture shows."""

from __future__ import annotations

from itertools import product

import pytest

from engine.market.orders import Order, OrderStatus

S = OrderStatus
PICTURE = {
    (S.PENDING_NEW, S.OPEN),
    (S.PENDING_NEW, S.PARTIALLY_FILLED),
    (S.PENDING_NEW, S.FILLED),
    (S.PENDING_NEW, S.CANCELLED),
    (S.PENDING_NEW, S.REJECTED),
    (S.OPEN, S.PARTIALLY_FILLED),
    (S.OPEN, S.FILLED),
    (S.OPEN, S.CANCELLED),
    (S.PARTIALLY_FILLED, S.PARTIALLY_FILLED),
    (S.PARTIALLY_FILLED, S.FILLED),
    (S.PARTIALLY_FILLED, S.CANCELLED),
}
"""As drawn in engine/market/orders.py; everything else is illegal."""


def new_order(qty_lots: int = 10) -> Order:
    return Order(order_id=1, account=16, client_id=0, side=0, price_ticks=100, qty_lots=qty_lots)


@pytest.mark.parametrize(("before", "after"), list(product(S, S)))
def test_only_the_drawn_edges_can_be_taken(before, after):
    order = new_order()
    order.status = before
    if (before, after) in PICTURE:
        order.move(after)
        assert order.status is after
        return
    with pytest.raises(AssertionError):
        order.move(after)
    assert order.status is before


def test_fills_lead_to_filled_and_not_beyond():
    order = new_order(10)
    order.fill(4)
    assert (order.status, order.remaining_lots) == (S.PARTIALLY_FILLED, 6)
    for too_much in (0, -1, 7):
        with pytest.raises(AssertionError):
            order.fill(too_much)
    order.fill(6)
    assert (order.status, order.remaining_lots) == (S.FILLED, 0)
    with pytest.raises(AssertionError):
        order.fill(1)
