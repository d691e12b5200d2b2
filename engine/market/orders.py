"""Orders, their one state machine, and the reports that tell their owners what happened.

PENDING_NEW ──► OPEN ──► PARTIALLY_FILLED ──► FILLED
     │            └────────────┴────────────► CANCELLED
     ├──► FILLED | PARTIALLY_FILLED | CANCELLED   (it traded, or expired, on arrival)
     └──► REJECTED
FILLED, CANCELLED and REJECTED are final: they absorb everything.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from engine.core.types import TimeInForce

__all__ = ["ExecutionReport", "Order", "OrderStatus", "Reason", "ReportKind", "SelfTradePrevention"]


class OrderStatus(IntEnum):
    """Where an order stands."""

    PENDING_NEW = 0
    OPEN = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELLED = 4
    REJECTED = 5


_LEGAL: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING_NEW: frozenset(OrderStatus) - {OrderStatus.PENDING_NEW},
    OrderStatus.OPEN: frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELLED}),
    OrderStatus.PARTIALLY_FILLED: frozenset(
        {OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELLED}
    ),
    OrderStatus.FILLED: frozenset(),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.REJECTED: frozenset(),
}


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


class SelfTradePrevention(IntEnum):
    """What happens when an account would trade with itself."""

    NONE = 0
    """It trades with itself (HISTORY: different participants of the recorded day)."""
    CANCEL_RESTING = 1
    """Its resting order is cancelled, the newcomer goes on."""
    CANCEL_INCOMING = 2
    """The newcomer's remainder is cancelled."""


class ReportKind(StrEnum):
    """What an execution report tells."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REPLACED = "replaced"


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


class Order:
    """One order's life. `remaining_lots` falls, but for a replace; `status` moves along the legal edges."""

    __slots__ = (
        "account",
        "client_id",
        "order_id",
        "price_ticks",
        "qty_lots",
        "remaining_lots",
        "side",
        "status",
        "time_in_force",
    )

    def __init__(
        self,
        *,
        order_id: int,
        account: int,
        client_id: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        time_in_force: int = TimeInForce.GTC,
    ) -> None:
        self.order_id = order_id
        self.account = account
        self.client_id = client_id
        self.side = side
        self.price_ticks = price_ticks
        """0 = market order."""
        self.qty_lots = qty_lots
        self.remaining_lots = qty_lots
        self.time_in_force = time_in_force
        self.status = OrderStatus.PENDING_NEW

    def move(self, status: OrderStatus) -> None:
        """Change state; an illegal edge is a defect of ours."""
        assert status in _LEGAL[self.status], f"order {self.order_id}: {self.status!r} -> {status!r}"
        self.status = status

    def fill(self, qty_lots: int) -> None:
        """Take an execution of qty_lots."""
        assert 0 < qty_lots <= self.remaining_lots
        self.remaining_lots -= qty_lots
        self.move(OrderStatus.PARTIALLY_FILLED if self.remaining_lots else OrderStatus.FILLED)
