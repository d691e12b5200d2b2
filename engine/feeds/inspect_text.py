"""An inspection as plain text lines, for the terminal and for logs.

Stop on the data path: beside it. Invariant: says what the Inspection says, nothing else.
"""

from __future__ import annotations

from engine.core.clock import NS_PER_S
from engine.feeds.agreement import QuoteAgreement
from engine.feeds.book_sync import SequenceGap
from engine.feeds.inspection import BookSummary, CaptureFacts, EventFacts, Inspection, LevelText, RunFacts
from engine.feeds.itch.inspection import ItchFacts, StockFacts
from engine.feeds.venue_inspection import SymbolFacts, VenueFacts

__all__ = ["inspection_text"]

SYMBOLS_SHOWN = 20
"""Symbols of a capture that are described in the text; JSON has all."""
_LABEL_WIDTH = 16
_Line = tuple[str, str]


def inspection_text(inspection: Inspection) -> str:
    """Label and value per line."""
    size = "" if inspection.file_bytes is None else f", {inspection.file_bytes:,} bytes"
    packing = "" if inspection.run is not None else f" ({inspection.packing}{size})"
    lines: list[_Line] = [("file", inspection.path), ("format", f"{inspection.format}{packing}")]
    if inspection.sha256 is not None:
        lines.append(("sha256", inspection.sha256))
    if inspection.venue is not None:
        lines += _venue_lines(inspection.venue)
    if inspection.capture is not None:
        lines += _capture_lines(inspection.capture)
    if inspection.run is not None:
        lines += _run_lines(inspection.run)
    if inspection.events is not None:
        lines += _event_lines(inspection.events)
    if inspection.itch is not None:
        lines += _itch_lines(inspection.itch)
    if inspection.problem is not None:
        lines.append(("problem", inspection.problem))
    return "\n".join(f"{label:<{_LABEL_WIDTH}}{value}" for label, value in lines)


def _venue_lines(facts: VenueFacts) -> list[_Line]:
    joined = f", joined with {', '.join(facts.joined)}" if facts.joined else ""
    lines = [
        (
            "venue",
            f"{facts.venue}: {facts.messages:,} messages, {facts.ignored:,} without market data{joined}",
        ),
        ("all symbols", f"{len(facts.symbols):,}, {facts.gaps:,} gaps, {_checksums_text(facts)}"),
        *(("", _symbol_text(symbol)) for symbol in facts.symbols[:SYMBOLS_SHOWN]),
        *(("", f"  {gap}") for gap in facts.first_gaps),
    ]
    if facts.duration_s is not None:
        span = f"{facts.start_utc} to {facts.end_utc}, {facts.duration_s:,.3f} s"
        lines.insert(1, ("received", span))
    return lines


def _checksums_text(facts: VenueFacts) -> str:
    if not facts.checksums_right + facts.checksums_wrong:
        return "no checksums"
    return f"checksums {facts.checksums_right:,} right, {facts.checksums_wrong:,} wrong"


def _symbol_text(symbol: SymbolFacts) -> str:
    book = ""
    if symbol.is_synchronised is not None:
        known = f"bid {symbol.best_bid or '–'}  ask {symbol.best_ask or '–'}"
        book = f"  {known if symbol.is_synchronised else 'book not known'}"
    return (
        f"{symbol.symbol:<12} {symbol.trades:,} trades, {symbol.quotes:,} quotes, "
        f"{symbol.snapshots:,} snapshots, {symbol.updates:,} updates, "
        f"crossed {symbol.crossed_states:,}, gaps {symbol.gaps:,}{book}"
    )


def _run_lines(run: RunFacts) -> list[_Line]:
    engine = "this one" if run.is_this_engine else "another one than this"
    lines = [
        ("run", f"{run.run}, {run.state}, started {run.started_utc}"),
        (
            "market",
            f"{run.scenario}, seed {run.seed}, source {run.source}{f' ({run.symbol})' if run.symbol else ''}",
        ),
        ("target", run.target),
        ("engine", f"{run.engine_version}, {engine}"),
        ("journal", f"{run.inputs:,} inputs, {run.checkpoints:,} checkpoints"),
    ]
    if run.duration_s is not None:
        lines += [
            ("recorded", f"{run.duration_s:,.3f} s, {_number(run.events)} events"),
            ("event digest", str(run.event_digest)),
            ("book digest", str(run.book_digest)),
        ]
    return lines if run.torn is None else [*lines, ("torn", run.torn)]


def _capture_lines(facts: CaptureFacts) -> list[_Line]:
    instrument, counts, rates = facts.instrument, facts.counts, facts.rates
    mean = "–" if rates.mean is None else f"{rates.mean:,.0f}"
    ahead = "–" if facts.exchange_ahead_ms is None else f"{facts.exchange_ahead_ms:+,.1f} ms (median)"
    lines = [
        ("source", facts.kind),
        (
            "instrument",
            f"{instrument.symbol}  tick {instrument.tick_size}  lot {instrument.lot_size} "
            f"({instrument.currency})  mean trade {instrument.unit_lots:,} lots",
        ),
        ("time", f"{facts.start_utc} to {facts.end_utc}, {facts.duration_s:,.3f} s"),
        ("contents", ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items())),
        ("streams", _counts_text(facts.streams)),
        ("symbols", _counts_text(facts.symbols)),
        ("rate", f"{mean} records/s, peak {rates.peak:,} in second {rates.peak_at_s}"),
        ("exchange clock", f"{ahead} against the local one"),
        ("gaps", f"{facts.sequence_gaps} in the sequence of depth updates"),
        *_gap_lines(facts.first_gaps),
        ("", f"{facts.trade_gaps} in the ids of trades"),
        *_gap_lines(facts.first_trade_gaps),
        ("replay", "plays to the end" if facts.halt is None else f"halts: {facts.halt}"),
    ]
    if facts.starts_without_snapshot:
        lines.append(("starts", "without a snapshot: the book is built from updates alone"))
    lines.append(("dropped", f"{counts['dropped']:,} lines"))
    lines += [
        ("", f"{drop.lines:,} x {drop.reason}, first in line {drop.first_line} (byte {drop.first_offset})")
        for drop in facts.dropped
    ]
    return lines + _book_lines(facts.book) + _agreement_lines(facts.agreement)


def _gap_lines(gaps: tuple[SequenceGap, ...]) -> list[_Line]:
    return [
        ("", f"  at {gap.time_ns / NS_PER_S:.3f} s: expected {gap.expected}, got {gap.got}") for gap in gaps
    ]


def _book_lines(book: BookSummary) -> list[_Line]:
    state = "" if book.is_synchronised else ", not synchronised at the end"
    return [
        (
            "book at end",
            f"bid {_level_text(book.best_bid)}  ask {_level_text(book.best_ask)}  "
            f"levels {book.levels_bid:,} / {book.levels_ask:,}{state}",
        ),
        (
            "book states",
            f"{book.states:,}, crossed {book.crossed_states:,}, gaps met {book.gaps:,}, "
            f"updates already contained {book.dropped_before_sync:,}",
        ),
        (
            "medians",
            f"spread {_number(book.median_spread_ticks)} ticks, "
            f"best level {_number(book.median_top_lots)} lots, "
            f"ten levels {_number(book.median_ten_levels_lots)} lots",
        ),
    ]


def _agreement_lines(agreement: QuoteAgreement) -> list[_Line]:
    lines = [
        (
            "quotes",
            f"{agreement.comparable:,} of {agreement.quotes:,} comparable by id "
            f"({_percent(agreement.share_comparable)}), equal {agreement.equal:,} "
            f"({_percent(agreement.share_equal)})",
        )
    ]
    different = agreement.states - agreement.states_equal
    if different:
        explained = different - agreement.unexplained
        lines.append(
            (
                "",
                f"{different:,} book states differ, {explained:,} only by a level that nothing has named yet",
            )
        )
    if agreement.first_difference is not None:
        quote, top, _ = agreement.first_difference
        lines.append(
            (
                "",
                f"first at update {top.last_id}: book {top.bid_ticks} x {top.bid_lots} / "
                f"{top.ask_ticks} x {top.ask_lots}, quote {quote.update_id} {quote.bid_ticks} x "
                f"{quote.bid_lots} / {quote.ask_ticks} x {quote.ask_lots} (ticks x lots)",
            )
        )
    return lines


def _event_lines(facts: EventFacts) -> list[_Line]:
    return [
        ("events", f"{facts.events:,}: {_counts_text(facts.by_type)}"),
        ("instruments", f"{facts.instruments:,}"),
        ("book digest", facts.l2_digest),
        ("event digest", facts.event_digest),
        ("replay digest", facts.replay_digest),
        (
            "book at end",
            f"bid {_number(facts.best_bid)}  ask {_number(facts.best_ask)}  "
            f"levels {facts.levels_bid:,} / {facts.levels_ask:,}  live orders {facts.live_orders:,}",
        ),
    ]


def _itch_lines(facts: ItchFacts) -> list[_Line]:
    mean = "–" if facts.rate_mean is None else f"{facts.rate_mean:,.0f}"
    lines = [
        ("messages", f"{facts.messages:,}"),
        *(("", f"{count:>12,}  {name}") for name, count in facts.by_type.items()),
    ]
    if facts.transport is not None:
        lines.append(("packets", _counts_text({k: v for k, v in facts.transport.items() if v})))
    if facts.gap is not None:
        lines.append(("halts", facts.gap))
    damage = f"{facts.unknown_type:,} of unknown type, {facts.wrong_length:,} of wrong length"
    if facts.first_damage_offset is not None:
        damage += f" (the first at byte {facts.first_damage_offset:,})"
    lines.append(("damage", f"{damage}, {facts.cut_off_bytes:,} bytes left over at the end"))
    if facts.first_time is not None:
        lines += [
            ("time", f"{facts.first_time} to {facts.last_time}, {facts.duration_s:,.3f} s"),
            ("rate", f"{mean} rows/s, peak {facts.rate_peak:,} in the second of {facts.rate_peak_at}"),
        ]
    lines += [("day" if at == 0 else "", text) for at, text in enumerate(facts.day)]
    lines += [
        ("stocks", f"{facts.stocks_listed:,} listed, {facts.stocks_active:,} active"),
        *(("", _stock_text(stock)) for stock in facts.busiest),
        (
            "books at end",
            f"{facts.live_orders:,} live orders, {facts.crossed_books:,} crossed, "
            f"digest {facts.books_digest}",
        ),
        ("passed over", f"{facts.unknown_orders:,} about unknown orders, {facts.rejected:,} rejected"),
    ]
    return lines


def _stock_text(stock: StockFacts) -> str:
    name = stock.symbol or f"#{stock.locate}"
    return (
        f"{name:<8} {stock.messages:>10,} messages  "
        f"bid {stock.best_bid or '–'}  ask {stock.best_ask or '–'}  "
        f"levels {stock.levels_bid:,} / {stock.levels_ask:,}  {stock.digest}"
    )


def _counts_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _level_text(level: LevelText | None) -> str:
    return "–" if level is None else f"{level.price} x {level.quantity}"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}%"
