"""What every venue's messages become: four immutable events in the venue's own units, exact.

Stop on the data path: between a venue's wire format and the book rules (chain.py), the sources and the bus.
Invariants: prices are above zero and sizes not below it, finite, exactly as they were sent (Decimal keeps
the digits, which checksums need); a quote is never crossed; a missing time is None, never invented.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, TypeAlias

from engine.core.types import Side

__all__ = ["BookDelta", "BookL2", "Level", "MarketEvent", "Quote", "Trade"]

Level: TypeAlias = tuple[Decimal, Decimal]
"""(price, size); in a delta the size is the level's new total, 0 = the level is gone."""


class Trade(NamedTuple):
    """One execution."""

    venue: str
    symbol: str
    """As the venue writes it, in capitals."""
    exchange_time_ns: int | None
    """Unix time by the exchange; None where the message has none."""
    receive_time_ns: int
    """Unix time at which we got it."""
    price: Decimal
    size: Decimal
    """In the venue's unit: base currency on spot, contracts or quote currency on some futures."""
    aggressor_side: Side | None
    """BID: a buyer took asks. None: the venue does not say."""
    trade_id: str | None
    """Unique within the symbol; None where there is none."""
    previous_id: int | None = None
    """Only where ids of a symbol are integers that count up by one: the id of the trade before it in the
    stream, also of one that was left out on purpose; `trade_id - 1` unless one is missing."""


class Quote(NamedTuple):
    """Best bid and ask; a side that the venue does not have, or did not state, is None."""

    venue: str
    symbol: str
    exchange_time_ns: int | None
    receive_time_ns: int
    bid: Level | None
    ask: Level | None
    update_id: int | None = None
    """The book update that it belongs to, where the venue says."""


class BookL2(NamedTuple):
    """All levels that the venue shows (a snapshot): whatever was known before is forgotten."""

    venue: str
    symbol: str
    exchange_time_ns: int | None
    receive_time_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_id: int | None = None
    """The update that the snapshot contains last; None where the venue does not number them."""
    checksum: int | None = None
    """The venue's own checksum of the book after this message, unsigned 32 bits."""
    depth: int | None = None
    """Levels of a side beyond which the venue says nothing more, not even that a level is gone: after each
    delta the book must be cut there. None: deltas name every level that goes."""

    @property
    def is_snapshot(self) -> bool:
        """All levels, not changes."""
        return True

    @property
    def previous_id(self) -> None:
        """A snapshot follows nothing."""
        return None

    @property
    def first_id(self) -> int | None:
        """A snapshot stands at one update."""
        return self.last_id


class BookDelta(NamedTuple):
    """New totals of some levels."""

    venue: str
    symbol: str
    exchange_time_ns: int | None
    receive_time_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    previous_id: int | None = None
    """`last_id` of the update that must come directly before; None: this venue has no chain."""
    first_id: int | None = None
    last_id: int | None = None
    """First and last exchange update contained here; None where the venue does not number them."""
    checksum: int | None = None

    @property
    def is_snapshot(self) -> bool:
        """All levels, not changes."""
        return False


MarketEvent: TypeAlias = Trade | Quote | BookL2 | BookDelta
