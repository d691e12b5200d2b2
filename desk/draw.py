"""Rows of styled text: bars, sparklines and charts as pure functions.

A row is a tuple of (text, style) pieces of known width: comparing two rows tells whether a line of the
screen has changed, so only changed lines are painted. All characters used here are one column wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from rich.style import Style

__all__ = ["Piece", "Row", "bar_from_left", "bar_from_right", "chart", "fit", "pad", "spark"]

Piece = tuple[str, Style]
Row = tuple[Piece, ...]

EIGHTHS = " ▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"


def fit(pieces: Sequence[Piece], width: int, blank: Style) -> Row:
    """These pieces as a row of exactly `width` columns: cut with an ellipsis, or filled with blanks."""
    total = sum([len(text) for text, _ in pieces])
    if total == width:
        return tuple(pieces)
    if total < width:
        return (*pieces, (" " * (width - total), blank))
    kept: list[Piece] = []
    room = width
    for text, style in pieces:
        if len(text) >= room:
            if room > 0:
                kept.append((text[: room - 1] + "…", style))
            break
        kept.append((text, style))
        room -= len(text)
    return tuple(kept)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Text of exactly `width` columns; `right` aligns it to the right. Too long is cut with an ellipsis."""
    if len(text) > width:
        return text[: width - 1] + "…" if width > 1 else text[:width]
    return text.rjust(width) if right else text.ljust(width)


def bar_from_left(value: float, scale: float, width: int) -> str:
    """A bar growing to the right, in eighths of a column; anything above zero shows."""
    eighths = _eighths(value, scale, width)
    full, part = divmod(eighths, 8)
    return ("█" * full + (EIGHTHS[part] if part else "")).ljust(width)


def bar_from_right(
    value: float, scale: float, width: int, bar: Style, gap: Style, blank: Style
) -> tuple[Piece, ...]:
    """A bar growing to the left. The partial cell is the complement drawn in reversed colours (`gap`),
    because block glyphs fill from the left only."""
    full, part = divmod(_eighths(value, scale, width), 8)
    pieces: list[Piece] = []
    empty = width - full - (1 if part else 0)
    if empty:
        pieces.append((" " * empty, blank))
    if part:
        pieces.append((EIGHTHS[8 - part], gap))
    if full:
        pieces.append(("█" * full, bar))
    return tuple(pieces)


def _eighths(value: float, scale: float, width: int) -> int:
    if value <= 0 or scale <= 0:
        return 0
    if value >= scale:
        return width * 8
    return max(1, round(value / scale * width * 8))


def spark(values: np.ndarray, width: int, *, low: float | None = None, high: float | None = None) -> str:
    """One line of block glyphs, newest at the right; NaN is a blank, flat is the lowest block.

    With more samples than columns, each column shows the mean of its samples.
    """
    if width <= 0:
        return ""
    columns = _columns(np.asarray(values, dtype=np.float64), width)
    known = columns[~np.isnan(columns)]
    if known.size == 0:
        return " " * width
    bottom = float(known.min()) if low is None else low
    top = float(known.max()) if high is None else high
    span = top - bottom
    steps = np.zeros(columns.size) if span <= 0 else np.clip((columns - bottom) / span * 7.999, 0, 7)
    glyphs = [" " if np.isnan(c) else LEVELS[int(s)] for c, s in zip(columns.tolist(), steps, strict=True)]
    return "".join(glyphs).rjust(width)


def _columns(values: np.ndarray, width: int) -> np.ndarray:
    """At most `width` values: the newest, averaged in equal groups that are fixed to the newest end."""
    group = max(1, -(-values.size // width))
    if group == 1:
        return values
    keep = values[values.size % group :].reshape(-1, group)
    known = ~np.isnan(keep)
    counts = known.sum(axis=1)
    sums = np.where(known, keep, 0.0).sum(axis=1)
    result: np.ndarray = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return result


def chart(values: np.ndarray, width: int, height: int) -> list[str]:
    """A filled chart of `height` rows, top first: block glyphs in eighths of a row."""
    if height <= 1:
        return [spark(values, width)]
    columns = _columns(np.asarray(values, dtype=np.float64), width)
    known = columns[~np.isnan(columns)]
    if known.size == 0:
        return [" " * width] * height
    bottom, top = float(known.min()), float(known.max())
    span = top - bottom
    eighths = [
        0 if math.isnan(value) else 1 + int((value - bottom) / span * (height * 8 - 1)) if span > 0 else 1
        for value in columns.tolist()
    ]
    most = height * 8
    blocks = " " * most + LEVELS + LEVELS[-1] * most  # by the eighths above a row's floor, less one
    rows = []
    for level in range(height - 1, -1, -1):
        floor = most - 1 - level * 8
        rows.append("".join([blocks[floor + value] for value in eighths]).rjust(width))
    return rows
