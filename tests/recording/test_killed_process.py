from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.core.identity import engine_source_hash
from engine.journal import read_journal
from engine.recording.run_directory import list_runs
from engine.recording.verify import verify_run
from tests.recording.fake_session import build_fake

PROJECT = Path(__file__).parents[2]


def kill_a_recording(root: Path, lines: int) -> int:
    """Start a recording process, kill it after this many lines of output; its last word, inputs committed."""
    command = [sys.executable, "-m", "tests.recording.writing_process", str(root), engine_source_hash()]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout as output:
        for _ in range(lines):
            assert output.readline(), "the recording process ended by itself"
        process.send_signal(signal.SIGKILL)
        said = [line for line in output.read().splitlines(keepends=True) if line.endswith("\n")]
    return int(said[-1]) if said else 0


def check_what_a_kill_left(root: Path, committed: int) -> None:
    (entry,) = list_runs(root)
    assert entry.state == "interrupted"
    contents = read_journal(entry.path / "journal")
    assert len(contents.commands) >= committed
    assert not contents.complete
    result = verify_run(entry.path, build=build_fake)
    assert (result.ok, result.complete, result.first_difference) == (True, False, None)
    assert result.checkpoints_compared == len(contents.checkpoints)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_recording_is_readable_and_verifies(tmp_path, seed):
    committed = kill_a_recording(tmp_path, random.Random(seed).randrange(1, 400))
    check_what_a_kill_left(tmp_path, committed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(60))
def test_a_recording_killed_at_many_moments_is_readable_and_verifies(tmp_path, seed):
    committed = kill_a_recording(tmp_path, random.Random(1_000 + seed).randrange(1, 3_000))
    check_what_a_kill_left(tmp_path, committed)
