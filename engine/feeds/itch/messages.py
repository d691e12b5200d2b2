"""Nasdaq TotalView-ITCH 5.0: every message of the specification as a typed record, declared once.

Stop on the data path: the words of the feed. The declarations below give the lengths, the reading and writing
of single messages here, and the rules by which the compiled decoder works (rules.py). Source: "Nasdaq
TotalView-ITCH 5.0" specification, section 4 (all integers big-endian, prices with 4 or 8 implied decimals,
time in ns since midnight, US Eastern). Invariant: `write_message(read_message(data)) == data`.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_type_hints

import msgspec

__all__ = [
    "DAY_EVENTS",
    "HEADER_BYTES",
    "MESSAGES",
    "PRICE_DECIMALS",
    "AddOrder",
    "AddOrderAttributed",
    "AuctionCollar",
    "BrokenTrade",
    "CircuitBreakerLevels",
    "CircuitBreakerStatus",
    "CrossTrade",
    "DirectListing",
    "ItchMessage",
    "MessageField",
    "OperationalHalt",
    "OrderCancel",
    "OrderDelete",
    "OrderExecuted",
    "OrderExecutedAtPrice",
    "OrderImbalance",
    "OrderReplace",
    "ParticipantPosition",
    "QuotingPeriod",
    "RetailInterest",
    "ShortSaleRestriction",
    "StockDirectory",
    "SystemEvent",
    "TradeMessage",
    "TradingAction",
    "length_of",
    "read_message",
    "write_message",
]

PRICE_DECIMALS = 4
"""Of a Price: 1 = 0.0001 of the currency."""
DAY_EVENTS = {
    "O": "start of messages",
    "S": "start of system hours",
    "Q": "start of market hours",
    "M": "end of market hours",
    "E": "end of system hours",
    "C": "end of messages",
}
"""What a SystemEvent's letter says."""
HEADER_BYTES = 11
"""Type, stock locate, tracking number and time, with which every message begins."""

Letter = Annotated[str, "c"]
"""One character."""
Code4 = Annotated[str, "4s"]
"""Four characters, padded with spaces on the right."""
Symbol = Annotated[str, "8s"]
"""Eight characters, padded with spaces on the right."""
Code2 = Annotated[str, "2s"]
Short = Annotated[int, "H"]
Int = Annotated[int, "I"]
Long = Annotated[int, "Q"]
Price = Annotated[int, "I"]
"""In 1e-4 of the currency."""
Price8 = Annotated[int, "Q"]
"""In 1e-8 of the currency."""
Time = Annotated[int, "6s"]
"""ns since midnight, 48 bits."""


class MessageField(NamedTuple):
    """Where a field stands in its message."""

    name: str
    offset: int
    code: str
    """As in `struct`, big-endian; "6s" is the time."""


class ItchMessage(msgspec.Struct, frozen=True):
    """What all messages begin with; a subclass adds its fields in the order of the specification."""

    letter: ClassVar[str]
    title: ClassVar[str]
    fields: ClassVar[tuple[MessageField, ...]]
    size: ClassVar[int]
    """Bytes of the whole message."""

    locate: Short
    """The stock's number of the day; 0 where the message is of no stock."""
    tracking: Short
    time_ns: Time


class SystemEvent(ItchMessage, frozen=True):
    letter, title = "S", "system event"
    event: Letter
    """One of DAY_EVENTS."""


class StockDirectory(ItchMessage, frozen=True):
    letter, title = "R", "stock directory"
    stock: Symbol
    market_category: Letter
    financial_status: Letter
    round_lot_size: Int
    round_lots_only: Letter
    issue_classification: Letter
    issue_subtype: Code2
    authenticity: Letter
    """P live, T test."""
    short_sale_threshold: Letter
    ipo: Letter
    luld_tier: Letter
    etp: Letter
    etp_leverage: Int
    inverse: Letter


class TradingAction(ItchMessage, frozen=True):
    letter, title = "H", "trading action"
    stock: Symbol
    state: Letter
    """H halted, P paused, Q quotation only, T trading."""
    reserved: Letter
    reason: Code4


class ShortSaleRestriction(ItchMessage, frozen=True):
    letter, title = "Y", "short sale restriction"
    stock: Symbol
    action: Letter


class ParticipantPosition(ItchMessage, frozen=True):
    letter, title = "L", "market participant position"
    participant: Code4
    stock: Symbol
    is_primary: Letter
    mode: Letter
    state: Letter


class CircuitBreakerLevels(ItchMessage, frozen=True):
    letter, title = "V", "circuit breaker levels"
    level_1: Price8
    level_2: Price8
    level_3: Price8


class CircuitBreakerStatus(ItchMessage, frozen=True):
    letter, title = "W", "circuit breaker status"
    breached: Letter


class QuotingPeriod(ItchMessage, frozen=True):
    letter, title = "K", "IPO quoting period"
    stock: Symbol
    release_time_s: Int
    """Seconds since midnight."""
    qualifier: Letter
    price: Price


class AuctionCollar(ItchMessage, frozen=True):
    letter, title = "J", "auction collar"
    stock: Symbol
    reference_price: Price
    upper_price: Price
    lower_price: Price
    extension: Int


class OperationalHalt(ItchMessage, frozen=True):
    letter, title = "h", "operational halt"
    stock: Symbol
    market: Letter
    action: Letter
    """H halted, T resumed."""


class AddOrder(ItchMessage, frozen=True):
    letter, title = "A", "add order"
    order_id: Long
    side: Letter
    shares: Int
    stock: Symbol
    price: Price


class AddOrderAttributed(AddOrder, frozen=True):
    letter, title = "F", "add order with participant"
    participant: Code4


class OrderExecuted(ItchMessage, frozen=True):
    letter, title = "E", "order executed"
    order_id: Long
    shares: Int
    match_number: Long


class OrderExecutedAtPrice(OrderExecuted, frozen=True):
    letter, title = "C", "order executed at price"
    printable: Letter
    """N: not in the tape nor in the volume."""
    price: Price


class OrderCancel(ItchMessage, frozen=True):
    letter, title = "X", "order cancel"
    order_id: Long
    shares: Int
    """That leave the order."""


class OrderDelete(ItchMessage, frozen=True):
    letter, title = "D", "order delete"
    order_id: Long


class OrderReplace(ItchMessage, frozen=True):
    letter, title = "U", "order replace"
    order_id: Long
    """Of the order that leaves."""
    new_order_id: Long
    shares: Int
    price: Price


class TradeMessage(ItchMessage, frozen=True):
    letter, title = "P", "trade"
    order_id: Long
    """0 since 2014: the resting order was never shown."""
    side: Letter
    shares: Int
    stock: Symbol
    price: Price
    match_number: Long


class CrossTrade(ItchMessage, frozen=True):
    letter, title = "Q", "cross trade"
    shares: Long
    stock: Symbol
    price: Price
    match_number: Long
    cross_type: Letter
    """O opening, C closing, H halted or IPO, I intraday."""


class BrokenTrade(ItchMessage, frozen=True):
    letter, title = "B", "broken trade"
    match_number: Long


class OrderImbalance(ItchMessage, frozen=True):
    letter, title = "I", "order imbalance"
    paired_shares: Long
    imbalance_shares: Long
    direction: Letter
    stock: Symbol
    far_price: Price
    near_price: Price
    reference_price: Price
    cross_type: Letter
    price_variation: Letter


class RetailInterest(ItchMessage, frozen=True):
    letter, title = "N", "retail price improvement"
    stock: Symbol
    interest: Letter


class DirectListing(ItchMessage, frozen=True):
    letter, title = "O", "direct listing price discovery"
    stock: Symbol
    open_eligibility: Letter
    minimum_price: Price
    maximum_price: Price
    near_price: Price
    near_time_ns: Long
    lower_collar: Price
    upper_collar: Price


MESSAGES: dict[str, type[ItchMessage]] = {}
"""Message types by letter, in the specification's order."""
_READERS: dict[int, tuple[struct.Struct, type[ItchMessage], tuple[str, ...]]] = {}


def length_of(letter: str) -> int | None:
    """Bytes of a message of this type; None for a letter that ITCH 5.0 does not have."""
    kind = MESSAGES.get(letter)
    return None if kind is None else kind.size


def read_message(data: bytes) -> ItchMessage | None:
    """The message; None for an unknown type or another length than its type's."""
    reader = _READERS.get(data[0]) if data else None
    if reader is None or len(data) != reader[0].size:
        return None
    layout, kind, codes = reader
    values = layout.unpack(data)[1:]
    return kind(*(_value(code, value) for code, value in zip(codes, values, strict=True)))


def write_message(message: ItchMessage) -> bytes:
    """Its bytes. Raises ValueError, naming the field, for a value that the wire cannot hold."""
    layout, _, codes = _READERS[ord(message.letter)]
    values = [message.letter.encode()]
    for field, code in zip(message.fields, codes, strict=True):
        values.append(_wire(field, code, getattr(message, field.name)))
    return layout.pack(*values)


def _value(code: str, value: Any) -> Any:
    if code == "6s":
        return int.from_bytes(value, "big")
    return value.decode("latin-1").rstrip(" ") if isinstance(value, bytes) else value


def _wire(field: MessageField, code: str, value: Any) -> Any:
    size = struct.calcsize(f">{code}")
    if isinstance(value, int):
        if not 0 <= value < 1 << 8 * size:
            raise ValueError(f"{field.name} {value} does not fit {size} bytes")
        return value.to_bytes(6, "big") if code == "6s" else value
    text = value.encode("latin-1")
    if len(text) > size:
        raise ValueError(f"{field.name} {value!r} is longer than {size} characters")
    return text.ljust(size, b" ")


def _declare(kind: type[ItchMessage]) -> None:
    """Lays a message's fields out, in order, without padding."""
    hints = get_type_hints(kind, include_extras=True)
    offset, fields = 1, []
    for name in kind.__struct_fields__:
        code = get_args(hints[name])[1]
        fields.append(MessageField(name, offset, code))
        offset += struct.calcsize(f">{code}")
    kind.fields, kind.size = tuple(fields), offset
    layout = struct.Struct(">c" + "".join(field.code for field in fields))
    MESSAGES[kind.letter] = kind
    _READERS[ord(kind.letter)] = layout, kind, tuple(field.code for field in fields)


for _kind in (
    SystemEvent,
    StockDirectory,
    TradingAction,
    ShortSaleRestriction,
    ParticipantPosition,
    CircuitBreakerLevels,
    CircuitBreakerStatus,
    QuotingPeriod,
    AuctionCollar,
    OperationalHalt,
    AddOrder,
    AddOrderAttributed,
    OrderExecuted,
    OrderExecutedAtPrice,
    OrderCancel,
    OrderDelete,
    OrderReplace,
    TradeMessage,
    CrossTrade,
    BrokenTrade,
    OrderImbalance,
    RetailInterest,
    DirectListing,
):
    _declare(_kind)
