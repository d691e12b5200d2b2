"""What orders go through, and the reports that tell their owners.

The one state machine. An order is a Message under way, then rests under a Ticket, and ends:

    under way ──► resting ──► resting with less ──► gone (filled | cancelled)
        │  └────────────────► gone (filled | cancelled: it traded, or expired, on arrival)
        └───────────────────► refused

Each edge is one function of matching.py and one kind of report. What is gone or refused stays so: its id
leaves the book, and requests that name it find nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["KIND_CODES", "REASON_CODES", "ExecutionReport", "Order", "Reason", "ReportKind"]


class Reason(StrEnum):
    """Why an order was refused or ended; one enum for gate and matching."""

    NONE = ""
    KILL_SWITCH = "kill_switch"
    QUANTITY = "quantity_out_of_range"
    PRICE = "price_out_of_range"
    TOO_MANY_ORDERS = "too_many_open_orders"
    POST_ONLY_WOULD_TRADE = "post_only_would_trade"
    FOK_UNFILLABLE = "fok_unfillable"
    NO_LIQUIDITY = "no_liquidity"
    IOC_REMAINDER = "ioc_remainder"
    SELF_TRADE = "self_trade_prevented"
    UNKNOWN_ORDER = "unknown_order"
    BY_OWNER = "by_owner"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    MALFORMED = "malformed"
    """What no sender can mean: an id that is taken, no side, no such account."""
    ORDER_RATE = "order_rate"
    POSITION = "position_limit"
    DAILY_LOSS = "daily_loss"
    ORDER_TO_TRADE = "order_to_trade"
    FEED_GAPS = "feed_gaps"
    CLOSED = "account_closed"
    """It may not trade, or not this symbol."""
    NOTIONAL = "notional_out_of_range"
    EXPOSURE = "exposure_limit"
    PRICE_COLLAR = "price_collar"


class ReportKind(StrEnum):
    """What an execution report tells."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REPLACED = "replaced"
    """A replace took effect, or a part was cancelled: `remaining_lots` says what is left."""
    REPLACE_REJECTED = "replace_rejected"
    """The order stays as it was."""


class ExecutionReport(NamedTuple):
    """One message to an order's owner. `sequence` is gap-free per account, from 1."""

    sequence: int
    time_ns: int
    account: int
    client_id: int
    order_id: int
    kind: str
    side: int
    price_ticks: int
    qty_lots: int
    """As ordered."""
    filled_lots_last: int
    """By this report."""
    fill_price_ticks: int
    """Of this fill, else 0."""
    remaining_lots: int
    reason: str
    fee: int
    """Of this fill, in millionths of tick-lots."""
    trade_id: int = 0
    """Of this fill, on the public tape; 0 when it is no fill."""
    is_maker: bool = False
    """Of a fill: whether this order was the resting one."""


class Order(NamedTuple):
    """A resting order at one time."""

    order_id: int
    account: int
    client_id: int
    side: int
    price_ticks: int
    qty_lots: int
    """As ordered."""
    remaining_lots: int
    time_in_force: int


REASON_CODES = {reason: code for code, reason in enumerate(Reason)}
"""Reasons as kernels write them."""
KIND_CODES = {kind: code for code, kind in enumerate(ReportKind)}
"""Kinds of report as kernels write them."""
