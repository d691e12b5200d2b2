"""The score of all bots: who tells it what, its samples, its state.

    broker, boundary   witness (hearing.py)
    session            open_account take_report take_command take_word take_breach attend
    storm deck         take_storm
    readers            cards statistics

Fills are taken in at the end of the happening that made them (`attend`), so the mid before them can be read
off the book, and nothing depends on how time is sliced. While an account is scored, every SAMPLE_NS of
session time a callback takes mark-outs, quotes, highs and lows. All else is O(1) per request, message or
fill.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

import msgspec

from engine.agents.demo_maker import START_EQUITY_MICRO
from engine.broker.broker import Broker
from engine.core.clock import NS_PER_MS
from engine.core.target_sample import SampleFlag, is_ledgers
from engine.core.types import ALL_ACCOUNTS, Account, Command, CommandKind, Side
from engine.market.exchange import Exchange
from engine.market.orders import ExecutionReport, Reason, ReportKind
from engine.scenarios.loader import Thresholds
from engine.score.bot import Bot, Present
from engine.score.card import BotCard
from engine.score.hearing import BotWitness
from engine.score.judgement import Limits, limits_of
from engine.score.split import MARK_OUT_NS, Arrival, mid_before
from engine.score.tally import is_near
from engine.score.windows import SILENCING, WINDOWS_KEPT, Windows
from engine.storms.catalogue import entry_of
from engine.storms.deck import StormLogEntry

__all__ = ["MARK_OUTS_LIMIT", "SAMPLE_NS", "Score"]

SAMPLE_NS = 100 * NS_PER_MS
MARK_OUTS_LIMIT = 65_536
"""Fills that wait for their mark-out; further ones get none (counted)."""
_TARGET = int(Account.TARGET)
_FILLS = (ReportKind.FILLED, ReportKind.PARTIALLY_FILLED)
_ENDS_AT_ONCE = (Reason.NO_LIQUIDITY, Reason.IOC_REMAINDER)


class _MarkOut(NamedTuple):
    """A fill whose mark-out is to come."""

    due_ns: int
    account: int
    signed_lots: int
    price_ticks: int
    twice_mid: int


class Score:
    """The score cards of one session."""

    owner_key = "score"

    def __init__(self, exchange: Exchange, broker: Broker, thresholds: Thresholds) -> None:
        self._exchange = exchange
        self._broker = broker
        self._thresholds = thresholds
        self._bots: dict[int, Bot] = {}
        self._windows = Windows()
        self.witness = BotWitness(broker, exchange.kernel, self._bots, self._windows)
        """Hears what goes through broker and boundary."""
        self._silenced_until_ns = 0
        """Until then requests may have failed before they came here."""
        self._reports: list[ExecutionReport] = []
        """Fills of this happening."""
        self._mark_outs: deque[_MarkOut] = deque()
        self._not_marked_out = 0
        self._targets: dict[int, int] = {0: _TARGET}
        """Targets that say something of themselves, by number: their accounts."""
        self._limits: dict[int, Limits] = {}
        """Of the verdict, by account; they follow from the rest."""
        self._is_sampling = False

    # -- session ---------------------------------------------------------------------------------------

    def open_account(self, number: int, label: str) -> None:
        """A bot's account is opened at the venue."""
        bot = self._bot(number)
        if bot.start_quote is not None:
            return
        balances = self._broker.balances(number)
        bot.name = label
        bot.start_quote = 0 if balances is None else balances.quote_micro
        self._limits.pop(number, None)

    def take_report(self, report: ExecutionReport) -> None:
        """An execution report to a bot; fills wait for `attend`."""
        bot = self._bot(report.account)
        if report.kind in _FILLS:
            self._reports.append(report)
        elif report.kind == ReportKind.REPLACED:
            bot.take_replace(report.order_id)
        if bot.start_quote is None:
            _count_order(bot, report)

    def attend(self) -> None:
        """The happening is over, the book is as it left it: takes in its fills."""
        if not self._reports:
            return
        reports, self._reports = self._reports, []
        exchange, now_ns = self._exchange, self._now_ns
        arrival: Arrival | None = None
        for report in reports:
            arrival = mid_before(exchange, report.trade_id, arrival)
            twice_mid = arrival.twice_mid
            if twice_mid is None:
                twice_mid = 2 * report.fill_price_ticks
            self._take_fill(report, twice_mid)
        twice_mark = exchange.mark_twice_ticks
        for account in dict.fromkeys(report.account for report in reports):
            self._bots[account].tally.look(now_ns, twice_mark)

    def take_command(self, command: Command) -> None:
        """A request of the native order API: TARGET without the broker."""
        if command.account != _TARGET:
            return
        tally = self._bot(_TARGET).tally
        tally.requests += 1
        if command.kind in (CommandKind.SUBMIT, CommandKind.REPLACE):
            self._bots[_TARGET].rhythm.beat(self._now_ns)

    def take_word(self, sample: Command) -> None:
        """A TARGET_SAMPLE: a target's word on its own equity, or the ledger's, which says whose it is."""
        if is_ledgers(sample):
            self._targets[sample.side] = sample.account
            return
        bot = self._bots.get(self._targets.get(sample.side, -1))
        if bot is not None and sample.flags & SampleFlag.VALID:
            bot.tally.take_report(sample.a, bot.tally.split.pnl(self._exchange.mark_twice_ticks))

    def _take_fill(self, report: ExecutionReport, twice_mid: int) -> None:
        bot = self._bots[report.account]
        lots = report.filled_lots_last
        signed = lots if report.side == Side.BID else -lots
        price_ticks = report.fill_price_ticks
        bot.tally.split.take_fill(signed, price_ticks, twice_mid, report.fee, is_maker=report.is_maker)
        if len(self._mark_outs) >= MARK_OUTS_LIMIT:
            self._not_marked_out += 1
            return
        due_ns = self._now_ns + MARK_OUT_NS
        self._mark_outs.append(_MarkOut(due_ns, report.account, signed, price_ticks, twice_mid))

    def _bot(self, account: int) -> Bot:
        bot = self._bots.get(account)
        if bot is None:
            bot = self._bots[account] = Bot(account, "bot", start_millionths=START_EQUITY_MICRO)
            for window in self._windows.running():
                bot.enter_window(window.number, self._exchange.mark_twice_ticks)
            if not self._is_sampling:
                self._is_sampling = True
                self._schedule_sample()
        return bot

    # -- storms and samples ----------------------------------------------------------------------------

    def take_storm(self, entry: StormLogEntry) -> None:
        """A storm or fault begins or ends."""
        name, bots = entry_of(entry.kind).name, self._bots.values()
        twice_mark = self._exchange.mark_twice_ticks if bots else 0
        if not entry.started:
            ended = self._windows.end(name, entry.time_ns)
            for bot in bots:
                resting = self._exchange.open_orders(bot.account)
                bot.leave_window(0 if ended is None else ended.number, twice_mark, resting)
            return
        begun, forgotten = self._windows.begin(name, entry.severity, entry.time_ns)
        for bot in bots:
            bot.enter_window(begun.number, twice_mark, self._exchange.open_orders(bot.account))
            if forgotten is not None:
                bot.reactions.pop(forgotten, None)

    def take_breach(self, account: int, time_ns: int, guard: str) -> None:
        """The gate has latched an account; those that are no bots' are passed over."""
        if account == ALL_ACCOUNTS:
            for bot in self._bots.values():
                bot.take_breach(time_ns, guard)
        elif account == _TARGET or account in self._bots:
            self._bot(account).take_breach(time_ns, guard)

    def _schedule_sample(self) -> None:
        next_ns = (self._now_ns // SAMPLE_NS + 1) * SAMPLE_NS
        self._exchange.kernel.schedule(next_ns, self._sample, None)

    def _sample(self, now_ns: int, _payload: None) -> None:
        self._schedule_sample()
        twice_mark = self._exchange.mark_twice_ticks
        mark_outs = self._mark_outs
        while mark_outs and mark_outs[0].due_ns <= now_ns:
            due = mark_outs.popleft()
            split = self._bots[due.account].tally.split
            split.take_mark_out(due.signed_lots, due.price_ticks, due.twice_mid, twice_mark)
        if any(window.name in SILENCING for window in self._windows.running()):
            self._silenced_until_ns = now_ns
        for bot in self._bots.values():
            bot.tally.take_quotes(is_quoting=self._is_quoting(bot.account))
            bot.tally.look(now_ns, twice_mark)
            self._look_at_windows(bot, now_ns, twice_mark)

    def _look_at_windows(self, bot: Bot, now_ns: int, twice_mark: int) -> None:
        last_ns = max(bot.rhythm.last_ns, self._silenced_until_ns)
        for number, reaction in bot.reactions.items():
            window = self._windows.by_number[number]
            if window.ended_ns < 0:
                reaction.look_for_pause(now_ns, last_ns, window.at_ns)
            elif reaction.recovered_ns < 0:
                pnl, is_quoting = bot.tally.split.pnl(twice_mark), bot.tally.is_quoting
                reaction.look_for_recovery(now_ns, window.ended_ns, pnl, is_quoting=is_quoting)

    def _is_quoting(self, account: int) -> bool:
        exchange = self._exchange
        if exchange.open_order_count(account) < 2:
            return False
        twice_mid = exchange.twice_mid_ticks
        if twice_mid is None:
            return False
        sides = {
            order.side
            for order in exchange.open_orders(account).values()
            if is_near(order.price_ticks, twice_mid)
        }
        return len(sides) == 2

    # -- readers ---------------------------------------------------------------------------------------

    def cards(self) -> tuple[BotCard, ...]:
        """As things stand, by account."""
        if not self._bots:
            return ()
        exchange, broker = self._exchange, self._broker
        present = Present(
            self._now_ns, exchange.mark_twice_ticks, exchange.instrument, self._windows.by_number
        )
        return tuple(
            bot.card(
                present,
                self._limits_of(bot),
                exchange.open_order_count(account),
                lambda account=account: broker.open_orders(account),  # type: ignore[misc]
            )
            for account, bot in sorted(self._bots.items())
        )

    def _limits_of(self, bot: Bot) -> Limits:
        limits = self._limits.get(bot.account)
        if limits is None:
            instrument = self._exchange.instrument
            limits = limits_of(self._thresholds, bot.start(instrument), instrument)
            self._limits[bot.account] = limits
        return limits

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        pictures = [bot.picture.statistics() for bot in self._bots.values()]
        return {
            "bots": len(self._bots),
            "mark_outs": len(self._mark_outs),
            "mark_outs_limit": MARK_OUTS_LIMIT,
            "not_marked_out": self._not_marked_out,
            "windows": len(self._windows.by_number),
            "windows_limit": WINDOWS_KEPT,
            "windows_forgotten": self._windows.count - len(self._windows.by_number),
            "astray": sum(one["astray"] for one in pictures),
            "astray_forgotten": sum(one["astray_forgotten"] for one in pictures),
        }

    @property
    def _now_ns(self) -> int:
        return self._exchange.kernel.now_ns

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that an image needs, between two instants."""
        self.attend()  # what was entered from outside the loop: the book is still as that left it
        return {
            "bots": msgspec.to_builtins(list(self._bots.values())),
            "windows": self._windows.state(),
            "counts": [self._silenced_until_ns, self._not_marked_out],
            "mark_outs": [list(one) for one in self._mark_outs],
            "targets": [list(item) for item in self._targets.items()],
            "sampling": self._is_sampling,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        bots = msgspec.convert(state["bots"], list[Bot], str_keys=True)
        self._bots.clear()  # the witness knows this very table
        self._bots.update((bot.account, bot) for bot in bots)
        self._windows.restore(state["windows"])
        self._silenced_until_ns, self._not_marked_out = state["counts"]
        self._mark_outs = deque(_MarkOut(*one) for one in state["mark_outs"])
        self._targets = dict(state["targets"])
        self._is_sampling = state["sampling"]


def _count_order(bot: Bot, report: ExecutionReport) -> None:
    """Orders of an account without the broker, by what the market says of them: those that may rest are
    accepted first, the others trade or end on arrival."""
    number, tally = report.order_id, bot.tally
    if report.kind == ReportKind.REPLACED:
        tally.counted_order = number
    is_first = report.kind == ReportKind.ACCEPTED or (
        number != tally.counted_order
        and not report.is_maker
        and (report.kind in _FILLS or report.reason in _ENDS_AT_ONCE)
    )
    if is_first:
        tally.counted_order = number
        tally.count_orders(1, report.qty_lots)
