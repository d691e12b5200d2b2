"""From the engine's frames to the panels: pulls the newest frame on a timer, as the governor allows.

The engine never waits for the screen: a frame that comes while the link is busy is simply not drawn.
Invariant: one picture is made of one frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from desk.actions import Host
from desk.frames import Governor
from desk.view import Notice, View
from desk.widgets.panel import Panel
from engine.arena.machine import Status as CoreStatus
from engine.core.clock import NS_PER_S

__all__ = ["Bridge"]

CORE_NOTICE_NS = 6 * NS_PER_S
"""How long it is told that the core has changed its path, or cannot."""


class Bridge:
    """Draws frames. `tick` is the timer's; `draw_soon` answers a key without waiting for the beat."""

    def __init__(
        self,
        host: Host,
        view: View,
        governor: Governor,
        *,
        clock_ns: Callable[[], int],
        pending: Callable[[], int],
        drained_ns: Callable[[], int | None],
        core: Callable[[], CoreStatus | None],
    ) -> None:
        self.host = host
        """Whose frames are drawn."""
        self._view = view
        self.governor = governor
        self._clock_ns = clock_ns
        self._pending = pending
        self._drained_ns = drained_ns
        self._core = core
        self._urgent = False
        self.panels: Callable[[], Iterable[Panel]] = tuple

    def draw_soon(self) -> None:
        """The user did something: draw now, or as soon as the link is free."""
        self._urgent = True
        self.tick()

    def tick(self) -> bool:
        """Draw the newest frame if the governor allows it. True when a picture was drawn."""
        pending = self._pending()
        if pending == 0 and (drained := self._drained_ns()) is not None:
            self.governor.painted(drained)
        if not self.governor.may_draw(pending=pending, urgent=self._urgent):
            return False
        self._urgent = False
        self.draw()
        return True

    def draw(self) -> None:
        """Draw the newest frame unconditionally."""
        now = self._clock_ns()
        frame = self.host.frame()
        view = self._view
        if view.notice is not None and view.notice.until_ns is not None and now > view.notice.until_ns:
            view.notice = None
            view.touch()
        self._look_at_core(now)
        link = self.governor.link()
        if _shown(link.fps) != _shown(view.link.fps) or _shown(link.delay_ms) != _shown(view.link.delay_ms):
            view.link = link
        view.history.add(frame, now)
        for panel in self.panels():
            panel.show(frame, view, now)
        self.governor.drawn(now)

    def _look_at_core(self, now_ns: int) -> None:
        """Shows the core's path; tells when it has changed since the desk is open, or has failed to."""
        core, before = self._core(), self._view.core
        self._view.core = core
        if core is None or before is None or self._view.notice is not None:
            return
        until_ns = now_ns + CORE_NOTICE_NS
        if core.warning not in (None, before.warning):
            self._view.notice = Notice(core.warning, "warning", until_ns)
        elif core.path != before.path and before.building is not None:
            self._view.notice = Notice(f"the core runs {core.path} from here on", "info", until_ns)


def _shown(value: float | None) -> str:
    """A read-out as the status line rounds it: changes below that are no reason to draw."""
    return "" if value is None else f"{value:.0f}"
