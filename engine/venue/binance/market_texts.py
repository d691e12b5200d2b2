"""Public market data as clients read it: texts of numbers, times, statistics; shared by REST and streams.

Place on the data path: last thing before JSON, on the gateway's thread. Invariant: prices, quantities and
amounts are plain decimals with at least eight digits after the point, exact but for averages and percents,
which are rounded down to eight and three digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy.typing as npt

from engine.broker.money import MIN_DECIMALS, Money, Step
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.venue.book_images import SideLevels
from engine.venue.candles import DAY_NS, HOUR_NS, MINUTE_NS
from engine.venue.market_data import MarketData

__all__ = [
    "MarketTexts",
    "Statistics",
    "buyer_is_maker",
    "day_start_ns",
    "parse_zone_ns",
    "statistics_since",
    "texts_of",
]

Rows = npt.NDArray[Any]

TEXT_CACHE = 32_768
"""Decimals of each kind that are remembered: a market repeats its prices and sizes."""
PERCENT = Step(1, 3)
ONE = 10**MIN_DECIMALS
MAX_ZONE_NS = 14 * HOUR_NS
MIN_ZONE_NS = -12 * HOUR_NS
_ZONE = re.compile(r"([+-]?)([0-9]{1,2})(?::([0-9]{2}))?", re.ASCII)


class MarketTexts:
    """Texts of one instrument."""

    def __init__(self, money: Money, epoch_ns: int) -> None:
        self.symbol = money.symbol
        self.epoch_ns = epoch_ns
        self._tick = money.price
        self.price = lru_cache(TEXT_CACHE)(_printer(money.price))
        """Ticks -> text."""
        self.quantity = lru_cache(TEXT_CACHE)(_printer(money.quantity))
        """Lots -> text."""
        tick, lot = money.price, money.quantity
        self.quote = _printer(Step(tick.digits * lot.digits, tick.decimals + lot.decimals))
        """Tick-lots -> text of an amount of the quote asset."""

    def average(self, tick_lots: int, lots: int) -> str:
        """Quote volume over volume, as a price; 0 without volume."""
        if lots == 0:
            return Step(1, MIN_DECIMALS).text(0)
        unit = self._tick.digits * 10**MIN_DECIMALS
        return Step(1, MIN_DECIMALS).text(tick_lots * unit // (lots * 10**self._tick.decimals))

    def percent(self, change_ticks: int, from_ticks: int) -> str:
        """A change in percent, three digits, towards zero."""
        if from_ticks == 0:
            return PERCENT.text(0, 3)
        share = abs(change_ticks) * 100_000 // from_ticks
        return PERCENT.text(-share if change_ticks < 0 else share, 3)

    def ms(self, time_ns: int) -> int:
        """Session time as ms since 1970."""
        return (self.epoch_ns + time_ns) // NS_PER_MS

    def levels(self, side: SideLevels, limit: int | None = None) -> str:
        """The best levels as a JSON array of [price, quantity]."""
        price, quantity = self.price, self.quantity
        pairs = zip(side.prices[:limit].tolist(), side.lots[:limit].tolist(), strict=True)
        return "[" + ",".join([f'["{price(ticks)}","{quantity(lots)}"]' for ticks, lots in pairs]) + "]"


def texts_of(market_data: MarketData) -> MarketTexts:
    """The texts of a session's instrument, made once."""
    return _texts(market_data.money, market_data.epoch_ns)


_texts = lru_cache(4)(MarketTexts)


class Statistics(NamedTuple):
    """Texts and times of a stretch of time, as tickers say them."""

    change: str
    change_percent: str
    average: str
    previous_close: str
    last: str
    last_qty: str
    open: str
    high: str
    low: str
    volume: str
    quote: str
    open_ns: int
    close_ns: int
    first_id: int
    last_id: int
    trades: int


def statistics_since(market_data: MarketData, start_ns: int, *, end_ns: int | None = None) -> Statistics:
    """Statistics from a wall time to now (`end_ns`: what to call the end); zeros while there is no price.

    Prices and volumes include the synthetic history before the session; ids and count are of trades only.
    """
    texts = texts_of(market_data)
    window = market_data.window(start_ns)
    close_ns = market_data.now_ns if end_ns is None else end_ns
    zero, none = texts.price(0), texts.quantity(0)
    if window is None:
        return Statistics(
            *(zero, PERCENT.text(0, 3), texts.average(0, 0), zero, zero, none, zero, zero, zero),
            *(none, texts.quote(0), start_ns, close_ns, -1, -1, 0),
        )
    row = window.candle
    opened, closed = int(row["open"]), int(row["close"])
    volume, quote = int(row["volume"]), int(row["quote"])
    last = market_data.last_trade
    return Statistics(
        change=texts.price(closed - opened),
        change_percent=texts.percent(closed - opened, opened),
        average=texts.average(quote, volume),
        previous_close=texts.price(window.close_before),
        last=texts.price(closed),
        last_qty=none if last is None else texts.quantity(last.qty_lots),
        open=texts.price(opened),
        high=texts.price(int(row["high"])),
        low=texts.price(int(row["low"])),
        volume=texts.quantity(volume),
        quote=texts.quote(quote),
        open_ns=start_ns,
        close_ns=close_ns,
        first_id=int(row["first_id"]),
        last_id=int(row["last_id"]),
        trades=int(row["trades"]),
    )


def _printer(step: Step) -> Callable[[int], str]:
    """`step.text`, faster where eight digits after the point are enough."""
    factor = step.digits * 10 ** max(0, MIN_DECIMALS - step.decimals)

    def text(count: int) -> str:
        value = count * factor
        if value < ONE:
            return step.text(count)
        digits = str(value)
        return f"{digits[:-MIN_DECIMALS]}.{digits[-MIN_DECIMALS:]}"

    return text if step.decimals <= MIN_DECIMALS else step.text


def parse_zone_ns(text: str) -> int | None:
    """Offset of a time zone like "-1:00", "05:45" or "8" in ns; None for anything else."""
    match = _ZONE.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    if int(minutes or 0) >= 60:
        return None
    offset_ns = int(hours) * HOUR_NS + int(minutes or 0) * MINUTE_NS
    offset_ns = -offset_ns if sign == "-" else offset_ns
    return offset_ns if MIN_ZONE_NS <= offset_ns <= MAX_ZONE_NS else None


def day_start_ns(time_ns: int, zone_ns: int) -> int:
    """When the day of an instant began in a zone."""
    local_ns = time_ns + zone_ns
    return local_ns - local_ns % DAY_NS - zone_ns


def buyer_is_maker(aggressor_side: int) -> bool:
    """Whether the resting order of a trade was the buyer's."""
    return aggressor_side == Side.ASK
