"""The second line: the session with its markers, and the regime of the last seconds."""

from __future__ import annotations

import numpy as np

from desk.clock import clock_of
from desk.draw import Piece, Row, pad
from desk.formats import clean
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.frame import Frame

__all__ = ["REGIME_NAMES", "Timeline"]

REGIME_NAMES = ("CALM", "VOLATILE", "AGGRESSIVE", "CRISIS")
REGIME_GLYPHS = "▁▃▅█"
MARKER_GLYPHS = {
    "storm_start": "▲",
    "storm_stop": "△",
    "record": "●",
    "regime": "◆",
    "target": "■",
    "gap": "×",
    "gate": "■",
    "user": "▼",
}
SPANS_S = (60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
SAMPLES_PER_S = 4


class Timeline(Panel):
    """Markers left, regime strip right."""

    period_ns = 250 * NS_PER_MS

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        strip = _regime_strip(frame, view, 12 if width < 100 else 24 if width < 150 else 48)
        used = sum(len(text) for text, _ in strip)
        return [(*_axis(frame, view, width - used), *strip)]


def _axis(frame: Frame, view: View, width: int) -> tuple[Piece, ...]:
    """`00:00 ├──▲spoof────●now╌╌╌┤ 01:00 `, exactly `width` columns."""
    market, palette = frame.market, view.palette
    now = market.time_ns
    end = frame.host.end_ns or next((s * NS_PER_S for s in SPANS_S if s * NS_PER_S > now), now)
    clock = clock_of(market)
    left = f" {clock.text(0, decimals=0)} ├"
    right = f"┤ {clock.text(end, decimals=0)} "
    cells = width - len(left) - len(right)
    if cells < 4:
        return ((pad("", width), palette.text),)

    def column(time_ns: int) -> int:
        return min(cells - 1, max(0, int(time_ns / max(1, end) * cells)))

    here = column(now)
    glyphs = ["─" if i < here else "╌" for i in range(cells)]
    styles = [palette.dim if i < here else palette.faint for i in range(cells)]
    free_from = 0
    for marker in market.markers:
        at = column(marker.time_ns)
        glyph = MARKER_GLYPHS.get(marker.kind, "▼")
        style = palette.storm if marker.kind.startswith("storm") else palette.warning
        glyphs[at], styles[at] = glyph, style
        label = clean(marker.label)[:14]
        after = at + 1
        room = not any(
            other is not marker and after <= column(other.time_ns) <= after + len(label)
            for other in market.markers
        )
        clear_of_now = after + len(label) < here or after > here + 4
        if (
            marker.kind != "storm_stop"
            and at >= free_from
            and room
            and clear_of_now
            and after + len(label) < cells
        ):
            for i, letter in enumerate(label, after):
                glyphs[i], styles[i] = letter, palette.dim
            free_from = after + len(label)
    glyphs[here], styles[here] = "●", palette.strong
    if here + 4 < cells:
        for i, letter in enumerate("now", here + 1):
            glyphs[i], styles[i] = letter, palette.text
    pieces: list[Piece] = [(left, palette.dim)]
    for glyph, style in zip(glyphs, styles, strict=True):
        if pieces[-1][1] is style:
            pieces[-1] = (pieces[-1][0] + glyph, style)
        else:
            pieces.append((glyph, style))
    pieces.append((right, palette.dim))
    return tuple(pieces)


def _regime_strip(frame: Frame, view: View, cells: int) -> tuple[Piece, ...]:
    """The last 12 s or more: colour and height say the regime; each cell shows its worst sample."""
    palette = view.palette
    samples = frame.market.series.regime
    group = max(1, 12 * SAMPLES_PER_S // cells)
    recent = samples[-(len(samples) // group * group) :] if len(samples) >= group else samples[:0]
    recent = recent[-cells * group :].reshape(-1, group)
    pieces: list[Piece] = [(" ", palette.text)]
    if len(recent) < cells:
        pieces.append((" " * (cells - len(recent)), palette.text))
    for cell in recent:
        known = cell[~np.isnan(cell)]
        if known.size == 0:
            glyph, style = " ", palette.text
        else:
            regime = int(known.max())
            glyph, style = REGIME_GLYPHS[regime], palette.regimes[regime]
        if pieces[-1][1] is style:
            pieces[-1] = (pieces[-1][0] + glyph, style)
        else:
            pieces.append((glyph, style))
    current = frame.market.kpis.regime
    pieces.append((" " + pad(REGIME_NAMES[current], 11), palette.regimes[current]))
    return tuple(pieces)
