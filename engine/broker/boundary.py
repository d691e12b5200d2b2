"""The boundary between broker and gateways: the one place where venue faults act (stop 1b).

Whatever a bot hears of its orders passes `tell`; whatever it asks passes `delay_of` and `refuse`. Without a
fault in force, messages leave at once. A fault may delay, drop or repeat them, refuse or delay requests, or
say that public data stand still. It decides by its own random stream and session time, so a run's replay
tells the same lies at the same instants. Each message, told or not, is one line (JSON), folded into
`digest`; the recorder writes the lines to venue.jsonl: what was told, beside what was true.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import xxhash

from engine.broker.terms import (
    BalanceEvent,
    BrokerRequest,
    ListEvent,
    Message,
    OrderEvent,
    Refusal,
    Reply,
    Told,
)
from engine.market.kernel import Kernel

__all__ = ["TOLD_KEPT", "Boundary", "Fate", "Fault"]

TOLD_KEPT = 50_000
"""Messages kept for gateways; one that falls further behind sees a gap and has to ask anew."""
_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Reply, OrderEvent, BalanceEvent, ListEvent)
}
_ENCODER = msgspec.json.Encoder()


class Fate(NamedTuple):
    """What a fault does to one message."""

    delays_ns: tuple[int, ...]
    """One copy after each delay; () = it is lost."""
    keeps_order: bool = True
    """Whether later messages wait for this one, as on one connection."""


class Fault:
    """A fault in force; the base class does nothing. Subclasses: storms/faults.py."""

    name = ""

    def delay_ns(self, request: BrokerRequest) -> int:
        """How much longer this request is under way."""
        return 0

    def refuse(self, request: BrokerRequest) -> Refusal:
        """Why this request is not carried out; NONE: it is."""
        return Refusal.NONE

    def loses_reply(self, request: BrokerRequest) -> bool:
        """Whether the request is carried out, but answered with TIMEOUT_UNKNOWN."""
        return False

    def fate(self, message: Message) -> Fate | None:
        """What becomes of a message; None: nothing happens to it."""
        return None


class Boundary:
    """Tells accounts what happened, as faults allow.

    Broker     tell delay_of refuse loses_reply
    Faults     add remove; skew, outage and public data as attributes
    Gateways   told told_count on_told
    """

    owner_key = "boundary"

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.faults: list[Fault] = []
        self.clock_skew_ms = 0
        """By which the venue's clock is ahead."""
        self.is_down = False
        """Nobody answers."""
        self.market_open = True
        self.connections_lost = 0
        """How often all connections of bots were cut."""
        self.limited_until_ns = 0
        """Until this wall time (ns since 1970) every request is answered with 429."""
        self.read_delay_ns = 0
        """By which answers to mere questions are late."""
        self.told_count = 0
        self.lost_count = 0
        """Messages that a fault kept from being told."""
        self.digest = 0
        """Running digest of all lines; u64."""
        self.on_line: Callable[[bytes], None] | None = None
        """Hears of every line, for the recorder."""
        self.on_told: Callable[[], None] | None = None
        """Called after something was told; must return at once."""
        self._told: deque[Told] = deque(maxlen=TOLD_KEPT)
        self._late: dict[int, tuple[int, int, Message, str]] = {}
        """Messages under way: number -> account, happened_ns, message, fault."""
        self._late_count = 0
        self._busy_until_ns: dict[int, int] = {}
        """When the last message of an account that keeps order will have been told."""

    # -- gateways, from any thread ---------------------------------------------------------------------

    def told(self, since: int) -> tuple[Told, ...]:
        """Messages with sequence > since, oldest first."""
        kept = tuple(self._told)
        later = kept[-1].sequence - since if kept else 0
        return kept[-later:] if later > 0 else ()

    # -- broker ----------------------------------------------------------------------------------------

    def tell(self, account: int, message: Message) -> None:
        """Tells an account something that happens now."""
        now_ns = self._kernel.now_ns
        if not self.faults and account not in self._busy_until_ns:
            self._deliver(account, now_ns, message, "")
            return
        name, fate = "", None
        for fault in self.faults:
            fate = fault.fate(message)
            if fate is not None:
                name = fault.name
                break
        if fate is None:
            fate = Fate((0,))
        if not fate.delays_ns:
            self.lost_count += 1
            self._write_line(0, account, now_ns, None, message, name)
        for delay_ns in fate.delays_ns:
            self._send(account, now_ns, now_ns + delay_ns, message, name, keeps_order=fate.keeps_order)

    def delay_of(self, request: BrokerRequest) -> int:
        """How much longer a request is under way, ns."""
        return sum(fault.delay_ns(request) for fault in self.faults)

    def refuse(self, request: BrokerRequest) -> Refusal:
        """The first reason of a fault against carrying out a request."""
        for fault in self.faults:
            if reason := fault.refuse(request):
                return reason
        return Refusal.NONE

    def loses_reply(self, request: BrokerRequest) -> bool:
        """Whether a fault keeps the outcome of a request from its sender."""
        return any(fault.loses_reply(request) for fault in self.faults)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "told": self.told_count,
            "lost": self.lost_count,
            "late": len(self._late),
            "kept": len(self._told),
            "limit": TOLD_KEPT,
            "faults": len(self.faults),
        }

    def _send(
        self, account: int, happened_ns: int, due_ns: int, message: Message, fault: str, *, keeps_order: bool
    ) -> None:
        now_ns = self._kernel.now_ns
        if keeps_order:
            due_ns = max(due_ns, self._busy_until_ns.get(account, 0))
        if due_ns <= now_ns:
            self._busy_until_ns.pop(account, None)
            self._deliver(account, happened_ns, message, fault)
            return
        if keeps_order:
            self._busy_until_ns[account] = due_ns
        self._late_count += 1
        self._late[self._late_count] = (account, happened_ns, message, fault)
        self._kernel.schedule(due_ns, self._come_due, self._late_count)

    def _come_due(self, now_ns: int, number: int) -> None:
        account, happened_ns, message, fault = self._late.pop(number)
        if self._busy_until_ns.get(account) == now_ns:
            del self._busy_until_ns[account]
        self._deliver(account, happened_ns, message, fault)

    def _deliver(self, account: int, happened_ns: int, message: Message, fault: str) -> None:
        now_ns = self._kernel.now_ns
        self.told_count += 1
        self._told.append(Told(self.told_count, account, happened_ns, now_ns, message, fault))
        self._write_line(self.told_count, account, happened_ns, now_ns, message, fault)
        if self.on_told is not None:
            self.on_told()

    def _write_line(
        self, sequence: int, account: int, happened_ns: int, told_ns: int | None, message: Message, fault: str
    ) -> None:
        line = _ENCODER.encode(
            {
                "seq": sequence,
                "account": account,
                "happened_ns": happened_ns,
                "told_ns": told_ns,
                "fault": fault,
                "kind": type(message).__name__,
                "message": message,
            }
        )
        self.digest = xxhash.xxh3_64_intdigest(line, self.digest)
        if self.on_line is not None:
            self.on_line(line)

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that an image needs; faults in force are their storms' business."""
        late = [
            [number, account, happened_ns, type(message).__name__, msgspec.to_builtins(message), fault]
            for number, (account, happened_ns, message, fault) in self._late.items()
        ]
        return {
            "counts": [self.told_count, self.lost_count, self._late_count, self.connections_lost],
            "digest": self.digest,
            "late": late,
            "busy": [list(item) for item in self._busy_until_ns.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.told_count, self.lost_count, self._late_count, self.connections_lost = state["counts"]
        self.digest = state["digest"]
        self._late = {
            number: (account, happened_ns, msgspec.convert(body, _KINDS[kind]), fault)
            for number, account, happened_ns, kind, body, fault in state["late"]
        }
        self._busy_until_ns = dict(state["busy"])
