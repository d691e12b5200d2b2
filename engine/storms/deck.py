"""The deck: starts, ends and remembers storms (stop 2b on the data path).

One storm of a kind runs at a time; starting it again replaces it. Stop and natural expiry both leave a
row in `log`, which the recorder writes to events.jsonl.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.types import StormKind
from engine.market.exchange import Exchange
from engine.storms.base import LeadPrice, Storm, StormRequest
from engine.storms.catalogue import CATALOGUE

__all__ = ["StormDeck", "StormLogEntry"]

LOG_LIMIT = 10_000
"""Rows of the storm log kept; older ones are dropped (counted)."""


class StormLogEntry(NamedTuple):
    """A storm began or ended."""

    time_ns: int
    started: bool
    kind: StormKind
    severity: float
    duration_ns: int
    seed: int
    cause: str
    """Of a start "start"; of an end "expired", "stopped" or "replaced"."""


class StormDeck:
    """Active storms by kind, and the log of all."""

    def __init__(self, *, exchange: Exchange, seed: int, lead: LeadPrice) -> None:
        self.exchange = exchange
        self.seed = seed
        self.lead = lead
        self.active: dict[StormKind, Storm] = {}
        self.log: list[StormLogEntry] = []
        self.dropped = 0

    def start(self, request: StormRequest) -> None:
        """Start a storm now. Raises StormError when it is out of range."""
        request.checked()
        if request.kind in self.active:
            self._end(request.kind, "replaced")
        storm = CATALOGUE[request.kind].storm(
            exchange=self.exchange, seed=self.seed, request=request, lead_ticks=self.lead
        )
        self.active[request.kind] = storm
        self._note(storm, started=True, cause="start")
        storm.run()
        self.exchange.kernel.schedule(storm.ends_ns, self._expire, storm)

    def stop(self, kind: StormKind | None = None) -> None:
        """Stop one storm, or all."""
        for running in list(self.active) if kind is None else [kind]:
            if running in self.active:
                self._end(running, "stopped")

    def statistics(self) -> dict[str, int]:
        """Storms running and log rows."""
        return {"active": len(self.active), "log": len(self.log), "limit": LOG_LIMIT, "dropped": self.dropped}

    def _expire(self, _now_ns: int, storm: Storm) -> None:
        if storm.active:
            self._end(storm.request.kind, "expired")

    def _end(self, kind: StormKind, cause: str) -> None:
        storm = self.active.pop(kind)
        storm.stop()
        self._note(storm, started=False, cause=cause)

    def _note(self, storm: Storm, *, started: bool, cause: str) -> None:
        request = storm.request
        self.log.append(
            StormLogEntry(
                time_ns=self.exchange.kernel.now_ns,
                started=started,
                kind=request.kind,
                severity=storm.severity,
                duration_ns=request.duration_ns,
                seed=request.seed,
                cause=cause,
            )
        )
        if len(self.log) > LOG_LIMIT:
            del self.log[0]
            self.dropped += 1
