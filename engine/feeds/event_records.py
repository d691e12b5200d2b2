"""Venue events of one symbol as rows of a RecordTable.

Stop on the data path: behind a normaliser, in front of `HistoricalSource`. Invariant: an event of the symbol
becomes exactly one record or exactly one counted drop. Records keep the venue's own numbers, so that the
rules of book_sync.py find its holes at replay; trades whose ids do not count by one get the source's count.
"""

from __future__ import annotations

from engine.core.clock import NS_PER_MS
from engine.core.errors import FeedGap
from engine.feeds.drops import DropCounts, DropReason
from engine.feeds.record_table import RecordTable
from engine.feeds.records import NO_ID, WRONG_CHECKSUM
from engine.feeds.venues.chain import BookAudit
from engine.feeds.venues.events import BookDelta, BookL2, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import count_name
from engine.feeds.venues.numbers import Refused

__all__ = ["EventRecords"]


class EventRecords:
    """Takes the events of a capture in order and keeps those of one symbol.

    `take` all of them; afterwards `table` (settled by the caller), `symbol`, `epoch_ns`, `symbols` and
    `clock_backwards` describe the capture.
    """

    def __init__(self, symbol: str, drops: DropCounts) -> None:
        """`symbol` is the one to keep, empty for the first that comes; `drops` is the normaliser's too."""
        self.symbol = symbol
        self.table = RecordTable()
        self.epoch_ns = -1
        """Wall time of the first record; -1 before it."""
        self.clock_backwards = 0
        """Records whose local time was before the record above: held at that one's time. In a capture without
        local times the exchange's are taken for them."""
        self.symbols: dict[str, int] = {}
        """Events by symbol."""
        self._drops = drops
        self._audit: BookAudit | None = None
        self._last_wall_ns = 0
        self._trades = 0

    def take(self, event: MarketEvent) -> None:
        """One event; a drop when it is of another symbol, or does not fit a record."""
        symbol = event.symbol
        if symbol in self.symbols:
            self.symbols[symbol] += 1
        else:
            count_name(self.symbols, symbol)
        if symbol != self.symbol:
            if self.symbol:
                self._drops.add(DropReason.OTHER_SYMBOL)
                return
            self.symbol = symbol
        wall_ns = event.receive_time_ns or event.exchange_time_ns or 0
        is_backwards = wall_ns < self._last_wall_ns
        if is_backwards:
            wall_ns = self._last_wall_ns
        epoch_ns = wall_ns if self.epoch_ns < 0 else self.epoch_ns
        try:
            if isinstance(event, Quote):
                if event.bid is None or event.ask is None:
                    raise Refused(DropReason.NOT_POSITIVE)
                update_id = NO_ID if event.update_id is None else event.update_id
                self.table.append_quote(wall_ns - epoch_ns, update_id, event.bid, event.ask)
            elif isinstance(event, Trade):
                self._take_trade(event, wall_ns - epoch_ns)
            else:
                self._take_book(event, wall_ns - epoch_ns)
        except Refused as refused:
            self._drops.add(refused.reason)
            return
        self.clock_backwards += is_backwards
        self.epoch_ns, self._last_wall_ns = epoch_ns, wall_ns

    def _take_book(self, event: BookL2 | BookDelta, time_ns: int) -> None:
        checksums = None
        if BookAudit.is_needed(event.venue):
            self._audit = self._audit or BookAudit(where=event.symbol)
            try:
                event = self._audit.take(event)
            except FeedGap as gap:
                checksums = (WRONG_CHECKSUM, gap.expected, gap.got)
        last_id = NO_ID if event.last_id is None else event.last_id
        if isinstance(event, BookL2):
            ids = (0, last_id, last_id)
        else:
            first_id = last_id if event.first_id is None else event.first_id
            ids = (NO_ID if event.previous_id is None else event.previous_id, first_id, last_id)
        self.table.append_depth(
            time_ns,
            checksums or ids,
            _milliseconds(event.exchange_time_ns),
            event.bids,
            event.asks,
            is_snapshot=event.is_snapshot and checksums is None,
        )

    def _take_trade(self, event: Trade, time_ns: int) -> None:
        if event.aggressor_side is None:
            raise Refused(DropReason.NO_SIDE)
        if event.size == 0:
            raise Refused(DropReason.NOT_POSITIVE)
        if event.previous_id is None or event.trade_id is None:
            ids = (self._trades, self._trades + 1)
        else:
            ids = (event.previous_id, int(event.trade_id))
        level, time_ms = (event.price, event.size), _milliseconds(event.exchange_time_ns)
        self.table.append_trade(time_ns, ids, time_ms, level, aggressor=event.aggressor_side)
        self._trades += 1


def _milliseconds(time_ns: int | None) -> int:
    """A Unix time in ms; 0 where there is none."""
    return 0 if time_ns is None else time_ns // NS_PER_MS
