"""The exchange: one instrument's market, for Python (stop 3 on the data path).

It owns the memory that the kernels work on (records.py): it makes the tables, grows them when an entry
has no room, and reads results out of them. What an order goes through stands in actions.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from engine.arena.layout import Record, Table
from engine.arena.machine import live
from engine.arena.memory import Arena, Rows
from engine.arena.wordmap import MapEntry
from engine.book.hot import HotBook
from engine.book.interface import EventArray
from engine.book.kernels import Count, Event
from engine.core.errors import DataError
from engine.core.types import Account, Instrument, SelfTrade, TimeInForce
from engine.market import entries
from engine.market.checks import check_market
from engine.market.kernel import QUEUE_LIMIT, Kernel
from engine.market.ledger import FeeSchedule, Ledger
from engine.market.orders import REASON_CODES, ExecutionReport, Order
from engine.market.records import (
    AccountRow,
    Due,
    Guard,
    HeapEntry,
    Hearing,
    Market,
    MarketReader,
    Message,
    OrderRow,
    ReportRow,
    Ticket,
    TradeRow,
)
from engine.market.risk import GAPS_KEPT, GUARDS, RiskGate, RiskLimits
from engine.market.tape import EVENTS_KEPT, EventLog, Trade, TradeTape, take_reports

__all__ = ["RECENT_TRADES", "VOLUME_PRICES", "Exchange"]

RECENT_TRADES = 200
"""Trades kept for the tape."""
VOLUME_PRICES = 16_384
"""Prices with remembered volume; the price seen first is forgotten first (counted)."""
EVENT_TYPES = 32
_LAST_SELF_TRADE = int(max(SelfTrade))

_R = TypeVar("_R", bound=Record)


class Exchange(MarketReader):
    """Order entry, market data and accounts of one instrument.

    Market data    best_bid best_ask twice_mid_ticks last_price_ticks mark_twice_ticks depth book log tape
    Order entry    send send_cancel send_cancel_all send_replace and, at this moment, enter cancel_now
                   enter_cancel_all replace_now print_trade
    Accounts       ledger gate open_orders order set_fees hear hear_no_more
    Attention      hear(acts=True) set_triggers on_attention
    """

    first_messages = 2 * entries.SPARE_MESSAGES
    """Slots for messages and heap entries to begin with."""

    def __init__(
        self,
        *,
        instrument: Instrument,
        fees: FeeSchedule,
        limits: RiskLimits = RiskLimits(),  # noqa: B008 - an immutable tuple
        accounts: int = int(Account.FIRST_AGENT),
    ) -> None:
        self.instrument = instrument
        super().__init__(Arena())
        self.book = HotBook(self.arena)
        self._make_tables(accounts)
        self._accounts = range(accounts)
        for account in self._accounts:
            self.set_fees(account, fees)
        market = self.market
        market.instrument_id = instrument.instrument_id
        self.ledger = Ledger(self.arena)
        self.gate = RiskGate(self.arena, limits)
        self.log = EventLog(self.arena)
        self.tape = TradeTape(self.arena)
        self.kernel = Kernel(self.arena, self._schedule)
        self._listeners: dict[int, Callable[[ExecutionReport], None]] = {}
        self.take_trades: Callable[[], None] = self._drop_trades
        """Lets the analytics see the executions since the last call."""
        self.on_attention: Callable[[], None] = _do_nothing
        """Acts in the instant of a report to an account that acts, or of an execution beyond a trigger; it is
        called again while what it does calls for attention itself."""
        self.detect: Callable[[], None] = _do_nothing
        """Lets the detectors see the events since the last call."""
        self._watcher: Callable[[EventArray], None] | None = None

    # -- market data that everybody may see ------------------------------------------------------------

    @property
    def best_bid(self) -> int | None:
        """Best bid price in ticks."""
        return live(entries.best_price_of)(self.arena.address("market"), 0) or None

    @property
    def best_ask(self) -> int | None:
        """Best ask price in ticks."""
        return live(entries.best_price_of)(self.arena.address("market"), 1) or None

    @property
    def twice_mid_ticks(self) -> int | None:
        """Best bid + best ask; None while a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else bid + ask

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade."""
        return self.market.last_price_ticks or None

    @property
    def mark_twice_ticks(self) -> int:
        """Twice the price at which positions are valued: mid, else last trade, else 0."""
        twice = self.twice_mid_ticks
        return 2 * self.market.last_price_ticks if twice is None else twice

    @property
    def trade_count(self) -> int:
        """Executions and historical prints so far."""
        return self.market.trade_count

    def recent_trades(self) -> list[Trade]:
        """The last executions, oldest first."""
        return self.tape.recent(RECENT_TRADES)

    def orders_sent(self, account: int) -> int:
        """Orders that an account has sent so far."""
        return self.market.accounts[account].orders_sent

    def count_order(self, account: int) -> None:
        """Counts an order among those that an account has sent: `enter` leaves that to whose order it is."""
        self.market.accounts[account].orders_sent += 1

    # -- orders ----------------------------------------------------------------------------------------

    def send(
        self,
        *,
        account: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        time_in_force: int = TimeInForce.GTC,
        latency_ns: int = 1,
        client_id: int = 0,
    ) -> int:
        """Send an order that arrives latency_ns from now; price 0 = market. Returns its order id."""
        assert latency_ns > 0
        assert account in self._accounts
        return self._enter(
            entries.send_order,
            account,
            side,
            price_ticks,
            qty_lots,
            int(time_in_force),
            latency_ns,
            client_id,
        )

    def send_cancel(
        self, *, account: int, order_id: int = 0, client_id: int = 0, latency_ns: int = 1, qty_lots: int = 0
    ) -> None:
        """Ask to cancel one's order, named by its id or the owner's own (or qty_lots of it); gone or
        somebody else's: nothing happens."""
        self._request(Due.CANCEL, account, order_id, client_id, 0, qty_lots, latency_ns)

    def send_cancel_all(self, *, account: int, latency_ns: int = 1) -> None:
        """Ask to cancel all that the account has resting when the request arrives."""
        self._request(Due.CANCEL_ALL, account, 0, 0, 0, 0, latency_ns)

    def send_replace(
        self,
        *,
        account: int,
        price_ticks: int,
        qty_lots: int,
        order_id: int = 0,
        client_id: int = 0,
        latency_ns: int = 1,
    ) -> None:
        """Ask to replace price and open quantity of one's order."""
        self._request(Due.REPLACE, account, order_id, client_id, price_ticks, qty_lots, latency_ns)

    def enter(
        self,
        *,
        account: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        time_in_force: int = TimeInForce.GTC,
        client_id: int = 0,
        self_trade: int = SelfTrade.CANCEL_MAKER,
    ) -> int:
        """An order that arrives at this very moment (a recorded fact has no latency). Returns its id."""
        assert account in self._accounts
        assert 0 <= self_trade <= _LAST_SELF_TRADE
        order_id = self._enter(
            entries.enter_order,
            account,
            side,
            price_ticks,
            qty_lots,
            int(time_in_force),
            client_id,
            int(self_trade),
        )
        self.deliver_reports()
        return order_id

    def cancel_now(self, *, account: int, order_id: int, qty_lots: int = 0) -> int:
        """A cancel (of qty_lots; 0 = all) of an own order that arrives at this very moment. Returns the
        lots that it removed; 0: no such order rests."""
        return self._enter_request(Due.CANCEL, account, order_id, 0, qty_lots)

    def enter_cancel_all(self, account: int) -> int:
        """A cancel of all that the account has resting, at this very moment. Returns how many orders."""
        return self._enter_request(Due.CANCEL_ALL, account, 0, 0, 0)

    def replace_now(self, *, account: int, order_id: int, price_ticks: int, qty_lots: int) -> bool:
        """A replace of an own order that arrives at this very moment. Returns whether it took effect."""
        return self._enter_request(Due.REPLACE, account, order_id, price_ticks, qty_lots) != 0

    def print_trade(self, *, side: int, price_ticks: int, qty_lots: int) -> None:
        """Publish a historical trade that touched none of our book's orders (side = resting side)."""
        self._enter(entries.print_trade, side, price_ticks, qty_lots)

    def order(self, order_id: int) -> Order | None:
        """A resting order, or None."""
        slot = self.book.slot(order_id)
        return self._order_at(slot) if slot else None

    def open_orders(self, account: int) -> dict[int, Order]:
        """The account's resting orders by id, oldest first."""
        count = self.open_order_count(account)
        if not count:
            return {}
        rows = np.empty(count, OrderRow.dtype())
        live(entries.list_orders)(self.market.address, account, rows.ctypes.data, count)
        return {row[0]: Order(*row) for row in rows.tolist()}

    def open_order_count(self, account: int) -> int:
        """How many orders the account has resting."""
        accounts = self.market.accounts
        return accounts[account].open_orders if account < len(accounts) else 0

    def set_fees(self, account: int, fees: FeeSchedule) -> None:
        """From now on the account's executions cost it these fees; before, those of the exchange."""
        row = self.market.accounts[account]
        row.maker_ppm, row.taker_ppm = fees

    def hear(self, account: int, listener: Callable[[ExecutionReport], None], *, acts: bool = False) -> None:
        """From now on, tell the listener what becomes of the account's orders.

        It hears when the loop comes back, so when it hears depends on the slicing: it may keep or pass on
        what it hears, and never acts on the market.

        With `acts`, the loop comes back at once: all listeners hear after the very happening in which the
        account was reported to (an arrival with all that it trades, a callback), then `on_attention` is
        called, still at that instant and before anything else happens. That is where to act; the listener
        itself still only keeps what it hears, because a request made at this moment (`enter`, `cancel_now`)
        is reported while it is being made.
        """
        self.market.accounts[account].hears = int(Hearing.AT_ONCE if acts else Hearing.REPORTS)
        self._listeners[account] = listener

    def hear_no_more(self, account: int) -> None:
        """From now on nobody is told what becomes of the account's orders."""
        self.deliver_reports()
        self.market.accounts[account].hears = int(Hearing.NOTHING)
        self._listeners.pop(account, None)

    def set_triggers(self, above_ticks: int, below_ticks: int) -> None:
        """From now on every execution or print at or above the one price, or at or below the other, has
        `on_attention` called as a report to an account that acts does; 0 = no such price."""
        assert above_ticks >= 0 <= below_ticks
        self.market.trigger_above_ticks, self.market.trigger_below_ticks = above_ticks, below_ticks

    def deliver_reports(self) -> None:
        """Hands the reports that have come up to their listeners."""
        for report in take_reports(self.arena, self.market):
            self._listeners[report.account](report)

    def statistics(self) -> dict[str, dict[str, int]]:
        """Fill and drops of everything that is bounded here."""
        market = self.market
        return {
            "gate": self.gate.statistics(),
            "matching": {"live_orders": self.book.order_count, "trades": market.trade_count},
            "events": self.log.statistics(),
            "messages": {"live": market.live_messages, "room": len(market.messages) - 1},
            "volume_prices": {
                "kept": market.volume_last - market.volume_first,
                "limit": VOLUME_PRICES,
                "forgotten": market.volume_first,
            },
        }

    # -- memory ----------------------------------------------------------------------------------------

    def make_room(self) -> None:
        """Grows whatever one more happening might find too short."""
        self.take_trades()
        self.deliver_reports()
        self.hand_over_events()
        self.detect()
        self.book.make_room()
        market = self.market
        self._grow_beside_orders(len(market.book.orders))
        misses_none = self._watcher is not None or market.has_detectors
        if misses_none and len(market.events) < 2 * len(market.tickets):
            market.events = self._grow_ring("events", Event, 2 * len(market.tickets), market.event_count)
        while market.waiting + entries.SPARE_MESSAGES > len(market.heap):
            if market.waiting > QUEUE_LIMIT:
                raise DataError(f"more than {QUEUE_LIMIT} future happenings: an actor schedules without end")
            market.heap = self.arena.grow("heap", HeapEntry, 2 * len(market.heap))
        while market.live_messages + entries.SPARE_MESSAGES >= len(market.messages):
            market.messages = self.arena.grow("messages", Message, 2 * len(market.messages))

    def watch_events(self, watcher: Callable[[EventArray], None] | None) -> None:
        """From now on hands every public event, once and in order, to `watcher`, as arrays of EVENT_DTYPE
        of its own; None: to nobody. The market waits for it and does nothing else."""
        self._watcher = watcher
        self.watch_again()

    def watch_again(self) -> None:
        """After the market's memory has become another's: the watcher hears of what comes from here on."""
        self.market.is_watched = int(self._watcher is not None)
        self.market.events_taken = self.market.event_count

    def hand_over_events(self) -> None:
        """Gives the watcher what has happened since the last time."""
        market = self.market
        if self._watcher is not None and market.events_taken != market.event_count:
            events = self.log.since(market.events_taken)
            market.events_taken = market.event_count
            self._watcher(events)

    def _make_tables(self, accounts: int) -> None:
        new = self.arena.new
        market = new("market", Market)[0]
        market.book = self.book.row
        market.heap = new("heap", HeapEntry, self.first_messages)
        market.messages = new("messages", Message, self.first_messages)
        market.scratch = new("scratch", Message)[0]
        market.accounts = new("accounts", AccountRow, accounts)
        market.guards = new("guards", Guard, GUARDS)
        market.gap_times = new("gap_times", Count, GAPS_KEPT)
        market.refused = new("refused", Count, len(REASON_CODES))
        market.events_by_type = new("events_by_type", Count, EVENT_TYPES)
        market.events = new("events", Event, EVENTS_KEPT)
        orders = len(market.book.orders)
        market.tickets = new("tickets", Ticket, orders)
        market.trades = new("trades", TradeRow, orders)
        market.reports = new("reports", ReportRow, 4 * orders)
        market.volume = new("volume", MapEntry, 2 * VOLUME_PRICES)
        market.volume_order = new("volume_order", Count, VOLUME_PRICES)
        market.first_divergence = new("first_divergence", TradeRow)[0]

    def _grow_beside_orders(self, orders: int) -> None:
        """Brings the tables that are as long as the orders to their length. Rings keep what they hold."""
        market = self.market
        if len(market.tickets) >= orders:
            return
        market.tickets = self.arena.grow("tickets", Ticket, orders)
        market.reports = self.arena.grow("reports", ReportRow, 4 * orders)  # empty: just delivered
        market.trades = self._grow_ring("trades", TradeRow, orders, market.trade_count)

    def _grow_ring(self, name: str, record: type[_R], length: int, count: int) -> Table[_R]:
        """A longer ring, after `count` entries ever; what it holds moves to its new places."""
        kept = self.arena.rows(name).copy()
        table = self.arena.grow(name, record, length)
        rows = self.arena.rows(name)
        for number in range(max(0, count - len(kept)), count):
            rows[number & (length - 1)] = kept[number & (len(kept) - 1)]
        return table

    def _enter(self, entry: Callable[..., int], *arguments: int) -> int:
        """Calls an entry; makes room first where it asks for it."""
        address = self.arena.address("market")
        while (result := live(entry)(address, *arguments)) == entries.NO_ROOM:
            self.make_room()
        return result

    def enter_batch(self, entry: Callable[..., int], rows: Rows, *arguments: int) -> None:
        """Calls an entry (market, rows, start, stop, *arguments) -> next until it is through; makes room as
        it asks."""
        done, address, stop = 0, rows.ctypes.data, len(rows)
        while (done := live(entry)(self.market.address, address, done, stop, *arguments)) < stop:
            self.make_room()

    def _enter_request(self, kind: Due, account: int, *arguments: int) -> int:
        assert account in self._accounts
        done = self._enter(entries.enter_request, int(kind), account, *arguments)
        self.deliver_reports()
        return done

    def _request(self, kind: Due, *arguments: int) -> None:
        assert arguments[0] in self._accounts
        assert arguments[-1] > 0, "latency"
        self._enter(entries.send_request_from, int(kind), *arguments)

    def _schedule(self, time_ns: int, handle: int) -> int:
        # What Python agents do most: spelled out, it is half a microsecond cheaper than `_enter`.
        result = live(entries.schedule_python)(self.arena.address("market"), time_ns, handle)
        if result == entries.NO_ROOM:
            return self._enter(entries.schedule_python, time_ns, handle)
        return result

    def _drop_trades(self) -> None:
        self.market.trades_taken = self.market.trade_count

    def _order_at(self, slot: int) -> Order:
        market = self.market
        row, ticket = market.book.orders[slot], market.tickets[slot]
        level = market.book.levels[row.level]
        return Order(
            order_id=row.order_id,
            account=ticket.account,
            client_id=ticket.client_id,
            side=level.side,
            price_ticks=level.price,
            qty_lots=ticket.qty_lots,
            remaining_lots=row.qty,
            time_in_force=ticket.time_in_force,
        )

    def _check(self) -> None:
        """Verifies every internal invariant. Raises AssertionError."""
        self.book._check()
        self.ledger.check()
        check_market(self.arena)


def _do_nothing() -> None:
    """What happens when nobody acts."""
