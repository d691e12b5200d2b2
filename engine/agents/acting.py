"""What built-in agents are made of: their common row, and what they act with (stop 1 on the data path).

An archetype (noise.py, value.py ...) is four things in one file: the parameters that a scenario may name,
the row that holds them and the state of one agent, a function that fills a row, and the kernel that acts.
An agent sees the public book, its own account and open orders, and (value traders only) a noisy reading
of the fundamental. What it sends arrives after its latency, so it always acts on a view that will be
stale by then.
"""

from __future__ import annotations

from enum import IntEnum

from engine.agents.fundamental import FundamentalRow
from engine.arena.functions import inlined, routine
from engine.arena.layout import Half, Record, Word
from engine.core.types import TimeInForce
from engine.market.actions import send, send_cancel
from engine.market.records import Market

__all__ = ["AgentKind", "AgentRow", "cancel", "cancel_all", "limit", "reference_ticks", "take"]

_IOC = int(TimeInForce.IOC)
_POST_ONLY = int(TimeInForce.POST_ONLY)


class AgentKind(IntEnum):
    """Archetypes, as numbers for kernels; a scenario names them in lower case."""

    NOISE = 0
    VALUE = 1
    MOMENTUM = 2
    MAKER = 3
    TWAP = 4
    ADAPTIVE = 5


class AgentRow(Record):
    """Who a built-in agent is, whatever its kind."""

    kind: Half
    row: Half
    """Its row in the table of its kind."""
    account: Half
    spare: Half
    latency_ns: Word
    """From sending to arriving."""


@inlined
def limit(market: Market, agent: AgentRow, side: int, price_ticks: int, qty_lots: int) -> int:
    """Sends an order that must rest (post-only); returns its id."""
    price = max(1, price_ticks)
    return send(market, agent.account, side, price, qty_lots, _POST_ONLY, agent.latency_ns, 0)


@inlined
def take(market: Market, agent: AgentRow, side: int, qty_lots: int, limit_ticks: int) -> None:
    """Sends an order that trades at once or not at all (limit 0 = market)."""
    send(market, agent.account, side, limit_ticks, qty_lots, _IOC, agent.latency_ns, 0)


@inlined
def cancel(market: Market, agent: AgentRow, order_id: int, after_ns: int) -> None:
    """Cancels one of its orders, now or after_ns later."""
    send_cancel(market, agent.account, order_id, 0, agent.latency_ns + after_ns)


@routine
def cancel_all(market: Market, agent: AgentRow) -> None:
    """Cancels each of its resting orders, oldest first."""
    slot = market.accounts[agent.account].first_order
    while slot != 0:
        cancel(market, agent, market.book.orders[slot].order_id, 0)
        slot = market.tickets[slot].next


@inlined
def reference_ticks(market: Market, fundamental: FundamentalRow) -> int:
    """A price to quote around when a side is empty: last trade, else the fundamental's anchor."""
    last = market.last_price_ticks
    return last if last != 0 else fundamental.anchor_ticks
