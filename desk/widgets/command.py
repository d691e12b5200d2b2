"""The line above the footer: the command being typed with its preview, else the answer to the last action."""

from __future__ import annotations

from textual import events

from desk.bindings import KeyTable
from desk.clock import clock_of
from desk.commands import CommandError, complete, parse
from desk.draw import Piece, Row, bar_from_left
from desk.formats import clean, jump_share
from desk.view import View
from desk.widgets.panel import Panel
from engine.frame import Frame, JumpView
from engine.storms.catalogue import entry_of

__all__ = ["CommandLine"]

MAX_LENGTH = 200
MAX_HISTORY = 50
JUMP_BAR = 16


class CommandLine(Panel):
    """Edits one line. `open` shows it; enter runs what was parsed, escape closes without doing anything."""

    def __init__(self, name: str, keys: KeyTable) -> None:
        super().__init__(name, keys)
        self.active = False
        self.text = ""
        self.cursor = 0
        self._history: list[str] = []
        self._recalled = 0
        self._choices: list[str] = []

    def open(self, text: str = "") -> None:
        """Start typing, with `text` already there."""
        self.active = True
        self._set(text)
        self._recalled = len(self._history)

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        if self.active:
            return [self._edited(frame, view, width)]
        palette = view.palette
        if frame.host.jump is not None:
            return [self._jump_row(frame, frame.host.jump, view)]
        if view.notice is not None:
            style = palette.warning if view.notice.level == "warning" else palette.text
            return [((" " + clean(view.notice.text), style),)]
        if view.deck.armed is not None:
            shown = self.keys.shown
            name = entry_of(view.deck.armed).short
            what = f" {name} is armed: severity {view.deck.severity:.2f}, {view.deck.duration_s} s. "
            return [
                (
                    (what, palette.warning),
                    (shown("fire"), palette.focus),
                    (" fires, ", palette.text),
                    (shown("disarm"), palette.focus),
                    (" disarms", palette.text),
                )
            ]
        if frame.host.notice:
            return [((" " + clean(frame.host.notice), palette.dim),)]
        return []

    def _jump_row(self, frame: Frame, jump: JumpView, view: View) -> Row:
        """How far the way to a later time is."""
        palette, shown = view.palette, self.keys.shown
        to = clock_of(frame.market).text(jump.to_ns)
        done = jump_share(jump, frame.market.time_ns)
        return (
            (f" running to {to} ", palette.text),
            (bar_from_left(done, 1.0, JUMP_BAR), palette.spark),
            (f" {done:4.0%}  ", palette.strong),
            (shown("disarm"), palette.focus),
            (" stops, ", palette.text),
            (shown("pause"), palette.focus),
            (" pauses", palette.text),
        )

    def _edited(self, frame: Frame, view: View, width: int) -> Row:
        """The text with its cursor, the rest of the best completion, and what enter would do."""
        palette = view.palette
        start, end, said, style = len(self.text), len(self.text), "", palette.dim
        try:
            parsed = parse(self.text, frame)
            if parsed is not None:
                said = f"enter: {parsed.preview}"
        except CommandError as error:
            start, end = error.start, error.end
            said, style = str(error), palette.warning
        pieces: list[Piece] = [(" : ", palette.focus)]
        for index, letter in enumerate(self.text + " "):
            ink = palette.critical if start <= index < end and style is palette.warning else palette.strong
            pieces.append((letter, palette.last if index == self.cursor else ink))
        choices = complete(self.text) if self.cursor == len(self.text) else []
        if choices:
            rest = choices[0][len(self.text) :].rstrip()
            pieces.append((rest + ("  tab " if rest else ""), palette.faint))
        used = sum(len(text) for text, _ in pieces)
        if used + 6 < width:
            pieces.append(("  " + said, style))
        return tuple(pieces)

    def press(self, event: events.Key) -> str | None:
        """Handle a key while open. Gives the line to run when enter was pressed, else None."""
        key = event.key
        if key == "enter":
            line = self.text
            self.active = False
            if line.strip() and (not self._history or self._history[-1] != line):
                self._history = [*self._history, line][-MAX_HISTORY:]
            return line
        if key == "escape" or (key == "backspace" and not self.text):
            self.active = False
        elif key == "tab":
            self._complete()
            return None
        elif key in ("up", "down"):
            self._recall(-1 if key == "up" else 1)
        elif key in _MOVES or key in ("backspace", "delete", "ctrl+u", "ctrl+w"):
            self._edit(key)
        elif event.character is not None and event.is_printable:
            self.insert(event.character)
        self._choices = []
        return None

    def insert(self, text: str) -> None:
        """Type (or paste) text at the cursor."""
        fresh = clean(text.replace("\n", " "))[: MAX_LENGTH - len(self.text)]
        self.text = self.text[: self.cursor] + fresh + self.text[self.cursor :]
        self.cursor += len(fresh)

    def _edit(self, key: str) -> None:
        text, at = self.text, self.cursor
        if key == "backspace" and at:
            self.text, self.cursor = text[: at - 1] + text[at:], at - 1
        elif key == "delete":
            self.text = text[:at] + text[at + 1 :]
        elif key == "ctrl+u":
            self.text, self.cursor = text[at:], 0
        elif key == "ctrl+w":
            kept = text[:at].rstrip().rpartition(" ")[0]
            kept += " " if kept else ""
            self.text, self.cursor = kept + text[at:], len(kept)
        elif key in _MOVES:
            move = _MOVES[key]
            self.cursor = 0 if move is None else min(len(text), max(0, at + move))

    def _complete(self) -> None:
        """Tab takes the best completion; again, the next one."""
        if self._choices and self.text in self._choices:
            following = self._choices.index(self.text) + 1
            choice = self._choices[following % len(self._choices)]
        else:
            self._choices = complete(self.text)
            if not self._choices:
                return
            choice = self._choices[0]
        self._set(choice)

    def _recall(self, way: int) -> None:
        self._recalled = min(len(self._history), max(0, self._recalled + way))
        self._set(self._history[self._recalled] if self._recalled < len(self._history) else "")

    def _set(self, text: str) -> None:
        self.text, self.cursor = text, len(text)


_MOVES: dict[str, int | None] = {"left": -1, "right": 1, "home": None, "end": MAX_LENGTH}
