"""All records of one source, packed: compact to keep, exact to read, cheap to enter anywhere.

Stop on the data path: behind a decoder, under `HistoricalSource`. A record is one row of nine integers;
its prices and quantities are a run in the level columns (a trade has one level, a quote two). Invariant:
appended decimals lie exactly on the grid of their column, which `settle` turns into ticks and lots; records
can be read only after that, and a record that does not fit is refused whole.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from engine.core.types import Side
from engine.feeds.decimals import FixedColumn
from engine.feeds.drops import DropReason
from engine.feeds.records import DepthUpdate, FeedRecord, QuoteTick, TradeTick
from engine.feeds.venues.events import Level
from engine.feeds.venues.numbers import Refused

__all__ = ["Grid", "RecordKind", "RecordTable"]

_ROW = struct.Struct("<9q")
"""kind, time_ns, previous id (a trade's aggressor), first id (a trade's previous id), last id (trade id,
quote id), exchange_time_ms, and the run of levels: start, end of bids, end."""
_KIND, _START = 0, 6
_TIME_ONLY = struct.Struct("<8xq56x")


class RecordKind(IntEnum):
    """What a row is."""

    DEPTH = 0
    SNAPSHOT = 1
    TRADE = 2
    QUOTE = 3


# Plain integers for the rows: an enum member costs a look-up through its metaclass, once per record.
_DEPTH, _SNAPSHOT, _TRADE, _QUOTE = (int(kind) for kind in RecordKind)
_BID, _ASK = Side.BID, Side.ASK


class Grid(NamedTuple):
    """The steps of a source's integers, and its usual trade."""

    tick_size: Decimal
    lot_size: Decimal
    mean_trade_lots: int
    """Rounded down; 0 without trades."""


class RecordTable:
    """Rows of one source's records.

    Writing   append_depth append_trade append_quote (exact decimals), then settle once
    Reading   len, count, level_count, last_time_ns, time_ns, record, records(start_index), quote_at
    """

    def __init__(self) -> None:
        self._rows = bytearray()
        self._price = FixedColumn()
        self._qty = FixedColumn()
        self._quote_rows = array("q")
        self._is_settled = False

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    @property
    def level_count(self) -> int:
        """Pairs of price and quantity in all records."""
        return len(self._price)

    @property
    def last_time_ns(self) -> int:
        """Session time of the last record; 0 when there is none."""
        return self.time_ns(len(self) - 1) if self._rows else 0

    def count(self, kind: RecordKind) -> int:
        """Records of this kind."""
        return int(np.count_nonzero(self._columns()[:, _KIND] == kind))

    def append_depth(
        self,
        time_ns: int,
        ids: tuple[int, int, int],
        exchange_time_ms: int,
        bids: Sequence[Level],
        asks: Sequence[Level],
        *,
        is_snapshot: bool,
    ) -> None:
        """One depth update: `ids` are previous, first, last. Raises Refused when a level does not fit."""
        prices, quantities = zip(*bids, *asks, strict=True) if bids or asks else ((), ())
        kind = _SNAPSHOT if is_snapshot else _DEPTH
        self._append((kind, time_ns, *ids, exchange_time_ms), prices, quantities, len(bids))

    def append_trade(
        self, time_ns: int, ids: tuple[int, int], exchange_time_ms: int, level: Level, *, aggressor: Side
    ) -> None:
        """One execution: `ids` are that of the trade before it and its own. Raises Refused as above."""
        self._append((_TRADE, time_ns, aggressor, *ids, exchange_time_ms), level[:1], level[1:], 0)

    def append_quote(self, time_ns: int, update_id: int, bid: Level, ask: Level) -> None:
        """The exchange's best bid and ask. Raises Refused as above."""
        self._append((_QUOTE, time_ns, 0, 0, update_id, 0), (bid[0], ask[0]), (bid[1], ask[1]), 1)
        self._quote_rows.append(len(self._rows) // _ROW.size - 1)

    def settle(self) -> Grid:
        """Find the steps of prices and quantities and divide by them, in place. Once, after the last row."""
        assert not self._is_settled, "a table is settled once"
        self._is_settled = True
        tick_size, lot_size = self._price.settle(), self._qty.settle()
        rows = self._columns()
        quantities = np.frombuffer(self._qty.values, dtype=np.int64)
        trade_lots = quantities[rows[rows[:, _KIND] == _TRADE, _START]].tolist()
        mean = sum(trade_lots) // len(trade_lots) if trade_lots else 0
        return Grid(tick_size, lot_size, mean)

    def time_ns(self, index: int) -> int:
        """Session time of this row's record."""
        (time_ns,) = _TIME_ONLY.unpack_from(self._rows, index * _ROW.size)
        return int(time_ns)

    def records(self, start_index: int = 0) -> Iterator[FeedRecord]:
        """The records from this row on, in file order."""
        return map(self.record, range(start_index, len(self)))

    def quote_at(self, time_ns: int) -> QuoteTick | None:
        """The last quote received at or before this session time."""
        position = bisect_right(self._quote_rows, time_ns, key=self.time_ns)
        if position == 0:
            return None
        quote = self.record(self._quote_rows[position - 1])
        assert isinstance(quote, QuoteTick)
        return quote

    def record(self, index: int) -> FeedRecord:
        """The record of this row. Raises IndexError outside the table."""
        assert self._is_settled, "prices and quantities are not on their grid before settle"
        if not 0 <= index < len(self):
            raise IndexError(f"record {index} of {len(self)}")
        row = _ROW.unpack_from(self._rows, index * _ROW.size)
        kind, time_ns, previous_id, first_id, last_id, exchange_time_ms, start, bids_end, end = row
        prices, quantities = self._price.values, self._qty.values
        if kind == _QUOTE:
            ask = bids_end
            return QuoteTick(time_ns, last_id, prices[start], quantities[start], prices[ask], quantities[ask])
        if kind == _TRADE:
            aggressor = _ASK if previous_id else _BID
            price, qty = prices[start], quantities[start]
            return TradeTick(time_ns, last_id, exchange_time_ms, price, qty, aggressor, first_id)
        return DepthUpdate(
            time_ns=time_ns,
            previous_id=previous_id,
            first_id=first_id,
            last_id=last_id,
            exchange_time_ms=exchange_time_ms,
            bids=tuple(zip(prices[start:bids_end], quantities[start:bids_end], strict=True)),
            asks=tuple(zip(prices[bids_end:end], quantities[bids_end:end], strict=True)),
            is_snapshot=kind == _SNAPSHOT,
        )

    def _append(
        self, head: tuple[int, ...], prices: Sequence[Decimal], quantities: Sequence[Decimal], bid_count: int
    ) -> None:
        """Append a row, whose first numbers are `head`, and its levels; nothing when it is refused."""
        start = len(self._price)
        try:
            self._price.extend(prices)
            self._qty.extend(quantities)
            self._rows += _ROW.pack(*head, start, start + bid_count, len(self._price))
        except (Refused, struct.error) as error:
            self._price.truncate(start)
            self._qty.truncate(start)
            if isinstance(error, struct.error):
                raise Refused(DropReason.OUT_OF_RANGE) from None
            raise

    def _columns(self) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """The rows as an array; to be let go before the next append."""
        return np.frombuffer(self._rows, dtype=np.int64).reshape(-1, _ROW.size // 8)
