"""Three lines for the first minute: what this is, and which keys do something."""

from __future__ import annotations

from desk.bindings import arm_action
from desk.draw import Piece, Row
from desk.formats import clean
from desk.view import View
from desk.widgets.panel import Panel
from engine.core.types import StormKind
from engine.frame import Frame

__all__ = ["Coach"]

_ARM_CRASH = arm_action(StormKind.CRASH)


class Coach(Panel):
    """What to press."""

    title = "First steps"

    def note(self, frame: Frame, view: View) -> str:
        return f"{self.keys.shown('disarm')} hides this"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette, shown = view.palette, self.keys.shown
        bot = frame.host.target.status != "none"
        lines: list[list[str | tuple[str]]]
        if frame.host.mode == "replay":
            lines = [
                ["A recorded run, recomputed. ", ("pause",), " plays and pauses, ", ("slower",), " ",
                 ("faster",), " set the speed."],
                [("seek_back",), " ", ("seek_forward",), " jump 10 s, ", ("previous_marker",), " ",
                 ("next_marker",), " go from marker to marker, ", ("go_to",), " to a time."],
                [("help",), " explains the panel in focus; ", ("disarm",), " hides these lines."],
            ]  # fmt: skip
        elif frame.market.feed is not None:
            lines = [
                [f"A recorded day of {clean(frame.market.instrument.symbol)} in a live book: what you take "
                 "is gone from it."],
                [("go_to",), " goes to a time, ", ("symbol",), " switches symbol, ", ("source",),
                 " source; ", (_ARM_CRASH,), " arms CRASH, ", ("fire",), " fires."],
                [("record",), " records a run with a verdict, ", ("help",), " explains, ", ("disarm",),
                 " hides these lines."],
            ]  # fmt: skip
        else:
            who = "A bot trades in it as TARGET." if bot else "No TARGET is connected."
            lines = [
                [f"This market is live. {who} Can it stand a storm?"],
                [(_ARM_CRASH,), " arms CRASH, ", ("severity_up",), ("severity_down",), " set how severe, ",
                 ("fire",), " fires, ", ("stop_storms",), " stops it. Watch ladder and equity."],
                [("record",), " records a run with a verdict, ", ("help",), " explains, ", ("disarm",),
                 " hides these lines."],
            ]  # fmt: skip
        rows: list[Row] = []
        for line in lines:
            pieces: list[Piece] = [(" ", palette.text)]
            for part in line:
                if isinstance(part, tuple):
                    pieces.append((shown(part[0]), palette.focus))
                else:
                    pieces.append((part, palette.text))
            rows.append(tuple(pieces))
        return rows
