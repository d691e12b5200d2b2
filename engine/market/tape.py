"""What the rings of a market hold, for readers: public events, executions, execution reports.

Readers take copies; they never write. Each ring says how much it keeps and what has left it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engine.arena.machine import live
from engine.arena.memory import Arena, Rows
from engine.core.types import EVENT_DTYPE
from engine.market.feed import volume_at
from engine.market.orders import KIND_CODES, REASON_CODES, ExecutionReport
from engine.market.records import Market, MarketReader, ReportRow

__all__ = ["EVENTS_KEPT", "EventLog", "Trade", "TradeTape", "take_reports"]

EVENTS_KEPT = 16_384
"""Public events kept for readers, at least; older ones are only in the digest."""
_MASK = 2**64 - 1
_KINDS = [kind.value for kind in KIND_CODES]
_REASONS = [reason.value for reason in REASON_CODES]


class Trade(NamedTuple):
    """One execution with both owners: inside knowledge, not part of the public feed."""

    trade_id: int
    """From 1."""
    time_ns: int
    price_ticks: int
    qty_lots: int
    aggressor_side: int
    aggressor: int
    maker: int


class EventLog(MarketReader):
    """The public events of a market."""

    @property
    def count(self) -> int:
        """Events so far."""
        return self.market.event_count

    @property
    def digest(self) -> int:
        """Running digest over all events, from 0 (u64)."""
        return self.market.event_digest & _MASK

    @property
    def by_type(self) -> list[int]:
        """Events by type, index = EventType."""
        counts: list[int] = self.arena.rows("events_by_type")["value"].tolist()
        return counts

    def recent(self, count: int) -> np.ndarray:
        """The last `count` events (fewer if fewer are kept), oldest first: 1-d array of EVENT_DTYPE."""
        return _last(self.arena.rows("events"), self.count, count).view(EVENT_DTYPE)

    def since(self, number: int) -> np.ndarray:
        """The events after the first `number`. They must still be kept."""
        wanted = self.count - number
        kept = len(self.arena.rows("events"))
        assert wanted <= kept, f"only {kept} of {wanted} events are kept"
        return self.recent(wanted)

    def statistics(self) -> dict[str, int]:
        """Events so far, kept, and the limit of what is kept."""
        limit = len(self.arena.rows("events"))
        return {"events": self.count, "kept": min(self.count, limit), "kept_limit": limit}


class TradeTape(MarketReader):
    """The executions of a market."""

    def recent(self, count: int) -> list[Trade]:
        """The last `count` executions (fewer if fewer are kept), oldest first."""
        rows = _last(self.arena.rows("trades"), self.market.trade_count, count)
        return [Trade(*row) for row in rows[list(Trade._fields)].tolist()]

    def since(self, trade_id: int) -> list[Trade]:
        """Executions after this one. They must still be kept: all of the last arrival are."""
        wanted = self.market.trade_count - trade_id
        assert wanted <= len(self.market.trades), "executions have left the ring"
        return self.recent(wanted)

    def arrays_since(self, trade_id: int) -> np.ndarray:
        """The executions after this one that are kept, oldest first: a 1-d array of TradeRow.dtype() of its
        own. Where its first id is not trade_id + 1, those between have left the ring."""
        ring = self.arena.rows("trades")
        last = self.market.trade_count
        ids = np.arange(max(trade_id, last - len(ring), 0), last) + 1
        rows: np.ndarray = ring[(ids - 1) & (len(ring) - 1)]
        kept = rows["trade_id"] == ids  # a ring that has just grown holds less than it could
        return rows if kept.all() else rows[kept]

    def volume(self, low_ticks: int, high_ticks: int) -> dict[int, int]:
        """Traded lots by price, for prices in [low, high] that are remembered."""
        market, prices = self.market, self.arena.rows("volume_order")["value"]
        kept = prices[: min(market.volume_last, len(prices))]
        inside = kept[(kept >= low_ticks) & (kept <= high_ticks)]
        read, address = live(volume_at), market.address
        return {price: read(address, price) for price in inside.tolist()}


def take_reports(arena: Arena, market: Market) -> list[ExecutionReport]:
    """The execution reports since the last call, oldest first; they leave the ring."""
    waiting = market.report_count - market.reports_taken
    if waiting == 0:
        return []
    ring, count = arena.rows("reports"), market.report_count
    market.reports_taken = count
    first = (count - waiting) & (len(ring) - 1)
    if first + waiting <= len(ring):
        rows = ring[first : first + waiting].tolist()  # a view will do: one report is the usual number
    else:
        rows = _last(ring, count, waiting).tolist()
    return [_report(*row) for row in rows]


def _last(ring: Rows, total: int, count: int) -> Rows:
    """The last `count` rows of a ring into which `total` went; a copy, oldest first."""
    count = max(0, min(count, total, len(ring)))
    found: Rows = ring[np.arange(total - count, total) & (len(ring) - 1)]
    return found


def _report(
    sequence: int,
    time_ns: int,
    client_id: int,
    order_id: int,
    price_ticks: int,
    qty_lots: int,
    filled_lots_last: int,
    fill_price_ticks: int,
    remaining_lots: int,
    fee_ppm: int,
    trade_id: int,
    account: int,
    kind: int,
    side: int,
    reason: int,
    is_maker: int,
    *_: int,
) -> ExecutionReport:
    """Of a row's fields."""
    return ExecutionReport(
        sequence,
        time_ns,
        account,
        client_id,
        order_id,
        _KINDS[kind],
        side,
        price_ticks,
        qty_lots,
        filled_lots_last,
        fill_price_ticks,
        remaining_lots,
        _REASONS[reason],
        filled_lots_last * fill_price_ticks * fee_ppm,
        trade_id,
        bool(is_maker),
    )


_FIELDS = tuple(ReportRow.dtype().names or ())
_ARGUMENTS = _report.__code__.co_varnames[: _report.__code__.co_argcount]
assert _FIELDS[: len(_ARGUMENTS)] == _ARGUMENTS, "as take_reports unpacks them"
