"""A live market on a disk without room: recording stops with an alert, the desk lives on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.core.clock import NS_PER_S
from engine.rebuild import rebuild_session
from engine.recording.run_directory import list_runs
from engine.recording.verify import verify_run
from tests.host.filling_process import fill
from tests.host.hosts import live
from tests.recording.small_disk import make_room, small_disk

PROJECT = Path(__file__).parents[2]


def check(root: Path, found: dict[str, Any], *, reason: str) -> None:
    failed, refused, ended = found["failed"], found["refused"], found["ended"]
    assert reason in failed["error"]
    assert not failed["active"]
    assert failed["ticks"] > 0
    assert found["state"] == "running"
    assert found["trades_after"] > found["trades_when_it_failed"] > 0, "the market goes on"
    assert found["reports"] >= found["orders"], "and takes orders"
    stopped = [(severity, text) for severity, text in found["alerts"] if "recording stopped" in text]
    assert stopped[0] == ("critical", f"recording stopped: {failed['error']}")
    assert len(stopped) == 2, "one alert each time"
    assert [ended["error"], ended["active"]] == [None, False]
    runs = {str(entry.path): entry for entry in list_runs(root)}
    assert runs[failed["path"]].problem == failed["error"]
    check_run(failed["path"], runs[failed["path"]].state, until_ns=failed["ticks"] * NS_PER_S)
    check_run(ended["path"], runs[ended["path"]].state, until_ns=ended["ticks"] * NS_PER_S)
    assert reason in refused["error"], "there is no room for another run yet"
    if refused["path"] in runs:
        check_run(refused["path"], runs[refused["path"]].state)
    assert len(runs) <= 3, "what could not begin leaves nothing behind"


def check_run(path: str, state: str, *, until_ns: int = 0) -> None:
    result = verify_run(Path(path), build=rebuild_session, anyway=True)
    assert result.first_difference is None
    assert (result.ok, result.complete) == (True, state == "complete")
    assert result.until_ns >= until_ns
    assert state in ("complete", "failed")


def test_a_full_disk_stops_the_recording_and_not_the_desk(tmp_path):
    with small_disk(tmp_path / "disk", 1 << 20, free_bytes=96 * 1024) as disk:
        found = fill(live(disk), lambda: make_room(disk))
        check(disk, found, reason="No space left on device")


def test_a_limit_on_files_stops_the_recording_and_not_the_desk(tmp_path):
    """The same without any rights, in a process of its own."""
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-m", "tests.host.filling_process", str(tmp_path)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    check(tmp_path, json.loads(done.stdout), reason="File too large")
