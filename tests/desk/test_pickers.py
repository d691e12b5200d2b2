"""Choosing a source or a symbol: what is listed, what keys do, and that nothing breaks the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot

from desk.app import DeskApp, DeskOptions
from desk.recent import RecentSource, read_recent, remember
from desk.screens.picker import matching
from desk.screens.sources import SourcePlaces, SourcesScreen
from desk.screens.symbols import SymbolsScreen
from desk.screenshot import screen_text
from desk.sessions import SessionChoice
from desk.source_list import SourceOption, data_files, look_at
from engine.core.errors import DataError
from tests.desk.fake_host import FakeHost, feed_view
from tests.feeds.itch.days import itch_day

DAY = itch_day(400, stocks=5).data


class FakeSessions:
    """Opens fake hosts, or fails; waits for `gate` while opening."""

    def __init__(self, error: Exception | None = None) -> None:
        self.current = SimpleNamespace(source=None, symbol=None)
        self.error = error
        self.asked: list[SessionChoice] = []
        self.taken: list[tuple[FakeHost, bool]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.other = FakeHost(feed=feed_view(status="market hours · halted T1"))

    def open(self, choice: SessionChoice) -> FakeHost:
        self.asked.append(choice)
        self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return self.other

    def take(self, host: FakeHost, *, same_time: bool = False) -> None:
        self.taken.append((host, same_time))


def desk_with(sessions: FakeSessions, host: FakeHost, **more: Any) -> DeskApp:
    options = DeskOptions(timer=False, coach=False, stop_host=False, sessions=sessions, **more)
    return DeskApp(host, options=options)


async def until(pilot: Pilot[None], done: Callable[[], bool]) -> None:
    """Let the screen run until something has come about in a thread."""
    for _ in range(500):
        if done():
            return
        await pilot.pause(0.01)
    pytest.fail("it never came about")


# -- the list ----------------------------------------------------------------------------------


def test_a_filter_finds_all_words_and_puts_beginnings_first() -> None:
    options = [SourceOption("file", name) for name in ("zx-day.itch", "day-1.itch", "day.pcap", "other")]
    assert [option.name for option in matching(options, "day")] == ["day-1.itch", "day.pcap", "zx-day.itch"]
    assert [option.name for option in matching(options, "itch zx")] == ["zx-day.itch"]
    assert matching(options, "") == options


def test_files_are_told_by_content_and_others_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "notes.itch").write_text("no market")
    (tmp_path / "day").write_bytes(DAY)
    (tmp_path / ".hidden").write_bytes(DAY)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "day2").write_bytes(DAY)
    listed = {option.name: look_at(option) for option in data_files([(tmp_path, 1)], set())}
    assert set(listed) == {"notes.itch", "day", "day2"}
    assert listed["notes.itch"].problem is not None
    assert listed["day"].problem is None
    assert len(listed["day"].stocks) == 5
    assert [option.name for option in data_files([(tmp_path, 0)], {str(tmp_path / "day")})] == ["notes.itch"]


def test_what_cannot_be_read_has_a_problem_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(b"\x1f\x8b\x08\x00 not gzip")
    for name in ("cut.gz", "gone", "."):
        assert look_at(SourceOption("recent", name, str(tmp_path / name))).problem


def test_recent_sources_come_back_newest_first_and_a_broken_list_is_none(tmp_path: Path) -> None:
    path = tmp_path / "state" / "recent.json"
    assert read_recent(path) == []
    for name in ("a", "b", "a"):
        remember(path, RecentSource(name))
    assert [one.path for one in read_recent(path)] == ["a", "b"]
    path.write_bytes(b"\xff{")
    assert read_recent(path) == []
    remember(tmp_path / "state" / "recent.json" / "below", RecentSource("x"))  # cannot be written: no matter


# -- screens -----------------------------------------------------------------------------------


async def test_the_source_picker_lists_files_and_starts_the_one_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "day.itch").write_bytes(DAY)
    (tmp_path / "readme.txt").write_text("no market")
    monkeypatch.chdir(tmp_path)
    sessions = FakeSessions()
    app = desk_with(sessions, FakeHost(), data_dir=str(tmp_path / "data"))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("f")
        screen = app.screen
        assert isinstance(screen, SourcesScreen)
        await until(pilot, lambda: not screen._looking)
        names = [option.name for option in screen.options]
        assert "balanced" in names
        assert "day.itch" in names
        assert "readme.txt" not in names
        await pilot.press(*"day.itch", "enter")
        await until(pilot, lambda: bool(sessions.taken) and app.host is sessions.other)
    assert sessions.asked == [SessionChoice(source=str(tmp_path / "data" / "day.itch"))]
    assert sessions.taken == [(sessions.other, False)]


SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")


@SIZES
async def test_the_source_picker_as_a_picture(
    size: tuple[int, int], golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    stocks = tuple(f"S{number:04}" for number in range(8_906))
    found = [
        SourceOption("file", "20191230.itch.gz", "/data/nasdaq/20191230.itch.gz", None, 3_400_000_000,
                     "ITCH 5.0 BinaryFILE", stocks),
        SourceOption("file", "multicast.pcap", "/data/multicast.pcap", None, 81_000_000, "packet capture"),
    ]  # fmt: skip
    recent = RecentSource("/data/nasdaq/20191230.itch.gz", "AAPL")
    monkeypatch.setattr("desk.screens.sources.data_files", lambda folders, known: found)
    monkeypatch.setattr("desk.screens.sources.look_at", lambda option: option)
    app = desk_with(FakeSessions(), FakeHost())
    places = SourcePlaces(Path("/share/samples/spot_btcusdt_sample.jsonl.gz"), (), (recent,))
    monkeypatch.setattr(app, "source_places", lambda: places)
    async with app.run_test(size=size) as pilot:
        await pilot.press("f")
        screen = app.screen
        assert isinstance(screen, SourcesScreen)
        await until(pilot, lambda: not screen._looking)
        await pilot.press("end", "up")
        await pilot.pause()
        golden(f"sources-{size[0]}x{size[1]}.txt", screen_text(app))


@SIZES
async def test_the_symbol_picker_as_a_picture(
    size: tuple[int, int], golden: Callable[[str, str], None]
) -> None:
    app = desk_with(FakeSessions(), FakeHost(feed=feed_view(symbols=8_000)))
    async with app.run_test(size=size) as pilot:
        await pilot.press("/", "s", "0", "down")
        await pilot.pause()
        golden(f"symbols-{size[0]}x{size[1]}.txt", screen_text(app))


async def test_pickers_need_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = desk_with(FakeSessions(), FakeHost(feed=feed_view(status="market hours · halted T1")))
    async with app.run_test(size=(80, 24)) as pilot:
        for key in ("f", "/"):
            await pilot.press(key, "down", "x", "escape")
            assert app.screen is app.desk_screen


async def test_tab_lists_the_stocks_of_a_file_that_is_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "day.itch").write_bytes(DAY)
    monkeypatch.chdir(tmp_path)
    sessions = FakeSessions()
    app = desk_with(sessions, FakeHost())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f")
        screen = app.screen
        assert isinstance(screen, SourcesScreen)
        await until(pilot, lambda: not screen._looking)
        await pilot.press(*"day.itch", "tab")
        await pilot.pause()
        assert isinstance(app.screen, SymbolsScreen)
        await pilot.press("c", "enter")
        await until(pilot, lambda: bool(sessions.taken))
        assert app.screen is app.desk_screen
    assert sessions.asked == [SessionChoice(source=str(tmp_path / "day.itch"), symbol="C")]


async def test_a_symbol_of_ten_thousand_is_found_by_typing_and_goes_on_at_the_same_time() -> None:
    sessions = FakeSessions()
    app = desk_with(sessions, FakeHost(feed=feed_view(symbols=10_000)))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("/")
        screen = app.screen
        assert isinstance(screen, SymbolsScreen)
        assert len(screen.matches) == 10_000
        assert screen.chosen is not None
        assert screen.chosen.symbol == "ACME"
        await pilot.press("end", "pageup", "home", "down", *"s77", "down", "enter")
        await until(pilot, lambda: bool(sessions.taken) and app.host is sessions.other)
        assert app.view.notice is not None
        assert app.view.notice.text.startswith("ACME")
    assert sessions.asked == [SessionChoice(symbol="S7701", same_time=True)]
    assert sessions.taken == [(sessions.other, True)]


@pytest.mark.parametrize("error", [DataError("day.itch: cut off"), ValueError("what"), MemoryError()])
async def test_what_cannot_be_opened_leaves_the_running_session_alone(error: Exception) -> None:
    sessions, host = FakeSessions(error), FakeHost()
    app = desk_with(sessions, host)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", *"source minimal", "enter")
        await until(pilot, lambda: app.view.notice is not None and "not opened" in app.view.notice.text)
        assert app.host is host
        await pilot.press("space")
    assert not sessions.taken
    assert ("toggle_pause",) in host.calls


async def test_escape_gives_up_a_session_that_is_being_opened() -> None:
    sessions, host = FakeSessions(), FakeHost()
    sessions.gate.clear()
    app = desk_with(sessions, host)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press(":", *"source minimal", "enter")
        await pilot.press(":", *"source stress_test", "enter")
        assert "being opened" in app.view.notice.text  # type: ignore[union-attr]
        await pilot.press("escape")
        sessions.gate.set()
        await app.workers.wait_for_complete()
        assert app.host is host
    assert not sessions.taken


async def test_another_session_forgets_what_was_armed_and_shown_of_the_one_before() -> None:
    sessions = FakeSessions()
    app = desk_with(sessions, FakeHost(recording=True))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "pageup")
        await pilot.press(":", *"source minimal", "enter")
        await until(pilot, lambda: app.host is sessions.other)
        await pilot.pause()
        assert app.view.deck.armed is None
        assert app.view.notice is not None
        assert "saved" in app.view.notice.text
        assert "bot greeted anew" in app.view.notice.text
        await pilot.press("space")
    assert ("toggle_pause",) in sessions.other.calls


async def test_a_jump_is_asked_for_in_time_of_day_and_stopped_by_escape() -> None:
    host = FakeHost(feed=feed_view())
    app = desk_with(FakeSessions(), host)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("g", *"10:30", "enter")
        assert ("jump", 3_600 * 10**9) in host.calls
        await pilot.press("escape")
        assert ("cancel_jump",) in host.calls
