"""Matching with price-time priority (stop 3 on the data path).

An incoming order trades against the best resting orders, first come first served at each price; what is
left rests, or not, by its time in force. The engine changes book, ledger and log together, so the book
always equals the one that the published events build (tested).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from engine.book.reference import ReferenceBook
from engine.core.eventlog import EventLog
from engine.core.types import Account, EventType, Side, TimeInForce
from engine.market.ledger import Ledger
from engine.market.orders import (
    ExecutionReport,
    Order,
    OrderStatus,
    Reason,
    ReportKind,
    SelfTradePrevention,
)

__all__ = ["MatchingEngine", "Trade"]


class Trade(NamedTuple):
    """One execution with both owners: inside knowledge, not part of the public feed."""

    trade_id: int
    time_ns: int
    price_ticks: int
    qty_lots: int
    aggressor_side: int
    aggressor: int
    maker: int


class MatchingEngine:
    """Live orders of one instrument and the rules by which they trade."""

    def __init__(self, *, book: ReferenceBook, ledger: Ledger, log: EventLog) -> None:
        self.book = book
        self.ledger = ledger
        self.log = log
        self.orders: dict[int, Order] = {}
        """Resting orders by order id."""
        self.by_account: dict[int, dict[int, Order]] = {}
        """Resting orders by account, oldest first."""
        self.trade_count = 0
        self.on_trade: list[Callable[[Trade], None]] = []
        self.on_report: dict[int, Callable[[ExecutionReport], None]] = {}
        """Who hears of its orders: account -> listener."""
        self.by_client_id: dict[tuple[int, int], int] = {}
        """Order ids of resting orders that came with their owner's own id: (account, client id)."""
        self._report_sequence: dict[int, int] = {}

    # -- requests ------------------------------------------------------------------------------------

    def submit(self, now_ns: int, order: Order) -> None:
        """Match a new order and rest what may rest. It has passed the gate."""
        if not self._admit(now_ns, order):
            return
        if order.time_in_force == TimeInForce.GTC or order.time_in_force == TimeInForce.POST_ONLY:
            self._report(now_ns, order, ReportKind.ACCEPTED)
        stopped = self._match(now_ns, order)
        if not order.remaining_lots or order.status is OrderStatus.CANCELLED:
            return
        if stopped is not Reason.NONE:
            self._end(now_ns, order, stopped)
        elif order.price_ticks == 0:
            self._end(now_ns, order, Reason.NO_LIQUIDITY)
        elif order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self._end(now_ns, order, Reason.IOC_REMAINDER)
        else:
            self._rest(now_ns, order)

    def cancel(self, now_ns: int, order_id: int, qty_lots: int = 0) -> int:
        """Cancel a resting order, or qty_lots of it. Returns the lots removed (0: it is not there)."""
        order = self.orders.get(order_id)
        if order is None:
            return 0
        if 0 < qty_lots < order.remaining_lots:
            self.book.cancel(order_id, qty_lots)
            order.remaining_lots -= qty_lots
            order.qty_lots -= qty_lots
            self.log.append(now_ns, EventType.CANCEL, order.side, order_id, order.price_ticks, qty_lots)
            return qty_lots
        removed = order.remaining_lots
        self._remove(now_ns, order, Reason.BY_OWNER)
        return removed

    def replace(self, now_ns: int, order_id: int, *, price_ticks: int, qty_lots: int) -> bool:
        """Give a resting order a new price and open quantity; False when it is not there.

        It keeps its place only at the same price with no more quantity. At a price that crosses, it
        leaves the book and comes in again as an aggressor under the same id; a post-only order may not,
        and stays as it was (False).
        """
        order = self.orders.get(order_id)
        if order is None:
            return False
        crosses = self._crosses(order.side, price_ticks)
        if crosses and order.time_in_force == TimeInForce.POST_ONLY:
            return False
        order.qty_lots += qty_lots - order.remaining_lots
        order.remaining_lots = qty_lots
        if crosses:
            self.book.cancel(order_id)
            self.log.append(now_ns, EventType.CANCEL, order.side, order_id, order.price_ticks, 0)
            self._forget(order)
            order.price_ticks = price_ticks
            self._report(now_ns, order, ReportKind.REPLACED)
            stopped = self._match(now_ns, order)
            if order.remaining_lots and stopped is not Reason.NONE:
                self._end(now_ns, order, stopped)
            elif order.remaining_lots:
                self._rest(now_ns, order)
            return True
        order.price_ticks = price_ticks
        self.book.modify(order_id, order.side, price_ticks, qty_lots)
        self.log.append(now_ns, EventType.MODIFY, order.side, order_id, price_ticks, qty_lots)
        self._report(now_ns, order, ReportKind.REPLACED)
        return True

    def reject(self, now_ns: int, order: Order, reason: Reason) -> None:
        """Refuse an order before it touches the book."""
        order.move(OrderStatus.REJECTED)
        self._report(now_ns, order, ReportKind.REJECTED, reason=reason)

    def open_orders(self, account: int) -> dict[int, Order]:
        """The account's resting orders by id, oldest first (do not change it)."""
        return self.by_account.get(account, {})

    def statistics(self) -> dict[str, int]:
        """Live orders and trades."""
        return {"live_orders": len(self.orders), "trades": self.trade_count}

    # -- matching ------------------------------------------------------------------------------------

    def _admit(self, now_ns: int, order: Order) -> bool:
        tif = order.time_in_force
        if tif == TimeInForce.POST_ONLY and (
            order.price_ticks == 0 or self._crosses(order.side, order.price_ticks)
        ):
            self.reject(now_ns, order, Reason.POST_ONLY_WOULD_TRADE)
            return False
        if tif == TimeInForce.FOK and self._fillable(order) < order.qty_lots:
            self.reject(now_ns, order, Reason.FOK_UNFILLABLE)
            return False
        return True

    def _crosses(self, side: int, price_ticks: int) -> bool:
        if side == Side.BID:
            best = self.book.best_ask
            return best is not None and price_ticks >= best
        best = self.book.best_bid
        return best is not None and price_ticks <= best

    def _match(self, now_ns: int, order: Order) -> Reason:
        """Trade while it crosses. Returns why it had to stop, NONE when price or quantity ran out."""
        book = self.book
        other = 1 - order.side
        limit = order.price_ticks
        while order.remaining_lots:
            best = book.best_ask if order.side == Side.BID else book.best_bid
            if best is None:
                break
            if limit and (limit < best if order.side == Side.BID else limit > best):
                break
            front = book.front(other)
            assert front is not None
            maker = self.orders[front]
            if maker.account == order.account:
                policy = _self_trade_policy(order.account)
                if policy is SelfTradePrevention.CANCEL_RESTING:
                    self._remove(now_ns, maker, Reason.SELF_TRADE)
                    continue
                if policy is SelfTradePrevention.CANCEL_INCOMING:
                    return Reason.SELF_TRADE
            self._execute(now_ns, order, maker, best)
        return Reason.NONE

    def _execute(self, now_ns: int, taker: Order, maker: Order, price_ticks: int) -> None:
        qty = min(taker.remaining_lots, maker.remaining_lots)
        self.book.trade(maker.order_id, qty)
        self.log.append(now_ns, EventType.TRADE, maker.side, maker.order_id, price_ticks, qty)
        maker_fee, taker_fee = self.ledger.execute(
            maker=maker.account,
            taker=taker.account,
            taker_side=taker.side,
            price_ticks=price_ticks,
            qty_lots=qty,
        )
        maker.fill(qty)
        taker.fill(qty)
        if not maker.remaining_lots:
            self._forget(maker)
        self._report_fill(now_ns, maker, qty, price_ticks, maker_fee)
        self._report_fill(now_ns, taker, qty, price_ticks, taker_fee)
        self.trade_count += 1
        trade = Trade(self.trade_count, now_ns, price_ticks, qty, taker.side, taker.account, maker.account)
        for listener in self.on_trade:
            listener(trade)

    def _fillable(self, order: Order) -> int:
        """Lots that could trade at once, up to the order's quantity; own resting orders do not count."""
        total = 0
        other = 1 - order.side
        for level in self.book.levels(other):
            price = level.price_ticks
            if order.price_ticks and (
                price > order.price_ticks if order.side == Side.BID else price < order.price_ticks
            ):
                break
            for order_id in self.book.orders_at(other, price):
                resting = self.orders[order_id]
                if resting.account != order.account or order.account == Account.HISTORY:
                    total += resting.remaining_lots
            if total >= order.qty_lots:
                break
        return total

    def _rest(self, now_ns: int, order: Order) -> None:
        added = self.book.add(order.order_id, order.side, order.price_ticks, order.remaining_lots)
        assert added, f"order {order.order_id} could not rest"
        if order.status is OrderStatus.PENDING_NEW:
            order.move(OrderStatus.OPEN)
        self.orders[order.order_id] = order
        self.by_account.setdefault(order.account, {})[order.order_id] = order
        if order.client_id:
            self.by_client_id[(order.account, order.client_id)] = order.order_id
        self.log.append(
            now_ns, EventType.ADD, order.side, order.order_id, order.price_ticks, order.remaining_lots
        )

    def _remove(self, now_ns: int, order: Order, reason: Reason) -> None:
        self.book.cancel(order.order_id)
        self.log.append(now_ns, EventType.CANCEL, order.side, order.order_id, order.price_ticks, 0)
        self._forget(order)
        self._end(now_ns, order, reason)

    def _forget(self, order: Order) -> None:
        del self.orders[order.order_id]
        del self.by_account[order.account][order.order_id]
        if order.client_id:
            del self.by_client_id[(order.account, order.client_id)]

    def _end(self, now_ns: int, order: Order, reason: Reason) -> None:
        order.move(OrderStatus.CANCELLED)
        self._report(now_ns, order, ReportKind.CANCELLED, reason=reason)

    # -- reports -------------------------------------------------------------------------------------

    def _report_fill(self, now_ns: int, order: Order, qty_lots: int, price_ticks: int, fee: int) -> None:
        kind = ReportKind.PARTIALLY_FILLED if order.remaining_lots else ReportKind.FILLED
        self._report(now_ns, order, kind, qty_lots=qty_lots, price_ticks=price_ticks, fee=fee)

    def _report(
        self,
        now_ns: int,
        order: Order,
        kind: ReportKind,
        *,
        reason: Reason = Reason.NONE,
        qty_lots: int = 0,
        price_ticks: int = 0,
        fee: int = 0,
    ) -> None:
        listener = self.on_report.get(order.account)
        if listener is None:
            return
        sequence = self._report_sequence.get(order.account, 0) + 1
        self._report_sequence[order.account] = sequence
        listener(
            ExecutionReport(
                sequence=sequence,
                time_ns=now_ns,
                account=order.account,
                client_id=order.client_id,
                order_id=order.order_id,
                kind=kind.value,
                side=order.side,
                price_ticks=order.price_ticks,
                qty_lots=order.qty_lots,
                filled_lots_last=qty_lots,
                fill_price_ticks=price_ticks,
                remaining_lots=order.remaining_lots,
                reason=reason.value,
                fee=fee,
            )
        )


def _self_trade_policy(account: int) -> SelfTradePrevention:
    """HISTORY is many participants and may trade with itself; everybody else's old order gives way."""
    return SelfTradePrevention.NONE if account == Account.HISTORY else SelfTradePrevention.CANCEL_RESTING
