"""Storms: seeded adversaries with accounts of their own, acting through real orders in the one book; and
faults of the venue (faults/), which act at the boundary between bots and their broker."""

from engine.storms.base import ChaosKind, Storm, StormRequest, kind_of, parse_storm
from engine.storms.catalogue import CATALOGUE, FAULTS, FaultEntry, StormEntry, entry_of
from engine.storms.deck import StormDeck

__all__ = [
    "CATALOGUE",
    "FAULTS",
    "ChaosKind",
    "FaultEntry",
    "Storm",
    "StormDeck",
    "StormEntry",
    "StormRequest",
    "entry_of",
    "kind_of",
    "parse_storm",
]
