"""Which path the engine's core runs on: on the status line, as a notice, and in the doctor's findings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from desk import doctor
from desk.app import DeskApp, DeskOptions
from desk.doctor import Check, run_checks
from desk.screenshot import screen_text
from engine.arena import cache
from engine.arena.library import Building, Library
from engine.arena.machine import Status
from tests.desk.fake_host import FakeHost

INTERPRETED = Status("interpreted", None, None, None)
COMPILING = Status("interpreted", Building(3, 12, "run_until"), None, None)
COMPILED = Status("compiled", None, None, 9.2)
FAILED = Status("interpreted", None, "the core runs interpreted: no memory", None)


def screens(statuses: Iterable[Status | None], size: tuple[int, int] = (160, 48)) -> list[str]:
    """The screen after each of these."""

    async def draw() -> list[str]:
        now: list[Status | None] = [None]
        app = DeskApp(FakeHost(), options=DeskOptions(timer=False, coach=False, core=lambda: now[0]))
        drawn = []
        async with app.run_test(size=size) as pilot:
            for now[0] in statuses:
                app.host.advance(1)
                app.bridge.draw()
                await pilot.pause()
                drawn.append(screen_text(app))
        return drawn

    return asyncio.run(draw())


def test_compiling_is_seen_with_how_far_it_is():
    begun = COMPILING._replace(building=Building(0, 0, ""))
    first, second = screens([begun, COMPILING])
    assert "compiling …" in first.splitlines()[0]
    assert "compiling 3/12 run_until …" in second.splitlines()[0]


@pytest.mark.parametrize("status", [INTERPRETED, COMPILED, COMPILED._replace(path="checked")])
def test_the_path_stands_on_the_status_line(status):
    assert status.path in screens([status], (200, 48))[0].splitlines()[0]


def test_pictures_do_not_depend_on_the_machine():
    line = screens([None], (200, 48))[0].splitlines()[0]
    assert "compil" not in line
    assert "interpreted" not in line


def test_taking_over_is_told_once():
    before, after = screens([COMPILING, COMPILED])
    assert "from here on" not in before
    assert "the core runs compiled from here on" in after


def test_a_desk_that_opens_compiled_tells_nothing():
    assert "from here on" not in screens([COMPILED, COMPILED])[1]


def test_a_failed_compiler_is_told_and_seen():
    _, after = screens([COMPILING, FAILED])
    assert "the core runs interpreted: no memory" in after
    assert "interpreted" in after.splitlines()[0]


# -- the doctor --------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this version's library would be kept."""
    monkeypatch.setattr(doctor, "JIT_MODE", "1")
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(cache, "version_of", lambda sources: "0123")
    return cache.library_path(tmp_path, "compiled", "0123")


def finding() -> Check:
    return next(check for check in run_checks() if check.name == "compiled core")


def test_a_kept_library_is_good(path):
    cache.write_library(path, Library(("a.b",), b"code"))
    assert finding() == Check("compiled core", True, f"compiled: 1 entries in {path}")


def test_a_cold_cache_is_no_fault_and_can_be_warmed(path):
    check = finding()
    assert check.ok
    assert "nothing is kept yet" in check.found
    assert "stormdesk doctor --compile" in check.mend


def test_a_damaged_library_is_named_with_its_mend(path):
    path.write_bytes(b"junk")
    check = finding()
    assert not check.ok
    assert "damaged" in check.found
    assert check.mend == "stormdesk doctor --compile"


def test_why_the_last_build_failed_is_told(path):
    cache.note_failure(path, "the compiler failed (killed by SIGKILL)")
    check = finding()
    assert not check.ok
    assert "SIGKILL" in check.found


def test_a_cache_that_cannot_be_written_is_told(path, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path / "file")
    check = finding()
    assert not check.ok
    assert "cannot be written" in check.found
    assert "XDG_CACHE_HOME" in check.mend


def test_a_missing_compiler_is_told(path, monkeypatch):
    def missing(sources: object) -> str:
        raise ImportError("No module named 'llvmlite'")

    monkeypatch.setattr(cache, "version_of", missing)
    assert finding().mend == "pip install numba"


def test_a_core_that_is_off_is_no_fault(path, monkeypatch):
    monkeypatch.setattr(doctor, "JIT_MODE", "0")
    assert finding().ok
    assert "STORMDESK_JIT=0" in finding().found
    assert os.listdir(path.parent) == []
