"""Public market data of the venue: book images, trades, candles, tickers, and the updates that streams carry.

Place on the data path: between the session and the gateways (stop 6b). `look` reads the session on the
engine thread and publishes immutable values; readers on other threads take whatever stands, without a lock.
Invariant: what is said of the book is a function of the session's state at the boundaries (every 100 ms of
session time), so a replay says the same; trades are told at whichever look comes first, each once.

    Engine     look next_stop_ns
    Book       image top
    Trades     trades_since aggregates_since last_trades last_trade
    Candles    klines candle
    Tickers    window average last_price_ticks
    Streams    updates_since update_count
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.broker.money import Money
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Side
from engine.market.records import TradeRow
from engine.market.tape import Trade
from engine.venue.book_images import BookImage, DepthDiff, SideLevels, Top, diff_images
from engine.venue.candle_history import make_history, minute_volatility
from engine.venue.candles import (
    CANDLE_DTYPE,
    MINUTE_NS,
    CandleSeries,
    Interval,
    aggregate,
    group_trades,
)
from engine.venue.row_log import RowLog

if TYPE_CHECKING:
    from engine.session import Session

__all__ = [
    "BOUNDARY_NS",
    "TRADE_DTYPE",
    "BoundaryUpdate",
    "LastTrade",
    "MarketData",
    "TopUpdate",
    "TradesUpdate",
    "Update",
]

Rows = npt.NDArray[Any]

BOUNDARY_NS = 100 * NS_PER_MS
"""Depth is said at multiples of this, in session time."""
UPDATES_KEPT = 4_096
"""Updates kept for streams; a reader that falls further behind sees a gap in their numbers."""
TRADES_KEPT = 200_000
SECONDS_KEPT = 90_000
"""Candles of one second with trades: at least a day."""
MINUTES_KEPT = 50_000
"""Candles of one minute with trades: at least a month."""
IDLE_TRADES = 256
"""Trades that may wait while nobody watches; far fewer than the market itself keeps."""
BEST_LEVELS = 20
"""Levels a side in a boundary's update."""
AVERAGE_NS = 5 * MINUTE_NS

TRADE_DTYPE = np.dtype(
    [
        ("trade_id", "<i8"),
        ("aggregate_id", "<i8"),
        ("time_ns", "<i8"),
        ("price_ticks", "<i8"),
        ("qty_lots", "<i8"),
        ("aggressor_side", "<i8"),
    ]
)
"""A public trade; times are session time. Trades of one aggressor at one instant and price share their
aggregate; aggressor_side is a Side, or NO_SIDE."""
assert (TradeRow.dtype().names or ())[:6] == tuple(Trade._fields[:6]), "as _public_rows unpacks them"


class LastTrade(NamedTuple):
    """The last trade."""

    time_ns: int
    price_ticks: int
    qty_lots: int


class TradesUpdate(NamedTuple):
    """Trades since the last look."""

    number: int
    time_ns: int
    trades: Rows
    """Shape (n,), TRADE_DTYPE, oldest first, at least one."""


class TopUpdate(NamedTuple):
    """The best prices or their quantities are others."""

    number: int
    time_ns: int
    top: Top


class BoundaryUpdate(NamedTuple):
    """A boundary of session time was reached."""

    number: int
    time_ns: int
    diff: DepthDiff | None
    """Since the boundary before; None: no level changed."""
    is_second: bool
    """Whether a second of session time is full."""
    second_diff: DepthDiff | None
    """At full seconds: since the second before. It has ids of its own, gap-free as well."""
    best: BookImage
    """The best BEST_LEVELS levels of each side."""


Update = TradesUpdate | TopUpdate | BoundaryUpdate
"""What streams are made of; numbers are gap-free."""


class Window(NamedTuple):
    """Statistics of a stretch of time."""

    start_ns: int
    end_ns: int
    candle: Rows
    """One row of CANDLE_DTYPE."""
    close_before: int
    """Ticks of the last trade before it."""


class MarketData:
    """Public data of one session. `epoch_ns`: wall time at session time 0."""

    def __init__(self, session: Session, epoch_ns: int) -> None:
        self.epoch_ns = epoch_ns
        self.money = Money(session.exchange.instrument)
        self.instrument = session.exchange.instrument
        self._session = session
        self._exchange = session.exchange
        now_ns = session.now_ns
        self.time_ns = now_ns
        """Session time of what is published."""
        self.next_stop_ns = now_ns - now_ns % BOUNDARY_NS + BOUNDARY_NS
        """Session time must not pass this without a look there."""
        self.is_watched = True
        """Set to False (by any thread, at any time) while nobody reads: then only full seconds are
        boundaries, and a fast session loses less time. Ids stay gap-free over the change."""
        self.opening_ticks: int | None = None
        """The price with which the session began: that of its first trade, or the mid of the first boundary
        that has one, whichever came first."""
        self.image = self._take_image(now_ns)
        """The book at the last boundary."""
        self.top = self.image.top()
        self.last_trade: LastTrade | None = None
        self.update_count = 0
        """Number of the last update."""
        self.lost_trades = 0
        """Trades that had left the session's own ring before a look."""
        self._second_image = self.image
        self._diff_id = self._second_diff_id = self.image.update_id
        self._trades = RowLog(TRADE_DTYPE, key="trade_id", kept=TRADES_KEPT)
        self._trade_count = 0
        self._aggregate_count = 0
        self._seconds = CandleSeries(NS_PER_S, kept=SECONDS_KEPT)
        self._minutes = CandleSeries(MINUTE_NS, kept=MINUTES_KEPT)
        self._updates: deque[Update] = deque(maxlen=UPDATES_KEPT)
        self._history: Rows | None = None
        if session.exchange.trade_count:
            self._take_trades(now_ns)
        self._note_opening()

    # -- on the engine thread --------------------------------------------------------------------------

    def look(self) -> bool:
        """Publishes what is new since the last look; whether there was anything. Call it after each advance,
        on the engine thread."""
        now_ns = self._session.now_ns
        waiting = self._exchange.trade_count - self._trade_count
        is_full = self.is_watched or self._crossed_second(now_ns)
        came = waiting > 0 and (is_full or waiting >= IDLE_TRADES)
        if came:
            self._take_trades(now_ns)
        if now_ns >= self.next_stop_ns:
            if is_full:
                self._mark_boundary(now_ns)
                return True
            self.next_stop_ns = now_ns - now_ns % BOUNDARY_NS + BOUNDARY_NS
        elif came:
            self._look_at_top(now_ns)
        return came

    def _crossed_second(self, now_ns: int) -> bool:
        """Whether a full second lies between the boundary before and now."""
        return now_ns // NS_PER_S > (self.next_stop_ns - BOUNDARY_NS) // NS_PER_S

    def _take_trades(self, now_ns: int) -> None:
        found = self._exchange.tape.arrays_since(self._trade_count)
        last = self._exchange.trade_count
        self.lost_trades += last - self._trade_count - len(found)
        self._trade_count = last
        if not len(found):
            return
        rows = self._public_rows(found)
        trades = np.array(rows, TRADE_DTYPE)
        trades.flags.writeable = False
        _, self._aggregate_count, time_ns, price, lots, _ = rows[-1]
        if self.opening_ticks is None:
            self.opening_ticks = rows[0][3]
        groups = group_trades(rows, epoch_ns=self.epoch_ns, size_ns=NS_PER_S)
        self._trades.append(trades)
        self._seconds.add(groups)
        self._minutes.add(groups)
        self.last_trade = LastTrade(time_ns, price, lots)
        self.time_ns = now_ns
        self._publish(TradesUpdate(self.update_count + 1, now_ns, trades))

    def _public_rows(self, found: Rows) -> list[tuple[int, ...]]:
        """Executions as rows of TRADE_DTYPE. Few at a time: plain Python is faster than numpy."""
        rows: list[tuple[int, ...]] = []
        aggregate_id, last = self._aggregate_count, None
        for trade in found.tolist():
            trade_id, time_ns, price, lots, side, aggressor = trade[:6]
            key = (aggressor, time_ns, side, price)
            if key != last:
                aggregate_id += 1
                last = key
            rows.append((trade_id, aggregate_id, time_ns, price, lots, side))
        return rows

    def _mark_boundary(self, now_ns: int) -> None:
        before = self.image
        is_second = self._crossed_second(now_ns)
        self.next_stop_ns = now_ns - now_ns % BOUNDARY_NS + BOUNDARY_NS
        image, diff, second_diff = before, None, None
        if self._session.event_count != before.update_id:
            image = self._take_image(now_ns)
            diff = diff_images(before, image, first_id=self._diff_id + 1)
            if diff is not None:
                self._diff_id = diff.last_id
        if is_second:
            second_diff = diff_images(self._second_image, image, first_id=self._second_diff_id + 1)
            self._second_image = image
            if second_diff is not None:
                self._second_diff_id = second_diff.last_id
        self.image = image
        self.time_ns = now_ns
        self._note_opening()
        if image is not before:
            self._note_top(image.top())
        best = image.best(BEST_LEVELS)
        self._publish(BoundaryUpdate(self.update_count + 1, now_ns, diff, is_second, second_diff, best))

    def _take_image(self, now_ns: int) -> BookImage:
        levels = self._exchange.book.level_arrays
        bids, asks = (SideLevels(*levels(side)) for side in (int(Side.BID), int(Side.ASK)))
        return BookImage(self._session.event_count, now_ns, bids, asks)

    def _look_at_top(self, now_ns: int) -> None:
        levels = self._exchange.book.level_arrays
        bids, asks = (SideLevels(*levels(side, 1)) for side in (int(Side.BID), int(Side.ASK)))
        self._note_top(BookImage(self._session.event_count, now_ns, bids, asks).top())

    def _note_top(self, top: Top) -> None:
        if top[2:] != self.top[2:]:
            self.top = top
            self._publish(TopUpdate(self.update_count + 1, top.time_ns, top))

    def _note_opening(self) -> None:
        bids, asks = self.image.bids.prices, self.image.asks.prices
        if self.opening_ticks is None and len(bids) and len(asks):
            self.opening_ticks = max(1, int(bids[0] + asks[0]) // 2)

    def _publish(self, update: Update) -> None:
        self._updates.append(update)
        self.update_count = update.number

    # -- for readers on any thread ---------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Wall time of what is published."""
        return self.epoch_ns + self.time_ns

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade; before the first, the opening price; None: the market has no price yet."""
        last = self.last_trade
        return self.opening_ticks if last is None else last.price_ticks

    def updates_since(self, number: int) -> tuple[Update, ...]:
        """Updates after this number, oldest first; where the first is not number + 1, some have left."""
        kept = tuple(self._updates)
        later = kept[-1].number - number if kept else 0
        return kept[-later:] if later > 0 else ()

    def trades_since(self, trade_id: int) -> Rows:
        """Kept trades with a greater id, oldest first: TRADE_DTYPE."""
        return self._trades.since(trade_id)

    def aggregates_since(self, value: int, *, key: str = "aggregate_id") -> Rows:
        """Kept trades from this aggregate id (or this session time, with key "time_ns") on, oldest first."""
        return self._trades.since(value, inclusive=True, key=key)

    def last_trades(self, count: int) -> Rows:
        """The last trades, oldest first: TRADE_DTYPE."""
        return self._trades.last(count)

    def klines(
        self,
        interval: Interval,
        *,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int = 500,
        zone_ns: int = 0,
    ) -> Rows:
        """Candles that open within [start_ns, end_ns] (wall ns), oldest first: CANDLE_DTYPE.

        At most `limit`: the first of them with a start, else the last. The last candle may still be open.
        Candles of one second exist from the session's beginning on, others reach back into the synthetic
        history. None before the market had a price.
        """
        opening, now_ns = self.opening_ticks, self.now_ns
        if opening is None or limit <= 0:
            return np.zeros(0, CANDLE_DTYPE)
        first_ns = self._first_ns(interval)
        last_ns = now_ns if end_ns is None else min(now_ns, end_ns)
        if last_ns < first_ns or (start_ns is not None and start_ns > last_ns):
            return np.zeros(0, CANDLE_DTYPE)
        if start_ns is None:
            from_ns = interval.step_back(interval.open_of(last_ns, zone_ns), limit - 1, zone_ns)
        else:
            from_ns = start_ns
            if interval.size_ns:
                last_ns = min(last_ns, max(from_ns, first_ns) + (limit + 1) * interval.size_ns)
        opens = interval.opens(max(from_ns, first_ns), last_ns, zone_ns)
        if start_ns is not None and opens[0] < start_ns:
            opens = opens[1:]
        opens = opens[: limit + 1] if start_ns is not None else opens[-limit - 1 :]
        if len(opens) < 2:
            return np.zeros(0, CANDLE_DTYPE)
        return self._candles(interval, opens, opening)

    def candle(self, interval: Interval, open_ns: int, zone_ns: int = 0) -> Rows | None:
        """The candle that opens at open_ns: one row of CANDLE_DTYPE; None before the market had a price."""
        opening = self.opening_ticks
        if opening is None:
            return None
        row: Rows = self._candles(interval, interval.opens(open_ns, open_ns, zone_ns), opening)[0]
        return row

    def window(self, start_ns: int) -> Window | None:
        """Statistics from start_ns (wall; rounded up to a full minute) to now, from the session's trades and,
        before it, the synthetic history; ids and counts of trades are the session's alone. None before the
        market had a price."""
        opening, now_ns = self.opening_ticks, self.now_ns
        if opening is None:
            return None
        first_ns = start_ns + -start_ns % MINUTE_NS
        opens = np.array([first_ns, max(now_ns, first_ns) + 1])
        rows = self._minute_rows(first_ns, int(opens[1]), opening)
        before = self._close_before(self._minutes, first_ns, opening)
        row = aggregate(rows, opens, before)[0]
        row["trades"] = int(rows["trades"][rows["first_id"] >= 0].sum())
        return Window(start_ns, now_ns, row, before)

    def average(self) -> tuple[int, int]:
        """(quote volume in tick-lots, volume in lots) of the last five minutes (in full seconds); (price, 1)
        when nothing has traded in them. (0, 1) before the market had a price."""
        rows = self._seconds.since(self.now_ns - AVERAGE_NS)
        volume = int(rows["volume"].sum())
        return (int(rows["quote"].sum()), volume) if volume else (self.last_price_ticks or 0, 1)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "updates": self.update_count,
            "updates_kept": len(self._updates),
            "updates_limit": UPDATES_KEPT,
            "trades_lost": self.lost_trades,
            **{f"trades_{name}": value for name, value in self._trades.statistics().items()},
            **{f"seconds_{name}": value for name, value in self._seconds.statistics().items()},
            **{f"minutes_{name}": value for name, value in self._minutes.statistics().items()},
        }

    # -- candles -----------------------------------------------------------------------------------------

    def _candles(self, interval: Interval, opens: Rows, opening: int) -> Rows:
        first_ns, end_ns = int(opens[0]), int(opens[-1])
        if interval.size_ns == NS_PER_S:
            series = self._seconds
            rows = series.since(first_ns)
            rows = rows[: int(rows["open_ns"].searchsorted(end_ns))]
        else:
            series = self._minutes
            rows = self._minute_rows(first_ns, end_ns, opening)
        return aggregate(rows, opens, self._close_before(series, first_ns, opening))

    def _minute_rows(self, first_ns: int, end_ns: int, opening: int) -> Rows:
        """Candles of one minute within [first_ns, end_ns), those of the history included."""
        rows = self._minutes.since(first_ns)
        rows = rows[: int(rows["open_ns"].searchsorted(end_ns))]
        if first_ns >= self.epoch_ns:
            return rows
        history = self._past(opening)
        low, high = history["open_ns"].searchsorted((first_ns, end_ns)).tolist()
        return np.concatenate((history[low:high], rows))

    def _close_before(self, series: CandleSeries, open_ns: int, opening: int) -> int:
        found = series.before(open_ns)
        if found is not None:
            return found
        if open_ns >= self.epoch_ns or series.size_ns == NS_PER_S:
            return opening
        history = self._past(opening)
        at = int(history["open_ns"].searchsorted(open_ns))
        return int(history["close"][at - 1] if at else history["open"][0])

    def _first_ns(self, interval: Interval) -> int:
        """Open of the oldest candle there is."""
        series = self._seconds if interval.size_ns == NS_PER_S else self._minutes
        oldest_ns = series.oldest_ns
        if oldest_ns is not None:
            return oldest_ns
        if series is self._seconds or self.opening_ticks is None:
            return self.epoch_ns - self.epoch_ns % NS_PER_S
        return int(self._past(self.opening_ticks)["open_ns"][0])

    def _past(self, opening: int) -> Rows:
        """The synthetic history, made when first wanted; whoever makes it, it is the same."""
        history = self._history
        if history is None:
            scenario = self._session.scenario
            history = self._history = make_history(
                scenario=scenario.name,
                seed=self._session.seed,
                opening_ticks=opening,
                volatility_ticks=minute_volatility(scenario.fundamental, opening),
                unit_lots=self.instrument.unit_lots,
                epoch_ns=self.epoch_ns,
            )
        return history
