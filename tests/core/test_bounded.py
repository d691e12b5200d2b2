"""Queue, alerts and stage windows: bounded, and honest about what they dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.alerts import ALERTS_KEPT, REOPEN_NS, AlertStore
from engine.core.clock import utc_iso, utc_run_id
from engine.core.queues import BoundedQueue
from engine.core.stages import WINDOW, Percentiles, StageWindow


@given(st.integers(1, 5), st.lists(st.one_of(st.integers(), st.none()), max_size=40))
def test_a_queue_gives_back_what_it_took_in_order_and_counts_what_it_refused(limit, steps):
    """An integer is put, None drains."""
    queue: BoundedQueue[int] = BoundedQueue("test", limit)
    expected: list[int] = []
    refused = 0
    for step in steps:
        if step is None:
            assert queue.drain() == expected
            expected = []
            continue
        room = len(expected) < limit
        assert queue.put(step) is room
        if room:
            expected.append(step)
        refused += not room
        assert queue.statistics() == {"fill": len(expected), "limit": limit, "refused": refused}
        assert len(queue) == len(expected)


def raise_it(store: AlertStore, key: str, time_ns: int = 0) -> None:
    store.raise_alert(key, time_ns=time_ns, severity="warning", text=key)


def test_an_alert_is_raised_once_until_its_condition_has_gone():
    store = AlertStore()
    for time_ns in range(3):
        raise_it(store, "regime", time_ns)
    raise_it(store, "target", 3)
    store.clear("regime", 3)
    again_ns = 3 + REOPEN_NS + 1
    raise_it(store, "regime", again_ns)
    store.clear("never raised")
    assert [(a.alert_id, a.time_ns, a.text, a.state) for a in store.alerts()] == [
        (1, 0, "regime", "cleared"),
        (2, 3, "target", "active"),
        (3, again_ns, "regime", "active"),
    ]


def test_acknowledging_marks_what_is_there_and_not_what_comes():
    store = AlertStore()
    raise_it(store, "a")
    before = store.alerts()
    store.acknowledge_all()
    raise_it(store, "b")
    assert [a.acknowledged for a in store.alerts()] == [True, False]
    assert not before[0].acknowledged


def test_the_alert_store_forgets_the_oldest_and_keeps_counting():
    store = AlertStore()
    for number in range(ALERTS_KEPT + 7):
        store.note(time_ns=number, severity="info", text="")
    store.acknowledge_all()
    store.note(time_ns=0, severity="info", text="")
    ids = [a.alert_id for a in store.alerts()]
    assert ids == list(range(9, ALERTS_KEPT + 9))
    assert store.statistics() == {
        "kept": ALERTS_KEPT,
        "limit": ALERTS_KEPT,
        "raised": ALERTS_KEPT + 8,
        "dropped": 8,
        "repeats": 0,
        "holding": 0,
    }


def test_a_stage_without_measurements_has_no_percentiles():
    assert StageWindow("kernel", "event").percentiles() == Percentiles(None, None, 0)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=WINDOW + 50))
def test_percentiles_are_nearest_rank_over_the_window(durations):
    stage = StageWindow("kernel", "event")
    for duration_ns in durations:
        stage.add(duration_ns)
    window = sorted(durations[-WINDOW:])
    p50, p99, count = stage.percentiles()
    assert count == len(durations)
    for value, percent in ((p50, 50), (p99, 99)):
        assert value in window
        assert 100 * sum(v <= value for v in window) >= percent * len(window)
        assert 100 * sum(v < value for v in window) < percent * len(window)


@pytest.mark.parametrize(
    ("epoch_ns", "iso", "run_id"),
    [
        (0, "1970-01-01T00:00:00.000Z", "1970-01-01T00-00-00Z"),
        (1_767_323_045_678_999_999, "2026-01-02T03:04:05.678Z", "2026-01-02T03-04-05Z"),
    ],
)
def test_wall_times_read_as_utc(epoch_ns, iso, run_id):
    assert utc_iso(epoch_ns) == iso
    assert utc_run_id(epoch_ns) == run_id
