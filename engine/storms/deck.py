"""The deck: starts, ends and remembers storms and faults of the venue (stop 2b on the data path).

One of a kind runs at a time; starting it again replaces it. Stop and natural expiry both leave a row in `log`
with what the attacker has spent, and a further one follows when the market has recovered (recovery.py); the
recorder writes them to events.jsonl.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from engine.broker.boundary import Boundary
from engine.core.errors import StormError
from engine.core.types import StormKind
from engine.market.exchange import Exchange
from engine.market.ledger import MICRO
from engine.storms.accounts import storm_account
from engine.storms.base import LeadPrice, Standing, Storm, standing_of
from engine.storms.catalogue import CATALOGUE, FAULTS
from engine.storms.faults.base import VenueFault
from engine.storms.recovery import FIRST_LOOK_NS, LOOK_NS, Health, Recovery, health_of
from engine.storms.request import JUMPS, MILLION, ChaosKind, StormRequest, kind_of, name_of

__all__ = ["StormDeck", "StormLogEntry"]

LOG_LIMIT = 10_000
"""Rows of the storm log kept; older ones are dropped (counted)."""

WATCHES_LIMIT = 64
"""Ended storms whose market is watched at a time; the oldest is given up first."""
_RECOVERED = "recovered"
_NOT_RECOVERED = "not recovered"


class StormLogEntry(NamedTuple):
    """A storm or fault began or ended, or the market has recovered from it (or not)."""

    time_ns: int
    started: bool
    kind: ChaosKind
    severity: float
    duration_ns: int
    seed: int
    cause: str
    """Of a start "start"; of an end "expired", "stopped" or "replaced"; of what comes after it "recovered" or
    "not recovered"."""
    course: int = 0
    """How severity goes (request.Course)."""
    severity_to: float = 0.0
    where: int = 0
    orders: int = 0
    """Of an end and of what comes after it: what the attacker has sent since the start."""
    lots: int = 0
    """Traded."""
    position_lots: int = 0
    """Inventory that it has taken on."""
    fees: float = 0.0
    """Money in the instrument's currency."""
    pnl: float = 0.0
    """Minus what it has cost: after fees, inventory marked at mid. Of an end that is the price to which the
    storm moved the market, of "recovered" the one to which it came back."""
    recovery_ns: int | None = None
    """Of "recovered": from the storm's end to the first moment of a healthy second."""

    @property
    def is_about_recovery(self) -> bool:
        """Whether it is neither a start nor an end."""
        return self.cause in (_RECOVERED, _NOT_RECOVERED)


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
        """Hears of each start and end."""
        self.recovery_ns: dict[StormKind, int | None] = {}
        """Of each kind after its last storm; None while the market is watched, or has not recovered."""
        self._watched: list[Recovery] = []
        self._before: dict[int, Health] = {}
        """The market as each running storm, by number, found it."""

    def start(self, request: StormRequest) -> None:
        """Start a storm or fault now. Raises StormError when it is out of range."""
        self.check(request)
        if request.kind in self.active:
            self._end(request.kind, "replaced")
        self._watched = [one for one in self._watched if one.request.kind != request.kind]
        self.started += 1
        self._before[self.started] = health_of(self.exchange)
        storm = self._storm(request, self.started)
        self._note(storm, started=True, cause="start")
        storm.run()
        self.exchange.kernel.schedule(storm.ends_ns, self._expire, storm.number)

    def check(self, request: StormRequest) -> None:
        """Raises StormError for what this market cannot have."""
        request.checked()
        if request.kind in JUMPS and not self.lead.can_jump:
            raise StormError(
                f"{name_of(request.kind)} needs a simulated market: what a recorded exchange did was the news"
            )

    def attend(self) -> None:
        """Lets storms act in the instant of an execution of theirs."""
        for storm in list(self.active.values()):
            if isinstance(storm, Storm):
                storm.attend()

    def stop(self, kind: ChaosKind | None = None) -> None:
        """Stop one storm or fault, or all of both."""
        for running in list(self.active) if kind is None else [kind]:
            if running in self.active:
                self._end(running, "stopped")

    def statistics(self) -> dict[str, int]:
        """Storms running and log rows."""
        return {
            "active": len(self.active),
            "log": len(self.log),
            "limit": LOG_LIMIT,
            "dropped": self.dropped,
            "watched": len(self._watched),
            "watched_limit": WATCHES_LIMIT,
            "held_back": sum(one.held_back for one in self.active.values() if isinstance(one, Storm)),
        }

    def state(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on."""
        return {
            "started": self.started,
            "dropped": self.dropped,
            "log": [list(row) for row in self.log],
            "active": [storm.state() for storm in self.active.values()],
            "before": [[number, list(health)] for number, health in self._before.items()],
            "watched": [one.state() for one in self._watched],
            "recovery_ns": [[int(kind), ns] for kind, ns in self.recovery_ns.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.started, self.dropped = state["started"], state["dropped"]
        self.log = [StormLogEntry(*row)._replace(kind=kind_of(row[2])) for row in state["log"]]
        self._before = {number: Health(*health) for number, health in state["before"]}
        self._watched = [Recovery.restored(one) for one in state["watched"]]
        self.recovery_ns = {StormKind(kind): ns for kind, ns in state["recovery_ns"]}
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
        before = self._before.pop(storm.number)
        self._note(storm, started=False, cause=cause)
        if isinstance(storm, Storm) and cause != "replaced" and not storm.request.is_idle:
            self.recovery_ns[storm.kind] = None
            now_ns = self.exchange.kernel.now_ns
            self._watch(Recovery(storm.request, storm.number, before, storm.before, now_ns))

    def _watch(self, recovery: Recovery) -> None:
        del self._watched[: len(self._watched) + 1 - WATCHES_LIMIT]
        self._watched.append(recovery)
        self.exchange.kernel.schedule(recovery.ended_ns + FIRST_LOOK_NS, self._look, recovery.number)

    def _look(self, now_ns: int, number: int) -> None:
        recovery = next((one for one in self._watched if one.number == number), None)
        if recovery is None:
            return
        if not recovery.look(self.exchange, self.lead):
            self.exchange.kernel.schedule(now_ns + LOOK_NS, self._look, number)
            return
        self._watched.remove(recovery)
        kind = StormKind(recovery.request.kind)
        self.recovery_ns[kind] = recovery.recovery_ns
        entry = _entry_of(
            recovery.request,
            time_ns=now_ns,
            started=False,
            cause=_NOT_RECOVERED if recovery.recovery_ns is None else _RECOVERED,
        )
        standing = standing_of(self.exchange, storm_account(kind, self.exchange))
        spent = self._spent(standing.since(recovery.opening))
        self._keep(entry._replace(recovery_ns=recovery.recovery_ns, **spent))

    def _note(self, storm: Storm | VenueFault, *, started: bool, cause: str) -> None:
        entry = _entry_of(storm.request, time_ns=self.exchange.kernel.now_ns, started=started, cause=cause)
        if isinstance(storm, Storm):
            entry = entry._replace(**self._spent(storm.standing()))
        self._keep(entry)
        self.on_note(entry)

    def _spent(self, standing: Standing) -> dict[str, Any]:
        """The fields of a row that tell of the attacker's account."""
        value = self.exchange.instrument.tick_lot_value / MICRO
        return {
            "orders": standing.orders,
            "lots": standing.lots,
            "position_lots": standing.position_lots,
            "fees": standing.fees * value,
            "pnl": standing.equity * value,
        }

    def _keep(self, entry: StormLogEntry) -> None:
        self.log.append(entry)
        if len(self.log) > LOG_LIMIT:
            del self.log[0]
            self.dropped += 1


def _entry_of(request: StormRequest, *, time_ns: int, started: bool, cause: str) -> StormLogEntry:
    return StormLogEntry(
        time_ns=time_ns,
        started=started,
        kind=request.kind,
        severity=request.severity_micro / MILLION,
        duration_ns=request.duration_ns,
        seed=request.seed,
        cause=cause,
        course=int(request.course),
        severity_to=request.severity_to_micro / MILLION,
        where=int(request.where),
    )
