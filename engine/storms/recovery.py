"""When the market is itself again after a storm.

It has recovered at the first look from which on, for a second, all of this holds:

    mid      within 10 bps of where it stood, or of the lead price (which is what the instrument is worth
             now, and in a replayed market where the exchange itself went)
    spread   at most twice what it was, or two ticks more
    depth    of the ten best levels of both sides, at least half of what it was

The looks are every 250 ms from the storm's end on; after 60 s without success it has not recovered. They
only read, so the market's events are the same whether anybody looks. Whole numbers, but for the lead price.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Side
from engine.market.exchange import Exchange
from engine.storms.base import LeadPrice, Standing
from engine.storms.request import StormRequest, kind_of

__all__ = ["FIRST_LOOK_NS", "LOOK_NS", "Health", "Recovery", "health_of"]

FIRST_LOOK_NS = NS_PER_MS
"""After the storm's end: its cancels are on their way until then."""
LOOK_NS = 250 * NS_PER_MS
HEALTHY_LOOKS = 5
"""So many in a row: a second from the first to the last."""
GIVE_UP_NS = 60 * NS_PER_S
MID_SHARE = 1_000
"""The mid is back within this part of the price: 10 bps."""
SPREAD_MULTIPLE = 2
SPREAD_TICKS = 2
DEPTH_SHARE = 2
DEPTH_LEVELS = 10


class Health(NamedTuple):
    """Price, spread and depth at one time; 0 where a side is empty."""

    twice_mid_ticks: int
    spread_ticks: int
    depth_lots: int


def health_of(exchange: Exchange) -> Health:
    """Now."""
    bid, ask = exchange.best_bid, exchange.best_ask
    if bid is None or ask is None:
        return Health(0, 0, 0)
    return Health(bid + ask, ask - bid, sum(exchange.book.depth(side, DEPTH_LEVELS) for side in Side))


class Recovery:
    """Watches the market after one storm."""

    def __init__(
        self, request: StormRequest, number: int, before: Health, opening: Standing, ended_ns: int
    ) -> None:
        self.request = request
        self.number = number
        """Of the storm in the session."""
        self.before = before
        self.opening = opening
        """The attacker's account as the storm began."""
        self.ended_ns = ended_ns
        self.healthy_since_ns = 0
        self.healthy_looks = 0
        self.recovery_ns: int | None = None
        """From the storm's end; None while it has not recovered."""

    def look(self, exchange: Exchange, lead: LeadPrice) -> bool:
        """One look; returns whether it was the last one."""
        now_ns = exchange.kernel.now_ns
        if not self._is_healthy(health_of(exchange), lead.ticks(now_ns)):
            self.healthy_looks = 0
            return now_ns - self.ended_ns >= GIVE_UP_NS
        if not self.healthy_looks:
            self.healthy_since_ns = now_ns
        self.healthy_looks += 1
        if self.healthy_looks < HEALTHY_LOOKS:
            return False
        self.recovery_ns = self.healthy_since_ns - self.ended_ns
        return True

    def state(self) -> list[Any]:
        """For a snapshot."""
        start = [list(self.request), self.number, list(self.before), list(self.opening), self.ended_ns]
        return [*start, self.healthy_since_ns, self.healthy_looks]

    @classmethod
    def restored(cls, state: list[Any]) -> Recovery:
        """One that goes on from a state."""
        (kind, *rest), number, before, opening, ended_ns, since_ns, looks = state
        request = StormRequest(kind_of(kind), *rest)
        one = cls(request, number, Health(*before), Standing(*opening), ended_ns)
        one.healthy_since_ns, one.healthy_looks = since_ns, looks
        return one

    def _is_healthy(self, now: Health, lead_ticks: float | None) -> bool:
        before = self.before
        if not now.twice_mid_ticks or not before.twice_mid_ticks:
            return False
        is_back = abs(now.twice_mid_ticks - before.twice_mid_ticks) * MID_SHARE <= before.twice_mid_ticks
        if not is_back and lead_ticks is not None:
            is_back = abs(now.twice_mid_ticks / 2 - lead_ticks) * MID_SHARE <= lead_ticks
        most_ticks = max(SPREAD_MULTIPLE * before.spread_ticks, before.spread_ticks + SPREAD_TICKS)
        return (
            is_back and now.spread_ticks <= most_ticks and now.depth_lots * DEPTH_SHARE >= before.depth_lots
        )
