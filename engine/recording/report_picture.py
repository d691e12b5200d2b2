"""report.svg: price with storms shaded and alerts marked, depth, and the target's equity, over one time axis.

Drawn with the standard library's XML and nothing else: a run writes its picture when it ends, in the engine's
thread, and a package costs more to import (drawsvg 0.13 s, svg.py 0.21 s, a plotting library more) than the
four shapes that this needs are worth. Numbers are rounded to a tenth of a pixel: the same run gives the same
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import NamedTuple
from xml.etree import ElementTree as Xml

from engine.core.clock import NS_PER_S
from engine.recording.run_facts import COLUMNS, RunFacts, Series, StormFacts
from engine.storms.catalogue import CATALOGUE, FAULTS, Group

__all__ = ["draw_picture"]

WIDTH, LEFT, RIGHT = 1100, 86, 54
TOP, GAP, BOTTOM = 98, 40, 44
LABEL_ROWS = 3
"""Rows of names of storms above the price."""
LABELS_SHOWN = 40
SHADES_SHOWN = 400
INK, FAINT, RULE, PAPER = "#1f2933", "#6b7785", "#e3e7ec", "#ffffff"
PRICE, BID, ASK, EQUITY, LOSS = "#174a7c", "#2b7a4b", "#b3382f", "#4b3f8f", "#b3382f"
STORM, DECOY, FAULT = "#e8862e", "#8a97a6", "#3c86c7"
SEVERITY = {"critical": "#b3382f", "warning": "#d99a21", "info": "#8a97a6"}
_COLOURS = {
    **{one.label: DECOY for one in CATALOGUE.values() if one.group is Group.DECOYS},
    **{one.label: FAULT for one in FAULTS.values()},
}
_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200)


class _Panel(NamedTuple):
    """One diagram: its place, and the values at its lower and upper edge."""

    top: float
    height: float
    low: float
    high: float

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * self.height


def draw_picture(facts: RunFacts) -> bytes:
    """The picture as a file of SVG."""
    return _Picture(facts).drawn()


class _Picture:
    def __init__(self, facts: RunFacts) -> None:
        self.facts = facts
        has_equity = _extent(facts.equity) is not None
        heights = [("price", 250), ("depth", 116), *([("equity", 150)] if has_equity else [])]
        self.height = TOP + sum(height + GAP for _, height in heights) - GAP + BOTTOM
        self.plot = WIDTH - LEFT - RIGHT
        self.places: dict[str, tuple[float, float]] = {}
        top = float(TOP)
        for name, height in heights:
            self.places[name] = (top, float(height))
            top += height + GAP
        self.root = Xml.Element(
            "svg",
            {
                "xmlns": "http://www.w3.org/2000/svg",
                "width": str(WIDTH),
                "height": str(int(self.height)),
                "viewBox": f"0 0 {WIDTH} {int(self.height)}",
                "font-family": "Helvetica, Arial, sans-serif",
                "font-size": "12",
            },
        )

    def drawn(self) -> bytes:
        """Everything, back to front."""
        self._add("rect", x=0, y=0, width=WIDTH, height=self.height, fill=PAPER)
        self._title()
        self._shades()
        self._time_axis()
        self._price()
        self._depth()
        if "equity" in self.places:
            self._equity()
        Xml.indent(self.root, " ")
        text: bytes = Xml.tostring(self.root, encoding="utf-8", xml_declaration=True)
        return text + b"\n"

    # -- parts -----------------------------------------------------------------------------------------

    def _title(self) -> None:
        summary = self.facts.summary
        verdict = str(summary.get("verdict") or "no verdict").removeprefix("TARGET_")
        colour = {"INTACT": BID, "DAMAGED": STORM, "KILLED": LOSS}.get(verdict, FAINT)
        title = self._text(LEFT, 26, "", fill=INK)
        self._span(title, verdict, fill=colour, font_size=17, font_weight="bold")
        self._span(title, str(summary.get("verdict_reason") or ""), dx=12)
        ran = f"{summary.get('scenario')}, seed {summary.get('seed')}, run {summary.get('run_id')}"
        self._text(WIDTH - RIGHT, 26, ran, fill=FAINT, anchor="end")

    def _shades(self) -> None:
        """Storms as bands through all panels, their names above."""
        bottom = self.height - BOTTOM
        row_ends = [-1e9] * LABEL_ROWS
        for number, storm in enumerate(self.facts.storms[:SHADES_SHOWN]):
            left, right = self._x(storm.start_ns), self._x(storm.end_ns or self.facts.to_ns)
            colour = _colour(storm)
            width = max(1.0, right - left)
            self._add(
                "rect", x=left, y=TOP, width=width, height=bottom - TOP, fill=colour, fill_opacity="0.13"
            )
            self._add("line", x1=left, x2=left, y1=TOP, y2=bottom, stroke=colour, stroke_opacity="0.5")
            if number >= LABELS_SHOWN:
                continue
            label = f"{storm.kind} {storm.severity}"
            at = min(left, WIDTH - 8 - _width(label, 11))
            row = next((row for row in range(LABEL_ROWS) if row_ends[row] < at), None)
            if row is None:
                continue  # no room for another name: the band stands for itself, the table names it
            row_ends[row] = at + _width(label, 11) + 8
            self._text(at, TOP - 26 - 14 * row, label, fill=colour, size=11)

    def _time_axis(self) -> None:
        facts, bottom = self.facts, self.height - BOTTOM
        seconds = max(1, (facts.to_ns - facts.from_ns) / NS_PER_S)
        step = next((step for step in _TIME_STEPS if seconds / step <= 11), 86_400)
        first = ceil(facts.from_ns / NS_PER_S / step)
        for number in range(first, floor(facts.to_ns / NS_PER_S / step) + 1):
            at = number * step
            x = self._x(at * NS_PER_S)
            for top, height in self.places.values():
                self._add("line", x1=x, x2=x, y1=top, y2=top + height, stroke=RULE)
            self._text(x, bottom + 18, _clock(at), fill=FAINT, anchor="middle")
        self._text(WIDTH - RIGHT, bottom + 35, "session time", fill=FAINT, anchor="end", size=11)

    def _price(self) -> None:
        facts = self.facts
        panel = self._panel("price", [facts.mid], "mid price")
        if panel is not None:
            self._line(panel, facts.mid, PRICE, width=1.6)
        bottom = sum(self.places["price"])
        for time_ns, severity in facts.marks:
            self._mark(self._x(time_ns), bottom + 13, SEVERITY.get(severity, FAINT))
        if facts.marks:
            words = (
                ("alerts below:", FAINT),
                ("critical", SEVERITY["critical"]),
                ("warning", SEVERITY["warning"]),
            )
            self._legend(LEFT + 76, TOP - 8, words)

    def _mark(self, x: float, y: float, colour: str) -> None:
        """A small triangle that stands on y."""
        points = _points([(x - 3.5, y), (x + 3.5, y), (x, y - 7)])
        self._add("polygon", points=points, fill=colour, fill_opacity="0.85")

    def _depth(self) -> None:
        facts = self.facts
        panel = self._panel("depth", [facts.bid_depth, facts.ask_depth], "depth, lots", from_zero=True)
        if panel is None:
            return
        self._line(panel, facts.bid_depth, BID, width=1.3)
        self._line(panel, facts.ask_depth, ASK, width=1.3)
        self._legend(LEFT + 88, panel.top - 8, (("bid", BID), ("ask", ASK)))

    def _equity(self) -> None:
        """Equity, and below its highest so far the drawdown, filled."""
        facts = self.facts
        currency = str((facts.summary.get("target") or {}).get("currency") or "").strip()
        name = f"target's equity, {currency}" if currency else "target's equity"
        panel = self._panel("equity", [facts.equity], name)
        if panel is None:
            return
        peak: float | None = None
        upper, lower = [], []
        for column in range(COLUMNS):
            low, high = facts.equity.low[column], facts.equity.high[column]
            if low is None or high is None:
                continue
            peak = high if peak is None else max(peak, high)
            x = self._column_x(column)
            upper.append((x, panel.y(peak)))
            lower.append((x, panel.y(low)))
        points = _points([*upper, *reversed(lower)])
        self._add("polygon", points=points, fill=LOSS, fill_opacity="0.14")
        self._add("polyline", points=_points(upper), fill="none", stroke=LOSS, stroke_opacity="0.35")
        self._line(panel, facts.equity, EQUITY, width=1.6)
        self._legend(LEFT + 150, panel.top - 8, (("drawdown filled", LOSS),))

    # -- panels and shapes -----------------------------------------------------------------------------

    def _panel(
        self, name: str, series: Sequence[Series], title: str, *, from_zero: bool = False
    ) -> _Panel | None:
        """Frame, scale and title; None where there is nothing to show."""
        top, height = self.places[name]
        self._text(LEFT, top - 8, title, fill=INK, size=11, weight="bold")
        self._add("line", x1=LEFT, x2=WIDTH - RIGHT, y1=top + height, y2=top + height, stroke=FAINT)
        extents = [one for one in map(_extent, series) if one is not None]
        if not extents:
            self._text(LEFT + 8, top + 20, "not known", fill=FAINT)
            return None
        low, high = min(one[0] for one in extents), max(one[1] for one in extents)
        step, low, high = _scale(0.0 if from_zero else low, high, ticks=4 if height > 140 else 3)
        panel = _Panel(top, height, low, high)
        for number in range(round((high - low) / step) + 1):
            value = low + number * step
            y = panel.y(value)
            self._add("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, stroke=RULE)
            self._text(LEFT - 8, y + 4, _figure(value, step), fill=FAINT, anchor="end")
        return panel

    def _line(self, panel: _Panel, series: Series, colour: str, *, width: float) -> None:
        """Through the low and the high of each column, interrupted where nothing is known for long."""
        piece: list[tuple[float, float]] = []
        previous = None
        reach = max(2, 3 * COLUMNS // max(1, self.facts.ticks))
        for column in range(COLUMNS):
            low, high, last = series.low[column], series.high[column], series.last[column]
            if low is None or high is None or last is None:
                continue
            if previous is not None and column - previous > reach:
                self._polyline(piece, colour, width)
                piece = []
            previous = column
            x = self._column_x(column)
            piece += [(x, panel.y(value)) for value in ((low,) if low == high else (low, high, last))]
        self._polyline(piece, colour, width)

    def _polyline(self, piece: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        if piece:
            self._add(
                "polyline",
                points=_points(piece),
                fill="none",
                stroke=colour,
                stroke_width=width,
                stroke_linejoin="round",
            )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        fill: str,
        size: int = 12,
        anchor: str = "start",
        weight: str = "normal",
    ) -> Xml.Element:
        place = self._add("text", x=x, y=y, fill=fill, font_size=size, text_anchor=anchor)
        if weight != "normal":
            place.set("font-weight", weight)
        place.text = text
        return place

    def _legend(self, x: float, y: float, words: Iterable[tuple[str, str]]) -> None:
        """Words in the colours of what they name."""
        for word, colour in words:
            self._text(x, y, word, fill=colour, size=11)
            x += _width(word, 11) + 10

    def _span(self, text: Xml.Element, words: str, **attributes: object) -> None:
        """The next words of a text, in a look of their own."""
        self._add("tspan", text, **attributes).text = words

    def _add(self, tag: str, parent: Xml.Element | None = None, /, **attributes: object) -> Xml.Element:
        said = {
            name.replace("_", "-"): _n(value) if isinstance(value, int | float) else str(value)
            for name, value in attributes.items()
        }
        return Xml.SubElement(self.root if parent is None else parent, tag, said)

    def _x(self, time_ns: int) -> float:
        length_ns = max(1, self.facts.to_ns - self.facts.from_ns)
        share = (time_ns - self.facts.from_ns) / length_ns
        return LEFT + min(1.0, max(0.0, share)) * self.plot

    def _column_x(self, column: int) -> float:
        return LEFT + (column + 1) / COLUMNS * self.plot


def _colour(storm: StormFacts) -> str:
    return _COLOURS.get(storm.kind, STORM)


def _width(text: str, size: int) -> float:
    """About what a text takes, for fonts differ."""
    return 0.6 * size * len(text)


def _extent(series: Series) -> tuple[float, float] | None:
    lows = [value for value in series.low if value is not None]
    highs = [value for value in series.high if value is not None]
    return (min(lows), max(highs)) if lows else None


def _scale(low: float, high: float, *, ticks: int) -> tuple[float, float, float]:
    """(step, lower edge, upper edge) in round numbers around what is to be shown."""
    if high - low < 1e-12 * max(1.0, abs(high)):
        pad = max(1e-6, abs(high) * 1e-3)
        low, high = low - pad, high + pad
    rough = (high - low) / ticks
    power = 10.0 ** floor(log10(rough))
    step = next(one * power for one in (1.0, 2.0, 2.5, 5.0, 10.0) if one * power >= rough * 0.999)
    return step, floor(low / step + 1e-9) * step, ceil(high / step - 1e-9) * step


def _figure(value: float, step: float) -> str:
    power = floor(log10(step) + 1e-9)
    is_quarter = abs(step / 10.0**power - 2.5) < 1e-6
    return f"{value + 0.0:,.{min(8, max(0, is_quarter - power))}f}"


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _n(value: float) -> str:
    """To a tenth of a pixel, without a tail of zeros."""
    text = f"{value:.1f}"
    return text.removesuffix(".0")
