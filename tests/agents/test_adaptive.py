"""The adaptive market maker: its ladder follows the spread, its sizes the volume, its limit holds."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.agents.adaptive import AdaptiveParams
from engine.agents.fundamental import FundamentalParams
from engine.agents.population import Population, act
from engine.agents.registry import AgentGroup
from engine.core.types import Account, Instrument, Side
from engine.loop import Loop
from engine.market.exchange import Exchange
from engine.market.ledger import FeeSchedule

MAKER = int(Account.FIRST_AGENT)
OTHER, THIRD = 1, 2
INSTRUMENT = Instrument("X", Decimal("0.01"), Decimal(1), "USD", 10)


class Ladder:
    """One adaptive maker in a market that the test makes."""

    def __init__(self, **params: Any) -> None:
        self.exchange = Exchange(instrument=INSTRUMENT, fees=FeeSchedule(), accounts=MAKER + 1)
        self.population = Population(
            seed=1,
            groups=[AgentGroup("adaptive", 1, 50, AdaptiveParams(**params))],
            fundamental=FundamentalParams(anchor_ticks=1_000),
            arena=self.exchange.arena,
        )
        self.loop = Loop(self.exchange, population=self.population)

    def quote(self, bid: int | None, ask: int | None, lots: int = 5) -> None:
        """Somebody else's touch."""
        for side, price in ((Side.BID, bid), (Side.ASK, ask)):
            if price is not None:
                self.exchange.enter(account=OTHER, side=side, price_ticks=price, qty_lots=lots)

    def trade(self, side: Side, lots: int) -> None:
        self.exchange.enter(account=THIRD, side=side, price_ticks=0, qty_lots=lots, time_in_force=1)

    def look(self) -> dict[int, list[tuple[int, int]]]:
        """Its orders after one look, by side, best first: (price, lots)."""
        market = self.exchange.market
        delay_ns = act(market, self.population.row, 0, market.now_ns)
        assert 750_000_000 <= delay_ns < 1_250_000_000
        self.loop.run_until(market.now_ns + 1_000_000)
        orders = self.exchange.open_orders(MAKER).values()
        return {
            side: sorted(
                ((o.price_ticks, o.remaining_lots) for o in orders if o.side == side), reverse=not side
            )
            for side in (0, 1)
        }


@pytest.fixture(autouse=True)
def everywhere(kernel_path: str) -> None:
    """Arrivals run on every path."""


def test_levels_stand_half_a_window_from_the_mid_and_a_share_of_it_apart():
    ladder = Ladder(levels=3, spread_alpha=1.0, level_spacing=0.5)
    ladder.quote(990, 1010)
    shown = ladder.look()
    assert [price for price, _ in shown[0]] == [990, 980, 970]
    assert [price for price, _ in shown[1]] == [1010, 1020, 1030]


def test_the_window_moves_towards_the_spread_by_its_weight():
    ladder = Ladder(levels=1, spread_alpha=0.75, first_spread_ticks=4.0, min_size_lots=1)
    ladder.quote(990, 1010)
    ladder.look()
    row = ladder.population.row.adaptive[0]
    assert row.spread_ticks == 4.0 + 0.75 * 16.0
    spread = ladder.exchange.best_ask - ladder.exchange.best_bid
    before = row.spread_ticks
    ladder.look()
    assert row.spread_ticks == before + 0.75 * (spread - before)


def test_levels_are_at_least_a_tick_apart_and_never_crossed():
    ladder = Ladder(levels=4, spread_alpha=1.0, level_spacing=0.0)
    ladder.quote(1000, 1001)
    shown = ladder.look()
    assert [price for price, _ in shown[0]] == [1000, 999, 998, 997]
    assert [price for price, _ in shown[1]] == [1001, 1002, 1003, 1004]


def test_each_order_shows_a_share_of_the_volume_since_the_last_look():
    ladder = Ladder(levels=2, pov=0.1, min_size_lots=3, limit_lots=1_000)
    ladder.quote(990, 1010, lots=2_000)
    assert {lots for side in ladder.look().values() for _, lots in side} == {3}
    ladder.trade(Side.ASK, 500)
    ladder.trade(Side.BID, 349)
    assert {lots for side in ladder.look().values() for _, lots in side} == {84}
    assert {lots for side in ladder.look().values() for _, lots in side} == {3}


def test_inventory_shifts_the_centre_and_its_limit_ends_the_side_that_would_add():
    ladder = Ladder(levels=4, min_size_lots=30, limit_lots=120, skew_ticks=10.0, spread_alpha=0.0)
    ladder.quote(900, 1100)
    flat = ladder.look()
    assert [len(flat[side]) for side in (0, 1)] == [4, 4]
    ladder.trade(Side.ASK, 90)  # it buys three of its four levels
    assert ladder.exchange.ledger.position(MAKER) == 90
    ladder.exchange.send_cancel_all(account=MAKER)
    ladder.loop.run_until(ladder.exchange.kernel.now_ns + 10)
    long = ladder.look()
    assert [len(long[side]) for side in (0, 1)] == [1, 4]
    assert long[0][0][0] == flat[0][0][0] - 8  # 10 ticks x 90 / 120 = 7.5, away from the centre
    assert long[1][0][0] == flat[1][0][0] - 7


def test_it_quotes_round_what_there_is_when_a_side_is_empty():
    ladder = Ladder(levels=1, first_spread_ticks=4.0)
    assert ladder.look() == {0: [(998, 1)], 1: [(1002, 1)]}  # nobody: the anchor
    ladder.exchange.send_cancel_all(account=MAKER)
    ladder.loop.run_until(ladder.exchange.kernel.now_ns + 10)
    ladder.quote(None, 1050)
    assert ladder.look() == {0: [(1048, 1)], 1: [(1052, 1)]}
