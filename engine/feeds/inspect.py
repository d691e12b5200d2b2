"""What is in a data file: format, counts, span, rates, gaps, drops, book, agreement. Facts, no opinions.

Stop on the data path: beside it (`stormdesk inspect FILE`). Invariant: every number comes from reading the
whole file; what could not be computed is None, never a guess.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO

import numpy as np

from engine.book.digest import replay_digest, running_digest
from engine.book.digest_file import CHUNK_EVENTS
from engine.book.hot import HotBook
from engine.core.clock import NS_PER_MS, NS_PER_S, utc_iso
from engine.core.errors import DataError, UsageError
from engine.core.identity import engine_source_hash
from engine.core.types import EVENT_BYTES, EVENT_DTYPE, EventType, Instrument, Side
from engine.feeds.agreement import quote_agreement
from engine.feeds.book_sync import find_halt, sequence_gaps, trade_gaps
from engine.feeds.files import STDIN, Report, file_sha256, open_data
from engine.feeds.formats import HEAD_BYTES, FileFormat, detect_format, format_of_head, packing_of
from engine.feeds.inspect_text import inspection_text
from engine.feeds.inspection import (
    BookSummary,
    CaptureFacts,
    EventFacts,
    Inspection,
    InstrumentFacts,
    LevelText,
    Rates,
    RunFacts,
    inspection_json,
)
from engine.feeds.itch.inspection import inspect_itch, inspect_itch_bytes
from engine.feeds.itch.opening import itch_bytes_of
from engine.feeds.l2book import BookRebuild
from engine.feeds.records import DepthUpdate, Level, QuoteTick, TradeTick
from engine.feeds.source import HistoricalSource, open_source
from engine.feeds.venue_inspection import inspect_venue, sibling_captures
from engine.journal.reader import read_journal
from engine.recording.run_directory import RunDirectory, list_runs

__all__ = ["MAX_GAPS_NAMED", "inspect_file", "inspect_run", "inspection_json", "inspection_text"]

MAX_GAPS_NAMED = 10
"""Sequence gaps of a kind that are named one by one; all are counted."""

_DEPTH_LEVELS = 10


def inspect_file(
    path: Path | str, *, others: Sequence[Path] | None = None, report: Report | None = None
) -> Inspection:
    """Read the whole file and say what is in it; `report` hears how many of its bytes are read.

    `others` are captures of the same time that a capture of a venue is joined with; None: its siblings, as
    `sibling_captures` finds them. STDIN may hold ITCH messages, packets or raw events; a directory is a
    recorded run. Damage inside the file is part of the answer (`problem`). Raises UsageError when it cannot
    be opened.
    """
    path = Path(path)
    if path == STDIN:
        return _inspect_pipe()
    if path.is_dir():
        return inspect_run(RunDirectory(path))
    facts: dict[str, Any] = {
        "path": str(path),
        "format": FileFormat.UNKNOWN,
        "sha256": file_sha256(path),
        "file_bytes": path.stat().st_size,
    }
    with path.open("rb") as packed:
        facts["packing"] = packing_of(packed.read(4))
    try:
        facts["format"] = detect_format(path)
        match facts["format"]:
            case FileFormat.VENUE:
                others = sibling_captures(path) if others is None else others
                facts["venue"] = inspect_venue(path, others, report=report)
                facts["capture"] = _inspect_capture(open_source(path))
            case FileFormat.EVENTS:
                with open_data(path, report=report) as stream:
                    facts["events"] = _inspect_events(path, stream)
            case FileFormat.ITCH | FileFormat.CAPTURE:
                facts["itch"] = inspect_itch(path, report=report)
    except DataError as error:
        facts["problem"] = str(error)
    return Inspection(**facts)


def _inspect_pipe() -> Inspection:
    """Standard input, read once: no digest of the bytes, and nothing that must be read twice."""
    facts: dict[str, Any] = {"path": str(STDIN), "packing": "plain", "sha256": None, "file_bytes": None}
    facts["format"] = FileFormat.UNKNOWN
    try:
        with open_data(STDIN) as stream:
            assert isinstance(stream, io.BufferedReader)
            facts["format"] = format_of_head(stream.peek(HEAD_BYTES)[:HEAD_BYTES])
            match facts["format"]:
                case FileFormat.ITCH | FileFormat.CAPTURE:
                    facts["itch"] = inspect_itch_bytes(itch_bytes_of(stream, where="standard input"))
                case FileFormat.EVENTS:
                    facts["events"] = _inspect_events(STDIN, stream)
                case FileFormat.VENUE:
                    raise UsageError("standard input: a venue's capture is read twice; save it to a file")
    except DataError as error:
        facts["problem"] = str(error)
    return Inspection(**facts)


def inspect_run(run: RunDirectory) -> Inspection:
    """What a run's directory says of it. Raises UsageError when the directory holds no run."""
    if not run.journal_path.exists() and not run.summary_path.exists():
        raise UsageError(f"{run.path}: a directory, and not of a run; name a file")
    facts: dict[str, Any] = {"path": str(run.path), "format": FileFormat.RUN, "packing": "plain"}
    facts |= {"sha256": None, "file_bytes": None}
    try:
        facts["run"] = _inspect_run(run)
    except DataError as error:
        facts["problem"] = str(error)
    except OSError as error:
        facts["problem"] = f"{run.journal_path}: cannot be read ({error.strerror or error})"
    return Inspection(**facts)


def _inspect_run(run: RunDirectory) -> RunFacts:
    journal = read_journal(run.journal_path)
    header, last = journal.header, journal.checkpoints[-1][1] if journal.checkpoints else None
    listed = next((entry for entry in list_runs(run.path.parent) if entry.run_id == run.run_id), None)
    return RunFacts(
        run=run.run_id,
        state="broken" if listed is None else listed.state,
        scenario=header.scenario_name,
        seed=header.seed,
        source=header.source,
        symbol=header.options.get("symbol"),
        target=header.target,
        engine_version=header.engine_version,
        is_this_engine=header.source_hash == engine_source_hash(),
        started_utc=utc_iso(header.started_wall_ns),
        inputs=len(journal.commands),
        checkpoints=len(journal.checkpoints),
        duration_s=None if last is None else last.time_ns / NS_PER_S,
        events=None if last is None else last.event_count,
        event_digest=None if last is None else f"{last.event_digest:#018x}",
        book_digest=None if last is None else f"{last.book_digest:#018x}",
        torn=None if journal.torn is None else str(journal.torn),
    )


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


def _inspect_events(path: Path, stream: BinaryIO) -> EventFacts:
    """In pieces, so that the file's length has no bound."""
    book = HotBook()
    by_type = np.zeros(256, np.int64)
    instruments: set[int] = set()
    count = event_state = replay_state = 0
    while data := stream.read(CHUNK_EVENTS * EVENT_BYTES):
        if rest := len(data) % EVENT_BYTES:
            raise DataError(
                f"{path}: {rest} bytes left over behind event {count + len(data) // EVENT_BYTES}. The file "
                "is cut short or holds something else."
            )
        events = np.frombuffer(data, EVENT_DTYPE)
        book.apply(events)
        by_type += np.bincount(events["event_type"], minlength=256)
        instruments.update(np.unique(events["instrument_id"]).tolist())
        event_state = running_digest(data, event_state)
        replay_state = replay_digest(data, replay_state, first_sequence=count + 1)
        count += len(events)
    names = {int(kind): kind.name for kind in EventType}
    return EventFacts(
        events=count,
        instruments=len(instruments),
        by_type={
            names.get(number, f"type {number}"): int(by_type[number])
            for number in np.flatnonzero(by_type).tolist()
        },
        l2_digest=f"{book.digest():#018x}",
        event_digest=f"{event_state:#018x}",
        replay_digest=f"{replay_state:#018x}",
        levels_bid=book.level_count(Side.BID),
        levels_ask=book.level_count(Side.ASK),
        best_bid=book.best_bid,
        best_ask=book.best_ask,
        live_orders=book.order_count,
    )
