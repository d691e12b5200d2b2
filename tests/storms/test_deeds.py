"""What faults have done is counted where they act, and shown with them."""

from __future__ import annotations

import pytest

from engine.broker.terms import Refusal
from engine.core.types import FaultKind, StormKind
from engine.storms.catalogue import entry_of
from tests.storms.test_faults import Run, fire, replies, run, scene_of, trade


def deeds(one: Run, kind: FaultKind) -> dict[str, int]:
    return one.scene.session.broker.boundary.deeds.get(entry_of(kind).name, {})


def test_lost_and_repeated_messages_are_those_of_the_runs_lines() -> None:
    ghost = run(FaultKind.GHOST, 0.6)
    assert deeds(ghost, FaultKind.GHOST) == {"lost": sum(line["told_ns"] is None for line in ghost.lines)}
    echo = run(FaultKind.ECHO, 0.6)
    doubled = [line for line in echo.lines if line["fault"]]
    assert deeds(echo, FaultKind.ECHO) == {"twice": len(doubled) // 2}


def test_refused_and_unanswered_requests_are_those_of_the_replies() -> None:
    reject = run(FaultKind.REJECT, 0.7)
    refused = [
        reply
        for _, reply in replies(reject).values()
        if reply.refusal in (Refusal.OVERLOADED, Refusal.REJECTED)
    ]
    assert deeds(reject, FaultKind.REJECT) == {"refused": len(refused)}
    timeout = run(FaultKind.TIMEOUT, 0.7)
    unknown = [reply for _, reply in replies(timeout).values() if reply.refusal == Refusal.TIMEOUT_UNKNOWN]
    assert deeds(timeout, FaultKind.TIMEOUT)["unanswered"] == len(unknown)


@pytest.mark.parametrize(
    ("kind", "deed"),
    [
        (FaultKind.LATENCY, "late"),
        (FaultKind.SLOWACK, "late"),
        (FaultKind.REORDER, "late"),
        (FaultKind.LIMIT, "bursts"),
        (FaultKind.HALT, "bursts"),
        (FaultKind.DOWN, "bursts"),
        (FaultKind.STALE, "bursts"),
        (FaultKind.DISCONNECT, "cuts"),
    ],
)
def test_each_fault_counts_in_its_own_words(kind: FaultKind, deed: str) -> None:
    assert deeds(run(kind, 0.8), kind)[deed] > 0


def test_the_market_view_has_every_storm_and_fault_with_its_deeds() -> None:
    one = run(FaultKind.GHOST, 0.6)
    views = {view.kind: view for view in one.scene.session.market_view().storms}
    assert list(views) == [*StormKind, *FaultKind]
    assert views[FaultKind.GHOST].name == "fault.ghost"
    assert not views[FaultKind.GHOST].active
    assert dict(views[FaultKind.GHOST].deeds) == deeds(one, FaultKind.GHOST)
    assert views[FaultKind.ECHO].deeds == ()


def test_a_running_fault_is_active_with_its_end() -> None:
    scene, _, _ = scene_of()
    fire(scene, FaultKind.DOWN, 0.5)
    (view,) = [one for one in scene.session.market_view().storms if one.active]
    assert (view.kind, view.severity) == (FaultKind.DOWN, 0.5)
    assert view.ends_ns is not None


def test_a_fork_goes_on_counting_where_the_original_was() -> None:
    scene, _, _ = scene_of()
    fire(scene, FaultKind.GHOST, 0.6)
    trade(scene, range(40))
    other = scene.session.fork()
    assert other.broker.boundary.deeds == scene.session.broker.boundary.deeds != {}
    until_ns = scene.session.now_ns + 5 * 10**9
    for session in (scene.session, other):
        session.advance(until_ns)
    assert other.broker.boundary.deeds == scene.session.broker.boundary.deeds
