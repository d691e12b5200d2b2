"""The timeline of storms and faults: what is to come, what runs, what has been, on one axis of time.

Each has its severity's course; below it stand the bill of its sender and the recovery of the market.
"""

from __future__ import annotations

from typing import NamedTuple

from rich.style import Style

from desk.clock import clock_of
from desk.draw import LEVELS, Piece, Row, pad
from desk.formats import clean, money, units_of
from desk.theme import Palette
from desk.view import View
from desk.widgets.deck import deeds_text
from desk.widgets.panel import Panel, scrolled
from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.frame import Frame, StormRunView
from engine.storm_view import course_of
from engine.storms.catalogue import entry_of
from engine.storms.request import StormRequest, kind_of

__all__ = ["StormTimeline"]

NAME_WIDTH = 11
STATE_WIDTH, NARROW_STATE_WIDTH = 20, 13
NARROW = 50
"""Below this there are fewer words."""
WIDE = 110
"""From here on a bill stands on one line."""
PAST_NS, FUTURE_NS = 120 * NS_PER_S, 300 * NS_PER_S
"""How far the axis reaches back and on, at the most."""
AROUND_NS = 5 * NS_PER_S


class _Span(NamedTuple):
    """One line of the chart."""

    run: StormRunView
    is_scheduled: bool

    @property
    def last_ns(self) -> int:
        """Until when there is something to draw."""
        run = self.run
        end_ns = run.ends_ns if run.ended_ns is None else run.ended_ns
        return end_ns + int((run.recovery_s or 0.0) * NS_PER_S)


class StormTimeline(Panel):
    """Running and scheduled storms first."""

    title = "Storms"
    key = "panel_storms"
    help = (
        "Storms and faults on one axis of time: scheduled ones, those that run, those that are over. The "
        "height of a bar is the severity at that time, bright where it has passed, so ramps and random "
        "walks are seen beforehand; ~ behind its end is the time the market took to recover. Below: what "
        "the sender has sent and traded, what it holds, and its profit, which is what the attack costs; of "
        "a fault what it has done to messages. A storm in the market and a fault of the venue can run "
        "together. F opens the storm scripts, X stops what runs and drops what waits."
    )

    def note(self, frame: Frame, view: View) -> str:
        runs = [run for run in frame.market.storm_runs if run.ended_ns is None]
        waiting = len(frame.host.scheduled)
        said = [f"{len(runs)} running"] if runs else []
        said += [f"{waiting} to come"] if waiting else []
        if frame.host.mode == "live" and view.focus == self.panel:
            said.append(f"{self.keys.shown('scripts')} scripts")
        return " · ".join(said)

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        spans = _spans(frame)
        if not spans:
            hint = f" no storm has run yet; {self.keys.shown('panel_deck')} is the deck"
            if frame.host.mode == "live":
                hint += f", {self.keys.shown('scripts')} opens scripts"
            return [((hint, palette.dim),)]
        cells = max(8, width - NAME_WIDTH - (STATE_WIDTH if width >= NARROW else NARROW_STATE_WIDTH) - 2)
        begin, end = _window(frame, spans)
        rows: list[Row] = [_axis(frame, palette, begin, end, cells)]
        roomy = height >= 3 * len(spans) + 1 or any(span.run.ended_ns is None for span in spans)
        for span in spans:
            rows.append(_bar(frame, palette, span, begin, end, cells, narrow=width < NARROW))
            if roomy and not span.is_scheduled:
                rows += _bill(frame, palette, span.run, width)
        start = scrolled(view, self.panel, len(rows) - 1, max(1, height - 1))
        return [rows[0], *rows[1 + start : start + height]]


def _spans(frame: Frame) -> list[_Span]:
    """What runs, by start; what is to come; what is over, the latest first."""
    runs = frame.market.storm_runs
    running = [_Span(run, False) for run in runs if run.ended_ns is None]
    over = [_Span(run, False) for run in reversed(runs) if run.ended_ns is not None]
    waiting = [_Span(_awaited(request, frame.market.seed), True) for request in frame.host.scheduled]
    return running + waiting + over


def _awaited(request: StormRequest, seed: int) -> StormRunView:
    return StormRunView(
        kind=int(request.kind),
        name=entry_of(request.kind).name,
        started_ns=request.start_ns,
        ends_ns=request.start_ns + request.duration_ns,
        ended_ns=None,
        cause="",
        severity=request.severity,
        severity_text=request.severity_text,
        course=course_of(request._replace(start_ns=0), seed),
        seed=request.seed,
    )


def _window(frame: Frame, spans: list[_Span]) -> tuple[int, int]:
    """The axis: around all that is there, but no further than PAST_NS and FUTURE_NS from now."""
    now = frame.market.time_ns
    first = min(now, *(span.run.started_ns for span in spans)) - AROUND_NS
    last = max(now, *(span.last_ns for span in spans)) + AROUND_NS
    # In whole steps, so that the chart does not crawl with every frame.
    step = AROUND_NS
    begin = max(0, first, now - PAST_NS) // step * step
    return begin, max(begin + 6 * step, -(-min(last, now + FUTURE_NS) // step) * step)


def _axis(frame: Frame, palette: Palette, begin: int, end: int, cells: int) -> Row:
    clock = clock_of(frame.market)
    left, right = clock.text(begin, decimals=0), clock.text(end, decimals=0)
    now = _cell(frame.market.time_ns, begin, end, cells)
    line = [" "] * cells
    ends = ((0, left), (cells - len(right), right)) if cells > len(left) + len(right) else ()
    for at, text in ends:
        for index, letter in enumerate(text):
            if 0 <= at + index < cells:
                line[at + index] = letter
    mark = "▾now"
    if now + len(mark) < cells - len(right) and now >= len(left):
        line[now : now + len(mark)] = list(mark)
    else:
        line[min(cells - 1, now)] = "▾"
    return ((" " * (NAME_WIDTH + 1), palette.text), ("".join(line), palette.dim))


def _cell(time_ns: int, begin: int, end: int, cells: int) -> int:
    return (time_ns - begin) * cells // max(1, end - begin)


def _bar(
    frame: Frame, palette: Palette, span: _Span, begin: int, end: int, cells: int, *, narrow: bool
) -> Row:
    run, now = span.run, frame.market.time_ns
    runs = run.ended_ns is None and not span.is_scheduled
    mark = "●" if runs else "○" if span.is_scheduled else " "
    style = palette.storm if runs else palette.text if span.is_scheduled else palette.dim
    pieces: list[Piece] = [
        (f"{mark} ", style),
        (pad(entry_of(kind_of(run.kind)).short, NAME_WIDTH - 1), style),
    ]
    now_cell = _cell(now, begin, end, cells)
    for cell in range(cells):
        middle = begin + (2 * cell + 1) * (end - begin) // (2 * cells)
        glyph, ink = _glyph(run, middle, now, palette)
        if glyph == " " and cell == now_cell:
            glyph, ink = "│", palette.faint
        if pieces[-1][1] is ink:
            pieces[-1] = (pieces[-1][0] + glyph, ink)
        else:
            pieces.append((glyph, ink))
    pieces.append((" " + _state(run, now, is_scheduled=span.is_scheduled, short=narrow), style))
    return tuple(pieces)


def _glyph(run: StormRunView, time_ns: int, now_ns: int, palette: Palette) -> tuple[str, Style]:
    """What stands at this time: severity as height, recovery as a wave."""
    stopped_ns = run.ends_ns if run.ended_ns is None else run.ended_ns
    if run.started_ns <= time_ns < stopped_ns:
        share = (time_ns - run.started_ns) / max(1, run.ends_ns - run.started_ns)
        severity = run.course[round(share * (len(run.course) - 1))]
        glyph = "·" if severity <= 0 else LEVELS[min(7, int(severity * 8))]
        return glyph, palette.storm_bar if time_ns <= now_ns else palette.faint
    if run.ended_ns is not None and time_ns >= run.ended_ns:
        until_ns = run.ended_ns + int((run.recovery_s or 0.0) * NS_PER_S)
        if run.recovery == "watched":
            until_ns = now_ns
        if time_ns < until_ns:
            return "~", palette.warning
    return " ", palette.text


def _state(run: StormRunView, now_ns: int, *, is_scheduled: bool, short: bool) -> str:
    length = (run.ends_ns - run.started_ns) / NS_PER_S
    if is_scheduled:
        awaited = f"in {max(0.0, (run.started_ns - now_ns) / NS_PER_S):.0f}s"
        return awaited if short else f"{awaited}: {run.severity_text} {length:g}s"
    if run.ended_ns is None:
        gone = (now_ns - run.started_ns) / NS_PER_S
        left = f"{max(0.0, length - gone):.0f}s left"
        return f"{run.severity:.2f} {left}" if short else f"{run.severity:.2f}  {gone:.0f}s, {left}"
    return run.cause if short else f"{run.cause}, {run.severity_text}"


def _bill(frame: Frame, palette: Palette, run: StormRunView, width: int) -> list[Row]:
    """Beneath the bar: cost and recovery of a storm, deeds of a fault."""
    wide = width >= WIDE
    indent = " " * (NAME_WIDTH + 1) if wide else "   "
    kind = kind_of(run.kind)
    if not isinstance(kind, StormKind):
        storm = next((one for one in frame.market.storms if one.kind == run.kind), None)
        deeds = "" if storm is None else deeds_text(storm, frame.host.venue.public_deeds)
        return [((indent + (f"so far {deeds}" if deeds else "no message has met it"), palette.dim),)]
    units, currency = units_of(frame.market.instrument), clean(frame.market.instrument.currency)
    first: list[Piece] = [
        (indent + ("cost " if run.pnl <= 0 else "gained "), palette.dim),
        (f"{money(abs(run.pnl), width=10, sign=False)} {currency}", palette.signed(run.pnl)),
    ]
    back = "" if run.recovery_s is None else f"{run.recovery_s:.1f} s"
    narrow = width < NARROW
    recovery = {
        "watched": "not back" if narrow else "market not back yet",
        "recovered": f"back {back}" if narrow else f"market back after {back}",
        "not recovered": "never back" if narrow else "market not back within a minute",
    }.get(run.recovery)
    if recovery:
        first.append((f" · {recovery}", palette.good if run.recovery == "recovered" else palette.warning))
    if narrow:
        return [tuple(first)]
    holds, traded = units.qty(run.position_lots, 8, sign=True), units.qty(run.lots, 8)
    fees = money(run.fees, width=8, sign=False)
    sent = f"holds {holds} · fees {fees} · {run.orders} orders · {traded} traded"
    if wide:
        return [(*first, (f" · {sent}", palette.dim))]
    return [tuple(first), ((indent + sent, palette.dim),)]
