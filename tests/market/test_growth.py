"""Memory: every table grows in the middle of things, and nobody can tell from what happens."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from engine.arena.machine import live
from engine.book.hot import HotBook
from engine.core.rng import Stream
from engine.core.types import TimeInForce
from engine.market import entries
from engine.market.ledger import FeeSchedule
from tests.market.checked_market import LoopedExchange

GROWING = {
    "bid_rungs",
    "ask_rungs",
    "heap",
    "ids",
    "levels",
    "messages",
    "orders",
    "reports",
    "tickets",
    "trades",
}
ACCOUNTS = range(1, 8)


class Outcome(NamedTuple):
    """Everything that must be the same."""

    events: int
    event_digest: int
    book_digest: int
    processed: int
    ledger: dict[int, Any]
    reports: list[Any]
    volume: dict[int, int]
    open_orders: list[Any]


class Driven(LoopedExchange):
    """An exchange in which a lot goes on, seen by a listener; it counts how often its tables grow."""

    def __init__(self) -> None:
        self.grown: Counter[str] = Counter()
        super().__init__(fees=FeeSchedule(-7, 20))
        self.reports: list[Any] = []
        self.draw = Stream(3, 3)
        for account in ACCOUNTS[:3]:
            self.hear(account, self.reports.append)

    def make_room(self) -> None:
        names = [*self.arena.names()]
        before = {name: len(self.arena.rows(name)) for name in names}
        super().make_room()
        self.grown.update(name for name in names if len(self.arena.rows(name)) > before[name])

    def drive(self, steps: int, far: int) -> Outcome:
        """Requests of all sorts, callbacks that send more, sweeps of whole sides; `far` orders that are
        under way all the time."""
        draw = self.draw
        for number in range(far):
            self.send(account=7, side=0, price_ticks=1, qty_lots=1, latency_ns=10**9 + number)
        for step in range(steps):
            self.request(draw.below(1_000))
            if step % 50 == 0:
                self.kernel.schedule(self.kernel.now_ns + draw.below(90), self.act)
            if step % 10 == 9:
                self.loop.run_until(self.kernel.now_ns + 60)
            if step == steps // 2:
                self._check()
        self.sweep()
        self.loop.run_until(2 * 10**9)
        self._check()
        return Outcome(
            self.log.count,
            self.log.digest,
            self.book.digest(),
            self.kernel.processed,
            self.ledger.accounts(),
            self.reports,
            self.tape.volume(0, 10_000),
            [self.open_orders(account) for account in ACCOUNTS],
        )

    def act(self, _now_ns: int, _payload: None) -> None:
        """A callback, in the middle of a run."""
        for _ in range(5):
            self.request(self.draw.below(900))
        self.enter(account=1, side=0, price_ticks=self.draw.between(1, 900), qty_lots=1)

    def request(self, kind: int) -> None:
        draw, account = self.draw, self.draw.between(1, 6)
        latency_ns = draw.between(1, 100)
        if kind == 999:
            self.sweep()
        elif kind > 940:
            self.send_cancel(account=account, order_id=1 + draw.below(2_000), latency_ns=latency_ns)
        elif kind > 900:
            order = {"order_id": 1 + draw.below(2_000), "price_ticks": draw.between(1, 1_000)}
            self.send_replace(account=account, qty_lots=draw.between(1, 9), latency_ns=latency_ns, **order)
        else:
            side = draw.below(2)
            self.send(
                account=account,
                side=side,
                price_ticks=draw.between(1, 480) + 500 * side,
                qty_lots=draw.between(1, 9),
                latency_ns=latency_ns,
            )

    def sweep(self) -> None:
        """Takes everything: as many trades and reports as orders rest."""
        for side in (0, 1):
            self.send(account=7, side=side, price_ticks=0, qty_lots=10**6, time_in_force=TimeInForce.IOC)


def test_tables_that_start_with_next_to_nothing_give_the_same(kernel_path, monkeypatch):
    """Interpreted, what must be free for a wake-up is little, so that heap and messages grow in small
    steps; compiled it is what it is, and thousands of orders are under way."""
    if kernel_path == "interpreted":
        monkeypatch.setattr(entries, "SPARE_MESSAGES", 8)
    steps, far = 1_000, 40 if kernel_path == "interpreted" else 17_000
    monkeypatch.setattr(HotBook, "first_orders", 8_192)
    monkeypatch.setattr(HotBook, "first_rungs", 1_024)
    monkeypatch.setattr(Driven, "first_messages", 1 << 17)
    large = Driven()
    expected = large.drive(steps, far)
    assert not large.grown
    assert expected.events > 1_200
    assert len(expected.reports) > 800
    monkeypatch.setattr(HotBook, "first_orders", 2)
    monkeypatch.setattr(HotBook, "first_rungs", 1)
    monkeypatch.setattr(Driven, "first_messages", 1)
    small = Driven()
    assert small.drive(steps, far) == expected
    assert set(small.grown) == GROWING
    assert all(small.grown[name] > 1 for name in GROWING)


def test_every_entry_says_that_it_has_no_room_and_does_nothing(kernel_path, monkeypatch):
    monkeypatch.setattr(LoopedExchange, "first_messages", 1)
    exchange = LoopedExchange()
    market = exchange.market
    address = market.address
    assert not entries.has_room(market)
    before = {name: exchange.arena.rows(name).tobytes() for name in exchange.arena.names()}
    for entry, arguments in (
        (entries.send_order, (1, 0, 100, 1, 0, 1, 0)),
        (entries.send_request_from, (2, 1, 1, 0, 0, 0, 1)),
        (entries.enter_order, (1, 0, 100, 1, 0, 0, 0)),
        (entries.enter_request, (2, 1, 1, 0, 0)),
        (entries.schedule_python, (1, 1)),
        (entries.print_trade, (0, 100, 1)),
    ):
        assert live(entry)(address, *arguments) == entries.NO_ROOM
    assert before == {name: exchange.arena.rows(name).tobytes() for name in exchange.arena.names()}
    exchange.make_room()
    assert entries.has_room(market)
    assert exchange.enter(account=1, side=0, price_ticks=100, qty_lots=1) == 1


def test_a_growth_keeps_the_trades_that_the_ring_held(kernel_path, monkeypatch):
    monkeypatch.setattr(HotBook, "first_orders", 8)
    exchange = LoopedExchange()
    for number in range(1, 20):
        exchange.print_trade(side=0, price_ticks=number, qty_lots=1)
    kept = exchange.tape.recent(100)
    assert [trade.trade_id for trade in kept] == list(range(12, 20))
    while len(exchange.market.trades) < 64:
        exchange.enter(account=1, side=0, price_ticks=1, qty_lots=1)
    assert exchange.tape.recent(8) == kept
    exchange.print_trade(side=0, price_ticks=50, qty_lots=1)
    assert [trade.trade_id for trade in exchange.tape.recent(9)] == list(range(12, 21))
    exchange._check()


def test_reports_that_nobody_has_fetched_are_delivered_before_they_are_overwritten(kernel_path, monkeypatch):
    """One run in which there are many times more reports than the ring holds."""
    monkeypatch.setattr(HotBook, "first_orders", 8)
    exchange = LoopedExchange()
    reports = exchange.listen(1)
    for number in range(500):
        exchange.send(account=1, side=number & 1, price_ticks=100, qty_lots=1, latency_ns=1 + number // 3)
        exchange.send_cancel_all(account=1, latency_ns=1 + number // 3)
    exchange.settle()
    assert [report.sequence for report in reports] == list(range(1, len(reports) + 1))
    assert len(reports) == 1_000 > 8 * len(exchange.market.reports)


def test_executions_that_nobody_has_seen_are_shown_before_they_are_overwritten(kernel_path, monkeypatch):
    """Many more than the ring holds, without the loop that lets the analytics see them."""
    monkeypatch.setattr(HotBook, "first_orders", 8)
    exchange = LoopedExchange()
    seen: list[int] = []

    def take() -> None:
        seen.extend(trade.trade_id for trade in exchange.tape.since(exchange.market.trades_taken))
        exchange.market.trades_taken = exchange.trade_count

    exchange.take_trades = take
    for _ in range(50):
        exchange.enter(account=1, side=0, price_ticks=100, qty_lots=2)
        exchange.enter(account=2, side=1, price_ticks=100, qty_lots=1)
        exchange.enter(account=3, side=1, price_ticks=100, qty_lots=1)
    exchange.take_trades()
    assert seen == list(range(1, 101))
