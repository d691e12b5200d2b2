"""The editor of one storm script: what is typed is checked as it is typed, saving replaces the file whole."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.layout import Layout
from textual.screen import Screen
from textual.widgets import TextArea

from desk.bindings import KeyTable
from desk.draw import Row
from desk.formats import clean
from desk.layout import DeskLayout, Place
from desk.screens.picker import PickerHost
from desk.scripts import Checked, ScriptFolder, check_text
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import StormdeskError
from engine.frame import Frame

__all__ = ["ScriptEditor"]

SAVE_KEYS = ("ctrl+s", "f2")
GO_KEYS = ("ctrl+g", "f4")
FOOT_ROWS = 3


class ScriptEditor(Screen[None]):
    """One script."""

    def __init__(
        self, view: View, keys: KeyTable, host: PickerHost, *, folder: ScriptFolder, name: str, text: str
    ) -> None:
        super().__init__()
        self.view = view
        self._host = host
        self._folder = folder
        self.script_name = name
        self._saved = text
        self.checked: Checked = check_text(text, name)
        self.said = ""
        self._leaving = False
        """Esc has been pressed over unsaved changes: once more gives them up."""
        self.area = ScriptText(self, text)
        self._foot = EditorFoot(self, keys)
        self._head = EditorHead(self, keys)
        self._layout_plan = DeskLayout(
            lambda width, height: {
                "head": Place(0, 0, width, 1, "line"),
                "text": Place(0, 1, width, max(1, height - 1 - FOOT_ROWS), "line"),
                "foot": Place(0, max(2, height - FOOT_ROWS), width, FOOT_ROWS, "line"),
            }
        )

    @property
    def layout(self) -> Layout:
        return self._layout_plan

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.area
        yield self._foot

    def on_mount(self) -> None:
        self.area.focus()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)

    @property
    def is_changed(self) -> bool:
        """Whether there is something to save."""
        return self.area.text != self._saved

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.checked = check_text(self.area.text, self.script_name)
        self.said, self._leaving = "", False
        self.redraw()

    def press(self, key: str) -> bool:
        """Do what this key does in the editor; False when it is the text's."""
        if not self.is_current:
            return True  # it is closing: a second key came with the first
        if key == "escape":
            self._leave()
        elif key in SAVE_KEYS:
            self._save()
        elif key in GO_KEYS:
            if self.checked.line is not None:
                self.area.move_cursor((self.checked.line - 1, 0))
        else:
            return False
        self.redraw()
        return True

    def _save(self) -> None:
        text = self.area.text
        try:
            self._folder.save(self.script_name, text)
        except StormdeskError as error:
            self.said = f"not saved: {error}"
            return
        self._saved = text
        wrong = "" if self.checked.script is not None else ", though it cannot run as it is"
        self.said = f"saved{wrong}"

    def _leave(self) -> None:
        if self.is_changed and not self._leaving:
            self._leaving = True
            self.said = "there are changes: ctrl+s saves them, esc once more gives them up"
            return
        self.dismiss()

    def redraw(self) -> None:
        """Head and foot."""
        if self.is_mounted:
            self.view.touch()
            for panel in (self._head, self._foot):
                panel.show(self._host.frame(), self.view, monotonic_ns())


class ScriptText(TextArea):
    """The text; the editor's own keys come first."""

    def __init__(self, editor: ScriptEditor, text: str) -> None:
        super().__init__(text, id="text", show_line_numbers=True, soft_wrap=False, tab_behavior="indent")
        self._editor = editor

    async def _on_key(self, event: events.Key) -> None:
        if self._editor.press(event.key):
            event.stop()
            event.prevent_default()
        else:
            await super()._on_key(event)


class EditorHead(Panel):
    """Which script, and whether it is saved."""

    def __init__(self, editor: ScriptEditor, keys: KeyTable) -> None:
        super().__init__("head", keys)
        self._editor = editor

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        changed = " · changed" if self._editor.is_changed else ""
        return [
            ((f" {self._editor.script_name}", palette.title), (changed, palette.warning)),
        ]


class EditorFoot(Panel):
    """What is wrong, or what the script starts; the last answer; the keys."""

    def __init__(self, editor: ScriptEditor, keys: KeyTable) -> None:
        super().__init__("foot", keys)
        self._editor = editor

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette, editor = view.palette, self._editor
        checked = editor.checked
        if checked.script is None:
            where = "" if checked.line is None else f"line {checked.line}: "
            verdict: Row = ((f" ✕ {where}{clean(checked.error)}", palette.critical),)
        else:
            count = len(checked.script.storms)
            end = checked.script.end_ns / NS_PER_S
            verdict = ((f" ✓ {count} storm{'' if count == 1 else 's'}, over after {end:g} s", palette.good),)
        goes = "ctrl+g to the error · " if checked.line is not None else ""
        return [
            verdict,
            ((f" {clean(editor.said)}", palette.warning),),
            ((f" ctrl+s (f2) saves · {goes}esc closes", palette.dim),),
        ]
