"""Price-time priority said as plainly as possible: a list of orders, searched from the start each time.

The judge of the matching engine in tests/market/test_matching.py. It knows no levels and no queues: the
order that trades next is the minimum over all resting ones of (price, arrival).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.core.types import Account, SelfTrade, TimeInForce

HISTORY = int(Account.HISTORY)


@dataclass
class Resting:
    """One resting order; `arrival` is its place in time at its price."""

    order_id: int
    account: int
    side: int
    price: int
    lots: int
    post_only: bool
    arrival: int


@dataclass
class Outcome:
    """What became of one request."""

    fills: list[tuple[int, int, int]] = field(default_factory=list)
    """(maker's order id, price, lots)."""
    self_cancelled: list[int] = field(default_factory=list)
    reduced: list[tuple[int, int]] = field(default_factory=list)
    """(resting order's id, lots) of own orders that shrank without a trade."""
    lost: int = 0
    """Lots that the newcomer lost so."""
    prevented: bool = False
    """The newcomer ended at an order of its own account."""
    rejected: bool = False
    left: int = 0
    """Lots of the newcomer that did not trade."""
    rests: bool = False


class ListMarket:
    """All resting orders in one list."""

    def __init__(self) -> None:
        self.orders: list[Resting] = []
        self.arrivals = 0

    def submit(
        self,
        order_id: int,
        account: int,
        side: int,
        price: int,
        lots: int,
        tif: int,
        mode: SelfTrade = SelfTrade.CANCEL_MAKER,
    ) -> Outcome:
        """Price 0 = market."""
        outcome = Outcome()
        if tif == TimeInForce.POST_ONLY and (price == 0 or self.meets_any(side, price)):
            outcome.rejected = True
            return outcome
        if tif == TimeInForce.FOK and self.available(account, side, price, mode) < lots:
            outcome.rejected = True
            return outcome
        outcome.left = self._trade(account, side, price, lots, outcome, mode)
        if (
            outcome.left
            and not outcome.prevented
            and price
            and tif in (TimeInForce.GTC, TimeInForce.POST_ONLY)
        ):
            outcome.rests = True
            self._rest(Resting(order_id, account, side, price, outcome.left, tif == TimeInForce.POST_ONLY, 0))
        return outcome

    def cancel(self, order_id: int, lots: int) -> None:
        """0 or more than rest: all of it."""
        order = self.find(order_id)
        if 0 < lots < order.lots:
            order.lots -= lots
        else:
            self.orders.remove(order)

    def replace(self, order_id: int, price: int, lots: int) -> Outcome | None:
        """None: refused, because a post-only order would have traded."""
        order = self.find(order_id)
        outcome = Outcome(left=lots, rests=True)
        if self.meets_any(order.side, price):
            if order.post_only:
                return None
            self.orders.remove(order)
            outcome.left = self._trade(order.account, order.side, price, lots, outcome)
            outcome.rests = outcome.left > 0
            if outcome.rests:
                order.price, order.lots = price, outcome.left
                self._rest(order)
            return outcome
        keeps_place = price == order.price and lots <= order.lots
        order.price, order.lots = price, lots
        if not keeps_place:
            self.orders.remove(order)
            self._rest(order)
        return outcome

    def find(self, order_id: int) -> Resting:
        """The resting order with this id."""
        return next(order for order in self.orders if order.order_id == order_id)

    def queue(self, side: int, price: int) -> list[tuple[int, int]]:
        """(order id, lots) at a price, oldest first."""
        there = [o for o in self.orders if o.side == side and o.price == price]
        return [(o.order_id, o.lots) for o in sorted(there, key=lambda o: o.arrival)]

    def prices(self, side: int) -> list[int]:
        """Prices at which something rests, best first."""
        return sorted({o.price for o in self.orders if o.side == side}, reverse=side == 0)

    def meets_any(self, side: int, price: int) -> bool:
        """Whether an order at this price would meet any resting order of the other side."""
        return any(self._meets(side, price, order) for order in self.orders)

    def available(self, account: int, side: int, price: int, mode: SelfTrade = SelfTrade.CANCEL_MAKER) -> int:
        """Lots that an order could trade with before it ends at, or loses lots to, an own one."""
        total = 0
        for order in self._meeting(side, price):
            if order.account != account or account == HISTORY or mode == SelfTrade.ALLOW:
                total += order.lots
            elif mode != SelfTrade.CANCEL_MAKER:
                break
        return total

    def _meeting(self, side: int, price: int) -> list[Resting]:
        """The orders that one at this price meets, the first to trade first."""
        sign = 1 if side == 0 else -1
        meeting = [order for order in self.orders if self._meets(side, price, order)]
        return sorted(meeting, key=lambda o: (sign * o.price, o.arrival))

    def _trade(
        self,
        account: int,
        side: int,
        price: int,
        lots: int,
        outcome: Outcome,
        mode: SelfTrade = SelfTrade.CANCEL_MAKER,
    ) -> int:
        while lots:
            meeting = self._meeting(side, price)
            if not meeting:
                break
            maker = meeting[0]
            if maker.account == account and account != HISTORY and mode != SelfTrade.ALLOW:
                lost = min(lots, maker.lots) if mode == SelfTrade.DECREMENT else 0
                if mode in (SelfTrade.CANCEL_MAKER, SelfTrade.CANCEL_BOTH) or lost == maker.lots:
                    self.orders.remove(maker)
                    outcome.self_cancelled.append(maker.order_id)
                elif lost:
                    maker.lots -= lost
                    outcome.reduced.append((maker.order_id, lost))
                if mode in (SelfTrade.CANCEL_TAKER, SelfTrade.CANCEL_BOTH) or lost == lots:
                    outcome.prevented = True
                    break
                lots -= lost
                outcome.lost += lost
                continue
            traded = min(lots, maker.lots)
            outcome.fills.append((maker.order_id, maker.price, traded))
            lots -= traded
            maker.lots -= traded
            if not maker.lots:
                self.orders.remove(maker)
        return lots

    @staticmethod
    def _meets(side: int, price: int, order: Resting) -> bool:
        if order.side == side:
            return False
        return price == 0 or (order.price <= price if side == 0 else order.price >= price)

    def _rest(self, order: Resting) -> None:
        self.arrivals += 1
        order.arrival = self.arrivals
        self.orders.append(order)
