"""Plays a recorded exchange into the book as the account HISTORY (stop 1b on the data path).

Rules (promise: honest; what history cannot tell us is counted, never invented):
- The exchange's own book is kept beside ours. A depth update states totals of levels; for each level it
  names, and each level that historical trades touched since the last update, HISTORY's resting quantity
  is brought to the exchange's total: more goes to the back of the queue, less leaves from the back.
- A historical trade is an aggressor of HISTORY against the real queue: orders of ours that stood before
  are filled first, then HISTORY's own. A trade that the book already contains (its exchange time is not
  after the last update's) meets only orders of others at the very front. What finds no liquidity becomes
  a print: tape and volume only.
- Liquidity of HISTORY that others took is divergence. It comes back when the exchange next states that
  level: the recorded participants do not know about us.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.core.errors import FeedGap
from engine.core.types import Account, Side, TimeInForce
from engine.feeds.book_sync import BookSync
from engine.feeds.records import DepthUpdate, FeedRecord, QuoteTick, TradeTick
from engine.feeds.source import HistoricalSource
from engine.market.exchange import Exchange
from engine.market.matching import Trade
from engine.storms.base import LeadPrice

__all__ = ["HistoryLead", "HistoryPlayer"]

LEAD_NS = 100_000_000
"""How far ahead the faster line of a latency arbitrageur hears the exchange."""


class Divergence(NamedTuple):
    """One taking of historical liquidity by somebody else."""

    time_ns: int
    price_ticks: int
    qty_lots: int


class HistoryPlayer:
    """Feeds the records of a source to the exchange at their times."""

    def __init__(self, exchange: Exchange, source: HistoricalSource) -> None:
        self.exchange = exchange
        self.source = source
        self.depth_updates = 0
        self.trades = 0
        self.quotes = 0
        self.gaps = 0
        """Holes in the sequence: the first one halts the replay, for the book behind it would be a guess."""
        self.late_trades = 0
        """Trades that the book already contained when they arrived."""
        self.divergence_lots = 0
        self.divergence_count = 0
        self.first_divergence: Divergence | None = None
        self.refused_levels = 0
        """Levels that could not rest because they would trade with HISTORY itself."""
        self.ended = False
        self.on_halt: list[Callable[[int, str], None]] = []
        """Hears of a gap: (time_ns, what is missing)."""
        self._sync = BookSync(
            source.kind, where=source.name, starts_without_snapshot=source.starts_without_snapshot
        )
        self._exchange_levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        """The exchange's own totals, by side and price."""
        self._queues: tuple[dict[int, list[int]], dict[int, list[int]]] = ({}, {})
        """HISTORY's order ids by side and price, front first; dead ones are dropped when met."""
        self._touched: set[tuple[int, int]] = set()
        """(side, price) of levels that historical trades changed since the last update."""
        self._last_update_ms = 0
        self._index = 0

    def start(self) -> None:
        """Schedule the first record and watch executions."""
        self.exchange.matching.on_trade.append(self._on_trade)
        self._schedule()

    def lead_twice_mid(self, now_ns: int) -> int | None:
        """Twice the exchange's mid as it will be LEAD_NS after now."""
        quote = self.source.quote_at(now_ns + LEAD_NS)
        return None if quote is None else quote.bid_ticks + quote.ask_ticks

    def _schedule(self) -> None:
        if self._index >= self.source.record_count:
            self.ended = True
            return
        kernel = self.exchange.kernel
        kernel.schedule(max(kernel.now_ns, self.source.record_time_ns(self._index)), self._play, None)

    def _play(self, now_ns: int, _payload: None) -> None:
        record: FeedRecord = self.source.record(self._index)
        self._index += 1
        if isinstance(record, DepthUpdate):
            try:
                self._on_depth(record)
            except FeedGap as gap:
                self.gaps += 1
                self.ended = True
                for listener in self.on_halt:
                    listener(now_ns, str(gap))
                return
        elif isinstance(record, TradeTick):
            self._on_history_trade(record)
        elif isinstance(record, QuoteTick):
            self.quotes += 1
        self._schedule()

    # -- depth -----------------------------------------------------------------------------------------

    def _on_depth(self, update: DepthUpdate) -> None:
        for ready in self._sync.apply(update):
            self.depth_updates += 1
            self._last_update_ms = max(self._last_update_ms, ready.exchange_time_ms)
            self._reconcile(self._changed_levels(ready))

    def _changed_levels(self, update: DepthUpdate) -> list[tuple[int, int]]:
        """Take over the exchange's totals; (side, price) of all levels to bring in line, in order."""
        changed: dict[tuple[int, int], None] = {}
        for side, stated in ((Side.BID, update.bids), (Side.ASK, update.asks)):
            levels = self._exchange_levels[side]
            if update.is_snapshot:
                changed.update(((side, price), None) for price in levels)
                levels.clear()
            for price_ticks, qty_lots in stated:
                changed[(side, price_ticks)] = None
                if qty_lots:
                    levels[price_ticks] = qty_lots
                else:
                    levels.pop(price_ticks, None)
        changed.update((level, None) for level in sorted(self._touched))
        self._touched.clear()
        return list(changed)

    def _reconcile(self, levels: list[tuple[int, int]]) -> None:
        """Bring HISTORY's quantity to the exchange's: first what leaves, then what comes."""
        growing = []
        for side, price_ticks in levels:
            wanted = self._exchange_levels[side].get(price_ticks, 0)
            resting = self._resting(side, price_ticks)
            if wanted < resting:
                self._shrink(side, price_ticks, resting - wanted)
            elif wanted > resting:
                growing.append((side, price_ticks, wanted - resting))
        for side, price_ticks, qty_lots in growing:
            self._grow(side, price_ticks, qty_lots)

    def _resting(self, side: int, price_ticks: int) -> int:
        queue = self._queues[side].get(price_ticks)
        if not queue:
            return 0
        orders = self.exchange.matching.orders
        alive = [order_id for order_id in queue if order_id in orders]
        self._queues[side][price_ticks] = alive
        return sum(orders[order_id].remaining_lots for order_id in alive)

    def _shrink(self, side: int, price_ticks: int, qty_lots: int) -> None:
        matching, now_ns = self.exchange.matching, self.exchange.kernel.now_ns
        queue = self._queues[side][price_ticks]
        while qty_lots:
            order = matching.orders[queue[-1]]
            if order.remaining_lots <= qty_lots:
                qty_lots -= matching.cancel(now_ns, queue.pop())
            else:
                qty_lots -= matching.cancel(now_ns, order.order_id, qty_lots)
        if not queue:
            del self._queues[side][price_ticks]

    def _grow(self, side: int, price_ticks: int, qty_lots: int) -> None:
        if self._would_meet_history(side, price_ticks):
            self.refused_levels += 1
            return
        order_id = self.exchange.enter(
            account=Account.HISTORY, side=side, price_ticks=price_ticks, qty_lots=qty_lots
        )
        if order_id in self.exchange.matching.orders:
            self._queues[side].setdefault(price_ticks, []).append(order_id)

    def _would_meet_history(self, side: int, price_ticks: int) -> bool:
        book = self.exchange.book
        best = book.best_ask if side == Side.BID else book.best_bid
        if best is None or (price_ticks < best if side == Side.BID else price_ticks > best):
            return False
        front = book.front(1 - side)
        return front is not None and self.exchange.matching.orders[front].account == Account.HISTORY

    # -- trades ----------------------------------------------------------------------------------------

    def _on_history_trade(self, trade: TradeTick) -> None:
        self.trades += 1
        contained = not self._sync.synchronised or trade.exchange_time_ms <= self._last_update_ms
        if contained:
            self.late_trades += 1
            done = self._fill_others(trade)
        else:
            done = self._aggress(trade, trade.qty_lots)
        if done < trade.qty_lots:
            self.exchange.print_trade(
                side=1 - trade.aggressor_side,
                price_ticks=trade.price_ticks,
                qty_lots=trade.qty_lots - done,
            )

    def _aggress(self, trade: TradeTick, qty_lots: int) -> int:
        """HISTORY takes up to qty_lots at the trade's price or better; returns what it got."""
        history = self.exchange.ledger.open_account(Account.HISTORY)
        before = history.aggressive_lots
        self.exchange.enter(
            account=Account.HISTORY,
            side=trade.aggressor_side,
            price_ticks=trade.price_ticks,
            qty_lots=qty_lots,
            time_in_force=TimeInForce.IOC,
        )
        return history.aggressive_lots - before

    def _fill_others(self, trade: TradeTick) -> int:
        """A trade that HISTORY's quantities already contain still meets orders of others that stand in
        front of them."""
        book, orders = self.exchange.book, self.exchange.matching.orders
        buys = trade.aggressor_side == Side.BID
        done = 0
        while done < trade.qty_lots:
            front = book.front(1 - trade.aggressor_side)
            if front is None or orders[front].account == Account.HISTORY:
                break
            order = orders[front]
            if order.price_ticks > trade.price_ticks if buys else order.price_ticks < trade.price_ticks:
                break
            done += self._aggress(trade, min(order.remaining_lots, trade.qty_lots - done))
        return done

    def _on_trade(self, trade: Trade) -> None:
        """Watch who takes HISTORY's liquidity."""
        if trade.maker != Account.HISTORY:
            return
        if trade.aggressor == Account.HISTORY:
            self._touched.add((1 - trade.aggressor_side, trade.price_ticks))
            return
        self.divergence_lots += trade.qty_lots
        self.divergence_count += 1
        if self.first_divergence is None:
            self.first_divergence = Divergence(trade.time_ns, trade.price_ticks, trade.qty_lots)


class HistoryLead(LeadPrice):
    """The faster venue of a replayed market: the exchange itself, heard LEAD_NS earlier."""

    def __init__(self, player: HistoryPlayer) -> None:
        self.player = player

    def ticks(self, now_ns: int) -> float | None:
        twice_mid = self.player.lead_twice_mid(now_ns)
        return None if twice_mid is None else twice_mid / 2.0
