"""Help: the focused panel, all keys and commands, the other panels. Any key closes; page keys scroll."""

from __future__ import annotations

from textwrap import wrap

from textual import events
from textual.app import ComposeResult
from textual.layout import Layout
from textual.screen import Screen

from desk.actions import Host
from desk.bindings import KeyTable
from desk.commands import VERBS
from desk.draw import Piece, Row, pad
from desk.layout import PANELS, DeskLayout, Place
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import monotonic_ns
from engine.frame import Frame

__all__ = ["HelpScreen"]

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


class HelpScreen(Screen[None]):
    """Drawn from the same tables that dispatch uses."""

    def __init__(self, view: View, keys: KeyTable, panels: dict[str, Panel], host: Host) -> None:
        super().__init__()
        self.view = view
        self._host = host
        self._page = HelpPage("help", keys, panels)
        self._layout_plan = DeskLayout(lambda width, height: {"help": Place(0, 0, width, height, "box")})
        self._page.chrome = "box"

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
        if event.key in SCROLL_KEYS:
            self._page.scroll_wheel(SCROLL_KEYS[event.key])
        else:
            self.view.scroll.pop("help", None)
            self.dismiss()

    def _show(self) -> None:
        self.view.touch()
        self._page.show(self._host.frame(), self.view, monotonic_ns())


class HelpPage(Panel):
    """The text."""

    title = "Help"

    def __init__(self, name: str, keys: KeyTable, panels: dict[str, Panel]) -> None:
        super().__init__(name, keys)
        self._panels = panels

    def note(self, frame: Frame, view: View) -> str:
        return "↑↓ scroll · any other key closes"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        others = [name for name in PANELS if name != view.focus]
        rows = (
            self._panel_rows(view, width, [view.focus])
            + self._key_rows(frame, view, width)
            + _command_rows(view)
            + [((" ", view.palette.text),)]
            + self._panel_rows(view, width, others)
        )
        start = min(view.scroll.get("help", 0), max(0, len(rows) - height))
        view.scroll["help"] = start
        return rows[start : start + height]

    def _panel_rows(self, view: View, width: int, names: list[str]) -> list[Row]:
        palette = view.palette
        line_width = max(20, min(110, width - 5))
        rows: list[Row] = []
        for name in names:
            panel = self._panels[name]
            style = palette.focus if name == view.focus else palette.title
            rows.append(((f" {panel.title}", style), (f"  {self.keys.shown(panel.key)}", palette.dim)))
            rows += [((f"   {line}", palette.text),) for line in wrap(panel.help, line_width)]
        return rows

    def _key_rows(self, frame: Frame, view: View, width: int) -> list[Row]:
        """Groups of keys, in as many columns as fit; the ids are those of the configuration file."""
        palette = view.palette
        cell = 50
        across = max(1, min(3, (width - 1) // cell))
        rows: list[Row] = [((" ", palette.text),)]
        for group, bindings in self.keys.groups(frame.host.mode).items():
            rows.append(((f" {group}", palette.title),))
            lines = -(-len(bindings) // across)
            for line in range(lines):
                pieces: list[Piece] = []
                for binding in bindings[line::lines]:
                    pieces.append((pad(self.keys.shown(binding.id), 10, right=True) + "  ", palette.focus))
                    if across == 1:
                        pieces.append((binding.help.rstrip("."), palette.text))
                    else:
                        pieces.append((pad(binding.label, 19), palette.text))
                        pieces.append((pad(binding.id, 19), palette.faint))
                rows.append(tuple(pieces))
        return rows

    def scroll_wheel(self, lines: int) -> None:
        screen = self.screen
        assert isinstance(screen, HelpScreen)
        screen.view.scroll["help"] = max(0, screen.view.scroll.get("help", 0) + lines)
        screen._show()


def _command_rows(view: View) -> list[Row]:
    palette = view.palette
    rows: list[Row] = [((" ", palette.text),), ((" commands (after :)", palette.title),)]
    return rows + [
        (("   " + pad(verb.usage, 34), palette.focus), (" " + verb.help, palette.text))
        for verb in VERBS.values()
    ]
