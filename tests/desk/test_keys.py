"""Every key does what the table says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.events import Key

from desk.actions import Actions
from desk.app import DeskApp, DeskOptions
from desk.bindings import BINDINGS, KeyTable, keys_as_markdown
from desk.screens.evidence import EvidenceScreen
from desk.screens.help import HelpScreen
from desk.screens.scripts import ScriptsScreen
from desk.screens.venue import VenueScreen
from desk.screenshot import screen_text
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import FaultKind, StormKind
from engine.frame import VenueView
from engine.storms.request import ChaosKind
from tests.desk.fake_host import FakeHost, bot_card, gates

Check = Callable[[DeskApp, FakeHost], Any]


def called(*what: Any) -> Check:
    return lambda app, host: what in host.calls


def focused(panel: str) -> Check:
    return lambda app, host: app.view.focus == panel


def armed(kind: ChaosKind) -> Check:
    return lambda app, host: app.view.deck.armed is kind


def command_is(text: str) -> Check:
    return lambda app, host: app.desk_screen.command_line.active and app.desk_screen.command_line.text == text


NOW = FakeHost().time_ns

# id -> (mode, keys pressed before, what must be true afterwards)
EFFECTS: dict[str, tuple[str, tuple[str, ...], Check]] = {
    "pause": ("live", (), called("toggle_pause")),
    "step": ("live", ("space",), called("step", NS_PER_S // 10)),
    "step_back": ("replay", (), called("seek", NOW - NS_PER_S // 10)),
    "slower": ("live", (), called("set_speed", 0.5)),
    "faster": ("live", (), called("set_speed", 2.0)),
    "seek_back": ("replay", (), called("seek", NOW - 10 * NS_PER_S)),
    "seek_forward": ("replay", (), called("seek", NOW + 10 * NS_PER_S)),
    "previous_marker": ("replay", (), called("seek", 51 * NS_PER_S)),
    "next_marker": ("replay", ("{", "{"), called("seek", 51 * NS_PER_S)),
    "go_to": ("replay", (), command_is("goto ")),
    "source": ("live", (), lambda app, host: "one session" in app.view.notice.text),
    "symbol": ("live", (), lambda app, host: "one symbol" in app.view.notice.text),
    "mark": ("live", (), called("add_marker", "mark")),
    "arm_1": ("live", (), armed(StormKind.PHANTOM)),
    "arm_2": ("live", (), armed(StormKind.CANCEL)),
    "arm_3": ("live", (), armed(StormKind.IGNITION)),
    "arm_4": ("live", (), armed(StormKind.CRASH)),
    "arm_5": ("live", ("p",) * 5, armed(StormKind.LATARB)),
    "arm_6": ("live", ("p",) * 3, armed(FaultKind.STALE)),
    "arm_7": ("live", ("p",) * 4, armed(FaultKind.DOWN)),
    "arm_8": ("live", (), lambda app, host: "ends with number 6" in app.view.notice.text),
    "deck_page": ("replay", (), lambda app, host: app.view.deck.page.title == "market 2"),
    "fire": ("live", ("4", "up", "right"), called("start_storm", StormKind.CRASH, 0.65, 25)),
    "disarm": ("live", ("4",), lambda app, host: app.view.deck.armed is None and not host.calls),
    "stop_storms": ("live", (), called("stop_storms", None)),
    "kill": ("live", (), command_is("kill ")),
    "gate_reset": ("live", ("G", "j"), command_is("reset target ")),
    "gate_day": ("live", (), command_is("day desk ")),
    "gate_limit": ("live", ("G", "j", "j"), command_is("limit maker-1 ")),
    "scripts": ("live", (), lambda app, host: isinstance(app.screen, ScriptsScreen)),
    "severity_up": ("live", (), lambda app, host: app.view.deck.severity == 0.65),
    "severity_down": ("live", (), lambda app, host: app.view.deck.severity == 0.55),
    "duration_up": ("live", (), lambda app, host: app.view.deck.duration_s == 25),
    "duration_down": ("live", (), lambda app, host: app.view.deck.duration_s == 15),
    "record": ("live", (), called("toggle_recording")),
    "acknowledge": ("live", ("n", "j"), called("acknowledge_alert", 2)),
    "acknowledge_all": ("live", ("n",), called("acknowledge_alerts")),
    "evidence": ("live", (), lambda app, host: isinstance(app.screen, EvidenceScreen)),
    "jump_to_alert": ("replay", (), called("seek", 71 * NS_PER_S)),
    "centre": ("live", ("pageup",), lambda app, host: app.view.axis.centre == 10_061),
    "follow": ("live", (), lambda app, host: app.view.axis.follow),
    "coarser": ("live", (), lambda app, host: app.view.axis.grouping == 2),
    "finer": ("live", ("+", "+"), lambda app, host: app.view.axis.grouping == 2),
    "depth": ("live", (), lambda app, host: app.view.axis.depth == 3),
    "focus_next": ("live", (), focused("heat")),
    "focus_previous": ("live", (), focused("alerts")),
    "zoom": ("live", (), lambda app, host: app.view.zoomed and "tape" not in app.desk_screen.panel_places),
    "scroll_up": ("live", (), lambda app, host: app.view.axis.centre > 10_061),
    "scroll_down": ("live", (), lambda app, host: app.view.axis.centre < 10_061),
    "panel_ladder": ("live", ("t",), focused("ladder")),
    "panel_heat": ("live", (), focused("heat")),
    "panel_tape": ("live", (), focused("tape")),
    "panel_agents": ("live", (), focused("agents")),
    "panel_deck": ("live", (), focused("deck")),
    "panel_signals": ("live", (), focused("signals")),
    "panel_kpis": ("live", (), focused("kpis")),
    "panel_target": ("live", (), focused("target")),
    "next_bot": ("live", ("w",), lambda app, host: app.view.bot == 2),
    "previous_bot": ("live", (), lambda app, host: app.view.bot == -1),
    "panel_score": ("live", (), focused("score")),
    "panel_gate": ("live", (), focused("gate")),
    "panel_storms": ("live", (), focused("storms")),
    "panel_alerts": ("live", (), focused("alerts")),
    "choose_next": ("live", ("n",), lambda app, host: app.view.chosen == {"alerts": 2}),
    "choose_previous": ("live", ("G", "j"), lambda app, host: app.view.chosen == {"gate": 1}),
    "command": ("live", (), command_is("")),
    "palette": ("live", (), lambda app, host: type(app.screen).__name__ == "CommandPalette"),
    "venue": ("live", (), lambda app, host: isinstance(app.screen, VenueScreen)),
    "screenshot": ("live", (), lambda app, host: "screen saved" in app.view.notice.text),
    "copy": ("live", (), lambda app, host: "100.60" in app.clipboard and "saved" in app.view.notice.text),
    "help": ("live", (), lambda app, host: isinstance(app.screen, HelpScreen)),
    "quit": ("live", (), called("stop")),
}


def test_the_cases_cover_the_table_and_each_binding_has_an_action() -> None:
    assert set(EFFECTS) == {binding.id for binding in BINDINGS}
    assert all(callable(getattr(Actions, binding.id)) for binding in BINDINGS)


@pytest.mark.parametrize("action", sorted(EFFECTS))
async def test_a_key_does_what_the_table_says(action: str, tmp_path: Any) -> None:
    mode, before, check = EFFECTS[action]
    host = FakeHost(mode=mode, bots=(bot_card(), bot_card("taker", 41)), gates=gates())
    options = DeskOptions(timer=False, coach=False, files_dir=str(tmp_path), scripts_dir=tmp_path)
    app = DeskApp(host, options=options)
    key = next(binding.key for binding in BINDINGS if binding.id == action)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press(*before, key)
        await pilot.pause()
        assert check(app, host)


async def test_storm_keys_are_refused_in_a_replay() -> None:
    host = FakeHost(mode="replay")
    app = DeskApp(host, options=DeskOptions(timer=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        assert app.view.deck.armed is None
        assert app.view.notice is not None
        assert "replay" in app.view.notice.text
    assert not any(call[0] == "start_storm" for call in host.calls)


async def test_a_fault_is_fired_like_a_storm_and_shown_with_what_it_did() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*"ppp", "3", "up", "enter")
        app.bridge.draw()
        await pilot.pause()
        text = screen_text(app)
    assert ("start_storm", FaultKind.GHOST, 0.65, 20) in host.calls
    assert "▲ GHOST 20s" in text.splitlines()[0]
    assert "3 GHOST     ● 0.65 20s 1.3k late 12 lost" in text


async def test_public_updates_that_a_fault_has_dropped_stand_with_it() -> None:
    host = FakeHost(venue=VenueView(is_open=True, public_deeds=(("dropped", 31), ("repeated", 0))))
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*"ppp", "7", "enter")
        app.bridge.draw()
        await pilot.pause()
        text = screen_text(app)
    assert "7 GAP       ● 0.60 20s 31 dropped 1.3k l" in text
    assert "8 DUPLICATE public updates come twice" in text


async def test_a_fault_is_armed_on_and_typed_from_any_page() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False, coach=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(*"ppp", "3", "p", "enter")
        await pilot.press(":", *"storm fault.down 0.9 30s", "enter")
        await pilot.press(":", *"stop fault.ghost", "enter")
    assert ("start_storm", FaultKind.GHOST, 0.6, 20) in host.calls
    assert ("start_storm", FaultKind.DOWN, 0.9, 30.0) in host.calls
    assert ("stop_storms", FaultKind.GHOST) in host.calls


@pytest.mark.parametrize("key", ["?", "e"])
async def test_keys_that_come_faster_than_a_page_closes_do_no_harm(key: str) -> None:
    app = DeskApp(FakeHost(), options=DeskOptions(timer=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(key)
        await pilot.pause()
        page = app.screen
        for typed in "x:x":
            page.post_message(Key(typed, typed))
        await pilot.pause()
        assert app.screen is app.desk_screen


async def test_enter_fires_nothing_when_nothing_is_armed() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        assert not host.calls
        assert app.view.notice is not None


async def test_the_first_storm_sends_the_coach_away() -> None:
    app = DeskApp(FakeHost(), options=DeskOptions(timer=False, coach=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert "coach" in app.desk_screen.panel_places
        await pilot.press("4", "enter")
        await pilot.pause()
        assert "coach" not in app.desk_screen.panel_places


async def test_a_typed_order_goes_to_the_account_of_the_desk() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", *"buy 200 100.56", "enter")
        assert ("submit_order", 1, 0, 10_056, 200, 0, 1) in host.calls
        await pilot.press(":", *"sell 100", "enter")
        assert ("submit_order", 1, 1, 0, 100, 1, 2) in host.calls
        await pilot.press(":", *"cancel 1", "enter")
        assert ("cancel_order", 1, 1) in host.calls


async def test_an_order_that_finds_a_full_queue_says_so() -> None:
    app = DeskApp(FakeHost(queue_full=True), options=DeskOptions(timer=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", *"buy 200", "enter")
        assert app.view.notice is not None
        assert "full" in app.view.notice.text


async def test_keys_typed_into_the_command_line_trigger_no_action() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", "q", "X", "r", "4", "escape")
        assert not host.calls
        assert not app.desk_screen.command_line.active


async def test_tab_completes_and_history_comes_back() -> None:
    host = FakeHost()
    app = DeskApp(host, options=DeskOptions(timer=False))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", "s", "t", "tab", "c", "r", "tab", "enter")
        assert ("start_storm", StormKind.CRASH, 0.6, 20.0) in host.calls
        await pilot.press(":", "up")
        assert app.desk_screen.command_line.text.strip() == "storm crash"


def test_a_key_can_be_mapped_to_another() -> None:
    table = KeyTable({"stop_storms": "0"})
    assert table.find("0", "0") is not None
    assert table.find("X", "X") is None
    assert table.shown("stop_storms") == "0"


def test_a_clash_of_keys_names_both_actions() -> None:
    with pytest.raises(UsageError, match=r"stop_storms.*record|record.*stop_storms"):
        KeyTable({"stop_storms": "r"})


def test_an_unknown_action_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="stop_storms"):
        KeyTable({"nonsense": "r"})


def test_no_key_needs_a_terminal_that_ssh_does_not_give() -> None:
    forbidden = {"ctrl+a", "ctrl+b", "ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+enter"}
    for binding in BINDINGS:
        assert binding.key not in forbidden
        assert not binding.key.startswith("f") or len(binding.key) == 1
        assert binding.key != "escape" or binding.id == "disarm"


def test_the_readme_table_holds_every_binding() -> None:
    text = keys_as_markdown()
    assert all(binding.help in text for binding in BINDINGS)
