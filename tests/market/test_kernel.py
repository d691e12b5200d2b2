"""The kernel: one order of things, whatever the slicing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market import kernel as kernel_module
from engine.market.kernel import Kernel


class Recorder:
    """Notes what ran; payload (label, delays): schedules (label, ()) after each of the delays."""

    def __init__(self) -> None:
        self.kernel = Kernel()
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
    assert recorder.kernel.run_until(5) == 7
    labels = [label for _, label in recorder.ran]
    assert labels == ["first", "a", "b", "c", ("a", 0), ("b", 0), ("c", 0)]


def test_payloads_are_never_compared():
    kernel = Kernel()
    ran = []
    for payload in ({}, {}, object()):
        kernel.schedule(1, lambda _now, p: ran.append(p), payload)
    kernel.run_until(1)
    assert len(ran) == 3


def test_the_past_cannot_be_scheduled_and_time_does_not_run_back():
    kernel = Kernel()
    kernel.run_until(10)
    with pytest.raises(AssertionError, match="3 ns into the past"):
        kernel.schedule(7, lambda *_: None)
    with pytest.raises(AssertionError, match="backwards"):
        kernel.run_until(9)
    kernel.schedule(10, lambda *_: None)
    assert kernel.run_until(10) == 1


def test_the_clock_stands_where_it_was_sent():
    kernel = Kernel()
    kernel.schedule(7, lambda *_: None)
    assert kernel.next_time_ns() == 7
    kernel.run_until(6)
    assert (kernel.now_ns, kernel.processed) == (6, 0)
    kernel.run_until(100)
    assert (kernel.now_ns, kernel.processed, kernel.next_time_ns()) == (100, 1, None)


def test_the_queue_has_a_limit(monkeypatch):
    monkeypatch.setattr(kernel_module, "QUEUE_LIMIT", 3)
    kernel = Kernel()
    for _ in range(3):
        kernel.schedule(1, lambda *_: None)
    assert kernel.statistics() == {"waiting": 3, "limit": 3, "processed": 0}
    with pytest.raises(AssertionError, match="queue full"):
        kernel.schedule(1, lambda *_: None)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.lists(st.integers(0, 9), max_size=3)), max_size=25),
    st.lists(st.integers(0, 40), max_size=12),
)
def test_slices_do_not_change_what_runs(entries, slices):
    whole, sliced = Recorder(), Recorder()
    for recorder in (whole, sliced):
        for label, (time_ns, delays) in enumerate(entries):
            recorder.kernel.schedule(time_ns, recorder.take, (label, tuple(delays)))
    ran_whole = whole.kernel.run_until(40)
    ran_sliced = sum(sliced.kernel.run_until(until_ns) for until_ns in [*sorted(slices), 40])
    assert sliced.ran == whole.ran
    assert ran_sliced == ran_whole == len(whole.ran)
    assert [time_ns for time_ns, _ in whole.ran] == sorted(time_ns for time_ns, _ in whole.ran)
