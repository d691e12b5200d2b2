"""An exchange that is judged after every request.

Beside it run the list oracle (what should trade), a second book that only sees the published events, and
each owner's reckoning of its orders from the reports alone. `check` compares them all.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from engine.book import ReferenceBook, reconstruct, running_digest
from engine.core.types import Instrument, SelfTrade, TimeInForce
from engine.loop import Loop
from engine.market.exchange import Exchange
from engine.market.ledger import FeeSchedule
from engine.market.orders import ExecutionReport, ReportKind
from engine.market.risk import RiskLimits
from engine.market.tape import Trade
from tests.market.oracle import ListMarket, Outcome

ACCOUNTS = range(4)
"""0 is HISTORY, which may trade with itself."""
KINDS = ReportKind
UNDER_WAY, RESTING, LESS, GONE, REFUSED = STATES = ("under way", "resting", "with less", "gone", "refused")
EDGES: dict[tuple[str, str], str] = {
    (UNDER_WAY, KINDS.ACCEPTED): RESTING,
    (UNDER_WAY, KINDS.PARTIALLY_FILLED): LESS,
    (UNDER_WAY, KINDS.FILLED): GONE,
    (UNDER_WAY, KINDS.CANCELLED): GONE,
    (UNDER_WAY, KINDS.REJECTED): REFUSED,
    (UNDER_WAY, KINDS.REPLACED): UNDER_WAY,
    **{
        (state, kind): after
        for state in (RESTING, LESS)
        for kind, after in (
            (KINDS.PARTIALLY_FILLED, LESS),
            (KINDS.FILLED, GONE),
            (KINDS.CANCELLED, GONE),
            (KINDS.REPLACED, state),
            (KINDS.REPLACE_REJECTED, state),
        )
    },
}
"""The state machine of engine/market/orders.py as its owner sees it: (state, report) -> state. An order
that is accepted rests, though what it trades on arrival is reported in the same instant; one that will not
rest may lose lots to an own order before it trades."""
INSTRUMENT = Instrument("X", Decimal("0.01"), Decimal(1), "USD", 10)


class LoopedExchange(Exchange):
    """An exchange with nobody in it but who the test sends, and the loop that lets time pass there."""

    def __init__(
        self,
        limits: RiskLimits = RiskLimits(),  # noqa: B008 - an immutable tuple
        fees: FeeSchedule = FeeSchedule(),  # noqa: B008
        accounts: int = 32,
    ) -> None:
        super().__init__(instrument=INSTRUMENT, fees=fees, limits=limits, accounts=accounts)
        self.loop = Loop(self)

    def settle(self, ns: int = 1_000) -> None:
        """Lets time pass."""
        self.loop.run_until(self.kernel.now_ns + ns)
        self._check()

    def listen(self, account: int) -> list[ExecutionReport]:
        """What the account hears from now on."""
        reports: list[ExecutionReport] = []
        self.hear(account, reports.append)
        return reports


class Sent(NamedTuple):
    """An order as it was sent."""

    account: int
    side: int
    lots: int


class CheckedMarket:
    """Requests as on the exchange, with `check` after each.

    Orders to change are picked by number among those that rest.
    """

    def __init__(self) -> None:
        self.exchange = LoopedExchange(fees=FeeSchedule(maker_ppm=-7, taker_ppm=20), accounts=len(ACCOUNTS))
        self.book = self.exchange.book
        self.log = self.exchange.log
        self.ledger = self.exchange.ledger
        self.trades: list[Trade] = []
        self.reports: dict[int, list[ExecutionReport]] = {account: [] for account in ACCOUNTS}
        for account in ACCOUNTS:
            self.exchange.hear(account, self.reports[account].append)
        self.oracle = ListMarket()
        self.replica = ReferenceBook()
        self.events: list[np.ndarray] = []
        self.orders: dict[int, Sent] = {}
        self.expected_lots: dict[int, int] = {}
        """Open lots of each order by its owner's reckoning: from its reports and its own requests."""
        self.ordered_lots: dict[int, int] = {}
        """Quantity of each order, as ordered and changed since."""
        self.filled_lots: Counter[int] = Counter()
        self.states: dict[int, str] = {}
        """By its owner's reckoning, too."""
        self.edges: Counter[tuple[str, str]] = Counter()
        """Edges of the state machine that were taken."""
        self.reports_read = dict.fromkeys(ACCOUNTS, 0)

    def submit(
        self,
        account: int,
        side: int,
        price: int,
        lots: int,
        tif: TimeInForce,
        mode: SelfTrade = SelfTrade.CANCEL_MAKER,
    ) -> int:
        """An order that arrives; its id."""
        order_id = len(self.orders) + 1
        self.orders[order_id] = Sent(account, side, lots)
        self.expected_lots[order_id] = self.ordered_lots[order_id] = lots
        self.states[order_id] = UNDER_WAY
        self._pass_time()
        events, trades = self.log.count, len(self.trades)
        given = self.exchange.enter(
            account=account, side=side, price_ticks=price, qty_lots=lots, time_in_force=tif, self_trade=mode
        )
        assert given == order_id
        outcome = self.oracle.submit(order_id, account, side, price, lots, tif, mode)
        for reduced, lost in (*outcome.reduced, (order_id, outcome.lost)):
            self.ordered_lots[reduced] -= lost
        self.check()
        self._compare_fills(order_id, outcome, trades)
        traded = sum(trade.qty_lots for trade in self.trades[trades:])
        if outcome.rejected:
            assert self.states[order_id] == REFUSED
            assert self.log.count == events, "a rejected order changed the book"
        elif outcome.rests:
            assert self.states[order_id] == (LESS if traded else RESTING)
        else:
            assert self.states[order_id] == GONE
            last = self.last_report(order_id)
            assert last.kind == (KINDS.CANCELLED if outcome.left else KINDS.FILLED)
            assert (last.reason == "self_trade_prevented") is outcome.prevented
        if tif == TimeInForce.FOK:
            assert traded in (0, lots), "a fill-or-kill order traded in part"
        if tif == TimeInForce.POST_ONLY:
            assert traded == 0, "a post-only order traded on arrival"
        return order_id

    def cancel(self, pick: int, lots: int) -> None:
        """Cancels lots (0 = all) of an order that rests."""
        self._pass_time()
        order_id = self._pick(pick)
        resting = self.oracle.find(order_id).lots
        self.exchange.cancel_now(account=self.orders[order_id].account, order_id=order_id, qty_lots=lots)
        if 0 < lots < resting:
            self.expected_lots[order_id] -= lots
            self.ordered_lots[order_id] -= lots
            assert self.last_report(order_id).kind == KINDS.REPLACED
        else:
            assert self.last_report(order_id).reason == "by_owner"
        self.oracle.cancel(order_id, lots)
        self.check()

    def replace(self, pick: int, price: int, lots: int) -> None:
        """Gives an order that rests another price and open quantity."""
        self._pass_time()
        order_id = self._pick(pick)
        digest, trades = self.log.digest, len(self.trades)
        self.exchange.replace_now(
            account=self.orders[order_id].account, order_id=order_id, price_ticks=price, qty_lots=lots
        )
        resting = self.oracle.find(order_id).lots
        outcome = self.oracle.replace(order_id, price, lots)
        if outcome is not None:
            self.ordered_lots[order_id] += lots - resting
        self.check()
        if outcome is None:
            assert self.log.digest == digest
            assert self.last_report(order_id).kind == KINDS.REPLACE_REJECTED
        else:
            self._compare_fills(order_id, outcome, trades)

    def cancel_all(self, account: int) -> None:
        """Cancels what an account has resting."""
        self._pass_time()
        for order_id, order in self.exchange.open_orders(account).items():
            self.exchange.cancel_now(account=account, order_id=order_id, qty_lots=order.remaining_lots)
            self.oracle.cancel(order_id, 0)
        assert not self.exchange.open_order_count(account)
        self.check()

    def touch_what_is_not_there(self, order_id: int) -> None:
        """Requests for what does not rest, and for what belongs to another."""
        before = self.log.digest, self.log.count
        others = [(order.account, order.order_id) for order in self.oracle.orders[:1]]
        for account, target in [(1, order_id), *(((account + 1) % 4, owned) for account, owned in others)]:
            self.exchange.cancel_now(account=account, order_id=target)
            self.exchange.replace_now(account=account, order_id=target, price_ticks=100, qty_lots=1)
            refusal = self.reports[account][-1]
            assert (refusal.kind, refusal.reason) == (KINDS.REPLACE_REJECTED, "unknown_order")
            self._note_report(account, refusal)
        assert (self.log.digest, self.log.count) == before
        self.check()

    def last_report(self, order_id: int) -> ExecutionReport:
        """The last that was heard of an order."""
        reports = self.reports[self.orders[order_id].account]
        return next(report for report in reversed(reports) if report.order_id == order_id)

    def check(self) -> None:
        """Everything that must hold after each request."""
        self.trades += self.exchange.tape.since(len(self.trades))
        self.exchange._check()
        self._the_book_is_the_one_that_the_events_build()
        self._every_queue_is_that_of_the_oracle()
        self._every_trade_is_booked()
        self._reports_tell_the_whole_story_without_gaps()
        self._live_orders_are_exactly_those_in_the_book()

    def finish(self) -> None:
        """What is compared once: a book built from the whole log, its digest, and the fees."""
        events = np.concatenate([self.log.since(self.log.count), *self.events])
        assert len(events) == self.log.count
        assert running_digest(events) == self.log.digest
        rebuilt = reconstruct(events)
        assert rebuilt is not None
        assert rebuilt.digest_at(rebuilt.end) == self.book.digest()
        charged = sum(r.fee for reports in self.reports.values() for r in reports)
        assert charged == sum(entry.fees for entry in self.ledger.accounts().values())

    def _pass_time(self) -> None:
        self.exchange.market.now_ns += 1

    def _pick(self, number: int) -> int:
        return self.oracle.orders[number % len(self.oracle.orders)].order_id

    def _compare_fills(self, taker: int, outcome: Outcome, trades_before: int) -> None:
        account, side, _ = self.orders[taker]
        trades = self.trades[trades_before:]
        expected = [
            (self.orders[maker].account, account, price, lots) for maker, price, lots in outcome.fills
        ]
        assert [(t.maker, t.aggressor, t.price_ticks, t.qty_lots) for t in trades] == expected
        assert all(t.aggressor_side == side and t.time_ns == self.exchange.market.now_ns for t in trades)
        for order_id in outcome.self_cancelled:
            assert self.last_report(order_id).kind == KINDS.CANCELLED
            assert self.last_report(order_id).reason == "self_trade_prevented"
        for order_id, _ in outcome.reduced:
            assert self.last_report(order_id).kind == KINDS.REPLACED
            assert self.last_report(order_id).reason == "self_trade_prevented"
        fills = [r for r in self.reports[account] if r.order_id == taker and not r.is_maker and r.trade_id]
        assert [r.trade_id for r in fills[len(fills) - len(trades) :]] == [t.trade_id for t in trades]

    def _the_book_is_the_one_that_the_events_build(self) -> None:
        fresh = self.log.since(sum(map(len, self.events)))
        self.replica.apply(fresh)
        self.events.append(fresh)
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
                queue = [(i, self._lots(i)) for i in self.book.orders_at(side, price)]
                assert queue == self.oracle.queue(side, price)

    def _lots(self, order_id: int) -> int:
        found = self.book.order(order_id)
        assert found is not None
        return found[2]

    def _every_trade_is_booked(self) -> None:
        traded = sum(trade.qty_lots for trade in self.trades)
        assert sum(e.bought_lots for e in self.ledger.accounts().values()) == traded
        assert [trade.trade_id for trade in self.trades] == list(range(1, len(self.trades) + 1))

    def _live_orders_are_exactly_those_in_the_book(self) -> None:
        live = {i: order for account in ACCOUNTS for i, order in self.exchange.open_orders(account).items()}
        assert len(live) == self.book.order_count
        for order_id, order in live.items():
            sent = self.orders[order_id]
            assert (order.account, order.side) == (sent.account, sent.side)
            assert order.qty_lots == self.ordered_lots[order_id]
            assert self.book.order(order_id) == (order.side, order.price_ticks, order.remaining_lots)
            assert self.exchange.order(order_id) == order
        resting = {i: self.expected_lots[i] for i, state in self.states.items() if state in (RESTING, LESS)}
        assert resting == {order_id: order.remaining_lots for order_id, order in live.items()}

    def _reports_tell_the_whole_story_without_gaps(self) -> None:
        for account, reports in self.reports.items():
            for report in reports[self.reports_read[account] :]:
                self._note_report(account, report)
                self._follow(report)

    def _note_report(self, account: int, report: ExecutionReport) -> None:
        self.reports_read[account] += 1
        assert report.sequence == self.reports_read[account]
        assert (report.account, report.time_ns) == (account, self.exchange.market.now_ns)

    def _follow(self, report: ExecutionReport) -> None:
        order_id = report.order_id
        edge = self.states[order_id], report.kind
        assert edge in EDGES, "an edge that is not drawn"
        self.edges[edge] += 1
        self.states[order_id] = EDGES[edge]
        if report.kind in (KINDS.PARTIALLY_FILLED, KINDS.FILLED):
            assert report.filled_lots_last > 0
            assert report.fill_price_ticks > 0
            trade = self.trades[report.trade_id - 1]
            assert report.account == (trade.maker if report.is_maker else trade.aggressor)
            assert (report.fill_price_ticks, report.filled_lots_last) == (trade.price_ticks, trade.qty_lots)
            assert report.is_maker is (report.side != trade.aggressor_side)
            self.expected_lots[order_id] -= report.filled_lots_last
            self.filled_lots[order_id] += report.filled_lots_last
        else:
            assert (report.filled_lots_last, report.fill_price_ticks, report.fee) == (0, 0, 0)
            assert (report.trade_id, report.is_maker) == (0, False)
        if report.kind == KINDS.REPLACED:
            self.expected_lots[order_id] = report.remaining_lots
        if report.kind != KINDS.CANCELLED:
            assert (report.remaining_lots == 0) is (report.kind == KINDS.FILLED)
        ends_with_reason = (KINDS.CANCELLED, KINDS.REJECTED, KINDS.REPLACE_REJECTED)
        if report.kind != KINDS.REPLACED or report.reason != "self_trade_prevented":
            assert (report.reason != "") is (report.kind in ends_with_reason)
        assert report.remaining_lots == self.expected_lots[order_id]
        assert report.qty_lots - report.remaining_lots == self.filled_lots[order_id]
        assert report.side == self.orders[order_id].side
