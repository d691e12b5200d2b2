"""A recorded exchange as a source of records: opened once, read from anywhere, the same every time.

Stop on the data path: the door between feeds and session. Invariant: a source is a pure function of the
file's bytes; pickled it is a path and what is known about it, and it refuses to go on with another file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine.core.errors import DataError
from engine.core.types import Instrument
from engine.feeds.binance import SPOT, CaptureDecoder
from engine.feeds.drops import Drop
from engine.feeds.files import MAX_UNPACKED_BYTES, file_sha256, open_data, read_lines
from engine.feeds.record_table import RecordKind, RecordTable
from engine.feeds.records import FeedRecord, QuoteTick

__all__ = ["FeedCounts", "HistoricalSource", "open_source", "sample_path"]

_SAMPLE = "spot_btcusdt_20240808_sample.jsonl.gz"
_DOLLAR_QUOTES = ("USDT", "USDC", "BUSD", "USD")
"""Endings of symbols whose quote currency counts as the dollar (FDUSD and TUSD end in USD too)."""


class FeedCounts(NamedTuple):
    """How many of what a source holds."""

    lines: int
    """Non-empty lines; each is one record or one drop."""
    snapshots: int
    depth_updates: int
    trades: int
    quotes: int
    dropped: int
    levels: int
    """(price, quantity) pairs in all records."""
    clock_backwards: int
    """Lines whose local time was before the line above; they are held at that one's time."""

    @property
    def records(self) -> int:
        """Records of every kind."""
        return self.snapshots + self.depth_updates + self.trades + self.quotes


class SourceFacts(NamedTuple):
    """What is known of a source besides its records: all that a pickle carries."""

    path: Path
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

    Identity   path, kind, sha256, instrument
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
    def kind(self) -> str:
        """`binance_spot` or `binance_usdm`."""
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
        """Lines that were not used, by reason."""
        return self._facts.dropped

    @property
    def streams(self) -> dict[str, int]:
        """Lines by stream name, also of unknown streams."""
        return self._facts.streams

    @property
    def symbols(self) -> dict[str, int]:
        """Lines by symbol; only the instrument's are records."""
        return self._facts.symbols

    @property
    def starts_without_snapshot(self) -> bool:
        """True: no snapshot in the file; the book starts empty and knows only levels that changed since."""
        return self._facts.starts_without_snapshot

    @property
    def record_count(self) -> int:
        """Number of records; their indices run from 0."""
        return self.counts.records

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
        assert other.sha256 == self.sha256
        self._table = other._table

    def _loaded(self) -> RecordTable:
        """The records; after unpickling read again from the file, which must be the same."""
        if self._table is None:
            again = open_source(self.path)
            if again.sha256 != self.sha256:
                raise DataError(
                    f"{self.path}: changed since the session began (SHA-256 {again.sha256}, expected "
                    f"{self.sha256}). Put the original file back."
                )
            self._table = again._table
            assert self._table is not None
        return self._table


def open_source(path: Path | str) -> HistoricalSource:
    """Read a Binance spot or USD-M capture, plain or gzip.

    Raises UsageError when the file cannot be opened and DataError when it is damaged, above
    MAX_UNPACKED_BYTES, of another format, or holds no record.
    """
    path = Path(path)
    decoder = CaptureDecoder(str(path))
    sha256 = file_sha256(path)
    with open_data(path) as stream:
        decoder.decode(read_lines(path, stream))
        unpacked_bytes = stream.tell()
    if not decoder.table or not decoder.symbol:
        raise _no_record(path, decoder)
    return HistoricalSource(_settle(path, sha256, unpacked_bytes, decoder), decoder.table)


def sample_path() -> Path:
    """The capture that ships with the product: 40 s of spot BTCUSDT."""
    return Path(__file__).parent / "samples" / _SAMPLE


def _no_record(path: Path, decoder: CaptureDecoder) -> DataError:
    reasons = "; ".join(f"{drop.lines} x {drop.reason}" for drop in decoder.drops())
    return DataError(
        f"{path}: no Binance record with a symbol in {decoder.lines} lines ({reasons or 'none dropped'}). "
        "Expected `<local ns> <JSON>` lines of the streams @depth, @trade and @bookTicker; "
        "`stormdesk inspect` says what the file is."
    )


def _settle(path: Path, sha256: str, unpacked_bytes: int, decoder: CaptureDecoder) -> SourceFacts:
    """Put the decoded records on their grid and say what they are."""
    table, drops, symbol = decoder.table, decoder.drops(), decoder.symbol.upper()
    grid = table.settle()
    counts = FeedCounts(
        lines=decoder.lines,
        snapshots=table.count(RecordKind.SNAPSHOT),
        depth_updates=table.count(RecordKind.DEPTH),
        trades=table.count(RecordKind.TRADE),
        quotes=table.count(RecordKind.QUOTE),
        dropped=sum(drop.lines for drop in drops),
        levels=table.level_count,
        clock_backwards=decoder.clock_backwards,
    )
    return SourceFacts(
        path=path,
        kind=decoder.kind or SPOT,
        instrument=Instrument(
            symbol=symbol,
            tick_size=grid.tick_size,
            lot_size=grid.lot_size,
            currency=_currency(symbol),
            unit_lots=max(1, grid.mean_trade_lots),
        ),
        epoch_ns=decoder.epoch_ns,
        duration_ns=table.last_time_ns,
        sha256=sha256,
        counts=counts,
        dropped=drops,
        streams=decoder.streams,
        symbols=decoder.symbols,
        starts_without_snapshot=counts.snapshots == 0,
        unpacked_bytes=unpacked_bytes,
    )


def _currency(symbol: str) -> str:
    """Three letters: USD for dollar-like quotes, else the symbol's ending."""
    base, _, _ = symbol.partition("_")  # a delivery date follows the underscore
    return "USD" if base.endswith(_DOLLAR_QUOTES) else base[-3:]
