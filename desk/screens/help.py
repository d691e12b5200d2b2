"""Help: the focused panel, all keys and commands, the catalogue of storms, the other panels."""

from __future__ import annotations

from textwrap import wrap

from desk.actions import Host
from desk.bindings import KeyTable, arm_action
from desk.commands import VERBS
from desk.draw import Piece, Row, pad
from desk.layout import PANELS
from desk.screens.page import PageScreen, TextPage
from desk.view import View
from desk.widgets.panel import Panel
from engine.frame import Frame
from engine.storms.catalogue import PAGES, entry_of

__all__ = ["HelpScreen"]


class HelpScreen(PageScreen):
    """Drawn from the same tables that dispatch uses."""

    def __init__(self, view: View, keys: KeyTable, panels: dict[str, Panel], host: Host) -> None:
        super().__init__(view, HelpPage(keys, panels), host)


class HelpPage(TextPage):
    """The text."""

    title = "Help"

    def __init__(self, keys: KeyTable, panels: dict[str, Panel]) -> None:
        super().__init__("help", keys)
        self._panels = panels

    def text_rows(self, frame: Frame, view: View, width: int) -> list[Row]:
        others = [name for name in PANELS if name != view.focus]
        return (
            self._panel_rows(view, width, [view.focus])
            + self._key_rows(frame, view, width)
            + _command_rows(view)
            + self._storm_rows(view)
            + [((" ", view.palette.text),)]
            + self._panel_rows(view, width, others)
        )

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

    def _storm_rows(self, view: View) -> list[Row]:
        """The catalogue, page by page."""
        palette, shown = view.palette, self.keys.shown
        rows: list[Row] = []
        for number, page in enumerate(PAGES, 1):
            rows += [
                ((" ", palette.text),),
                (
                    (f" deck page {number}: {page.title}", palette.title),
                    (f"  {shown('panel_deck')} {shown('deck_page')}", palette.dim),
                ),
            ]
            for kind in page.kinds:
                entry = entry_of(kind)
                rows.append(
                    (
                        (f"   {shown(arm_action(kind))} ", palette.focus),
                        (pad(entry.short, 11), palette.text),
                        (pad(entry.name, 18), palette.faint),
                        (" " + entry.effect, palette.text),
                    )
                )
        return rows


def _command_rows(view: View) -> list[Row]:
    palette = view.palette
    rows: list[Row] = [((" ", palette.text),), ((" commands (after :)", palette.title),)]
    return rows + [
        (("   " + pad(verb.usage, 34), palette.focus), (" " + verb.help, palette.text))
        for verb in VERBS.values()
    ]
