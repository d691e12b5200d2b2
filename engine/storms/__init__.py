"""Storms: seeded adversaries with accounts of their own, acting through real orders in the one book."""

from engine.storms.base import Storm, StormRequest, parse_storm
from engine.storms.catalogue import CATALOGUE, StormEntry
from engine.storms.deck import StormDeck

__all__ = ["CATALOGUE", "Storm", "StormDeck", "StormEntry", "StormRequest", "parse_storm"]
