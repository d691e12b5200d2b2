"""The one way into the market: latency, ownership, client ids, the gate, and what it remembers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.core.types import Account, EventType, Instrument, TimeInForce
from engine.market import exchange as exchange_module
from engine.market.exchange import Exchange
from engine.market.kernel import Kernel
from engine.market.ledger import FeeSchedule
from engine.market.orders import ExecutionReport, Reason, ReportKind
from engine.market.risk import RiskLimits

ANN, BOB = 16, 17


@pytest.fixture
def exchange() -> Exchange:
    return make_exchange()


def make_exchange(limits: RiskLimits = RiskLimits()) -> Exchange:  # noqa: B008 - an immutable tuple
    instrument = Instrument("X", Decimal("0.01"), Decimal(1), "USD", 10)
    return Exchange(kernel=Kernel(), instrument=instrument, fees=FeeSchedule(), limits=limits)


def send(exchange: Exchange, side: int, price_ticks: int, qty_lots: int, **options) -> int:
    return exchange.send(
        **{"account": ANN, "side": side, "price_ticks": price_ticks, "qty_lots": qty_lots} | options
    )


def settle(exchange: Exchange, ns: int = 1_000) -> None:
    exchange.kernel.run_until(exchange.kernel.now_ns + ns)


def listen(exchange: Exchange, account: int) -> list[ExecutionReport]:
    reports: list[ExecutionReport] = []
    exchange.matching.on_report[account] = reports.append
    return reports


def test_an_order_arrives_exactly_its_latency_later(exchange):
    exchange.kernel.run_until(100)
    send(exchange, 0, 50, 1, latency_ns=30)
    exchange.kernel.run_until(129)
    assert exchange.best_bid is None
    exchange.kernel.run_until(130)
    assert exchange.best_bid == 50
    assert exchange.log.recent(1)["ts"].tolist() == [130]


def test_the_faster_order_is_first_at_the_price(exchange):
    slow = send(exchange, 0, 50, 1, latency_ns=20)
    fast = send(exchange, 0, 50, 1, latency_ns=10, account=BOB)
    settle(exchange)
    assert exchange.book.orders_at(0, 50) == (fast, slow)


def test_nothing_has_an_effect_without_latency(exchange):
    for request in (
        lambda: send(exchange, 0, 50, 1, latency_ns=0),
        lambda: exchange.send_cancel(account=ANN, order_id=1, latency_ns=0),
        lambda: exchange.send_cancel_all(account=ANN, latency_ns=0),
        lambda: exchange.send_replace(account=ANN, order_id=1, price_ticks=1, qty_lots=1, latency_ns=0),
    ):
        with pytest.raises(AssertionError):
            request()


def test_a_recorded_fact_enters_at_once(exchange):
    exchange.enter(account=Account.HISTORY, side=1, price_ticks=51, qty_lots=3)
    assert exchange.best_ask == 51


def test_requests_of_others_do_nothing(exchange):
    order_id = send(exchange, 0, 50, 5)
    settle(exchange)
    before = exchange.log.digest
    exchange.send_cancel(account=BOB, order_id=order_id)
    exchange.send_replace(account=BOB, order_id=order_id, price_ticks=49, qty_lots=1)
    exchange.send_cancel_all(account=BOB)
    settle(exchange)
    assert exchange.log.digest == before
    assert exchange.book.order(order_id) == (0, 50, 5)
    exchange.send_cancel(account=ANN, order_id=order_id)
    settle(exchange)
    assert exchange.book.order_count == 0


def test_a_cancel_that_overtakes_its_order_misses_it(exchange):
    order_id = send(exchange, 0, 50, 5, latency_ns=20)
    exchange.send_cancel(account=ANN, order_id=order_id, latency_ns=10)
    settle(exchange)
    assert exchange.book.order_count == 1


def test_cancel_all_takes_what_rests_when_it_arrives_and_nothing_of_others(exchange):
    for price_ticks in (48, 49):
        send(exchange, 0, price_ticks, 5)
    kept = send(exchange, 0, 50, 5, account=BOB)
    late = send(exchange, 0, 47, 5, latency_ns=20)
    exchange.send_cancel_all(account=ANN, latency_ns=10)
    settle(exchange)
    assert [exchange.book.orders_at(0, p) for p in (50, 49, 48, 47)] == [(kept,), (), (), (late,)]


def test_a_client_id_is_refused_while_its_order_lives_and_free_afterwards(exchange):
    reports = listen(exchange, ANN)
    first = send(exchange, 0, 50, 5, client_id=7)
    second = send(exchange, 0, 49, 5, client_id=7)
    other = send(exchange, 0, 49, 5, client_id=7, account=BOB)
    settle(exchange)
    assert [(r.order_id, r.kind, r.reason) for r in reports] == [
        (first, ReportKind.ACCEPTED, ""),
        (second, ReportKind.REJECTED, Reason.DUPLICATE_CLIENT_ID),
    ]
    assert exchange.order_id_of(ANN, 7) == first
    assert exchange.order_id_of(BOB, 7) == other
    exchange.send_cancel(account=ANN, order_id=first)
    settle(exchange)
    third = send(exchange, 0, 48, 5, client_id=7)
    settle(exchange)
    assert exchange.order_id_of(ANN, 7) == third
    assert exchange.book.has(third)


def test_a_replaced_order_keeps_its_client_id(exchange):
    send(exchange, 1, 60, 2, account=BOB)
    order_id = send(exchange, 0, 50, 5, client_id=7)
    settle(exchange)
    exchange.send_replace(account=ANN, order_id=order_id, price_ticks=60, qty_lots=5)
    settle(exchange)
    assert exchange.book.order(order_id) == (0, 60, 3)
    assert exchange.order_id_of(ANN, 7) == order_id


def test_client_ids_of_dead_orders_are_forgotten(exchange):
    send(exchange, 1, 60, 1_000, account=BOB)
    for client_id in range(1, 200):
        send(exchange, 0, 60, 1, client_id=client_id, time_in_force=TimeInForce.IOC)
        order_id = send(exchange, 0, 50, 1, client_id=1_000 + client_id)
        settle(exchange)
        exchange.send_cancel(account=ANN, order_id=order_id)
        settle(exchange)
    assert not exchange.matching.by_client_id
    assert exchange.order_id_of(ANN, 1_199) is None


def test_the_open_order_limit_holds_on_its_edge_and_history_is_exempt():
    exchange = make_exchange(RiskLimits(max_open_orders=2))
    reports = listen(exchange, ANN)
    for _ in range(3):
        send(exchange, 0, 50, 1)
        send(exchange, 0, 50, 1, account=Account.HISTORY)
    settle(exchange)
    assert [r.reason for r in reports] == ["", "", Reason.TOO_MANY_ORDERS]
    assert exchange.book.order_count == 5


def test_a_replace_passes_the_gate_too():
    exchange = make_exchange(RiskLimits(max_order_lots=10, max_price_ticks=100))
    order_id = send(exchange, 0, 50, 5)
    settle(exchange)
    for price_ticks, qty_lots in ((50, 11), (101, 5), (50, 0), (50, -1), (-1, 5), (0, 5)):
        exchange.send_replace(account=ANN, order_id=order_id, price_ticks=price_ticks, qty_lots=qty_lots)
        settle(exchange)
        assert exchange.book.order(order_id) == (0, 50, 5)
    exchange.send_replace(account=ANN, order_id=order_id, price_ticks=100, qty_lots=10)
    settle(exchange)
    assert exchange.book.order(order_id) == (0, 100, 10)


def test_orders_out_of_range_never_touch_the_book(exchange):
    reports = listen(exchange, ANN)
    for price_ticks, qty_lots in ((50, 0), (50, -3), (-1, 5), (50, 1 << 41), (1 << 51, 5)):
        send(exchange, 0, price_ticks, qty_lots)
    settle(exchange)
    assert exchange.log.count == 0
    assert {r.kind for r in reports} == {ReportKind.REJECTED}
    assert [r.sequence for r in reports] == [1, 2, 3, 4, 5]


def test_a_sender_that_says_nothing_changes_no_ids(exchange):
    first = send(exchange, 0, 50, 1)
    exchange.send_cancel(account=BOB, order_id=99)
    assert send(exchange, 0, 50, 1) == first + 1
    assert exchange.orders_sent == {ANN: 2}


def test_a_print_is_on_the_tape_and_nowhere_else(exchange):
    seen = []
    exchange.matching.on_trade.append(seen.append)
    exchange.print_trade(side=1, price_ticks=70, qty_lots=9)
    assert exchange.log.by_type[EventType.PRINT] == 1
    assert exchange.last_price_ticks == 70
    assert exchange.volume_at_price == {70: 9}
    assert [(t.aggressor_side, t.aggressor, t.maker) for t in seen] == [(0, 0, 0)]
    assert exchange.book.order_count == 0
    assert not exchange.ledger.accounts()


def test_positions_are_marked_at_mid_then_at_the_last_trade_then_at_nothing(exchange):
    assert exchange.mark_twice_ticks == 0
    exchange.print_trade(side=1, price_ticks=70, qty_lots=1)
    assert exchange.mark_twice_ticks == 140
    send(exchange, 0, 50, 1)
    settle(exchange)
    assert (exchange.twice_mid_ticks, exchange.mark_twice_ticks) == (None, 140)
    send(exchange, 1, 53, 1)
    settle(exchange)
    assert exchange.twice_mid_ticks == exchange.mark_twice_ticks == 103


def test_volume_by_price_forgets_the_first_price_and_says_so(exchange, monkeypatch):
    monkeypatch.setattr(exchange_module, "VOLUME_PRICES", 3)
    for price_ticks in (10, 11, 10, 12, 13, 14):
        exchange.print_trade(side=0, price_ticks=price_ticks, qty_lots=1)
    assert exchange.volume_at_price == {12: 1, 13: 1, 14: 1}
    assert exchange.statistics()["volume_prices"] == {"kept": 3, "limit": 3, "forgotten": 2}
