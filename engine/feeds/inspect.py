"""What is in a data file: format, counts, span, rates, gaps, drops, book, agreement. Facts, no opinions.

Stop on the data path: beside it (`stormdesk inspect FILE`). Invariant: every number comes from reading the
whole file; what could not be computed is None, never a guess.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from engine.book.digest_file import digest_events_file
from engine.core.clock import NS_PER_MS, NS_PER_S, utc_iso
from engine.core.errors import DataError
from engine.core.types import EVENT_DTYPE, EventType, Instrument, Side
from engine.feeds.agreement import quote_agreement
from engine.feeds.book_sync import find_halt, sequence_gaps, trade_gaps
from engine.feeds.files import file_sha256, is_gzip, open_data, read_all
from engine.feeds.formats import FileFormat, count_itch_messages, detect_format
from engine.feeds.inspect_text import inspection_text
from engine.feeds.inspection import (
    BookSummary,
    CaptureFacts,
    EventFacts,
    Inspection,
    InstrumentFacts,
    LevelText,
    Rates,
    inspection_json,
)
from engine.feeds.l2book import BookRebuild
from engine.feeds.records import DepthUpdate, Level, QuoteTick, TradeTick
from engine.feeds.source import HistoricalSource, open_source

__all__ = ["MAX_GAPS_NAMED", "inspect_file", "inspection_json", "inspection_text"]

MAX_GAPS_NAMED = 10
"""Sequence gaps of a kind that are named one by one; all are counted."""

_DEPTH_LEVELS = 10


def inspect_file(path: Path | str) -> Inspection:
    """Read the whole file and say what is in it.

    Damage inside the file is part of the answer (`problem`). Raises UsageError when it cannot be opened.
    """
    path = Path(path)
    facts: dict[str, Any] = {
        "path": str(path),
        "format": FileFormat.UNKNOWN,
        "is_gzip": is_gzip(path),
        "file_bytes": path.stat().st_size,
        "sha256": file_sha256(path),
    }
    try:
        facts["format"] = detect_format(path)
        match facts["format"]:
            case FileFormat.BINANCE:
                facts["capture"] = _inspect_capture(open_source(path))
            case FileFormat.EVENTS:
                facts["events"] = _inspect_events(path)
            case FileFormat.ITCH:
                facts["itch"] = count_itch_messages(path)
    except DataError as error:
        facts["problem"] = str(error)
    return Inspection(**facts)


def _inspect_capture(source: HistoricalSource) -> CaptureFacts:
    instrument = source.instrument
    updates = (record for record in source.records() if isinstance(record, DepthUpdate))
    gaps = list(sequence_gaps(updates, source.kind))
    trades = (record for record in source.records() if isinstance(record, TradeTick))
    missing = list(trade_gaps(trades))
    halt = find_halt(source.records(), BookRebuild(source).sync, where=source.name)
    return CaptureFacts(
        kind=source.kind,
        instrument=InstrumentFacts(
            symbol=instrument.symbol,
            tick_size=f"{instrument.tick_size:f}",
            lot_size=f"{instrument.lot_size:f}",
            currency=instrument.currency,
            unit_lots=instrument.unit_lots,
        ),
        start_utc=utc_iso(source.epoch_ns),
        end_utc=utc_iso(source.epoch_ns + source.duration_ns),
        duration_s=source.duration_ns / NS_PER_S,
        counts=source.counts._asdict(),
        streams=source.streams,
        symbols=source.symbols,
        rates=_rates(source),
        exchange_ahead_ms=_exchange_ahead_ms(source),
        starts_without_snapshot=source.starts_without_snapshot,
        sequence_gaps=len(gaps),
        first_gaps=tuple(gaps[:MAX_GAPS_NAMED]),
        trade_gaps=len(missing),
        first_trade_gaps=tuple(missing[:MAX_GAPS_NAMED]),
        halt=None if halt is None else str(halt),
        dropped=source.dropped,
        book=_summarise_book(source),
        agreement=quote_agreement(source),
    )


def _rates(source: HistoricalSource) -> Rates:
    per_second: dict[int, int] = {}
    for index in range(source.record_count):
        second = source.record_time_ns(index) // NS_PER_S
        per_second[second] = per_second.get(second, 0) + 1
    peak_at_s = max(per_second, key=per_second.__getitem__)
    duration_ns = source.duration_ns
    return Rates(
        mean=source.record_count * NS_PER_S / duration_ns if duration_ns else None,
        peak=per_second[peak_at_s],
        peak_at_s=peak_at_s,
    )


def _exchange_ahead_ms(source: HistoricalSource) -> float | None:
    stamped = (record for record in source.records() if not isinstance(record, QuoteTick))
    ahead_ns = [
        record.exchange_time_ms * NS_PER_MS - (source.epoch_ns + record.time_ns)
        for record in stamped
        if record.exchange_time_ms
    ]
    return median(ahead_ns) / NS_PER_MS if ahead_ns else None


def _summarise_book(source: HistoricalSource) -> BookSummary:
    rebuild = BookRebuild(source)
    book = rebuild.book
    spreads: list[int] = []
    tops: list[int] = []
    depths: list[int] = []
    states = crossed = 0
    for _ in rebuild:
        states += 1
        crossed += book.is_crossed
        best_bid, best_ask = book.best_bid, book.best_ask
        if best_bid is None or best_ask is None:
            continue
        spreads.append(best_ask[0] - best_bid[0])
        tops += (best_bid[1], best_ask[1])
        depths += (sum(lots for _, lots in book.levels(side, _DEPTH_LEVELS)) for side in Side)
    sync = rebuild.sync.statistics()
    return BookSummary(
        is_synchronised=rebuild.sync.synchronised,
        best_bid=_level_text(book.best_bid, source.instrument),
        best_ask=_level_text(book.best_ask, source.instrument),
        levels_bid=book.level_count(Side.BID),
        levels_ask=book.level_count(Side.ASK),
        states=states,
        crossed_states=crossed,
        dropped_before_sync=sync["dropped_old"],
        gaps=sync["gaps"],
        median_spread_ticks=int(median(spreads)) if spreads else None,
        median_top_lots=int(median(tops)) if tops else None,
        median_ten_levels_lots=int(median(depths)) if depths else None,
    )


def _level_text(level: Level | None, instrument: Instrument) -> LevelText | None:
    if level is None:
        return None
    price_ticks, qty_lots = level
    return LevelText(
        price=f"{price_ticks * instrument.tick_size:f}", quantity=f"{qty_lots * instrument.lot_size:f}"
    )


def _inspect_events(path: Path) -> EventFacts:
    report = digest_events_file(path, "reference")
    with open_data(path) as stream:
        types = np.frombuffer(read_all(path, stream), EVENT_DTYPE)["event_type"]
    names = {int(kind): kind.name for kind in EventType}
    numbers, counts = np.unique(types, return_counts=True)
    return EventFacts(
        events=report.events,
        by_type={
            names.get(number, f"type {number}"): count
            for number, count in zip(numbers.tolist(), counts.tolist(), strict=True)
        },
        l2_digest=f"{report.l2_digest:#018x}",
        event_digest=f"{report.event_digest:#018x}",
        replay_digest=f"{report.replay_digest:#018x}",
        levels_bid=report.bid_levels,
        levels_ask=report.ask_levels,
        best_bid=report.best_bid,
        best_ask=report.best_ask,
        live_orders=report.live_orders,
    )
