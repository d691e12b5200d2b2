"""What a trade and a sample cost in kernels and in plain Python: contenders for the benchmark `analytics`.

    for work in (TRADE, SAMPLE):
        timings = take_turns(work.contenders(runs=5), steps, where=work.name)
        timings["compiled"].cpu_ns / work.compiled_times, timings["python"].cpu_ns / work.python_times

Both do the same work the same number of times before they are compared (their answers must be equal); then
each is measured as often as its speed asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from engine.analytics import SAMPLE_NS, Features, take_sample, take_trades
from engine.arena.functions import KERNELS
from engine.core.rng import Stream
from engine.market.records import Market
from tests.analytics.markets import TRADES, HandMarket
from tests.bench.measure import Contender

__all__ = ["SAMPLE", "TRADE", "TRADES_IN_A_ROW", "Work"]

EVENTS_A_SAMPLE = 100
LEVELS = 40
COMPARED = 4 * TRADES


class Work(NamedTuple):
    """One thing that the analytics do, and how often each contender does it while it is measured."""

    name: str
    compiled: Callable[[HandMarket, int], object]
    """compiled(market, times)"""
    python: Callable[[HandMarket, int], object]
    answers: Callable[[HandMarket], tuple[object, object]]
    """What kernels and oracle have come to."""
    compiled_times: int
    python_times: int

    def contenders(self, runs: int = 5) -> list[Contender]:
        """Both, once they have been seen to agree."""
        market = _market()
        self.compiled(market, COMPARED)
        self.python(market, COMPARED)
        ours, theirs = self.answers(market)
        assert ours == theirs, f"{self.name}: {ours} is not {theirs}"
        return [
            Contender("compiled", _market, lambda m: self.compiled(m, self.compiled_times), runs=runs),
            Contender("python", _market, lambda m: self.python(m, self.python_times), runs=runs),
        ]


def _market() -> HandMarket:
    """Forty levels a side and a full ring of trades, which kernels and oracle have taken."""
    random = Stream(5, 0)
    market = HandMarket()
    for level in range(LEVELS):
        market.rest(0, 10_000 - level, random.between(1, 500))
        market.rest(1, 10_003 + level, random.between(1, 500))
    for _ in range(TRADES):
        market.trade(random.pareto(1, 400), random.below(2))
    take_trades(market.market, market.analytics.row)
    return market


# -- kernels: as in the loop, where everything is called from compiled code ----------------------------


def _take_ring(market_address: int, features_address: int, rounds: int) -> int:
    """Takes all trades of the ring, `rounds` times."""
    market, features = Market.at(market_address), Features.at(features_address)
    for _ in range(rounds):
        features.trades_seen = 0
        take_trades(market, features)
    return 0


def _take_one_by_one(market_address: int, features_address: int, rounds: int) -> int:
    """The same, but each in a call of its own, as after an arrival that traded once."""
    market, features = Market.at(market_address), Features.at(features_address)
    for _ in range(rounds):
        features.trades_seen = 0
        for count in range(len(market.trades)):
            market.trade_count = count + 1
            take_trades(market, features)
    return 0


def _take_samples(market_address: int, features_address: int, samples: int) -> int:
    market, features = Market.at(market_address), Features.at(features_address)
    for _ in range(samples):
        market.now_ns += SAMPLE_NS
        market.event_count += EVENTS_A_SAMPLE
        take_sample(market, features, market.now_ns)
    return 0


@cache
def _code(kernel: Callable[[int, int, int], int]) -> Callable[[int, int, int], int]:
    from engine.arena.compiler import Compiler

    KERNELS[kernel] = "entry"  # not through @entry: the engine's library has no place for it
    return Compiler(checked=False).compile(kernel)


def _run(kernel: Callable[[int, int, int], int], market: HandMarket, times: int) -> None:
    _code(kernel)(market.market.address, market.analytics.row.address, times)


# -- the same in Python --------------------------------------------------------------------------------


def _python_trades(market: HandMarket, times: int) -> None:
    rows: list[tuple[int, int]] = market.arena.rows("trades")[["qty_lots", "aggressor_side"]].tolist()
    trade = market.oracle.trade
    for _ in range(times // TRADES):
        for qty_lots, side in rows:
            trade(qty_lots, side)


def _python_samples(market: HandMarket, times: int) -> None:
    sample, book, now_ns = market.oracle.sample, market.reference, 0
    events = market.market.event_count
    for _ in range(times):
        now_ns += SAMPLE_NS
        events += EVENTS_A_SAMPLE
        sample(now_ns, book, events)


def _vpin(market: HandMarket) -> tuple[object, object]:
    ours, theirs = market.analytics.row.vpin, market.oracle.vpin
    return (
        (ours.gap_sum, ours.filled_lots, ours.signed_lots),
        (theirs.gap_sum, theirs.filled, theirs.signed),
    )


def _last_sample(market: HandMarket) -> tuple[object, object]:
    return market.analytics.latest, market.oracle.samples[-1]


TRADE = Work(
    "a trade",
    lambda market, times: _run(_take_one_by_one, market, times // TRADES),
    _python_trades,
    _vpin,
    compiled_times=1 << 20,
    python_times=1 << 15,
)
TRADES_IN_A_ROW = TRADE._replace(
    name="a trade of a sweep", compiled=lambda market, times: _run(_take_ring, market, times // TRADES)
)
SAMPLE = Work(
    "a sample",
    lambda market, times: _run(_take_samples, market, times),
    _python_samples,
    _last_sample,
    compiled_times=20_000,
    python_times=2_000,
)
