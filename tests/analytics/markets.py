"""Markets made by hand for the tests: a hot book, a ring of trades and analytics, and beside them the oracle
with a reference book."""

from __future__ import annotations

from collections.abc import Callable

from engine.analytics import SAMPLE_NS, Analytics, Sample
from engine.analytics.features import sample_once
from engine.arena.memory import Arena
from engine.book import HotBook, ReferenceBook
from engine.core.rng import Stream
from engine.core.types import EventType, Side
from engine.market.records import Market, TradeRow
from tests.analytics.oracle import PythonAnalytics
from tests.book.streams import event

Take = Callable[[int, int, int], int]
"""sample_once, interpreted or compiled."""
Step = tuple[str, int, int, int]
"""("rest", side, price, lots), ("cancel", which, 0, 0), ("trade", side, lots, 0) or ("sample", 0, 0, 0)."""

TRADES = 256
"""Trades in a hand market's ring."""


class HandMarket:
    """Orders and trades are put into it; every sample is compared with the oracle's."""

    def __init__(self, unit_lots: int = 1, take: Take = sample_once) -> None:
        self.arena = Arena()
        self.book = HotBook(self.arena)
        self.market = self.arena.new("market", Market)[0]
        self.market.book = self.book.row
        self.market.trades = self.arena.new("trades", TradeRow, TRADES)
        self.analytics = Analytics(self.arena, unit_lots=unit_lots)
        self.take = take
        self.told = 0
        """What the last sample returned."""
        self.reference = ReferenceBook()
        self.oracle = PythonAnalytics(unit_lots)
        self.live: list[int] = []
        self._next_id = 0

    def rest(self, side: int, price_ticks: int, qty_lots: int) -> int:
        """A new order; its id."""
        self._next_id += 1
        self.live.append(self._next_id)
        self._publish(EventType.ADD, self._next_id, side, price_ticks, qty_lots)
        return self._next_id

    def cancel(self, order_id: int) -> None:
        """An order leaves."""
        self.live.remove(order_id)
        self._publish(EventType.CANCEL, order_id)

    def quote(self, bid: int, ask: int, bid_lots: int = 1, ask_lots: int = 1) -> None:
        """Make these the only orders."""
        for order_id in list(self.live):
            self.cancel(order_id)
        self.rest(Side.BID, bid, bid_lots)
        self.rest(Side.ASK, ask, ask_lots)

    def trade(self, qty_lots: int = 1, side: int = Side.BID) -> None:
        """One print; `side` is the aggressor's."""
        market = self.market
        row = market.trades[market.trade_count & (TRADES - 1)]
        row.qty_lots = qty_lots
        row.aggressor_side = side
        market.trade_count += 1
        market.event_count += 1
        self.oracle.trade(qty_lots, side)

    def sample(self) -> Sample:
        """The next sample."""
        market = self.market
        market.now_ns += SAMPLE_NS
        self.told = self.take(market.address, self.analytics.row.address, market.now_ns)
        latest = self.analytics.latest
        assert latest == self.oracle.sample(market.now_ns, self.reference, market.event_count)
        assert latest is not None
        return latest

    def second(self) -> Sample:
        """The last of the next four samples."""
        return [self.sample() for _ in range(4)][-1]

    def do(self, step: Step) -> None:
        """One step of a script."""
        what, a, b, c = step
        if what == "rest":
            self.rest(a, b, c)
        elif what == "cancel" and self.live:
            self.cancel(self.live[a % len(self.live)])
        elif what == "trade":
            self.trade(b, a)
        elif what == "sample":
            self.sample()

    def _publish(
        self, kind: EventType, order_id: int, side: int = 0, price_ticks: int = 0, qty_lots: int = 0
    ) -> None:
        self.market.event_count += 1
        self.book.apply(event(kind, order_id, side, price_ticks, qty_lots))
        if kind == EventType.ADD:
            assert self.reference.add(order_id, side, price_ticks, qty_lots)
        else:
            self.reference.cancel(order_id)


def script(seed: int, samples: int, *, price_ticks: int, width_ticks: int, lots: int) -> list[Step]:
    """A random life: the book fills, empties, crosses and becomes one-sided, prices move, trades come in
    bursts of one side or both, and now and then the market sleeps."""
    random = Stream(seed, 0)
    steps: list[Step] = []
    middle = price_ticks
    pace, sided, depth = 4, 50, 50
    for number in range(samples):
        if number % 16 == 0:
            pace, sided, depth = random.below(12), random.below(101), random.between(20, 80)
            middle += random.between(-width_ticks, width_ticks) // 2
            if random.below(8) != 0:
                steps += [("cancel", 0, 0, 0)] * 200  # all: else old orders would cross the new ones
        for _ in range(random.below(2 * pace + 1)):
            if random.below(100) < 60:
                away = random.between(1, width_ticks)
                if random.below(100) == 0:
                    away = -away
                side = int(random.below(100) < depth)
                price = max(1, middle + (away if side else -away))
                steps.append(("rest", side, price, random.between(1, lots)))
            else:
                steps.append(("cancel", random.below(1 << 30), 0, 0))
        steps += [
            ("trade", int(random.below(100) < sided), random.pareto(60, 100_000), 0)
            for _ in range(random.below(pace + 1))
        ]
        if random.below(40) == 0:
            steps += [("cancel", 0, 0, 0)] * 60
        steps.append(("sample", 0, 0, 0))
    return steps
