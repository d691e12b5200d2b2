"""What execution reports add up to."""

from __future__ import annotations

import pytest

from engine.api import account
from engine.api.account import AccountState
from engine.market.orders import Reason, ReportKind
from tests.api.fake_host import FakeHost


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def test_an_order_is_open_from_acceptance_to_its_last_fill(host: FakeHost) -> None:
    state = AccountState()
    assert state.apply(host.report(ReportKind.ACCEPTED, 7))
    assert state.orders[7].remaining_lots == 10
    state.apply(
        host.report(
            ReportKind.PARTIALLY_FILLED, 7, filled_lots_last=4, fill_price_ticks=100, remaining_lots=6
        )
    )
    assert state.orders[7].remaining_lots == 6
    assert state.position_lots == 4
    state.apply(host.report(ReportKind.FILLED, 7, filled_lots_last=6, fill_price_ticks=100, remaining_lots=0))
    assert state.orders == {}
    assert (state.position_lots, state.sequence, state.complete) == (10, 3, True)


def test_sales_count_downwards(host: FakeHost) -> None:
    state = AccountState()
    state.apply(
        host.report(ReportKind.FILLED, 1, side=1, filled_lots_last=3, fill_price_ticks=9, remaining_lots=0)
    )
    assert state.position_lots == -3


def test_a_market_order_is_never_open(host: FakeHost) -> None:
    state = AccountState()
    state.apply(host.report(ReportKind.PARTIALLY_FILLED, 1, filled_lots_last=3, remaining_lots=7))
    state.apply(host.report(ReportKind.CANCELLED, 1, reason=Reason.NO_LIQUIDITY, remaining_lots=7))
    assert state.orders == {}


def test_a_duplicate_that_is_rejected_leaves_the_first_order_open(host: FakeHost) -> None:
    state = AccountState()
    state.apply(host.report(ReportKind.ACCEPTED, 7))
    state.apply(host.report(ReportKind.REJECTED, 7, reason=Reason.DUPLICATE_CLIENT_ID))
    assert 7 in state.orders


def test_an_order_that_the_market_does_not_know_is_forgotten(host: FakeHost) -> None:
    state = AccountState()
    state.apply(host.report(ReportKind.ACCEPTED, 7))
    state.apply(host.report(ReportKind.REJECTED, 7, reason=Reason.UNKNOWN_ORDER))
    assert state.orders == {}


def test_a_replaced_order_has_its_new_terms(host: FakeHost) -> None:
    state = AccountState()
    state.apply(host.report(ReportKind.ACCEPTED, 7))
    state.apply(host.report(ReportKind.REPLACED, 7, price_ticks=98, qty_lots=20, remaining_lots=20))
    assert (state.orders[7].price_ticks, state.orders[7].remaining_lots) == (98, 20)


def test_a_missing_report_is_noticed(host: FakeHost) -> None:
    state = AccountState()
    host.report(ReportKind.ACCEPTED, 1)
    assert not state.apply(host.report(ReportKind.ACCEPTED, 2))
    assert not state.complete
    assert state.apply(host.report(ReportKind.ACCEPTED, 3))
    assert not state.complete


def test_orders_beyond_the_limit_are_counted(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "ORDER_LIMIT", 2)
    state = AccountState()
    for client_id in (1, 2, 3):
        state.apply(host.report(ReportKind.ACCEPTED, client_id))
    assert list(state.orders) == [1, 2]
    assert state.forgotten == 1
