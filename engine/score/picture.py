"""What a bot cannot know, because faults kept it from being told (score.py tells this file what was).

An order is *astray* from the first thing that happens to it and is told late, or never, until

- a message tells its true state (status, quantity and filled lots are the broker's), or
- the bot names it in a request (a cancel, an amendment, a replacement, or a cancel of all of its orders), or
- the bot asks how it stands, or which of its orders are open, and is told.

What is told in the same instant by another message (the reply to an order, its event) is told. A message that
comes twice leads nobody astray: ids and times on it say that it is old. Questions are answered by gateways;
they tell the session of an answer (terms.Asked) while any order of the account is astray, and else not.

A *ghost* is an order that the bot treats as alive, or as not carried out, when it is not so:

- it names one that had ended, while it has not been told of that, or RACE_NS after it had ended (sooner, the
  two may have crossed);
- told TIMEOUT_UNKNOWN, it sends the same order again (side, type, price, quantity) though the first has been
  carried out, without having named it.

An open order is *stuck* when it has been astray for STUCK_NS: nobody but the desk knows what it is doing.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from engine.broker.terms import OrderState, OrderTerms
from engine.core.clock import NS_PER_S

__all__ = ["ASTRAY_KEPT", "RACE_NS", "STUCK_NS", "Astray", "Picture", "terms_of"]

ASTRAY_KEPT = 4_096
"""Orders astray of one account; the oldest is forgotten first (counted)."""
GHOSTS_KEPT = 1_024
"""Ghosts that are told apart; one named again after so many others counts again."""
UNSURE_KEPT = 256
"""Orders carried out unanswered that are remembered; the oldest is forgotten first."""
RACE_NS = 1 * NS_PER_S
STUCK_NS = 5 * NS_PER_S


class Astray(NamedTuple):
    """An order of which the bot knows less than it should."""

    since_ns: int
    window: int
    """Number of the fault that did it; 0 = none that is known."""


def terms_of(order: OrderTerms) -> str:
    """Side, type, price and lots: by these a repeated order is known."""
    return f"{order.side} {order.type:d} {order.price_ticks} {order.qty_lots}"


class Picture(msgspec.Struct):
    """What one account has not been told."""

    astray: dict[int, Astray] = {}
    forgotten: int = 0
    ghosts: dict[int, int] = {}
    """Order id -> when it was first named; the last GHOSTS_KEPT."""
    ghost_orders: int = 0
    unanswered: dict[int, tuple[int, str]] = {}
    """Request id -> order that was carried out though its answer is lost, until that is told."""
    unsure: dict[str, int] = {}
    """Orders after TIMEOUT_UNKNOWN, that have been carried out and not been named."""
    instant_ns: int = -1
    told_now: dict[int, tuple[str, int, int]] = {}
    """States told in this instant, by order."""

    def miss(self, truth: OrderState, now_ns: int, window: int) -> bool:
        """Something that has happened to the order is not told now. Returns whether it goes astray by it."""
        number = truth.order_id
        if number in self.astray or (
            self.instant_ns == now_ns and self.told_now.get(number) == _state_of(truth)
        ):
            return False
        self.astray[number] = Astray(now_ns, window)
        if len(self.astray) > ASTRAY_KEPT:
            del self.astray[next(iter(self.astray))]
            self.forgotten += 1
        return True

    def tell(self, told: OrderState, truth: OrderState | None, now_ns: int) -> Astray | None:
        """A state of an order is told. Returns how it was astray, if this puts it right."""
        if self.instant_ns != now_ns:
            self.instant_ns = now_ns
            self.told_now.clear()
        state = _state_of(told)
        self.told_now[told.order_id] = state
        if told.order_id in self.astray and (truth is None or _state_of(truth) == state):
            return self.astray.pop(told.order_id)
        return None

    def name(self, order: OrderState, now_ns: int) -> Astray | None:
        """The bot names an order in a request. Returns how it was astray, which it is no more."""
        number = order.order_id
        astray = self.astray.pop(number, None)
        if not order.status.is_open and (astray is not None or now_ns - order.updated_ns > RACE_NS):
            self._count_ghost(number, now_ns)
        if self.unsure:
            self.unsure = {terms: other for terms, other in self.unsure.items() if other != number}
        return astray

    def ask(self, number: int) -> Astray | None:
        """The bot was told how this order stands, because it asked. Returns how it was astray."""
        if self.unsure:
            self.unsure = {terms: other for terms, other in self.unsure.items() if other != number}
        return self.astray.pop(number, None)

    def in_doubt(self) -> list[int]:
        """Orders of which it knows less than it should."""
        return [*self.astray, *self.unsure.values()]

    def repeat(self, terms: str, now_ns: int) -> None:
        """The bot sends an order; it may have sent the same before, and not know that it worked."""
        number = self.unsure.pop(terms, None)
        if number is not None:
            self._count_ghost(number, now_ns)

    def leave_unanswered(self, request_id: int, order: OrderState, terms: str) -> None:
        """An order was carried out, and its sender will be told that nobody knows."""
        self.unanswered[request_id] = (order.order_id, terms)
        if len(self.unanswered) > UNSURE_KEPT:
            del self.unanswered[next(iter(self.unanswered))]

    def tell_unknown(self, request_id: int) -> None:
        """TIMEOUT_UNKNOWN is told."""
        waiting = self.unanswered.pop(request_id, None)
        if waiting is not None:
            self.unsure[waiting[1]] = waiting[0]
            if len(self.unsure) > UNSURE_KEPT:
                del self.unsure[next(iter(self.unsure))]

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "astray": len(self.astray),
            "astray_limit": ASTRAY_KEPT,
            "astray_forgotten": self.forgotten,
            "ghosts": len(self.ghosts),
            "ghosts_limit": GHOSTS_KEPT,
            "unsure": len(self.unsure) + len(self.unanswered),
            "unsure_limit": 2 * UNSURE_KEPT,
        }

    def _count_ghost(self, number: int, now_ns: int) -> None:
        if number in self.ghosts:
            return
        self.ghost_orders += 1
        self.ghosts[number] = now_ns
        if len(self.ghosts) > GHOSTS_KEPT:
            del self.ghosts[next(iter(self.ghosts))]


def _state_of(order: OrderState) -> tuple[str, int, int]:
    return order.status, order.executed_lots, order.qty_lots
