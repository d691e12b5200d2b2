"""Agents in markets: limits, sides, health. Figures are for calibration; these are the promises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.agents.fundamental import STEP_NS, Fundamental, FundamentalParams
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Account, Side
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig


@pytest.fixture(scope="module")
def watched(machine_code: None) -> tuple[Session, dict[int, int]]:
    """A balanced market with the demo strategy inside, half a minute old, and the largest position that
    each account had on the way, looked at every 5 ms."""
    session = Session(SessionConfig(load_scenario("balanced"), seed=3, target_agent=True))
    position = session.exchange.ledger.position
    furthest = dict.fromkeys(session.accounts, 0)
    while session.now_ns < 30 * NS_PER_S:
        if session.advance(session.now_ns + 5 * NS_PER_MS):
            furthest = {account: max(most, abs(position(account))) for account, most in furthest.items()}
    return session, furthest


@pytest.fixture
def market(watched: tuple[Session, dict[int, int]]) -> Session:
    return watched[0]


def of_kind(session: Session, kind: str) -> list[int]:
    return [account for account, info in session.accounts.items() if info.kind == kind]


@pytest.mark.parametrize("kind", ["noise", "value", "momentum", "maker"])
def test_every_kind_trades(market, kind):
    assert any(market.exchange.ledger.entry(account).fills for account in of_kind(market, kind))


@pytest.mark.parametrize("kind", ["maker", "momentum", "target"])
def test_inventory_stays_near_its_limit(watched, kind):
    """Orders in flight may carry a position past the limit, but not far past it."""
    market, furthest = watched
    for account in of_kind(market, kind):
        limit = market.accounts[account].limit_lots
        assert limit is not None
        assert furthest[account] <= 2 * limit


def test_takers_never_rest_and_makers_never_take(market):
    for account, info in market.accounts.items():
        entry = market.exchange.ledger.entry(account)
        if info.kind in ("momentum", "twap"):
            assert not market.exchange.open_orders(account)
            assert entry.aggressive_lots == entry.bought_lots + entry.sold_lots
        if info.kind == "maker":
            assert entry.aggressive_lots == 0


def test_the_demo_strategy_quotes_behind_the_touch_of_others(market):
    book = market.exchange.book
    orders = list(market.exchange.open_orders(Account.TARGET).values())
    assert orders
    assert all(
        o.price_ticks <= book.best_bid if o.side == Side.BID else o.price_ticks >= book.best_ask
        for o in orders
    )


def test_orders_of_makers_stand_on_both_sides(market):
    sides = {
        order.side
        for account in of_kind(market, "maker")
        for order in market.exchange.open_orders(account).values()
    }
    assert sides == {Side.BID, Side.ASK}


def test_the_market_stays_whole(market):
    book = market.exchange.book
    market.exchange._check()
    assert not book.crossed
    assert book.order_count == sum(market.exchange.open_order_count(account) for account in market.accounts)
    market.exchange.ledger.check()


PARAMS = st.builds(
    FundamentalParams,
    anchor_ticks=st.integers(1, 20_000),
    reversion=st.floats(0, 1),
    sigma_ticks=st.floats(0, 50),
    jump_chance=st.floats(0, 1),
    jump_ticks=st.floats(0, 500),
)


@settings(max_examples=40)
@given(st.integers(0, 1 << 63), PARAMS, st.lists(st.integers(0, 10 * NS_PER_S), max_size=15))
def test_the_fundamental_depends_on_the_time_alone_and_stays_above_nought(seed, params, times):
    often, once = Fundamental(seed, params), Fundamental(seed, params)
    for time_ns in sorted(times):
        assert often.value_ticks(time_ns) >= 1.0
    assert often.value_ticks(10 * NS_PER_S) == once.value_ticks(10 * NS_PER_S)


def test_the_fundamental_moves_on_its_grid_and_begins_at_its_anchor():
    fundamental = Fundamental(1, FundamentalParams(anchor_ticks=500, sigma_ticks=1.0))
    assert fundamental.value_ticks(STEP_NS - 1) == 500.0
    first = fundamental.value_ticks(STEP_NS)
    assert first != 500.0
    assert fundamental.value_ticks(2 * STEP_NS - 1) == first


def test_the_fundamental_comes_back_to_its_anchor():
    params = FundamentalParams(anchor_ticks=500, reversion=0.5, sigma_ticks=0.0, jump_chance=0.0)
    fundamental = Fundamental(1, params)
    fundamental.row.value_ticks = 900.0
    assert fundamental.value_ticks(10 * STEP_NS) == pytest.approx(500.0, abs=0.5)
