"""From an alert to its evidence and its moment: in a replay, and from a session into its recording."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from desk.app import DeskApp, DeskOptions
from desk.screens.desk import DeskScreen
from desk.screens.evidence import EvidenceScreen
from desk.screenshot import screen_text
from engine.core.clock import NS_PER_S
from engine.core.errors import DataError
from engine.core.types import GateAction, StormKind
from engine.host.live import LiveOptions, SessionHost
from engine.scenarios.loader import load_scenario
from engine.session import SessionConfig
from tests.desk.fake_host import FakeHost, alarms

CRASH_NS = 70_700_000_000


async def until(pilot: Pilot[None], done: Callable[[], bool]) -> None:
    """Let the screen run until something has come about in a thread."""
    for _ in range(1_000):
        if done():
            return
        await pilot.pause(0.01)
    pytest.fail("it never came about")


async def test_evidence_shows_figures_against_thresholds_and_the_events() -> None:
    host = FakeHost(alerts=alarms())
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n", "j", "E")
        await pilot.pause()
        text = screen_text(app)
        assert "flash crash warning" in text
        assert "CUSUM of the hazard" in text
        assert "1.17×" in text
        assert "public events 8206 to 8555; the last 3 of 350" in text
        assert "#4203" in text
        await pilot.press("j")
        await pilot.pause()
        assert "position limit" in screen_text(app)
        await pilot.press("a", "A")
        await pilot.pause()
        assert isinstance(app.screen, EvidenceScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, DeskScreen)
    assert ("acknowledge_alert", 3) in host.calls
    assert ("acknowledge_alerts",) in host.calls


async def test_from_the_evidence_one_key_goes_to_the_moment_of_a_replay() -> None:
    host = FakeHost(mode="replay", alerts=alarms())
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n", "j", "E", "@")
        await pilot.pause()
        assert isinstance(app.screen, DeskScreen)
    assert ("seek", CRASH_NS) in host.calls


async def test_without_alerts_the_keys_say_so() -> None:
    app = DeskApp(FakeHost(empty=True), options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        for key in ("E", "@"):
            await pilot.press(key)
            assert app.view.notice is not None
            assert "no alert yet" in app.view.notice.text
        await pilot.press("n", "j", "a", "l", "j")
        assert "nothing to choose" in app.view.notice.text


async def test_a_session_that_is_not_recorded_cannot_be_looked_back_at() -> None:
    app = DeskApp(FakeHost(alerts=alarms()), options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("@")
        assert app.view.notice is not None
        assert "not recorded: r records it" in app.view.notice.text


async def test_a_live_session_opens_its_recording_at_the_moment_and_goes_on() -> None:
    host, past = FakeHost(recording=True, alerts=alarms()), FakeHost(mode="replay")
    opened: list[Path] = []

    def open_run(path: Path) -> FakeHost:
        opened.append(path)
        return past

    options = DeskOptions(timer=False, coach=False, open_run=open_run)
    app = DeskApp(host, options=options)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", *"buy 100", "enter", "n", "j", "@")
        await until(pilot, lambda: app.desk_screen.host is past)
        assert past.calls == [("toggle_pause",), ("seek", CRASH_NS), ("run_thread",)]
        assert app.host is host
        assert app.view.notice is not None
        assert "esc returns to it" in app.view.notice.text
        await pilot.press("escape")
        assert app.desk_screen.host is host
        await pilot.press(":", *"buy 100", "enter")
        assert [call[-1] for call in host.calls if call[0] == "submit_order"] == [1, 2]
        await until(pilot, lambda: ("stop",) in past.calls)
        await pilot.press("@")
        await until(pilot, lambda: app.desk_screen.host is past)
        await pilot.press("q")
        await until(pilot, lambda: past.calls.count(("stop",)) == 2 and ("stop",) in host.calls)
    assert opened == [Path("runs/2026-01-02T03-04-05Z")] * 2


async def test_a_recording_that_cannot_be_opened_leaves_the_session_on_the_desk() -> None:
    def fail(_path: Path) -> FakeHost:
        raise DataError("journal/000001 is damaged")

    host = FakeHost(recording=True, alerts=alarms())
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False, open_run=fail))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("@")
        await until(pilot, lambda: app.view.notice is not None and "damaged" in app.view.notice.text)
        assert app.desk_screen.host is host
        assert not app.end_look_back()


async def test_a_second_moment_waits_for_the_first() -> None:
    gate = threading.Event()

    def slow(_path: Path) -> FakeHost:
        gate.wait(10)
        return FakeHost(mode="replay")

    app = DeskApp(
        FakeHost(recording=True, alerts=alarms()),
        options=DeskOptions(timer=False, coach=False, open_run=slow),
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("@", "@")
        assert app.view.notice is not None
        assert "already" in app.view.notice.text
        gate.set()
        await until(pilot, lambda: app.desk_screen.host is not app.host)


async def test_the_recording_shows_the_market_of_that_moment(tmp_path: Path) -> None:
    """With a real session: what is looked back at is the very state that was."""
    config = SessionConfig(load_scenario("minimal"), 3)
    host = SessionHost(config, LiveOptions(runs_root=tmp_path, record=True))
    host.advance_to(5 * NS_PER_S)
    host.throw_gate(GateAction.KILL, 1)
    host.start_storm(StormKind.CRASH, 0.8, 5)
    then = host.advance_to(7 * NS_PER_S)
    host.advance_to(12 * NS_PER_S)
    moment = next(alert for alert in then.market.alerts if alert.kind == "gate")
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        app.desk_screen.look_back(then.host.recording.path, 7 * NS_PER_S)
        await until(pilot, lambda: app.desk_screen.host is not host)
        past = app.desk_screen.host
        await until(pilot, lambda: past.frame().market.time_ns == 7 * NS_PER_S)
        market = past.frame().market
        assert market.bids == then.market.bids
        assert [a for a in market.alerts if a.kind == "gate"] == [moment]
        assert past.frame().host.state == "paused"
        await pilot.press("escape")
        assert app.desk_screen.host is host
