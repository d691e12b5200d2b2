"""The last line: the keys that matter most, from the binding table."""

from __future__ import annotations

from desk.draw import Piece, Row
from desk.view import View
from desk.widgets.panel import Panel
from engine.frame import Frame

__all__ = ["KeyFooter"]

ALWAYS = ("help", "quit")
"""Labels that keep their place when the line is short."""


class KeyFooter(Panel):
    """Keys and what they do; entries that do not fit are left out whole."""

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        entries = self.keys.footer(frame.host.mode)
        fixed = [entry for entry in entries if entry[1] in ALWAYS]
        room = width - sum(_width(entry) for entry in fixed)
        shown: list[tuple[str, str]] = []
        for entry in entries:
            if entry in fixed:
                continue
            room -= _width(entry)
            if room < 0:
                break
            shown.append(entry)
        pieces: list[Piece] = []
        for keys, label in [*shown, *fixed]:
            pieces += [(f" {keys}", palette.focus), (f" {label} ", palette.dim)]
        return [tuple(pieces)]


def _width(entry: tuple[str, str]) -> int:
    return len(entry[0]) + len(entry[1]) + 3
