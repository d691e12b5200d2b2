"""Strips that cost few bytes: only what changes from one piece to the next is sent.

Rich closes every piece with a reset and opens the next with all its attributes; on a slow link that is more
than the text. Here neighbours that look alike are joined (blanks have no foreground), and between pieces
only the differing codes are written. One reset ends the strip, so strips stay independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.cache import FIFOCache
from textual.strip import Strip

from desk.draw import Row

__all__ = ["LeanStrip", "strip_of"]

_CACHED = 4
"""Results that each cache of a strip keeps."""


class _Codes(NamedTuple):
    """SGR parameters of one style on one kind of terminal."""

    attributes: str
    fore: str
    back: str


class LeanStrip(Strip):
    """A Strip with a shorter way to the terminal; all else is Textual's.

    Textual gives every strip seven caches. Most strips here live for one picture and are never cut, and
    the caches would cost more than the drawing: they are made when somebody asks for one.
    """

    def __init__(self, segments: list[Segment], cell_length: int) -> None:
        self._segments = segments
        self._cell_length = cell_length
        self._render_cache = None
        self._link_ids = None
        self._cell_count = None

    def __getattr__(self, name: str) -> FIFOCache[Any, Any]:
        if not name.endswith("_cache"):
            raise AttributeError(name)
        cache: FIFOCache[Any, Any] = FIFOCache(_CACHED)
        setattr(self, name, cache)
        return cache

    def divide(self, cuts: Iterable[int]) -> Sequence[Strip]:
        """The strip cut at these columns: most often at its end, where nothing is to be done."""
        return [self] if cuts == [self._cell_length] else super().divide(cuts)

    def render(self, console: Console) -> str:
        """Escape sequences and text. Cached: a strip belongs to one screen."""
        if self._render_cache is None:
            system = console._color_system or ColorSystem.TRUECOLOR
            self._render_cache = _escape(self._segments, system)
        return self._render_cache


def strip_of(row: Row, width: int) -> LeanStrip:
    """The strip of a row, with pieces that look alike joined."""
    segments: list[Segment] = []
    text, style = "", None
    for piece, ink in row:
        if not piece:
            continue
        if style is None or ink is style or (piece.isspace() and _blank_alike(ink, style)):
            text += piece
            style = ink if style is None else style
        elif text.isspace() and _blank_alike(style, ink):
            text, style = text + piece, ink
        else:
            segments.append(Segment(text, style))
            text, style = piece, ink
    if text:
        segments.append(Segment(text, style))
    return LeanStrip(segments, width)


@lru_cache(maxsize=4096)
def _blank_alike(blank: Style, other: Style) -> bool:
    """Does a blank in the one style look like a blank in the other?"""
    if blank.reverse or other.reverse or blank.underline or other.underline:
        return False
    return blank.bgcolor == other.bgcolor


def _escape(segments: list[Segment], system: ColorSystem) -> str:
    parts: list[str] = []
    current = _Codes("", "", "")
    for text, style, _control in segments:
        codes = _codes(style, system) if style is not None else _Codes("", "", "")
        if codes != current:
            parts.append(_change(current, codes))
            current = codes
        parts.append(text)
    if current != _Codes("", "", ""):
        parts.append("\x1b[0m")
    return "".join(parts)


@lru_cache(maxsize=4096)
def _change(old: _Codes, new: _Codes) -> str:
    """The shortest sequence from one set of codes to another."""
    lost = (old.attributes != new.attributes and old.attributes) or (old.fore and not new.fore)
    if lost or (old.back and not new.back):
        codes = ["0" if any(new) else "", *filter(None, new)]
    else:
        codes = [b for a, b in zip(old, new, strict=True) if a != b]
    return f"\x1b[{';'.join(codes)}m"


@lru_cache(maxsize=1024)
def _codes(style: Style, system: ColorSystem) -> _Codes:
    attributes = [
        code
        for code, on in (
            ("1", style.bold),
            ("2", style.dim),
            ("3", style.italic),
            ("4", style.underline),
            ("7", style.reverse),
        )
        if on
    ]
    fore = style.color.downgrade(system).get_ansi_codes() if style.color is not None else ()
    back = (
        style.bgcolor.downgrade(system).get_ansi_codes(foreground=False) if style.bgcolor is not None else ()
    )
    return _Codes(";".join(attributes), ";".join(fore), ";".join(back))
