"""Jumps of live sessions, and another session in place of the running one."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk.sessions import SessionChoice, Sessions
from engine.core.clock import NS_PER_S
from engine.core.errors import StormdeskError
from engine.host.live import LiveOptions, SessionHost
from engine.host.service import LiveService
from engine.scenarios.loader import history_scenario, load_scenario
from engine.session import Session, SessionConfig
from tests.feeds.itch.days import itch_day

MINIMAL = SessionConfig(load_scenario("minimal"), seed=7)


def host_of(config: SessionConfig, tmp_path: Path, **options: object) -> SessionHost:
    return SessionHost(config, LiveOptions(runs_root=tmp_path / "runs", **options))  # type: ignore[arg-type]


def turn_until_there(host: SessionHost) -> None:
    for _ in range(10_000):
        host.turn()
        if host.frame().host.jump is None:
            return
    pytest.fail("the jump does not end")


def test_a_jump_ends_where_it_should_with_the_state_of_a_session_that_ran_there(tmp_path: Path) -> None:
    host = host_of(MINIMAL, tmp_path)
    host.pause()
    host.jump(20 * NS_PER_S)
    turn_until_there(host)
    there = host.frame()
    assert there.market.time_ns == 20 * NS_PER_S
    assert there.host.state == "paused"
    straight = Session(MINIMAL)
    straight.advance(20 * NS_PER_S)
    assert straight.event_digest == host.session.event_digest


def test_a_jump_can_be_stopped_on_its_way(tmp_path: Path) -> None:
    host = host_of(MINIMAL, tmp_path)
    host.pause()
    host.jump(3_600 * NS_PER_S)
    host.turn()
    assert host.frame().host.jump is not None
    host.cancel_jump()
    host.turn()
    frame = host.frame()
    assert frame.host.jump is None
    assert frame.market.time_ns < 3_600 * NS_PER_S
    host.jump(3_600 * NS_PER_S)
    host.turn()
    host.toggle_pause()
    host.turn()
    assert host.frame().host.jump is None
    assert host.frame().host.state == "paused"


def test_a_live_session_does_not_jump_back(tmp_path: Path) -> None:
    host = host_of(MINIMAL, tmp_path)
    host.advance_to(NS_PER_S)
    host.pause()
    host.jump(NS_PER_S // 2)
    host.turn()
    assert host.frame().host.jump is None
    assert "cannot go back" in (host.frame().host.notice or "")


def test_another_session_takes_the_place_and_the_recording_is_finished(tmp_path: Path) -> None:
    day = tmp_path / "day.itch"
    day.write_bytes(itch_day(4_000, stocks=4).data)
    config = SessionConfig(history_scenario(), source=str(day))
    first = host_of(config, tmp_path, record=True)
    first.pause()
    with LiveService(first, "none") as service:
        sessions = Sessions(service)
        first.advance_to(3_000 * NS_PER_S)
        clock_ns = first.session.source.epoch_ns + first.session.now_ns  # type: ignore[union-attr]
        first.run_thread()
        other = sessions.open(SessionChoice(symbol="B", same_time=True))
        assert [one.symbol for one in other.frame().market.feed.symbols] == ["A", "B", "C", "D"]  # type: ignore[union-attr]
        other.pause()
        sessions.take(other, same_time=True)
        assert service.host is other
        assert first.recorder is not None
        assert not first.recorder.active
        assert sessions.current.symbol == "B"
        other.stop()
    turn_until_there(other)
    assert other.frame().market.instrument.symbol == "B"
    assert other.session.source.epoch_ns + other.session.now_ns == clock_ns  # type: ignore[union-attr]


def test_what_cannot_be_opened_is_a_clear_error_and_changes_nothing(tmp_path: Path) -> None:
    first = host_of(MINIMAL, tmp_path)
    service = LiveService(first, "none")
    with pytest.raises(StormdeskError):
        Sessions(service).open(SessionChoice(source=str(tmp_path / "gone")))
    with pytest.raises(StormdeskError):
        Sessions(service).open(SessionChoice(scenario="nonsense"))
    assert service.host is first
