"""Sparklines of the last minute: one signal a line, or charts when the panel is tall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from desk.draw import Piece, Row, chart, pad, spark
from desk.formats import compact, duration_ns_text, plain, units_of
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_MS
from engine.frame import Frame

__all__ = ["Signals", "signal_rows"]


class Signal(NamedTuple):
    """One line: its name, the latest value as text, the samples."""

    name: str
    value: str
    samples: np.ndarray


class Signals(Panel):
    """Sparklines."""

    title = "Signals"
    key = "panel_signals"
    period_ns = 200 * NS_PER_MS
    help = (
        "The last minute of session time, newest at the right, each line scaled to its own range: mid, "
        "spread, imbalance of ten levels, VPIN, depth of ten levels a side, public events a second, and "
        "the kernel's median time per event (wall time). Zoomed, each becomes a chart."
    )

    def note(self, frame: Frame, view: View) -> str:
        return f"last {_span_s(frame):.0f} s"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        signals = signal_rows(frame, view)
        if self.chrome == "line" or height < 4:
            return self._side_by_side(view, signals, width, height)
        palette = view.palette
        tall, extra = divmod(height, len(signals))
        label = 20
        rows: list[Row] = []
        for number, signal in enumerate(signals):
            lines = chart(signal.samples, max(1, width - label - 1), tall + (number < extra))
            for index, line in enumerate(lines):
                head: list[Piece] = [(" " * label, palette.text)]
                if index == 0:
                    head = [
                        (" " + pad(signal.name, 10), palette.dim),
                        (pad(signal.value, 8, right=True) + " ", palette.strong),
                    ]
                rows.append((*head, (line, palette.spark)))
        return rows

    def _side_by_side(self, view: View, signals: list[Signal], width: int, height: int) -> list[Row]:
        """Three signals to a line, for compact screens."""
        palette = view.palette
        across = 3 if width >= 72 else 2 if width >= 44 else 1
        cell = width // across
        rows: list[Row] = []
        picked = [s for s in signals if s.name != "mid"]
        for line in range(height):
            pieces: list[Piece] = []
            for signal in picked[line * across : (line + 1) * across]:
                name, value = f" {_SHORT.get(signal.name, signal.name)} ", signal.value
                room = cell - len(name) - 7
                pieces += [
                    (name, palette.dim),
                    (pad(value, 6, right=True), palette.strong),
                    (" " + spark(signal.samples, room), palette.spark),
                ]
            rows.append(tuple(pieces))
        return rows


_SHORT = {
    "spread": "spr",
    "imbalance": "imb",
    "VPIN": "vpin",
    "depth": "dep",
    "events/s": "ev/s",
    "kernel": "kern",
}


def signal_rows(frame: Frame, view: View) -> list[Signal]:
    """The signals of a frame, in display order."""
    market = frame.market
    kpis, series = market.kpis, market.series
    units = units_of(market.instrument)
    depth = series.bid_depth_lots + series.ask_depth_lots
    kernel = next((stage.p50_ns for stage in frame.host.stages if stage.name == "kernel"), None)
    lot = float(market.instrument.lot_size)
    return [
        Signal("mid", units.price_between(kpis.mid_ticks)[:8], series.mid_ticks),
        Signal(
            "spread", "–" if kpis.spread_ticks is None else f"{kpis.spread_ticks} tk", series.spread_ticks
        ),
        Signal("imbalance", plain(kpis.imbalance, 2, sign=True), series.imbalance),
        Signal("VPIN", plain(kpis.vpin, 2), series.vpin),
        Signal("depth", compact((kpis.bid_depth_lots + kpis.ask_depth_lots) * lot), depth),
        Signal("events/s", compact(kpis.events_per_s), series.events_per_s),
        Signal("kernel", duration_ns_text(kernel), np.array(view.history.kernel_ns, dtype=np.float64)),
    ]


def _span_s(frame: Frame) -> float:
    times = frame.market.series.time_ns
    return float(times[-1] - times[0]) / 1e9 if len(times) > 1 else 0.0
