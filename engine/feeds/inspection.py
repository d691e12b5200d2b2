"""The answer to "what is in this file", as data: struct tree, convertible to JSON.

Stop on the data path: beside it. Invariant: None means "not computed or not there", never zero.
"""

from __future__ import annotations

from typing import Any

import msgspec

from engine.feeds.agreement import QuoteAgreement
from engine.feeds.book_sync import SequenceGap
from engine.feeds.drops import Drop
from engine.feeds.formats import FileFormat
from engine.feeds.itch.inspection import ItchFacts
from engine.feeds.venue_inspection import VenueFacts

__all__ = [
    "BookSummary",
    "CaptureFacts",
    "EventFacts",
    "Inspection",
    "InstrumentFacts",
    "LevelText",
    "Rates",
    "RunFacts",
    "inspection_json",
]


class InstrumentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is traded; steps as decimal text."""

    symbol: str
    tick_size: str
    lot_size: str
    currency: str
    unit_lots: int


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Records per second of local receive time."""

    mean: float | None
    """None when the file spans no time."""
    peak: int
    """Most records in one second, counted in whole seconds from the first record."""
    peak_at_s: int
    """Session second in which the peak lies."""


class LevelText(msgspec.Struct, frozen=True, kw_only=True):
    """One price level in the exchange's units, as exact decimal text."""

    price: str
    quantity: str


class BookSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The rebuilt book."""

    is_synchronised: bool
    """False: the file ends behind a sequence gap (or before its snapshot), and the book is of the time
    before it."""
    best_bid: LevelText | None
    best_ask: LevelText | None
    levels_bid: int
    levels_ask: int
    states: int
    """Updates applied."""
    crossed_states: int
    """States in which the best bid was at or above the best ask."""
    dropped_before_sync: int
    """Updates that the snapshot or the chain already contained."""
    gaps: int
    """Holes met while rebuilding; behind each, only a snapshot goes on."""
    median_spread_ticks: int | None
    median_top_lots: int | None
    """Median quantity of the best levels of both sides."""
    median_ten_levels_lots: int | None
    """Median total of the best ten levels of a side."""


class CaptureFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The one instrument of a venue capture that a session would play."""

    kind: str
    instrument: InstrumentFacts
    start_utc: str
    end_utc: str
    duration_s: float
    counts: dict[str, int]
    streams: dict[str, int]
    symbols: dict[str, int]
    rates: Rates
    exchange_ahead_ms: float | None
    """Median of exchange time minus local receive time: positive when the local clock is behind."""
    starts_without_snapshot: bool
    sequence_gaps: int
    """Holes in the file's own chain of depth updates."""
    first_gaps: tuple[SequenceGap, ...]
    trade_gaps: int
    """Holes in the ids of its trades."""
    first_trade_gaps: tuple[SequenceGap, ...]
    halt: str | None
    """The hole at which a replay of this file halts; None: it plays to its end."""
    dropped: tuple[Drop, ...]
    book: BookSummary
    agreement: QuoteAgreement


class EventFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A file of raw events, all applied to one book, as `stormdesk digest` does."""

    events: int
    instruments: int
    by_type: dict[str, int]
    l2_digest: str
    event_digest: str
    replay_digest: str
    levels_bid: int
    levels_ask: int
    best_bid: int | None
    best_ask: int | None
    live_orders: int


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded run, as its directory says; `stormdesk verify` computes it again."""

    run: str
    state: str
    """One of: "recording", "interrupted", "complete", "failed", "broken"."""
    scenario: str
    seed: int
    source: str
    symbol: str | None
    target: str
    engine_version: str
    is_this_engine: bool
    """Recorded by the very engine that looks at it: only then can it be computed again."""
    started_utc: str
    inputs: int
    checkpoints: int
    duration_s: float | None
    """Session time of the last checkpoint; None without any."""
    events: int | None
    event_digest: str | None
    book_digest: str | None
    torn: str | None
    """What is torn from the journal's end."""


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a data file; the part that belongs to its format is there, the others are None."""

    path: str
    format: FileFormat
    packing: str
    """plain, gzip or zstd."""
    file_bytes: int | None
    """None for standard input and for a run."""
    sha256: str | None
    venue: VenueFacts | None = None
    capture: CaptureFacts | None = None
    events: EventFacts | None = None
    itch: ItchFacts | None = None
    run: RunFacts | None = None
    problem: str | None = None
    """Why the file could not be read to its end."""


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """Plain dictionaries, lists, text and numbers, ready for any JSON writer; records keep their names."""
    plain = _plain(inspection)
    assert isinstance(plain, dict)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value  # an enum's text, not the enum
