"""Recording processes killed with SIGKILL at random points: nothing acknowledged is missing.

    pytest -m crash -s                            1,000 kills
    STORMDESK_CRASHES=100 pytest -m crash -s      fewer

`crashes` says what is done and checked, and how to repeat a single crash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
CRASHES = int(os.environ.get("STORMDESK_CRASHES", "1000"))

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def kill(count: int, seed: int, folder: Path) -> str:
    """So many kills by a process of their own (it forks, which pytest with its threads should not)."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.recording.crashes", "--seed", str(seed), "--count", str(count)],
        cwd=PROJECT,
        env=os.environ | {"TMPDIR": str(folder), "OPENBLAS_NUM_THREADS": "1"},  # what forks has one thread
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout


def test_nothing_acknowledged_is_missing_after_a_few_kills(tmp_path):
    assert "20 kills" in kill(20, seed=2, folder=tmp_path)


@pytest.mark.crash
def test_nothing_acknowledged_is_missing_after_many_kills(tmp_path):
    print("\n" + kill(CRASHES, seed=1, folder=tmp_path))
