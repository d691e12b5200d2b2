"""The demo bot's strategy, and an in-process agent that trades by it.

The same pure function drives the bot in its own process (engine/target/demo_bot.py) and this agent, so
that a storm's effect on it can be measured on exact pairs. It is a deliberately simple market maker: it
quotes one level a side near the touch, leans against its inventory, and keeps buying a falling market
until its limit or its stop.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.agents.base import Agent
from engine.core.clock import NS_PER_MS
from engine.core.types import Side
from engine.market.ledger import MICRO

__all__ = ["START_EQUITY_MICRO", "DemoMaker", "Quotes", "carry_cost", "quote"]

INTERVAL_MS = 250
START_EQUITY_MICRO = 10_000_000_000
"""10,000.00 in the instrument's currency, in millionths."""
SIZE_UNITS = 4
LIMIT_UNITS = 60
BACK_STEPS = 2
"""It quotes this many steps (an eighth of the spread, at least a tick) behind the touch."""
LEAN_EVERY_UNITS = 30
"""One step of lean for each of these units held."""
PAUSE_MS = 30_000
"""When it has given its position up, it stays out for this long."""
STOP_SHARE = 400
"""Loss per lot at which it gives up its position: one part in 400 of its cost (0.25 %)."""


class Quotes(NamedTuple):
    """What to show; a price of None: nothing on that side. `dump_lots` != 0: sell (or, negative, buy
    back) that much at market instead."""

    bid_ticks: int | None
    bid_lots: int
    ask_ticks: int | None
    ask_lots: int
    dump_lots: int = 0


def quote(*, best_bid: int, best_ask: int, position_lots: int, cost: int, unit_lots: int) -> Quotes:
    """Quotes for a touch, an inventory and the instrument's usual order size; integers only.

    `cost` is what the position was bought for (negative: sold for), in tick-lots. Never crossed; no bid
    that would pass the inventory limit, no ask that would pass its negative; at the stop it only dumps.
    """
    loss = cost - position_lots * best_bid if position_lots > 0 else cost - position_lots * best_ask
    if position_lots and loss * STOP_SHARE > abs(cost):
        return Quotes(None, 0, None, 0, position_lots)
    limit = LIMIT_UNITS * unit_lots
    size = SIZE_UNITS * unit_lots
    step = max(1, (best_ask - best_bid) // 8)
    held_units = position_lots // unit_lots if position_lots > 0 else -(-position_lots // unit_lots)
    lean = (abs(held_units) // LEAN_EVERY_UNITS) * step * (1 if held_units > 0 else -1)
    bid = min(best_bid - BACK_STEPS * step - lean, best_ask - 1)
    ask = max(best_ask + BACK_STEPS * step - lean, best_bid + 1, bid + 1)
    bid_lots = max(0, min(size, limit - position_lots))
    ask_lots = max(0, min(size, limit + position_lots))
    return Quotes(bid if bid_lots and bid > 0 else None, bid_lots, ask if ask_lots else None, ask_lots)


def carry_cost(*, position_lots: int, cost: int, traded_lots: int, paid: int) -> int:
    """Cost of the position after buying traded_lots (negative: selling) for `paid` tick-lots.

    Adding adds what was paid; reducing keeps the average; turning round leaves the new side's share.
    """
    after = position_lots + traded_lots
    if position_lots * traded_lots >= 0:
        return cost + paid
    if position_lots * after > 0:
        return cost * after // position_lots
    return paid * after // traded_lots


class DemoMaker(Agent):
    """The strategy as an agent on the TARGET account."""

    kind = "target"

    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self._unit_lots = self.exchange.instrument.unit_lots
        self._seen_position = 0
        self._seen_cash = 0
        self._position_cost = 0
        self._closing = False
        """At the stop: it does nothing but close its position."""

    @property
    def limit_lots(self) -> int:
        return LIMIT_UNITS * self._unit_lots

    def memory(self) -> Any:
        return [self._seen_position, self._seen_cash, self._position_cost, self._closing]

    def remember(self, memory: Any) -> None:
        self._seen_position, self._seen_cash, self._position_cost, self._closing = memory

    def act(self, now_ns: int) -> int:
        delay_ns = INTERVAL_MS * NS_PER_MS * 9 // 10 + self.rng.below(INTERVAL_MS * NS_PER_MS // 5)
        if self._closing:
            return self._close() + delay_ns
        bid, ask = self._touch_without_own()
        if bid is None or ask is None or bid >= ask:
            return delay_ns
        wanted = quote(
            best_bid=bid,
            best_ask=ask,
            position_lots=self.position_lots,
            cost=self._cost(),
            unit_lots=self._unit_lots,
        )
        if wanted.dump_lots:
            self._closing = True
            return self._close() + delay_ns
        self._show(Side.BID, wanted.bid_ticks, wanted.bid_lots)
        self._show(Side.ASK, wanted.ask_ticks, wanted.ask_lots)
        return delay_ns

    def _cost(self) -> int:
        """Cost of the position, brought up to date with what has traded since the last look."""
        entry = self.exchange.ledger.entry(self.account)
        traded = entry.position_lots - self._seen_position
        paid = (self._seen_cash - entry.cash) // MICRO
        self._position_cost = carry_cost(
            position_lots=self._seen_position, cost=self._position_cost, traded_lots=traded, paid=paid
        )
        self._seen_position, self._seen_cash = entry.position_lots, entry.cash
        return self._position_cost

    def _close(self) -> int:
        """Give the whole position up, at market, look after look until it is gone; then a pause in ns."""
        position = self.position_lots
        if not position:
            self._closing = False
            return PAUSE_MS * NS_PER_MS
        for order_id in list(self.open_orders):
            self.cancel(order_id)
        self.take(Side.ASK if position > 0 else Side.BID, abs(position))
        return 0

    def _touch_without_own(self) -> tuple[int | None, int | None]:
        """Best prices that somebody else shows: a bot that follows its own quote walks away with it."""
        own = {(o.side, o.price_ticks): 0 for o in self.open_orders.values()}
        for order in self.open_orders.values():
            own[(order.side, order.price_ticks)] += order.remaining_lots
        best: list[int | None] = []
        for side in (Side.BID, Side.ASK):
            levels = self.exchange.book.levels(side, len(own) + 1)
            others = (x.price_ticks for x in levels if x.qty_lots > own.get((side, x.price_ticks), 0))
            best.append(next(others, None))
        return best[0], best[1]

    def _show(self, side: int, price_ticks: int | None, qty_lots: int) -> None:
        """Keep a matching quote, replace any other."""
        kept = False
        for order_id, order in list(self.open_orders.items()):
            if order.side != side:
                continue
            if order.price_ticks == price_ticks and not kept:
                kept = True
            else:
                self.cancel(order_id)
        if price_ticks is not None and not kept:
            self.limit(side, price_ticks, qty_lots, post_only=True)
