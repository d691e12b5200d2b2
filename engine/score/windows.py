"""What a bot makes of each storm and fault: when it notices, when its orders come right, when it recovers.

Defined by what the desk sees; what it cannot see stays None.

noticed     The first of: (a) *named*, *asked*: a request names, or a question is about, an order that this
            fault has led astray (picture.py); (b) *paused*: while it is in force, no new order is sent for
            PAUSE_FACTOR times the longest of the RHYTHM_KEPT intervals between new orders before it began (at
            least RHYTHM_LEAST of them), and for PAUSE_LEAST_NS. The bot is then said to have noticed when the
            next order was due. While a fault of SILENCING is in force its requests may fail on their way, so
            silence says nothing then. A bot may have other reasons to name an order or to be silent: this is
            the earliest sign, not proof.
reconciled  When the last order that the fault led astray came right, None while one has not; and the longest
            time that one of them took, from the first message missed.
stuck       Orders that were open when it began and rest as they were, not replaced, when it ends: nobody has
            touched them through all of it. Of the first RESTING_KEPT orders, oldest first.
recovered   The first sample after its end at which the PnL is no lower than at its beginning, and the bot
            quotes both sides again if it did at its beginning. Looked for until WATCH_NS after its end.

A window's PnL is that between its beginning and its end; windows may overlap, so these do not add up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from engine.core.clock import NS_PER_S

__all__ = [
    "ASKED",
    "NAMED",
    "PAUSE_FACTOR",
    "PAUSE_LEAST_NS",
    "RESTING_KEPT",
    "RHYTHM_KEPT",
    "RHYTHM_LEAST",
    "SILENCING",
    "WATCH_NS",
    "WINDOWS_KEPT",
    "Reaction",
    "Rhythm",
    "Window",
    "Windows",
]

PAUSE_FACTOR = 4
PAUSE_LEAST_NS = 1 * NS_PER_S
RHYTHM_KEPT = 16
RHYTHM_LEAST = 8
WATCH_NS = 300 * NS_PER_S
WINDOWS_KEPT = 64
"""Reactions of one account; the oldest are forgotten first (counted)."""
RESTING_KEPT = 256
"""Orders of one account that are watched through a storm or fault."""
SILENCING = frozenset({"fault.disconnect", "fault.down", "fault.limit", "fault.skew"})
ASKED = "asked"
NAMED = "named"
PAUSED = "paused"


class Window(msgspec.Struct):
    """One storm or fault that has begun."""

    number: int
    """From 1, in the order in which they began."""
    name: str
    """As on the command line."""
    severity: float
    at_ns: int
    ended_ns: int = -1


class Windows:
    """The last WINDOWS_KEPT storms and faults of a session."""

    def __init__(self) -> None:
        self.by_number: dict[int, Window] = {}
        self.count = 0
        """Begun so far."""
        self._latest: dict[str, int] = {}
        """Number of the last one of each name."""

    def begin(self, name: str, severity: float, at_ns: int) -> tuple[Window, int | None]:
        """One begins. Returns it, and the number of the one that is forgotten for it."""
        self.count += 1
        self._latest[name] = self.count
        window = self.by_number[self.count] = Window(self.count, name, severity, at_ns)
        if len(self.by_number) <= WINDOWS_KEPT:
            return window, None
        oldest = next(iter(self.by_number))
        del self.by_number[oldest]
        return window, oldest

    def end(self, name: str, time_ns: int) -> Window | None:
        """The last one of this name ends."""
        window = self.by_number.get(self._latest.get(name, 0))
        if window is not None:
            window.ended_ns = time_ns
        return window

    def running(self) -> list[Window]:
        """Those in force, oldest first."""
        return [window for window in self.by_number.values() if window.ended_ns < 0]

    def in_force(self, name: str) -> int:
        """Number of the one of this name that is in force; 0 = none is."""
        window = self.by_number.get(self._latest.get(name, 0))
        return 0 if window is None or window.ended_ns >= 0 else window.number

    def behind(self, names: str) -> int:
        """Number of the fault that changed how a message was told; 0 = none that is known. Of several
        ("fault.ghost+fault.latency"), the first; of that, the last one."""
        return next((self._latest[name] for name in names.split("+") if name in self._latest), 0)

    def state(self) -> list[Any]:
        """Everything that an image needs."""
        return [self.count, self._latest, msgspec.to_builtins(list(self.by_number.values()))]

    def restore(self, state: list[Any]) -> None:
        """Goes on from a state."""
        self.count, latest, windows = state
        self._latest = dict(latest)
        self.by_number = {one.number: one for one in msgspec.convert(windows, list[Window])}


class Rhythm(msgspec.Struct):
    """How regularly a bot sends new orders."""

    last_ns: int = -1
    intervals_ns: list[int] = []
    """The last RHYTHM_KEPT, oldest first."""

    def beat(self, now_ns: int) -> None:
        """A new order is sent."""
        if self.last_ns >= 0:
            self.intervals_ns.append(now_ns - self.last_ns)
            if len(self.intervals_ns) > RHYTHM_KEPT:
                del self.intervals_ns[0]
        self.last_ns = now_ns

    @property
    def longest_ns(self) -> int | None:
        """The longest usual interval; None: nothing is usual yet."""
        return max(self.intervals_ns) if len(self.intervals_ns) >= RHYTHM_LEAST else None


class Reaction(msgspec.Struct):
    """One account in one window."""

    pnl_before: int
    inventory_before: int
    was_quoting: bool
    rhythm_ns: int | None
    """Longest usual interval between its orders when it began."""
    noticed_ns: int = -1
    noticed_by: str = ""
    reconciled_ns: int = -1
    astray: int = 0
    unreconciled: int = 0
    refused: int = 0
    pnl_after: int | None = None
    inventory_after: int = 0
    recovered_ns: int = -1
    longest_astray_ns: int = -1
    """Of those that have come right."""
    resting: list[int] = []
    """While it is in force: orders that were open when it began and have not been replaced since."""
    stuck: int = 0
    """Those of them that rested to its end."""

    def lead_astray(self) -> None:
        """One more order of which the bot is not told as it should be."""
        self.astray += 1
        self.unreconciled += 1
        self.reconciled_ns = -1

    def put_right(self, now_ns: int, since_ns: int, sign: str = "") -> None:
        """One of them, astray since since_ns, has come right; `sign`: by what the bot did."""
        self.unreconciled -= 1
        self.longest_astray_ns = max(self.longest_astray_ns, now_ns - since_ns)
        if self.unreconciled == 0:
            self.reconciled_ns = now_ns
        if sign:
            self.notice(now_ns, sign)

    def notice(self, time_ns: int, sign: str) -> None:
        """A sign that the bot acts otherwise; the first one counts."""
        if self.noticed_ns < 0:
            self.noticed_ns, self.noticed_by = time_ns, sign

    def look_for_pause(self, now_ns: int, last_ns: int, begun_ns: int) -> None:
        """While it is in force, since begun_ns: whether the bot is silent, its last order sent at last_ns."""
        rhythm_ns = self.rhythm_ns
        if self.noticed_ns >= 0 or rhythm_ns is None:
            return
        due_ns = last_ns + rhythm_ns
        is_silent = now_ns - last_ns > max(PAUSE_FACTOR * rhythm_ns, PAUSE_LEAST_NS)
        if is_silent and due_ns >= begun_ns:
            self.notice(due_ns, PAUSED)

    def replace(self, number: int) -> None:
        """An order is given another price or quantity."""
        if number in self.resting:
            self.resting.remove(number)

    def end(self, pnl: int, inventory: int, resting: Collection[int]) -> None:
        """The storm or fault is over; `resting`: the orders that are open then."""
        self.pnl_after, self.inventory_after = pnl, inventory
        self.stuck = sum(number in resting for number in self.resting)
        self.resting = []

    def look_for_recovery(self, now_ns: int, ended_ns: int, pnl: int, *, is_quoting: bool) -> None:
        """At a sample after its end."""
        if self.recovered_ns >= 0 or now_ns - ended_ns > WATCH_NS:
            return
        if pnl >= self.pnl_before and (is_quoting or not self.was_quoting):
            self.recovered_ns = now_ns
