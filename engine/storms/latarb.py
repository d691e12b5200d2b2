"""LAT-ARB: picks off quotes that have not heard the news yet.

Every 10 ms it compares the touch with the price of a faster venue (LeadPrice). An offer below it, or a
bid above it, by more than EDGE_TICKS is stale: it takes half of severity x the size shown there.
When the gap has closed it hands its inventory back at the touch.

Effect: pick-offs (its fills from which the mid moves on its way within a second) grow with severity;
makers lose what it earns.
"""

from __future__ import annotations

from engine.core.types import Side, StormKind
from engine.storms.base import Storm

__all__ = ["LatencyArbitrage"]

EDGE_TICKS = 1.5
TAKE_SHARE = 0.5


class LatencyArbitrage(Storm):
    """See the module."""

    kind = StormKind.LATARB
    step_ms = 10
    latency_ns = 20_000

    def step(self, now_ns: int) -> None:
        lead = self.lead.ticks(now_ns)
        bid, ask = self.exchange.best_bid, self.exchange.best_ask
        if lead is None or bid is None or ask is None:
            return
        limit = self.scaled(3.0)
        position = self.position_lots
        book = self.exchange.book
        if lead > ask + EDGE_TICKS and position < limit:
            self._pick_off(Side.BID, ask, book.level(Side.ASK, ask)[0])
        elif lead < bid - EDGE_TICKS and position > -limit:
            self._pick_off(Side.ASK, bid, book.level(Side.BID, bid)[0])
        elif position > 0 and lead < bid:
            self.take(Side.ASK, min(position, self._share(book.level(Side.BID, bid)[0])), limit_ticks=bid)
        elif position < 0 and lead > ask:
            self.take(Side.BID, min(-position, self._share(book.level(Side.ASK, ask)[0])), limit_ticks=ask)

    def _pick_off(self, side: Side, price_ticks: int, shown_lots: int) -> None:
        self.take(side, self._share(shown_lots), limit_ticks=price_ticks)

    def _share(self, shown_lots: int) -> int:
        return max(1, int(shown_lots * self.severity * TAKE_SHARE))
