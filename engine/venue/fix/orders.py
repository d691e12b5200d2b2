"""Orders as FIX says them -> orders as the broker knows them.

Place on the data path: between a session's application messages and broker requests. Invariant: what leaves
here is exact in ticks, lots and micro, or nothing leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from engine.broker.money import Money
from engine.broker.terms import MAX_ID_CHARS, OrderTerms, OrderType, Refusal
from engine.core.errors import UsageError
from engine.core.types import SelfTrade, Side, TimeInForce
from engine.venue.fix.rules import Dialect, Reject

T = TypeVar("T")

__all__ = ["MOST", "FieldRefused", "OrderRefused", "client_id", "order_terms"]

DEFAULT_SELF_TRADE = SelfTrade.CANCEL_MAKER
LEAST_STRATEGY = 1_000_000
MOST = 1 << 62
"""Ticks, lots and micro of an order: what a journaled request can hold."""
_SIDES = {"1": Side.BID, "2": Side.ASK}
_TIMES = {"1": TimeInForce.GTC, "3": TimeInForce.IOC, "4": TimeInForce.FOK}
_SELF_TRADES = {
    "1": SelfTrade.ALLOW,
    "2": SelfTrade.CANCEL_TAKER,
    "3": SelfTrade.CANCEL_MAKER,
    "4": SelfTrade.CANCEL_BOTH,
    "5": SelfTrade.DECREMENT,
}
_ID_CHARS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


class FieldRefused(UsageError):
    """A field that is missing, or whose value is not offered."""

    def __init__(self, tag: int, text: str, *, reason: Reject = Reject.VALUE_INCORRECT, code: int = -1130):
        super().__init__(text)
        self.tag = tag
        self.reason = reason
        self.code = code


class OrderRefused(UsageError):
    """An order that reads well and still cannot be."""

    def __init__(self, refusal: Refusal, text: str = "") -> None:
        super().__init__(text)
        self.refusal = refusal
        self.text = text


def client_id(fields: Mapping[int, str], tag: int, dialect: Dialect) -> str:
    """A client's own id. Raises FieldRefused for one that is too long, or not in the dialect's characters."""
    text = fields.get(tag, "")
    if len(text) > MAX_ID_CHARS or (dialect is Dialect.BINANCE and not _ID_CHARS.issuperset(text)):
        raise FieldRefused(tag, f"Tag {tag} must be 1 to {MAX_ID_CHARS} characters.", code=-1100)
    return text


def order_terms(fields: Mapping[int, str], money: Money, dialect: Dialect) -> OrderTerms:
    """The order that these fields describe. Raises FieldRefused or OrderRefused."""
    if fields.get(55) != money.symbol:
        raise FieldRefused(55, "Invalid symbol.", code=-1121)
    side = _choose(fields, 54, _SIDES)
    kind, stop_price_ticks, trailing_bips = _kind(fields, side, money, dialect)
    price_ticks = 0
    if not kind.is_market:
        price_ticks = _number(fields, 44, money.ticks, Refusal.PRICE_FILTER)
    elif 44 in fields:
        raise FieldRefused(44, "Tag 44 sent when not required.", code=-1106)
    quote_micro = 0
    if kind is OrderType.MARKET and 152 in fields:
        if 38 in fields:
            raise FieldRefused(152, "Tag 152 sent when not required.", code=-1106)
        quote_micro = _number(fields, 152, money.micro, Refusal.NOTIONAL)
    iceberg_lots = _number(fields, 111, money.lots, Refusal.LOT_SIZE) if 111 in fields else 0
    return OrderTerms(
        client_order_id=client_id(fields, 11, dialect),
        side=int(side),
        type=kind,
        time_in_force=int(_time_in_force(fields, kind, dialect)),
        price_ticks=price_ticks,
        qty_lots=0 if quote_micro else _number(fields, 38, money.lots, Refusal.LOT_SIZE),
        quote_micro=quote_micro,
        stop_price_ticks=stop_price_ticks,
        trailing_bips=trailing_bips,
        iceberg_lots=iceberg_lots,
        self_trade=int(_choose(fields, 25001, _SELF_TRADES, DEFAULT_SELF_TRADE)),
        strategy_id=_integer(fields, 7940) if 7940 in fields else None,
        strategy_type=_integer(fields, 847, LEAST_STRATEGY) if 847 in fields else None,
    )


def _kind(
    fields: Mapping[int, str], side: Side, money: Money, dialect: Dialect
) -> tuple[OrderType, int, int]:
    """(type, stop price, trailing distance)."""
    name = fields.get(40, "")
    is_maker = fields.get(18) == "6"
    if 18 in fields and not (is_maker and name == "2"):
        raise FieldRefused(18, "ExecInst must be 6, with OrdType 2.")
    if name == "1":
        return OrderType.MARKET, 0, 0
    if name == "2":
        return (OrderType.LIMIT_MAKER if is_maker else OrderType.LIMIT), 0, 0
    if name not in ("3", "4"):
        raise FieldRefused(40, "OrdType must be 1, 2, 3 or 4.", code=-1116)
    price = partial(_number, fields, convert=money.ticks, refusal=Refusal.PRICE_FILTER)
    if dialect is Dialect.STANDARD:
        return (OrderType.STOP_LOSS if name == "3" else OrderType.STOP_LOSS_LIMIT), price(99), 0
    for tag, value in ((1100, "4"), (1101, "1"), (1107, "2")):
        if fields.get(tag) != value:
            raise FieldRefused(tag, f"Tag {tag} must be {value}.")
    trailing_bips = _integer(fields, 25009, 1) if 25009 in fields else 0
    stop_price_ticks = price(1102) if 1102 in fields or not trailing_bips else 0
    direction = fields.get(1109)
    if direction not in ("U", "D") and (direction is not None or stop_price_ticks):
        raise FieldRefused(1109, "TriggerPriceDirection must be U or D.")
    is_loss = direction == ("U" if side == Side.BID else "D")
    if name == "3":
        kind = OrderType.STOP_LOSS if is_loss else OrderType.TAKE_PROFIT
    else:
        kind = OrderType.STOP_LOSS_LIMIT if is_loss else OrderType.TAKE_PROFIT_LIMIT
    return kind, stop_price_ticks, trailing_bips


def _time_in_force(fields: Mapping[int, str], kind: OrderType, dialect: Dialect) -> TimeInForce:
    if dialect is Dialect.STANDARD:
        # The market never closes, so a day order (also what no value means) is good till cancel.
        return _choose(fields, 59, {**_TIMES, "0": TimeInForce.GTC}, TimeInForce.GTC)
    needs = kind in (OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    return _choose(fields, 59, _TIMES, None if needs else TimeInForce.GTC)


def _choose(fields: Mapping[int, str], tag: int, choices: Mapping[str, T], default: T | None = None) -> T:
    value = fields.get(tag)
    if value is None:
        if default is None:
            raise _missing(tag)
        return default
    if value not in choices:
        raise FieldRefused(tag, f"Tag {tag} must be one of {', '.join(choices)}.")
    return choices[value]


def _number(
    fields: Mapping[int, str], tag: int, convert: Callable[[str], int | None], refusal: Refusal
) -> int:
    text = fields.get(tag)
    if text is None:
        raise _missing(tag)
    number = convert(text)
    if number is None or not 0 < number <= MOST:
        raise OrderRefused(refusal)
    return number


def _integer(fields: Mapping[int, str], tag: int, least: int = 0) -> int:
    value = int(fields[tag])
    if value < least:
        raise FieldRefused(tag, f"Tag {tag} must be at least {least}.")
    return value


def _missing(tag: int) -> FieldRefused:
    return FieldRefused(
        tag, f"Required tag {tag} is missing.", reason=Reject.REQUIRED_TAG_MISSING, code=-1102
    )
