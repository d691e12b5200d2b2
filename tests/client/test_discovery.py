"""The file that says where a running desk is: whole or not at all, its owner's alone, dead ones ignored."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from engine.client import AsyncDesk, Desk, DeskNotFound
from engine.client.discovery import DeskAddress, announce, desk_file, find_desk, withdraw


@pytest.fixture(autouse=True)
def runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "stormdesk"


def gone_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_desk_that_is_announced_is_found():
    announce("http://127.0.0.1:8765", venue="http://127.0.0.1:8765")
    assert find_desk() == DeskAddress("http://127.0.0.1:8765", os.getpid(), "http://127.0.0.1:8765")
    assert Desk().url == AsyncDesk().url == "http://127.0.0.1:8765"


def test_the_file_is_its_owners_alone_and_nothing_is_left_beside_it(runtime_dir: Path):
    announce("http://127.0.0.1:1")
    path = announce("http://127.0.0.1:2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in runtime_dir.iterdir()] == ["desk.json"]
    assert json.loads(path.read_bytes()) == {"url": "http://127.0.0.1:2", "pid": os.getpid(), "venue": None}


def test_withdrawing_takes_away_only_what_is_ours():
    announce("http://127.0.0.1:1", pid=os.getppid())
    withdraw()
    assert desk_file().exists()
    announce("http://127.0.0.1:1")
    withdraw()
    withdraw()
    assert not desk_file().exists()


def test_without_a_runtime_directory_the_file_stands_in_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert announce("http://127.0.0.1:1") == tmp_path / "state" / "stormdesk" / "desk.json"


def test_a_desk_whose_process_is_gone_is_none():
    announce("http://127.0.0.1:1", pid=gone_pid())
    with pytest.raises(DeskNotFound, match="gone"):
        find_desk()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[]", b'{"url": 1, "pid": 2}', b'{"url": "http://127.0.0.1:1"}']
)
def test_what_is_no_such_file_is_no_desk(content: bytes):
    path = announce("http://127.0.0.1:1")
    path.write_bytes(content)
    withdraw()
    with pytest.raises(DeskNotFound, match="start one with `stormdesk`"):
        find_desk()


@pytest.mark.parametrize("pid", [0, -1])
def test_a_number_that_is_no_process_is_no_desk(pid: int):
    announce("http://127.0.0.1:1", pid=pid)
    with pytest.raises(DeskNotFound):
        find_desk()
