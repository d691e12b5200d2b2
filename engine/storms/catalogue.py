"""The catalogue: every storm, decoy and fault of the venue, what it does, and its page of the deck.

Who adds one adds a row here: deck, command line, help and run files read this table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from engine.core.types import FaultKind, StormKind
from engine.storms.base import Storm
from engine.storms.bleed import Bleed
from engine.storms.block import Block
from engine.storms.burst import Burst
from engine.storms.cancel_storm import CancelStorm
from engine.storms.churn import Churn
from engine.storms.crash import Crash
from engine.storms.drain import Drain
from engine.storms.fatfinger import FatFinger
from engine.storms.faults import messages, requests, service
from engine.storms.faults.base import VenueFault
from engine.storms.iceberg import Iceberg
from engine.storms.ignition import Ignition
from engine.storms.latarb import LatencyArbitrage
from engine.storms.news import News
from engine.storms.phantom import Phantom
from engine.storms.refill import Refill
from engine.storms.reprice import Reprice
from engine.storms.request import ChaosKind, is_decoy, name_of
from engine.storms.slices import Slices
from engine.storms.spoofing import Spoofing
from engine.storms.stoprun import StopRun
from engine.storms.stuffing import Stuffing

__all__ = [
    "CATALOGUE",
    "FAULTS",
    "PAGES",
    "PAGE_ENTRIES",
    "DeckPage",
    "FaultEntry",
    "Group",
    "StormEntry",
    "entry_of",
]

PAGE_ENTRIES = 8
"""On one page of the deck, at the most."""


class Group(StrEnum):
    """What belongs together, in the order of the deck's pages."""

    MARKET = "market"
    """Attackers with orders of their own in the book."""
    DECOYS = "decoys"
    """What looks like an attack and is none."""
    MESSAGES = "messages"
    """The venue tells late, not at all, twice, or out of order."""
    SERVICE = "service"
    """The venue refuses, or is not there."""


class StormEntry(NamedTuple):
    """One line of the catalogue."""

    storm: type[Storm]
    name: str
    """As on the command line."""
    short: str
    """As on the deck; at most 9 characters."""
    label: str
    """`kind` in run files (flowlab.md section 5)."""
    effect: str
    group: Group = Group.MARKET


class FaultEntry(NamedTuple):
    """One line of the table of faults. What severity means is in the class's docstring."""

    fault: type[VenueFault]
    name: str
    """As on the command line."""
    short: str
    """As on the deck; at most 9 characters."""
    label: str
    """`kind` in run files."""
    effect: str
    group: Group
    public_deed: str = ""
    """What it does to public updates, as the streams count it (broker/public_feed.py)."""


class DeckPage(NamedTuple):
    """What the digits arm while this page is open."""

    title: str
    kinds: tuple[ChaosKind, ...]
    """Digit 1 arms the first."""


_STORM_ROWS: tuple[tuple[type[Storm], str, str, str], ...] = (
    (Phantom, "PHANTOM", "PhantomLiquidity", "shows depth that vanishes when approached"),
    (CancelStorm, "CANCEL", "CancellationStorm", "orders and cancels by the hundred at the touch"),
    (Ignition, "IGNITION", "MomentumIgnition", "pushes the price, then unloads on who followed"),
    (Crash, "CRASH", "FlashCrash", "sells through the book and holds it down"),
    (LatencyArbitrage, "LAT-ARB", "LatencyArbProxy", "takes quotes that have not heard the news"),
    (Stuffing, "STUFFING", "QuoteStuffing", "thousands of orders a second that live a millisecond"),
    (Spoofing, "SPOOFING", "SpoofingLayering", "layers on one side, so that the other side trades"),
    (Drain, "DRAIN", "LiquidityDrain", "sweeps to and fro until the makers pull their quotes"),
    (StopRun, "STOP-RUN", "StopRunCascade", "pushes through levels, stops fire and carry it on"),
    (FatFinger, "FAT-FINGR", "FatFinger", "one enormous order at market, by mistake"),
    (Iceberg, "ICEBERG", "IcebergWall", "a wall of hidden size, refilled in the same instant"),
    (News, "NEWS", "NewsJump", "the value jumps, all quotes are wrong at once"),
    (Bleed, "BLEED", "SlowBleed", "small persistent selling below what is noticed"),
    (Churn, "CHURN", "DecoyMakerChurn", "an honest maker who replaces its quotes all the time"),
    (Burst, "BURST", "DecoyNoiseBurst", "many small trades at once, without direction"),
    (Reprice, "REPRICE", "DecoyRealRepricing", "news, and the price runs to where it belongs"),
    (Block, "BLOCK", "DecoyGenuineBlock", "one large order that is meant, and trades"),
    (Slices, "SLICES", "DecoyTwapChildren", "equal slices of a large order at equal times"),
    (Refill, "REFILL", "DecoySyntheticIceberg", "a tip that its owner refills some ms later"),
)
CATALOGUE: dict[StormKind, StormEntry] = {
    storm.kind: StormEntry(
        storm,
        name_of(storm.kind),
        short,
        label,
        effect,
        Group.DECOYS if is_decoy(storm.kind) else Group.MARKET,
    )
    for storm, short, label, effect in _STORM_ROWS
}

_FAULT_ROWS: tuple[tuple[type[VenueFault], str, str, str, Group], ...] = (
    (messages.Latency, "LATENCY", "VenueLatency", "requests, answers and events are seconds late",
     Group.MESSAGES),
    (messages.SlowAck, "SLOW-ACK", "SlowAcknowledgements", "answers come after the fills", Group.MESSAGES),
    (messages.Ghost, "GHOST", "GhostOrders", "execution reports are never told", Group.MESSAGES),
    (messages.Echo, "ECHO", "EchoedReports", "execution reports come twice", Group.MESSAGES),
    (messages.Reorder, "REORDER", "ReorderedMessages", "events and public updates overtake each other",
     Group.MESSAGES),
    (service.Stale, "STALE", "StaleFeed", "public data stand still, then catch up", Group.MESSAGES),
    (messages.Gap, "GAP", "FeedGap", "public updates are missing", Group.MESSAGES),
    (messages.Duplicate, "DUPLICATE", "DuplicateUpdates", "public updates come twice", Group.MESSAGES),
    (requests.Reject, "REJECT", "RejectedOrders", "new orders are refused without a reason", Group.SERVICE),
    (requests.Timeout, "TIMEOUT", "UnknownExecution", "answers are lost: carried out, or not", Group.SERVICE),
    (service.Limit, "LIMIT", "RateLimit", "bursts of 429, of 418 when severe", Group.SERVICE),
    (service.Disconnect, "CUT-OFF", "Disconnects", "all connections are cut, again and again", Group.SERVICE),
    (service.Skew, "SKEW", "ClockSkew", "the venue's clock is wrong", Group.SERVICE),
    (service.Halt, "HALT", "TradingHalt", "no new order is taken, then trading resumes", Group.SERVICE),
    (service.Down, "DOWN", "VenueDown", "nobody answers; orders stay in the market", Group.SERVICE),
)  # fmt: skip
_PUBLIC = {
    FaultKind.REORDER: "swapped",
    FaultKind.STALE: "held",
    FaultKind.GAP: "dropped",
    FaultKind.DUPLICATE: "repeated",
}
FAULTS: dict[FaultKind, FaultEntry] = {
    fault.kind: FaultEntry(
        fault, name_of(fault.kind), short, label, effect, group, _PUBLIC.get(fault.kind, "")
    )
    for fault, short, label, effect, group in _FAULT_ROWS
}


def entry_of(kind: ChaosKind) -> StormEntry | FaultEntry:
    """The line of a storm or fault."""
    return CATALOGUE[kind] if isinstance(kind, StormKind) else FAULTS[kind]


def _pages() -> tuple[DeckPage, ...]:
    """Each group on pages of its own, equally long."""
    every: list[ChaosKind] = [*CATALOGUE, *FAULTS]
    pages: list[DeckPage] = []
    for group in Group:
        kinds = [kind for kind in every if entry_of(kind).group is group]
        count = -(-len(kinds) // PAGE_ENTRIES)
        for number in range(count):
            first, last = (len(kinds) * n // count for n in (number, number + 1))
            title = group.value if count == 1 else f"{group.value} {number + 1}"
            pages.append(DeckPage(title, tuple(kinds[first:last])))
    return tuple(pages)


PAGES = _pages()
"""Pages of the deck, in their order."""
