"""The one way into the market: latency, ownership, client ids, the gate, and what it remembers."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Account, EventType, TimeInForce
from engine.market import exchange as exchange_module
from engine.market.exchange import Exchange
from engine.market.orders import Reason, ReportKind
from engine.market.risk import RiskLimits
from tests.market.checked_market import LoopedExchange

ANN, BOB = 16, 17

pytestmark = pytest.mark.usefixtures("kernel_path")


@pytest.fixture
def exchange(kernel_path: str) -> LoopedExchange:
    return LoopedExchange()


def send(exchange: Exchange, side: int, price_ticks: int, qty_lots: int, **options) -> int:
    return exchange.send(
        **{"account": ANN, "side": side, "price_ticks": price_ticks, "qty_lots": qty_lots} | options
    )


def under_client_id(exchange: Exchange, account: int, client_id: int) -> list[int]:
    """Ids of the account's resting orders that it sent under its own id."""
    orders = exchange.open_orders(account).values()
    return [order.order_id for order in orders if order.client_id == client_id]


def test_an_order_arrives_exactly_its_latency_later(exchange):
    exchange.loop.run_until(100)
    send(exchange, 0, 50, 1, latency_ns=30)
    exchange.loop.run_until(129)
    assert exchange.best_bid is None
    exchange.loop.run_until(130)
    assert exchange.best_bid == 50
    assert exchange.log.recent(1)["ts"].tolist() == [130]


def test_the_faster_order_is_first_at_the_price(exchange):
    slow = send(exchange, 0, 50, 1, latency_ns=20)
    fast = send(exchange, 0, 50, 1, latency_ns=10, account=BOB)
    exchange.settle()
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
    exchange.settle()
    before = exchange.log.digest
    exchange.send_cancel(account=BOB, order_id=order_id)
    exchange.send_replace(account=BOB, order_id=order_id, price_ticks=49, qty_lots=1)
    exchange.send_cancel_all(account=BOB)
    exchange.settle()
    assert exchange.log.digest == before
    assert exchange.book.order(order_id) == (0, 50, 5)
    exchange.send_cancel(account=ANN, order_id=order_id)
    exchange.settle()
    assert exchange.book.order_count == 0


def test_a_cancel_that_overtakes_its_order_misses_it(exchange):
    order_id = send(exchange, 0, 50, 5, latency_ns=20)
    exchange.send_cancel(account=ANN, order_id=order_id, latency_ns=10)
    exchange.settle()
    assert exchange.book.order_count == 1


def test_cancel_all_takes_what_rests_when_it_arrives_and_nothing_of_others(exchange):
    for price_ticks in (48, 49):
        send(exchange, 0, price_ticks, 5)
    kept = send(exchange, 0, 50, 5, account=BOB)
    late = send(exchange, 0, 47, 5, latency_ns=20)
    exchange.send_cancel_all(account=ANN, latency_ns=10)
    exchange.settle()
    assert [exchange.book.orders_at(0, p) for p in (50, 49, 48, 47)] == [(kept,), (), (), (late,)]


def test_a_client_id_is_refused_while_its_order_lives_and_free_afterwards(exchange):
    reports = exchange.listen(ANN)
    first = send(exchange, 0, 50, 5, client_id=7)
    second = send(exchange, 0, 49, 5, client_id=7)
    other = send(exchange, 0, 49, 5, client_id=7, account=BOB)
    exchange.settle()
    assert [(r.order_id, r.kind, r.reason) for r in reports] == [
        (first, ReportKind.ACCEPTED, ""),
        (second, ReportKind.REJECTED, Reason.DUPLICATE_CLIENT_ID),
    ]
    assert under_client_id(exchange, ANN, 7) == [first]
    assert under_client_id(exchange, BOB, 7) == [other]
    exchange.send_cancel(account=ANN, order_id=first)
    exchange.settle()
    third = send(exchange, 0, 48, 5, client_id=7)
    exchange.settle()
    assert under_client_id(exchange, ANN, 7) == [third]
    assert exchange.book.order(third) == (0, 48, 5)


def test_a_replaced_order_keeps_its_client_id(exchange):
    send(exchange, 1, 60, 2, account=BOB)
    order_id = send(exchange, 0, 50, 5, client_id=7)
    exchange.settle()
    exchange.send_replace(account=ANN, order_id=order_id, price_ticks=60, qty_lots=5)
    exchange.settle()
    assert exchange.book.order(order_id) == (0, 60, 3)
    assert under_client_id(exchange, ANN, 7) == [order_id]


def test_client_ids_and_tickets_of_dead_orders_are_forgotten(exchange):
    reports = exchange.listen(ANN)
    send(exchange, 1, 60, 1_000, account=BOB)
    room = exchange.arena.nbytes
    for number in range(100):
        send(exchange, 0, 60, 1, client_id=1 + number % 3, time_in_force=TimeInForce.IOC)
        order_id = send(exchange, 0, 50, 1, client_id=7)
        exchange.settle()
        exchange.send_cancel(account=ANN, order_id=order_id)
        exchange.settle()
    assert not exchange.open_orders(ANN)
    assert exchange.market.used_messages <= 3
    assert exchange.market.book.used_orders <= 2
    assert exchange.arena.nbytes == room
    assert ReportKind.REJECTED not in {report.kind for report in reports}


def test_orders_are_cancelled_and_replaced_by_the_owners_own_id_when_the_request_arrives(exchange):
    first = send(exchange, 0, 50, 5, client_id=7, latency_ns=20)
    other = send(exchange, 0, 50, 5, client_id=7, account=BOB)
    exchange.send_replace(account=ANN, client_id=7, price_ticks=51, qty_lots=6, latency_ns=30)
    exchange.settle(100)
    assert exchange.book.order(first) == (0, 51, 6)
    exchange.send_cancel(account=ANN, client_id=7, qty_lots=2)
    exchange.settle()
    assert exchange.book.order(first) == (0, 51, 4)
    exchange.send_cancel(account=ANN, client_id=7)
    exchange.send_cancel(account=ANN, client_id=8)
    exchange.send_cancel(account=ANN)
    exchange.settle()
    assert exchange.book.orders_at(0, 51) == ()
    assert exchange.book.orders_at(0, 50) == (other,)


def test_a_replace_of_what_is_not_there_is_answered_and_a_cancel_is_not(exchange):
    reports = exchange.listen(ANN)
    exchange.send_cancel(account=ANN, order_id=5)
    exchange.send_cancel(account=ANN, client_id=5)
    exchange.send_replace(account=ANN, order_id=5, price_ticks=50, qty_lots=1)
    exchange.send_replace(account=ANN, client_id=5, price_ticks=50, qty_lots=1)
    exchange.send_replace(account=ANN, price_ticks=50, qty_lots=1)
    exchange.settle()
    assert {(r.kind, r.reason) for r in reports} == {(ReportKind.REPLACE_REJECTED, Reason.UNKNOWN_ORDER)}
    assert [(r.order_id, r.client_id) for r in reports] == [(5, 0), (0, 5), (0, 0)]
    assert exchange.log.count == 0


@pytest.mark.parametrize("account", [-1, 32, 4_000, 1 << 40])
def test_an_account_that_does_not_exist_cannot_touch_memory(exchange, account):
    before = exchange.market.sequence
    for request in (
        lambda: send(exchange, 0, 50, 1, account=account),
        lambda: exchange.send_cancel(account=account, order_id=1),
        lambda: exchange.send_cancel_all(account=account),
        lambda: exchange.send_replace(account=account, order_id=1, price_ticks=1, qty_lots=1),
        lambda: exchange.enter(account=account, side=0, price_ticks=1, qty_lots=1),
        lambda: exchange.replace_now(account=account, order_id=1, price_ticks=1, qty_lots=1),
        lambda: exchange.hear(account, print),
        lambda: exchange.gate.kill(account),
    ):
        with pytest.raises((AssertionError, IndexError)):
            request()
    assert exchange.market.sequence == before
    assert exchange.ledger.entry(account) == exchange.ledger.entry(ANN)


@pytest.mark.parametrize("word", [1 << 63, -(1 << 63) - 1])
def test_a_number_that_is_no_word_is_refused_by_name(exchange, word):
    for options in ({"price_ticks": word}, {"qty_lots": word}, {"client_id": word}):
        with pytest.raises((OverflowError, ValueError)):
            send(exchange, 0, **({"price_ticks": 1, "qty_lots": 1} | options))


def test_reports_come_in_order_and_only_to_who_listens(exchange):
    ann = exchange.listen(ANN)
    for client_id in range(1, 40):
        send(exchange, 0, 50, 5, client_id=client_id, latency_ns=client_id)
        send(exchange, 1, 50, 3, account=BOB, latency_ns=client_id)
    exchange.settle()
    bob = exchange.listen(BOB)
    send(exchange, 1, 50, 1, account=BOB)
    exchange.settle()
    assert [report.sequence for report in ann] == list(range(1, len(ann) + 1))
    assert [report.time_ns for report in ann] == sorted(report.time_ns for report in ann)
    assert {report.account for report in ann} == {ANN}
    assert [report.sequence for report in bob] == [1, 2]
    assert exchange.market.reports_taken == exchange.market.report_count


def test_what_a_listener_sends_arrives_later(exchange):
    """A listener may send: its order is one like any other, though it hears late."""
    sent: list[int] = []
    exchange.hear(ANN, lambda report: sent.append(send(exchange, 0, 40, 1)) if len(sent) < 3 else None)
    send(exchange, 0, 50, 5)
    for _ in range(5):
        exchange.settle()
    assert exchange.book.orders_at(0, 40) == tuple(sent)
    assert len(sent) == 3


def test_the_open_order_limit_holds_on_its_edge_and_history_is_exempt():
    exchange = LoopedExchange(RiskLimits(max_open_orders=2))
    reports = exchange.listen(ANN)
    for _ in range(3):
        send(exchange, 0, 50, 1)
        send(exchange, 0, 50, 1, account=Account.HISTORY)
    exchange.settle()
    assert [r.reason for r in reports] == ["", "", Reason.TOO_MANY_ORDERS]
    assert exchange.book.order_count == 5


def test_a_replace_passes_the_gate_too():
    exchange = LoopedExchange(RiskLimits(max_order_lots=10, max_price_ticks=100))
    order_id = send(exchange, 0, 50, 5)
    exchange.settle()
    for price_ticks, qty_lots in ((50, 11), (101, 5), (50, 0), (50, -1), (-1, 5), (0, 5)):
        exchange.send_replace(account=ANN, order_id=order_id, price_ticks=price_ticks, qty_lots=qty_lots)
        exchange.settle()
        assert exchange.book.order(order_id) == (0, 50, 5)
    exchange.send_replace(account=ANN, order_id=order_id, price_ticks=100, qty_lots=10)
    exchange.settle()
    assert exchange.book.order(order_id) == (0, 100, 10)


def test_orders_out_of_range_never_touch_the_book(exchange):
    reports = exchange.listen(ANN)
    for price_ticks, qty_lots in ((50, 0), (50, -3), (-1, 5), (50, 1 << 41), (1 << 51, 5)):
        send(exchange, 0, price_ticks, qty_lots)
    exchange.settle()
    assert exchange.log.count == 0
    assert {r.kind for r in reports} == {ReportKind.REJECTED}
    assert [r.sequence for r in reports] == [1, 2, 3, 4, 5]


def test_a_sender_that_says_nothing_changes_no_ids(exchange):
    first = send(exchange, 0, 50, 1)
    exchange.send_cancel(account=BOB, order_id=99)
    assert send(exchange, 0, 50, 1) == first + 1
    assert (exchange.orders_sent(ANN), exchange.orders_sent(BOB)) == (2, 0)


def test_a_print_is_on_the_tape_and_nowhere_else(exchange):
    exchange.print_trade(side=1, price_ticks=70, qty_lots=9)
    assert exchange.log.by_type[EventType.PRINT] == 1
    assert exchange.last_price_ticks == 70
    assert exchange.tape.volume(0, 100) == {70: 9}
    assert [(t.aggressor_side, t.aggressor, t.maker) for t in exchange.tape.since(0)] == [(0, 0, 0)]
    assert exchange.book.order_count == 0
    assert not exchange.ledger.accounts()


def test_positions_are_marked_at_mid_then_at_the_last_trade_then_at_nothing(exchange):
    assert exchange.mark_twice_ticks == 0
    exchange.print_trade(side=1, price_ticks=70, qty_lots=1)
    assert exchange.mark_twice_ticks == 140
    send(exchange, 0, 50, 1)
    exchange.settle()
    assert (exchange.twice_mid_ticks, exchange.mark_twice_ticks) == (None, 140)
    send(exchange, 1, 53, 1)
    exchange.settle()
    assert exchange.twice_mid_ticks == exchange.mark_twice_ticks == 103


def test_volume_by_price_forgets_the_first_price_and_says_so(monkeypatch):
    monkeypatch.setattr(exchange_module, "VOLUME_PRICES", 4)
    exchange = LoopedExchange()
    for price_ticks in (10, 11, 10, 12, 13, 14, 15):
        exchange.print_trade(side=0, price_ticks=price_ticks, qty_lots=1)
    assert exchange.tape.volume(0, 100) == {12: 1, 13: 1, 14: 1, 15: 1}
    assert exchange.tape.volume(13, 14) == {13: 1, 14: 1}
    assert exchange.statistics()["volume_prices"] == {"kept": 4, "limit": 4, "forgotten": 2}
    exchange._check()


@given(st.lists(st.tuples(st.integers(1, 40) | st.integers(1, 1 << 50), st.integers(1, 9)), max_size=60))
def test_volume_by_price_is_that_of_an_ordered_dictionary(prints):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exchange_module, "VOLUME_PRICES", 8)
        exchange = LoopedExchange()
    expected: OrderedDict[int, int] = OrderedDict()
    for price_ticks, qty_lots in prints:
        exchange.print_trade(side=0, price_ticks=price_ticks, qty_lots=qty_lots)
        if price_ticks not in expected and len(expected) == 8:
            expected.popitem(last=False)
        expected[price_ticks] = expected.get(price_ticks, 0) + qty_lots
    assert exchange.tape.volume(0, 1 << 60) == expected
    exchange._check()


def test_an_order_that_arrives_now_carries_its_owners_id(exchange, kernel_path):
    reports = exchange.listen(ANN)
    order_id = exchange.enter(account=ANN, side=0, price_ticks=50, qty_lots=5, client_id=77)
    again = exchange.enter(account=ANN, side=0, price_ticks=50, qty_lots=5, client_id=77)
    assert again == order_id + 1
    assert [(r.order_id, r.client_id, r.kind, r.reason) for r in reports] == [
        (order_id, 77, ReportKind.ACCEPTED, ""),
        (again, 77, ReportKind.REJECTED, Reason.DUPLICATE_CLIENT_ID),
    ]
    assert exchange.order(order_id).client_id == 77  # type: ignore[union-attr]
    with pytest.raises(AssertionError):
        exchange.enter(account=ANN, side=0, price_ticks=50, qty_lots=5, self_trade=5)


def test_requests_that_arrive_now_say_what_they_did(exchange, kernel_path):
    order_id = exchange.enter(account=ANN, side=0, price_ticks=50, qty_lots=5)
    assert exchange.cancel_now(account=BOB, order_id=order_id) == 0
    assert exchange.cancel_now(account=ANN, order_id=order_id, qty_lots=2) == 2
    assert exchange.replace_now(account=ANN, order_id=order_id, price_ticks=51, qty_lots=9) is True
    assert exchange.replace_now(account=ANN, order_id=order_id, price_ticks=51, qty_lots=0) is False
    assert exchange.replace_now(account=BOB, order_id=order_id, price_ticks=51, qty_lots=9) is False
    assert exchange.cancel_now(account=ANN, order_id=order_id, qty_lots=10) == 9
    assert exchange.cancel_now(account=ANN, order_id=order_id) == 0
    for price_ticks in (50, 51):
        exchange.enter(account=ANN, side=0, price_ticks=price_ticks, qty_lots=5)
        exchange.enter(account=BOB, side=0, price_ticks=price_ticks, qty_lots=5)
    reports = exchange.listen(ANN)
    assert exchange.enter_cancel_all(ANN) == 2
    assert [(r.kind, r.reason) for r in reports] == [(ReportKind.CANCELLED, Reason.BY_OWNER)] * 2
    assert (exchange.open_order_count(ANN), exchange.open_order_count(BOB)) == (0, 2)
    assert exchange.enter_cancel_all(ANN) == 0
    exchange._check()
