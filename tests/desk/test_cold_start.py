"""A desk on a machine where nothing is compiled yet, in a real (pseudo) terminal."""

from __future__ import annotations

import os
import select
import sys
from pathlib import Path

import pytest

from tests.arena.compiling import needs_compiler
from tests.desk.test_terminal import Terminal

pytestmark = [pytest.mark.terminal, needs_compiler]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds the compiler's process in /proc")
def test_it_compiles_beside_the_running_desk_and_its_compiler_dies_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["--target", "none", "--scenario", "minimal", "--out", str(tmp_path)]
    terminal = Terminal([sys.executable, "-m", "desk", *options], rows=48, columns=160)
    try:
        # How far it is would be seen much later where all cores are busy: the compiler is a nice process.
        begun = terminal.read_until(lambda _text: bool(compilers_of(terminal.pid)), limit_s=120)
        assert begun, terminal.output[-2_000:]
        compilers = compilers_of(terminal.pid)
        assert len(compilers) == 1
    finally:
        terminal.close()  # kill -9
    assert ends(compilers[0])
    assert not list((tmp_path / "cache").rglob("*.lib"))


def compilers_of(pid: int) -> list[int]:
    return [child for child in children_of(pid) if "engine.arena.build" in command_of(child)]


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def ends(pid: int, *, limit_s: float = 30.0) -> bool:
    """Whether a process that is not our child ends in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], limit_s)[0])
    finally:
        os.close(descriptor)
