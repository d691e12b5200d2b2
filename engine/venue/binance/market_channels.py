"""What each public stream says: updates of market data in, JSON texts out.

Place on the data path: between MarketData's updates and the sockets, on the gateway's loop. A channel is one
stream in one time unit; its texts are built once per wake-up and shared by all who listen. Invariant: depth
and trades are said update by update, in the order in which the feed filter leaves them; candles and tickers
are said of the published state, each candle's close exactly once.

Source of names, fields and cadences: web-socket-streams.md of the public Binance Spot API documentation.
Cadences count session time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.venue.binance.market_texts import (
    MarketTexts,
    Rows,
    Statistics,
    buyer_is_maker,
    parse_zone_ns,
    statistics_since,
    texts_of,
)
from engine.venue.book_images import DepthDiff
from engine.venue.candles import DAY_NS, HOUR_NS, INTERVALS, MINUTE_NS, Interval
from engine.venue.market_data import BoundaryUpdate, MarketData, TopUpdate, TradesUpdate, Update

__all__ = ["Batch", "Channel", "open_channel"]

CLOSES_LIMIT = 1_000
"""Closed candles that one stream says at once; after a longer jump of time it goes on at the present."""
WINDOWS = {"1h": HOUR_NS, "4h": 4 * HOUR_NS, "1d": DAY_NS}
_STREAM = re.compile(
    r"""(?P<symbol>[A-Za-z0-9]{1,20})@(?:
        (?P<plain>trade|aggTrade|bookTicker|miniTicker|ticker|avgPrice)
        |ticker_(?P<window>1h|4h|1d)
        |depth(?P<levels>5|10|20)?(?:@(?P<speed>100|1000)ms)?
        |kline_(?P<interval>[0-9]{1,2}[smhdwM])(?:@(?P<zone>[+-][0-9]{2}:[0-9]{2}))?
    )|!(?:miniTicker|ticker(?:_(?P<all_window>1h|4h|1d))?)@arr""",
    re.VERBOSE | re.ASCII,
)


class Batch:
    """What has come since the last wake-up. `updates`: as the feed filter left them."""

    def __init__(self, market_data: MarketData, updates: Sequence[Update]) -> None:
        self.market_data = market_data
        self.texts: MarketTexts = texts_of(market_data)
        self.symbol = self.texts.symbol
        self.updates = updates
        self._statistics: dict[int, Statistics] = {}

    @cached_property
    def boundaries(self) -> list[BoundaryUpdate]:
        """The boundaries among the updates."""
        return [update for update in self.updates if type(update) is BoundaryUpdate]

    @cached_property
    def last_second(self) -> BoundaryUpdate | None:
        """The last full second among them."""
        return next((update for update in reversed(self.boundaries) if update.is_second), None)

    def statistics(self, start_ns: int) -> Statistics:
        """Statistics from a wall time on, computed once."""
        found = self._statistics.get(start_ns)
        if found is None:
            found = self._statistics[start_ns] = statistics_since(self.market_data, start_ns)
        return found


class Channel:
    """One stream in one time unit. `unit_ns`: of the times that it says."""

    def __init__(self, name: str, unit_ns: int) -> None:
        self.name = name
        self.unit_ns = unit_ns
        self.symbol = "" if name.startswith("!") else name.partition("@")[0]
        """In lower case, as names are written; empty: all markets."""

    def events(self, batch: Batch) -> Iterator[str]:
        """What it says of a batch: JSON texts."""
        raise NotImplementedError

    def reset(self) -> None:
        """Another session: what was said before is forgotten."""

    def time(self, batch: Batch, time_ns: int) -> int:
        """Session time as clients read it."""
        return (batch.market_data.epoch_ns + time_ns) // self.unit_ns


def open_channel(name: str, unit_ns: int = NS_PER_MS) -> Channel | None:
    """The channel of a stream name; None for what is no stream."""
    match = _STREAM.fullmatch(name)
    if match is None:
        return None
    part = match.groupdict()
    if part["interval"] is not None:
        interval = INTERVALS.get(part["interval"])
        zone_ns = parse_zone_ns(part["zone"] or "0")
        if interval is None or zone_ns is None:
            return None
        return CandleChannel(name, unit_ns, interval, zone_ns)
    if part["window"] is not None or part["all_window"] is not None:
        return WindowTickerChannel(name, unit_ns, part["window"] or part["all_window"])
    if part["plain"] is not None:
        return _PLAIN[part["plain"]](name, unit_ns)
    if part["symbol"] is None:
        return (MiniTickerChannel if "mini" in name else TickerChannel)(name, unit_ns)
    is_fast = part["speed"] == "100"
    if part["levels"] is not None:
        return LevelsChannel(name, unit_ns, int(part["levels"]), is_fast=is_fast)
    return DepthChannel(name, unit_ns, is_fast=is_fast)


# -- said update by update ----------------------------------------------------------------------------


class TradeChannel(Channel):
    """Every trade."""

    def events(self, batch: Batch) -> Iterator[str]:
        """One text per trade."""
        price, quantity = batch.texts.price, batch.texts.quantity
        for update in batch.updates:
            if type(update) is not TradesUpdate:
                continue
            event_time = self.time(batch, update.time_ns)
            for trade_id, _, time_ns, ticks, lots, side in update.trades.tolist():
                yield (
                    f'{{"e":"trade","E":{event_time},"s":"{batch.symbol}","t":{trade_id},'
                    f'"p":"{price(ticks)}","q":"{quantity(lots)}","T":{self.time(batch, time_ns)},'
                    f'"m":{_boolean(buyer_is_maker(side))},"M":true}}'
                )


class AggregateTradeChannel(Channel):
    """Trades of one aggressor at one instant and price, as one."""

    def events(self, batch: Batch) -> Iterator[str]:
        """One text per aggregate."""
        price, quantity = batch.texts.price, batch.texts.quantity
        for update in batch.updates:
            if type(update) is not TradesUpdate:
                continue
            event_time = self.time(batch, update.time_ns)
            rows = update.trades
            starts = np.flatnonzero(np.diff(rows["aggregate_id"], prepend=-1))
            last_ids = rows["trade_id"][np.append(starts[1:], len(rows)) - 1].tolist()
            totals = np.add.reduceat(rows["qty_lots"], starts).tolist()
            for row, total, last_id in zip(rows[starts].tolist(), totals, last_ids, strict=True):
                first_id, aggregate_id, time_ns, ticks, _, side = row
                yield (
                    f'{{"e":"aggTrade","E":{event_time},"s":"{batch.symbol}","a":{aggregate_id},'
                    f'"p":"{price(ticks)}","q":"{quantity(total)}","f":{first_id},"l":{last_id},'
                    f'"T":{self.time(batch, time_ns)},"m":{_boolean(buyer_is_maker(side))},"M":true}}'
                )


class BookTickerChannel(Channel):
    """Best prices and their quantities, whenever they are others."""

    def events(self, batch: Batch) -> Iterator[str]:
        """One text per change."""
        price, quantity = batch.texts.price, batch.texts.quantity
        for update in batch.updates:
            if type(update) is TopUpdate:
                top = update.top
                yield (
                    f'{{"u":{top.update_id},"s":"{batch.symbol}","b":"{price(top.bid_ticks)}",'
                    f'"B":"{quantity(top.bid_lots)}","a":"{price(top.ask_ticks)}",'
                    f'"A":"{quantity(top.ask_lots)}"}}'
                )


class DepthChannel(Channel):
    """Changed levels, every 100 ms or every second."""

    def __init__(self, name: str, unit_ns: int, *, is_fast: bool) -> None:
        super().__init__(name, unit_ns)
        self._is_fast = is_fast

    def events(self, batch: Batch) -> Iterator[str]:
        """One text per boundary at which levels had changed."""
        for update in batch.boundaries:
            diff = update.diff if self._is_fast else update.second_diff
            if diff is not None:
                yield self._text(batch, diff)

    def _text(self, batch: Batch, diff: DepthDiff) -> str:
        levels = batch.texts.levels
        return (
            f'{{"e":"depthUpdate","E":{self.time(batch, diff.time_ns)},"s":"{batch.symbol}",'
            f'"U":{diff.first_id},"u":{diff.last_id},"b":{levels(diff.bids)},"a":{levels(diff.asks)}}}'
        )


class LevelsChannel(Channel):
    """The best 5, 10 or 20 levels, every 100 ms or every second in which the book moved."""

    def __init__(self, name: str, unit_ns: int, count: int, *, is_fast: bool) -> None:
        super().__init__(name, unit_ns)
        self._count = count
        self._is_fast = is_fast
        self._said = -1

    def reset(self) -> None:
        """Says the next book whatever its id."""
        self._said = -1

    def events(self, batch: Batch) -> Iterator[str]:
        """One text per boundary with another update id."""
        levels = batch.texts.levels
        for update in batch.boundaries:
            best = update.best
            if best.update_id != self._said and (self._is_fast or update.is_second):
                self._said = best.update_id
                yield (
                    f'{{"lastUpdateId":{best.update_id},"bids":{levels(best.bids, self._count)},'
                    f'"asks":{levels(best.asks, self._count)}}}'
                )


# -- said of the published state ----------------------------------------------------------------------


class CandleChannel(Channel):
    """Candles of one interval: the open one as it changes, each once when it closes."""

    def __init__(self, name: str, unit_ns: int, interval: Interval, zone_ns: int) -> None:
        super().__init__(name, unit_ns)
        self._interval = interval
        self._zone_ns = zone_ns
        self._open_ns: int | None = None
        """Open of the candle that is being said."""
        self._said = (-1, -1)
        """(open, last trade) of what was said last."""

    def reset(self) -> None:
        """Goes on at the new session's present."""
        self._open_ns, self._said = None, (-1, -1)

    def events(self, batch: Batch) -> Iterator[str]:
        """Closed candles, then the open one when its time has come."""
        if not batch.boundaries or batch.market_data.opening_ticks is None:
            return
        time_ns = max(update.time_ns for update in batch.boundaries)
        current_ns = self._interval.open_of(batch.market_data.epoch_ns + time_ns, self._zone_ns)
        if self._open_ns is None:
            self._open_ns = current_ns
        if self._open_ns < current_ns:
            yield from self._closes(batch, time_ns, current_ns)
        second = batch.last_second
        if second is not None and (self._interval.size_ns == NS_PER_S or second.time_ns // NS_PER_S % 2 == 0):
            row = batch.market_data.candle(self._interval, self._open_ns, self._zone_ns)
            assert row is not None, "there is a price"
            if (said := (self._open_ns, int(row["last_id"]))) != self._said and row["trades"]:
                self._said = said
                yield self._text(batch, time_ns, row, is_closed=False)

    def _closes(self, batch: Batch, time_ns: int, current_ns: int) -> Iterator[str]:
        assert self._open_ns is not None
        rows = batch.market_data.klines(
            self._interval,
            start_ns=self._open_ns,
            end_ns=current_ns - 1,
            limit=CLOSES_LIMIT,
            zone_ns=self._zone_ns,
        )
        for row in rows:
            yield self._text(batch, time_ns, row, is_closed=True)
        self._open_ns = current_ns

    def _text(self, batch: Batch, time_ns: int, row: Rows, *, is_closed: bool) -> str:
        texts = batch.texts
        price, quantity, quote = texts.price, texts.quantity, texts.quote
        (
            open_ns,
            end_ns,
            first,
            high,
            low,
            last,
            volume,
            worth,
            taken,
            taken_worth,
            count,
            first_id,
            last_id,
        ) = row.tolist()
        return (
            f'{{"e":"kline","E":{self.time(batch, time_ns)},"s":"{batch.symbol}","k":{{'
            f'"t":{open_ns // self.unit_ns},"T":{end_ns // self.unit_ns - 1},"s":"{batch.symbol}",'
            f'"i":"{self._interval.name}","f":{first_id},"L":{last_id},"o":"{price(first)}",'
            f'"c":"{price(last)}","h":"{price(high)}","l":"{price(low)}","v":"{quantity(volume)}",'
            f'"n":{count},"x":{_boolean(is_closed)},"q":"{quote(worth)}","V":"{quantity(taken)}",'
            f'"Q":"{quote(taken_worth)}","B":"0"}}}}'
        )


class SecondChannel(Channel):
    """Says something once a second; `!…@arr` in a list."""

    def events(self, batch: Batch) -> Iterator[str]:
        """One text for the last full second of the batch."""
        second = batch.last_second
        if second is not None and batch.market_data.opening_ticks is not None:
            text = self.text(batch, self.time(batch, second.time_ns))
            yield f"[{text}]" if self.name.startswith("!") else text

    def text(self, batch: Batch, event_time: int) -> str:
        """What there is to say."""
        raise NotImplementedError


class TickerChannel(SecondChannel):
    """Statistics of the last 24 hours."""

    def text(self, batch: Batch, event_time: int) -> str:
        """All of them."""
        found = batch.statistics(batch.market_data.now_ns - DAY_NS)
        top, price, quantity = batch.market_data.top, batch.texts.price, batch.texts.quantity
        return (
            f'{{"e":"24hrTicker","E":{event_time},"s":"{batch.symbol}","p":"{found.change}",'
            f'"P":"{found.change_percent}","w":"{found.average}","x":"{found.previous_close}",'
            f'"c":"{found.last}","Q":"{found.last_qty}","b":"{price(top.bid_ticks)}",'
            f'"B":"{quantity(top.bid_lots)}","a":"{price(top.ask_ticks)}","A":"{quantity(top.ask_lots)}",'
            f'"o":"{found.open}","h":"{found.high}","l":"{found.low}","v":"{found.volume}",'
            f'"q":"{found.quote}","O":{found.open_ns // self.unit_ns},"C":{found.close_ns // self.unit_ns},'
            f'"F":{found.first_id},"L":{found.last_id},"n":{found.trades}}}'
        )


class MiniTickerChannel(SecondChannel):
    """Prices and volumes of the last 24 hours."""

    def text(self, batch: Batch, event_time: int) -> str:
        """The short form."""
        found = batch.statistics(batch.market_data.now_ns - DAY_NS)
        return (
            f'{{"e":"24hrMiniTicker","E":{event_time},"s":"{batch.symbol}","c":"{found.last}",'
            f'"o":"{found.open}","h":"{found.high}","l":"{found.low}","v":"{found.volume}",'
            f'"q":"{found.quote}"}}'
        )


class WindowTickerChannel(SecondChannel):
    """Statistics of a window that opens on a full minute."""

    def __init__(self, name: str, unit_ns: int, window: str) -> None:
        super().__init__(name, unit_ns)
        self._window = window

    def text(self, batch: Batch, event_time: int) -> str:
        """Those of the window."""
        start_ns = batch.market_data.now_ns - WINDOWS[self._window]
        found = batch.statistics(start_ns - start_ns % MINUTE_NS)
        return (
            f'{{"e":"{self._window}Ticker","E":{event_time},"s":"{batch.symbol}","p":"{found.change}",'
            f'"P":"{found.change_percent}","o":"{found.open}","h":"{found.high}","l":"{found.low}",'
            f'"c":"{found.last}","w":"{found.average}","v":"{found.volume}","q":"{found.quote}",'
            f'"O":{found.open_ns // self.unit_ns},"C":{found.close_ns // self.unit_ns},'
            f'"F":{found.first_id},"L":{found.last_id},"n":{found.trades}}}'
        )


class AveragePriceChannel(SecondChannel):
    """The average price of the last five minutes."""

    def text(self, batch: Batch, event_time: int) -> str:
        """The average and the time of the last trade."""
        last = batch.market_data.last_trade
        return (
            f'{{"e":"avgPrice","E":{event_time},"s":"{batch.symbol}","i":"5m",'
            f'"w":"{batch.texts.average(*batch.market_data.average())}",'
            f'"T":{self.time(batch, last.time_ns if last is not None else 0)}}}'
        )


_PLAIN: dict[str, type[Channel]] = {
    "trade": TradeChannel,
    "aggTrade": AggregateTradeChannel,
    "bookTicker": BookTickerChannel,
    "miniTicker": MiniTickerChannel,
    "ticker": TickerChannel,
    "avgPrice": AveragePriceChannel,
}


def _boolean(value: bool) -> str:
    return "true" if value else "false"
