"""Feeds into sinks: ITCH from files, captures, pipes and live addresses, and files of raw events.

Stop on the data path: beside it (`stormdesk convert`). Invariant: every message is passed on, or counted as
left out; memory does not grow with the length of the feed.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from engine.book.books import HotBooks
from engine.book.interface import EventArray
from engine.book.rows import UNPRINTED
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_BYTES, EVENT_DTYPE, Instrument
from engine.feeds.files import Report, file_sha256, open_data
from engine.feeds.itch.feed import ItchFeed
from engine.feeds.itch.messages import MESSAGES, PRICE_DECIMALS, StockDirectory
from engine.feeds.itch.opening import open_itch_bytes
from engine.feeds.itch.stream import ItchStream
from engine.feeds.sinks import Origin, Sink

__all__ = [
    "FeedCounts",
    "convert_events",
    "convert_itch",
    "copy_itch",
]

CHUNK_EVENTS = 1 << 16

ITCH_STEPS = Instrument(
    symbol="",
    tick_size=Decimal(1).scaleb(-PRICE_DECIMALS),
    lot_size=Decimal(1),
    currency="USD",
    unit_lots=100,
)
"""The steps of ITCH's prices and shares."""
_LENGTHS = {ord(letter): kind.size for letter, kind in MESSAGES.items()}
_STOCKS_AT = {
    ord(letter): field.offset
    for letter, kind in MESSAGES.items()
    for field in kind.fields
    if field.name == "stock"
}
"""Where a message of a type names its stock."""


class FeedCounts(NamedTuple):
    """What became of a feed."""

    messages: int
    """Messages, or events, that were read."""
    written: int
    """Messages, or events, that were written."""
    damaged: int = 0
    """Messages of no known type, or of another length than their type's: copied as they are into ITCH, left
    out of anything else."""
    cut_off_bytes: int = 0
    """Of an unfinished message or event at the end: left out."""
    unknown_orders: int = 0
    """Executions, cancels and replacements of orders that the feed never introduced."""
    problem: str | None = None
    """Why the feed ended before its end: a hole in its sequence."""


def copy_itch(
    feed: ItchFeed, out: IO[bytes], *, symbol: str | None = None, duration_ns: int | None = None
) -> FeedCounts:
    """Messages as they are: all, or those of one stock and of the market as a whole (locate 0).

    A pipe is read once: with a symbol, messages before the first one that names the stock are left out, which
    are none where the stream begins with its directory. Raises UsageError when nothing names it.
    """
    filtering = _Filter(symbol, _find_locate(feed, symbol), duration_ns)
    rest = b""
    buffer = bytearray(_READ_BYTES)
    while got := feed.stream.readinto(buffer):  # type: ignore[attr-defined]  # every feed has it
        data = rest + buffer[:got]
        kept, end = filtering.take(data)
        out.write(kept)
        rest = data[end:]
        if filtering.is_over:
            rest = b""
            break
    if symbol is not None and filtering.locate is None:
        raise UsageError(f"{feed.name}: no message names {symbol!r}")
    return FeedCounts(
        filtering.messages,
        filtering.written,
        damaged=filtering.damaged,
        cut_off_bytes=len(rest),
        problem=feed.problem(),
    )


_READ_BYTES = 1 << 20


class _Filter:
    """Chooses frames."""

    def __init__(self, symbol: str | None, locate: int | None, duration_ns: int | None) -> None:
        self.locate = locate
        self.is_over = False
        self.messages = self.written = self.damaged = 0
        self._symbol = None if symbol is None else symbol.upper().encode("latin-1", "replace").ljust(8)
        self._duration_ns = duration_ns
        self._until_ns: int | None = None

    def take(self, data: bytes) -> tuple[bytes, int]:
        """The chosen ones of the whole frames, and where the first one begins that is not whole."""
        at, size = 0, len(data)
        kept: list[bytes] = []
        while at + 2 <= size:
            end = at + 2 + (data[at] << 8 | data[at + 1])
            if end > size:
                break
            if self._duration_ns is not None and self._is_later(data[at + 2 : end]):
                self.is_over = True
                break
            self.messages += 1
            is_damaged = end == at + 2 or _LENGTHS.get(data[at + 2]) != end - at - 2
            self.damaged += is_damaged
            if self._symbol is None or (not is_damaged and self._is_chosen(data, at + 2)):
                kept.append(data[at:end])
            at = end
        self.written += len(kept)
        return b"".join(kept), at

    def _is_chosen(self, data: bytes, at: int) -> bool:
        locate = data[at + 1] << 8 | data[at + 2]
        if self.locate is None:
            stock_at = _STOCKS_AT.get(data[at])
            if stock_at is not None and data[at + stock_at : at + stock_at + 8] == self._symbol:
                self.locate = locate
        return locate == 0 or locate == self.locate

    def _is_later(self, message: bytes) -> bool:
        """Whether the time to convert is over; it begins with the first message."""
        if len(message) < 11:
            return False
        time_ns = int.from_bytes(message[5:11], "big")
        if self._until_ns is None:
            assert self._duration_ns is not None
            self._until_ns = time_ns + self._duration_ns
        return time_ns > self._until_ns


def convert_itch(
    feed: ItchFeed,
    sink_for: Callable[[Origin], Sink],
    *,
    symbol: str | None = None,
    duration_ns: int | None = None,
) -> FeedCounts:
    """Messages as events whose instrument is the locate code: side and price of what happens to an order
    come from the order. Raises UsageError when no message names the symbol."""
    names: dict[int, str] = {}
    sink = sink_for(Origin(feed.name, feed.sha256, ITCH_STEPS, names, opens_ns=0))
    chosen = _find_locate(feed, symbol)
    books, stream = HotBooks(near_shift=2), ItchStream(feed.stream, by_stock=True)
    until_ns: int | None = None
    written = 0
    for part in stream:
        rows = part.decoded.rows
        books.apply(rows)
        if part.decoded.note_count:
            for noted in stream.notes(part, "R"):
                assert isinstance(noted.message, StockDirectory)
                names[noted.message.locate] = noted.message.stock
        if any(locate not in names for locate in np.unique(rows["instrument_id"]).tolist()):
            told = {locate: name for locate, (name, _) in stream.decoder.stocks().items() if name}
            names |= {locate: name for locate, name in told.items() if locate not in names}
        if symbol is not None:
            if chosen is None:
                chosen = next((locate for locate, name in names.items() if name == symbol.upper()), None)
            rows = rows[rows["instrument_id"] == (-1 if chosen is None else chosen)]
        if duration_ns is not None:
            if until_ns is None:
                until_ns = int.from_bytes(part.octets[7:13].tobytes(), "big") + duration_ns
            is_over = bool(len(rows)) and int(rows["ts"][-1]) > until_ns
            rows = rows[rows["ts"] <= until_ns]
        unprinted = (rows["flags"] & UNPRINTED) != 0
        written += len(rows)
        sink.take(_as_events(rows), unprinted)
        if duration_ns is not None and is_over:
            break
    if symbol is not None and chosen is None:
        raise UsageError(f"{feed.name}: no message names {symbol!r}")
    sink.finish()
    decoder = stream.decoder
    damaged = decoder.unknown_type + decoder.wrong_length
    return FeedCounts(
        sum(decoder.by_letter.values()) + damaged,
        written,
        damaged=damaged,
        cut_off_bytes=stream.cut_off_bytes,
        unknown_orders=books.counts.unknown_order,
        problem=feed.problem(),
    )


def convert_events(
    path: Path,
    sink_for: Callable[[Origin], Sink],
    *,
    symbol: str | None = None,
    duration_ns: int | None = None,
    report: Report | None = None,
) -> FeedCounts:
    """A file of raw events into another form. It names neither symbols nor steps nor times of day: prices are
    taken as 1e-4, times as ns since midnight, which is what `convert_itch` writes; a symbol is an
    instrument's number. Raises UsageError for one that is none."""
    number = None if symbol is None else _number(symbol)
    sha256 = file_sha256(path)
    sink = sink_for(Origin(path.name, sha256, ITCH_STEPS, {}, opens_ns=0))
    read = written = 0
    until_ns: int | None = None
    with open_data(path, report=report) as stream:
        while data := stream.read(CHUNK_EVENTS * EVENT_BYTES):
            if len(data) % EVENT_BYTES:
                raise DataError(
                    f"{path}: {len(data) % EVENT_BYTES} bytes left over behind event "
                    f"{read + len(data) // EVENT_BYTES}. The file is cut short or holds something else."
                )
            events = np.frombuffer(data, EVENT_DTYPE)
            read += len(events)
            if number is not None:
                events = events[events["instrument_id"] == number]
            if duration_ns is not None and len(events):
                until_ns = int(events["ts"][0]) + duration_ns if until_ns is None else until_ns
                events = events[events["ts"] <= until_ns]
            written += len(events)
            sink.take(events)
    sink.finish()
    return FeedCounts(read, written)


def _find_locate(feed: ItchFeed, symbol: str | None) -> int | None:
    """The number of the stock, looked up where the feed can be read again; None: not known yet."""
    if symbol is None or feed.again is None:
        return None
    wanted = symbol.upper()
    with open_itch_bytes(feed.again) as data:
        stream = ItchStream(data, by_stock=True)
        for part in stream:
            for noted in stream.notes(part, "R") if part.decoded.note_count else ():
                assert isinstance(noted.message, StockDirectory)
                if noted.message.stock == wanted:
                    return noted.message.locate
            if (locate := _locate_of(stream, wanted)) is not None:
                return locate
        some = sorted(stream.decoder.stocks().values(), key=lambda stock: -stock[1])[:8]
    raise UsageError(
        f"{feed.name}: no message names {symbol!r}; busiest: {', '.join(name for name, _ in some if name)}"
    )


def _locate_of(stream: ItchStream, symbol: str) -> int | None:
    stocks = stream.decoder.stocks()
    return next((locate for locate, (name, _) in stocks.items() if name == symbol), None)


def _as_events(rows: Any) -> EventArray:
    """Rows as events of their own: what only the feed says is taken out."""
    rows = rows.copy()
    rows["letter"] = rows["flags"] = 0
    return rows.view(EVENT_DTYPE)  # type: ignore[no-any-return]


def _number(symbol: str) -> int:
    text = symbol.removeprefix("#")
    if not text.isdecimal() or len(text) > 10:
        raise UsageError(f"--symbol {symbol}: a file of events has no symbols, only numbers of instruments")
    return int(text)
