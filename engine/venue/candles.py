"""Candles of the run's own trades: kept by second and by minute, other intervals aggregated when asked.

Place on the data path: fed on the engine thread with public trades, read by gateways. Invariant: volumes and
quote volumes are exact sums of the trades (int64 tick-lots: a million times what the ledger's money can
hold), and a closed candle never changes. Only candles with trades are stored; those without repeat the close
before them and are made when asked for.

All times are wall ns since 1970: the session's epoch plus session time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.clock import NS_PER_S
from engine.core.types import Side
from engine.venue.row_log import RowLog

__all__ = [
    "CANDLE_DTYPE",
    "INTERVALS",
    "Candle",
    "CandleSeries",
    "Interval",
    "aggregate",
    "group_rows",
    "group_trades",
]

Rows = npt.NDArray[Any]

CANDLE_FIELDS = (
    "open_ns",
    "end_ns",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "quote",
    "taker_volume",
    "taker_quote",
    "trades",
    "first_id",
    "last_id",
)
CANDLE_DTYPE = np.dtype([(name, "<i8") for name in CANDLE_FIELDS])
"""Prices in ticks; volumes in lots, quote volumes in tick-lots; `end_ns` is when the next candle opens;
`first_id` and `last_id` are -1 without trades of the run."""
OPEN, END, FIRST, HIGH, LOW, LAST, VOLUME, QUOTE, TAKER_VOLUME, TAKER_QUOTE, COUNT, FIRST_ID, LAST_ID = range(
    len(CANDLE_FIELDS)
)
MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
BUYS = int(Side.BID)
"""The aggressor bought."""
SUMS = ("volume", "quote", "taker_volume", "taker_quote", "trades")

Candle = tuple[int, ...]
"""One candle as a row of CANDLE_DTYPE."""


class Interval(NamedTuple):
    """A candle interval; its candles open at offset + k * size, in the zone asked for."""

    name: str
    size_ns: int
    """0: calendar months."""
    offset_ns: int = 0

    def opens(self, first_ns: int, last_ns: int, zone_ns: int = 0) -> Rows:
        """Opens of the candles from the one that holds first_ns to the one that holds last_ns, and one more
        (where the last one ends): int64."""
        if self.size_ns == 0:
            first, last = (self._month(time_ns + zone_ns) for time_ns in (first_ns, last_ns))
            months = np.arange(first, last + 2)
            seconds = months.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
            return seconds * NS_PER_S - zone_ns
        shift = self.offset_ns - zone_ns
        first, last = ((time_ns - shift) // self.size_ns for time_ns in (first_ns, last_ns))
        return np.arange(first, last + 2) * self.size_ns + shift

    def open_of(self, time_ns: int, zone_ns: int = 0) -> int:
        """When the candle opened that holds an instant."""
        return int(self.opens(time_ns, time_ns, zone_ns)[0])

    def step_back(self, open_ns: int, count: int, zone_ns: int = 0) -> int:
        """An instant in the candle that stands `count` candles before the one that opened at open_ns."""
        if self.size_ns:
            return open_ns - count * self.size_ns
        month = self._month(open_ns + zone_ns) - count
        return int(np.datetime64(month, "M").astype("datetime64[s]").astype(np.int64)) * NS_PER_S - zone_ns

    @staticmethod
    def _month(time_ns: int) -> int:
        return int(np.datetime64(time_ns // NS_PER_S, "s").astype("datetime64[M]").astype(np.int64))


_UNITS = {"s": NS_PER_S, "m": MINUTE_NS, "h": HOUR_NS, "d": DAY_NS}
_NAMES = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d")
INTERVALS: dict[str, Interval] = {
    **{name: Interval(name, int(name[:-1]) * _UNITS[name[-1]]) for name in _NAMES},
    "1w": Interval("1w", 7 * DAY_NS, 4 * DAY_NS),  # weeks open on Mondays; 1970 began on a Thursday
    "1M": Interval("1M", 0),
}
"""All intervals of Binance, by name."""


class CandleSeries:
    """Candles of one size with trades in them, oldest first; one writer, any readers."""

    def __init__(self, size_ns: int, *, kept: int) -> None:
        self.size_ns = size_ns
        self._closed = RowLog(CANDLE_DTYPE, key="open_ns", kept=kept)
        self._open: Candle | None = None

    def add(self, groups: list[Candle]) -> None:
        """Takes candles of this size or parts of them, oldest first; on the writer's thread only."""
        closed: list[Candle] = []
        standing = self._open
        for group in groups:
            open_ns = group[OPEN] - group[OPEN] % self.size_ns
            if standing is not None and standing[OPEN] == open_ns:
                standing = _merge(standing, group)
                continue
            if standing is not None:
                closed.append(standing)
            standing = (open_ns, open_ns + self.size_ns, *group[2:])
        # Closed first: between the two writes a reader sees a candle twice, never not at all.
        if closed:
            self._closed.append(np.array(closed, CANDLE_DTYPE))
        self._open = standing

    def since(self, open_ns: int) -> Rows:
        """Candles that opened at open_ns or later, the open one included: an array of its own."""
        standing = self._open
        rows = self._closed.since(open_ns, inclusive=True)
        if standing is None or standing[OPEN] < open_ns:
            return rows
        # The writer may have closed it since it was read.
        rows = rows[: int(rows["open_ns"].searchsorted(standing[OPEN]))]
        return np.concatenate((rows, np.array([standing], CANDLE_DTYPE)))

    def before(self, open_ns: int) -> int | None:
        """Close of the last candle with trades that opened before; None without one that is kept."""
        standing = self._open
        if standing is not None and standing[OPEN] < open_ns:
            return standing[LAST]
        row = self._closed.before(open_ns)
        return None if row is None else int(row["close"])

    @property
    def oldest_ns(self) -> int | None:
        """Open of the oldest candle that is kept, once some have left; None: all are kept."""
        if not self._closed.forgotten:
            return None
        first = self._closed.first()
        return None if first is None else int(first["open_ns"])

    def statistics(self) -> dict[str, int]:
        """Fill, limit and candles that have left."""
        return self._closed.statistics()


def group_trades(trades: Sequence[tuple[int, ...]], *, epoch_ns: int, size_ns: int) -> list[Candle]:
    """Trades (rows of market_data.TRADE_DTYPE, oldest first) as candles of one size, oldest first."""
    groups: list[Candle] = []
    until_ns = open_ns = first = high = low = close = volume = quote = taken = taken_quote = count = 0
    first_id = last_id = -1
    for trade_id, _, time_ns, price, lots, side in trades:
        if time_ns >= until_ns:
            if count:
                groups.append((open_ns, open_ns + size_ns, first, high, low, close, volume, quote,
                               taken, taken_quote, count, first_id, last_id))  # fmt: skip
            open_ns = time_ns + epoch_ns
            open_ns -= open_ns % size_ns
            until_ns = open_ns + size_ns - epoch_ns
            first = high = low = price
            volume = quote = taken = taken_quote = count = 0
            first_id = trade_id
        if price > high:
            high = price
        elif price < low:
            low = price
        worth = price * lots
        volume += lots
        quote += worth
        if side == BUYS:
            taken += lots
            taken_quote += worth
        count += 1
        close, last_id = price, trade_id
    if count:
        groups.append((open_ns, open_ns + size_ns, first, high, low, close, volume, quote,
                       taken, taken_quote, count, first_id, last_id))  # fmt: skip
    return groups


def group_rows(trades: Rows, *, epoch_ns: int, size_ns: int) -> list[Candle]:
    """What `group_trades` gives, of an array with at least one; faster from about thirty trades on."""
    opens = trades["time_ns"] + epoch_ns
    opens -= opens % size_ns
    starts = np.flatnonzero(np.diff(opens, prepend=opens[:1] - 1))
    ends = np.append(starts[1:], len(trades)) - 1
    price, lots, ids = trades["price_ticks"], trades["qty_lots"], trades["trade_id"]
    taken = np.where(trades["aggressor_side"] == BUYS, lots, 0)
    columns = (
        opens[starts],
        opens[starts] + size_ns,
        price[starts],
        np.maximum.reduceat(price, starts),
        np.minimum.reduceat(price, starts),
        price[ends],
        *(np.add.reduceat(amount, starts) for amount in (lots, price * lots, taken, price * taken)),
        ends - starts + 1,
        ids[starts],
        ids[ends],
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def aggregate(rows: Rows, opens: Rows, close_before: int) -> Rows:
    """Candles between consecutive `opens`, shape (n + 1,), from smaller `rows`, all inside: shape (n,).

    A candle without any repeats the close before it; the first of all has `close_before`.
    """
    made = np.zeros(len(opens) - 1, CANDLE_DTYPE)
    made["open_ns"], made["end_ns"] = opens[:-1], opens[1:]
    made["first_id"] = made["last_id"] = -1
    holders = opens.searchsorted(rows["open_ns"], side="right") - 1
    filled = np.zeros(len(made), bool)
    if len(rows):
        starts = np.concatenate(([0], np.flatnonzero(holders[1:] != holders[:-1]) + 1))
        ends = np.append(starts[1:], len(rows)) - 1
        at = holders[starts]
        filled[at] = True
        for name in SUMS:
            made[name][at] = np.add.reduceat(rows[name], starts)
        made["open"][at], made["close"][at] = rows["open"][starts], rows["close"][ends]
        made["high"][at] = np.maximum.reduceat(rows["high"], starts)
        made["low"][at] = np.minimum.reduceat(rows["low"], starts)
        first = np.where(rows["first_id"] < 0, np.iinfo(np.int64).max, rows["first_id"])
        last_id = np.maximum.reduceat(rows["last_id"], starts)
        made["last_id"][at] = last_id
        made["first_id"][at] = np.where(last_id < 0, -1, np.minimum.reduceat(first, starts))
    # Where nothing traded: the close of the last candle that has one.
    source = np.maximum.accumulate(np.where(filled, np.arange(len(made)), -1))
    closes = np.where(source >= 0, made["close"][source], close_before)
    for name in ("open", "high", "low", "close"):
        made[name] = np.where(filled, made[name], closes)
    return made


def _merge(candle: Candle, later: Candle) -> Candle:
    return (
        candle[OPEN],
        candle[END],
        candle[FIRST],
        max(candle[HIGH], later[HIGH]),
        min(candle[LOW], later[LOW]),
        later[LAST],
        candle[VOLUME] + later[VOLUME],
        candle[QUOTE] + later[QUOTE],
        candle[TAKER_VOLUME] + later[TAKER_VOLUME],
        candle[TAKER_QUOTE] + later[TAKER_QUOTE],
        candle[COUNT] + later[COUNT],
        candle[FIRST_ID],
        later[LAST_ID],
    )
