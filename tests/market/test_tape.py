"""What a market tells: every event digested and kept up to a limit, every execution, volume by price."""

from __future__ import annotations

import pytest

from engine.book import running_digest
from engine.book.hot import HotBook
from engine.core.types import EVENT_DTYPE, EventType
from engine.market import exchange as exchange_module
from engine.market import tape
from engine.market.records import TradeRow
from engine.market.tape import Trade
from tests.market.checked_market import INSTRUMENT, LoopedExchange

pytestmark = pytest.mark.usefixtures("kernel_path")


def publish(exchange: LoopedExchange, count: int) -> None:
    """As many events of each kind."""
    for _ in range(count):
        order_id = exchange.enter(account=1, side=0, price_ticks=100, qty_lots=5)
        exchange.replace_now(account=1, order_id=order_id, price_ticks=101, qty_lots=6)
        exchange.market.now_ns += 1
        exchange.enter(account=2, side=1, price_ticks=101, qty_lots=1)
        exchange.cancel_now(account=1, order_id=order_id)
        exchange.print_trade(side=1, price_ticks=99, qty_lots=3)


def test_the_log_digests_and_keeps_every_event():
    exchange = LoopedExchange()
    log = exchange.log
    publish(exchange, 3)
    events = log.since(0)
    assert events.dtype == EVENT_DTYPE
    assert log.count == len(events) == 15
    assert log.digest == running_digest(events)
    kinds = [EventType.ADD, EventType.MODIFY, EventType.TRADE, EventType.CANCEL, EventType.PRINT]
    assert events["event_type"].tolist() == kinds * 3
    assert [log.by_type[kind] for kind in kinds] == [3] * 5
    assert sum(log.by_type) == 15
    assert set(events["instrument_id"].tolist()) == {INSTRUMENT.instrument_id}
    first = events[:5].tolist()
    assert [row[:4] for row in first] == [
        (0, 100, 5, 1),
        (0, 101, 6, 1),
        (1, 101, 1, 1),
        (1, 101, 0, 1),
        (1, 99, 3, 0),
    ]
    assert [row[6] for row in first] == [0, 0, 0, 0, 1]


def test_the_log_keeps_at_most_its_limit_and_always_the_most_recent(monkeypatch):
    monkeypatch.setattr(exchange_module, "EVENTS_KEPT", 8)
    monkeypatch.setattr(tape, "EVENTS_KEPT", 8)
    exchange = LoopedExchange()
    log, events = exchange.log, []
    for _ in range(9):
        before = log.count
        publish(exchange, 1)
        events += log.since(before).tolist()
        assert log.statistics() == {"events": log.count, "kept": min(log.count, 8), "kept_limit": 8}
        assert log.recent(100).tolist() == events[-8:]
        assert log.recent(2).tolist() == events[-2:]
    assert len(log.recent(0)) == len(log.since(log.count)) == 0
    with pytest.raises(AssertionError, match="only 8 of 9 events are kept"):
        log.since(log.count - 9)


def test_readers_get_copies():
    exchange = LoopedExchange()
    publish(exchange, 1)
    exchange.log.since(0)["price"] = 0
    assert exchange.log.recent(1)["price"].tolist() == [99]


def test_executions_are_kept_as_long_as_the_last_arrival_needs_them():
    exchange = LoopedExchange()
    publish(exchange, 2)
    trades = exchange.tape.since(0)
    assert [trade.trade_id for trade in trades] == [1, 2, 3, 4]
    assert trades[0] == (1, 1, 101, 1, 1, 2, 1)
    assert trades[1] == (2, 1, 99, 3, 0, 0, 0)
    assert exchange.tape.since(4) == []
    assert exchange.tape.since(3) == exchange.tape.recent(1) == trades[3:]
    assert exchange.trade_count == 4
    assert exchange.recent_trades() == trades
    with pytest.raises(AssertionError, match="left the ring"):
        exchange.tape.since(-len(exchange.market.trades))


def test_volume_by_price_is_read_between_two_prices():
    exchange = LoopedExchange()
    publish(exchange, 2)
    assert exchange.tape.volume(0, 1 << 60) == {101: 2, 99: 6}
    assert exchange.tape.volume(99, 100) == {99: 6}
    assert exchange.tape.volume(100, 100) == {}


def test_what_others_take_of_history_is_divergence_and_what_it_takes_of_itself_is_not():
    exchange = LoopedExchange()
    market = exchange.market
    exchange.enter(account=0, side=1, price_ticks=100, qty_lots=10)
    exchange.enter(account=0, side=0, price_ticks=100, qty_lots=3)
    exchange.enter(account=1, side=0, price_ticks=90, qty_lots=1)
    exchange.enter(account=0, side=1, price_ticks=90, qty_lots=1)
    assert (market.divergence_count, market.divergence_lots) == (0, 0)
    market.now_ns = 7
    exchange.enter(account=1, side=0, price_ticks=100, qty_lots=2)
    market.now_ns = 8
    exchange.enter(account=2, side=0, price_ticks=100, qty_lots=3)
    first = market.first_divergence
    assert (market.divergence_count, market.divergence_lots) == (2, 5)
    assert (first.time_ns, first.price_ticks, first.qty_lots) == (7, 100, 2)


def test_executions_come_as_an_array_as_far_as_they_are_kept(monkeypatch):
    monkeypatch.setattr(HotBook, "first_orders", 8)
    exchange = LoopedExchange()
    assert len(exchange.tape.arrays_since(0)) == 0
    publish(exchange, 2)
    rows = exchange.tape.arrays_since(1)
    assert rows.dtype == TradeRow.dtype()
    assert rows[list(Trade._fields)].tolist() == exchange.tape.since(1)
    rows["price_ticks"] = 0
    assert 0 not in exchange.tape.arrays_since(0)["price_ticks"]
    for number in range(15):
        exchange.print_trade(side=0, price_ticks=1 + number, qty_lots=1)
    assert exchange.tape.arrays_since(0)["trade_id"].tolist() == list(range(12, 20))
    assert exchange.tape.arrays_since(18)["trade_id"].tolist() == [19]
    assert len(exchange.tape.arrays_since(19)) == len(exchange.tape.arrays_since(100)) == 0
    while len(exchange.market.trades) < 64:  # what a longer ring has room for is not there yet
        exchange.enter(account=1, side=0, price_ticks=1, qty_lots=1)
    assert exchange.tape.arrays_since(0)["trade_id"].tolist() == list(range(12, 20))
    exchange.print_trade(side=0, price_ticks=1, qty_lots=1)
    assert exchange.tape.arrays_since(0)["trade_id"].tolist() == list(range(12, 21))
