"""The frame governor: how many pictures a second the link and the terminal can take.

A picture is drawn at most `fps` times a second, and never while the terminal has not yet taken the last
one: on a slow link pictures are dropped, data never is. What it reports was measured: pictures really
drawn a second, and milliseconds from pulling a frame until its last byte had gone to the terminal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from engine.core.clock import NS_PER_MS, NS_PER_S

__all__ = ["Governor", "Link"]

WINDOW_DRAWN = 128
"""Times of recent pictures kept to measure the rate."""
WINDOW_DELAYS = 15
"""Recent delays; the read-out is their median."""
RATE_SPAN_NS = 2 * NS_PER_S
LEAST_SPAN_NS = NS_PER_S // 2
"""A rate over less than this says nothing."""


class Link(NamedTuple):
    """The read-out of the status line."""

    fps: float | None
    delay_ms: float | None


class Governor:
    """Decides when a picture may be drawn, and measures what became of it.

    may_draw(), drawn()          before and after building a picture
    painted(drained_ns)          the terminal has taken everything up to this time
    link(), statistics()         read-outs
    """

    def __init__(self, *, fps: float, clock_ns: Callable[[], int]) -> None:
        if not 0.1 <= fps <= 60:
            raise ValueError(f"the frame cap must lie between 0.1 and 60 a second, not {fps}")
        self.period_ns = int(NS_PER_S / fps)
        self._clock_ns = clock_ns
        self._next_ns = 0
        self._drawn_ns: deque[int] = deque(maxlen=WINDOW_DRAWN)
        self._delays_ms: deque[float] = deque(maxlen=WINDOW_DELAYS)
        self._waiting_since_ns: int | None = None
        self.drawn_total = 0
        self.skipped_link = 0
        """Pictures not drawn because the terminal was still busy with an older one."""

    def may_draw(self, *, pending: int, urgent: bool = False) -> bool:
        """May a picture be drawn now? `pending` is what the terminal has not taken yet (any unit).

        `urgent` (an answer to a key) may come before the period is over, but never onto a busy link.
        """
        now = self._clock_ns()
        if not urgent and now < self._next_ns:
            return False
        if pending > 0:
            if now >= self._next_ns:
                self.skipped_link += 1
                self._next_ns = now + self.period_ns
            return False
        # Keep the beat when on time; after a pause start a new one, without catching up.
        self._next_ns = max(self._next_ns + self.period_ns, now + self.period_ns // 2)
        return True

    def drawn(self, pulled_ns: int) -> None:
        """A picture of the frame pulled at `pulled_ns` was handed to the terminal."""
        self._drawn_ns.append(pulled_ns)
        self.drawn_total += 1
        self._waiting_since_ns = pulled_ns

    def painted(self, drained_ns: int) -> None:
        """Everything handed over before `drained_ns` has left for the terminal."""
        since = self._waiting_since_ns
        if since is not None and drained_ns >= since:
            self._delays_ms.append((drained_ns - since) / NS_PER_MS)
            self._waiting_since_ns = None

    def link(self) -> Link:
        """Measured rate over the last two seconds and median delay; None before there is enough to say."""
        now = self._clock_ns()
        recent = [time_ns for time_ns in self._drawn_ns if now - time_ns <= RATE_SPAN_NS]
        fps = None
        if self._drawn_ns and now - self._drawn_ns[0] >= LEAST_SPAN_NS:
            fps = len(recent) * NS_PER_S / min(RATE_SPAN_NS, now - self._drawn_ns[0])
        delays = sorted(self._delays_ms)
        return Link(fps, delays[len(delays) // 2] if delays else None)

    def statistics(self) -> dict[str, int]:
        """Pictures drawn, and pictures dropped because the link was busy."""
        return {"drawn": self.drawn_total, "skipped_link": self.skipped_link}
