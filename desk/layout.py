"""Where each panel stands at a screen size: a pure function, and its adapter to Textual's layout.

Breakpoints: 160x48 everything; 120x40 without heat map and figures; 80x24 compact; below that one panel
at a time. A focused panel that a size has no place for takes the place of the right column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

__all__ = ["PANELS", "DeskLayout", "Place", "plan"]

PANELS = (
    "ladder", "heat", "tape", "agents", "deck", "signals", "kpis", "target", "score", "gate", "storms",
    "alerts",
)  # fmt: skip
"""Panels that can be focused, in tab order."""
HOMELESS = ("gate", "storms")
"""Panels that no size has a place for: they take the right column while they are focused."""
BOTTOM_ROWS = 14
COACH_ROWS = 5


class Place(NamedTuple):
    """A rectangle of the screen, and how the panel frames itself in it."""

    x: int
    y: int
    width: int
    height: int
    chrome: str
    """One of: "box" (border with title), "rule" (title line only), "line" (content only)."""


Plan = dict[str, Place]


def plan(
    width: int, height: int, *, focus: str = "ladder", zoomed: bool = False, coach: bool = False
) -> Plan:
    """Places by panel name for a screen of this size. Never fails: what has no room is left out."""
    if width < 80 or height < 24:
        return _single(width, height, focus)
    places = _bars(width, height)
    top, rows = 2, height - 4
    if zoomed:
        places[focus] = Place(0, top, width, rows, "box")
    elif width < 120 or height < 40:
        _compact(places, width, top, rows, focus=focus, coach=coach)
    else:
        if coach:
            rows -= COACH_ROWS
            places["coach"] = Place(0, top + rows, width, COACH_ROWS, "box")
        wide = width >= 160 and height >= 48
        (_wide if wide else _medium)(places, width, top, rows, focus)
    return places


def _single(width: int, height: int, focus: str) -> Plan:
    places: Plan = {"status": Place(0, 0, width, 1, "line")}
    left = height - 1
    if left >= 3:
        places["command"] = Place(0, height - 1, width, 1, "line")
        left -= 1
    if left >= 6:
        places["footer"] = places["command"]
        places["command"] = Place(0, height - 2, width, 1, "line")
        left -= 1
    if left > 0:
        places[focus] = Place(0, 1, width, left, "rule" if left > 1 else "line")
    return places


def _bars(width: int, height: int) -> Plan:
    return {
        "status": Place(0, 0, width, 1, "line"),
        "timeline": Place(0, 1, width, 1, "line"),
        "command": Place(0, height - 2, width, 1, "line"),
        "footer": Place(0, height - 1, width, 1, "line"),
    }


def _compact(places: Plan, width: int, top: int, rows: int, *, focus: str, coach: bool) -> None:
    lines = 4
    main = rows - lines
    left = max(43, width * 54 // 100)
    places["ladder"] = Place(0, top, left, main, "rule")
    right = width - left - 1
    if focus in ("ladder", "tape", "agents", "deck"):
        deck = 5 if main < 20 else 6
        agents = (main - deck) // 2
        tape = main - deck - agents
        _stack(places, left + 1, top, right, [("tape", tape), ("agents", agents), ("deck", deck)], "rule")
    else:
        places[focus] = Place(left + 1, top, right, main, "rule")
    y = top + main
    if coach:
        places["coach"] = Place(0, y, width, 3, "line")
    else:
        _stack(places, 0, y, width, [("signals", 2), ("target", 1)], "line", replace=False)
    if focus != "alerts":
        places["alerts"] = Place(0, y + 3, width, 1, "line")


def _medium(places: Plan, width: int, top: int, rows: int, focus: str) -> None:
    main = rows - BOTTOM_ROWS
    left = 64 + (width - 120) // 2
    places["ladder"] = Place(0, top, left, main, "box")
    _right_column(places, left, top, width - left, main, focus, ("heat", "kpis", "alerts", *HOMELESS))
    y, deck, target = top + main, 44 + (width - 120) // 4, 36
    places["deck"] = Place(0, y, deck, BOTTOM_ROWS, "box")
    places["signals"] = Place(deck, y, width - deck - target, BOTTOM_ROWS, "box")
    _stack(places, width - target, y, target, [("target", 8), ("score", 6)], "box")


def _wide(places: Plan, width: int, top: int, rows: int, focus: str) -> None:
    bottom = BOTTOM_ROWS if rows < 52 else BOTTOM_ROWS + 2
    main = rows - bottom
    extra = width - 160
    left, right = 66 + min(14, extra // 4), 48 + extra // 4
    places["ladder"] = Place(0, top, left, main, "box")
    places["heat"] = Place(left, top, width - left - right, main, "box")
    _right_column(places, width - right, top, right, main, focus, HOMELESS)
    y, deck, kpis, target = top + main, 46, 26, 38
    places["signals"] = Place(0, y, width - deck - kpis - target, bottom, "box")
    places["kpis"] = Place(width - deck - kpis - target, y, kpis, bottom, "box")
    places["deck"] = Place(width - deck - target, y, deck, bottom, "box")
    _stack(places, width - target, y, target, [("target", bottom - 6), ("score", 6)], "box")


def _right_column(
    places: Plan, x: int, y: int, width: int, height: int, focus: str, homeless: tuple[str, ...]
) -> None:
    if focus in homeless:
        places[focus] = Place(x, y, width, height, "box")
        return
    alerts = max(5, height * 3 // 5 if focus == "alerts" else height // 5)
    agents = max(6, (height - alerts) * 46 // 100)
    tape = height - alerts - agents
    _stack(places, x, y, width, [("tape", tape), ("agents", agents), ("alerts", alerts)], "box")


def _stack(
    places: Plan,
    x: int,
    y: int,
    width: int,
    parts: list[tuple[str, int]],
    chrome: str,
    *,
    replace: bool = True,
) -> None:
    """Panels below each other; `replace=False` keeps places that are taken already."""
    for name, height in parts:
        if replace or name not in places:
            places[name] = Place(x, y, width, height, chrome)
        y += height


class DeskLayout(Layout):
    """Textual layout that puts each child with a place where the plan says, and the others nowhere."""

    name = "desk"

    def __init__(self, plan_for: Callable[[int, int], Plan]) -> None:
        self._plan_for = plan_for
        self.places: Plan = {}
        """Where things stand since the last arrangement."""

    def arrange(
        self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True
    ) -> ArrangeResult:
        self.places = self._plan_for(size.width, size.height)
        placements = []
        for child in children:
            place = self.places.get(child.id or "")
            if place is not None and place.width > 0 and place.height > 0:
                region = Region(place.x, place.y, place.width, place.height)
                placements.append(WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child))
        return placements
