"""What is in a file of ITCH messages: counts, stocks, span, rates, damage, books. Facts, no opinions.

Stop on the data path: beside it (`stormdesk inspect FILE`). Invariant: every number comes from reading the
whole file and building every stock's book; what could not be computed is None, never a guess.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from engine.book.books import HotBooks
from engine.core.clock import NS_PER_S
from engine.feeds.files import Report
from engine.feeds.itch.messages import (
    DAY_EVENTS,
    MESSAGES,
    PRICE_DECIMALS,
    ItchMessage,
    StockDirectory,
    SystemEvent,
)
from engine.feeds.itch.opening import ItchBytes, open_itch_bytes
from engine.feeds.itch.stream import ItchStream

__all__ = ["ItchFacts", "StockFacts", "clock_text", "inspect_itch", "inspect_itch_bytes"]

STOCKS_SHOWN = 10
"""Stocks that are described one by one, the busiest; all are counted."""
_DAY_S = 1 << 17
"""Seconds for which messages are counted one by one: more than a day."""


class StockFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One stock and its book at the end."""

    symbol: str
    """"" where no message names it."""
    locate: int
    messages: int
    """About its orders and trades."""
    best_bid: str | None
    """In the currency, as exact decimal text."""
    best_ask: str | None
    levels_bid: int
    levels_ask: int
    digest: str


class ItchFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A file of ITCH messages."""

    messages: int
    by_type: dict[str, int]
    """By `letter name`, in the specification's order."""
    unknown_type: int
    """Messages of a type that ITCH 5.0 does not have."""
    wrong_length: int
    """Messages whose length is not their type's."""
    first_damage_offset: int | None
    """Of the first such message, in the stream of messages."""
    cut_off_bytes: int
    """Bytes of an unfinished message at the end."""
    first_time: str | None
    """HH:MM:SS.nnnnnnnnn since the exchange's midnight, of orders and trades."""
    last_time: str | None
    duration_s: float | None
    rate_mean: float | None
    """Order and trade messages a second, over the seconds from first to last."""
    rate_peak: int
    rate_peak_at: str | None
    day: tuple[str, ...]
    """System events with their times."""
    stocks_listed: int
    """In the directory."""
    stocks_active: int
    """With orders or trades."""
    busiest: tuple[StockFacts, ...]
    live_orders: int
    unknown_orders: int
    """Executions, cancels and replacements of orders that the file never introduced: a file that begins in
    the middle of a day has many."""
    rejected: int
    """Orders that no book can hold: an id that is live, no side, no shares."""
    crossed_books: int
    """Books at the end with their best bid at or above their best ask."""
    books_digest: str
    """Over the digests of all active stocks' books, by locate code."""
    transport: dict[str, int] | None
    """Of a packet capture: what its packets were and what the sequence showed."""
    gap: str | None
    """The hole in a capture's sequence at which reading ended."""


def clock_text(time_ns: int) -> str:
    """HH:MM:SS.nnnnnnnnn for ns since midnight."""
    seconds, ns = divmod(time_ns, NS_PER_S)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{ns:09d}"


def inspect_itch(path: Path, *, report: Report | None = None) -> ItchFacts:
    """Read the whole file. `report` hears how many of its bytes are read.

    Raises UsageError and DataError as opening it does; damage inside is part of the answer.
    """
    with open_itch_bytes(path, report=report) as data:
        return inspect_itch_bytes(data)


def inspect_itch_bytes(data: ItchBytes) -> ItchFacts:
    """Read an open stream to its end."""
    reading = _Reading(ItchStream(data, by_stock=True))
    reading.run()
    return reading.facts(None if data.feed is None else data.feed.statistics(), data.gap)


class _Reading:
    """One pass over a stream."""

    def __init__(self, stream: ItchStream) -> None:
        self._stream = stream
        self._books = HotBooks(near_shift=2)
        self._names: dict[int, str] = {}
        self._listed = 0
        self._day: list[str] = []
        self._first_ns: int | None = None
        self._last_ns = 0
        self._per_second = np.zeros(_DAY_S, np.int64)

    def run(self) -> None:
        for part in self._stream:
            rows = part.decoded.rows
            self._books.apply(rows)
            if len(rows):
                self._count_times(rows["ts"])
            if part.decoded.note_count:
                for noted in self._stream.notes(part, "RS"):
                    self._note(noted.message)

    def facts(self, transport: dict[str, int] | None, gap: str | None) -> ItchFacts:
        decoder, counts = self._stream.decoder, self._books.counts
        stocks = decoder.stocks()
        busiest = sorted(stocks, key=lambda locate: (-stocks[locate][1], locate))
        digests = {locate: self._books.digest(locate) for locate in sorted(stocks)}
        first_ns, peak_s = self._first_ns, int(self._per_second.argmax())
        duration_ns = None if first_ns is None else self._last_ns - first_ns
        rows = int(self._per_second.sum())
        return ItchFacts(
            messages=sum(decoder.by_letter.values()) + decoder.unknown_type + decoder.wrong_length,
            by_type={f"{k} {MESSAGES[k].title}": count for k, count in decoder.by_letter.items()},
            unknown_type=decoder.unknown_type,
            wrong_length=decoder.wrong_length,
            first_damage_offset=self._stream.first_damage,
            cut_off_bytes=self._stream.cut_off_bytes,
            first_time=None if first_ns is None else clock_text(first_ns),
            last_time=None if first_ns is None else clock_text(self._last_ns),
            duration_s=None if duration_ns is None else duration_ns / NS_PER_S,
            rate_mean=rows * NS_PER_S / duration_ns if duration_ns else None,
            rate_peak=int(self._per_second[peak_s]),
            rate_peak_at=clock_text(peak_s * NS_PER_S)[:8] if rows else None,
            day=tuple(self._day),
            stocks_listed=self._listed,
            stocks_active=len(stocks),
            busiest=tuple(
                self._stock(locate, *stocks[locate], digests[locate]) for locate in busiest[:STOCKS_SHOWN]
            ),
            live_orders=self._books.order_count,
            unknown_orders=counts.unknown_order,
            rejected=counts.rejected_duplicate + counts.rejected_side + counts.rejected_quantity,
            crossed_books=sum(self._is_crossed(locate) for locate in stocks),
            books_digest=f"{_digest_of(list(digests.values())):#018x}",
            transport=transport,
            gap=gap,
        )

    def _count_times(self, times: npt.NDArray[np.int64]) -> None:
        if self._first_ns is None:
            self._first_ns = int(times[0])
        self._last_ns = max(self._last_ns, int(times.max()))
        seconds = np.minimum(times // NS_PER_S, _DAY_S - 1)
        low = int(seconds.min())
        counts = np.bincount(seconds - low)
        self._per_second[low : low + len(counts)] += counts

    def _note(self, message: ItchMessage) -> None:
        if isinstance(message, StockDirectory):
            self._listed += 1
            self._names[message.locate] = message.stock
        elif isinstance(message, SystemEvent):
            text = DAY_EVENTS.get(message.event, message.event)
            self._day.append(f"{clock_text(message.time_ns)[:12]} {text}")

    def _stock(self, locate: int, name: str, messages: int, digest: int) -> StockFacts:
        books = self._books
        return StockFacts(
            symbol=self._names.get(locate, name),
            locate=locate,
            messages=messages,
            best_bid=_price_text(books.best_bid(locate)),
            best_ask=_price_text(books.best_ask(locate)),
            levels_bid=books.level_count(locate, 0),
            levels_ask=books.level_count(locate, 1),
            digest=f"{digest:#018x}",
        )

    def _is_crossed(self, locate: int) -> bool:
        bid, ask = self._books.best_bid(locate), self._books.best_ask(locate)
        return bid is not None and ask is not None and bid >= ask


def _price_text(price: int | None) -> str | None:
    return None if price is None else f"{Decimal(price).scaleb(-PRICE_DECIMALS):f}"


def _digest_of(digests: list[int]) -> int:
    return xxh3_64_intdigest(b"".join(digest.to_bytes(8, "little") for digest in digests))
