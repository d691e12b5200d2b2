"""The letters and numbers that OUCH 5.0 fields hold, and the refusals of the broker in those words.

Source: the specification's sections 2 and 3, Appendix A (options) and B (reasons of rejection).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

from engine.broker.terms import Refusal
from engine.core.types import SelfTrade

__all__ = [
    "AIQ_STRATEGIES",
    "DEFAULT_SELF_TRADE",
    "MARKET_PRICES",
    "MAX_PRICE",
    "MAX_QUANTITY",
    "REFUSED",
    "CancelReason",
    "Liquidity",
    "RejectReason",
]

MAX_PRICE = 1_999_999_900
"""Highest limit, $199,999.99."""
MARKET_PRICES = (0x7FFF_FFFF, 2_000_000_000)
"""Prices that mean a market order."""
MAX_QUANTITY = 999_999


class RejectReason(IntEnum):
    """Why an order was not accepted; those that this venue has."""

    DESTINATION_CLOSED = 0x0002
    INVALID_DISPLAY = 0x0003
    INVALID_MAX_FLOOR = 0x0004
    INVALID_PEG_TYPE = 0x0005
    FAT_FINGER = 0x0006
    HALTED = 0x0007
    INVALID_SIDE = 0x0009
    PROCESSING_ERROR = 0x000A
    FIRM_NOT_AUTHORIZED = 0x000C
    INVALID_MIN_QUANTITY = 0x000D
    OTHER = 0x000F
    PEGGING_NOT_ALLOWED = 0x0011
    INVALID_QUANTITY = 0x0013
    INVALID_CROSS_ORDER = 0x0014
    REPLACE_NOT_ALLOWED = 0x0015
    INVALID_SYMBOL = 0x0017
    RETAIL_NOT_ALLOWED = 0x001A
    INVALID_PRICE = 0x001D
    RISK_EXPOSURE = 0x0020
    """Aggregate exposure: the account's balance does not cover it."""
    RISK_MESSAGE_RATE = 0x0029
    RISK_SHORT_SALE = 0x002B
    RISK_SHORT_SALE_EXEMPT = 0x002F
    INVALID_AIQ = 0x0040


class CancelReason(StrEnum):
    """Why an order, or a part of it, is gone without having traded."""

    USER = "U"
    IMMEDIATE = "I"
    """The rest of an immediate-or-cancel or market order."""
    TIMEOUT = "T"
    POST_ONLY = "G"
    """A post-only order that would have taken a displayed order of the other side."""
    SELF_MATCH = "Q"
    SYSTEM = "Z"


class Liquidity(StrEnum):
    """Who was there first."""

    ADDED = "A"
    REMOVED = "R"


DEFAULT_SELF_TRADE = SelfTrade.CANCEL_MAKER
"""Of orders without an AIQ strategy: the older order gives way."""
AIQ_STRATEGIES = {
    "O": SelfTrade.CANCEL_MAKER,
    "W": SelfTrade.CANCEL_TAKER,
    "D": SelfTrade.DECREMENT,
    "Y": SelfTrade.DECREMENT,
    "": DEFAULT_SELF_TRADE,
}
"""Cancel oldest, cancel newest, decrement both with and without details; one account is one firm and one
organisation, so the organisation's (small) letters say the same."""
AIQ_STRATEGIES |= {letter.lower(): mode for letter, mode in AIQ_STRATEGIES.items() if letter}

REFUSED = {
    Refusal.DUPLICATE_ORDER: RejectReason.PROCESSING_ERROR,
    Refusal.INSUFFICIENT_BALANCE: RejectReason.RISK_EXPOSURE,
    Refusal.MARKET_CLOSED: RejectReason.HALTED,
    Refusal.NO_ACCOUNT: RejectReason.FIRM_NOT_AUTHORIZED,
    Refusal.PRICE_FILTER: RejectReason.INVALID_PRICE,
    Refusal.LOT_SIZE: RejectReason.INVALID_QUANTITY,
    Refusal.MARKET_LOT_SIZE: RejectReason.INVALID_QUANTITY,
    Refusal.NOTIONAL: RejectReason.INVALID_QUANTITY,
    Refusal.PERCENT_PRICE: RejectReason.FAT_FINGER,
    Refusal.MAX_ORDERS: RejectReason.RISK_MESSAGE_RATE,
    Refusal.ICEBERG_PARTS: RejectReason.INVALID_MAX_FLOOR,
    Refusal.OVERLOADED: RejectReason.RISK_MESSAGE_RATE,
    Refusal.RATE_LIMITED: RejectReason.RISK_MESSAGE_RATE,
    Refusal.BANNED: RejectReason.FIRM_NOT_AUTHORIZED,
    Refusal.DISCONNECTED: RejectReason.PROCESSING_ERROR,
    Refusal.REJECTED: RejectReason.PROCESSING_ERROR,
    Refusal.CANCEL_FAILED: RejectReason.REPLACE_NOT_ALLOWED,
}
"""The broker's refusals; any other is OTHER."""
