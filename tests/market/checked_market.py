"""A matching engine that is judged after every request.

Beside it run the list oracle (what should trade), a second book that only sees the published events, and
each owner's reckoning of its orders from the reports alone. `check` compares them all.
"""

from __future__ import annotations

import numpy as np

from engine.book import HotBook, ReferenceBook
from engine.core.eventlog import EventLog
from engine.core.types import EVENT_DTYPE, TimeInForce
from engine.market.ledger import FeeSchedule, Ledger
from engine.market.matching import MatchingEngine, Trade
from engine.market.orders import ExecutionReport, Order, OrderStatus, ReportKind
from tests.market.oracle import ListMarket, Outcome

ACCOUNTS = range(4)
"""0 is HISTORY, which may trade with itself."""
FINAL = {ReportKind.CANCELLED, ReportKind.FILLED, ReportKind.REJECTED}


class CheckedMarket:
    """Requests as on the engine, with `check` after each.

    Orders to change are picked by number among those that rest.
    """

    def __init__(self) -> None:
        self.events = bytearray()
        self.log = EventLog(1)
        self.log.sink = self.events.extend
        self.book = ReferenceBook()
        self.ledger = Ledger(FeeSchedule(maker_ppm=-7, taker_ppm=20))
        self.engine = MatchingEngine(book=self.book, ledger=self.ledger, log=self.log)
        self.trades: list[Trade] = []
        self.engine.on_trade.append(self.trades.append)
        self.reports: dict[int, list[ExecutionReport]] = {account: [] for account in ACCOUNTS}
        for account in ACCOUNTS:
            self.engine.on_report[account] = self.reports[account].append
        self.oracle = ListMarket()
        self.replica = ReferenceBook()
        self.replica_events = 0
        self.orders: dict[int, Order] = {}
        self.expected_lots: dict[int, int] = {}
        """Open lots of each order by its owner's reckoning: from its reports and its own requests."""
        self.reports_read = dict.fromkeys(ACCOUNTS, 0)
        self.ended: set[int] = set()
        self.now_ns = 0

    def submit(self, account: int, side: int, price: int, lots: int, tif: TimeInForce) -> None:
        self.now_ns += 1
        order = Order(
            order_id=len(self.orders) + 1,
            account=account,
            client_id=0,
            side=side,
            price_ticks=price,
            qty_lots=lots,
            time_in_force=tif,
        )
        self.orders[order.order_id] = order
        self.expected_lots[order.order_id] = lots
        before, events = len(self.trades), self.log.count
        self.engine.submit(self.now_ns, order)
        outcome = self.oracle.submit(order.order_id, account, side, price, lots, tif)
        self._compare_fills(order, outcome, before)
        traded = sum(trade.qty_lots for trade in self.trades[before:])
        if outcome.rejected:
            assert order.status is OrderStatus.REJECTED
            assert self.log.count == events, "a rejected order changed the book"
        elif outcome.rests:
            assert order.status is (OrderStatus.PARTIALLY_FILLED if traded else OrderStatus.OPEN)
        else:
            assert order.status is (OrderStatus.CANCELLED if outcome.left else OrderStatus.FILLED)
        if tif == TimeInForce.FOK:
            assert traded in (0, lots), "a fill-or-kill order traded in part"
        if tif == TimeInForce.POST_ONLY:
            assert traded == 0, "a post-only order traded on arrival"
        self.check()

    def _compare_fills(self, taker: Order, outcome: Outcome, trades_before: int) -> None:
        trades = self.trades[trades_before:]
        expected = [
            (self.orders[maker].account, taker.account, price, lots) for maker, price, lots in outcome.fills
        ]
        assert [(t.maker, t.aggressor, t.price_ticks, t.qty_lots) for t in trades] == expected
        assert all(t.aggressor_side == taker.side for t in trades)
        for order_id in outcome.self_cancelled:
            assert self.orders[order_id].status is OrderStatus.CANCELLED

    def _pick(self, number: int) -> int:
        return self.oracle.orders[number % len(self.oracle.orders)].order_id

    def cancel(self, pick: int, lots: int) -> None:
        self.now_ns += 1
        order_id = self._pick(pick)
        resting = self.oracle.find(order_id).lots
        removed = self.engine.cancel(self.now_ns, order_id, lots)
        assert removed == (lots if 0 < lots < resting else resting)
        if 0 < lots < resting:
            self.expected_lots[order_id] -= lots
        self.oracle.cancel(order_id, lots)
        self.check()

    def replace(self, pick: int, price: int, lots: int) -> None:
        self.now_ns += 1
        order_id = self._pick(pick)
        before = self.log.digest
        trades = len(self.trades)
        replaced = self.engine.replace(self.now_ns, order_id, price_ticks=price, qty_lots=lots)
        outcome = self.oracle.replace(order_id, price, lots)
        assert replaced is (outcome is not None)
        if outcome is None:
            assert self.log.digest == before
        else:
            self._compare_fills(self.orders[order_id], outcome, trades)
        self.check()

    def touch_what_is_not_there(self, order_id: int) -> None:
        before = self.log.digest
        assert self.engine.cancel(self.now_ns, order_id) == 0
        assert not self.engine.replace(self.now_ns, order_id, price_ticks=100, qty_lots=1)
        assert self.log.digest == before

    def check(self) -> None:
        """Everything that must hold after each request."""
        self._the_book_is_the_one_that_the_events_build()
        self._every_queue_is_that_of_the_oracle()
        self._the_book_is_sound_and_never_crossed()
        self._the_ledger_is_balanced()
        self._live_orders_are_exactly_those_in_the_book()
        self._reports_tell_the_whole_story_without_gaps()

    def finish(self) -> None:
        """What is compared once: the hot book over all events, and the fees over all reports."""
        hot = HotBook()
        hot.apply(np.frombuffer(bytes(self.events), EVENT_DTYPE))
        assert hot.digest() == self.book.digest()
        charged = sum(r.fee for reports in self.reports.values() for r in reports)
        assert charged == sum(entry.fees for entry in self.ledger.accounts().values())

    def _the_book_is_the_one_that_the_events_build(self) -> None:
        fresh = np.frombuffer(bytes(self.events), EVENT_DTYPE)[self.replica_events :]
        self.replica.apply(fresh)
        self.replica_events += len(fresh)
        assert self.replica.digest() == self.book.digest()
        for side in (0, 1):
            levels = self.book.levels(side)
            assert self.replica.levels(side) == levels
            for level in levels:
                queue = self.book.orders_at(side, level.price_ticks)
                assert self.replica.orders_at(side, level.price_ticks) == queue

    def _every_queue_is_that_of_the_oracle(self) -> None:
        for side in (0, 1):
            prices = [level.price_ticks for level in self.book.levels(side)]
            assert prices == self.oracle.prices(side)
            for price in prices:
                queue = [(i, self.book.quantity(i)) for i in self.book.orders_at(side, price)]
                assert queue == self.oracle.queue(side, price)

    def _the_book_is_sound_and_never_crossed(self) -> None:
        self.book._check()
        assert not self.book.crossed

    def _the_ledger_is_balanced(self) -> None:
        self.ledger.check()
        traded = sum(trade.qty_lots for trade in self.trades)
        assert sum(e.bought_lots for e in self.ledger.accounts().values()) == traded

    def _live_orders_are_exactly_those_in_the_book(self) -> None:
        live = self.engine.orders
        assert len(live) == self.book.order_count
        for order_id, order in live.items():
            assert self.book.order(order_id) == (order.side, order.price_ticks, order.remaining_lots)
            assert order.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
            assert order.qty_lots >= order.remaining_lots > 0
            assert self.engine.open_orders(order.account)[order_id] is order
        assert sum(len(self.engine.open_orders(account)) for account in ACCOUNTS) == len(live)

    def _reports_tell_the_whole_story_without_gaps(self) -> None:
        for account, reports in self.reports.items():
            for report in reports[self.reports_read[account] :]:
                self.reports_read[account] += 1
                assert report.sequence == self.reports_read[account]
                assert report.account == account
                self._follow(report)
        for order_id, order in self.orders.items():
            is_over = order.status in (OrderStatus.CANCELLED, OrderStatus.FILLED, OrderStatus.REJECTED)
            assert (order_id in self.ended) is is_over
            if not is_over:
                assert self.expected_lots[order_id] == order.remaining_lots

    def _follow(self, report: ExecutionReport) -> None:
        order_id = report.order_id
        assert order_id not in self.ended, "a report after the last one"
        if report.kind in (ReportKind.PARTIALLY_FILLED, ReportKind.FILLED):
            assert report.filled_lots_last > 0
            assert report.fill_price_ticks > 0
            self.expected_lots[order_id] -= report.filled_lots_last
        else:
            assert (report.filled_lots_last, report.fill_price_ticks, report.fee) == (0, 0, 0)
        if report.kind == ReportKind.REPLACED:
            self.expected_lots[order_id] = report.remaining_lots
        if report.kind != ReportKind.CANCELLED:
            assert (report.remaining_lots == 0) is (report.kind == ReportKind.FILLED)
        assert (report.reason != "") is (report.kind in (ReportKind.CANCELLED, ReportKind.REJECTED))
        assert report.remaining_lots == self.expected_lots[order_id]
        if report.kind in FINAL:
            self.ended.add(order_id)
