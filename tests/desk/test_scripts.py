"""Storm scripts at the desk: the folder keeps to itself, errors name their line, keys run, edit and save."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.app import DeskApp, DeskOptions
from desk.screens.desk import DeskScreen
from desk.screens.script_editor import ScriptEditor
from desk.screens.scripts import ScriptsScreen
from desk.screenshot import screen_text
from desk.scripts import ScriptFolder, check_text, scripts_path
from engine.core.clock import NS_PER_S
from engine.core.errors import StormError, UsageError
from engine.storms.script import SCRIPT_BYTES, TEMPLATE
from tests.desk.fake_host import FakeHost

GOOD = '[[storm]]\nkind = "crash"\nstart = "2s"\nseverity = "0.2..0.9"\nduration = "15s"\n'
BAD = GOOD + '\n[[storm]]\nkind = "spoofing"\nstart = "9s"\nseverity = 1.7\nduration = "20s"\n'


@pytest.fixture
def folder(tmp_path: Path) -> ScriptFolder:
    (tmp_path / "good.toml").write_text(GOOD)
    (tmp_path / "bad.toml").write_text(BAD)
    return ScriptFolder(tmp_path)


def desk_over(host: FakeHost, folder: ScriptFolder, **more: Any) -> DeskApp:
    return DeskApp(host, options=DeskOptions(timer=False, coach=False, scripts_dir=folder.folder, **more))


# -- the folder ------------------------------------------------------------------------------------


def test_scripts_are_files_of_the_folder_and_nothing_else(folder: ScriptFolder) -> None:
    (folder.folder / "deep").mkdir()
    (folder.folder / "deep" / "other.toml").write_text(GOOD)
    (folder.folder / "notes.txt").write_text(GOOD)
    (folder.folder / ".hidden.toml").write_text(GOOD)
    (folder.folder / "link.toml").symlink_to(folder.folder / "deep" / "other.toml")
    assert folder.names() == ["bad.toml", "good.toml"]
    with pytest.raises(UsageError, match="a link"):
        folder.read("link.toml")
    with pytest.raises(UsageError, match="a link"):
        folder.save("link.toml", GOOD)


@pytest.mark.parametrize(
    "name",
    ["../x.toml", "/etc/x.toml", "a/b.toml", "x.txt", ".toml", "..toml", "a\0.toml", "x" * 70 + ".toml", ""],
)
def test_a_name_cannot_lead_out_of_the_folder(folder: ScriptFolder, name: str) -> None:
    for use in (lambda: folder.read(name), lambda: folder.save(name, GOOD)):
        with pytest.raises(UsageError, match="no name for a script"):
            use()


@given(st.text(max_size=20))
def test_no_name_at_all_writes_beside_the_folder(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.mktemp("scripts")
    folder = ScriptFolder(root / "inside")
    try:
        full = folder.new(name)
    except UsageError:
        return
    assert [path.name for path in root.rglob("*.toml")] == [full]
    assert (root / "inside" / full).is_file()


def test_a_new_script_is_the_template_and_never_overwrites(folder: ScriptFolder) -> None:
    assert folder.new("mine") == "mine.toml"
    assert folder.read("mine.toml") == TEMPLATE
    with pytest.raises(UsageError, match="there already"):
        folder.new("good")
    assert folder.read("good.toml") == GOOD


def test_a_save_is_whole_or_has_not_happened(folder: ScriptFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.save("good.toml", BAD)
    assert folder.read("good.toml") == BAD

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("desk.scripts.os.fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        folder.save("good.toml", GOOD)
    assert folder.read("good.toml") == BAD
    assert sorted(path.name for path in folder.folder.iterdir()) == ["bad.toml", "good.toml"]


def test_what_is_no_script_is_refused_unread(folder: ScriptFolder) -> None:
    (folder.folder / "huge.toml").write_bytes(b"#" * (SCRIPT_BYTES + 1))
    (folder.folder / "bytes.toml").write_bytes(b"\xff\xfe")
    for name in ("huge.toml", "bytes.toml", "gone.toml"):
        with pytest.raises(UsageError, match=r"larger than|cannot be read"):
            folder.read(name)
    with pytest.raises(UsageError, match="at most"):
        folder.save("good.toml", "#" * (SCRIPT_BYTES + 1))


def test_a_folder_that_is_not_there_holds_nothing_and_is_made_when_needed(tmp_path: Path) -> None:
    folder = ScriptFolder(tmp_path / "a" / "b")
    assert folder.names() == []
    folder.new("first")
    assert folder.names() == ["first.toml"]


def test_the_folder_stands_beside_the_configuration_unless_it_is_named() -> None:
    assert scripts_path().name == "storms"
    assert scripts_path("~/x") == Path("~/x").expanduser()


# -- where it is wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (BAD, 10, "1.7 is out of range"),
        (GOOD.replace("crash", "crush"), 2, "unknown storm 'crush'"),
        (GOOD.replace('"15s"', '"15"'), 5, "duration"),
        (GOOD.replace('"2s"', "2"), 3, "Expected `str`"),
        (GOOD + "sede = 7\n", 6, "unknown field `sede`"),
        (GOOD + 'where = "bid"\n', 6, "has no side"),
        (GOOD + 'where = "left"\n', 6, "no side"),
        (GOOD + GOOD.replace('"2s"', '"5s"'), 8, "still runs"),
        ('[[storm]]\nkind = "crash\n', 2, "not valid TOML"),
        ("name = 3\n", None, "Expected `str`"),
        ("", None, "missing required field"),
        (GOOD.replace('start = "2s"\n', ""), 1, "missing required field `start`"),
    ],
)
def test_an_error_names_its_line(text: str, line: int | None, says: str) -> None:
    checked = check_text(text, "x.toml")
    assert checked.script is None
    assert says in checked.error
    assert checked.line == line


@given(
    st.one_of(st.text(max_size=200), st.lists(st.sampled_from(BAD.splitlines()), max_size=12).map("\n".join))
)
def test_whatever_is_typed_is_checked_without_a_traceback(text: str) -> None:
    checked = check_text(text, "x.toml")
    assert (checked.script is None) == bool(checked.error)
    assert checked.line is None or 1 <= checked.line <= text.count("\n") + 1


# -- keys ------------------------------------------------------------------------------------------


async def test_a_script_runs_with_one_key_from_now_on(folder: ScriptFolder) -> None:
    host = FakeHost()
    app = desk_over(host, folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("F", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, DeskScreen)
        assert ("run_script", 1) in host.calls
        assert host.scheduled[0].start_ns == host.time_ns + 2 * NS_PER_S
        assert app.view.notice is not None
        assert "good.toml" in app.view.notice.text
        await pilot.press("T")
        app.bridge.draw()
        await pilot.pause()
        assert "in 2s: 0.2..0.9 15s" in screen_text(app)


async def test_a_wrong_script_is_shown_with_its_line_and_not_run(folder: ScriptFolder) -> None:
    host = FakeHost()
    app = desk_over(host, folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("F")
        await pilot.pause()
        text = screen_text(app)
        assert "✕ line 10" in text
        assert "▸  10 severity = 1.7" in text
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ScriptsScreen)
        assert "bad.toml is not run" in screen_text(app)
    assert not any(call[0] == "run_script" for call in host.calls)


async def test_what_the_session_refuses_is_told(
    folder: ScriptFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_storms: object) -> None:
        raise StormError("news needs a simulated market")

    host = FakeHost()
    monkeypatch.setattr(host, "run_script", refuse)
    app = desk_over(host, folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("F", "j", "r")
        await pilot.pause()
        assert "needs a simulated market" in screen_text(app)


async def test_the_editor_checks_as_it_is_typed_and_saves(folder: ScriptFolder) -> None:
    app = desk_over(FakeHost(), folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("F", "j", "e")
        await pilot.pause()
        editor = app.screen
        assert isinstance(editor, ScriptEditor)
        assert "✓ 1 storm, over after 17 s" in screen_text(app)
        await pilot.press("x")
        await pilot.pause()
        assert "✕ line 1: not valid TOML" in screen_text(app)
        assert "changed" in screen_text(app).splitlines()[0]
        await pilot.press("backspace", *"# q!", "enter", "ctrl+s")
        await pilot.pause()
        assert "saved" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ScriptsScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, DeskScreen)
    assert folder.read("good.toml") == "# q!\n" + GOOD


async def test_the_editor_goes_to_the_error_and_gives_up_changes_only_when_asked_twice(
    folder: ScriptFolder,
) -> None:
    app = desk_over(FakeHost(), folder)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("F", "e", "ctrl+g")
        await pilot.pause()
        editor = app.screen
        assert isinstance(editor, ScriptEditor)
        assert editor.area.cursor_location == (9, 0)
        await pilot.press("z", "escape")
        await pilot.pause()
        assert app.screen is editor
        assert "esc once more" in screen_text(app)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, ScriptsScreen)
    assert folder.read("bad.toml") == BAD


async def test_a_new_script_gets_its_name_and_opens(folder: ScriptFolder) -> None:
    app = desk_over(FakeHost(), folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("F", "n", *"good", "enter")
        await pilot.pause()
        assert "there already" in screen_text(app)
        await pilot.press("2", "enter")
        await pilot.pause()
        assert isinstance(app.screen, ScriptEditor)
        assert "good2.toml" in screen_text(app).splitlines()[0]
        await pilot.press("escape", "n", "x", "escape", "escape")
        await pilot.pause()
        assert isinstance(app.screen, DeskScreen)
    assert folder.names() == ["bad.toml", "good.toml", "good2.toml"]


async def test_a_desk_without_a_folder_and_a_replay_say_so(folder: ScriptFolder) -> None:
    for host, options, says in (
        (FakeHost(), {}, "no folder"),
        (FakeHost(mode="replay"), {"scripts_dir": folder.folder}, "not possible in a replay"),
    ):
        app = DeskApp(host, options=DeskOptions(timer=False, coach=False, **options))
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("F")
            assert app.view.notice is not None
            assert says in app.view.notice.text
