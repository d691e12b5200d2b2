"""Candles and statistics of public market data, as clients ask for them: klines, windows, averages.

Place on the data path: the reading side of MarketData (market_data.py), which feeds the candles of a second
and of a minute that everything here is made of. Invariant: an answer is a function of the trades that may be
seen and, before the session, of the synthetic history (candle_history.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.clock import NS_PER_S
from engine.venue.candle_history import make_history, minute_volatility
from engine.venue.candles import CANDLE_DTYPE, MINUTE_NS, CandleSeries, Interval, aggregate

if TYPE_CHECKING:
    from engine.session import Session

__all__ = ["CandleReader", "Window"]

Rows = npt.NDArray[Any]

SECONDS_KEPT = 90_000
"""Candles of one second with trades: at least a day."""
MINUTES_KEPT = 50_000
"""Candles of one minute with trades: at least a month."""
AVERAGE_NS = 5 * MINUTE_NS


class Window(NamedTuple):
    """Statistics of a stretch of time."""

    start_ns: int
    end_ns: int
    candle: Rows
    """One row of CANDLE_DTYPE."""
    close_before: int
    """Ticks of the last trade before it."""


class CandleReader:
    """Reads candles; thread-safe. A subclass feeds them, and says what time it is."""

    def __init__(self, session: Session, epoch_ns: int) -> None:
        self.epoch_ns = epoch_ns
        self.instrument = session.exchange.instrument
        self.opening_ticks: int | None = None
        """The price with which the session began: that of its first trade, or the mid of the first boundary
        that has one, whichever came first."""
        self._session = session
        self._seconds = CandleSeries(NS_PER_S, kept=SECONDS_KEPT)
        self._minutes = CandleSeries(MINUTE_NS, kept=MINUTES_KEPT)
        self._history: Rows | None = None

    @property
    def now_ns(self) -> int:
        """Wall time of what is to be seen."""
        raise NotImplementedError

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade; before the first, the opening price; None: the market has no price yet."""
        raise NotImplementedError

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
