"""Storm scripts on a live host: times count from now, stopping everything drops what waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_S
from engine.core.errors import StormError
from engine.core.types import FaultKind, GateAction, StormKind
from engine.host.live import SCHEDULED_LIMIT, LiveOptions, SessionHost
from engine.host.replay import ReplayHost
from engine.scenarios.loader import load_scenario
from engine.session import SessionConfig
from engine.storms.request import StormRequest

CRASH = StormRequest(StormKind.CRASH, 0.3, 5, start_ns=2 * NS_PER_S)
STALE = StormRequest(FaultKind.STALE, 0.3, 8, start_ns=NS_PER_S)


def live(tmp_path, **more) -> SessionHost:
    host = SessionHost(
        SessionConfig(load_scenario("minimal"), 3), LiveOptions(runs_root=tmp_path, speed=None, **more)
    )
    host.advance_to(4 * NS_PER_S)
    return host


def test_a_script_begins_now_and_market_storm_and_fault_run_together(tmp_path):
    host = live(tmp_path)
    host.run_script((CRASH, STALE))
    host.advance_to(4 * NS_PER_S)
    assert [(one.kind, one.start_ns) for one in host.frame().host.scheduled] == [
        (FaultKind.STALE, 5 * NS_PER_S),
        (StormKind.CRASH, 6 * NS_PER_S),
    ]
    frame = host.advance_to(7 * NS_PER_S)
    assert frame.host.scheduled == ()
    assert [run.name for run in frame.market.storm_runs if run.ended_ns is None] == ["fault.stale", "crash"]


def test_stopping_everything_drops_what_waits(tmp_path):
    host = live(tmp_path)
    host.run_script((CRASH, STALE))
    host.stop_storms(StormKind.CRASH)
    host.advance_to(4 * NS_PER_S)
    assert [one.kind for one in host.frame().host.scheduled] == [FaultKind.STALE]
    host.stop_storms()
    frame = host.advance_to(8 * NS_PER_S)
    assert frame.host.scheduled == () == frame.market.storm_runs


def test_more_storms_than_may_wait_are_refused_as_a_whole(tmp_path):
    host = live(tmp_path)
    host.run_script((CRASH,) * (SCHEDULED_LIMIT + 1))
    host.advance_to(4 * NS_PER_S)
    assert host.frame().host.scheduled == ()
    assert "may" in host.frame().host.notice


def test_a_script_that_this_market_cannot_have_is_refused(tmp_path):
    with pytest.raises(StormError, match="out of range"):
        live(tmp_path).run_script((CRASH._replace(severity=2.0),))


def test_scripts_and_limits_of_a_session_are_in_its_run(tmp_path):
    host = live(tmp_path, record=True)
    host.run_script((CRASH,))
    host.throw_gate(GateAction.LIMIT, 1, limit="max_position_lots", value=77)
    frame = host.advance_to(9 * NS_PER_S)
    path = frame.host.recording.path
    host.stop()
    replay = ReplayHost(Path(path))
    replay.seek(9 * NS_PER_S)
    again = replay.advance_to(9 * NS_PER_S).market
    assert again.storm_runs == frame.market.storm_runs
    assert again.gates == frame.market.gates
    assert [guard.limit for guard in again.gates[0].guards if guard.name == "max_position"] == [77.0]
    with pytest.raises(StormError, match="what happened, happened"):
        replay.run_script((CRASH,))


def test_what_was_acknowledged_in_a_replay_stays_so_when_it_is_sought(tmp_path):
    host = live(tmp_path, record=True)
    host.start_storm(StormKind.CRASH, 0.9, 10)
    host.throw_gate(GateAction.KILL, 1)
    host.advance_to(20 * NS_PER_S)
    path = host.frame().host.recording.path
    host.stop()
    replay = ReplayHost(Path(path))
    replay.seek(20 * NS_PER_S)
    kept = [alert.alert_id for alert in replay.advance_to(0).market.alerts if alert.kind == "gate"]
    replay.acknowledge_alert(kept[0])
    replay.seek(10 * NS_PER_S)
    replay.seek(20 * NS_PER_S)
    alerts = replay.advance_to(0).market.alerts
    assert [alert.kind for alert in alerts if alert.acknowledged] == ["gate"]
