"""Order lists: which orders hang together, and what follows when one of them moves.

    OCO     two orders, only one may trade: a fill, trigger or end of one ends the other
    OTO     working ► pending: the second begins when the first is filled, and ends with it otherwise
    OTOCO   working ► OCO of two pending ones

Source: the order list pages of the public Binance Spot API documentation.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.broker.terms import ListKind, ListState, OrderState, OrderStatus, OrderTerms, OrderType, Refusal
from engine.broker.waiting import is_reached
from engine.core.types import Side

__all__ = ["Consequence", "check_list", "consequence", "was_ended_for"]


class Consequence(NamedTuple):
    """What a change of one order means for the others of its list."""

    start: tuple[int, ...] = ()
    """Pending orders that begin."""
    expire: tuple[int, ...] = ()
    """Orders that end by the list's rules."""
    cancel: tuple[int, ...] = ()
    """Orders that end because their owner cancelled another one."""


def check_list(kind: ListKind, orders: tuple[OrderTerms, ...], last_ticks: int | None) -> Refusal:
    """Whether these orders can make such a list."""
    if len(orders) != (3 if kind == ListKind.OTOCO else 2):
        return Refusal.LIST_SHAPE
    if any(order.quote_micro for order in orders):
        return Refusal.LIST_SHAPE
    if kind != ListKind.OCO:
        working = orders[0]
        if working.type not in (OrderType.LIMIT, OrderType.LIMIT_MAKER):
            return Refusal.LIST_SHAPE
    if kind == ListKind.OTO:
        return Refusal.NONE
    return _check_pair(orders[-2], orders[-1], last_ticks if kind == ListKind.OCO else None)


def _check_pair(above: OrderTerms, below: OrderTerms, last_ticks: int | None) -> Refusal:
    if above.side != below.side or above.qty_lots != below.qty_lots:
        return Refusal.LIST_SHAPE
    if not above.type.waits and not below.type.waits:
        return Refusal.LIST_SHAPE
    if _level(above) <= _level(below) and not (above.trailing_bips or below.trailing_bips):
        return Refusal.OCO_PRICES
    if last_ticks is None:
        return Refusal.NONE
    for leg, is_above in ((above, True), (below, False)):
        if leg.type.waits and not leg.trailing_bips and is_reached(leg, last_ticks):
            return Refusal.OCO_PRICES
        if not leg.type.waits and (leg.side == Side.ASK) != is_above:
            return Refusal.OCO_PRICES
    return Refusal.NONE


def _level(order: OrderTerms) -> int:
    return order.stop_price_ticks if order.type.waits else order.price_ticks


def consequence(state: ListState, order: OrderState, *, triggered: bool = False) -> Consequence:
    """What follows for the rest of the list when `order` was filled (in part), ended or `triggered`."""
    others = tuple(number for number in state.order_ids if number != order.order_id)
    is_working = state.kind != ListKind.OCO and order.order_id == state.order_ids[0]
    if is_working:
        if order.status == OrderStatus.FILLED:
            return Consequence(start=others)
        if order.status == OrderStatus.CANCELED:
            return Consequence(cancel=others)
        return Consequence() if order.status.is_open else Consequence(expire=others)
    if state.kind == ListKind.OTO:
        return Consequence(cancel=others) if order.status == OrderStatus.CANCELED else Consequence()
    siblings = tuple(number for number in state.order_ids[-2:] if number != order.order_id)
    if order.status == OrderStatus.CANCELED:
        return Consequence(cancel=others)
    if order.executed_lots or triggered or not order.status.is_open:
        return Consequence(expire=siblings)
    return Consequence()


def was_ended_for(order: OrderState, other: OrderState) -> bool:
    """Whether the list ended `order` because `other` traded or was triggered: that one goes on."""
    has_moved = other.executed_lots > 0 or (other.type.waits and other.working_ns >= 0)
    return has_moved and not order.executed_lots and not order.status.is_open
