"""An inspection as plain text lines, for the terminal and for logs.

Stop on the data path: beside it. Invariant: says what the Inspection says, nothing else.
"""

from __future__ import annotations

from engine.core.clock import NS_PER_S
from engine.feeds.agreement import QuoteAgreement
from engine.feeds.book_sync import SequenceGap
from engine.feeds.formats import ItchCounts
from engine.feeds.inspection import BookSummary, CaptureFacts, EventFacts, Inspection, LevelText

__all__ = ["inspection_text"]

_LABEL_WIDTH = 16
_Line = tuple[str, str]


def inspection_text(inspection: Inspection) -> str:
    """Label and value per line."""
    packing = "gzip" if inspection.is_gzip else "plain"
    lines: list[_Line] = [
        ("file", inspection.path),
        ("format", f"{inspection.format} ({packing}, {inspection.file_bytes:,} bytes)"),
        ("sha256", inspection.sha256),
    ]
    if inspection.capture is not None:
        lines += _capture_lines(inspection.capture)
    if inspection.events is not None:
        lines += _event_lines(inspection.events)
    if inspection.itch is not None:
        lines += _itch_lines(inspection.itch)
    if inspection.problem is not None:
        lines.append(("problem", inspection.problem))
    return "\n".join(f"{label:<{_LABEL_WIDTH}}{value}" for label, value in lines)


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
        ("book digest", facts.l2_digest),
        ("event digest", facts.event_digest),
        ("replay digest", facts.replay_digest),
        (
            "book at end",
            f"bid {_number(facts.best_bid)}  ask {_number(facts.best_ask)}  "
            f"levels {facts.levels_bid:,} / {facts.levels_ask:,}  live orders {facts.live_orders:,}",
        ),
    ]


def _itch_lines(counts: ItchCounts) -> list[_Line]:
    return [
        ("messages", f"{counts.messages:,}"),
        *(("", f"{count:>10,}  {name}") for name, count in counts.by_type.items()),
        (
            "not usual",
            f"{counts.unknown_type:,} of unknown type, {counts.wrong_length:,} of wrong length, "
            f"{counts.cut_off_bytes:,} bytes left over at the end",
        ),
    ]


def _counts_text(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _level_text(level: LevelText | None) -> str:
    return "–" if level is None else f"{level.price} x {level.quantity}"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f}%"
