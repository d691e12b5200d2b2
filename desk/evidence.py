"""An alert's evidence as rows: what was measured against which threshold, and the events that caused it."""

from __future__ import annotations

from rich.style import Style

from desk.clock import Clock, clock_of
from desk.draw import Piece, Row, bar_from_left, pad
from desk.formats import UNKNOWN, clean, units_of
from desk.theme import Palette
from desk.view import View
from engine.core.alerts import Alert, EventRow, Evidence, Measured
from engine.core.types import EventType, Instrument
from engine.frame import Frame

__all__ = ["MARKS", "evidence_rows", "severity_style", "state_text"]

MARKS = {"info": "○", "warning": "▲", "critical": "■"}
NARROW = 60
"""Below this there are no columns."""
COLUMNS, NARROW_COLUMNS = (10, 14, 9, 5, 12, 11), (8, 13, 7, 4, 10, 9)
"""Of events: number, time, event, side, price, quantity."""
COLUMNS_WIDTH, ORDER_WIDTH = 66, 12
WHAT_WIDTH = 42
FIGURE_WIDTH = 12
BAR_WIDTH = 24
_SIDES = ("bid", "ask", "")


def severity_style(severity: str, palette: Palette) -> Style:
    """Colour of an alert that nobody has seen."""
    return {"warning": palette.warning, "critical": palette.critical}.get(severity, palette.text)


def state_text(alert: Alert, clock: Clock) -> str:
    """`active`, `cleared 00:00:37`; empty for what has no duration."""
    if alert.state == "cleared" and alert.cleared_ns is not None:
        return f"cleared {clock.text(alert.cleared_ns, decimals=0)}"
    return "active" if alert.state == "active" else ""


def evidence_rows(alert: Alert, frame: Frame, view: View, width: int) -> list[Row]:
    """All that is known of it."""
    palette, clock = view.palette, clock_of(frame.market)
    blank: Row = ((" ", palette.text),)
    style = severity_style(alert.severity, palette)
    rows: list[Row] = [
        (
            (f" {MARKS.get(alert.severity, '?')} {clean(alert.text)}", style),
            (f"   {alert.severity} · {alert.kind}", palette.dim),
            (f" · {state}" if (state := state_text(alert, clock)) else "", palette.dim),
        ),
        (
            (f"   began {clock.text(alert.time_ns)}", palette.text),
            (
                f" · {alert.times} times, last {clock.text(alert.last_ns)}" if alert.times > 1 else "",
                palette.text,
            ),
            (" · acknowledged" if alert.acknowledged else " · not acknowledged", palette.dim),
        ),
    ]
    evidence = alert.evidence
    if evidence is None:
        return [*rows, blank, (("   what it says is all there is to it: nothing was measured", palette.dim),)]
    rows += [blank, *_measured_rows(evidence, frame.market.instrument, view, width)]
    return rows + _about_rows(evidence, frame, view, clock) + _event_rows(evidence, frame, view, clock, width)


def _measured_rows(evidence: Evidence, instrument: Instrument, view: View, width: int) -> list[Row]:
    if not evidence.measured:
        return []
    palette = view.palette
    if width < NARROW:
        return _measured_briefly(evidence, instrument, view, width)
    what = max(16, min(WHAT_WIDTH, width - 2 * FIGURE_WIDTH - 6))
    bar = min(BAR_WIDTH, width - what - 2 * FIGURE_WIDTH - 14)
    head = f"   {pad('measured', what)}{pad('value', FIGURE_WIDTH, right=True)}"
    rows: list[Row] = [((head + pad("threshold", FIGURE_WIDTH, right=True), palette.dim),)]
    for one in evidence.measured:
        over = one.threshold is not None and one.value >= one.threshold
        pieces: list[Piece] = [
            ("   " + pad(one.what, what), palette.text),
            (pad(_figure(one.value, one, instrument), FIGURE_WIDTH, right=True), palette.strong),
            (pad(_figure(one.threshold, one, instrument), FIGURE_WIDTH, right=True), palette.dim),
        ]
        if one.threshold and bar >= 8:
            ratio = one.value / one.threshold
            pieces += [
                ("  ▕", palette.faint),
                (bar_from_left(ratio, max(2.0, ratio), bar), palette.critical if over else palette.spark),
                ("▏", palette.faint),
                (f"{ratio:.2f}×" if ratio < 100 else f"{ratio:.0f}×", palette.dim),
            ]
        rows.append(tuple(pieces))
    return rows


def _measured_briefly(evidence: Evidence, instrument: Instrument, view: View, width: int) -> list[Row]:
    """Each figure behind its words, or below them."""
    palette = view.palette
    rows: list[Row] = []
    for one in evidence.measured:
        against = f" against {_figure(one.threshold, one, instrument)}" if one.threshold is not None else ""
        words: Piece = (f"   {one.what} ", palette.dim)
        figure: list[Piece] = [
            (_figure(one.value, one, instrument), palette.strong),
            (against, palette.text),
        ]
        if sum(len(text) for text, _ in (words, *figure)) <= width:
            rows.append((words, *figure))
        else:
            rows += [(words,), (("     ", palette.text), *figure)]
    return rows


def _figure(value: float | None, one: Measured, instrument: Instrument) -> str:
    if value is None:
        return UNKNOWN
    if one.unit == "lots":
        return units_of(instrument).qty(int(value), FIGURE_WIDTH)
    text = f"{value:,.0f}" if abs(value) >= 1_000 or value == int(value) else f"{value:,.2f}"
    unit = {"money": f" {instrument.currency}"}.get(one.unit, f" {one.unit}" if one.unit == "bps" else "")
    return text.replace(",", " ") + unit


def _about_rows(evidence: Evidence, frame: Frame, view: View, clock: Clock) -> list[Row]:
    """Over which time, at which price."""
    words = []
    if evidence.from_ns != evidence.to_ns:
        words.append(f"from {clock.text(evidence.from_ns)} to {clock.text(evidence.to_ns)}")
    if evidence.side < 2:
        words.append(f"on the {_SIDES[evidence.side]} side")
    if evidence.price_ticks:
        words.append(f"at {units_of(frame.market.instrument).price(evidence.price_ticks)}")
    return [(("   " + " · ".join(words), view.palette.text),)] if words else []


def _event_rows(evidence: Evidence, frame: Frame, view: View, clock: Clock, width: int) -> list[Row]:
    if not evidence.first_event:
        return []
    palette = view.palette
    count = evidence.last_event - evidence.first_event + 1
    kept = len(evidence.events)
    said = f"public events {evidence.first_event} to {evidence.last_event}"
    said += f"; the last {kept} of {count}" if kept < count else ""
    rows: list[Row] = [((" ", palette.text),), ((f"   {said}", palette.dim),)]
    columns = COLUMNS if width >= COLUMNS_WIDTH else NARROW_COLUMNS
    if evidence.events:
        names = ("number", "time", "event", "side", "price", "quantity")
        head = "".join(
            pad(name, size, right=place > 3)
            for place, (name, size) in enumerate(zip(names, columns, strict=True))
        )
        order = pad("order", ORDER_WIDTH, right=True) if width >= COLUMNS_WIDTH + ORDER_WIDTH else ""
        rows.append(((f"   {head}{order}", palette.dim),))
    return rows + [_event_row(event, frame, view, clock, width) for event in evidence.events]


def _event_row(event: EventRow, frame: Frame, view: View, clock: Clock, width: int) -> Row:
    palette, units = view.palette, units_of(frame.market.instrument)
    known = event.event_type in tuple(EventType)
    name = EventType(event.event_type).name.lower() if known else str(event.event_type)
    side = _SIDES[min(event.side, 2)]
    style = (palette.bid, palette.ask, palette.text)[min(event.side, 2)]
    whole = event.event_type == EventType.CANCEL and not event.qty_lots
    number, time, kind, side_of, price, qty = COLUMNS if width >= COLUMNS_WIDTH else NARROW_COLUMNS
    quantity = "all" if whole else units.qty(event.qty_lots, qty - 1)
    price_text = units.price(event.price_ticks) if event.price_ticks else UNKNOWN
    row: list[Piece] = [
        (f"   {pad(str(event.number), number)}{pad(clock.text(event.time_ns), time)}", palette.dim),
        (pad(name, kind), palette.strong if event.event_type == EventType.TRADE else palette.text),
        (pad(side, side_of), style),
        (pad(price_text, price, right=True), palette.price),
        (pad(quantity, qty, right=True), palette.text),
    ]
    if width >= COLUMNS_WIDTH + ORDER_WIDTH:
        row.append((pad(f"#{event.order_id}", ORDER_WIDTH, right=True), palette.dim))
    return tuple(row)
