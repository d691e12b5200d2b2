"""What the desk says, as typed objects. Prices are whole ticks, quantities whole lots, times ns of session.

Every `*_ticks` has its exact decimal by `Instrument.price`; every `*_lots` by `Instrument.quantity`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

__all__ = [
    "Account",
    "Book",
    "End",
    "Hello",
    "Instrument",
    "Level",
    "Order",
    "Refused",
    "Report",
    "Step",
    "Word",
    "decode_word",
]

Side = Literal["buy", "sell"]


class Level(NamedTuple):
    """One price of one side."""

    price_ticks: int
    qty_lots: int
    orders: int


class Instrument(msgspec.Struct, frozen=True):
    """What is traded, and how its integers read as money."""

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    currency: str
    unit_lots: int
    """A usual order size here."""
    session_id: str

    def price(self, price_ticks: int) -> Decimal:
        """Ticks as an exact price."""
        return price_ticks * self.tick_size

    def quantity(self, qty_lots: int) -> Decimal:
        """Lots as an exact quantity."""
        return qty_lots * self.lot_size


class Order(msgspec.Struct):
    """An order of ours that has not ended, as far as reports tell."""

    client_id: int
    side: Side
    price_ticks: int | None
    """None: at market."""
    qty_lots: int
    remaining_lots: int
    order_id: int = 0
    """The market's; 0 until it is accepted."""


class Book(msgspec.Struct, frozen=True, tag_field="type", tag="book"):
    """The best levels of both sides, best first."""

    number: int
    time_ns: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    @property
    def best_bid(self) -> int | None:
        """Ticks; None on an empty side."""
        return self.bids[0].price_ticks if self.bids else None

    @property
    def best_ask(self) -> int | None:
        """Ticks; None on an empty side."""
        return self.asks[0].price_ticks if self.asks else None

    @property
    def is_two_sided(self) -> bool:
        """Whether somebody buys and somebody sells."""
        return bool(self.bids and self.asks)

    @property
    def twice_mid(self) -> int | None:
        """Best bid + best ask: twice the mid in ticks, so that half ticks stay exact."""
        return self.bids[0].price_ticks + self.asks[0].price_ticks if self.is_two_sided else None


class Report(msgspec.Struct, frozen=True, tag_field="type", tag="report"):
    """What happened to an order of ours."""

    sequence: int
    """Gap-free, from 1."""
    time_ns: int
    client_id: int
    order_id: int
    kind: str
    """accepted, partially_filled, filled, cancelled, rejected, replaced or replace_rejected."""
    side: Side
    price_ticks: int
    qty_lots: int
    """As ordered."""
    filled_lots_last: int
    """By this report."""
    fill_price_ticks: int
    remaining_lots: int
    reason: str
    """Why it was rejected or cancelled."""
    fee: int
    """Of this fill, in millionths of a tick times a lot."""

    @property
    def is_fill(self) -> bool:
        """Whether something was traded."""
        return self.filled_lots_last > 0

    @property
    def is_final(self) -> bool:
        """Whether the order has ended."""
        return self.kind in ("filled", "cancelled", "rejected")

    @property
    def signed_lots(self) -> int:
        """What this report adds to the position."""
        return self.filled_lots_last if self.side == "buy" else -self.filled_lots_last


class Account(msgspec.Struct, frozen=True):
    """Where the account stands."""

    position_lots: int
    pnl: float
    """Marked at mid, after fees, in the instrument's currency."""
    open_orders: int


class HelloAccount(msgspec.Struct, frozen=True):
    """The account in a greeting."""

    position_lots: int
    pnl: float
    orders: tuple[Order, ...]


class LockstepTerms(msgspec.Struct, frozen=True):
    """How a lockstep session moves."""

    interval_ns: int
    on_reports: bool
    next_client_id: int


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The greeting of a stream; another one in an open stream means another session."""

    session_id: str
    instrument: Instrument
    account: HelloAccount
    sequence: int
    """Reports follow after this one."""
    waits_for_client: bool = False
    """The session moves in lockstep."""
    lockstep: LockstepTerms | None = None


class Ack(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    """A request is on its way to the market."""


class Refused(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """A request was not taken."""

    code: str
    message: str


class Step(msgspec.Struct, frozen=True, tag_field="type", tag="step"):
    """A decision point: session time stands until it is answered."""

    step: int
    time_ns: int
    book: Book
    reports: tuple[Report, ...]
    """All since the last step."""
    account: Account


class End(msgspec.Struct, frozen=True, tag_field="type", tag="end"):
    """A lockstep session is over."""

    time_ns: int
    book: Book
    reports: tuple[Report, ...]
    account: Account
    verdict: str
    delta: float | None
    reason: str
    broken: str | None
    """Why it ended before its time."""
    event_digest: str
    run: str | None
    """Name of the recorded run."""


Word = Hello | Book | Report | Ack | Refused | Step | End
"""Everything that a stream says."""

decode_word = msgspec.json.Decoder[Word](Word).decode
