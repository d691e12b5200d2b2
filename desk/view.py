"""What the person at the desk has set up: armed storm, ladder axis, focus, notices. No market state.

Lives in the UI thread only. `version` grows with every change, so panels know when to draw again
although the market stood still.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from desk.frames import Link
from desk.history import FrameHistory
from desk.theme import Palette, palette_of
from engine.arena.machine import Status as CoreStatus
from engine.storms.catalogue import PAGES, DeckPage
from engine.storms.request import ChaosKind

__all__ = ["DEPTH_PRESETS", "DURATION_RANGE_S", "GROUPINGS", "Deck", "LadderAxis", "Notice", "View"]

DEPTH_PRESETS = (10, 20, 50, 120)
"""Book levels a side shown in the ladder."""
GROUPINGS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Ticks in one ladder row."""
DURATION_RANGE_S = (5, 120)
SEVERITY_STEP = 0.05
DURATION_STEP_S = 5


@dataclass(slots=True)
class Deck:
    """The storm or fault that is set up. Nothing here has happened yet: enter fires it."""

    armed: ChaosKind | None = None
    severity: float = 0.6
    duration_s: int = 20
    page_number: int = 0
    """Of the open page, from 0."""

    @property
    def page(self) -> DeckPage:
        """The open page: what the digits arm."""
        return PAGES[self.page_number]

    def turn_page(self) -> None:
        """Open the next page; after the last, the first."""
        self.page_number = (self.page_number + 1) % len(PAGES)

    def change_severity(self, steps: int) -> None:
        """Move by steps of .05 within 0..1."""
        self.severity = min(1.0, max(0.0, round(self.severity + steps * SEVERITY_STEP, 2)))

    def change_duration(self, steps: int) -> None:
        """Move by steps of 5 s within 5..120."""
        low, high = DURATION_RANGE_S
        self.duration_s = min(high, max(low, self.duration_s + steps * DURATION_STEP_S))


@dataclass(slots=True)
class LadderAxis:
    """The static price axis, shared by ladder and heat map: row index = price_ticks // grouping."""

    grouping: int = 1
    centre: int | None = None
    """Row index in the middle of the panel; None before the first book."""
    follow: bool = False
    depth: int = 2
    """Index into DEPTH_PRESETS."""
    settled: bool = False
    """False while the axis may still be chosen from the first full book."""
    height: int = 20
    """Rows of the panel that draws the axis, without its header."""

    @property
    def top(self) -> int:
        """Row index of the highest row shown."""
        return (self.centre or 0) + self.height // 2

    def regroup(self, grouping: int) -> None:
        """Another number of ticks a row, keeping the price in the middle."""
        if self.centre is not None:
            self.centre = self.centre * self.grouping // grouping
        self.grouping = grouping
        self.settled = True


@dataclass(frozen=True, slots=True)
class Notice:
    """The answer to the user's last action, until it is replaced or has been shown long enough."""

    text: str
    level: str = "info"
    """One of: "info", "warning"."""
    until_ns: int | None = None


@dataclass(slots=True)
class View:
    """All of it."""

    palette: Palette = field(default_factory=lambda: palette_of("default"))
    deck: Deck = field(default_factory=Deck)
    axis: LadderAxis = field(default_factory=LadderAxis)
    history: FrameHistory = field(default_factory=FrameHistory)
    focus: str = "ladder"
    zoomed: bool = False
    coach: bool = True
    notice: Notice | None = None
    link: Link = field(default_factory=lambda: Link(None, None))
    core: CoreStatus | None = None
    """Which path the engine's core runs on; None where nobody asks (pictures)."""
    bot: int = 0
    """Which page of the TARGET panel is open: targets first, then the bots' cards; any whole number."""
    scroll: dict[str, int] = field(default_factory=dict)
    """Lines scrolled down, by panel."""
    chosen: dict[str, int] = field(default_factory=dict)
    """What is chosen in a list, by panel: an alert's id, an account. None there: its first line."""
    version: int = 0

    def forget_market(self) -> None:
        """Another market is shown from now on: its axis, its history, nothing armed."""
        self.axis = LadderAxis(follow=self.axis.follow, depth=self.axis.depth, height=self.axis.height)
        self.history = FrameHistory()
        self.deck.armed = None
        self.bot = 0
        self.scroll.clear()
        self.chosen.clear()
        self.touch()

    def touch(self) -> None:
        """Something here has changed: draw again."""
        self.version += 1
