"""A page of text over the desk: page keys scroll, any other key closes."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.layout import Layout
from textual.screen import Screen

from desk.actions import Host
from desk.bindings import KeyTable
from desk.draw import Row
from desk.layout import DeskLayout, Place
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import monotonic_ns
from engine.frame import Frame

__all__ = ["PageScreen", "TextPage"]

SCROLL_KEYS = {
    "down": 1,
    "up": -1,
    "pagedown": 12,
    "pageup": -12,
    "j": 1,
    "k": -1,
    "space": 12,
    "home": -10_000,
}


class TextPage(Panel):
    """The text. Subclasses give `title` and `text_rows`."""

    def __init__(self, name: str, keys: KeyTable) -> None:
        super().__init__(name, keys)
        self.chrome = "box"

    def text_rows(self, frame: Frame, view: View, width: int) -> list[Row]:
        """All rows, of which the page shows as many as fit."""
        raise NotImplementedError

    def note(self, frame: Frame, view: View) -> str:
        return "↑↓ scroll · any other key closes"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        rows = self.text_rows(frame, view, width)
        start = min(view.scroll.get(self.panel, 0), max(0, len(rows) - height))
        view.scroll[self.panel] = start
        return rows[start : start + height]

    def scroll_wheel(self, lines: int) -> None:
        screen = self.screen
        assert isinstance(screen, PageScreen)
        screen.scroll_page(lines)


class PageScreen(Screen[None]):
    """One page, as large as the terminal."""

    def __init__(self, view: View, page: TextPage, host: Host) -> None:
        super().__init__()
        self.view = view
        self._host = host
        self._page = page
        self._layout_plan = DeskLayout(lambda width, height: {page.panel: Place(0, 0, width, height, "box")})

    @property
    def layout(self) -> Layout:
        return self._layout_plan

    def compose(self) -> ComposeResult:
        yield self._page

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._show)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if not self.is_current:
            return  # it is closing: a second key came with the first
        if event.key in SCROLL_KEYS:
            self.scroll_page(SCROLL_KEYS[event.key])
        else:
            self.view.scroll.pop(self._page.panel, None)
            self.dismiss()

    def scroll_page(self, lines: int) -> None:
        """Lines down, or up."""
        page = self._page.panel
        self.view.scroll[page] = max(0, self.view.scroll.get(page, 0) + lines)
        self._show()

    def _show(self) -> None:
        self.view.touch()
        self._page.show(self._host.frame(), self.view, monotonic_ns())
