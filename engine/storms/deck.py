"""The deck: starts, ends and remembers storms and faults of the venue (stop 2b on the data path).

One of a kind runs at a time; starting it again replaces it. Stop and natural expiry both leave a
row in `log`, which the recorder writes to events.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.broker.boundary import Boundary
from engine.core.types import StormKind
from engine.market.exchange import Exchange
from engine.storms.base import ChaosKind, LeadPrice, Storm, StormRequest, kind_of
from engine.storms.catalogue import CATALOGUE, FAULTS
from engine.storms.faults.base import VenueFault

__all__ = ["StormDeck", "StormLogEntry"]

LOG_LIMIT = 10_000
"""Rows of the storm log kept; older ones are dropped (counted)."""


class StormLogEntry(NamedTuple):
    """A storm or fault began or ended."""

    time_ns: int
    started: bool
    kind: ChaosKind
    severity: float
    duration_ns: int
    seed: int
    cause: str
    """Of a start "start"; of an end "expired", "stopped" or "replaced"."""


class StormDeck:
    """Active storms and faults by kind, and the log of all."""

    owner_key = "storms"

    def __init__(self, *, exchange: Exchange, seed: int, lead: LeadPrice, boundary: Boundary) -> None:
        """`boundary`: where faults act."""
        self.exchange = exchange
        self.seed = seed
        self.lead = lead
        self.boundary = boundary
        self.active: dict[ChaosKind, Storm | VenueFault] = {}
        self.log: list[StormLogEntry] = []
        self.dropped = 0
        self.started = 0
        """Storms and faults so far."""
        self.on_note: Callable[[StormLogEntry], None] = lambda _entry: None
        """Hears of each row of the log."""

    def start(self, request: StormRequest) -> None:
        """Start a storm or fault now. Raises StormError when it is out of range."""
        request.checked()
        if request.kind in self.active:
            self._end(request.kind, "replaced")
        self.started += 1
        storm = self._storm(request, self.started)
        self._note(storm, started=True, cause="start")
        storm.run()
        self.exchange.kernel.schedule(storm.ends_ns, self._expire, storm.number)

    def stop(self, kind: ChaosKind | None = None) -> None:
        """Stop one storm or fault, or all of both."""
        for running in list(self.active) if kind is None else [kind]:
            if running in self.active:
                self._end(running, "stopped")

    def statistics(self) -> dict[str, int]:
        """Storms running and log rows."""
        return {"active": len(self.active), "log": len(self.log), "limit": LOG_LIMIT, "dropped": self.dropped}

    def state(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on."""
        return {
            "started": self.started,
            "dropped": self.dropped,
            "log": [list(row) for row in self.log],
            "active": [storm.state() for storm in self.active.values()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.started, self.dropped = state["started"], state["dropped"]
        self.log = [StormLogEntry(*row)._replace(kind=kind_of(row[2])) for row in state["log"]]
        self.active = {}
        for one in state["active"]:
            kind, *rest = one["request"]
            self._storm(StormRequest(kind_of(kind), *rest), one["number"]).restore(one)

    def owners(self) -> dict[str, object]:
        """Whose callbacks may wait in the kernel, by their key."""
        return {self.owner_key: self, **{storm.owner_key: storm for storm in self.active.values()}}

    def _storm(self, request: StormRequest, number: int) -> Storm | VenueFault:
        kind, exchange, seed = request.kind, self.exchange, self.seed
        storm: Storm | VenueFault
        if isinstance(kind, StormKind):
            storm = CATALOGUE[kind].storm(
                exchange=exchange, seed=seed, request=request, lead_ticks=self.lead, number=number
            )
        else:
            storm = FAULTS[kind].fault(
                boundary=self.boundary, kernel=exchange.kernel, seed=seed, request=request, number=number
            )
        self.active[kind] = storm
        return storm

    def _expire(self, _now_ns: int, number: int) -> None:
        for kind, storm in list(self.active.items()):
            if storm.number == number:
                self._end(kind, "expired")

    def _end(self, kind: ChaosKind, cause: str) -> None:
        storm = self.active.pop(kind)
        storm.stop()
        self._note(storm, started=False, cause=cause)

    def _note(self, storm: Storm | VenueFault, *, started: bool, cause: str) -> None:
        request = storm.request
        entry = StormLogEntry(
            time_ns=self.exchange.kernel.now_ns,
            started=started,
            kind=request.kind,
            severity=storm.severity,
            duration_ns=request.duration_ns,
            seed=request.seed,
            cause=cause,
        )
        self.log.append(entry)
        self.on_note(entry)
        if len(self.log) > LOG_LIMIT:
            del self.log[0]
            self.dropped += 1
