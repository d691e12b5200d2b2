"""Public market data of the venue: book images, trades, candles, tickers, and the updates that streams carry.

Place on the data path: between the session and the gateways (stop 6b). `look` reads the session on the
engine thread and publishes immutable values; readers on other threads take whatever stands, without a lock.
Invariant: what is said of the book is a function of the session's state at the boundaries (every 100 ms of
session time), so a replay says the same; trades are told at whichever look comes first, each once. While
nobody watches, an engine may `rest`: trades and candles stay complete, the book is seen now and then, and no
boundary is said. While the boundary's public data stand still (a fault), what readers see stands still too;
updates are made all the same, and it is for those who pass them on to hold them back.

    Engine     look next_stop_ns; rest next_rest_ns
    Watchers   watch unwatch is_watched
    Book       image top
    Trades     trades_since aggregates_since last_trades last_trade
    Candles    klines candle window average (candle_reader.py)
    Tickers    last_price_ticks
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
from engine.venue.book_images import BookImage, DepthDiff, SideLevels, Top, diff_images, join_diffs
from engine.venue.candle_reader import CandleReader
from engine.venue.candles import Candle, group_rows, group_trades
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
MANY_TRADES = 32
"""From so many trades at once, numpy is faster than plain Python."""
REST_SHARE = 16
"""While nobody watches, one part in so many of what the market's ring of trades holds may come between two
stops; and four times as many may wait to be taken."""
SHORTEST_REST_NS = NS_PER_MS
HELD_TRADES = 200_000
"""Trades that readers may not see yet while public data stand still; more, and the oldest are seen early."""
BEST_LEVELS = 20
"""Levels a side in a boundary's update."""

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
    """At full seconds: all that changed at boundaries since the second before, also what is again as it was:
    a snapshot may be of any boundary between. It has ids of its own, gap-free as well."""
    best: BookImage
    """The best BEST_LEVELS levels of each side."""


Update = TradesUpdate | TopUpdate | BoundaryUpdate
"""What streams are made of; numbers are gap-free."""


class _Seen(NamedTuple):
    """What readers see; replaced as a whole."""

    time_ns: int
    image: BookImage
    top: Top
    last_trade: LastTrade | None


class _Trades(NamedTuple):
    """Trades that were taken together."""

    rows: Rows
    candles: list[Candle]
    """Of a second each, or parts of them."""


class MarketData(CandleReader):
    """Public data of one session. `epoch_ns`: wall time at session time 0."""

    def __init__(self, session: Session, epoch_ns: int) -> None:
        super().__init__(session, epoch_ns)
        self.money = Money(session.exchange.instrument)
        self._exchange = session.exchange
        self._boundary = session.broker.boundary
        now_ns = session.now_ns
        self.next_stop_ns = now_ns - now_ns % BOUNDARY_NS + BOUNDARY_NS
        """Session time must not pass this without a look there."""
        self.update_count = 0
        """Number of the last update."""
        self.lost_trades = 0
        """Trades that had left the session's own ring before a look."""
        self._watchers: dict[object, None] = {}
        self._rest_ns = BOUNDARY_NS
        self._rest_count = 0
        self._image = self._take_image(now_ns)
        """The book at the last boundary."""
        self._second: list[DepthDiff] = []
        """Diffs since the last full second."""
        self._top = self._image.top()
        self._diff_id = self._second_diff_id = self._image.update_id
        self._trades = RowLog(TRADE_DTYPE, key="trade_id", kept=TRADES_KEPT)
        self._trade_count = 0
        self._aggregate_count = 0
        self._held: deque[_Trades] = deque()
        self._held_count = 0
        self._updates: list[Update | None] = [None] * UPDATES_KEPT
        """A ring by number: written by the engine's thread, read by others without a lock."""
        self._seen = _Seen(now_ns, self._image, self._top, None)
        if session.exchange.trade_count:
            self._take_trades(now_ns)
        self._note_opening()
        self._show(now_ns)

    # -- on the engine thread --------------------------------------------------------------------------

    def look(self) -> bool:
        """Publishes what is new since the last look; whether there was anything. Call it after each advance,
        on the engine thread."""
        now_ns = self._session.now_ns
        came = self._exchange.trade_count != self._trade_count
        if came:
            self._take_trades(now_ns)
        if now_ns >= self.next_stop_ns:
            self._mark_boundary(now_ns)
        elif came:
            self._look_at_top(now_ns)
        else:
            return False
        self._show(now_ns)
        return True

    def rest(self, *, sees_book: bool) -> bool:
        """In place of `look` while nobody watches: takes the trades that may not wait, and with `sees_book`
        all of them and the book as it is, for those who ask. Whether there were updates."""
        if self.opening_ticks is None:
            return self.look()
        now_ns, count = self._session.now_ns, self._exchange.trade_count
        self.next_stop_ns = now_ns - now_ns % BOUNDARY_NS + BOUNDARY_NS
        room = len(self._exchange.market.trades) // REST_SHARE
        came, self._rest_count = count - self._rest_count, count
        if came > room:
            self._rest_ns = max(SHORTEST_REST_NS, self._rest_ns // 2)
        elif 2 * came < room:
            self._rest_ns = min(NS_PER_S, 2 * self._rest_ns)
        takes = count - self._trade_count >= (1 if sees_book else 4 * room)
        if takes:
            self._take_trades(now_ns)
        if sees_book and self._session.event_count != self._image.update_id:
            self._image = self._take_image(now_ns)
            self._diff_id = self._second_diff_id = self._image.update_id
            self._second.clear()
            self._top = self._image.top()
        if takes or sees_book:
            self._show(now_ns)
        return takes

    @property
    def next_rest_ns(self) -> int:
        """While nobody watches, session time must not pass this without a rest there."""
        if self.opening_ticks is None:
            return self.next_stop_ns
        return self._session.now_ns + self._rest_ns

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
        if len(found) < MANY_TRADES:
            tuples = self._public_tuples(found)
            trades = np.array(tuples, TRADE_DTYPE)
            candles = group_trades(tuples, epoch_ns=self.epoch_ns, size_ns=NS_PER_S)
        else:
            trades = self._public_rows(found)
            candles = group_rows(trades, epoch_ns=self.epoch_ns, size_ns=NS_PER_S)
        trades.flags.writeable = False
        self._aggregate_count = int(trades[-1]["aggregate_id"])
        if self.opening_ticks is None:
            self.opening_ticks = int(trades[0]["price_ticks"])
        self._held.append(_Trades(trades, candles))
        self._held_count += len(trades)
        self._publish(TradesUpdate(self.update_count + 1, now_ns, trades))

    def _public_tuples(self, found: Rows) -> list[tuple[int, ...]]:
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

    def _public_rows(self, found: Rows) -> Rows:
        """The same for many."""
        rows = np.empty(len(found), TRADE_DTYPE)
        for name in ("trade_id", "time_ns", "price_ticks", "qty_lots", "aggressor_side"):
            rows[name] = found[name]
        is_new = np.ones(len(found), bool)
        keys = (found[name] for name in ("aggressor", "time_ns", "aggressor_side", "price_ticks"))
        is_new[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
        rows["aggregate_id"] = self._aggregate_count + np.cumsum(is_new)
        return rows

    def _mark_boundary(self, now_ns: int) -> None:
        before = self._image
        is_second = self._crossed_second(now_ns)
        self.next_stop_ns = now_ns - now_ns % BOUNDARY_NS + BOUNDARY_NS
        image, diff, second_diff = before, None, None
        if self._session.event_count != before.update_id:
            image = self._take_image(now_ns)
            diff = diff_images(before, image, first_id=self._diff_id + 1)
            if diff is not None:
                self._diff_id = diff.last_id
                self._second.append(diff)
        if is_second and self._second:
            second_diff = join_diffs(self._second, first_id=self._second_diff_id + 1)
            self._second_diff_id = second_diff.last_id
            self._second.clear()
        self._image = image
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
        if top[2:] != self._top[2:]:
            self._top = top
            self._publish(TopUpdate(self.update_count + 1, top.time_ns, top))

    def _note_opening(self) -> None:
        bids, asks = self._image.bids.prices, self._image.asks.prices
        if self.opening_ticks is None and len(bids) and len(asks):
            self.opening_ticks = max(1, int(bids[0] + asks[0]) // 2)

    def _publish(self, update: Update) -> None:
        self._updates[update.number % len(self._updates)] = update
        self.update_count = update.number

    def _show(self, now_ns: int) -> None:
        """Lets readers see what is published, unless public data stand still."""
        is_stale = self._boundary.is_stale
        last = self._seen.last_trade
        while self._held and (not is_stale or self._held_count > HELD_TRADES):
            rows, candles = self._held.popleft()
            self._held_count -= len(rows)
            self._trades.append(rows)
            self._seconds.add(candles)
            self._minutes.add(candles)
            _, _, time_ns, price, lots, _ = rows[-1].item()
            last = LastTrade(time_ns, price, lots)
        if not is_stale:
            self._seen = _Seen(now_ns, self._image, self._top, last)

    # -- watchers, on any thread -----------------------------------------------------------------------

    def watch(self, watcher: object) -> None:
        """From now on this watcher wants every update."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: object) -> None:
        """It wants them no longer."""
        self._watchers.pop(watcher, None)

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants every update."""
        return bool(self._watchers)

    # -- for readers on any thread ---------------------------------------------------------------------

    @property
    def time_ns(self) -> int:
        """Session time of what is to be seen."""
        return self._seen.time_ns

    @property
    def now_ns(self) -> int:
        """The same in wall time."""
        return self.epoch_ns + self._seen.time_ns

    @property
    def image(self) -> BookImage:
        """The book at the last boundary; at any time when nobody watches."""
        return self._seen.image

    @property
    def top(self) -> Top:
        """The best prices."""
        return self._seen.top

    @property
    def last_trade(self) -> LastTrade | None:
        """None before the first."""
        return self._seen.last_trade

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade; before the first, the opening price; None: the market has no price yet."""
        last = self.last_trade
        return self.opening_ticks if last is None else last.price_ticks

    def updates_since(self, number: int) -> tuple[Update, ...]:
        """Updates after this number, oldest first; where the first is not number + 1, some have left."""
        count, kept, newest_first = self.update_count, len(self._updates), []
        # Newest first: where the writer has gone round meanwhile, all older ones are gone as well.
        for wanted in range(count, max(number, count - kept), -1):
            update = self._updates[wanted % kept]
            if update is None or update.number != wanted:
                break
            newest_first.append(update)
        return tuple(reversed(newest_first))

    def trades_since(self, trade_id: int) -> Rows:
        """Kept trades with a greater id, oldest first: TRADE_DTYPE."""
        return self._trades.since(trade_id)

    def aggregates_since(self, value: int, *, key: str = "aggregate_id") -> Rows:
        """Kept trades from this aggregate id (or this session time, with key "time_ns") on, oldest first."""
        return self._trades.since(value, inclusive=True, key=key)

    def last_trades(self, count: int) -> Rows:
        """The last trades, oldest first: TRADE_DTYPE."""
        return self._trades.last(count)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "updates": self.update_count,
            "updates_kept": min(self.update_count, len(self._updates)),
            "updates_limit": UPDATES_KEPT,
            "trades_lost": self.lost_trades,
            "trades_held": self._held_count,
            "trades_held_limit": HELD_TRADES,
            "watchers": len(self._watchers),
            **{f"trades_{name}": value for name, value in self._trades.statistics().items()},
            **{f"seconds_{name}": value for name, value in self._seconds.statistics().items()},
            **{f"minutes_{name}": value for name, value in self._minutes.statistics().items()},
        }
