"""Agents for tests: one that trades all the time, and those that never do, in Python and built in."""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.agents.momentum import MomentumParams
from engine.core.clock import NS_PER_MS
from engine.core.types import TimeInForce
from engine.scenarios import AgentGroup, Scenario

__all__ = ["Silent", "Trader", "Wish", "silent_group"]


class Wish(NamedTuple):
    """Something that a trader has sent."""

    arrival_ns: int
    account: int
    order_id: int
    side: int
    """-1 for a cancel."""
    price_ticks: int
    qty_lots: int
    time_in_force: int


class Trader(Agent):
    """Quotes, takes and cancels at random around the touch, about ten times a second."""

    kind = "trader"
    anchor_ticks = 10_000

    def __init__(self, **wiring: Any) -> None:
        super().__init__(**wiring)
        self.wishes: list[Wish] = []

    def act(self, now_ns: int) -> int:
        exchange, draw = self.exchange, self.rng
        twice = exchange.twice_mid_ticks or 2 * (exchange.last_price_ticks or self.anchor_ticks)
        assert exchange.open_order_count(self.account) == len(self.open_orders)
        side, lots = draw.below(2), draw.between(1, 9)
        if draw.below(4) == 0:
            self._note(self.take(side, lots), side, 0, lots, TimeInForce.IOC)
        else:
            price_ticks = twice // 2 + draw.between(-4, 4)
            tif = TimeInForce(3 * draw.below(2))
            order_id = self.limit(side, price_ticks, lots, post_only=tif == TimeInForce.POST_ONLY)
            self._note(order_id, side, price_ticks, lots, tif)
        for order_id in self.open_orders:
            if draw.below(4) == 0:
                self.cancel(order_id)
                self._note(order_id, -1, 0, 0, 0)
        return 80 * NS_PER_MS + draw.below(40 * NS_PER_MS)

    def _note(self, order_id: int, side: int, price_ticks: int, lots: int, tif: int) -> None:
        arrival_ns = self.exchange.kernel.now_ns + self.latency_ns
        self.wishes.append(Wish(arrival_ns, self.account, order_id, side, price_ticks, lots, tif))


class Silent(Agent):
    """Wakes, looks, draws, and never sends anything."""

    kind = "silent"

    def act(self, now_ns: int) -> int:
        self.rng.normal()
        if self.fundamental is not None:
            self.fundamental.value_ticks(now_ns)
        self.exchange.book.levels(0, 5)
        self.exchange.book.depth(1, 3)
        assert not self.open_orders
        return 1 + self.rng.below(20 * NS_PER_MS)


def silent_group(scenario: Scenario) -> Scenario:
    """The scenario with one agent more, who looks and draws like all of its kind, but whose threshold no
    trend ever reaches. It comes last, so that everybody keeps their account."""
    never = AgentGroup("momentum", 1, 2_500, MomentumParams(threshold_ticks=1e6))
    return scenario._replace(groups=(*scenario.groups, never))
