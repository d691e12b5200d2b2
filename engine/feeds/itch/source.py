"""One stock of an ITCH file as a source for a session: its rows, completed, and what the day said of it.

Stop on the data path: the door between the ITCH feed and the session. Invariant: a source is a pure function
of the file's bytes and the stock; its rows are those that the plain book of that stock is built from.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.book.books import HotBooks, RowArray
from engine.book.interface import TOP_DTYPE, TopArray
from engine.core.errors import DataError, UsageError
from engine.core.types import Instrument
from engine.feeds.files import Report, file_sha256
from engine.feeds.itch.decoder import Noted
from engine.feeds.itch.messages import (
    PRICE_DECIMALS,
    ItchMessage,
    OperationalHalt,
    OrderImbalance,
    StockDirectory,
    SystemEvent,
    TradingAction,
)
from engine.feeds.itch.opening import open_itch_bytes
from engine.feeds.itch.stream import ItchStream

__all__ = ["ITCH", "MAX_ROWS", "ItchSource", "StatusChange", "StockActivity", "open_itch"]

ITCH = "itch50"
MAX_ROWS = 1 << 26
"""Rows of one stock that are held; a busy stock has some two million a day."""
MAX_STATUS = 1 << 20
"""Changes of status that are held; further ones are counted."""
AUCTION_SHOWN_NS = 10_000_000_000
"""An imbalance is news for so long: in an auction a new one comes every second."""

_STEPS = 10_000, 1_000, 100, 10
_PERIODS = {
    "O": "before hours",
    "S": "pre-market",
    "Q": "market hours",
    "M": "after hours",
    "E": "closed",
    "C": "closed",
}
"""What a SystemEvent says of the time that it begins."""
_STATES = {"H": "halted", "P": "paused", "Q": "quotation only", "T": "trading"}


class StatusChange(NamedTuple):
    """Something that the exchange said about the day or the stock."""

    time_ns: int
    kind: str
    """One of: "day", "stock", "auction"."""
    text: str


class StockActivity(NamedTuple):
    """A stock that has rows in a file."""

    symbol: str
    """"" where no message names it."""
    locate: int
    messages: int
    """About its orders and trades."""


class ItchSource:
    """One stock's day.

    Identity   path, name, kind, sha256, instrument, locate, stocks
    Extent     epoch_ns, duration_ns, record_count, record_time_ns
    Records    rows, twice_mid_at
    Status     status_at, changes
    """

    kind = ITCH
    starts_without_snapshot = False

    def __init__(
        self,
        path: Path,
        *,
        sha256: str,
        rows: RowArray,
        twice_mids: npt.NDArray[np.int64],
        instrument: Instrument,
        locate: int,
        stocks: tuple[StockActivity, ...],
        changes: tuple[StatusChange, ...],
        gap: str | None,
        statistics: dict[str, int],
    ) -> None:
        self.path = path
        self.sha256 = sha256
        """Of the file's bytes as they lie on disk, in hex."""
        self.rows = rows
        """Shape (n,), dtype ROW_DTYPE: `ts` is session time, prices are ticks of the instrument."""
        self.twice_mids = twice_mids
        """Shape (n,): best bid + best ask of the plain book after each row, in ticks; 0 where a side is
        empty."""
        self.instrument = instrument
        self.locate = locate
        self.stocks = stocks
        """All stocks of the file that have rows, the busiest first."""
        self.changes = changes
        self.gap = gap
        """The hole in a packet capture's sequence behind which there is nothing; None: no hole."""
        self.epoch_ns = statistics.pop("first_ns")
        """ns since midnight at the exchange of the first row: ITCH names no day."""
        self._times = rows["ts"]
        self._change_times = [change.time_ns for change in changes]
        self._statistics = statistics

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.path.name

    @property
    def duration_ns(self) -> int:
        """Session time of the last row."""
        return int(self._times[-1])

    @property
    def record_count(self) -> int:
        """Number of rows."""
        return len(self.rows)

    @property
    def dropped_count(self) -> int:
        """Messages that could not be read, and rows about orders that the file never introduced."""
        return self._statistics["damaged"] + self._statistics["unknown_orders"]

    def record_time_ns(self, index: int) -> int:
        """Session time of the row with this index."""
        return int(self._times[index])

    def next_time_index(self, index: int) -> int:
        """The first row behind `index` that is later than it."""
        return int(self._times.searchsorted(self._times[index], side="right"))

    def twice_mid_at(self, time_ns: int) -> int | None:
        """Twice the plain book's mid at a session time; None where one of its sides is empty."""
        index = int(self._times.searchsorted(time_ns, side="right")) - 1
        return None if index < 0 else int(self.twice_mids[index]) or None

    def status_at(self, time_ns: int) -> str:
        """What the exchange last said of the day and the stock, and of its auction while one is near:
        "market hours · halted LUDP". Empty before the first word."""
        latest: dict[str, StatusChange] = {}
        for change in self.changes[: bisect_right(self._change_times, time_ns)][-_LOOKED_BACK:]:
            latest[change.kind] = change
        auction = latest.get("auction")
        if auction is not None and time_ns - auction.time_ns > AUCTION_SHOWN_NS:
            del latest["auction"]
        return " · ".join(latest[kind].text for kind in ("day", "stock", "auction") if kind in latest)

    def statistics(self) -> dict[str, int]:
        """Fill of what is limited, and what the file holds."""
        return {
            "rows": len(self.rows),
            "rows_limit": MAX_ROWS,
            "changes": len(self.changes),
            "changes_limit": MAX_STATUS,
            **self._statistics,
        }


_LOOKED_BACK = 4_096


def open_itch(path: Path | str, *, symbol: str | None = None, report: Report | None = None) -> ItchSource:
    """Read a BinaryFILE (plain or packed) and take one stock out of it: `symbol`, else the busiest.

    `report` hears how many bytes are read. Raises UsageError when the file cannot be opened or has no such
    stock, DataError when it is damaged so that nothing can be read, or too long.
    """
    path = Path(path)
    sha256 = file_sha256(path)
    stocks = _list_stocks(path, report)
    if not stocks:
        raise DataError(f"{path}: no order or trade in it. `stormdesk inspect` says what the file holds.")
    chosen = _choose(path, stocks, symbol)
    return _Reader(path, chosen, stocks).read(sha256, report)


def _list_stocks(path: Path, report: Report | None) -> tuple[StockActivity, ...]:
    """All stocks with rows, the busiest first."""
    names: dict[int, str] = {}
    with open_itch_bytes(path, report=report) as data:
        stream = ItchStream(data, by_stock=True)
        for part in stream:
            if part.decoded.note_count:
                for noted in stream.notes(part, "R"):
                    assert isinstance(noted.message, StockDirectory)
                    names[noted.message.locate] = noted.message.stock
        busy = stream.decoder.stocks()
    rows = [StockActivity(names.get(locate, name), locate, count) for locate, (name, count) in busy.items()]
    return tuple(sorted(rows, key=lambda stock: (-stock.messages, stock.locate)))


def _choose(path: Path, stocks: tuple[StockActivity, ...], symbol: str | None) -> StockActivity:
    if symbol is None:
        return stocks[0]
    for stock in stocks:
        if stock.symbol == symbol.upper():
            return stock
    some = ", ".join(stock.symbol or f"#{stock.locate}" for stock in stocks[:8])
    raise UsageError(f"{path}: no orders of {symbol!r} in it. It has {len(stocks)} stocks, busiest: {some}.")


class _Reader:
    """Reads one stock out of a file."""

    def __init__(self, path: Path, stock: StockActivity, stocks: tuple[StockActivity, ...]) -> None:
        self._path = path
        self._stock = stock
        self._stocks = stocks
        self._changes: list[StatusChange] = []
        self._gap: str | None = None
        self._statistics = {"unknown_orders": 0, "clock_backwards": 0, "changes_left_out": 0}

    def read(self, sha256: str, report: Report | None) -> ItchSource:
        books = HotBooks(near_shift=2)
        parts: list[RowArray] = []
        mids: list[npt.NDArray[np.int64]] = []
        kept = 0
        with open_itch_bytes(self._path, report=report) as data:
            stream = ItchStream(data)
            for part in stream:
                rows = part.decoded.rows
                own = rows[rows["instrument_id"] == self._stock.locate]
                tops = np.zeros(len(own), TOP_DTYPE)
                books.apply(own, tops)
                mids.append(_twice_mids(tops))
                kept += len(own)
                if kept > MAX_ROWS:
                    raise DataError(f"{self._path}: more than {MAX_ROWS} rows of {self._stock.symbol}.")
                parts.append(own)
                if part.decoded.note_count:
                    for noted in stream.notes(part, "SHhI"):
                        self._note(noted)
            self._gap = data.gap
        rows = np.concatenate(parts)
        for cross in rows[rows["letter"] == ord("Q")][: MAX_STATUS - len(self._changes)]:
            self._changes.append(StatusChange(int(cross["ts"]), "auction", f"crossed {cross['qty']:,}"))
        self._statistics["damaged"] = stream.decoder.unknown_type + stream.decoder.wrong_length
        self._statistics["cut_off_bytes"] = stream.cut_off_bytes
        self._statistics["unknown_orders"] = books.counts.unknown_order
        first_ns = int(rows["ts"][0])
        exponent = self._settle(rows, first_ns)
        return ItchSource(
            self._path,
            sha256=sha256,
            rows=rows,
            twice_mids=np.concatenate(mids) // 10**exponent,
            instrument=self._instrument(rows, exponent),
            locate=self._stock.locate,
            stocks=self._stocks,
            changes=tuple(self._shifted(first_ns)),
            gap=self._gap,
            statistics={"first_ns": first_ns, **self._statistics},
        )

    def _settle(self, rows: RowArray, first_ns: int) -> int:
        """Session times that never go back, prices in ticks; the power of ten of a tick in 1e-4."""
        times = rows["ts"] - first_ns
        held = np.maximum.accumulate(times)
        self._statistics["clock_backwards"] = int((times < held).sum())
        rows["ts"] = held
        prices = rows["price"]
        exponent = next((4 - at for at, step in enumerate(_STEPS) if not (prices % step).any()), 0)
        rows["price"] = prices // 10**exponent
        rows["instrument_id"] = 0
        return exponent

    def _instrument(self, rows: RowArray, exponent: int) -> Instrument:
        traded = rows["qty"][(rows["letter"] == ord("E")) | (rows["letter"] == ord("P"))]
        return Instrument(
            symbol=self._stock.symbol or f"#{self._stock.locate}",
            tick_size=Decimal(1).scaleb(exponent - PRICE_DECIMALS),
            lot_size=Decimal(1),
            currency="USD",
            unit_lots=max(1, int(traded.mean())) if len(traded) else 100,
        )

    def _note(self, noted: Noted) -> None:
        change = _change_of(noted.message, self._stock.locate)
        if change is None:
            return
        if len(self._changes) < MAX_STATUS:
            self._changes.append(change)
        else:
            self._statistics["changes_left_out"] += 1

    def _shifted(self, first_ns: int) -> list[StatusChange]:
        """In session time; what came before the first row is at 0."""
        changes = [change._replace(time_ns=max(0, change.time_ns - first_ns)) for change in self._changes]
        return sorted(changes, key=lambda change: change.time_ns)


def _twice_mids(tops: TopArray) -> npt.NDArray[np.int64]:
    """Best bid + best ask of each row, 0 where one of them is not there."""
    there = (tops["bid_qty"] > 0) & (tops["ask_qty"] > 0)
    return np.where(there, tops["bid_price"] + tops["ask_price"], 0).astype(np.int64)


def _change_of(message: ItchMessage, locate: int) -> StatusChange | None:
    """What a message says of the day or this stock; None where it says nothing of it."""
    if isinstance(message, SystemEvent):
        return StatusChange(message.time_ns, "day", _PERIODS.get(message.event, message.event))
    if message.locate != locate:
        return None
    if isinstance(message, TradingAction):
        text = f"{_STATES.get(message.state, message.state)} {message.reason}".strip()
        return StatusChange(message.time_ns, "stock", text)
    if isinstance(message, OperationalHalt):
        text = "halted (operational)" if message.action == "H" else "trading"
        return StatusChange(message.time_ns, "stock", text)
    if isinstance(message, OrderImbalance):
        side = {"B": "buy", "S": "sell", "N": "none", "O": "too few orders"}.get(message.direction, "–")
        text = f"auction: {message.paired_shares:,} paired, imbalance {side} {message.imbalance_shares:,}"
        return StatusChange(message.time_ns, "auction", text)
    return None
