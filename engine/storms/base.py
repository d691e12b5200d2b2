"""What a storm is: an attacker that acts in steps between its start and its end.

A storm is an agent with its own account, so its orders, inventory and cost are in the ledger like
everybody's. Its sizes scale with the depth it finds, so the same severity means the same on any market.
Severity 0 sends nothing: the event digest equals that of a run without a storm.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, NamedTuple

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.durations import parse_duration_ns
from engine.core.errors import StormError
from engine.core.rng import Stream, mix64
from engine.core.types import Account, FaultKind, Side, StormKind, TimeInForce
from engine.market.exchange import Exchange
from engine.market.orders import Order

__all__ = ["MAX_DURATION_S", "MIN_DURATION_S", "ChaosKind", "Storm", "StormRequest", "kind_of", "parse_storm"]

MIN_DURATION_S = 5
MAX_DURATION_S = 120
MILLION = 1_000_000
_STREAM_BASE = 0x5709_0000_0000
NEAR_SHARE = 1_000
"""A level is near the touch within this part of the best price: ten cents at 100."""
DEPTH_LEVELS = 10


ChaosKind = StormKind | FaultKind
"""What the deck starts: a storm in the market, or a fault of the venue."""
_FAULT_PREFIX = "fault."


def kind_of(number: int) -> ChaosKind:
    """The storm or fault of this number. Raises StormError."""
    if number in tuple(StormKind):
        return StormKind(number)
    if number in tuple(FaultKind):
        return FaultKind(number)
    raise StormError(
        f"storm {number} is unknown: use 1 to {max(StormKind)}, "
        f"or a fault, {min(FaultKind)} to {max(FaultKind)}"
    )


def _named(name: str) -> ChaosKind | None:
    """`crash`, `fault.latency`; None for any other name."""
    kinds: type[StormKind] | type[FaultKind] = FaultKind if name.startswith(_FAULT_PREFIX) else StormKind
    return kinds.__members__.get(name.removeprefix(_FAULT_PREFIX).upper())


class StormRequest(NamedTuple):
    """A storm or fault as asked for; `checked()` refuses what is out of range."""

    kind: ChaosKind
    severity: float
    duration_s: float
    seed: int = 0
    start_ns: int = 0
    """Session time of its start, for scheduled storms."""

    def checked(self) -> StormRequest:
        """Itself, when legal. Raises StormError."""
        if not 0.0 <= self.severity <= 1.0:  # refuses NaN too
            raise StormError(f"storm severity {self.severity} is out of range: use 0 (no-op) to 1")
        if not MIN_DURATION_S <= self.duration_s <= MAX_DURATION_S:
            raise StormError(
                f"storm duration {self.duration_s:g}s is out of range: "
                f"use {MIN_DURATION_S}s to {MAX_DURATION_S}s"
            )
        if not 0 <= self.seed < 1 << 63:
            raise StormError(f"storm seed {self.seed} is out of range: use 0 to 2^63-1")
        if self.start_ns < 0:
            raise StormError("a storm cannot start before the session")
        return self

    @property
    def severity_micro(self) -> int:
        """Severity in millionths, as journaled."""
        return round(self.severity * MILLION)

    @property
    def duration_ns(self) -> int:
        """Duration in ns."""
        return round(self.duration_s * NS_PER_S)


def parse_storm(text: str) -> StormRequest:
    """`KIND@START:SEVERITYxDURATION`: `crash@20s:0.8x15s`, `fault.ghost@5s:0.3x1m`. Raises StormError."""
    match = re.fullmatch(r"((?:fault\.)?[a-z]+)@([^:]+):([^x]+)x(.+)", text)
    if match is None:
        raise StormError(f"{text!r} is not a storm: write KIND@START:SEVERITYxDURATION, as crash@20s:0.8x15s")
    name, start, severity, duration = match.groups()
    kind = _named(name)
    if kind is None:
        storms = ", ".join(known.name.lower() for known in StormKind)
        faults = ", ".join(_FAULT_PREFIX + known.name.lower() for known in FaultKind)
        raise StormError(f"unknown storm {name!r} in {text!r}: use one of {storms}, or a fault: {faults}")
    try:
        request = StormRequest(
            kind=kind,
            severity=float(severity),
            duration_s=parse_duration_ns(duration) / NS_PER_S,
            start_ns=parse_duration_ns(start),
        )
    except ValueError as error:
        raise StormError(f"storm {text!r}: {error}") from error
    return request.checked()


class Storm:
    """One running storm; a subclass implements `step`, and `begin` where it needs a first look."""

    kind: ClassVar[StormKind]
    step_ms: ClassVar[int] = 100
    """Time between steps, +-10 %."""
    latency_ns: ClassVar[int] = 200_000

    def __init__(
        self, *, exchange: Exchange, seed: int, request: StormRequest, lead_ticks: LeadPrice, number: int = 0
    ) -> None:
        self.number = number
        """Which storm of the session it is."""
        self.exchange = exchange
        self.request = request
        self.severity = request.severity_micro / MILLION
        self.account = Account.FIRST_STORM + request.kind
        self.rng = Stream(seed, mix64(mix64(_STREAM_BASE + request.kind) ^ request.seed))
        self.lead = lead_ticks
        self.started_ns = exchange.kernel.now_ns
        self.ends_ns = self.started_ns + request.duration_ns
        self.active = True
        self.base_depth_lots = self._mean_side_depth()
        """Mean depth of a side near the touch when the storm began: the yardstick of all sizes."""

    def run(self) -> None:
        """Start stepping; severity 0 never does."""
        if self.request.severity_micro:
            self.begin()
            self._schedule()

    def stop(self) -> None:
        """End now: no further step, resting orders cancelled."""
        self.active = False
        if self.request.severity_micro:
            self.exchange.send_cancel_all(account=self.account, latency_ns=self.latency_ns)

    @property
    def owner_key(self) -> str:
        """Its name in snapshots."""
        return f"storm:{self.number}"

    def state(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on with it."""
        return {
            "request": list(self.request),
            "number": self.number,
            "started_ns": self.started_ns,
            "ends_ns": self.ends_ns,
            "base_depth_lots": self.base_depth_lots,
            "draws": self.rng.count,
            "memory": self.memory(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.started_ns, self.ends_ns = state["started_ns"], state["ends_ns"]
        self.base_depth_lots = state["base_depth_lots"]
        self.rng.count = state["draws"]
        self.remember(state["memory"])

    def memory(self) -> Any:
        """What the subclass keeps between steps, as JSON can hold it."""
        return None

    def remember(self, memory: Any) -> None:
        """Takes over what `memory` gave."""

    def begin(self) -> None:
        """First look, before the first step."""

    def step(self, now_ns: int) -> None:
        """Act once."""
        raise NotImplementedError

    @property
    def progress(self) -> float:
        """Share of its duration that has passed, 0 to 1."""
        return (self.exchange.kernel.now_ns - self.started_ns) / (self.ends_ns - self.started_ns)

    def _schedule(self) -> None:
        step_ns = self.step_ms * NS_PER_MS
        delay_ns = step_ns * 9 // 10 + self.rng.below(step_ns // 5)
        self.exchange.kernel.schedule(self.exchange.kernel.now_ns + delay_ns, self._wake, None)

    def _wake(self, now_ns: int, _payload: None) -> None:
        if self.active:
            self.step(now_ns)
            self._schedule()

    def _mean_side_depth(self) -> int:
        return max(2, sum(self._side_depth(side) for side in Side) // 2)

    def _side_depth(self, side: Side) -> int:
        """Of the best ten levels; where ticks are fine, of all within 0.1 % of the best."""
        book = self.exchange.book
        best = book.best_bid if side == Side.BID else book.best_ask
        near = 0 if best is None else book.lots_within(side, best // NEAR_SHARE)
        return max(near, book.depth(side, DEPTH_LEVELS))

    # -- what subclasses act with ----------------------------------------------------------------------

    @property
    def position_lots(self) -> int:
        """The attacker's inventory."""
        return self.exchange.ledger.position(self.account)

    @property
    def open_orders(self) -> dict[int, Order]:
        """The attacker's resting orders, oldest first."""
        return self.exchange.open_orders(self.account)

    def scaled(self, multiple: float) -> int:
        """`multiple` x severity of the base depth, in lots, at least 1."""
        return max(1, int(self.base_depth_lots * self.severity * multiple))

    def level_prices(self, side: int, count: int) -> list[int]:
        """Prices of the best `count` levels of a side, best first."""
        return [level.price_ticks for level in self.exchange.book.levels(side, count)]

    def take(self, side: int, qty_lots: int, *, limit_ticks: int = 0) -> None:
        """Trade at once, up to a limit price (0: any)."""
        self._send(side, limit_ticks, qty_lots, TimeInForce.IOC)

    def show(self, side: int, price_ticks: int, qty_lots: int) -> None:
        """Rest an order, or not at all: it may not trade on arrival."""
        if price_ticks > 0:
            self._send(side, price_ticks, qty_lots, TimeInForce.POST_ONLY)

    def cancel(self, order_id: int) -> None:
        """Cancel one of its orders."""
        self.exchange.send_cancel(account=self.account, order_id=order_id, latency_ns=self.latency_ns)

    def _send(self, side: int, price_ticks: int, qty_lots: int, time_in_force: TimeInForce) -> None:
        self.exchange.send(
            account=self.account,
            side=side,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            time_in_force=time_in_force,
            latency_ns=self.latency_ns,
        )


class LeadPrice:
    """A faster venue's price, for storms that know it; None when there is none.

    In the simulated market it is the fundamental; in a replayed one, the exchange's own mid a little
    ahead (a faster line to the same place).
    """

    def ticks(self, now_ns: int) -> float | None:
        """The lead price at now_ns."""
        return None
