"""What a storm is: an attacker that acts in steps between its start and its end.

A storm is an agent with its own account, so its orders, inventory and cost are in the ledger like
everybody's. Its sizes scale with the depth it finds, so the same severity means the same on any market, and
it stops sending when its budget is spent. Severity 0 sends nothing: the event digest equals that of a run
without a storm.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

from engine.core.clock import NS_PER_MS
from engine.core.rng import Stream, mix64
from engine.core.types import Side, StormKind, TimeInForce
from engine.market.exchange import Exchange
from engine.market.orders import Order
from engine.storms.accounts import storm_account
from engine.storms.request import MILLION, StormRequest, Where, severity_course

__all__ = ["Budget", "LeadPrice", "Standing", "Storm", "base_depth_of", "standing_of"]

_STREAM_BASE = 0x5709_0000_0000
NEAR_SHARE = 1_000
"""A level is near the touch within this part of the best price: ten cents at 100."""
DEPTH_LEVELS = 10
_BPS = 10_000


class Budget(NamedTuple):
    """The most that one storm may send, however severe and long it is."""

    orders: int = 100_000
    depths: int = 4_000
    """Lots, as multiples of the base depth; one lot an order is free, where the base depth is tiny."""


class Standing(NamedTuple):
    """What an attacker has done and has by some time; money in units of the ledger."""

    orders: int = 0
    """Sent."""
    lots: int = 0
    """Traded."""
    position_lots: int = 0
    fees: int = 0
    equity: int = 0
    """Cash and inventory at mid, after fees."""

    def since(self, before: Standing) -> Standing:
        """What has changed since an earlier one."""
        return Standing(*(now - then for now, then in zip(self, before, strict=True)))


def standing_of(exchange: Exchange, account: int) -> Standing:
    """An account as it stands."""
    entry = exchange.ledger.entry(account)
    return Standing(
        orders=exchange.orders_sent(account),
        lots=entry.bought_lots + entry.sold_lots,
        position_lots=entry.position_lots,
        fees=entry.fees,
        equity=exchange.ledger.equity(account, exchange.mark_twice_ticks),
    )


def base_depth_of(exchange: Exchange) -> int:
    """Mean depth of a side near the touch, in lots, at least 2: the yardstick of a storm's sizes."""
    return max(2, sum(_side_depth(exchange, side) for side in Side) // 2)


class Storm:
    """One running storm; a subclass implements `step`, and `begin` where it needs a first look."""

    kind: ClassVar[StormKind]
    step_ms: ClassVar[int] = 100
    """Time between steps, +-10 %."""
    latency_ns: ClassVar[int] = 200_000
    budget: ClassVar[Budget] = Budget()

    def __init__(
        self, *, exchange: Exchange, seed: int, request: StormRequest, lead_ticks: LeadPrice, number: int = 0
    ) -> None:
        self.number = number
        """Which storm of the session it is."""
        self.exchange = exchange
        self.request = request
        self._course = severity_course(request, seed)
        self.severity = self._course(0) / MILLION
        """Now: it may change from step to step."""
        self.account = storm_account(self.kind, exchange)
        self.rng = Stream(seed, mix64(mix64(_STREAM_BASE + request.kind) ^ request.seed))
        self.lead = lead_ticks
        self.started_ns = exchange.kernel.now_ns
        self.ends_ns = self.started_ns + request.duration_ns
        self.active = True
        self.base_depth_lots = base_depth_of(exchange)
        """Mean depth of a side near the touch when the storm began: the yardstick of all sizes."""
        self.spent_orders = self.spent_lots = 0
        """Of its budget."""
        self.held_back = 0
        """Orders that it did not send because the budget was spent."""
        self.before = standing_of(exchange, self.account)
        """Its account as it began: earlier storms of the kind had the same one."""

    def run(self) -> None:
        """Start stepping; severity 0 never does."""
        if not self.request.is_idle:
            self.enter()
            self.begin()
            self._schedule()

    def stop(self) -> None:
        """End now: no further step, resting orders cancelled."""
        self.active = False
        if not self.request.is_idle:
            self.leave()
            self.withdraw()

    @property
    def owner_key(self) -> str:
        """Its name in snapshots."""
        return f"storm:{self.number}"

    def state(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on with it."""
        return {
            "request": list(self.request),
            "number": self.number,
            "started_ns": self.started_ns,
            "ends_ns": self.ends_ns,
            "base_depth_lots": self.base_depth_lots,
            "draws": self.rng.count,
            "severity": self.severity,
            "spent": [self.spent_orders, self.spent_lots, self.held_back],
            "before": list(self.before),
            "memory": self.memory(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.severity = state["severity"]
        self.spent_orders, self.spent_lots, self.held_back = state["spent"]
        self.started_ns, self.ends_ns = state["started_ns"], state["ends_ns"]
        self.base_depth_lots = state["base_depth_lots"]
        self.rng.count = state["draws"]
        self.before = Standing(*state["before"])
        self.remember(state["memory"])
        if not self.request.is_idle:
            self.enter()

    def standing(self) -> Standing:
        """What this storm has done so far, and what is left of it in its account."""
        return standing_of(self.exchange, self.account).since(self.before)

    def memory(self) -> Any:
        """What the subclass keeps between steps, as JSON can hold it."""
        return None

    def remember(self, memory: Any) -> None:
        """Takes over what `memory` gave."""

    def enter(self) -> None:
        """Take its place in the market, at its start and again in a session that goes on from an image."""

    def leave(self) -> None:
        """Take back what `enter` did."""

    def begin(self) -> None:
        """First look, before the first step."""

    def step(self, now_ns: int) -> None:
        """Act once."""
        raise NotImplementedError

    def attend(self) -> None:
        """Act in the very instant of an execution; only for storms that hear of theirs (`Exchange.hear`)."""

    @property
    def progress(self) -> float:
        """Share of its duration that has passed, 0 to 1."""
        return (self.exchange.kernel.now_ns - self.started_ns) / (self.ends_ns - self.started_ns)

    def _schedule(self) -> None:
        step_ns = self.step_ms * NS_PER_MS
        delay_ns = step_ns * 9 // 10 + self.rng.below(step_ns // 5)
        self.exchange.kernel.schedule(self.exchange.kernel.now_ns + delay_ns, self._wake, None)

    def _wake(self, now_ns: int, _payload: None) -> None:
        if self.active:
            self.severity = self._course(now_ns - self.started_ns) / MILLION
            if self.severity:
                self.step(now_ns)
            else:
                self.withdraw()
            self._schedule()

    # -- what subclasses act with ----------------------------------------------------------------------

    @property
    def position_lots(self) -> int:
        """The attacker's inventory."""
        return self.exchange.ledger.position(self.account)

    @property
    def open_orders(self) -> dict[int, Order]:
        """The attacker's resting orders, oldest first."""
        return self.exchange.open_orders(self.account)

    def scaled(self, multiple: float) -> int:
        """`multiple` x severity of the base depth, in lots, at least 1."""
        return max(1, int(self.base_depth_lots * self.severity * multiple))

    def level_prices(self, side: int, count: int) -> list[int]:
        """Prices of the best `count` levels of a side, best first."""
        return [level.price_ticks for level in self.exchange.book.levels(side, count)]

    def ticks_of(self, bps: float) -> int:
        """So many bps of the present price, in ticks, at least 1."""
        return max(1, int(self.exchange.mark_twice_ticks * bps) // (2 * _BPS))

    def book_side(self) -> int:
        """The side of the book at which it acts: as asked for, else by its seed. One draw either way."""
        drawn = self.rng.below(2)
        return drawn if self.request.where == Where.ANYWHERE else int(self.request.where) - 1

    def best(self, side: int) -> int | None:
        """Best price of a side."""
        return self.exchange.best_bid if side == Side.BID else self.exchange.best_ask

    def behind(self, side: int, price_ticks: int, ticks: int) -> int:
        """The price so many ticks behind another on this side of the book."""
        return price_ticks - ticks if side == Side.BID else price_ticks + ticks

    def take(self, side: int, qty_lots: int, *, limit_ticks: int = 0, account: int | None = None) -> None:
        """Trade at once, up to a limit price (0: any)."""
        self._send(side, limit_ticks, qty_lots, TimeInForce.IOC, account=account)

    def show(self, side: int, price_ticks: int, qty_lots: int, *, after_ns: int = 0) -> int:
        """Rest an order, or not at all: it may not trade on arrival. Returns its id; 0 when none was sent."""
        if price_ticks <= 0:
            return 0
        return self._send(side, price_ticks, qty_lots, TimeInForce.POST_ONLY, after_ns=after_ns)

    def cancel(self, order_id: int, *, after_ns: int = 0) -> None:
        """Cancel one of its orders."""
        self.exchange.send_cancel(
            account=self.account, order_id=order_id, latency_ns=self.latency_ns + after_ns
        )

    def withdraw(self) -> None:
        """Cancel all its orders."""
        self.exchange.send_cancel_all(account=self.account, latency_ns=self.latency_ns)

    def unwind(self, now_ns: int, until_ns: int) -> None:
        """Trade the next part of its inventory away, in equal parts until then."""
        position = self.position_lots
        if position:
            left_steps = max(1, (until_ns - now_ns) // (self.step_ms * NS_PER_MS) - 2)
            self.take(Side.ASK if position > 0 else Side.BID, -(-abs(position) // left_steps))

    def can_spend(self, qty_lots: int) -> bool:
        """Whether the budget has room for one more order of this size; notes it as spent, or held back."""
        most_lots = self.budget.depths * self.base_depth_lots + self.budget.orders
        if self.spent_orders >= self.budget.orders or self.spent_lots + qty_lots > most_lots:
            self.held_back += 1
            return False
        self.spent_orders += 1
        self.spent_lots += qty_lots
        return True

    def _send(
        self,
        side: int,
        price_ticks: int,
        qty_lots: int,
        time_in_force: TimeInForce,
        *,
        after_ns: int = 0,
        account: int | None = None,
    ) -> int:
        if not self.can_spend(qty_lots):
            return 0
        return self.exchange.send(
            account=self.account if account is None else account,
            side=side,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            time_in_force=time_in_force,
            latency_ns=self.latency_ns + after_ns,
        )


class LeadPrice:
    """A faster venue's price, for storms that know it; None when there is none.

    In the simulated market it is the fundamental; in a replayed one, the exchange's own mid a little
    ahead (a faster line to the same place).
    """

    def ticks(self, now_ns: int) -> float | None:
        """The lead price at now_ns."""
        return None

    @property
    def can_jump(self) -> bool:
        """Whether news can move it: what a recorded exchange did cannot be changed."""
        return False

    def jump(self, now_ns: int, ticks: int) -> None:
        """News: from now on the instrument is worth so much more (or less)."""
        raise NotImplementedError


def _side_depth(exchange: Exchange, side: Side) -> int:
    """Of the best ten levels; where ticks are fine, of all within 0.1 % of the best."""
    book = exchange.book
    best = book.best_bid if side == Side.BID else book.best_ask
    near = 0 if best is None else book.lots_within(side, best // NEAR_SHARE)
    return max(near, book.depth(side, DEPTH_LEVELS))
