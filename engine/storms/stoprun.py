"""STOPRUN: pushes the price through levels behind which stop orders wait, and lives on what they set off.

At its start it assumes a crowd with stops at sixteen levels, 3 bps apart, beyond the touch of one side. For
the first 40 % of its time it pushes the touch towards them (every 100 ms a share of the base depth). When the
touch has passed a level the crowd's stops there fire, as an order at market of the account CROWD, and may
carry the price through the next one. From 60 % of its time on the attacker trades its inventory back, in
equal parts. Stops that bots have waiting at the broker fire on the same way.

Effect: the mid runs its way, by an amount that grows with severity, further than the push alone carries it.
Harm: whoever has a stop there is executed at the worst price of the day; whoever quotes against it catches
the run.
"""

from __future__ import annotations

from typing import Any

from engine.core.types import Side, StormKind
from engine.storms.accounts import crowd_account
from engine.storms.base import Budget, Storm

__all__ = ["StopRun"]

STOP_LEVELS = 16
LEVEL_BPS = 3.0
STOPS_MULTIPLE = 0.4
"""Of the base depth, at each level."""
PUSH_MULTIPLE = 0.05
PUSH_SHARE = 0.4
UNWIND_SHARE = 0.6


class StopRun(Storm):
    """See the module."""

    kind = StormKind.STOPRUN
    budget = Budget(orders=4_000, depths=300)

    def begin(self) -> None:
        self._side = self.book_side()
        """Of the book: whose orders are taken."""
        touch, apart = self.best(self._side), self.ticks_of(LEVEL_BPS)
        self._stops = (
            []
            if touch is None
            else [self.behind(self._side, touch, apart * level) for level in range(1, STOP_LEVELS + 1)]
        )
        """Levels whose stops wait, nearest first."""

    def memory(self) -> Any:
        return [self._side, self._stops]

    def remember(self, memory: Any) -> None:
        self._side, self._stops = memory

    def step(self, now_ns: int) -> None:
        self._fire_stops()
        if self.progress < PUSH_SHARE:
            self.take(1 - self._side, self.scaled(PUSH_MULTIPLE))
        elif self.progress >= UNWIND_SHARE:
            self.unwind(now_ns, self.ends_ns)

    def _fire_stops(self) -> None:
        touch = self.best(self._side)
        while self._stops and touch is not None and self._is_passed(touch, self._stops[0]):
            del self._stops[0]
            self.take(1 - self._side, self.scaled(STOPS_MULTIPLE), account=crowd_account(self.exchange))

    def _is_passed(self, touch: int, level: int) -> bool:
        return touch <= level if self._side == Side.BID else touch >= level
