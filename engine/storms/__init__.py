"""Storms: seeded adversaries with accounts of their own, acting through real orders in the one book; their
harmless look-alikes, the decoys; and faults of the venue (faults/), which act at the boundary between bots
and their broker.

    request.py    what a storm is asked to be, and how people write it; script.py: many of them in a file
    base.py       what a storm is; one file each for the kinds
    accounts.py   whose account it trades from
    deck.py       starts, ends and remembers; recovery.py: when the market is itself again
    catalogue.py  the one table of all kinds
"""

from engine.storms.accounts import storm_account
from engine.storms.base import Storm
from engine.storms.catalogue import CATALOGUE, FAULTS, FaultEntry, StormEntry, entry_of
from engine.storms.deck import StormDeck
from engine.storms.request import ChaosKind, StormRequest, kind_of, parse_storm

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
    "storm_account",
]
