"""One bot's account: balances with locks, and the table of its orders and fills.

Balances are what the account started with plus what the ledger says, so they are as exact as the ledger:
base = start + position, quote = start + cash. What open orders may cost is locked. Readers on other threads
use the methods of `reading`: values are immutable and containers are copied in one step.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import Any

import msgspec

from engine.broker.terms import Balances, Fill, ListKind, ListState, OrderState, OrderStatus, Refusal
from engine.core.types import Side
from engine.market.ledger import MICRO, FeeSchedule, Ledger

__all__ = ["CLOSED_ORDERS_KEPT", "FILLS_KEPT", "BotAccount", "cost_micro"]

CLOSED_ORDERS_KEPT = 10_000
"""Closed orders of one account; the oldest are forgotten first (counted)."""
FILLS_KEPT = 20_000
"""Fills of one account; the oldest are forgotten first (counted)."""


def cost_micro(price_ticks: int, qty_lots: int, fee_ppm: int) -> int:
    """Most that a buy at this price takes out of the quote balance: notional and fee."""
    return price_ticks * qty_lots * (MICRO + max(0, fee_ppm))


class BotAccount:
    """Balances, locks, orders and fills.

    Reading    balances order by_client_id open_orders all_orders fills order_fills list_states
    Orders     put add_fill put_list has_open_client_id open_count
    Money      lacks free_quote_micro lock_of update_balances
    """

    def __init__(
        self,
        *,
        number: int,
        label: str,
        fees: FeeSchedule,
        base_lots: int,
        quote_micro: int,
        ledger: Ledger,
    ) -> None:
        self.number = number
        self.label = label
        self.fees = fees
        self.start_base_lots = base_lots
        self.start_quote_micro = quote_micro
        self._ledger = ledger
        self._open: dict[int, OrderState] = {}
        self._closed: dict[int, OrderState] = {}
        self._by_client_id: dict[str, int] = {}
        self._fills: deque[Fill] = deque(maxlen=FILLS_KEPT)
        self._lists: dict[int, ListState] = {}
        self._locks: dict[int, tuple[int, int]] = {}
        """Locked (base lots, quote micro) by order."""
        self._base_locked = 0
        self._quote_locked = 0
        self.waiting_count = 0
        """Open orders that wait for a price."""
        self.fill_count = 0
        self.round_trips = 0
        """How often its trading came back to no position."""
        self._traded_lots = 0
        """Bought less sold by the fills so far."""
        self.order_count = 0
        self.forgotten_orders = 0
        self.balances = Balances(base_lots, 0, quote_micro, 0)
        """As of the last change."""

    # -- reading, from any thread ----------------------------------------------------------------------

    def order(self, order_id: int) -> OrderState | None:
        """An order, open or closed."""
        return self._open.get(order_id) or self._closed.get(order_id)

    def by_client_id(self, client_order_id: str) -> OrderState | None:
        """The latest order of this client id."""
        return self.order(self._by_client_id.get(client_order_id, 0))

    def open_orders(self) -> list[OrderState]:
        """Oldest first."""
        return list(self._open.values())

    def all_orders(self) -> list[OrderState]:
        """Open and closed, by id."""
        opened = dict(self._open)  # first: an order that ends meanwhile is in both, not in neither
        return sorted({**opened, **dict(self._closed)}.values(), key=lambda order: order.order_id)

    def fills(self) -> list[Fill]:
        """Oldest first."""
        return list(self._fills)

    def order_fills(self, order_id: int) -> list[Fill]:
        """Fills of one order, oldest first."""
        return [fill for fill in self.fills() if fill.order_id == order_id]

    def newest_fills(self, order: OrderState) -> list[Fill]:
        """Fills of an order that began at this instant, oldest first; on the engine's thread."""
        since = takewhile(lambda fill: fill.time_ns >= order.created_ns, reversed(self._fills))
        return [fill for fill in since if fill.order_id == order.order_id][::-1]

    def list_states(self) -> list[ListState]:
        """Oldest first."""
        return list(self._lists.values())

    def list_state(self, list_id: int) -> ListState | None:
        """An order list."""
        return self._lists.get(list_id)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "open": len(self._open),
            "closed": len(self._closed),
            "closed_limit": CLOSED_ORDERS_KEPT,
            "forgotten_orders": self.forgotten_orders,
            "fills": len(self._fills),
            "fills_limit": FILLS_KEPT,
            "forgotten_fills": self.fill_count - len(self._fills),
        }

    # -- orders ----------------------------------------------------------------------------------------

    @property
    def open_count(self) -> int:
        """Open orders."""
        return len(self._open)

    def has_open_client_id(self, client_order_id: str) -> bool:
        """Whether an open order has this client id."""
        return self._by_client_id.get(client_order_id, 0) in self._open

    def put(self, order: OrderState) -> None:
        """A new order, or a new state of one."""
        number = order.order_id
        before = self._open.get(number)
        if before is None or before.client_order_id != order.client_order_id:
            self._name(order, before)
        if order.status.is_open:
            self.order_count += before is None
            self._open[number] = order
        else:
            # In this order, so that a reader on another thread finds it in one of the two at any time.
            self._closed[number] = order
            self._open.pop(number, None)
            while len(self._closed) > CLOSED_ORDERS_KEPT:
                self._forget(next(iter(self._closed)))
        self._lock(order)

    def add_fill(self, fill: Fill) -> None:
        """One more fill."""
        self._fills.append(fill)
        self.fill_count += 1
        self._traded_lots += fill.qty_lots if fill.side == Side.BID else -fill.qty_lots
        self.round_trips += self._traded_lots == 0

    def put_list(self, state: ListState) -> None:
        """A new list, or a new state of one."""
        self._lists[state.list_id] = state
        if len(self._lists) > CLOSED_ORDERS_KEPT:
            ended = (number for number, one in self._lists.items() if one.status == "ALL_DONE")
            del self._lists[next(ended)]

    def _name(self, order: OrderState, before: OrderState | None) -> None:
        """The order is found by its client id from now on, and by an earlier one no more."""
        if before is not None and self._by_client_id.get(before.client_order_id) == order.order_id:
            del self._by_client_id[before.client_order_id]
        self._by_client_id[order.client_order_id] = order.order_id

    def _forget(self, number: int) -> None:
        order = self._closed.pop(number)
        self.forgotten_orders += 1
        if self._by_client_id.get(order.client_order_id) == number:
            del self._by_client_id[order.client_order_id]

    # -- money -----------------------------------------------------------------------------------------

    def lacks(self, base_lots: int, quote_micro: int) -> Refusal:
        """INSUFFICIENT_BALANCE unless so much is free."""
        cash, position_lots = self._ledger.holdings(self.number)
        free_base = self.start_base_lots + position_lots - self._base_locked
        free_quote = self.start_quote_micro + cash - self._quote_locked
        short = base_lots > max(0, free_base) or quote_micro > max(0, free_quote)
        return Refusal.INSUFFICIENT_BALANCE if short else Refusal.NONE

    def free_quote_micro(self) -> int:
        """Money that is not locked."""
        return self.start_quote_micro + self._ledger.holdings(self.number)[0] - self._quote_locked

    def lock_of(self, order: OrderState) -> tuple[int, int]:
        """(base lots, quote micro) that an open order locks by itself."""
        if not order.status.is_open or order.status == OrderStatus.PENDING_NEW:
            return 0, 0
        if order.side == Side.ASK:
            return order.remaining_lots, 0
        price_ticks = order.price_ticks or order.stop_price_ticks
        return 0, cost_micro(price_ticks, order.remaining_lots, max(self.fees))

    def algo_count(self) -> int:
        """Open orders that wait for a price, or will when their list has come so far."""
        pending = (o for o in self._open.values() if o.status == OrderStatus.PENDING_NEW)
        return self.waiting_count + sum(order.type.waits for order in pending)

    def update_balances(self, now_ns: int) -> Balances:
        """The balances as they are now; also kept for readers."""
        cash, position_lots = self._ledger.holdings(self.number)
        self.balances = Balances(
            base_lots=self.start_base_lots + position_lots,
            base_locked_lots=self._base_locked,
            quote_micro=self.start_quote_micro + cash,
            quote_locked_micro=self._quote_locked,
            updated_ns=now_ns,
        )
        return self.balances

    def _lock(self, order: OrderState) -> None:
        """Brings the locks up to date; two orders of which only one can trade lock what the dearer does."""
        self._set_lock(order.order_id, self.lock_of(order))
        if order.list_id >= 0 and (state := self._lists.get(order.list_id)) is not None:
            self.lock_pair(state)

    def lock_pair(self, state: ListState) -> None:
        """Only one of the two orders of an OCO trades: the dearer locks, the other does not. When one has
        ended, the other locks for itself."""
        legs = [self._open[number] for number in state.order_ids[-2:] if number in self._open]
        if state.kind == ListKind.OTO or not legs:
            return
        dearer = max(legs, key=lambda leg: (self.lock_of(leg), -leg.order_id))
        for leg in legs:
            self._set_lock(leg.order_id, self.lock_of(leg) if leg is dearer else (0, 0))

    def _set_lock(self, number: int, lock: tuple[int, int]) -> None:
        base, quote = self._locks.pop(number, (0, 0))
        if lock != (0, 0):
            self._locks[number] = lock
        self._base_locked += lock[0] - base
        self._quote_locked += lock[1] - quote

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything that an image needs."""
        built: dict[str, Any] = msgspec.to_builtins(
            {
                "label": self.label,
                "fees": list(self.fees),
                "start": [self.start_base_lots, self.start_quote_micro],
                "open": self.open_orders(),
                "closed": list(self._closed.values()),
                "fills": self.fills(),
                "lists": self.list_states(),
                "locks": [[number, *lock] for number, lock in self._locks.items()],
                "names": list(self._by_client_id.items()),
                "counts": [self.waiting_count, self.fill_count, self.order_count, self.forgotten_orders],
                "trips": [self.round_trips, self._traded_lots],
                "balances": self.balances,
            }
        )
        return built

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self._open = {order.order_id: order for order in msgspec.convert(state["open"], list[OrderState])}
        self._closed = {order.order_id: order for order in msgspec.convert(state["closed"], list[OrderState])}
        self._by_client_id = dict(state["names"])
        self._fills = deque(msgspec.convert(state["fills"], list[Fill]), maxlen=FILLS_KEPT)
        self._lists = {one.list_id: one for one in msgspec.convert(state["lists"], list[ListState])}
        self._locks = {number: (base, quote) for number, base, quote in state["locks"]}
        self._base_locked = sum(base for base, _ in self._locks.values())
        self._quote_locked = sum(quote for _, quote in self._locks.values())
        self.waiting_count, self.fill_count, self.order_count, self.forgotten_orders = state["counts"]
        self.round_trips, self._traded_lots = state["trips"]
        self.balances = msgspec.convert(state["balances"], Balances)
