"""The exchange: one instrument's market and the way into it (stop 3 on the data path).

Every order, from agent, storm, bot, desk or history, takes the same path:

    send ──latency──► arrive ──► risk gate ──► matching ──► book, ledger, event log, reports

Order ids are given at sending, so a sender can cancel before the arrival; ids of orders that nobody
sends do not exist, so a silent actor changes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from engine.book.reference import ReferenceBook
from engine.core.eventlog import EventLog
from engine.core.types import Account, EventType, Instrument, TimeInForce
from engine.market.kernel import Kernel
from engine.market.ledger import FeeSchedule, Ledger
from engine.market.matching import MatchingEngine, Trade
from engine.market.orders import Order, Reason
from engine.market.risk import RiskGate, RiskLimits

__all__ = ["Exchange"]

RECENT_TRADES = 200
"""Trades kept for the tape."""
VOLUME_PRICES = 65_536
"""Prices with remembered volume; the price seen first is forgotten first (counted)."""


class _Cancel(NamedTuple):
    account: int
    order_id: int
    qty_lots: int


class _Replace(NamedTuple):
    account: int
    order_id: int
    price_ticks: int
    qty_lots: int


class Exchange:
    """Order entry, market data and accounts of one instrument."""

    def __init__(
        self,
        *,
        kernel: Kernel,
        instrument: Instrument,
        fees: FeeSchedule,
        limits: RiskLimits = RiskLimits(),  # noqa: B008 - an immutable tuple
    ) -> None:
        self.kernel = kernel
        self.instrument = instrument
        self.book = ReferenceBook()
        self.ledger = Ledger(fees)
        self.log = EventLog(instrument.instrument_id)
        self.gate = RiskGate(limits)
        self.matching = MatchingEngine(book=self.book, ledger=self.ledger, log=self.log)
        self.matching.on_trade.append(self._remember_trade)
        self.orders_sent: dict[int, int] = {}
        """Orders sent so far, by account."""
        self.recent_trades: deque[Trade] = deque(maxlen=RECENT_TRADES)
        self.volume_at_price: dict[int, int] = {}
        self.forgotten_prices = 0
        self._next_order_id = 0

    # -- market data that everybody may see ------------------------------------------------------------

    @property
    def best_bid(self) -> int | None:
        """Best bid price in ticks."""
        return self.book.best_bid

    @property
    def best_ask(self) -> int | None:
        """Best ask price in ticks."""
        return self.book.best_ask

    @property
    def twice_mid_ticks(self) -> int | None:
        """Best bid + best ask; None while a side is empty."""
        bid, ask = self.book.best_bid, self.book.best_ask
        return None if bid is None or ask is None else bid + ask

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade."""
        return self.recent_trades[-1].price_ticks if self.recent_trades else None

    @property
    def mark_twice_ticks(self) -> int:
        """Twice the price at which positions are valued: mid, else last trade, else 0."""
        twice = self.twice_mid_ticks
        if twice is not None:
            return twice
        last = self.last_price_ticks
        return 0 if last is None else 2 * last

    # -- order entry -----------------------------------------------------------------------------------

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
        self._next_order_id += 1
        order = Order(
            order_id=self._next_order_id,
            account=account,
            client_id=client_id,
            side=side,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            time_in_force=time_in_force,
        )
        self.orders_sent[account] = self.orders_sent.get(account, 0) + 1
        self.kernel.schedule(self.kernel.now_ns + latency_ns, self._order_arrives, order)
        return order.order_id

    def enter(
        self,
        *,
        account: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        time_in_force: int = TimeInForce.GTC,
    ) -> int:
        """An order that arrives at this very moment (a recorded fact has no latency). Returns its id."""
        self._next_order_id += 1
        order = Order(
            order_id=self._next_order_id,
            account=account,
            client_id=0,
            side=side,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            time_in_force=time_in_force,
        )
        self._order_arrives(self.kernel.now_ns, order)
        return order.order_id

    def send_cancel(self, *, account: int, order_id: int, latency_ns: int = 1, qty_lots: int = 0) -> None:
        """Ask to cancel one's order (or qty_lots of it); gone or somebody else's: nothing happens."""
        assert latency_ns > 0
        self.kernel.schedule(
            self.kernel.now_ns + latency_ns, self._cancel_arrives, _Cancel(account, order_id, qty_lots)
        )

    def send_cancel_all(self, *, account: int, latency_ns: int = 1) -> None:
        """Ask to cancel all that the account has resting when the request arrives."""
        assert latency_ns > 0
        self.kernel.schedule(self.kernel.now_ns + latency_ns, self._cancel_all_arrives, account)

    def send_replace(
        self, *, account: int, order_id: int, price_ticks: int, qty_lots: int, latency_ns: int = 1
    ) -> None:
        """Ask to replace price and open quantity of one's order."""
        assert latency_ns > 0
        self.kernel.schedule(
            self.kernel.now_ns + latency_ns,
            self._replace_arrives,
            _Replace(account, order_id, price_ticks, qty_lots),
        )

    def cancel_now(self, *, account: int, order_id: int) -> None:
        """A cancel of an own order that arrives at this very moment."""
        self._cancel_arrives(self.kernel.now_ns, _Cancel(account, order_id, 0))

    def replace_now(self, *, account: int, order_id: int, price_ticks: int, qty_lots: int) -> None:
        """A replace of an own order that arrives at this very moment."""
        self._replace_arrives(self.kernel.now_ns, _Replace(account, order_id, price_ticks, qty_lots))

    def order_id_of(self, account: int, client_id: int) -> int | None:
        """The resting order that an account sent under its own id."""
        return self.matching.by_client_id.get((account, client_id))

    def print_trade(self, *, side: int, price_ticks: int, qty_lots: int) -> None:
        """Publish a historical trade that touched none of our book's orders (side = resting side)."""
        now_ns = self.kernel.now_ns
        self.log.append(now_ns, EventType.PRINT, side, 0, price_ticks, qty_lots)
        self.matching.trade_count += 1
        history = Account.HISTORY
        trade = Trade(
            self.matching.trade_count, now_ns, price_ticks, qty_lots, 1 - side, int(history), int(history)
        )
        for listener in self.matching.on_trade:
            listener(trade)

    def statistics(self) -> dict[str, dict[str, int]]:
        """Fill and drops of everything that is bounded here."""
        return {
            "gate": self.gate.statistics(),
            "matching": self.matching.statistics(),
            "events": self.log.statistics(),
            "volume_prices": {
                "kept": len(self.volume_at_price),
                "limit": VOLUME_PRICES,
                "forgotten": self.forgotten_prices,
            },
        }

    # -- arrivals --------------------------------------------------------------------------------------

    def _order_arrives(self, now_ns: int, order: Order) -> None:
        open_orders = 0 if order.account == Account.HISTORY else len(self.matching.open_orders(order.account))
        reason = self.gate.check(
            order.account, price_ticks=order.price_ticks, qty_lots=order.qty_lots, open_orders=open_orders
        )
        if reason is Reason.NONE and (order.account, order.client_id) in self.matching.by_client_id:
            reason = Reason.DUPLICATE_CLIENT_ID
        if reason is not Reason.NONE:
            self.matching.reject(now_ns, order, reason)
            return
        self.matching.submit(now_ns, order)

    def _cancel_arrives(self, now_ns: int, request: _Cancel) -> None:
        order = self.matching.orders.get(request.order_id)
        if order is not None and order.account == request.account:
            self.matching.cancel(now_ns, request.order_id, request.qty_lots)

    def _cancel_all_arrives(self, now_ns: int, account: int) -> None:
        for order_id in list(self.matching.open_orders(account)):
            self.matching.cancel(now_ns, order_id)

    def _replace_arrives(self, now_ns: int, request: _Replace) -> None:
        order = self.matching.orders.get(request.order_id)
        if order is None or order.account != request.account:
            return
        reason = self.gate.check(
            request.account, price_ticks=request.price_ticks, qty_lots=request.qty_lots, open_orders=0
        )
        if reason is Reason.NONE and request.price_ticks > 0:
            self.matching.replace(
                now_ns, request.order_id, price_ticks=request.price_ticks, qty_lots=request.qty_lots
            )

    def _remember_trade(self, trade: Trade) -> None:
        self.recent_trades.append(trade)
        volume = self.volume_at_price
        volume[trade.price_ticks] = volume.get(trade.price_ticks, 0) + trade.qty_lots
        if len(volume) > VOLUME_PRICES:
            del volume[next(iter(volume))]
            self.forgotten_prices += 1
