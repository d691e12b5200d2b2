"""The storm scripts: a list with what each one starts, or what is wrong with it and where; run, edit, make.

Beside the list stands the chosen script as a timeline, or its text around the line that is wrong. Running
one asks the session for its storms, times counted from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from textwrap import wrap

from textual import events
from textual.app import ComposeResult
from textual.layout import Layout
from textual.screen import Screen

from desk.bindings import KeyTable
from desk.draw import LEVELS, Piece, Row, fit, pad
from desk.formats import clean
from desk.layout import DeskLayout, Place
from desk.screens.picker import PickerHost
from desk.scripts import Checked, ScriptFolder, check_text
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import StormdeskError
from engine.frame import Frame
from engine.storm_view import course_of
from engine.storms.request import StormRequest, Where, name_of
from engine.storms.script import StormScript

__all__ = ["ScriptsScreen"]

LIST_WIDTH = 34
NARROW = 100
"""Below this the script stands under the list."""
MAX_NAME = 48


class ScriptsScreen(Screen[None]):
    """`run_script` gets the script to run, `edit` opens its editor."""

    def __init__(
        self,
        view: View,
        keys: KeyTable,
        host: PickerHost,
        *,
        folder: ScriptFolder,
        run_script: Callable[[StormScript, str], None],
    ) -> None:
        super().__init__()
        self.view = view
        self.keys = keys
        self._host = host
        self.folder = folder
        self._run_script = run_script
        self.names: list[str] = []
        self.at = 0
        """Index of the chosen one."""
        self.naming: str | None = None
        """The name being typed for a new script."""
        self.said = ""
        """The answer to the last key."""
        self._checked: dict[str, tuple[str, Checked]] = {}
        self._page = ScriptsPage(self, keys)
        self._layout_plan = DeskLayout(lambda width, height: {"scripts": Place(0, 0, width, height, "box")})

    @property
    def layout(self) -> Layout:
        return self._layout_plan

    def compose(self) -> ComposeResult:
        yield self._page

    def on_mount(self) -> None:
        self.reload()

    def on_screen_resume(self) -> None:
        self.reload()

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.redraw)

    @property
    def chosen(self) -> str | None:
        """Name of the script under the bar."""
        return self.names[self.at] if self.at < len(self.names) else None

    def look(self, name: str) -> tuple[str, Checked]:
        """Text and check of a script."""
        if name not in self._checked:
            try:
                text = self.folder.read(name)
                self._checked[name] = (text, check_text(text, name))
            except StormdeskError as error:
                self._checked[name] = ("", Checked(None, str(error)))
        return self._checked[name]

    def reload(self) -> None:
        """Look at the folder anew: scripts may have changed on disk or in the editor."""
        before = self.chosen
        self._checked.clear()
        self.names = self.folder.names()
        self.at = (
            self.names.index(before) if before in self.names else min(self.at, max(0, len(self.names) - 1))
        )
        self.redraw()

    def redraw(self) -> None:
        """Draw what has changed."""
        if self.is_mounted:
            self.view.touch()
            self._page.show(self._host.frame(), self.view, monotonic_ns())

    # -- keys ----------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if not self.is_current:
            return  # it is closing: a second key came with the first
        self.said = ""
        if self.naming is not None:
            self._type_name(event)
        elif event.key in ("down", "j", "up", "k", "J"):
            step = 1 if event.key in ("down", "j") else -1
            self.at = min(max(0, len(self.names) - 1), max(0, self.at + step))
        elif event.key in ("enter", "r"):
            self._run()
        elif event.key == "e":
            self._edit()
        elif event.key == "n":
            self.naming = ""
        elif event.key in ("escape", "q", "F"):
            self.dismiss()
            return
        self.redraw()

    def _type_name(self, event: events.Key) -> None:
        assert self.naming is not None
        if event.key == "escape":
            self.naming = None
        elif event.key == "enter":
            self._make(self.naming)
        elif event.key in ("backspace", "ctrl+u"):
            self.naming = self.naming[:-1] if event.key == "backspace" else ""
        elif event.character is not None and event.is_printable:
            self.naming = (self.naming + clean(event.character))[:MAX_NAME]

    def _make(self, name: str) -> None:
        try:
            full = self.folder.new(name)
        except StormdeskError as error:
            self.said = str(error)
            return
        self.naming = None
        self.reload()
        self.at = self.names.index(full)
        self._edit()

    def _run(self) -> None:
        name = self.chosen
        if name is None:
            return
        self._checked.pop(name, None)  # as it is on disk now
        script = self.look(name)[1].script
        if script is None:
            self.said = f"{name} is not run: {self.look(name)[1].error}"
            return
        try:
            self._run_script(script, name)
        except StormdeskError as error:
            self.said = f"{name} is not run: {error}"
            return
        self.dismiss()

    def _edit(self) -> None:
        from desk.screens.script_editor import ScriptEditor

        name = self.chosen
        if name is None:
            return
        try:
            text = self.folder.read(name)
        except StormdeskError as error:
            self.said = str(error)
            return
        self.app.push_screen(
            ScriptEditor(self.view, self.keys, self._host, folder=self.folder, name=name, text=text)
        )


class ScriptsPage(Panel):
    """List and chosen script."""

    def __init__(self, screen: ScriptsScreen, keys: KeyTable) -> None:
        super().__init__("scripts", keys)
        self._scripts = screen
        self.chrome = "box"

    def heading(self, frame: Frame, view: View) -> str:
        return "Storm scripts"

    def note(self, frame: Frame, view: View) -> str:
        return clean(str(self._scripts.folder.folder))

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        screen, palette = self._scripts, view.palette
        blank: Row = ((" ", palette.text),)
        wide = width >= NARROW
        body = height - 2
        list_rows = body if wide else min(max(2, len(screen.names)), max(2, body // 3))
        names = self._list(view, LIST_WIDTH if wide else width, list_rows)
        if screen.chosen is None:
            detail: list[Row] = []
        else:
            room, rows = (width - LIST_WIDTH - 3, body) if wide else (width, body - list_rows - 1)
            text, checked = screen.look(screen.chosen)
            detail = _detail(frame, view, text, checked, room, rows)
        if wide:
            body_rows = []
            for line in range(body):
                left = names[line] if line < len(names) else blank
                right = detail[line] if line < len(detail) else blank
                body_rows.append((*fit(left, LIST_WIDTH, palette.text), (" │ ", palette.faint), *right))
        else:
            body_rows = [
                *names,
                *[blank] * (list_rows - len(names)),
                (("─" * width, palette.faint),),
                *detail,
            ]
        body_rows = [*body_rows, *[blank] * (body - len(body_rows))][:body]
        return [*body_rows, self._answer(view), ((" " + self._hint(), palette.dim),)]

    def _list(self, view: View, width: int, height: int) -> list[Row]:
        screen, palette = self._scripts, view.palette
        if not screen.names:
            return [((" no scripts yet: n makes one", palette.dim),)]
        top = max(0, min(screen.at - height // 2, len(screen.names) - height))
        rows: list[Row] = []
        for index, name in enumerate(screen.names[top : top + height], top):
            checked = screen.look(name)[1]
            chosen = index == screen.at
            if checked.script is None:
                where = "" if checked.line is None else f" line {checked.line}"
                said, style = f"✕{where}", palette.critical
            else:
                count = len(checked.script.storms)
                said, style = f"{count} · {checked.script.end_ns / NS_PER_S:g}s", palette.good
            rows.append(
                (
                    ("▸ " if chosen else "  ", palette.focus),
                    (pad(name, width - 14), palette.strong if chosen else palette.text),
                    (pad(said, 12, right=True), style),
                )
            )
        return rows

    def _answer(self, view: View) -> Row:
        screen, palette = self._scripts, view.palette
        if screen.naming is not None:
            said = f"   {screen.said}" if screen.said else "   .toml is added · enter makes it · esc gives up"
            style = palette.warning if screen.said else palette.dim
            return (
                (" name of the new script: ", palette.text),
                (screen.naming, palette.strong),
                (" ", palette.last),
                (clean(said), style),
            )
        return ((f" {clean(screen.said)}", palette.warning),)

    def _hint(self) -> str:
        return "↑↓ choose · enter runs it now · e edits · n new · esc closes"


def _detail(frame: Frame, view: View, text: str, checked: Checked, width: int, height: int) -> list[Row]:
    """A good script as a timeline, a wrong one with its error and the text around it."""
    palette = view.palette
    if checked.script is not None:
        return _timeline(checked.script, frame, view, width, height)
    where = "" if checked.line is None else f"line {checked.line}: "
    said = wrap(f"✕ {where}{clean(checked.error)}", max(20, width))[:4]
    rows: list[Row] = [((line, palette.critical),) for line in said]
    found: list[Row] = [*rows, ((" ", palette.text),)]
    lines = text.splitlines()
    room = max(1, height - len(found))
    at = (checked.line or 1) - 1
    top = max(0, min(at - room // 2, len(lines) - room))
    for number, line in enumerate(lines[top : top + room], top + 1):
        wrong = number == checked.line
        found.append(
            (
                (f"{'▸' if wrong else ' '}{number:4d} ", palette.critical if wrong else palette.faint),
                (clean(line.expandtabs(4)), palette.strong if wrong else palette.text),
            )
        )
    return found


def _timeline(script: StormScript, frame: Frame, view: View, width: int, height: int) -> list[Row]:
    palette = view.palette
    end_ns = max(1, script.end_ns)
    label = 16
    cells = max(10, width - label - 30)
    rows: list[Row] = [
        ((clean(script.name) or "no name", palette.title),),
        ((" ", palette.text),),
        ((" " * label + pad("0s", cells - 8) + pad(f"{end_ns / NS_PER_S:g}s", 8, right=True), palette.dim),),
    ]
    for one in script.storms[: max(1, height - len(rows) - 1)]:
        pieces: list[Piece] = [
            (pad(name_of(one.kind), label), palette.text),
            (_course(one, frame.market.seed, end_ns, cells), palette.storm_bar),
            (f" at {one.start_ns / NS_PER_S:g}s for {one.duration_s:g}s, {one.severity_text}", palette.dim),
        ]
        if one.where:
            pieces.append((f" {Where(one.where).name.lower()}", palette.dim))
        rows.append(tuple(pieces))
    left = len(script.storms) - max(1, height - 4)
    if left > 0:
        rows.append(((f"and {left} more", palette.dim),))
    return rows


def _course(one: StormRequest, seed: int, end_ns: int, cells: int) -> str:
    """Severity over the script's time, as block glyphs."""
    course = course_of(one._replace(start_ns=0), seed)
    glyphs = []
    for cell in range(cells):
        elapsed_ns = (2 * cell + 1) * end_ns // (2 * cells) - one.start_ns
        if not 0 <= elapsed_ns < one.duration_ns:
            glyphs.append(" ")
            continue
        severity = course[round(elapsed_ns / one.duration_ns * (len(course) - 1))]
        glyphs.append("·" if severity <= 0 else LEVELS[min(7, int(severity * 8))])
    return "".join(glyphs)
