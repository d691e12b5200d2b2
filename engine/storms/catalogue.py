"""The catalogue: every storm with its class and what it does, in one table."""

from __future__ import annotations

from typing import NamedTuple

from engine.core.types import StormKind
from engine.storms.base import Storm
from engine.storms.cancel_storm import CancelStorm
from engine.storms.crash import Crash
from engine.storms.ignition import Ignition
from engine.storms.latarb import LatencyArbitrage
from engine.storms.phantom import Phantom

__all__ = ["CATALOGUE", "StormEntry"]


class StormEntry(NamedTuple):
    """One line of the catalogue."""

    storm: type[Storm]
    name: str
    """As on the command line."""
    label: str
    """As on the deck, and `kind` in run files (flowlab.md section 5)."""
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
