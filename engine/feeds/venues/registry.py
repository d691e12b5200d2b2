"""All venues that are read, by name, and which one a capture is of.

Stop on the data path: where a source or a connection chooses its normaliser.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.feeds.venues.alpaca import Alpaca
from engine.feeds.venues.binance import Binance
from engine.feeds.venues.bitstamp import Bitstamp
from engine.feeds.venues.bybit import Bybit
from engine.feeds.venues.coinbase import Coinbase
from engine.feeds.venues.deribit import Deribit
from engine.feeds.venues.gemini import Gemini
from engine.feeds.venues.hyperliquid import Hyperliquid
from engine.feeds.venues.kraken import Kraken
from engine.feeds.venues.kucoin import Kucoin
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.okx import Okx

__all__ = ["VENUES", "guess_venue"]

_NORMALISERS: tuple[type[Normaliser], ...] = (
    Alpaca,
    Binance,
    Bitstamp,
    Bybit,
    Coinbase,
    Deribit,
    Gemini,
    Hyperliquid,
    Kraken,
    Kucoin,
    Okx,
)
VENUES: dict[str, type[Normaliser]] = {normaliser.venue: normaliser for normaliser in _NORMALISERS}
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
