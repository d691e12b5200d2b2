"""A list to choose from: typing filters, arrows move, enter takes. Only rows on show are drawn.

Base of the pickers for sources and symbols. With ten thousand entries a key costs one pass over their words
and the rows of one screen.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, Generic, Protocol, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.layout import Layout
from textual.screen import Screen

from desk.bindings import KeyTable
from desk.draw import Piece, Row, fit
from desk.formats import clean
from desk.layout import DeskLayout, Place
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import monotonic_ns
from engine.frame import Frame

__all__ = ["Option", "PickerHost", "PickerScreen", "matching"]

MAX_FILTER = 60
HEAD_ROWS = 2
"""The filter's line, and the columns' names."""


class Option(Protocol):
    """One entry."""

    @property
    def key(self) -> Hashable:
        """Stays the same while the list grows."""

    @property
    def words(self) -> str:
        """What the filter looks in, upper case."""


class PickerHost(Protocol):
    """Where the frame comes from that panels want to see."""

    def frame(self) -> Frame: ...


OptionT = TypeVar("OptionT", bound=Option)


def matching(options: Sequence[OptionT], text: str) -> list[OptionT]:
    """Options with all words of `text`: first those that begin with it, each group in its own order."""
    wanted = text.upper().split()
    if not wanted:
        return list(options)
    first = wanted[0]
    starts: list[OptionT] = []
    holds: list[OptionT] = []
    for option in options:
        words = option.words
        if first in words and (len(wanted) == 1 or all(word in words for word in wanted)):
            (starts if words.startswith(first) else holds).append(option)
    exact = [option for option in starts if option.words == first]
    return exact + [option for option in starts if option.words != first] + holds


class PickerScreen(Screen[None], Generic[OptionT]):
    """Subclasses give `title`, `columns`, `hint`, `option_row`, and do something in `take`."""

    heading = ""
    columns = ""
    MOVES: ClassVar[dict[str, int]] = {"down": 1, "up": -1, "ctrl+n": 1, "home": -(10**9), "end": 10**9}

    def __init__(self, view: View, keys: KeyTable, host: PickerHost) -> None:
        super().__init__()
        self.view = view
        self.keys = keys
        self._host = host
        self.text = ""
        """The filter."""
        self.options: list[OptionT] = []
        self.matches: list[OptionT] = []
        self.at = 0
        """Index of the chosen one in `matches`."""
        self.top = 0
        """Index of the first one shown."""
        self._page = PickerPage(self, keys)
        self._layout_plan = DeskLayout(lambda width, height: {"picker": Place(0, 0, width, height, "box")})

    # -- for subclasses ------------------------------------------------------------------------

    def option_row(self, option: OptionT, view: View, width: int) -> Row:
        """One line, at most `width` columns."""
        raise NotImplementedError

    def note(self) -> str:
        """Words in the border."""
        return ""

    def hint(self) -> str:
        """The last line: what keys do, or what is going on."""
        return "type to filter · ↑↓ move · enter takes · esc closes"

    def empty_text(self) -> str:
        """Shown when nothing matches."""
        return f"nothing matches “{self.text}”" if self.text else "nothing here"

    def take(self, option: OptionT) -> None:
        """Enter was pressed on this one."""
        raise NotImplementedError

    # -- content -------------------------------------------------------------------------------

    def put(self, options: Sequence[OptionT]) -> None:
        """Another list; the chosen one stays chosen when it is still there."""
        self.options = list(options)
        self._filter(keep=True)

    def _filter(self, *, keep: bool) -> None:
        chosen = self.chosen
        self.matches = matching(self.options, self.text)
        self.at = 0
        if keep and chosen is not None:
            self.at = next((i for i, option in enumerate(self.matches) if option.key == chosen.key), 0)
        self.redraw()

    @property
    def chosen(self) -> OptionT | None:
        """The entry under the bar."""
        return self.matches[self.at] if self.at < len(self.matches) else None

    @property
    def rows_shown(self) -> int:
        """Entries that the screen has room for."""
        return max(1, self.size.height - 2 - HEAD_ROWS - 1)

    def move(self, rows: int) -> None:
        """Move the bar."""
        self.at = min(max(0, len(self.matches) - 1), max(0, self.at + rows))
        self.redraw()

    def redraw(self) -> None:
        """Draw what has changed."""
        if self.is_mounted:
            self.view.touch()
            self._page.show(self._host.frame(), self.view, monotonic_ns())

    # -- Textual -------------------------------------------------------------------------------

    @property
    def layout(self) -> Layout:
        return self._layout_plan

    def compose(self) -> ComposeResult:
        yield self._page

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        key = event.key
        if not self.is_current:
            return  # it is closing: a second key came with the first
        if key == "escape":
            self.dismiss()
        elif key == "enter":
            if self.chosen is not None:
                self.take(self.chosen)
        elif key in self.MOVES:
            self.move(self.MOVES[key])
        elif key in ("pagedown", "pageup"):
            self.move(self.rows_shown if key == "pagedown" else -self.rows_shown)
        elif key in ("backspace", "ctrl+u"):
            self.text = self.text[:-1] if key == "backspace" else ""
            self._filter(keep=False)
        elif event.character is not None and event.is_printable:
            self._type(event.character)
        else:
            self.press(key)

    def press(self, key: str) -> None:
        """Another key."""

    def on_paste(self, event: events.Paste) -> None:
        self._type(event.text)

    def _type(self, text: str) -> None:
        self.text = (self.text + clean(text.replace("\n", " ")))[:MAX_FILTER]
        self._filter(keep=False)


class PickerPage(Panel):
    """Filter, names of the columns, entries, hint."""

    def __init__(self, picker: PickerScreen[OptionT], keys: KeyTable) -> None:
        super().__init__("picker", keys)
        self._picker = picker
        self.chrome = "box"

    def heading(self, frame: Frame, view: View) -> str:
        return self._picker.heading

    def note(self, frame: Frame, view: View) -> str:
        return self._picker.note()

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        picker, palette = self._picker, view.palette
        rows: list[Row] = [
            ((" find ", palette.dim), (picker.text, palette.strong), (" ", palette.last)),
            ((picker.columns, palette.faint if palette.colours else palette.dim),),
        ]
        room = max(1, height - HEAD_ROWS - 1)
        picker.top = max(min(picker.top, picker.at, max(0, len(picker.matches) - room)), picker.at - room + 1)
        shown = picker.matches[picker.top : picker.top + room]
        if not shown:
            shown_rows: list[Row] = [((f"  {picker.empty_text()}", palette.dim),)]
        else:
            shown_rows = [
                self._marked(picker.option_row(option, view, width - 2), index == picker.at, view, width)
                for index, option in enumerate(shown, picker.top)
            ]
        rows += shown_rows + [((" ", palette.text),)] * (room - len(shown_rows))
        return [*rows[: height - 1], ((" " + picker.hint(), palette.dim),)]

    @staticmethod
    def _marked(row: Row, is_chosen: bool, view: View, width: int) -> Row:
        palette = view.palette
        if not is_chosen:
            return (("  ", palette.text), *row)
        pieces: list[Piece] = [("▸ ", palette.last)]
        pieces += [(text, style if style is palette.spark else palette.last) for text, style in row]
        return fit(pieces, width, palette.last)

    def scroll_wheel(self, lines: int) -> None:
        self._picker.move(lines)
