"""What tests of normalisers share: taking JSON, and the rules that every event keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from engine.feeds.drops import DropReason
from engine.feeds.venues.events import BookDelta, BookL2, Level, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser

RECEIVED_NS = 1_700_000_000_123_456_789
SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"
CAPTURES = SHARED / "venue_ws_captures_2021"


def take(normaliser: Normaliser, message: Any, about: str = "") -> list[MarketEvent]:
    """The events of a message that is given as what its JSON means, or as text."""
    return normaliser.take(encoded(message), RECEIVED_NS, about)


def encoded(message: Any) -> bytes:
    """Its JSON, or the text itself."""
    return message if isinstance(message, bytes) else json.dumps(message).encode()


def reasons(normaliser: Normaliser) -> dict[DropReason, int]:
    """What was dropped."""
    return {drop.reason: drop.lines for drop in normaliser.drops}


def levels(*rows: tuple[str, str]) -> tuple[Level, ...]:
    """Levels from texts."""
    return tuple((Decimal(price), Decimal(size)) for price, size in rows)


def check_events(events: Iterable[MarketEvent]) -> None:
    """The invariants of events.py."""
    for event in events:
        assert event.exchange_time_ns is None or 0 < event.exchange_time_ns < 1 << 63
        assert event.symbol == event.symbol.upper()
        assert 0 < len(event.symbol) <= 64
        if isinstance(event, Trade):
            check_levels([(event.price, event.size)])
            assert event.trade_id is None or 0 < len(event.trade_id) <= 80
        elif isinstance(event, Quote):
            sides = [side for side in (event.bid, event.ask) if side is not None]
            assert sides
            check_levels(sides)
            assert event.bid is None or event.ask is None or event.bid[0] <= event.ask[0]
        else:
            assert isinstance(event, BookL2 | BookDelta)
            check_levels((*event.bids, *event.asks))
            ids = (event.last_id, event.previous_id)
            assert all(number is None or -1 <= number < 1 << 63 for number in ids)


def check_levels(rows: Iterable[Level]) -> None:
    """Prices above zero, sizes not below it, all finite and not absurd."""
    for price, size in rows:
        assert price.is_finite()
        assert size.is_finite()
        assert 0 < price < Decimal("1e30")
        assert 0 <= size < Decimal("1e30")
