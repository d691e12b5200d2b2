"""The words between a bot's gateway and the broker: requests in, replies and events out (stop 1b).

Requests are inputs of the session: journaled, then carried out one latency later. All numbers are the
market's own: prices in ticks, quantities in lots, money in micro (millionths of a tick-lot of the quote
asset, as in the ledger). Decimals, names of fields and error codes belong to the gateways.

What is told is immutable and built once; gateways on other threads share it freely.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

import msgspec

__all__ = [
    "AmendOrder",
    "Asked",
    "BalanceEvent",
    "Balances",
    "BrokerNote",
    "BrokerRequest",
    "CancelAllOrders",
    "CancelList",
    "CancelOrder",
    "CancelReplace",
    "Execution",
    "Fill",
    "Limited",
    "ListEvent",
    "ListKind",
    "ListState",
    "Message",
    "OpenAccount",
    "OrderEvent",
    "OrderState",
    "OrderStatus",
    "OrderTerms",
    "OrderType",
    "PlaceList",
    "PlaceOrder",
    "Refusal",
    "Reply",
    "Told",
    "decode_request",
    "encode_request",
]

MAX_ID_CHARS = 36
"""Longest client order id."""


class OrderType(IntEnum):
    """What makes an order work."""

    LIMIT = 0
    LIMIT_MAKER = 1
    """Rests, or is refused."""
    MARKET = 2
    STOP_LOSS = 3
    """A market order once the last price has come to the stop price from the good side."""
    STOP_LOSS_LIMIT = 4
    TAKE_PROFIT = 5
    """A market order once the last price has come to the stop price from the bad side."""
    TAKE_PROFIT_LIMIT = 6

    @property
    def waits(self) -> bool:
        """Whether it waits for a price before it enters the book."""
        return self >= OrderType.STOP_LOSS

    @property
    def is_market(self) -> bool:
        """Whether it takes any price once it works."""
        return self in (OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT)


class OrderStatus(StrEnum):
    """Where an order stands."""

    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    """Waits for another order of its list to be filled."""
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    """Ended by its own terms: the rest of an IOC, FOK or market order, the other leg of an OCO."""
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    """Ended by self-trade prevention."""

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self in (OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED)


class Execution(StrEnum):
    """What an order event tells."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    """Amended: less quantity, same place in the queue."""
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    TRADE_PREVENTION = "TRADE_PREVENTION"


class ListKind(IntEnum):
    """How the orders of a list hang together."""

    OCO = 0
    """Two orders: when one trades, triggers or is cancelled, the other goes."""
    OTO = 1
    """Working, pending: the second begins when the first is filled."""
    OTOCO = 2
    """Working, then an OCO of the second and third when it is filled."""


class Refusal(StrEnum):
    """Why a request was not carried out; one enum for all gateways."""

    NONE = ""
    UNKNOWN_ORDER = "unknown_order"
    """Nothing open has this id (cancel, amend)."""
    DUPLICATE_ORDER = "duplicate_order"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    WOULD_TAKE = "would_take"
    """A LIMIT_MAKER that would trade at once."""
    WOULD_TRIGGER = "would_trigger"
    """A stop whose price has been reached already."""
    MARKET_CLOSED = "market_closed"
    NO_ACCOUNT = "no_account"
    PRICE_FILTER = "PRICE_FILTER"
    LOT_SIZE = "LOT_SIZE"
    MARKET_LOT_SIZE = "MARKET_LOT_SIZE"
    NOTIONAL = "NOTIONAL"
    PERCENT_PRICE = "PERCENT_PRICE_BY_SIDE"
    MAX_ORDERS = "MAX_NUM_ORDERS"
    MAX_ALGO_ORDERS = "MAX_NUM_ALGO_ORDERS"
    ICEBERG_PARTS = "ICEBERG_PARTS"
    TRAILING_DELTA = "TRAILING_DELTA"
    GATE = "risk_gate"
    """The risk gate said no; `Reply.detail` holds its reason."""
    AMEND_NOT_LESS = "amend_not_less"
    """An amendment must leave less than the order has, and more than it has traded or lost to self-trade
    prevention."""
    RESTRICTED = "restricted"
    """The order's status is another one than the cancel is for, or it has executed more."""
    CANCEL_FAILED = "cancel_failed"
    """Cancel-replace: the cancel failed, so nothing new was sent."""
    REPLACE_PARTLY = "replace_partly"
    """Cancel-replace: one half failed."""
    OCO_PRICES = "oco_prices"
    """The prices of an OCO stand on the wrong sides of the market."""
    LIST_SHAPE = "list_shape"
    """Orders that cannot make such a list."""
    # Told by faults of the venue (broker/faults.py), never by the broker itself:
    TIMEOUT_UNKNOWN = "timeout_unknown"
    """The answer was lost: the request may have been carried out, or not."""
    OVERLOADED = "overloaded"
    """Refused because the venue says it has too much to do; not carried out."""
    RATE_LIMITED = "rate_limited"
    BANNED = "banned"
    DISCONNECTED = "disconnected"
    """Internal error at the venue."""
    REJECTED = "rejected"
    """A refusal without a good reason."""


class OrderTerms(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order as its owner wants it."""

    client_order_id: str
    """At most MAX_ID_CHARS; unique among the account's open orders."""
    side: int
    """engine.core.types.Side"""
    type: OrderType
    time_in_force: int = 0
    """engine.core.types.TimeInForce: GTC, IOC or FOK."""
    price_ticks: int = 0
    qty_lots: int = 0
    quote_micro: int = 0
    """A market order for this much money instead of a quantity."""
    stop_price_ticks: int = 0
    trailing_bips: int = 0
    """The stop price follows the best price at this distance; stop_price_ticks, if set, activates it."""
    iceberg_lots: int = 0
    """Shown at a time; 0 = all."""
    self_trade: int = 0
    """engine.core.types.SelfTrade"""
    strategy_id: int | None = None
    strategy_type: int | None = None


class OpenAccount(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Gives an account its starting balances, once a session; again is a no-op."""

    account: int
    request_id: int
    label: str
    maker_ppm: int | None = None
    """None: the scenario's."""
    taker_ppm: int | None = None


class PlaceOrder(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Answered by a Reply with the order."""

    account: int
    request_id: int
    order: OrderTerms


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Cancels one open order, by order_id or, when that is 0, by its client order id."""

    account: int
    request_id: int
    order_id: int = 0
    client_order_id: str = ""
    new_client_order_id: str = ""
    """The cancel's own id, told in the order's event and reply."""
    only_status: str = ""
    """Cancel only in this status (cancelRestrictions): "ONLY_NEW" or "ONLY_PARTIALLY_FILLED"."""


class CancelAllOrders(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Cancels all open orders; refused with UNKNOWN_ORDER when there are none."""

    account: int
    request_id: int


class CancelReplace(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """Cancels one order and sends another at the same instant."""

    account: int
    request_id: int
    cancel: CancelOrder
    order: OrderTerms
    allow_failure: bool
    """Send the new one even when the cancel fails."""
    counts_executed: bool = False
    """The new quantity counts what the cancelled order and those that it replaced so have executed by then:
    only the rest is sent."""
    max_executed_lots: int = -1
    """Cancel only while that is at most this (else RESTRICTED, and nothing is done); -1: whatever it is."""


class AmendOrder(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Less quantity for an open order, which keeps its place."""

    account: int
    request_id: int
    order_id: int = 0
    client_order_id: str = ""
    new_client_order_id: str = ""
    new_qty_lots: int = 0
    """Total, as in the order's own quantity."""
    counts_executed: bool = False
    """The total counts what the orders that it replaced have executed (CancelReplace.counts_executed)."""


class PlaceList(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """An OCO, OTO or OTOCO; orders in the order of ListKind's words. For an OCO: above first, then below."""

    account: int
    request_id: int
    kind: ListKind
    list_client_order_id: str
    orders: tuple[OrderTerms, ...]


class CancelList(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """Cancels all orders of a list."""

    account: int
    request_id: int
    list_id: int = -1
    list_client_order_id: str = ""
    new_client_order_id: str = ""


BrokerRequest = (
    OpenAccount
    | PlaceOrder
    | CancelOrder
    | CancelAllOrders
    | CancelReplace
    | AmendOrder
    | PlaceList
    | CancelList
)


class Asked(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """A note: the bot has asked how these orders stand, and was told. Changes nothing, has no answer."""

    account: int
    order_ids: tuple[int, ...] = ()
    """() = which of its orders are open."""


class Limited(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """A note: a gateway has refused so many requests of the bot for their rate. Changes nothing, has no
    answer."""

    account: int
    count: int
    wait_ms: int
    """How long it was told to wait; a limit of the boundary is known anyway."""


BrokerNote = Asked | Limited
"""What a gateway did by itself, told to the session so that a bot's score knows of it."""

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(BrokerRequest | BrokerNote)


def encode_request(request: BrokerRequest | BrokerNote) -> bytes:
    """The request or note as the journal holds it."""
    return _ENCODER.encode(request)


def decode_request(data: bytes) -> BrokerRequest | BrokerNote:
    """The request or note in these bytes. Raises ValueError (msgspec's are ValueErrors) for anything else."""
    request: BrokerRequest | BrokerNote = _DECODER.decode(data)
    return request


class OrderState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order at one time; a new object for each change."""

    order_id: int
    """The venue's, from 1 in each session."""
    account: int
    client_order_id: str
    side: int
    type: OrderType
    time_in_force: int
    price_ticks: int
    """0 = market."""
    qty_lots: int
    status: OrderStatus
    executed_lots: int = 0
    executed_micro: int = 0
    """Money that changed hands for it, without fees."""
    stop_price_ticks: int = 0
    trailing_bips: int = 0
    trailing_ns: int = -1
    """When its trailing stop began to follow; -1 = not."""
    iceberg_lots: int = 0
    quote_micro: int = 0
    self_trade: int = 0
    prevented_lots: int = 0
    list_id: int = -1
    created_ns: int = 0
    updated_ns: int = 0
    working_ns: int = -1
    """When it came into the book; -1 = not yet."""
    market_id: int = 0
    """Id of its order in the market's book; 0 = none there now."""
    last_fill: int = 0
    """Trade id of its last fill."""
    cancel_id: str = ""
    """The client order id of the request that cancelled or amended it."""
    strategy_id: int | None = None
    strategy_type: int | None = None
    chain_lots: int = 0
    """What the orders that it replaced have executed, where replacements count that."""

    @property
    def remaining_lots(self) -> int:
        """What may still trade."""
        return self.qty_lots - self.executed_lots - self.prevented_lots


class Fill(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One execution of one order."""

    trade_id: int
    order_id: int
    account: int
    time_ns: int
    side: int
    price_ticks: int
    qty_lots: int
    fee_micro: int
    """In the quote asset; negative = a rebate."""
    is_maker: bool
    list_id: int = -1


class Balances(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an account owns; free = total - locked."""

    base_lots: int
    base_locked_lots: int
    quote_micro: int
    quote_locked_micro: int
    """Of open buys: their price with the account's dearer fee."""
    updated_ns: int = 0


class ListState(msgspec.Struct, frozen=True, array_like=True):
    """An order list at one time."""

    list_id: int
    account: int
    kind: ListKind
    list_client_order_id: str
    order_ids: tuple[int, ...]
    status: str
    """EXECUTING or ALL_DONE (with its type EXEC_STARTED or ALL_DONE), or REJECT."""
    time_ns: int


class OrderEvent(NamedTuple):
    """Something happened to an order."""

    execution: Execution
    order: OrderState
    fill: Fill | None = None
    refusal: Refusal = Refusal.NONE
    prevented_lots: int = 0
    """By this event."""


class BalanceEvent(NamedTuple):
    """The balances after one or more changes at one instant."""

    account: int
    balances: Balances


class ListEvent(NamedTuple):
    """A list began or ended."""

    state: ListState
    orders: tuple[OrderState, ...]


class Reply(NamedTuple):
    """The answer to one request; `request_id` is the gateway's own."""

    request_id: int
    account: int
    refusal: Refusal = Refusal.NONE
    detail: str = ""
    orders: tuple[OrderState, ...] = ()
    """The orders concerned, as the request left them."""
    fills: tuple[Fill, ...] = ()
    """Of a placed order, at this instant."""
    list_state: ListState | None = None
    cancel_refusal: Refusal = Refusal.NONE
    """Of a cancel-replace, its two halves: NONE is success."""
    order_refusal: Refusal = Refusal.NONE
    was_cancelled: OrderState | None = None
    """Of a cancel-replace."""


Message = Reply | OrderEvent | BalanceEvent | ListEvent


class Told(NamedTuple):
    """A message as it left the venue. `sequence` is gap-free over all accounts of the session."""

    sequence: int
    account: int
    happened_ns: int
    told_ns: int
    message: Message
    fault: str = ""
    """The fault that changed how it was told; empty: none."""
