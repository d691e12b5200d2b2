"""Benchmark `live_desk`: what a picture costs, and how late the screen's event loop is.

The desk runs in a process of its own on a pseudo terminal of 200x60 in 256 colours, so that everything up to
the written bytes is in the figure.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.market import scenario_name
from tests.bench.measure import Benchmark, NotHere, Requirement, Row, Step, Steps, compare

__all__ = ["BENCHMARK", "on_terminal"]

COLUMNS, ROWS = 200, 60
SECONDS, QUICK_SECONDS = 10.0, 1.0
FRAME_S = 0.1
MOST_PER_FRAME = Requirement(8, "at most", "ms")
MOST_LAG = Requirement(10, "at most", "ms")
_ROOT = Path(__file__).parents[2]


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Milliseconds of CPU per picture with the market at 1x; p99 lag at 1x and at full speed."""
    seconds = QUICK_SECONDS if quick else SECONDS
    steps = Steps(report, 3)
    market = scenario_name()
    size = f"{COLUMNS}x{ROWS}"
    try:
        steps.next(f"{market} at 1x, {size}")
        paced = _run(market, "1", seconds)
        steps.next(f"{market} at 1x without screen")
        alone = _run(market, "1", seconds, "--no-screen")
        steps.next(f"{market} at max, {size}")
        free = _run(market, "max", seconds)
    except NotHere as missing:
        return [compare("live_desk", f"desk of {size}", "ms", ours=None, why=str(missing))]
    return [
        compare(
            "live_desk",
            f"CPU a picture, {size}, {market} at 1x",
            "ms",
            ours=paced["screen_ms_per_frame"],
            reference="the market without screen",
            theirs=alone["engine_ms_per_s"] * FRAME_S,
            requires=MOST_PER_FRAME,
            why=f"{paced['frames']:g} pictures in {seconds:g} s",
        ),
        compare(
            "live_desk",
            f"p99 lag of the event loop, {market} at max",
            "ms",
            ours=free["lag_p99_ms"],
            reference=f"{market} at 1x",
            theirs=paced["lag_p99_ms"],
            requires=MOST_LAG,
            why=f"at max p50 {free['lag_p50_ms']:.2g} ms, longest {free['lag_max_ms']:.2g} ms, "
            f"the session's speed {free['session_s'] / seconds:.3g}x, {free['frames']:g} pictures",
        ),
    ]


BENCHMARK = Benchmark(
    name="live_desk",
    work=f"the desk at {COLUMNS}x{ROWS}: CPU a picture at 1x, lag of the event loop at max",
    reference="the market without screen; the lag at 1x",
    requires=(MOST_PER_FRAME, MOST_LAG),
    measure=measure,
)


def _run(scenario: str, speed: str, seconds: float, *flags: str) -> dict[str, float]:
    """What a desk in a process of its own measured."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        with on_terminal("tests.bench.live_desk_process", scenario, speed, str(seconds), str(file), *flags):
            pass
        found: dict[str, float] = json.loads(file.read_text())
    return found


@contextlib.contextmanager
def on_terminal(
    module: str, *arguments: str, keep: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A module as a process on a pseudo terminal of its own, with these descriptors; waits for its end.

    Raises NotHere where there are no pseudo terminals, AssertionError when it ends badly.
    """
    try:
        terminal, its_end = pty.openpty()
    except OSError as error:
        raise NotHere(f"needs a pseudo terminal ({error.strerror})") from error
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(_ROOT)}
    for name in ("COLORTERM", "NO_COLOR"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=_ROOT,
        env=environment,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        pass_fds=keep,
        start_new_session=True,
    )
    os.close(its_end)
    taken = _Taken(terminal)
    taken.start()
    try:
        yield process
    finally:
        process.wait()
        taken.join()
        os.close(terminal)
    assert process.returncode == 0, f"the desk ended with {process.returncode}: {taken.tail()}"


class _Taken(threading.Thread):
    """Takes everything that the desk writes, as a terminal would."""

    def __init__(self, terminal: int) -> None:
        super().__init__()
        self._terminal = terminal
        self._last = b""

    def run(self) -> None:
        with contextlib.suppress(OSError):  # the desk has closed its end
            while data := os.read(self._terminal, 65_536):
                self._last = (self._last + data)[-2_000:]

    def tail(self) -> str:
        """The end of what was written."""
        return self._last.decode(errors="replace")
