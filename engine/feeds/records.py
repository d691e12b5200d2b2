"""What every feed becomes: three exact, immutable records.

Stop on the data path: between a feed's own format and the market. Invariant: prices are integer ticks,
quantities integer lots, and nothing was rounded on the way; `time_ns` never decreases within a source.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from engine.core.types import Side

__all__ = ["NO_ID", "WRONG_CHECKSUM", "DepthUpdate", "FeedRecord", "Level", "QuoteTick", "TradeTick"]

NO_ID = -1
"""In place of an id: the venue gives none."""
WRONG_CHECKSUM = -2
"""In place of a depth update's `previous_id`: the checksum that the venue states behind this update is not
that of the book; `first_id` is then the venue's checksum and `last_id` the book's."""

Level: TypeAlias = tuple[int, int]
"""(price_ticks, qty_lots); in a depth update the quantity is the level's new total, 0 = the level is gone."""


class DepthUpdate(NamedTuple):
    """New totals of some price levels, or of all of them."""

    time_ns: int
    """Local receive time, ns since the source's first record."""
    previous_id: int
    """`last_id` of the update that must come directly before: on Binance `pu` (futures) or `U - 1` (spot);
    0 in a snapshot, which follows nothing; NO_ID where the venue has no chain; or WRONG_CHECKSUM."""
    first_id: int
    """First exchange update contained here (`U`); in a snapshot the same as `last_id`; NO_ID: none given."""
    last_id: int
    """Last exchange update contained here (`u`, or the snapshot's `lastUpdateId`); NO_ID: none given."""
    exchange_time_ms: int
    """Unix time of the last contained change (`T`), where the exchange states it, else of sending (`E`);
    0 when it states neither (a spot snapshot)."""
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    is_snapshot: bool
    """True: these are all levels, and every other one is forgotten."""


class TradeTick(NamedTuple):
    """One execution on the exchange."""

    time_ns: int
    trade_id: int
    exchange_time_ms: int
    """Unix time of the execution (`T`)."""
    price_ticks: int
    qty_lots: int
    aggressor_side: Side
    """BID: a buyer took asks. ASK: a seller took bids."""
    previous_id: int
    """`trade_id` of the trade before it in the stream, whether that one is a record or was left out on
    purpose; `trade_id - 1` unless one is missing, or this one was there before. Where a venue's ids do not
    count by one, both are the source's own count."""


class QuoteTick(NamedTuple):
    """The exchange's own best bid and ask after update `update_id`; valid until the next quote's id."""

    time_ns: int
    update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


FeedRecord: TypeAlias = DepthUpdate | TradeTick | QuoteTick
