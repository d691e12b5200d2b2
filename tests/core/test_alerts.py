"""The alert store: hysteresis, evidence, acknowledgement, bounds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import alerts as module
from engine.core.alerts import ALERTS_KEPT, REOPEN_NS, Alert, AlertStore, EventRow, Evidence, Measured
from engine.core.clock import NS_PER_S

QUIET_NS = 10 * NS_PER_S
SEVERITIES = ("info", "warning", "critical")
EVIDENCE = Evidence(
    1, 2, (Measured("score", 3.0, 2.5, "bps"),), 4, 6, (EventRow(6, 2, 1, 0, 100, 5, 77),), 100, 0
)


def up(store: AlertStore, time_s: float, severity: str = "warning", key: str = "regime") -> None:
    store.raise_alert(key, time_ns=int(time_s * NS_PER_S), severity=severity, text=f"{key} {severity}")


def seen(store: AlertStore, time_s: float, severity: str = "warning", key: str = "spoofing") -> None:
    store.note(
        time_ns=int(time_s * NS_PER_S),
        severity=severity,
        text=f"{key} {severity}",
        key=key,
        quiet_ns=QUIET_NS,
    )


def at(store: AlertStore, time_s: float) -> tuple[Alert, ...]:
    return store.alerts(int(time_s * NS_PER_S))


def test_a_condition_that_flaps_is_one_alert_counted():
    store = AlertStore()
    for start in (0, 6, 12):
        up(store, start)
        store.clear("regime", (start + 4) * NS_PER_S)
    (alert,) = at(store, 20)
    assert (alert.times, alert.time_ns, alert.last_ns, alert.cleared_ns) == (
        3, 0, 12 * NS_PER_S, 16 * NS_PER_S,
    )  # fmt: skip
    assert alert.state == "cleared"


def test_a_condition_that_comes_back_late_is_another_alert():
    store = AlertStore()
    up(store, 0)
    store.clear("regime", NS_PER_S)
    store.raise_alert("regime", time_ns=NS_PER_S + REOPEN_NS + 1, severity="warning", text="again")
    assert [alert.state for alert in at(store, 60)] == ["cleared", "active"]


def test_an_occurrence_is_over_when_it_has_been_quiet_and_not_before():
    store = AlertStore()
    seen(store, 1)
    seen(store, 9)
    assert [(a.state, a.times) for a in at(store, 18.999)] == [("active", 2)]
    assert [(a.state, a.cleared_ns) for a in at(store, 19)] == [("cleared", 19 * NS_PER_S)]
    seen(store, 19)
    assert [(a.state, a.times) for a in at(store, 20)] == [("cleared", 2), ("active", 1)]


def test_the_worst_severity_stays_with_its_text_and_evidence():
    store = AlertStore()
    seen(store, 0, "warning")
    store.note(
        time_ns=NS_PER_S,
        severity="critical",
        text="worse",
        key="spoofing",
        quiet_ns=QUIET_NS,
        evidence=EVIDENCE,
    )
    seen(store, 2, "info")
    (alert,) = at(store, 3)
    assert (alert.severity, alert.text, alert.evidence, alert.times) == ("critical", "worse", EVIDENCE, 3)


def test_what_was_acknowledged_is_new_again_when_it_gets_worse_or_comes_back():
    store = AlertStore()
    seen(store, 0)
    store.acknowledge_all()
    seen(store, 1)
    assert at(store, 1)[0].acknowledged
    seen(store, 2, "critical")
    assert not at(store, 2)[0].acknowledged
    up(store, 3)
    store.acknowledge(2)
    store.clear("regime", 4 * NS_PER_S)
    assert at(store, 4)[1].acknowledged
    up(store, 5)
    assert not at(store, 5)[1].acknowledged


def test_one_alert_is_acknowledged_and_one_that_is_gone_is_nothing():
    store = AlertStore()
    up(store, 0, key="a")
    up(store, 0, key="b")
    store.acknowledge(2)
    store.acknowledge(99)
    assert [alert.acknowledged for alert in at(store, 1)] == [False, True]


def test_conditions_are_cleared_by_the_beginning_of_their_keys():
    store = AlertStore()
    for key in ("gate:1:loss", "gate:1:rate", "gate:11:loss"):
        up(store, 0, key=key)
    store.clear_all("gate:1:", NS_PER_S)
    assert [alert.state for alert in at(store, 2)] == ["cleared", "cleared", "active"]


def test_acknowledgements_are_no_part_of_an_image_and_go_to_another_session_of_the_run():
    first, second = AlertStore(), AlertStore()
    for store in (first, second):
        seen(store, 0)
        store.note(time_ns=NS_PER_S, severity="info", text="look")
    before = json.dumps(first.state())
    first.acknowledge_all()
    assert json.dumps(first.state()) == before
    second.adopt_acknowledgements(first)
    assert [alert.acknowledged for alert in at(second, 2)] == [True, True]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "clear", "occur", "note", "ack"]),
        st.sampled_from("abc"),
        st.sampled_from(SEVERITIES),
        st.integers(0, 2 * QUIET_NS),
    ),
    max_size=60,
)


def take(store: AlertStore, step: tuple[str, str, str, int], now_ns: int) -> None:
    what, key, severity, _ = step
    told: dict[str, Any] = {"time_ns": now_ns, "severity": severity, "text": key, "evidence": EVIDENCE}
    if what == "raise":
        store.raise_alert(key, **told)
    elif what == "clear":
        store.clear(key, now_ns)
    elif what == "occur":
        store.note(key=f"{key}!", quiet_ns=QUIET_NS, **told)
    elif what == "note":
        store.note(**told)
    else:
        store.acknowledge(store.count)


@given(STEPS)
def test_whoever_reads_however_often_and_from_any_image_sees_the_same(steps):
    """The store is a function of what it was told: reads, images and acknowledgements leave no trace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ALERTS_KEPT", 4)
        quiet, watched = AlertStore(), AlertStore()
        now_ns = told = 0
        holding: set[str] = set()
        for step in steps:
            now_ns += step[3]
            what, key = step[0], step[1]
            told += what in ("occur", "note") or (what == "raise" and key not in holding)
            holding = holding | {key} if what == "raise" else holding - {key} if what == "clear" else holding
            if what != "ack":
                take(quiet, step, now_ns)
            take(watched, step, now_ns)
            view = watched.alerts(now_ns)
            assert len(view) <= 4
            assert watched.statistics()["holding"] == len(holding)
            copy = AlertStore()
            copy.restore(json.loads(json.dumps(watched.state())))
            copy.adopt_acknowledgements(watched)
            assert copy.alerts(now_ns) == view
            watched = copy
        assert json.dumps(quiet.state()) == json.dumps(watched.state())
        unseen = tuple(alert._replace(acknowledged=False) for alert in watched.alerts(now_ns))
        assert unseen == quiet.alerts(now_ns)
        assert quiet.count + quiet.repeats == told


@given(STEPS)
def test_a_condition_shows_as_active_exactly_while_it_holds(steps):
    store, holding, now_ns = AlertStore(), set(), 0
    for step in steps:
        now_ns += step[3]
        if step[0] not in ("raise", "clear"):
            continue
        take(store, step, now_ns)
        holding = holding | {step[1]} if step[0] == "raise" else holding - {step[1]}
        active = [alert.text for alert in store.alerts(now_ns) if alert.state == "active"]
        assert sorted(active) == sorted(holding)
        ups = [alert.time_ns for alert in store.alerts(now_ns) if alert.text == step[1]]
        assert ups == sorted(ups)


def test_the_store_is_bounded_whatever_its_keys():
    store = AlertStore()
    for number in range(3 * ALERTS_KEPT):
        seen(store, number, key=f"key-{number}")
        store.acknowledge_all()
    assert len(at(store, 10_000)) == ALERTS_KEPT
    assert len(store._latest) == ALERTS_KEPT
    assert len(store._acknowledged) <= 2 * ALERTS_KEPT
