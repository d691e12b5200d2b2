"""The boundary between broker and gateways: the one place where venue faults act (stop 1b).

Whatever a bot hears of its orders passes `tell`; whatever it asks passes `delay_of` and `refuse`; public
updates ask `public_fate`. Without a fault in force, messages leave at once. A fault (storms/faults/) may
delay, drop or repeat them, refuse or delay requests, or say that public data stand still. It decides by its
own random stream and session time, so a run's replay tells the same lies at the same instants. Each message,
told or not, is one line (JSON), folded into `digest`; the recorder writes the lines to venue.jsonl: what was
told, beside what was true.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from itertools import islice
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
from engine.broker.witness import Witness
from engine.market.kernel import Kernel

__all__ = ["LATE_LIMIT", "TOLD_KEPT", "Boundary", "Fate", "Fault", "PublicFate"]

TOLD_KEPT = 50_000
"""Messages kept for gateways; one that falls further behind sees a gap and has to ask anew."""
LATE_LIMIT = 200_000
"""Messages under way, delayed by faults; further ones are lost."""
_KINDS: dict[str, type[Message]] = {
    kind.__name__: kind for kind in (Reply, OrderEvent, BalanceEvent, ListEvent)
}
_ENCODER = msgspec.json.Encoder()


class Fate(NamedTuple):
    """What a fault does to one message."""

    delays_ns: tuple[int, ...]
    """One copy after each delay; () = it is lost."""
    keeps_order: bool = True
    """Whether the first copy waits for the messages before it, and later ones wait for it, as on one
    connection. Further copies come when they come."""


class PublicFate(StrEnum):
    """What a fault does to one public update."""

    TELL = "tell"
    DROP = "drop"
    REPEAT = "repeat"
    """Told twice."""
    SWAP = "swap"
    """Told after its successor."""


class _Late(NamedTuple):
    """A message under way."""

    account: int
    happened_ns: int
    message: Message
    fault: str
    keeps_order: bool


class Fault:
    """A fault in force; the base class does nothing. Subclasses: storms/faults/."""

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

    def public_fate(self, number: int) -> PublicFate:
        """What becomes of the public update of this number: a function of it alone, from any thread."""
        return PublicFate.TELL


class Boundary:
    """Tells accounts what happened, as faults allow.

    Broker     tell delay_of refuse loses_reply
    Faults     add remove note; what they say of clock, service and connections as attributes
    Readers    deeds
    Gateways   told told_count on_told; public_fate is_stale; the attributes
    """

    owner_key = "boundary"

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.faults: tuple[Fault, ...] = ()
        """In force, oldest first."""
        self.clock_skew_ms = 0
        """By which the venue's clock is ahead."""
        self.is_down = False
        """Nobody answers."""
        self.market_open = True
        """False: no order is taken; open ones stay, and may be cancelled."""
        self.is_stale = False
        """Public data stand still: updates wait until it is over."""
        self.connections_lost = 0
        """How often all connections of bots were cut."""
        self.limited_until_ns = 0
        """Until this session time every request is refused for its rate; 0: not now."""
        self.is_banned = False
        """Whether that is a ban (418), not a limit (429)."""
        self.read_delay_ns = 0
        """By which answers to mere questions are late."""
        self.told_count = 0
        self.lost_count = 0
        """Messages that a fault kept from being told."""
        self.deeds: dict[str, dict[str, int]] = {}
        """What faults have done so far, by their name: late, lost, twice, refused … and how often."""
        self.digest = 0
        """Running digest of all lines; u64."""
        self.on_line: Callable[[bytes], None] | None = None
        """Hears of every line, for the recorder."""
        self.witness: Witness | None = None
        """Hears of everything that is asked, answered and told, and what is not."""
        self.on_told: Callable[[], None] | None = None
        """Called after something was told; must return at once."""
        self._told: deque[Told] = deque(maxlen=TOLD_KEPT)
        self._late: dict[int, _Late] = {}
        """Messages under way, by number."""
        self._late_count = 0
        self._queues: dict[int, tuple[int, int]] = {}
        """By account, of messages under way that keep order: when the last is due, and how many."""
        self._asked_until_ns: dict[int, int] = {}
        """By account: when the last of its delayed requests is due, their usual latency left out."""

    # -- gateways, from any thread ---------------------------------------------------------------------

    def told(self, since: int) -> tuple[Told, ...]:
        """Messages with sequence > since, oldest first."""
        asked = self.told_count - since
        while asked > 0:
            # Only what is new is copied, from the right.
            try:
                newest_first = tuple(islice(reversed(self._told), asked))
            except RuntimeError:  # more was told between the two calls
                continue
            later = newest_first[0].sequence - since if newest_first else 0
            if later <= len(newest_first) or len(newest_first) < asked:
                return newest_first[: max(0, later)][::-1]
            asked = later  # more was told meanwhile
        return ()

    def public_fate(self, number: int) -> PublicFate:
        """What becomes of the public update of this number: that of the first fault with a say.

        A function of the number and the faults in force, so it may be asked by anybody, any number of times.
        """
        for fault in self.faults:
            if (fate := fault.public_fate(number)) != PublicFate.TELL:
                return fate
        return PublicFate.TELL

    # -- faults ----------------------------------------------------------------------------------------

    def add(self, fault: Fault) -> None:
        """Puts a fault in force."""
        self.faults = (*self.faults, fault)

    def remove(self, fault: Fault) -> None:
        """Ends a fault; what it has delayed is still told when it is due."""
        self.faults = tuple(one for one in self.faults if one is not fault)

    def note(self, fault_name: str, deed: str) -> None:
        """A fault has done something once more."""
        deeds = self.deeds.setdefault(fault_name, {})
        deeds[deed] = deeds.get(deed, 0) + 1

    # -- broker ----------------------------------------------------------------------------------------

    def tell(self, account: int, message: Message) -> None:
        """Tells an account something that happens now."""
        now_ns = self._kernel.now_ns
        if not self.faults and account not in self._queues:
            self._deliver(account, now_ns, message, "", now_ns)
            return
        name, fate = self._fate(message)
        if not fate.delays_ns or len(self._late) >= LATE_LIMIT:
            self.lost_count += 1
            self._write_line(0, account, now_ns, None, message, name)
            self._miss(account, message, name)
            return
        for copy, delay_ns in enumerate(fate.delays_ns):
            late = _Late(account, now_ns, message, name, fate.keeps_order and copy == 0)
            if not self._send(late, now_ns + delay_ns) and copy == 0:
                self._miss(account, message, name)

    def delay_of(self, request: BrokerRequest) -> int:
        """How much longer a request is under way, ns. It waits for those before it."""
        account = request.account
        if not self.faults and account not in self._asked_until_ns:
            return 0
        now_ns = self._kernel.now_ns
        due_ns = now_ns
        for fault in self.faults:
            if delay_ns := fault.delay_ns(request):
                due_ns += delay_ns
                self.note(fault.name, "late")
        due_ns = max(due_ns, self._asked_until_ns.pop(account, 0))
        if due_ns > now_ns:
            self._asked_until_ns[account] = due_ns
        return due_ns - now_ns

    def refuse(self, request: BrokerRequest) -> Refusal:
        """The first reason of a fault against carrying out a request."""
        for fault in self.faults:
            if reason := fault.refuse(request):
                self.note(fault.name, "unanswered" if reason == Refusal.TIMEOUT_UNKNOWN else "refused")
                return reason
        return Refusal.NONE

    def loses_reply(self, request: BrokerRequest) -> bool:
        """Whether a fault keeps the outcome of a request from its sender."""
        for fault in self.faults:
            if fault.loses_reply(request):
                self.note(fault.name, "unanswered")
                return True
        return False

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "told": self.told_count,
            "lost": self.lost_count,
            "late": len(self._late),
            "late_limit": LATE_LIMIT,
            "kept": len(self._told),
            "limit": TOLD_KEPT,
            "faults": len(self.faults),
        }

    def _fate(self, message: Message) -> tuple[str, Fate]:
        """What all faults together do to a message, and their names."""
        names: list[str] = []
        delays_ns: tuple[int, ...] = (0,)
        keeps_order = True
        for fault in self.faults:
            fate = fault.fate(message)
            if fate is not None:
                names.append(fault.name)
                self._note_fate(fault.name, fate)
                delays_ns = tuple(one + more for one in delays_ns for more in fate.delays_ns)
                keeps_order = keeps_order and fate.keeps_order
        return "+".join(names), Fate(delays_ns, keeps_order)

    def _note_fate(self, fault_name: str, fate: Fate) -> None:
        if not fate.delays_ns:
            self.note(fault_name, "lost")
        elif len(fate.delays_ns) > 1:
            self.note(fault_name, "twice")
        else:
            self.note(fault_name, "late" if fate.delays_ns[0] else "unheard")

    def _miss(self, account: int, message: Message, name: str) -> None:
        if self.witness is not None:
            self.witness.missed(account, message, name)

    def _send(self, late: _Late, due_ns: int) -> bool:
        """Sends a message on its way. Returns whether it has arrived at once."""
        last_ns, waiting = self._queues.get(late.account, (0, 0)) if late.keeps_order else (0, 0)
        due_ns, now_ns = max(due_ns, last_ns), self._kernel.now_ns
        if due_ns <= now_ns and not waiting:
            self._deliver(*late[:4], now_ns)
            return True
        if late.keeps_order:
            self._queues[late.account] = (due_ns, waiting + 1)
        self._late_count += 1
        self._late[self._late_count] = late
        self._kernel.schedule(due_ns, self._come_due, self._late_count)
        return False

    def _come_due(self, now_ns: int, number: int) -> None:
        late = self._late.pop(number)
        if late.keeps_order:
            last_ns, waiting = self._queues.pop(late.account)
            if waiting > 1:
                self._queues[late.account] = (last_ns, waiting - 1)
        self._deliver(*late[:4], now_ns)

    def _deliver(self, account: int, happened_ns: int, message: Message, fault: str, now_ns: int) -> None:
        self.told_count += 1
        self._told.append(Told(self.told_count, account, happened_ns, now_ns, message, fault))
        self._write_line(self.told_count, account, happened_ns, now_ns, message, fault)
        if self.witness is not None:
            self.witness.told(account, message)
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
            [number, type(one.message).__name__, msgspec.to_builtins(one.message), *one[:2], *one[3:]]
            for number, one in self._late.items()
        ]
        return {
            "counts": [self.told_count, self.lost_count, self._late_count, self.connections_lost],
            "digest": self.digest,
            "deeds": {name: dict(deeds) for name, deeds in self.deeds.items()},
            "late": late,
            "queues": [[account, *queue] for account, queue in self._queues.items()],
            "asked": [list(item) for item in self._asked_until_ns.items()],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.told_count, self.lost_count, self._late_count, self.connections_lost = state["counts"]
        self.digest = state["digest"]
        self.deeds = {name: dict(deeds) for name, deeds in state["deeds"].items()}
        self._late = {
            number: _Late(account, happened_ns, msgspec.convert(body, _KINDS[kind]), fault, keeps_order)
            for number, kind, body, account, happened_ns, fault, keeps_order in state["late"]
        }
        self._queues = {account: (due_ns, waiting) for account, due_ns, waiting in state["queues"]}
        self._asked_until_ns = dict(state["asked"])
