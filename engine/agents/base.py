"""What an agent is: an account with its own random stream that wakes, looks, and sends orders.

An agent sees the public book, its own account and open orders, and (value traders only) a noisy reading
of the fundamental. What it sends arrives after its latency, so it always acts on a view that will be
stale by then.
"""

from __future__ import annotations

from typing import Any, ClassVar

from engine.agents.fundamental import Fundamental
from engine.core.rng import Stream
from engine.core.types import TimeInForce
from engine.market.exchange import Exchange
from engine.market.orders import Order

__all__ = ["Agent"]


class Agent:
    """Base of agents that run in Python; a subclass implements `act`, and `memory` where it has one."""

    kind: ClassVar[str] = "agent"

    def __init__(
        self,
        *,
        account: int,
        name: str,
        rng: Stream,
        exchange: Exchange,
        fundamental: Fundamental | None,
        latency_ns: int,
    ) -> None:
        self.account = account
        self.name = name
        self.rng = rng
        self.exchange = exchange
        self.fundamental = fundamental
        self.latency_ns = latency_ns

    @property
    def limit_lots(self) -> int | None:
        """The agent's inventory limit, where it has one."""
        return None

    @property
    def owner_key(self) -> str:
        """Its name in snapshots."""
        return f"agent:{self.account}"

    def state(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on with it."""
        return {"draws": self.rng.count, "memory": self.memory()}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.rng.count = state["draws"]
        self.remember(state["memory"])

    def memory(self) -> Any:
        """What the subclass keeps between looks, as JSON can hold it."""
        return None

    def remember(self, memory: Any) -> None:
        """Takes over what `memory` gave."""

    def act(self, now_ns: int) -> int:
        """Look and act once. Returns ns until the next wake-up (0 = never again)."""
        raise NotImplementedError

    def start(self) -> None:
        """Schedule the first wake-up within the first 50 ms."""
        self.exchange.kernel.schedule(
            self.exchange.kernel.now_ns + 1 + self.rng.below(50_000_000), self._wake, None
        )

    def _wake(self, now_ns: int, _payload: None) -> None:
        delay_ns = self.act(now_ns)
        if delay_ns > 0:
            self.exchange.kernel.schedule(now_ns + delay_ns, self._wake, None)

    # -- what subclasses act with ----------------------------------------------------------------------

    @property
    def position_lots(self) -> int:
        """Own position, as executed."""
        return self.exchange.ledger.position(self.account)

    @property
    def open_orders(self) -> dict[int, Order]:
        """Own resting orders by id, oldest first."""
        return self.exchange.open_orders(self.account)

    def reference_ticks(self) -> int:
        """A price to quote around when a side is empty: last trade, else the fundamental's anchor."""
        last = self.exchange.last_price_ticks
        if last is not None:
            return last
        assert self.fundamental is not None, "an agent without a market needs a fundamental"
        return self.fundamental.params.anchor_ticks

    def limit(self, side: int, price_ticks: int, qty_lots: int, *, post_only: bool = False) -> int:
        """Send a limit order; returns its id."""
        return self.exchange.send(
            account=self.account,
            side=side,
            price_ticks=max(1, price_ticks),
            qty_lots=qty_lots,
            time_in_force=TimeInForce.POST_ONLY if post_only else TimeInForce.GTC,
            latency_ns=self.latency_ns,
        )

    def take(self, side: int, qty_lots: int, *, limit_ticks: int = 0) -> int:
        """Send an order that trades at once or not at all (limit 0 = market); returns its id."""
        return self.exchange.send(
            account=self.account,
            side=side,
            price_ticks=limit_ticks,
            qty_lots=qty_lots,
            time_in_force=TimeInForce.IOC,
            latency_ns=self.latency_ns,
        )

    def cancel(self, order_id: int, *, after_ns: int = 0) -> None:
        """Cancel one of the own orders, now or after_ns later."""
        self.exchange.send_cancel(
            account=self.account, order_id=order_id, latency_ns=self.latency_ns + after_ns
        )
