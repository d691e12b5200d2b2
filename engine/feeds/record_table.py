"""All records of one source, packed: compact to keep, exact to read, cheap to enter anywhere.

Stop on the data path: behind a decoder, under `HistoricalSource`. A record is one row of nine integers;
its prices and quantities are a run in the level columns (a trade has one level, a quote two). Invariant:
appended values are 1e-8 fixed point until `settle` turns them, exactly, into ticks and lots; records can
be read only after that.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from decimal import Decimal
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

import numpy as np

from engine.core.types import Side
from engine.feeds.decimals import step_exponent, step_size
from engine.feeds.records import DepthUpdate, FeedRecord, QuoteTick, TradeTick

__all__ = ["Grid", "RecordKind", "RecordTable"]

_ROW = Struct("<9q")
"""kind, time_ns, previous id (a trade's aggressor), first id (a trade's previous id), last id (trade id,
quote id), exchange_time_ms, and the run of levels: start, end of bids, end."""
_KIND, _START = 0, 6
_TIME_ONLY = Struct("<8xq56x")


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

    Writing   append_depth append_trade append_quote (1e-8 fixed point), then settle once
    Reading   len, count, level_count, last_time_ns, time_ns, record, records(start_index), quote_at
    """

    def __init__(self) -> None:
        self._rows = bytearray()
        self._price = array("q")
        self._qty = array("q")
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
        prices: list[int],
        quantities: list[int],
        *,
        bid_count: int,
        is_snapshot: bool,
    ) -> None:
        """One depth update: `ids` are previous, first, last; bids come first in the lists."""
        start = len(self._price)
        self._price.extend(prices)
        self._qty.extend(quantities)
        kind = _SNAPSHOT if is_snapshot else _DEPTH
        run = (start, start + bid_count, len(self._price))
        self._rows += _ROW.pack(kind, time_ns, *ids, exchange_time_ms, *run)

    def append_trade(
        self,
        time_ns: int,
        ids: tuple[int, int],
        exchange_time_ms: int,
        price: int,
        qty: int,
        *,
        aggressor: Side,
    ) -> None:
        """One execution: `ids` are that of the trade before it and its own."""
        start = len(self._price)
        self._price.append(price)
        self._qty.append(qty)
        self._rows += _ROW.pack(_TRADE, time_ns, aggressor, *ids, exchange_time_ms, start, start, start + 1)

    def append_quote(self, time_ns: int, update_id: int, prices: list[int], quantities: list[int]) -> None:
        """The exchange's best bid and ask, in this order."""
        self._quote_rows.append(len(self._rows) // _ROW.size)
        start = len(self._price)
        self._price.extend(prices)
        self._qty.extend(quantities)
        self._rows += _ROW.pack(_QUOTE, time_ns, 0, 0, update_id, 0, start, start + 1, start + 2)

    def settle(self) -> Grid:
        """Find the steps of prices and quantities and divide by them, in place. Once, after the last row."""
        assert not self._is_settled, "a table is settled once"
        self._is_settled = True
        prices = np.frombuffer(self._price, dtype=np.int64)
        quantities = np.frombuffer(self._qty, dtype=np.int64)
        price_exponent = step_exponent(prices)
        qty_exponent = step_exponent(quantities)
        prices //= 10**price_exponent
        quantities //= 10**qty_exponent
        rows = self._columns()
        trade_lots = quantities[rows[rows[:, _KIND] == _TRADE, _START]].tolist()
        mean = sum(trade_lots) // len(trade_lots) if trade_lots else 0
        return Grid(step_size(price_exponent), step_size(qty_exponent), mean)

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
        prices, quantities = self._price, self._qty
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

    def _columns(self) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """The rows as an array; to be let go before the next append."""
        return np.frombuffer(self._rows, dtype=np.int64).reshape(-1, _ROW.size // 8)
