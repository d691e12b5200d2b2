"""All venues that are read, by name, and which one a capture is of.

Stop on the data path: where a source or a connection chooses its normaliser. A venue's module is imported
when it is asked for: all of them build their decoders, which no simulated market needs to wait for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module

from engine.feeds.venues.normaliser import Normaliser

__all__ = ["VENUES", "guess_venue"]

_CLASSES = {
    "alpaca": "Alpaca",
    "binance": "Binance",
    "bitstamp": "Bitstamp",
    "bybit": "Bybit",
    "coinbase": "Coinbase",
    "deribit": "Deribit",
    "gemini": "Gemini",
    "hyperliquid": "Hyperliquid",
    "kraken": "Kraken",
    "kucoin": "Kucoin",
    "okx": "Okx",
}
"""The name of the normaliser by that of the venue, which is its module's too."""


class _Venues(Mapping[str, type[Normaliser]]):
    """Imports a venue's module when it is looked up."""

    def __getitem__(self, venue: str) -> type[Normaliser]:
        name = _CLASSES[venue]
        normaliser: type[Normaliser] = getattr(import_module(f"engine.feeds.venues.{venue}"), name)
        return normaliser

    def __contains__(self, venue: object) -> bool:
        return venue in _CLASSES

    def __iter__(self) -> Iterator[str]:
        return iter(_CLASSES)

    def __len__(self) -> int:
        return len(_CLASSES)


VENUES: Mapping[str, type[Normaliser]] = _Venues()
"""The normaliser of each venue."""

DECISIVE_MESSAGES = 64
"""Messages that are looked at together; further ones only where no venue recognised any of these."""


def guess_venue(messages: Sequence[bytes]) -> str | None:
    """The venue whose messages these are, by their content: the one that recognises most of the first ones
    that any venue recognises. None when no venue does, or two equally many."""
    for start in range(0, len(messages), DECISIVE_MESSAGES):
        texts = messages[start : start + DECISIVE_MESSAGES]
        counts = [(sum(map(normaliser.recognises, texts)), venue) for venue, normaliser in VENUES.items()]
        (most, venue), (second, _) = sorted(counts, reverse=True)[:2]
        if most:
            return venue if most > second else None
    return None
