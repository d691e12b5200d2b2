"""The desk in a real (pseudo) terminal: it comes up, and every way out hands the terminal back.

A hand-made terminal of fixed size; the child is the leader of its session, so closing the terminal hangs
it up as a lost connection would.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.terminal

ROOT = Path(__file__).parents[2]
ENTER = ("\x1b[?1049h", "\x1b[?1000h", "\x1b[?1003h")
LEAVE = ("\x1b[?1049l", "\x1b[?1000l", "\x1b[?1003l", "\x1b[?2004l", "\x1b[?25h")
FAKE = """
import sys
from pathlib import Path
from desk.app import run_desk
from tests.desk.fake_host import FakeHost
class Host(FakeHost):
    def stop(self, timeout_s=0.0):
        Path(sys.argv[1]).write_text("stopped")
sys.exit(run_desk(Host()))
"""


class Terminal:
    """A child in a pseudo terminal and all it has written."""

    def __init__(self, command: list[str], *, rows: int = 40, columns: int = 120) -> None:
        self.output = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:  # the child
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.chdir(ROOT)
            environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
            environment.pop("NO_COLOR", None)
            os.execve(command[0], command, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, done: Callable[[str], bool], *, limit_s: float = 20.0) -> bool:
        """Read until `done(output)`; False when the limit or the end of the terminal comes first."""
        end = time.monotonic() + limit_s
        while not done(self.output):
            left = end - time.monotonic()
            if left <= 0:
                return False
            ready, _, _ = select.select([self.fd], [], [], left)
            if not ready:
                return False
            try:
                data = os.read(self.fd, 65_536)
            except OSError:  # the child has closed its side
                return done(self.output)
            if not data:
                return done(self.output)
            self.output += data.decode("utf-8", "replace")
        return True

    def exit_code(self, *, limit_s: float = 20.0) -> int | None:
        """Exit code (negative: a signal killed it); None when it does not end."""
        self.read_until(lambda output: False, limit_s=limit_s)
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            select.select([], [], [], 0.05)
        return None

    def close(self) -> None:
        """End the child if it is still there."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        with contextlib.suppress(OSError):
            os.close(self.fd)


@pytest.fixture
def open_terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(command: list[str], **size: int) -> Terminal:
        opened.append(Terminal(command, **size))
        return opened[-1]

    yield start
    for terminal in opened:
        terminal.close()


def desk_is_up(output: str) -> bool:
    return "Ladder" in output and "quit" in output


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_signal_finishes_the_run_and_restores_the_terminal(
    number: signal.Signals, open_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    terminal = open_terminal([sys.executable, "-c", FAKE, str(stopped)])
    assert terminal.read_until(desk_is_up), terminal.output[-500:]
    assert all(sequence in terminal.output for sequence in ENTER)
    os.kill(terminal.pid, number)
    assert terminal.exit_code() == 0
    assert all(sequence in terminal.output for sequence in LEAVE)
    assert stopped.exists()


def test_q_leaves(open_terminal: Callable[..., Terminal], tmp_path: Path) -> None:
    terminal = open_terminal([sys.executable, "-c", FAKE, str(tmp_path / "stopped")], rows=24, columns=80)
    assert terminal.read_until(desk_is_up), terminal.output[-500:]
    os.write(terminal.fd, b"q")
    assert terminal.exit_code() == 0
    assert all(sequence in terminal.output for sequence in LEAVE)


def test_a_lost_terminal_ends_the_desk_with_its_run_finished(
    open_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    terminal = open_terminal([sys.executable, "-c", FAKE, str(stopped)])
    assert terminal.read_until(desk_is_up), terminal.output[-500:]
    os.close(terminal.fd)
    end = time.monotonic() + 20
    pid = 0
    while not pid and time.monotonic() < end:
        pid, _ = os.waitpid(terminal.pid, os.WNOHANG)
        select.select([], [], [], 0.05)
    assert pid == terminal.pid
    assert stopped.exists()


def test_the_command_opens_a_desk_and_leaves_it_on_a_hang_up(
    open_terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    options = ["--target", "none", "--scenario", "minimal", "--out", str(tmp_path)]
    terminal = open_terminal([sys.executable, "-m", "desk", *options])
    assert terminal.read_until(desk_is_up, limit_s=40), terminal.output[-2_000:]
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.exit_code() == 0
    assert all(sequence in terminal.output for sequence in LEAVE)
