"""Benchmark `startup`: a short headless run from nothing to its result, and the interpreter importing numba.

Both as processes of their own, taking turns; wall time decides, CPU time stands beside it. Warm: each has run
once before, so files are in memory and kernels in the cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.measure import Benchmark, Requirement, Row, Step, Steps, compare

__all__ = ["BENCHMARK"]

RUNS, QUICK_RUNS = 7, 2
MOST_WALL = Requirement(1.5, "at most", "s")
_ROOT = Path(__file__).parents[2]


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Seconds of wall and CPU time, least of several runs."""
    runs = QUICK_RUNS if quick else RUNS
    steps = Steps(report, 2 * (1 + runs))
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "stormdesk": ["-m", "desk", "run", "--headless", "--for", "1s", "--out", folder],
            "numba": ["-c", "import numba"],
        }
        times: dict[str, list[_Times]] = {name: [] for name in commands}
        for turn in range(1 + runs):
            for name, command in commands.items():
                steps.next(f"start {name}")
                spent = _run([sys.executable, *command])
                if turn > 0:
                    times[name].append(spent)
    rows = []
    for what, requires in (("wall", MOST_WALL), ("CPU", None)):
        ours, theirs = (min(getattr(t, what.lower()) for t in times[name]) for name in commands)
        rows.append(
            compare(
                "startup",
                f"warm run --headless --for 1s, {what} time",
                "s",
                ours=ours,
                reference="python -c 'import numba'",
                theirs=theirs,
                requires=requires,
            )
        )
    return rows


BENCHMARK = Benchmark(
    name="startup",
    work="warm stormdesk run --headless --for 1s",
    reference="the bare interpreter importing numba",
    requires=(MOST_WALL,),
    measure=measure,
)


class _Times(NamedTuple):
    """Seconds that a process took."""

    wall: float
    cpu: float


def _run(command: list[str]) -> _Times:
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        errors = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # it is gone: nobody else may wait for it
    assert process.returncode == 0, f"{' '.join(command)}: {errors.decode(errors='replace').strip()}"
    return _Times(wall, used.ru_utime + used.ru_stime)
