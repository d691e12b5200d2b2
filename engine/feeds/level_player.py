"""Plays the levels of a recorded exchange into the book as the account HISTORY (stop 1b on the data path).

Rules (promise: honest; what history cannot tell us is counted, never invented):
- The exchange's own book is kept beside ours. A depth update states totals of levels; for each level it
  names, and each level that historical trades touched since the last update, HISTORY's resting quantity
  is brought to the exchange's total: more goes to the back of the queue, less leaves from the back.
- A historical trade is an aggressor of HISTORY against the real queue: orders of ours that stood before
  are filled first, then HISTORY's own. A trade that the book already contains (its exchange time is not
  after the last update's) meets only orders of others at the very front. What finds no liquidity becomes
  a print: tape and volume only.
- At a hole in the sequence of updates or trades HISTORY halts, with a report: its book stands as it was
  before, nothing behind the hole gets in, and the faster line falls silent.
- Liquidity of HISTORY that others took is divergence. It comes back when the exchange next states that
  level: the recorded participants do not know about us.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.core.types import Account, Side, TimeInForce
from engine.feeds.book_sync import BookSync, is_next_trade
from engine.feeds.history import LEAD_NS, HistoryPlayer
from engine.feeds.reconcile import StatedLevel, grow_levels, shrink_levels
from engine.feeds.records import DepthUpdate, FeedRecord, QuoteTick, TradeTick
from engine.feeds.source import HistoricalSource
from engine.market.exchange import Exchange

__all__ = ["LevelPlayer"]

_COUNTS = ("depth_updates", "trades", "quotes", "gaps", "late_trades", "repeated_trades", "refused_levels")


class LevelPlayer(HistoryPlayer):
    """Plays depth updates and trades of a HistoricalSource."""

    source: HistoricalSource

    def __init__(self, exchange: Exchange, source: HistoricalSource) -> None:
        super().__init__(exchange, source)
        self.depth_updates = 0
        self.trades = 0
        self.quotes = 0
        self.late_trades = 0
        """Trades that the book already contained when they arrived."""
        self.repeated_trades = 0
        """Trades that were there before, by their id; they are left out."""
        self.refused_levels = 0
        """Levels that could not rest because they would trade with HISTORY itself."""
        self._sync = BookSync(
            source.kind, where=source.name, starts_without_snapshot=source.starts_without_snapshot
        )
        self._exchange_levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        """The exchange's own totals, by side and price."""
        self._touched: set[tuple[int, int]] = set()
        """(side, price) of levels that historical trades changed since the last update."""
        self._last_update_ms = 0

    @property
    def update_count(self) -> int:
        return self.depth_updates

    @property
    def trade_count(self) -> int:
        return self.trades

    def state(self) -> dict[str, Any]:
        return super().state() | {
            "counts": {name: getattr(self, name) for name in _COUNTS},
            "sync": self._sync.saved(),
            "levels": [list(side.items()) for side in self._exchange_levels],
            "touched": sorted(self._touched),
            "last_update_ms": self._last_update_ms,
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        for name, count in state["counts"].items():
            setattr(self, name, count)
        self._sync.restore(state["sync"])
        bids, asks = (dict(side) for side in state["levels"])
        self._exchange_levels = (bids, asks)
        self._touched = {(side, price) for side, price in state["touched"]}
        self._last_update_ms = state["last_update_ms"]

    def statistics(self) -> dict[str, int]:
        """What was played and what was left out, and the fill of the queue that waits for a snapshot."""
        return {name: getattr(self, name) for name in _COUNTS} | self._sync.statistics()

    def lead_twice_mid(self, now_ns: int) -> int | None:
        if self.halted is not None:
            return None
        quote = self.source.quote_at(now_ns + LEAD_NS)
        return None if quote is None else quote.bid_ticks + quote.ask_ticks

    def _play_from(self, index: int) -> int:
        record: FeedRecord = self.source.record(index)
        if isinstance(record, DepthUpdate):
            self._on_depth(record)
        elif isinstance(record, QuoteTick):
            self.quotes += 1
        elif is_next_trade(record, where=self.source.name):
            self._on_history_trade(record)
        else:
            self.repeated_trades += 1
        return index + 1

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
        stated = np.zeros(len(levels), StatedLevel.dtype())
        stated["side"] = [side for side, _ in levels]
        stated["price_ticks"] = [price for _, price in levels]
        stated["qty_lots"] = [self._exchange_levels[side].get(price, 0) for side, price in levels]
        self.exchange.enter_batch(shrink_levels, stated)
        self.exchange.enter_batch(grow_levels, stated)
        self.refused_levels += int(stated["refused"].sum())

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
            self._touched.add((1 - trade.aggressor_side, trade.price_ticks))

    def _aggress(self, trade: TradeTick, qty_lots: int) -> int:
        """HISTORY takes up to qty_lots at the trade's price or better; returns what it got."""
        exchange = self.exchange
        before = exchange.trade_count
        exchange.enter(
            account=Account.HISTORY,
            side=trade.aggressor_side,
            price_ticks=trade.price_ticks,
            qty_lots=qty_lots,
            time_in_force=TimeInForce.IOC,
        )
        done = exchange.tape.since(before)
        for fill in done:
            if fill.maker == Account.HISTORY:
                self._touched.add((1 - trade.aggressor_side, fill.price_ticks))
        return sum(fill.qty_lots for fill in done)

    def _fill_others(self, trade: TradeTick) -> int:
        """A trade that HISTORY's quantities already contain still meets orders of others that stand in
        front of them."""
        exchange = self.exchange
        buys = trade.aggressor_side == Side.BID
        done = 0
        while done < trade.qty_lots:
            front = exchange.book.front(1 - trade.aggressor_side)
            order = None if front is None else exchange.order(front)
            if order is None or order.account == Account.HISTORY:
                break
            if order.price_ticks > trade.price_ticks if buys else order.price_ticks < trade.price_ticks:
                break
            done += self._aggress(trade, min(order.remaining_lots, trade.qty_lots - done))
        return done
