"""What a fault of the venue is: hooks at the boundary, in force between its start and its end (stop 1b).

Like a storm it is started by the deck with a severity, a duration and a seed. Its draws come from a stream
of its own, one set per message or request whatever the severity, so that a more severe fault hits what a
milder one hits, and more. Severity 0 is never put in force: nothing differs, neither events nor what is told.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.broker.boundary import Boundary, Fault
from engine.broker.terms import BrokerRequest, CancelReplace, OpenAccount, PlaceList, PlaceOrder
from engine.core.rng import Stream, mix64
from engine.core.types import FaultKind
from engine.market.kernel import Kernel
from engine.storms.request import MILLION, StormRequest

__all__ = ["BurstFault", "VenueFault", "is_touched", "places_order"]

_STREAM_BASE = 0xFA17_0000_0000
_U64 = (1 << 64) - 1


def is_touched(request: BrokerRequest) -> bool:
    """Whether faults act on a request: an account that could not be opened would be lost to its session."""
    return not isinstance(request, OpenAccount)


def places_order(request: BrokerRequest) -> bool:
    """Whether a request would bring a new order."""
    return isinstance(request, PlaceOrder | PlaceList | CancelReplace)


class VenueFault(Fault):
    """One fault of the deck; a subclass implements hooks of Fault, or `enter` and `leave`."""

    kind: ClassVar[FaultKind]

    def __init__(
        self, *, boundary: Boundary, kernel: Kernel, seed: int, request: StormRequest, number: int = 0
    ) -> None:
        self.number = number
        """Which storm or fault of the session it is."""
        self.boundary = boundary
        self.kernel = kernel
        self.request = request
        self.severity_micro = request.severity_micro
        self.severity = self.severity_micro / MILLION
        self.name = f"fault.{self.kind.name.lower()}"
        """As messages that it changed carry it."""
        stream_id = mix64(mix64(_STREAM_BASE + self.kind) ^ request.seed)
        self.rng = Stream(seed, stream_id)
        self.key = mix64(mix64(seed & _U64) ^ stream_id)
        """Of its decisions about public updates, which follow from their numbers alone."""
        self.started_ns = kernel.now_ns
        self.ends_ns = self.started_ns + request.duration_ns
        self.active = True

    def run(self) -> None:
        """Come into force; severity 0 never does."""
        if self.severity_micro:
            self.boundary.add(self)
            self.enter()
            self.begin()

    def stop(self) -> None:
        """End now. What it has delayed is still told."""
        self.active = False
        if self.severity_micro:
            self.boundary.remove(self)
            self.leave()

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
            "draws": self.rng.count,
            "memory": self.memory(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, in force again."""
        self.started_ns, self.ends_ns = state["started_ns"], state["ends_ns"]
        self.rng.count = state["draws"]
        self.remember(state["memory"])
        if self.severity_micro:
            self.boundary.add(self)
            self.enter()

    def memory(self) -> Any:
        """What the subclass keeps, as JSON can hold it."""
        return None

    def remember(self, memory: Any) -> None:
        """Takes over what `memory` gave."""

    def begin(self) -> None:
        """The first act, once."""

    def enter(self) -> None:
        """Say at the boundary what holds while in force; draws nothing."""

    def leave(self) -> None:
        """Take back what `enter` said."""

    def scaled(self, most: int) -> int:
        """`most` x severity, rounded down."""
        return most * self.severity_micro // MILLION

    def jittered(self, mean_ns: int) -> int:
        """A draw within 25 % of a mean."""
        return mean_ns * 3 // 4 + self.rng.below(mean_ns // 2 + 1)

    def hits(self, number: int, share_micro: int) -> bool:
        """Whether a public update (or run of them) is among this share of all, by its number alone."""
        return mix64(self.key ^ number) * MILLION >> 64 < share_micro


class BurstFault(VenueFault):
    """A fault that comes and goes: bursts of severity x `period_ns`, pauses of (1 - severity) x `period_ns`,
    each with 25 % jitter. It begins with a burst; severity 1 is one burst without a pause."""

    period_ns: ClassVar[int]

    def __init__(
        self, *, boundary: Boundary, kernel: Kernel, seed: int, request: StormRequest, number: int = 0
    ) -> None:
        super().__init__(boundary=boundary, kernel=kernel, seed=seed, request=request, number=number)
        self.burst_until_ns = 0
        """0 = not in a burst."""

    def memory(self) -> Any:
        return self.burst_until_ns

    def remember(self, memory: Any) -> None:
        self.burst_until_ns = memory

    def begin(self) -> None:
        self._turn(self.kernel.now_ns, None)

    def enter(self) -> None:
        if self.burst_until_ns:
            self.turn_on()

    def leave(self) -> None:
        if self.burst_until_ns:
            self.burst_until_ns = 0
            self.turn_off()

    def strike(self) -> None:
        """What happens once at the beginning of each burst, before `turn_on`."""

    def turn_on(self) -> None:
        """Say at the boundary what holds during a burst."""
        raise NotImplementedError

    def turn_off(self) -> None:
        """Take that back."""
        raise NotImplementedError

    def _turn(self, now_ns: int, _payload: None) -> None:
        """From pause to burst, or from burst to pause."""
        if not self.active:
            return
        burst_ns = self.scaled(self.period_ns)
        if self.burst_until_ns:
            self.leave()
            next_ns = now_ns + max(1, self.jittered(self.period_ns - burst_ns))
        else:
            is_endless = self.severity_micro == MILLION
            next_ns = self.ends_ns if is_endless else now_ns + max(1, self.jittered(burst_ns))
            self.burst_until_ns = min(next_ns, self.ends_ns)
            self.boundary.note(self.name, "bursts")
            self.strike()
            self.turn_on()
        if next_ns < self.ends_ns:
            self.kernel.schedule(next_ns, self._turn, None)
