"""Command lines, and what is said where the kernel refuses."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from engine.cage.kernel import OLDEST_TOOLS, TOOLS, bot_command, cage_obstacle, namespace_command

REFUSED = "unshare: unshare failed: Operation not permitted"


@pytest.fixture
def refusing_unshare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tools of a system that refuses."""
    install_tools(tmp_path / "bin", REFUSED, monkeypatch)


def install_tools(folder: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tools that only say this; the system's own are out of sight."""
    folder.mkdir()
    for tool in TOOLS:
        path = folder / tool
        path.write_text(f'#!/bin/sh\necho "{said}" >&2\nexit 1\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))


def switch(folder: Path, name: str, value: str) -> Path:
    path = folder / "sys" / name
    path.parent.mkdir(parents=True)
    path.write_text(value + "\n")
    return folder / "sys"


def test_the_first_process_has_namespaces_of_its_own_and_ends_with_its_parent():
    words = namespace_command(["true", "--flag"])
    assert words[0] == "unshare"
    assert {"--user", "--mount", "--net", "--pid", "--fork", "--kill-child"} <= set(words)
    assert words[-3:] == ["--", "true", "--flag"]


def test_the_bot_has_its_own_ids_and_can_gain_nothing():
    words = bot_command(["python", "bot.py"], 1000, 100)
    assert {"--map-user=1000", "--map-group=100", "--no-new-privs"} <= set(words)
    assert words[-3:] == ["--", "python", "bot.py"]


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("user/max_user_namespaces", "0", "user.max_user_namespaces="),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor profile"),
    ],
)
@pytest.mark.usefixtures("refusing_unshare")
def test_a_refusal_names_the_switch_and_the_remedy(tmp_path, name, value, remedy):
    said = cage_obstacle(uid=1000, gid=1000, switches=switch(tmp_path, name, value))
    assert said is not None
    assert REFUSED in said
    assert name.replace("/", ".") in said
    assert remedy in said


@pytest.mark.usefixtures("refusing_unshare")
def test_a_refusal_without_a_switch_points_to_the_container(tmp_path):
    said = cage_obstacle(uid=1000, gid=1000, switches=switch(tmp_path, "user/max_user_namespaces", "99"))
    assert said is not None
    assert REFUSED in said
    assert "seccomp" in said


@pytest.mark.parametrize(
    "said",
    [
        "unshare: unrecognized option '--map-user=1000'",
        "unshare: unrecognized option: map-user=1000",
        "setpriv: invalid option -- 'n'",
    ],
)
def test_tools_that_are_too_old_are_told_to_be(tmp_path, monkeypatch, said):
    install_tools(tmp_path / "bin", said, monkeypatch)
    told = cage_obstacle(uid=1000, gid=1000, switches=switch(tmp_path, "user/max_user_namespaces", "99"))
    assert told is not None
    assert said in told
    assert f"util-linux {OLDEST_TOOLS} or newer" in told


def test_missing_tools_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "unshare, mount, setpriv: install util-linux" in (cage_obstacle(uid=0, gid=0) or "")


def test_another_system_is_told_what_to_do_instead(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Linux" in (cage_obstacle(uid=0, gid=0) or "")


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare here")
def test_an_obstacle_is_none_or_a_sentence():
    said = cage_obstacle(uid=os.getuid(), gid=os.getgid())
    assert said is None or len(said) > 20
