"""Time: one order of things, whatever the slicing, whoever scheduled them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.errors import DataError
from engine.market import entries
from engine.market import exchange as exchange_module
from tests.market.checked_market import LoopedExchange

pytestmark = pytest.mark.usefixtures("kernel_path")


class Recorder:
    """Notes what ran; payload (label, delays): schedules (label, ()) after each of the delays."""

    def __init__(self) -> None:
        self.exchange = LoopedExchange()
        self.kernel = self.exchange.kernel
        self.run_until = self.exchange.loop.run_until
        self.ran: list[tuple[int, object]] = []

    def take(self, time_ns: int, payload: tuple[object, tuple[int, ...]]) -> None:
        label, delays = payload
        assert self.kernel.now_ns == time_ns
        self.ran.append((time_ns, label))
        for number, delay_ns in enumerate(delays):
            self.kernel.schedule(time_ns + delay_ns, self.take, ((label, number), ()))


def test_what_is_due_at_the_same_time_runs_in_the_order_of_scheduling():
    recorder = Recorder()
    for label in "abc":
        recorder.kernel.schedule(5, recorder.take, (label, (0,)))
    recorder.kernel.schedule(4, recorder.take, ("first", ()))
    assert recorder.run_until(5) == 7
    labels = [label for _, label in recorder.ran]
    assert labels == ["first", "a", "b", "c", ("a", 0), ("b", 0), ("c", 0)]


def test_callbacks_and_arrivals_of_one_instant_run_in_the_order_of_scheduling():
    recorder = Recorder()
    exchange = recorder.exchange
    seen: list[int | None] = []
    exchange.send(account=1, side=0, price_ticks=50, qty_lots=1, latency_ns=5)
    exchange.kernel.schedule(5, lambda *_: seen.append(exchange.best_bid))
    exchange.send(account=1, side=0, price_ticks=51, qty_lots=1, latency_ns=5)
    exchange.kernel.schedule(5, lambda *_: seen.append(exchange.best_bid))
    recorder.run_until(5)
    assert seen == [50, 51]


def test_payloads_are_never_compared():
    exchange = LoopedExchange()
    ran = []
    for payload in ({}, {}, object()):
        exchange.kernel.schedule(1, lambda _now, p: ran.append(p), payload)
    exchange.loop.run_until(1)
    assert len(ran) == 3


def test_the_past_cannot_be_scheduled_and_time_does_not_run_back():
    exchange = LoopedExchange()
    exchange.loop.run_until(10)
    with pytest.raises(AssertionError, match="3 ns into the past"):
        exchange.kernel.schedule(7, print)
    with pytest.raises(AssertionError, match="backwards"):
        exchange.loop.run_until(9)
    assert exchange.market.waiting == 0
    exchange.kernel.schedule(10, lambda *_: None)
    assert exchange.loop.run_until(10) == 1


def test_the_clock_stands_where_it_was_sent():
    exchange = LoopedExchange()
    kernel = exchange.kernel
    kernel.schedule(7, lambda *_: None)
    assert kernel.next_time_ns() == 7
    exchange.loop.run_until(6)
    assert (kernel.now_ns, kernel.processed) == (6, 0)
    exchange.loop.run_until(100)
    assert (kernel.now_ns, kernel.processed, kernel.next_time_ns()) == (100, 1, None)


def test_a_callback_that_fails_leaves_the_rest_for_later():
    """What ran has run; the next call goes on behind it."""
    recorder = Recorder()
    recorder.kernel.schedule(1, recorder.take, ("a", ()))
    recorder.kernel.schedule(2, lambda *_: 1 // 0)
    recorder.kernel.schedule(3, recorder.take, ("b", ()))
    with pytest.raises(ZeroDivisionError):
        recorder.run_until(10)
    assert recorder.kernel.now_ns == 2
    recorder.exchange._check()
    assert recorder.run_until(10) == 1
    assert recorder.ran == [(1, "a"), (3, "b")]


def test_the_queue_has_a_limit(monkeypatch):
    monkeypatch.setattr(exchange_module, "QUEUE_LIMIT", 3)
    monkeypatch.setattr(LoopedExchange, "first_messages", entries.SPARE_MESSAGES + 3)
    exchange = LoopedExchange()
    for _ in range(4):
        exchange.kernel.schedule(1, print)
    assert exchange.kernel.statistics()["waiting"] == 4
    with pytest.raises(DataError, match="more than 3 future happenings"):
        exchange.kernel.schedule(1, print)
    exchange._check()


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.lists(st.integers(0, 9), max_size=3)), max_size=25),
    st.lists(st.integers(0, 40), max_size=12),
)
def test_slices_do_not_change_what_runs(entries, slices):
    whole, sliced = Recorder(), Recorder()
    for recorder in (whole, sliced):
        for label, (time_ns, delays) in enumerate(entries):
            recorder.kernel.schedule(time_ns, recorder.take, (label, tuple(delays)))
    ran_whole = whole.run_until(40)
    ran_sliced = sum(sliced.run_until(until_ns) for until_ns in [*sorted(slices), 40])
    assert sliced.ran == whole.ran
    assert ran_sliced == ran_whole == len(whole.ran)
    assert [time_ns for time_ns, _ in whole.ran] == sorted(time_ns for time_ns, _ in whole.ran)
