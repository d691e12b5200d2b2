"""The base of all panels: rows in, strips out, and only lines that changed are painted.

A panel draws itself from (frame, view) by one pure method and keeps nothing of the market but the rows it
last drew. `render_lines` is overridden so that Textual's style machinery, several times dearer than
drawing, is not on the path (spec: the frame).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from desk.bindings import KeyTable
from desk.draw import Piece, Row, fit
from desk.strips import strip_of
from desk.view import View
from engine.frame import Frame

if TYPE_CHECKING:
    from desk.screens.desk import DeskScreen

__all__ = ["Panel", "scrolled"]


class Panel(Widget, can_focus=False):
    """One panel. Subclasses give `title`, `draw`, and perhaps `note`, `period_ns` and `help`."""

    period_ns = 0
    """Least wall time between two drawings; 0 = every frame."""
    title = ""
    key = ""
    """Id of the binding that focuses it; empty = it cannot be focused."""
    help = ""
    """What the panel shows, for the help screen."""

    def __init__(self, name: str, keys: KeyTable) -> None:
        super().__init__(id=name)
        self.panel = name
        self.keys = keys
        self.chrome = "line"
        self._strips: list[Strip] = []
        self._rows: list[Row] = []
        self._drawn_for: tuple[int, int, str] | None = None
        self._last: tuple[Frame, View] | None = None
        self._due_ns = 0
        self._seen: tuple[int, int] | None = None

    # -- for subclasses ------------------------------------------------------------------------

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        """At most `height` rows of content, each at most `width` columns."""
        raise NotImplementedError

    def heading(self, frame: Frame, view: View) -> str:
        """Title in the border."""
        return self.title

    def note(self, frame: Frame, view: View) -> str:
        """Words at the right end of the border."""
        return ""

    # -- drawing -------------------------------------------------------------------------------

    def show(self, frame: Frame, view: View, now_ns: int) -> None:
        """Draw this frame, unless nothing has changed or the panel's period is not over."""
        self._last = (frame, view)
        seen = (frame.number, view.version)
        changed_view = self._seen is None or self._seen[1] != view.version
        if not changed_view and (seen == self._seen or now_ns < self._due_ns):
            return
        width, height = self.size
        if width and height:
            self._due_ns = now_ns + self.period_ns
            self._seen = seen
            self._paint(frame, view, width, height)

    def rows(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        """All lines of the panel with its border, exactly width x height: what a screen shot shows."""
        palette = view.palette
        box = self.chrome == "box" and width > 4 and height > 2
        rule = not box and self.chrome != "line" and height > 1
        inner_width = width - 2 if box else width
        inner_height = height - 2 if box else height - 1 if rule else height
        content = self.draw(frame, view, inner_width, inner_height)[:inner_height]
        blank: Row = ((" " * inner_width, palette.text),)
        body = [fit(row, inner_width, palette.text) for row in content]
        body += [blank] * (inner_height - len(body))
        if not box and not rule:
            return body
        focused = view.focus == self.panel
        edge = palette.focus if focused else palette.faint
        head = self._heading_row(frame, view, width, corners="┌┐" if box else "──")
        if rule:
            return [head, *body]
        side: Piece = ("│", edge)
        bottom: Row = (("└" + "─" * inner_width + "┘", edge),)
        return [head, *[(side, *row, side) for row in body], bottom]

    def _heading_row(self, frame: Frame, view: View, width: int, *, corners: str) -> Row:
        palette = view.palette
        focused = view.focus == self.panel
        edge = palette.focus if focused else palette.faint
        name = self.heading(frame, view)
        note = self.note(frame, view)
        key = self.keys.shown(self.key) if self.key else ""
        room = width - 6 - (len(key) + 1 if key else 0)
        name = name[: max(0, room)]
        while note and len(name) + len(note) + 2 > room:
            note = note.rpartition(" · ")[0]
        pieces: list[Piece] = [(corners[0] + "─ ", edge)]
        if key:
            pieces.append((key + " ", palette.focus))
        pieces.append((name + " ", palette.focus if focused else palette.title))
        used = sum(len(text) for text, _ in pieces)
        tail = 2 + (len(note) + 2 if note else 0)
        pieces.append(("─" * max(0, width - used - tail), edge))
        if note:
            pieces.append((f" {note} ", palette.dim))
        pieces.append(("─" + corners[1], edge))
        return fit(pieces, width, edge)

    def _paint(self, frame: Frame, view: View, width: int, height: int) -> None:
        """Turn changed rows into strips and ask for exactly those lines."""
        fresh = self.rows(frame, view, width, height)
        shape = (width, height, view.palette.name)
        if self._drawn_for != shape:
            self._drawn_for = shape
            self._rows = fresh
            self._strips = [strip_of(row, width) for row in fresh]
            self.refresh()
            return
        changed = [y for y, (new, old) in enumerate(zip(fresh, self._rows, strict=True)) if new != old]
        if not changed:
            return
        for y in changed:
            self._rows[y] = fresh[y]
            self._strips[y] = strip_of(fresh[y], width)
        self.refresh(*[Region(0, y, width, 1) for y in changed])

    def render_lines(self, crop: Region) -> list[Strip]:
        """The strips of these lines. After a change of size the rows are drawn anew on the spot."""
        width, height = self.size
        if self._drawn_for is None or self._drawn_for[:2] != (width, height):
            if self._last is None:
                return [Strip.blank(crop.width, self.desk.view.palette.text)] * crop.height
            frame, view = self._last
            self._rows = self.rows(frame, view, width, height)
            self._strips = [strip_of(row, width) for row in self._rows]
            self._drawn_for = (width, height, view.palette.name)
        strips = self._strips[crop.y : crop.bottom]
        if crop.x != 0 or crop.width != width:
            strips = [strip.crop(crop.x, crop.right) for strip in strips]
        return strips

    def as_text(self) -> str:
        """What the panel shows, as text."""
        return "\n".join(strip.text.rstrip() for strip in self._strips) + "\n"

    @property
    def desk(self) -> DeskScreen:
        """The screen it stands on."""
        return self.screen  # type: ignore[return-value]

    # -- mouse ---------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        if self.key:
            self.desk.actions.attempt(lambda: self.desk.actions.focus_panel(self.panel))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_wheel(-3)
        event.stop()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_wheel(3)
        event.stop()

    def scroll_wheel(self, lines: int) -> None:
        """The wheel moves this panel's content."""
        actions = self.desk.actions
        actions.attempt(lambda: actions.scroll_lines(self.panel, lines))


def scrolled(view: View, panel: str, total: int, height: int) -> int:
    """First line to show of `total` with `height` visible; keeps the stored offset in range."""
    offset = min(view.scroll.get(panel, 0), max(0, total - height))
    if panel in view.scroll:
        view.scroll[panel] = offset
    return offset
