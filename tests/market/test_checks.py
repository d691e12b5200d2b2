"""The check sees whatever is out of place: each invariant, spoiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.market.checked_market import LoopedExchange


@pytest.fixture
def exchange() -> LoopedExchange:
    """With orders of two accounts in a book, orders and requests under way, trades and reports."""
    exchange = LoopedExchange()
    exchange.listen(1)
    for number in range(6):
        exchange.send(account=1 + number % 2, side=0, price_ticks=100 + number, qty_lots=5, client_id=number)
    exchange.settle()
    exchange.send(account=3, side=1, price_ticks=105, qty_lots=2)
    exchange.send_cancel(account=1, order_id=1)
    exchange.settle()
    for number in range(4):
        exchange.send(account=1, side=0, price_ticks=90, qty_lots=1, latency_ns=50 - number)
    exchange.send_cancel_all(account=2, latency_ns=20)
    exchange._check()
    return exchange


def first_ticket(market: Any) -> Any:
    return market.tickets[market.accounts[1].first_order]


def swap_heap(market: Any) -> None:
    first, last = market.heap[0], market.heap[market.waiting - 1]
    first.time_ns, last.time_ns = last.time_ns, first.time_ns


SPOILS: dict[str, Callable[[Any], Any]] = {
    "a count of open orders": lambda m: add(m.accounts[1], "open_orders"),
    "a list that begins elsewhere": lambda m: setattr(m.accounts[1], "first_order", 0),
    "a list that ends elsewhere": lambda m: setattr(m.accounts[1], "last_order", 0),
    "another owner": lambda m: setattr(first_ticket(m), "account", 2),
    "a broken link": lambda m: setattr(first_ticket(m), "next", 0),
    "fewer lots ordered than rest": lambda m: setattr(first_ticket(m), "qty_lots", 1),
    "a resting order that may not rest": lambda m: setattr(first_ticket(m), "time_in_force", 1),
    "a client id twice": lambda m: setattr(first_ticket(m), "client_id", 4),
    "a heap that is none": swap_heap,
    "an overdue happening": lambda m: setattr(m, "now_ns", 1 << 40),
    "a happening lost": lambda m: add(m, "waiting", -1),
    "a happening run twice": lambda m: add(m, "processed"),
    "a sequence given twice": lambda m: setattr(m.heap[3], "sequence", m.heap[2].sequence),
    "a message lost": lambda m: add(m, "live_messages", -1),
    "a message used twice": lambda m: setattr(m.heap[3], "target", m.heap[2].target),
    "a chain of messages cut": lambda m: setattr(m, "free_message", 0),
    "executions taken that were none": lambda m: add(m, "trades_taken"),
    "an execution that was none": lambda m: add(m, "trade_count"),
    "reports taken that were none": lambda m: add(m, "reports_taken"),
    "a report that nobody got": lambda m: add(m, "report_count"),
    "an event that was none": lambda m: add(m, "event_count"),
    "a price forgotten": lambda m: add(m, "volume_first"),
    "volume lost": lambda m: setattr(m, "traded_lots", 0),
    "cash out of nothing": lambda m: add(m.accounts[2].cash, "value"),
    "a book level": lambda m: add(m.book, "live_orders"),
}


def add(row: Any, name: str, amount: int = 1) -> None:
    setattr(row, name, getattr(row, name) + amount)


@pytest.mark.parametrize("spoil", SPOILS.values(), ids=SPOILS.keys())
def test_the_check_sees(spoil, exchange):
    spoil(exchange.market)
    with pytest.raises(AssertionError):
        exchange._check()
