"""What holds in a market between any two happenings; tests ask after each one.

The book checks itself (book/hot.py), the ledger its sums (ledger.py). Here: tickets and account lists
agree with the book, the heap is a heap and owns its messages, and every ring counts what went through it.
"""

from __future__ import annotations

from typing import Any

from engine.arena.memory import Arena
from engine.core.types import Account, TimeInForce
from engine.market.records import Due, HeapEntry, Market

__all__ = ["check_market"]

_RESTING = (TimeInForce.GTC, TimeInForce.POST_ONLY)


def check_market(arena: Arena) -> None:
    """Verifies everything that is not the book's or the ledger's own. Raises AssertionError."""
    market = arena.row("market", Market)
    _check_accounts(market)
    _check_heap(market)
    _check_messages(market)
    _check_rings(arena, market)
    _check_volume(arena, market)
    best_bid, best_ask = (market.book.levels[market.book.sides[side].best] for side in (0, 1))
    fronts = {market.tickets[level.head].account for level in (best_bid, best_ask)}
    # Before its open, and in a halt, a recorded exchange does not match what crosses.
    crossed = best_bid.count and best_ask.count and best_bid.price >= best_ask.price
    assert not crossed or Account.HISTORY in fronts, "a crossed book"


def _check_accounts(market: Market) -> None:
    """Every live order is in the list of its owner, and nothing else is."""
    listed: list[int] = []
    for number, account in enumerate(market.accounts):
        before, slot, client_ids = 0, account.first_order, []
        first = len(listed)
        while slot:
            assert len(listed) <= market.book.live_orders, "a list of orders that runs in a circle"
            ticket, order = market.tickets[slot], market.book.orders[slot]
            assert ticket.account == number, "an order in the list of another account"
            assert ticket.previous == before, "broken backward links"
            assert ticket.qty_lots >= order.qty > 0, "an order with more lots left than were ordered"
            assert ticket.time_in_force in _RESTING, "an order rests that may not"
            client_ids += [ticket.client_id] if ticket.client_id else []
            listed.append(slot)
            before, slot = slot, ticket.next
        assert account.last_order == before, "a list of orders that ends elsewhere"
        assert account.open_orders == len(listed) - first, "wrong number of open orders"
        assert len(client_ids) == len(set(client_ids)), "two open orders under one client id"
    assert sorted(listed) == _live_slots(market), "an order in the book that nobody owns, or the reverse"


def _live_slots(market: Market) -> list[int]:
    """Slots of the book's orders, by its own queues."""
    slots: list[int] = []
    for side in market.book.sides:
        for number in range(side.count):
            slot = market.book.levels[side.rungs[number].level].head
            while slot:
                slots.append(slot)
                slot = market.book.orders[slot].next
    return sorted(slots)


def _check_heap(market: Market) -> None:
    heap, waiting = market.heap, market.waiting
    assert 0 <= waiting <= len(heap)
    assert market.sequence - market.processed == waiting, "a happening lost or run twice"
    sequences = {heap[at].sequence for at in range(waiting)}
    assert len(sequences) == waiting, "a sequence number given twice"
    assert all(0 < sequence <= market.sequence for sequence in sequences)
    for at in range(waiting):
        Due(heap[at].kind)
        assert _key(heap[at]) >= _key(heap[(at - 1) >> 2 if at else 0]), "a child before its parent"
        assert heap[at].time_ns >= market.now_ns, "a happening that is overdue"


def _key(entry: HeapEntry) -> tuple[int, int]:
    return entry.time_ns, entry.sequence


def _check_messages(market: Market) -> None:
    """Every message in use is under way, once; every other one is free."""
    entries = (market.heap[at] for at in range(market.waiting))
    under_way = [entry.target for entry in entries if entry.kind <= Due.REPLACE]
    assert len(under_way) == market.live_messages, "wrong number of messages"
    free: list[int] = []
    slot = market.free_message
    while slot:
        assert len(free) < len(market.messages), "a chain of messages that runs in a circle"
        free.append(slot)
        slot = market.messages[slot].next
    used = list(range(1, market.used_messages + 1))
    assert sorted(under_way + free) == used, "a message lost or used twice"
    assert market.used_messages < len(market.messages)
    assert all(0 <= market.messages[slot].account < len(market.accounts) for slot in under_way)


def _check_rings(arena: Arena, market: Market) -> None:
    for name in ("events", "trades", "reports", "volume_order"):
        assert len(arena.rows(name)).bit_count() == 1, f"{name}: no power of two"
    assert len(market.tickets) == len(market.trades) == len(market.book.orders)
    assert len(market.reports) == 4 * len(market.tickets)
    assert 0 <= market.trade_count - market.trades_taken <= len(market.trades), "executions overwritten"
    assert 0 <= market.report_count - market.reports_taken <= len(market.reports), "reports overwritten"
    assert market.report_count == sum(account.reports for account in market.accounts)
    assert market.event_count == sum(count.value for count in market.events_by_type)
    accounts = arena.rows("accounts")
    assert int(accounts["bought_lots"].sum()) == int(accounts["aggressive_lots"].sum()) <= market.traded_lots
    _check_last(arena, "events", "ts", market.event_count)
    _check_last(arena, "trades", "time_ns", market.trade_count)


def _check_last(arena: Arena, name: str, time: str, count: int) -> None:
    """The times in a ring never fall, from its oldest row to its newest."""
    rows: Any = arena.rows(name)[time]
    kept = min(count, len(rows))
    times = [int(rows[number & (len(rows) - 1)]) for number in range(count - min(kept, 64), count)]
    assert times == sorted(times), f"{name}: time runs backwards"


def _check_volume(arena: Arena, market: Market) -> None:
    order, entries = market.volume_order, arena.rows("volume")
    assert 0 <= market.volume_last - market.volume_first <= len(order) <= len(entries) // 2
    remembered = [
        order[number & (len(order) - 1)].value for number in range(market.volume_first, market.volume_last)
    ]
    assert sorted(remembered) == sorted(entries["key"][entries["value"] != 0].tolist()), "volume by price"
