"""The archetypes said plainly: Python objects, dicts and core/rng.py. The judge of the kernels.

Each class is written from its archetype's description, with the draws in the order that is part of every
recorded run. `PlainMarket` runs them as Python agents on the same exchange; `KernelMarket` runs the
kernels. Whatever the parameters, both must publish the same events (test_kernels.py).
"""

from __future__ import annotations

from math import ceil, floor, sqrt
from typing import Any

from engine.agents.base import Agent
from engine.agents.fundamental import FundamentalParams
from engine.agents.population import Population
from engine.agents.registry import AgentGroup
from engine.arena.random import NEVER_NS
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.rng import Stream
from engine.core.types import Account, Side
from engine.loop import Loop
from engine.market.exchange import Exchange
from engine.scenarios.loader import Scenario

__all__ = ["KernelMarket", "PlainFundamental", "PlainMarket"]


class PlainFundamental:
    """The value path by core/rng.py."""

    def __init__(self, seed: int, params: FundamentalParams) -> None:
        self.params = params
        self._rng = Stream(seed, 0xF0F0)
        self._step = 0
        self._value = float(params.anchor_ticks)

    def value_ticks(self, time_ns: int) -> float:
        p, rng = self.params, self._rng
        while self._step < time_ns // 100_000_000:
            self._value += p.reversion * (p.anchor_ticks - self._value) + p.sigma_ticks * rng.normal()
            jumped = rng.chance(p.jump_chance)
            shock = rng.normal()
            if jumped:
                self._value += p.jump_ticks * shock
            self._value = max(1.0, self._value)
            self._step += 1
        return self._value


class Plain(Agent):
    """An agent with parameters."""

    fundamental: PlainFundamental  # type: ignore[assignment]

    def __init__(self, *, params: Any, **base: Any) -> None:
        super().__init__(**base)
        self.params = params

    def jittered_ns(self) -> int:
        """The time between looks of those who look at intervals, +-25 %."""
        interval_ms = self.params.interval_ms
        return (interval_ms * 3 // 4) * NS_PER_MS + self.rng.below(interval_ms // 2 * NS_PER_MS)

    def waits_ns(self, mean_ns: float) -> int:
        return min(NEVER_NS, self.rng.exponential_ns(int(mean_ns)))

    def middle(self) -> float:
        """Mid, or the one best price that there is, or the reference."""
        bid, ask = self.exchange.best_bid, self.exchange.best_ask
        if bid is not None and ask is not None:
            return (bid + ask) / 2.0
        one = bid if bid is not None else ask
        return float(self.reference_ticks() if one is None else one)


class Noise(Plain):
    def act(self, now_ns: int) -> int:
        p, rng = self.params, self.rng
        side = rng.below(2)
        size = rng.pareto(p.size_lots, p.max_size_lots)
        takes = rng.chance(p.market_share)
        u = rng.uniform()
        improves = u < 0.125
        distance = -1 if improves else min(p.max_distance_ticks, int(1.2 / sqrt((1.0 - u) / 0.875)) - 1)
        life_ns = self.waits_ns(p.lifetime_s * NS_PER_S)
        if takes:
            self.take(side, size)
        else:
            self.cancel(self.limit(side, self._price(side, distance), size, post_only=True), after_ns=life_ns)
        return self.waits_ns(NS_PER_S / p.rate_per_s)

    def _price(self, side: int, distance: int) -> int:
        if side == Side.BID:
            best = self.exchange.best_bid
            return (self.reference_ticks() - 1 if best is None else best) - distance
        best = self.exchange.best_ask
        return (self.reference_ticks() + 1 if best is None else best) + distance


class Value(Plain):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self._bias = self.params.bias_ticks * self.rng.normal()

    def act(self, now_ns: int) -> int:
        p, rng = self.params, self.rng
        value = self.fundamental.value_ticks(now_ns) + self._bias + p.noise_ticks * rng.normal()
        life_ns = self.waits_ns(p.lifetime_s * NS_PER_S)
        side = rng.below(2)
        delay_ns = self.waits_ns(NS_PER_S / p.rate_per_s)
        bid, ask = self.exchange.best_bid, self.exchange.best_ask
        position = self.position_lots
        if ask is not None and value > ask + p.threshold_ticks and position < p.limit_lots:
            self.take(Side.BID, self._size(value - ask), limit_ticks=int(value))
        elif bid is not None and value < bid - p.threshold_ticks and position > -p.limit_lots:
            self.take(Side.ASK, self._size(bid - value), limit_ticks=int(value) + 1)
        else:
            offset = p.patience_ticks if side == Side.ASK else -p.patience_ticks
            order_id = self.limit(side, int(value) + offset, p.size_lots, post_only=True)
            self.cancel(order_id, after_ns=life_ns)
        return delay_ns

    def _size(self, gap_ticks: float) -> int:
        p = self.params
        return int(p.size_lots * min(p.max_multiple, sqrt(gap_ticks / p.threshold_ticks)))


class Momentum(Plain):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self._averages: tuple[float, float] | None = None

    def act(self, now_ns: int) -> int:
        p, delay_ns = self.params, self.jittered_ns()
        twice_mid = self.exchange.twice_mid_ticks
        if twice_mid is None:
            return delay_ns
        mid = twice_mid / 2.0
        if self._averages is None:
            self._averages = (mid, mid)
            return delay_ns
        fast, slow = self._averages
        fast, slow = fast + p.fast * (mid - fast), slow + p.slow * (mid - slow)
        self._averages = (fast, slow)
        self._trade(fast - slow)
        return delay_ns

    def _trade(self, trend: float) -> None:
        p, position = self.params, self.position_lots
        if trend > p.threshold_ticks and position < p.limit_lots:
            self.take(Side.BID, min(p.size_lots, p.limit_lots - position))
        elif trend < -p.threshold_ticks and position > -p.limit_lots:
            self.take(Side.ASK, min(p.size_lots, p.limit_lots + position))
        elif position > 0 and trend < p.threshold_ticks / 3:
            self.take(Side.ASK, min(p.size_lots, position))
        elif position < 0 and trend > -p.threshold_ticks / 3:
            self.take(Side.BID, min(p.size_lots, -position))


class Maker(Plain):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self._last_mid: float | None = None
        self._move = 0.0

    def act(self, now_ns: int) -> int:
        p = self.params
        jitter_ns = self.rng.below(p.interval_ms // 2 * NS_PER_MS)
        mid = self.middle()
        if self.exchange.twice_mid_ticks is not None:
            if self._last_mid is not None:
                self._move += 0.2 * (abs(mid - self._last_mid) - self._move)
            self._last_mid = mid
        if self._move > p.panic_ticks:
            for order_id in self.open_orders:
                self.cancel(order_id)
            self._move *= 0.5
            return p.pause_ms * NS_PER_MS + jitter_ns
        self._move_to(self._wanted(mid))
        return (p.interval_ms * 3 // 4) * NS_PER_MS + jitter_ns

    def _wanted(self, mid: float) -> dict[tuple[int, int], int]:
        """(side, price) -> lots, in the order in which they are sent."""
        p, position = self.params, self.position_lots
        bid_depth, ask_depth = (self.exchange.book.depth(side, 5) for side in Side)
        total = bid_depth + ask_depth
        lean = p.lean_ticks * (bid_depth - ask_depth) / total if total else 0.0
        centre = mid + lean - p.skew_ticks * position / p.limit_lots
        half = p.half_spread_ticks + self._move
        wanted: dict[tuple[int, int], int] = {}
        for level in range(p.levels):
            size = p.size_lots * (2 + level) // 2
            offset = half + level * p.step_ticks
            if position + size <= p.limit_lots:
                wanted[(Side.BID, floor(centre - offset))] = size
            if position - size >= -p.limit_lots:
                wanted[(Side.ASK, ceil(centre + offset))] = size
        return wanted

    def _move_to(self, wanted: dict[tuple[int, int], int]) -> None:
        for order_id, order in self.open_orders.items():
            size = wanted.get((order.side, order.price_ticks))
            if size is not None and 2 * order.remaining_lots >= size:
                del wanted[(order.side, order.price_ticks)]
            else:
                self.cancel(order_id)
        for (side, price_ticks), size in wanted.items():
            self.limit(side, price_ticks, size, post_only=True)


class Twap(Plain):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self._left_lots, self._side, self._rested = 0, 0, False

    def act(self, now_ns: int) -> int:
        p, rng = self.params, self.rng
        if not self._left_lots:
            self._rested = not self._rested
            if self._rested:
                return self.waits_ns(p.rest_s * NS_PER_S)
            self._side = rng.below(2)
            self._left_lots = rng.between(p.parent_lots // 2, p.parent_lots * 3 // 2)
        size = min(p.slice_lots, self._left_lots)
        self._left_lots -= size
        self.take(self._side, size)
        slice_ns = int(p.slice_s * NS_PER_S)
        return slice_ns * 9 // 10 + rng.below(slice_ns // 5)


class Adaptive(Plain):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self._window = self.params.first_spread_ticks
        self._seen_lots = 0

    def act(self, now_ns: int) -> int:
        p, delay_ns = self.params, self.jittered_ns()
        bid, ask = self.exchange.best_bid, self.exchange.best_ask
        if bid is not None and ask is not None:
            self._window += p.spread_alpha * (ask - bid - self._window)
        traded_lots = self.exchange.market.traded_lots
        size = max(p.min_size_lots, int(p.pov * (traded_lots - self._seen_lots)))
        self._seen_lots = traded_lots
        for order_id in self.open_orders:
            self.cancel(order_id)
        position = self.position_lots
        centre = self.middle() - p.skew_ticks * position / p.limit_lots
        bid, ask = floor(centre - 0.5 * self._window), ceil(centre + 0.5 * self._window)
        step = max(1, int(p.level_spacing * self._window + 0.5))
        for level in range(p.levels):
            if position + (level + 1) * size <= p.limit_lots:
                self.limit(Side.BID, bid - level * step, size, post_only=True)
            if position - (level + 1) * size >= -p.limit_lots:
                self.limit(Side.ASK, ask + level * step, size, post_only=True)
        return delay_ns


PLAIN: dict[str, type[Plain]] = {
    "noise": Noise,
    "value": Value,
    "momentum": Momentum,
    "maker": Maker,
    "twap": Twap,
    "adaptive": Adaptive,
}


class Market:
    """A scenario's market with nothing beside it: no analytics, no storms."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        members = sum(group.members for group in scenario.groups)
        self.exchange = Exchange(
            instrument=scenario.instrument, fees=scenario.fees, accounts=Account.FIRST_AGENT + members
        )
        self.loop = self._people(scenario, seed)

    def _people(self, scenario: Scenario, seed: int) -> Loop:
        raise NotImplementedError

    def advance(self, until_ns: int) -> tuple[int, int, int, int]:
        """(happenings, public events, their digest, that of the book)."""
        self.loop.run_until(until_ns)
        exchange = self.exchange
        exchange.ledger.check()
        return exchange.kernel.processed, exchange.log.count, exchange.log.digest, exchange.book.digest()


class KernelMarket(Market):
    """The agents as kernels."""

    def _people(self, scenario: Scenario, seed: int) -> Loop:
        population = Population(
            seed=seed, groups=scenario.groups, fundamental=scenario.fundamental, arena=self.exchange.arena
        )
        population.start(self.exchange.market)
        return Loop(self.exchange, population=population)


class PlainMarket(Market):
    """The agents as Python objects."""

    def _people(self, scenario: Scenario, seed: int) -> Loop:
        assert scenario.fundamental is not None
        fundamental = PlainFundamental(seed, scenario.fundamental)
        kinds: list[AgentGroup] = [group for group in scenario.groups for _ in range(group.members)]
        loop = Loop(self.exchange)
        for account, group in enumerate(kinds, Account.FIRST_AGENT):
            PLAIN[group.kind](
                account=account,
                name=f"{group.kind}-{account}",
                rng=Stream(seed, account),
                exchange=self.exchange,
                fundamental=fundamental,
                latency_ns=group.latency_us * 1_000,
                params=group.params,
            ).start()
        return loop
