"""Nasdaq OUCH 5.0: every message as a typed record, declared once.

Place on the data path: the words between a SoupBinTCP session and the port (port.py). Source: "Nasdaq OUCH
5.0 Order Entry Specification", revision 1.05, sections 2 and 3 and Appendix A (all integers big-endian,
prices with 4 implied decimals, alphabetic fields filled up with spaces on the right, time in ns since
midnight). Invariant: what is written and read again is the same message. How they lie on the wire: wire.py.
"""

from __future__ import annotations

from typing import Annotated

from engine.venue.ouch.wire import Appendage, Language, Options, OuchMessage, Tag

__all__ = [
    "PRICE_DECIMALS",
    "REQUESTS",
    "RESPONSES",
    "AccountQuery",
    "AccountQueryResponse",
    "AiqCanceled",
    "BrokenTrade",
    "CancelOrder",
    "CancelPending",
    "CancelReject",
    "DisableOrderEntry",
    "DisableOrderEntryResponse",
    "EnableOrderEntry",
    "EnableOrderEntryResponse",
    "EnterOrder",
    "MassCancel",
    "MassCancelResponse",
    "ModifyOrder",
    "OrderAccepted",
    "OrderCanceled",
    "OrderExecuted",
    "OrderModified",
    "OrderPriorityUpdate",
    "OrderReplaced",
    "OrderRestated",
    "Rejected",
    "ReplaceOrder",
    "SystemEvent",
]

PRICE_DECIMALS = 4
"""Of a price: 1 = 0.0001 of the currency."""

Letter = Annotated[str, "c"]
Code4 = Annotated[str, "4s"]
Symbol = Annotated[str, "8s"]
Text14 = Annotated[str, "14s"]
Short = Annotated[int, "H"]
Int = Annotated[int, "I"]
Long = Annotated[int, "Q"]
Price = Annotated[int, "Q"]
"""In 1e-4 of the currency."""
Time = Annotated[int, "Q"]
"""ns since midnight."""


def _tags(*numbers: int) -> frozenset[Tag]:
    return frozenset(Tag(number) for number in (*numbers, Tag.USER_REF_IDX))


# -- requests ------------------------------------------------------------------------------------------------


class EnterOrder(OuchMessage, frozen=True):
    letter, title, appendage = "O", "enter order", Appendage.REQUIRED
    tags = _tags(2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 24, 25, 26, 29, 30)
    user_ref_num: Int
    side: Letter
    quantity: Int
    symbol: Symbol
    price: Price
    time_in_force: Letter
    display: Letter
    capacity: Letter
    sweep: Letter
    """Intermarket sweep eligibility."""
    cross_type: Letter
    client_order_id: Text14
    options: Options = {}


class ReplaceOrder(OuchMessage, frozen=True):
    letter, title, appendage = "U", "replace order", Appendage.REQUIRED
    tags = _tags(3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16, 17, 25, 26, 27, 29, 30)
    original_user_ref_num: Int
    user_ref_num: Int
    quantity: Int
    """Total, with what the order and those it replaced have executed."""
    price: Price
    time_in_force: Letter
    display: Letter
    sweep: Letter
    client_order_id: Text14
    options: Options = {}


class CancelOrder(OuchMessage, frozen=True):
    letter, title = "X", "cancel order"
    user_ref_num: Int
    quantity: Int
    """Intended order size: what may have executed in total in the end; 0 = cancel."""
    options: Options = {}


class ModifyOrder(OuchMessage, frozen=True):
    letter, title = "M", "modify order"
    tags = _tags(25, 26)
    user_ref_num: Int
    side: Letter
    quantity: Int
    options: Options = {}


class MassCancel(OuchMessage, frozen=True):
    letter, title, appendage = "C", "mass cancel", Appendage.REQUIRED
    tags = _tags(24, 27)
    user_ref_num: Int
    firm: Code4
    symbol: Symbol
    """Empty: all."""
    options: Options = {}


class DisableOrderEntry(OuchMessage, frozen=True):
    letter, title, appendage = "D", "disable order entry", Appendage.REQUIRED
    user_ref_num: Int
    firm: Code4
    options: Options = {}


class EnableOrderEntry(OuchMessage, frozen=True):
    letter, title, appendage = "E", "enable order entry", Appendage.REQUIRED
    user_ref_num: Int
    firm: Code4
    options: Options = {}


class AccountQuery(OuchMessage, frozen=True):
    letter, title = "Q", "account query"
    options: Options = {}


# -- responses -----------------------------------------------------------------------------------------------


class SystemEvent(OuchMessage, frozen=True):
    letter, title, appendage = "S", "system event", Appendage.NONE
    tags = frozenset()
    time_ns: Time
    event: Letter
    """S start of day, E end of day."""
    options: Options = {}


class OrderAccepted(OuchMessage, frozen=True):
    letter, title, appendage = "A", "order accepted", Appendage.REQUIRED
    tags = _tags(2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 29, 30)
    time_ns: Time
    user_ref_num: Int
    side: Letter
    quantity: Int
    symbol: Symbol
    price: Price
    time_in_force: Letter
    display: Letter
    reference: Long
    """Order reference number, as in the ITCH feed."""
    capacity: Letter
    sweep: Letter
    cross_type: Letter
    state: Letter
    """L live, D dead."""
    client_order_id: Text14
    options: Options = {}


class OrderReplaced(OuchMessage, frozen=True):
    letter, title, appendage = "U", "order replaced", Appendage.REQUIRED
    tags = _tags(2, 3, 5, 6, 12, 15, 16, 17, 18, 29, 30)
    time_ns: Time
    original_user_ref_num: Int
    user_ref_num: Int
    side: Letter
    quantity: Int
    """Open now."""
    symbol: Symbol
    price: Price
    time_in_force: Letter
    display: Letter
    reference: Long
    capacity: Letter
    sweep: Letter
    cross_type: Letter
    state: Letter
    client_order_id: Text14
    options: Options = {}


class OrderCanceled(OuchMessage, frozen=True):
    letter, title = "C", "order canceled"
    time_ns: Time
    user_ref_num: Int
    quantity: Int
    """By which it shrank: what is left may go on."""
    reason: Letter
    options: Options = {}


class AiqCanceled(OuchMessage, frozen=True):
    letter, title = "D", "AIQ canceled"
    time_ns: Time
    user_ref_num: Int
    quantity: Int
    reason: Letter
    """Always Q."""
    prevented_quantity: Int
    price: Price
    """At which it would have traded."""
    liquidity: Letter
    strategy: Letter
    options: Options = {}


class OrderExecuted(OuchMessage, frozen=True):
    letter, title, appendage = "E", "order executed", Appendage.REQUIRED
    time_ns: Time
    user_ref_num: Int
    quantity: Int
    price: Price
    liquidity: Letter
    match_number: Long
    options: Options = {}


class BrokenTrade(OuchMessage, frozen=True):
    letter, title = "B", "broken trade"
    time_ns: Time
    user_ref_num: Int
    match_number: Long
    reason: Letter
    client_order_id: Text14
    options: Options = {}


class Rejected(OuchMessage, frozen=True):
    letter, title = "J", "rejected"
    time_ns: Time
    user_ref_num: Int
    reason: Short
    client_order_id: Text14
    options: Options = {}


class CancelPending(OuchMessage, frozen=True):
    letter, title = "P", "cancel pending"
    time_ns: Time
    user_ref_num: Int
    options: Options = {}


class CancelReject(OuchMessage, frozen=True):
    letter, title = "I", "cancel reject"
    time_ns: Time
    user_ref_num: Int
    options: Options = {}


class OrderPriorityUpdate(OuchMessage, frozen=True):
    letter, title = "T", "order priority update"
    time_ns: Time
    user_ref_num: Int
    price: Price
    display: Letter
    reference: Long
    options: Options = {}


class OrderModified(OuchMessage, frozen=True):
    letter, title = "M", "order modified"
    tags = _tags(25, 26)
    time_ns: Time
    user_ref_num: Int
    side: Letter
    quantity: Int
    options: Options = {}


class OrderRestated(OuchMessage, frozen=True):
    letter, title, appendage = "R", "order restated", Appendage.REQUIRED
    tags = _tags(1, 22, 23)
    time_ns: Time
    user_ref_num: Int
    reason: Letter
    options: Options = {}


class MassCancelResponse(OuchMessage, frozen=True):
    letter, title, appendage = "X", "mass cancel response", Appendage.REQUIRED
    tags = _tags(24, 27)
    time_ns: Time
    user_ref_num: Int
    firm: Code4
    symbol: Symbol
    options: Options = {}


class DisableOrderEntryResponse(OuchMessage, frozen=True):
    letter, title, appendage = "G", "disable order entry response", Appendage.REQUIRED
    time_ns: Time
    user_ref_num: Int
    firm: Code4
    options: Options = {}


class EnableOrderEntryResponse(OuchMessage, frozen=True):
    letter, title, appendage = "K", "enable order entry response", Appendage.REQUIRED
    time_ns: Time
    user_ref_num: Int
    firm: Code4
    options: Options = {}


class AccountQueryResponse(OuchMessage, frozen=True):
    letter, title = "Q", "account query response"
    time_ns: Time
    next_user_ref_num: Int
    options: Options = {}


REQUESTS = Language(
    (
        EnterOrder,
        ReplaceOrder,
        CancelOrder,
        ModifyOrder,
        MassCancel,
        DisableOrderEntry,
        EnableOrderEntry,
        AccountQuery,
    )
)
"""Messages from clients."""
RESPONSES = Language(
    (
        SystemEvent,
        OrderAccepted,
        OrderReplaced,
        OrderCanceled,
        AiqCanceled,
        OrderExecuted,
        BrokenTrade,
        Rejected,
        CancelPending,
        CancelReject,
        OrderPriorityUpdate,
        OrderModified,
        OrderRestated,
        MassCancelResponse,
        DisableOrderEntryResponse,
        EnableOrderEntryResponse,
        AccountQueryResponse,
    )
)
"""Messages to clients."""
