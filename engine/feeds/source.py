"""A recorded exchange as a source of records: opened once, read from anywhere, the same every time.

Stop on the data path: the door between feeds and session; capture_reader.py reads the file. Invariant: a
source is a pure function of the file's bytes, the venue and the symbol; pickled it is these and what is known
about them, and it refuses to go on with another file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.core.errors import DataError, UsageError
from engine.core.types import Instrument
from engine.feeds.book_sync import COINM
from engine.feeds.capture_reader import CaptureReader
from engine.feeds.captures import read_messages
from engine.feeds.drops import Drop, DropReason
from engine.feeds.files import MAX_UNPACKED_BYTES, file_sha256, open_data
from engine.feeds.record_table import RecordKind, RecordTable
from engine.feeds.records import FeedRecord, QuoteTick
from engine.feeds.venues.registry import VENUES

__all__ = ["FeedCounts", "HistoricalSource", "open_source", "sample_path"]

_SAMPLE = "spot_btcusdt_20240808_sample.jsonl.gz"
_DOLLAR_QUOTES = ("USDT", "USDC", "BUSD", "USD")
"""Endings of symbols whose quote currency counts as the dollar (FDUSD and TUSD end in USD too)."""
_CONTRACTS = ("PERP", "PERPETUAL", "SWAP")
"""What may follow a symbol's currencies and is none."""
_DOLLAR_VENUES = ("alpaca", "hyperliquid")
"""Venues whose symbols do not name the currency of prices, which is the dollar."""


class FeedCounts(NamedTuple):
    """How many of what a source holds."""

    lines: int
    """Messages: lines that are not the client's own. On Binance each is one record or one drop; other venues
    put several trades into one, and answer requests."""
    snapshots: int
    depth_updates: int
    trades: int
    quotes: int
    dropped: int
    levels: int
    """(price, quantity) pairs in all records."""
    clock_backwards: int
    """Records whose local time was before that of the record above; they are held at that one's time."""

    @property
    def records(self) -> int:
        """Records of every kind."""
        return self.snapshots + self.depth_updates + self.trades + self.quotes


class SourceFacts(NamedTuple):
    """What is known of a source besides its records: all that a pickle carries."""

    path: Path
    venue: str
    kind: str
    instrument: Instrument
    epoch_ns: int
    duration_ns: int
    sha256: str
    counts: FeedCounts
    dropped: tuple[Drop, ...]
    streams: dict[str, int]
    symbols: dict[str, int]
    starts_without_snapshot: bool
    unpacked_bytes: int


class HistoricalSource:
    """One recorded exchange.

    Identity   path, venue, kind, sha256, instrument
    Extent     epoch_ns, duration_ns, record_count, counts, dropped, starts_without_snapshot
    Records    records(start_index), record(index), record_time_ns(index), quote_at(time_ns)
    """

    def __init__(self, facts: SourceFacts, table: RecordTable) -> None:
        self._facts = facts
        self._table: RecordTable | None = table

    def __getstate__(self) -> SourceFacts:
        return self._facts

    def __setstate__(self, facts: SourceFacts) -> None:
        self._facts = facts
        self._table = None

    def __repr__(self) -> str:
        return f"HistoricalSource({str(self.path)!r}, {self.instrument.symbol}, {self.record_count} records)"

    @property
    def path(self) -> Path:
        """The file, as it was named when opened."""
        return self._facts.path

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self._facts.path.name

    @property
    def venue(self) -> str:
        """Whose messages these are, as registry.py names it."""
        return self._facts.venue

    @property
    def kind(self) -> str:
        """The market, which decides the book's rules: `binance_spot`, `binance_usdm`, else the venue."""
        return self._facts.kind

    @property
    def instrument(self) -> Instrument:
        """Symbol of the records; steps = finest decimals that occur; unit = mean trade, at least 1 lot."""
        return self._facts.instrument

    @property
    def epoch_ns(self) -> int:
        """Wall time of the first record (the capturing machine's clock), ns since the Unix epoch."""
        return self._facts.epoch_ns

    @property
    def duration_ns(self) -> int:
        """Session time of the last record."""
        return self._facts.duration_ns

    @property
    def sha256(self) -> str:
        """Of the file's bytes as they lie on disk, in hex."""
        return self._facts.sha256

    @property
    def counts(self) -> FeedCounts:
        """How many of what."""
        return self._facts.counts

    @property
    def dropped(self) -> tuple[Drop, ...]:
        """Messages, and records in them, that were not used, by reason."""
        return self._facts.dropped

    @property
    def streams(self) -> dict[str, int]:
        """Messages by stream name, also of streams that are not read."""
        return self._facts.streams

    @property
    def symbols(self) -> dict[str, int]:
        """Events by symbol; only the instrument's are records."""
        return self._facts.symbols

    @property
    def starts_without_snapshot(self) -> bool:
        """True: no snapshot in the file; the book starts empty and knows only levels that changed since."""
        return self._facts.starts_without_snapshot

    @property
    def record_count(self) -> int:
        """Number of records; their indices run from 0."""
        return self.counts.records

    @property
    def dropped_count(self) -> int:
        """How many messages, or records in them, could not be used; those of other symbols could."""
        others = sum(drop.lines for drop in self.dropped if drop.reason is DropReason.OTHER_SYMBOL)
        return self.counts.dropped - others

    def status_at(self, time_ns: int) -> str:
        """Empty: captures of these venues do not say whether the market is open."""
        return ""

    def records(self, start_index: int = 0) -> Iterator[FeedRecord]:
        """A fresh iterator over the records from `start_index` on, in file order."""
        assert start_index >= 0
        return self._loaded().records(start_index)

    def record(self, index: int) -> FeedRecord:
        """The record with this index."""
        return self._loaded().record(index)

    def record_time_ns(self, index: int) -> int:
        """Session time of the record with this index."""
        return self._loaded().time_ns(index)

    def quote_at(self, time_ns: int) -> QuoteTick | None:
        """The exchange's last best bid and ask received at or before this session time."""
        return self._loaded().quote_at(time_ns)

    def statistics(self) -> dict[str, int]:
        """Fill of what is limited."""
        return {
            "unpacked_bytes": self._facts.unpacked_bytes,
            "unpacked_bytes_limit": MAX_UNPACKED_BYTES,
            "records": self.record_count,
            "levels": self.counts.levels,
            "dropped": self.counts.dropped,
        }

    def share_records(self, other: HistoricalSource) -> None:
        """Take the loaded records from `other`, opened on the same bytes, instead of reading them again."""
        assert (other.sha256, other.venue, other.instrument) == (self.sha256, self.venue, self.instrument)
        self._table = other._table

    def _loaded(self) -> RecordTable:
        """The records; after unpickling read again from the file, which must be the same."""
        if self._table is None:
            again = open_source(self.path, venue=self.venue, symbol=self.instrument.symbol)
            if again.sha256 != self.sha256:
                raise DataError(
                    f"{self.path}: changed since the session began (SHA-256 {again.sha256}, expected "
                    f"{self.sha256}). Put the original file back."
                )
            self._table = again._table
            assert self._table is not None
        return self._table


def open_source(path: Path | str, *, venue: str | None = None, symbol: str | None = None) -> HistoricalSource:
    """Read a capture of a venue's messages (captures.py says in which formats), plain or gzip.

    Without a venue its content tells it; without a symbol it is the first one that has a book. Raises
    UsageError when the file cannot be opened or the venue is unknown, and DataError when the file is damaged,
    above MAX_UNPACKED_BYTES, of another format, or holds no record.
    """
    path = Path(path)
    if venue is not None and venue not in VENUES:
        raise UsageError(f"no venue is called {venue!r}: there are {', '.join(VENUES)}")
    sha256 = file_sha256(path)
    reader = CaptureReader(venue or "", (symbol or "").upper())
    with open_data(path) as stream:
        reader.read(read_messages(path, stream))
        unpacked_bytes = stream.tell()
    if not reader.records.table:
        raise _no_record(path, reader)
    if reader.normaliser.market(reader.records.symbol) == COINM:
        raise DataError(
            f"{path}: a COIN-M capture (inverse contracts, {reader.records.symbol}), whose money is not "
            "price x quantity. Use a spot or USD-M capture."
        )
    return HistoricalSource(_settle(path, sha256, unpacked_bytes, reader), reader.records.table)


def sample_path() -> Path:
    """The capture that ships with the product: 40 s of spot BTCUSDT."""
    return Path(__file__).parent / "samples" / _SAMPLE


def _no_record(path: Path, reader: CaptureReader) -> DataError:
    reasons = "; ".join(f"{drop.lines} x {drop.reason}" for drop in reader.drops)
    whose = f"record of {reader.venue}" if reader.venue else "record of a known venue"
    symbols = ", ".join(reader.records.symbols)
    return DataError(
        f"{path}: no {whose} in {reader.lines} lines ({reasons or 'none dropped'}). "
        + (f"Symbols in it: {symbols}. " if symbols else "")
        + "Expected a capture of JSON messages, one a line; `stormdesk inspect` says what the file is."
    )


def _settle(path: Path, sha256: str, unpacked_bytes: int, reader: CaptureReader) -> SourceFacts:
    """Put the records on their grid and say what they are."""
    records, drops = reader.records, tuple(reader.drops)
    table, symbol = records.table, records.symbol
    grid = table.settle()
    counts = FeedCounts(
        lines=reader.lines,
        snapshots=table.count(RecordKind.SNAPSHOT),
        depth_updates=table.count(RecordKind.DEPTH),
        trades=table.count(RecordKind.TRADE),
        quotes=table.count(RecordKind.QUOTE),
        dropped=reader.drops.total,
        levels=table.level_count,
        clock_backwards=records.clock_backwards,
    )
    return SourceFacts(
        path=path,
        venue=reader.venue,
        kind=reader.normaliser.market(symbol),
        instrument=Instrument(
            symbol=symbol,
            tick_size=grid.tick_size,
            lot_size=grid.lot_size,
            currency=_currency(reader.venue, symbol),
            unit_lots=max(1, grid.mean_trade_lots),
        ),
        epoch_ns=records.epoch_ns,
        duration_ns=table.last_time_ns,
        sha256=sha256,
        counts=counts,
        dropped=drops,
        streams=reader.normaliser.streams,
        symbols=records.symbols,
        starts_without_snapshot=counts.snapshots == 0,
        unpacked_bytes=unpacked_bytes,
    )


def _currency(venue: str, symbol: str) -> str:
    """Three letters: USD for dollar-like quotes, else the end of what names the pair."""
    if venue in _DOLLAR_VENUES:
        return "USD"
    base, *others = re.split(r"[-/_:]", symbol)  # a delivery date, SWAP or PERP may follow
    pair = base + others[0] if others and others[0].isalpha() and others[0] not in _CONTRACTS else base
    return "USD" if pair.endswith(_DOLLAR_QUOTES) else pair[-3:]
