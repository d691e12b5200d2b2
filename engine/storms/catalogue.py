"""The catalogue: every storm and every fault of the venue with its class and what it does, in two tables."""

from __future__ import annotations

from typing import NamedTuple

from engine.core.types import FaultKind, StormKind
from engine.storms.base import ChaosKind, Storm
from engine.storms.cancel_storm import CancelStorm
from engine.storms.crash import Crash
from engine.storms.faults import messages, requests, service
from engine.storms.faults.base import VenueFault
from engine.storms.ignition import Ignition
from engine.storms.latarb import LatencyArbitrage
from engine.storms.phantom import Phantom

__all__ = ["CATALOGUE", "FAULTS", "FaultEntry", "StormEntry", "entry_of"]


class StormEntry(NamedTuple):
    """One line of the catalogue."""

    storm: type[Storm]
    name: str
    """As on the command line."""
    label: str
    """As on the deck, and `kind` in run files (flowlab.md section 5)."""
    effect: str


class FaultEntry(NamedTuple):
    """One line of the table of faults. What severity means is in the class's docstring."""

    fault: type[VenueFault]
    name: str
    """As on the command line."""
    label: str
    """`kind` in run files."""
    effect: str


CATALOGUE: dict[StormKind, StormEntry] = {
    StormKind.PHANTOM: StormEntry(
        Phantom, "phantom", "PhantomLiquidity", "shows depth that vanishes when approached"
    ),
    StormKind.CANCEL: StormEntry(
        CancelStorm, "cancel", "CancellationStorm", "orders and cancels by the hundred at the touch"
    ),
    StormKind.IGNITION: StormEntry(
        Ignition, "ignition", "MomentumIgnition", "pushes the price, then unloads on who followed"
    ),
    StormKind.CRASH: StormEntry(Crash, "crash", "FlashCrash", "sells through the book and holds it down"),
    StormKind.LATARB: StormEntry(
        LatencyArbitrage, "latarb", "LatencyArbProxy", "takes quotes that have not heard the news"
    ),
}

_FAULT_ROWS: tuple[tuple[type[VenueFault], str, str], ...] = (
    (messages.Latency, "VenueLatency", "requests, answers and events are seconds late"),
    (service.Stale, "StaleFeed", "public data stand still, then catch up"),
    (messages.Gap, "FeedGap", "public updates are missing"),
    (messages.Duplicate, "DuplicateUpdates", "public updates come twice"),
    (messages.Reorder, "ReorderedMessages", "events and public updates overtake each other"),
    (messages.Ghost, "GhostOrders", "execution reports are never told"),
    (messages.Echo, "EchoedReports", "execution reports come twice"),
    (requests.Reject, "RejectedOrders", "new orders are refused without a reason"),
    (requests.Timeout, "UnknownExecution", "answers are lost: carried out, or not"),
    (service.Limit, "RateLimit", "bursts of 429, of 418 when severe"),
    (service.Disconnect, "Disconnects", "all connections are cut, again and again"),
    (messages.SlowAck, "SlowAcknowledgements", "answers come after the fills"),
    (service.Skew, "ClockSkew", "the venue's clock is wrong"),
    (service.Halt, "TradingHalt", "no new order is taken, then trading resumes"),
    (service.Down, "VenueDown", "nobody answers; orders stay in the market"),
)
FAULTS: dict[FaultKind, FaultEntry] = {
    fault.kind: FaultEntry(fault, f"fault.{fault.kind.name.lower()}", label, effect)
    for fault, label, effect in _FAULT_ROWS
}


def entry_of(kind: ChaosKind) -> StormEntry | FaultEntry:
    """The line of a storm or fault."""
    return CATALOGUE[kind] if isinstance(kind, StormKind) else FAULTS[kind]
