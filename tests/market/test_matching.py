"""Matching against a list-of-orders oracle, and the book against the one that the published events build."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from engine.core.rng import Stream
from engine.core.types import EventType, SelfTrade, TimeInForce
from tests.market.checked_market import ACCOUNTS, EDGES, CheckedMarket
from tests.paths import PATHS, running

SIDES, TIFS, PICKS = st.integers(0, 1), st.sampled_from(list(TimeInForce)), st.integers(0, 10**6)
MODES = st.sampled_from(list(SelfTrade))
PRICES, LOTS = st.integers(96, 104), st.integers(1, 12)


class MatchingMachine(RuleBasedStateMachine):
    """Random requests of four accounts at a few prices, so that everything meets everything."""

    path = "interpreted"

    def __init__(self) -> None:
        super().__init__()
        self.on_path = ExitStack()
        self.on_path.enter_context(running(self.path))
        self.market = CheckedMarket()

    @rule(account=st.sampled_from(ACCOUNTS), side=SIDES, price=PRICES, lots=LOTS, tif=TIFS, mode=MODES)
    def submit_limit(
        self, account: int, side: int, price: int, lots: int, tif: TimeInForce, mode: SelfTrade
    ) -> None:
        self.market.submit(account, side, price, lots, tif, mode)

    @rule(account=st.sampled_from(ACCOUNTS), side=SIDES, lots=st.integers(1, 40), tif=TIFS, mode=MODES)
    def submit_market(self, account: int, side: int, lots: int, tif: TimeInForce, mode: SelfTrade) -> None:
        self.market.submit(account, side, 0, lots, tif, mode)

    @precondition(lambda self: self.market.oracle.orders)
    @rule(pick=PICKS, lots=st.integers(0, 13))
    def cancel(self, pick: int, lots: int) -> None:
        self.market.cancel(pick, lots)

    @precondition(lambda self: self.market.oracle.orders)
    @rule(pick=PICKS, price=PRICES, lots=LOTS)
    def replace(self, pick: int, price: int, lots: int) -> None:
        self.market.replace(pick, price, lots)

    @rule(order_id=st.integers(10**7, 10**8))
    def touch_what_is_not_there(self, order_id: int) -> None:
        self.market.touch_what_is_not_there(order_id)

    @rule(account=st.sampled_from(ACCOUNTS))
    def cancel_all(self, account: int) -> None:
        self.market.cancel_all(account)

    def teardown(self) -> None:
        with self.on_path:
            self.market.finish()


@pytest.mark.parametrize("path", PATHS)
def test_any_requests_do_what_the_list_of_orders_says(path):
    machine = type("MatchingMachine", (MatchingMachine,), {"path": path})
    run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=30))


@pytest.mark.parametrize(("seed", "mode"), [(0, 0), (1, None)])
def test_a_long_random_market_agrees_at_every_step(seed, mode, kernel_path):
    """The same requests and checks, drawn evenly: deep books and long queues, which shrinking tests avoid."""
    draw = Stream(seed, 0)
    market = CheckedMarket()
    for _ in range(300):
        kind = draw.below(8)
        self_trade = SelfTrade(draw.below(len(SelfTrade)) if mode is None else mode)
        if kind < 4 or not market.oracle.orders:
            tif = TimeInForce.GTC if kind < 2 else TimeInForce(draw.below(4))
            side = draw.below(2)
            price = 98 - draw.between(-4, 4) if side == 0 else 100 + draw.between(-4, 4)
            market.submit(draw.below(4), side, price, draw.between(1, 12), tif, self_trade)
        elif kind == 4:
            tif = TimeInForce(draw.below(4))
            market.submit(draw.below(4), draw.below(2), 0, draw.between(1, 40), tif, self_trade)
        elif kind == 5:
            market.cancel(draw.below(10**6), draw.below(14))
        else:
            market.replace(draw.below(10**6), draw.between(94, 104), draw.between(1, 12))
    assert len(market.trades) > 50
    assert len(market.edges) >= 12 <= len(EDGES)
    market.finish()


@pytest.fixture
def market(kernel_path: str) -> CheckedMarket:
    return CheckedMarket()


def test_a_partial_cancel_keeps_its_place_and_a_growing_replace_loses_it(market):
    for account in (1, 2, 3):
        market.submit(account, 0, 100, 10, TimeInForce.GTC)
    market.cancel(0, 4)
    market.replace(1, 100, 11)
    assert market.book.orders_at(0, 100) == (1, 3, 2)
    market.replace(0, 100, 5)
    assert market.book.orders_at(0, 100) == (1, 3, 2)


def test_a_crossing_replace_trades_under_its_own_id_and_rests_with_what_is_left(market):
    market.submit(1, 1, 102, 4, TimeInForce.GTC)
    market.submit(2, 0, 100, 10, TimeInForce.GTC)
    market.replace(1, 103, 10)
    assert [(t.price_ticks, t.qty_lots, t.aggressor) for t in market.trades] == [(102, 4, 2)]
    assert market.book.order(2) == (0, 103, 6)


def test_a_post_only_order_does_not_trade_by_being_replaced(market):
    market.submit(1, 0, 100, 5, TimeInForce.POST_ONLY)
    market.submit(2, 1, 102, 5, TimeInForce.GTC)
    market.replace(0, 102, 5)
    assert not market.trades
    assert market.book.order(1) == (0, 100, 5)
    market.replace(0, 101, 5)
    assert market.book.order(1) == (0, 101, 5)


def test_own_resting_orders_give_way_and_history_trades_with_itself(market):
    for account in (1, 0):
        market.submit(account, 1, 101, 5, TimeInForce.GTC)
    market.submit(1, 0, 101, 3, TimeInForce.GTC)
    market.submit(0, 0, 101, 2, TimeInForce.GTC)
    assert [(t.maker, t.aggressor, t.qty_lots) for t in market.trades] == [(0, 1, 3), (0, 0, 2)]


def test_fill_or_kill_does_not_count_its_own_resting_orders(market):
    market.submit(1, 1, 101, 5, TimeInForce.GTC)
    market.submit(2, 1, 102, 5, TimeInForce.GTC)
    market.submit(1, 0, 102, 6, TimeInForce.FOK)
    assert not market.trades
    assert market.book.order_count == 2
    market.submit(1, 0, 102, 5, TimeInForce.FOK)
    assert [(t.price_ticks, t.qty_lots) for t in market.trades] == [(102, 5)]


@pytest.mark.parametrize(
    ("mode", "maker_lots", "taker_lots", "traded"),
    [
        (SelfTrade.CANCEL_MAKER, 0, 1, [(2, 5)]),
        (SelfTrade.CANCEL_TAKER, 4, 0, []),
        (SelfTrade.CANCEL_BOTH, 0, 0, []),
        (SelfTrade.ALLOW, 0, 0, [(1, 4), (2, 2)]),
        (SelfTrade.DECREMENT, 0, 0, [(2, 2)]),
    ],
)
def test_the_arriving_order_says_what_happens_where_it_meets_its_own_account(
    market, mode, maker_lots, taker_lots, traded
):
    market.submit(1, 1, 101, 4, TimeInForce.GTC)
    market.submit(2, 1, 102, 5, TimeInForce.GTC)
    market.submit(1, 0, 102, 6, TimeInForce.GTC, mode)
    assert [(t.maker, t.qty_lots) for t in market.trades] == traded
    for order_id, lots in ((1, maker_lots), (3, taker_lots)):
        order = market.exchange.order(order_id)
        assert (order.remaining_lots if order else 0) == lots


def test_a_decrement_takes_the_same_lots_from_both_and_the_larger_one_goes_on(market):
    market.submit(1, 1, 101, 10, TimeInForce.GTC)
    market.submit(2, 1, 101, 5, TimeInForce.GTC)
    market.submit(1, 0, 101, 4, TimeInForce.IOC, SelfTrade.DECREMENT)
    told = [(r.order_id, r.kind, r.reason, r.qty_lots, r.remaining_lots) for r in market.reports[1][-2:]]
    assert told == [
        (1, "replaced", "self_trade_prevented", 6, 6),
        (3, "cancelled", "self_trade_prevented", 4, 4),
    ]
    event = market.log.recent(1)[0]
    assert (event["event_type"], event["order_id"], event["qty"]) == (EventType.CANCEL, 1, 4)
    assert market.book.orders_at(1, 101) == (1, 2), "it keeps its place"
    market.submit(1, 0, 101, 8, TimeInForce.IOC, SelfTrade.DECREMENT)
    assert [(r.kind, r.remaining_lots) for r in market.reports[1][-3:]] == [
        ("cancelled", 6),
        ("replaced", 2),
        ("filled", 0),
    ]
    assert [(t.maker, t.aggressor, t.qty_lots) for t in market.trades] == [(2, 1, 2)]


@pytest.mark.parametrize("mode", SelfTrade)
def test_a_fill_or_kill_order_never_trades_in_part_whatever_it_does_at_its_own(market, mode):
    market.submit(2, 1, 100, 2, TimeInForce.GTC)
    market.submit(1, 1, 101, 4, TimeInForce.GTC)
    market.submit(2, 1, 102, 5, TimeInForce.GTC)
    market.submit(1, 0, 102, 2, TimeInForce.FOK, mode)  # it does not get as far as its own
    assert sum(t.qty_lots for t in market.trades) == 2
    order_id = market.submit(1, 0, 102, 5, TimeInForce.FOK, mode)
    fills = mode in (SelfTrade.CANCEL_MAKER, SelfTrade.ALLOW)
    assert market.last_report(order_id).kind == ("filled" if fills else "rejected")
    market.submit(1, 0, 102, 9, TimeInForce.FOK, mode)


@pytest.mark.parametrize("mode", SelfTrade)
def test_history_trades_with_itself_in_every_mode(market, mode):
    market.submit(0, 1, 101, 5, TimeInForce.GTC)
    market.submit(0, 0, 101, 5, TimeInForce.GTC, mode)
    assert [(t.maker, t.aggressor, t.qty_lots) for t in market.trades] == [(0, 0, 5)]
