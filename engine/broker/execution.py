"""Orders into the market, and what the market reports into order events: the order state machine of bots.

    (refused)
    PENDING_NEW ──► NEW ──► PARTIALLY_FILLED ──► FILLED
                     └────────────┴──► CANCELED | EXPIRED | EXPIRED_IN_MATCH

Every edge makes one OrderEvent, in the order in which things happened; the balances of whoever was touched
follow once at the end (`flush`). Orders that changed wait in `changed`, for lists and icebergs to react.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

import msgspec.structs

from engine.broker.accounts import BotAccount, cost_micro
from engine.broker.boundary import Boundary
from engine.broker.terms import (
    BalanceEvent,
    Execution,
    Fill,
    ListEvent,
    ListState,
    OrderEvent,
    OrderState,
    OrderStatus,
    OrderTerms,
    OrderType,
    Refusal,
)
from engine.core.types import SelfTrade, Side, TimeInForce
from engine.market.exchange import Exchange
from engine.market.ledger import MICRO
from engine.market.orders import ExecutionReport, Reason, ReportKind

__all__ = ["Entered", "OrderFlow"]

_replace = msgspec.structs.replace


class Entered(NamedTuple):
    """What became of an order that was sent into the book."""

    refusal: Refusal
    detail: str = ""


class OrderFlow:
    """The orders of all bots on their way through the market.

    Sending    enter refill cancel expire amend
    Hearing    hear (the exchange's listener) settle
    Telling    event flush
    """

    def __init__(self, exchange: Exchange, boundary: Boundary, accounts: dict[int, BotAccount]) -> None:
        self._exchange = exchange
        self._boundary = boundary
        self._accounts = accounts
        self._reports: deque[ExecutionReport] = deque()
        self._by_market_id: dict[int, tuple[int, int]] = {}
        """Order in the book -> (account, order id)."""
        self._shown: dict[int, int] = {}
        """Order in the book -> lots that it still has there."""
        self._touched: dict[int, None] = {}
        """Accounts whose balances have changed in this instant, in order."""
        self._events: list[tuple[int, OrderEvent | ListEvent]] = []
        self.changed: deque[OrderState] = deque()
        """Orders that were filled or ended, not yet reacted to."""

    # -- sending ---------------------------------------------------------------------------------------

    def enter(self, order: OrderState, *, announce: bool) -> Entered:
        """Sends an order into the book, now; `announce`: tell NEW first. A refused one is left as it was."""
        exchange = self._exchange
        account = self._accounts[order.account]
        shown = min(order.iceberg_lots or order.remaining_lots, order.remaining_lots)
        price_ticks = 0 if order.type.is_market else order.price_ticks
        self.settle()
        market_id = exchange.enter(
            account=order.account,
            side=order.side,
            price_ticks=price_ticks,
            qty_lots=shown,
            # The next part of an iceberg may meet what is left of the order that took the part before.
            time_in_force=_time_in_force(order) if announce else TimeInForce.GTC,
            self_trade=order.self_trade,
        )
        refused = self._take_refusal(market_id)
        if refused is not None and refused != Reason.FOK_UNFILLABLE:
            why = Refusal.WOULD_TAKE if refused == Reason.POST_ONLY_WOULD_TRADE else Refusal.GATE
            return Entered(why, str(refused))
        order = _replace(order, market_id=market_id)
        if announce:
            now_ns = exchange.kernel.now_ns
            order = _replace(order, working_ns=now_ns, updated_ns=now_ns)
        account.put(order)
        self._by_market_id[market_id] = (order.account, order.order_id)
        self._shown[market_id] = shown
        if announce:
            self.event(Execution.NEW, order)
        if refused is not None:
            self._end(order, OrderStatus.EXPIRED, Execution.EXPIRED)
        self.settle()
        return Entered(Refusal.NONE)

    def would_take(self, order: OrderTerms) -> bool:
        """Whether an order that may only rest would trade at once."""
        exchange = self._exchange
        best = exchange.best_ask if order.side == Side.BID else exchange.best_bid
        if order.type != OrderType.LIMIT_MAKER or best is None:
            return False
        return order.price_ticks >= best if order.side == Side.BID else order.price_ticks <= best

    def refill(self, order: OrderState) -> None:
        """Shows the next part of an iceberg, at the back of the queue."""
        if not order.status.is_open or order.market_id in self._by_market_id or order.remaining_lots == 0:
            return
        entered = self.enter(order, announce=False)
        if entered.refusal:
            self._end(order, OrderStatus.EXPIRED, Execution.EXPIRED)

    def cancel(self, order: OrderState, cancel_id: str = "", *, expire: bool = False) -> OrderState:
        """Ends an open order, in the book or not. Returns its last state."""
        account = self._accounts[order.account]
        if order.market_id in self._by_market_id:
            self._exchange.cancel_now(account=order.account, order_id=order.market_id)
            self._drop_cancel_report(order.market_id)
            self._forget(order.market_id)
        current = account.order(order.order_id)
        assert current is not None
        status = OrderStatus.EXPIRED if expire else OrderStatus.CANCELED
        execution = Execution.EXPIRED if expire else Execution.CANCELED
        return self._end(_replace(current, cancel_id=cancel_id), status, execution)

    def amend(self, order: OrderState, qty_lots: int, cancel_id: str) -> OrderState:
        """Takes quantity out of an open order: in the book it keeps its place, and of an iceberg what does
        not show goes first. Returns its new state."""
        left = qty_lots - order.executed_lots - order.prevented_lots
        removed = self._shown.get(order.market_id, 0) - left
        if removed > 0:
            self._exchange.cancel_now(account=order.account, order_id=order.market_id, qty_lots=removed)
            self._drop_cancel_report(order.market_id)
            self._shown[order.market_id] -= removed
        client_order_id = cancel_id or order.client_order_id
        now_ns = self._exchange.kernel.now_ns
        order = _replace(
            order,
            qty_lots=qty_lots,
            updated_ns=now_ns,
            cancel_id=order.client_order_id,
            client_order_id=client_order_id,
        )
        self._accounts[order.account].put(order)
        self.event(Execution.REPLACED, order)
        return order

    # -- hearing ---------------------------------------------------------------------------------------

    def hear(self, report: ExecutionReport) -> None:
        """Keeps a report of the exchange until `settle`."""
        self._reports.append(report)

    def settle(self) -> None:
        """Takes in what the exchange has reported."""
        reports = self._reports
        while reports:
            report = reports.popleft()
            owner = self._by_market_id.get(report.order_id)
            if owner is not None:
                order = self._accounts[owner[0]].order(owner[1])
                assert order is not None
                self._take(order, report)

    def _take(self, order: OrderState, report: ExecutionReport) -> None:
        kind = report.kind
        if kind in (ReportKind.FILLED, ReportKind.PARTIALLY_FILLED):
            self._take_fill(order, report)
        elif kind == ReportKind.CANCELLED:
            self._forget(report.order_id)
            if report.reason == Reason.SELF_TRADE:
                self._end(
                    order,
                    OrderStatus.EXPIRED_IN_MATCH,
                    Execution.TRADE_PREVENTION,
                    prevented_lots=report.remaining_lots,
                )
            elif report.reason == Reason.BY_OWNER:
                self._end(order, OrderStatus.CANCELED, Execution.CANCELED)
            else:
                self._end(order, OrderStatus.EXPIRED, Execution.EXPIRED)
        elif kind == ReportKind.REPLACED and report.reason == Reason.SELF_TRADE:
            prevented = self._shown[report.order_id] - report.remaining_lots
            self._shown[report.order_id] = report.remaining_lots
            order = _replace(order, prevented_lots=order.prevented_lots + prevented)
            self._accounts[order.account].put(order)
            self.event(Execution.TRADE_PREVENTION, order, prevented_lots=prevented)

    def _take_fill(self, order: OrderState, report: ExecutionReport) -> None:
        account = self._accounts[order.account]
        lots, price_ticks = report.filled_lots_last, report.fill_price_ticks
        executed = order.executed_lots + lots
        done = executed + order.prevented_lots >= order.qty_lots
        now_ns = self._exchange.kernel.now_ns
        self._shown[report.order_id] = report.remaining_lots
        if report.remaining_lots == 0:
            self._forget(report.order_id)
        order = _replace(
            order,
            executed_lots=executed,
            executed_micro=order.executed_micro + lots * price_ticks * MICRO,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
            updated_ns=now_ns,
            last_fill=report.trade_id,
        )
        fill = Fill(
            trade_id=report.trade_id,
            order_id=order.order_id,
            account=order.account,
            time_ns=now_ns,
            side=order.side,
            price_ticks=price_ticks,
            qty_lots=lots,
            fee_micro=report.fee,
            is_maker=report.is_maker,
            list_id=order.list_id,
        )
        account.put(order)
        account.add_fill(fill)
        self.event(Execution.TRADE, order, fill=fill)
        self.changed.append(order)

    def _take_refusal(self, market_id: int) -> str | None:
        """The reason, when the market has refused the order that was entered last."""
        for report in self._reports:
            if report.order_id == market_id and report.kind == ReportKind.REJECTED:
                self._reports.remove(report)
                return report.reason
        return None

    def _drop_cancel_report(self, market_id: int) -> None:
        """What the exchange says of our own cancel is told by us, with the request's id."""
        kept = [r for r in self._reports if r.order_id != market_id or r.kind in _FILLS]
        self._reports = deque(kept)
        self.settle()

    # -- telling ---------------------------------------------------------------------------------------

    def event(
        self,
        execution: Execution,
        order: OrderState,
        *,
        fill: Fill | None = None,
        refusal: Refusal = Refusal.NONE,
        prevented_lots: int = 0,
    ) -> None:
        """Notes that something happened to an order; it is told with the next `flush`."""
        self._touched[order.account] = None
        self._events.append((order.account, OrderEvent(execution, order, fill, refusal, prevented_lots)))

    def list_event(self, state: ListState, orders: tuple[OrderState, ...]) -> None:
        """Notes that a list began or ended."""
        self._events.append((state.account, ListEvent(state, orders)))

    def touch(self, account: int) -> None:
        """The account's balances are to be told with the next `flush`."""
        self._touched[account] = None

    def flush(self) -> None:
        """Tells events and balances."""
        tell = self._boundary.tell
        events, self._events = self._events, []
        for account, event in events:
            tell(account, event)
        touched, self._touched = self._touched, {}
        now_ns = self._exchange.kernel.now_ns
        for number in touched:
            tell(number, BalanceEvent(number, self._accounts[number].update_balances(now_ns)))

    def _end(
        self, order: OrderState, status: OrderStatus, execution: Execution, *, prevented_lots: int = 0
    ) -> OrderState:
        order = _replace(
            order,
            status=status,
            updated_ns=self._exchange.kernel.now_ns,
            prevented_lots=order.prevented_lots + prevented_lots,
        )
        self._forget(order.market_id)
        self._accounts[order.account].put(order)
        self.event(execution, order, prevented_lots=prevented_lots)
        self.changed.append(order)
        return order

    def _forget(self, market_id: int) -> None:
        """The order is not in the book any more."""
        self._by_market_id.pop(market_id, None)
        self._shown.pop(market_id, None)

    # -- money -----------------------------------------------------------------------------------------

    def affordable(self, account: BotAccount, order: OrderTerms) -> tuple[Refusal, int]:
        """(refusal, lots) of an order that enters the book now: a market order's cost is what the book
        would take for it, and its quantity what its money buys."""
        lots = order.qty_lots
        if order.quote_micro:
            lots, _ = self._walk(account, order, order.quote_micro, None)
            if order.side == Side.BID:
                return account.lacks(0, order.quote_micro), lots
        if order.side == Side.ASK:
            return account.lacks(lots, 0), lots
        if order.type == OrderType.MARKET:
            return account.lacks(0, self.market_cost(account, order, lots)), lots
        return account.lacks(0, cost_micro(order.price_ticks, lots, max(account.fees))), lots

    def market_cost(self, account: BotAccount, order: OrderTerms | OrderState, lots: int) -> int:
        """Most that taking so many lots can move now, with the fee of a buy, in micro."""
        return self._walk(account, order, None, lots)[1]

    def _walk(
        self,
        account: BotAccount,
        order: OrderTerms | OrderState,
        budget_micro: int | None,
        lots: int | None,
    ) -> tuple[int, int]:
        """(lots, cost in micro) of taking the other side: as many lots as asked for, or as the money buys.

        What the account has there itself is not taken, unless it may trade with itself: the order goes on to
        dearer levels, or ends there.
        """
        unit = MICRO + (max(0, account.fees.taker_ppm) if order.side == Side.BID else 0)
        own: Counter[int] = Counter()
        if order.self_trade != SelfTrade.ALLOW:
            own = self._own_lots(account, 1 - order.side)
        taken = spent = 0
        prices, totals = self._exchange.book.level_arrays(1 - order.side)
        for price_ticks, total in zip(prices.tolist(), totals.tolist(), strict=True):
            there = total - own[price_ticks]
            part = there if lots is None else min(there, lots - taken)
            if budget_micro is not None:
                part = min(part, (budget_micro - spent) // (price_ticks * unit))
            taken += part
            spent += part * price_ticks * unit
            if part < there:
                break
        return taken, spent

    def _own_lots(self, account: BotAccount, side: int) -> Counter[int]:
        """What the account shows on a side of the book, by price."""
        lots: Counter[int] = Counter()
        for order in self._exchange.open_orders(account.number).values():
            if order.side == side:
                lots[order.price_ticks] += order.remaining_lots
        return lots

    # -- state -----------------------------------------------------------------------------------------

    def state(self) -> list[list[int]]:
        """Everything that an image needs, between two instants."""
        return [[number, *owner, self._shown[number]] for number, owner in self._by_market_id.items()]

    def restore(self, state: list[list[int]]) -> None:
        """Goes on from a state."""
        self._by_market_id = {number: (account, order) for number, account, order, _ in state}
        self._shown = {number: shown for number, _, _, shown in state}


_FILLS = (ReportKind.FILLED, ReportKind.PARTIALLY_FILLED)


def _time_in_force(order: OrderState) -> int:
    if order.type == OrderType.LIMIT_MAKER:
        return int(TimeInForce.POST_ONLY)
    if order.type.is_market:
        return int(TimeInForce.IOC)
    return order.time_in_force
