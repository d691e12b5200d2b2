"""The heat map: resting depth over time, on exactly the price rows of the ladder beside it.

Each cell is a half block with two samples (foreground the earlier, background the later), coloured on a
square-root scale. The best bid and ask run through it as lines, trades as dots. Cells are fixed to session
time: the picture moves on by whole cells, so most of a line stays as it was.
"""

from __future__ import annotations

import numpy as np

from desk.draw import Piece, Row
from desk.history import HeatColumn
from desk.theme import HEAT_COLOURS, MONO_HEAT, Palette
from desk.view import View
from desk.widgets.ladder import nice_scale, place_axis
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_MS
from engine.frame import Frame

__all__ = ["HeatMap"]

TOP = len(HEAT_COLOURS) - 1


class HeatMap(Panel):
    """Depth by price and time."""

    title = "Heat map"
    key = "panel_heat"
    period_ns = 500 * NS_PER_MS
    help = (
        "Resting depth over time on the ladder's price rows: dark is empty, bright is deep (square-root "
        "scale). The lines are the best bid and ask, dots are trades. Each column stands for a fixed "
        "piece of session time; columns in which no frame was seen stay blank."
    )

    def note(self, frame: Frame, view: View) -> str:
        return f"same price rows · {view.history.step_s * 2:g} s/col · √"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        axis, palette = view.axis, view.palette
        if "ladder" not in self.desk.panel_places:
            axis.height = max(1, height - 1)
            place_axis(axis, frame.market)
        columns = _visible(view, width)
        header = self._header(view, width)
        if axis.centre is None or not any(columns):
            return [header]
        levels, marks = _quantise(columns, axis.top, axis.grouping, axis.height)
        paint = _paint_row if palette.colours else _paint_row_mono
        return [header, *[paint(palette, levels[y], marks[y]) for y in range(axis.height)]]

    def _header(self, view: View, width: int) -> Row:
        """Ages of the columns: every twelve cells, in session time."""
        labels = [" "] * width
        for back in range(0, width, 12):
            seconds = back * 2 * view.history.step_s
            text = "now" if back == 0 else f"-{seconds:g}s" if seconds < 120 else f"-{seconds / 60:g}m"
            start = width - back - len(text)
            if start >= 0:
                labels[start : start + len(text)] = text
        return (("".join(labels), view.palette.dim),)

    def scroll_wheel(self, lines: int) -> None:
        self.desk.actions.attempt(lambda: self.desk.actions.shift_axis(-lines))


def _visible(view: View, width: int) -> list[HeatColumn | None]:
    """The newest 2 x width samples, padded so that cells always begin at an even step."""
    columns = list(view.history.columns)
    if view.history.last_step is not None and view.history.last_step % 2 == 0:
        columns.append(None)
    columns = columns[-2 * width :]
    return [None] * (2 * width - len(columns)) + columns


def _quantise(
    columns: list[HeatColumn | None], top: int, grouping: int, height: int
) -> tuple[np.ndarray, list[list[str]]]:
    """levels[row, sample] in 0..TOP, and a mark for each cell: "b", "a", "t" or ""."""
    depth = np.zeros((height, len(columns)), dtype=np.int64)
    marks = [[""] * (len(columns) // 2) for _ in range(height)]
    for x, column in enumerate(columns):
        if column is None:
            continue
        prices = column.prices
        # Asks are grouped upwards and bids downwards, as in the ladder.
        asks = (
            prices >= column.best_ask if column.best_ask is not None else np.zeros(prices.shape, dtype=bool)
        )
        rows = top - np.where(asks, -(-prices // grouping), prices // grouping)
        inside = (rows >= 0) & (rows < height)
        np.add.at(depth[:, x], rows[inside], column.quantities[inside])
        _mark(marks, x // 2, top - column.best_bid // grouping if column.best_bid is not None else -1, "b")
        _mark(marks, x // 2, top + -column.best_ask // grouping if column.best_ask is not None else -1, "a")
        for price in column.traded:
            _mark(marks, x // 2, top - price // grouping, "t")
    scale = nice_scale(int(depth.max()))
    levels = np.ceil(np.sqrt(depth / scale) * TOP).astype(np.int64)
    return np.clip(levels, 0, TOP), marks


def _mark(marks: list[list[str]], x: int, y: int, mark: str) -> None:
    if 0 <= y < len(marks) and marks[y][x] != "t":
        marks[y][x] = mark


def _paint_row(palette: Palette, levels: np.ndarray, marks: list[str]) -> Row:
    pieces: list[Piece] = []
    values = levels.tolist()
    for x, mark in enumerate(marks):
        now, following = values[2 * x], values[2 * x + 1]
        if mark == "t":
            piece = ("•", palette.heat_trade[now])
        elif mark == "b":
            piece = ("▔", palette.heat_bid[now])
        elif mark == "a":
            piece = ("▁", palette.heat_ask[now])
        elif now == following:
            piece = (" ", palette.heat[now][now])
        else:
            piece = ("▌", palette.heat[now][following])
        if pieces and pieces[-1][1] is piece[1]:
            pieces[-1] = (pieces[-1][0] + piece[0], piece[1])
        else:
            pieces.append(piece)
    return tuple(pieces)


def _paint_row_mono(palette: Palette, levels: np.ndarray, marks: list[str]) -> Row:
    """Without colours: five shades of one glyph."""
    shades = len(MONO_HEAT) - 1
    text = ""
    for x, mark in enumerate(marks):
        level = max(int(levels[2 * x]), int(levels[2 * x + 1]))
        shade = MONO_HEAT[-(-level * shades // TOP)]
        text += {"t": "•", "b": "▔", "a": "▁"}.get(mark, shade)
    return ((text, palette.text),)
