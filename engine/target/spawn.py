"""Starts the demo bot as a process of its own that ends with the desk.

Invariant: `spawn_demo_bot` returns at once, whatever the process does; its address is read by a thread.
The bot watches its standard input: the pipe's other end is ours alone, so the kernel closes it with us,
also on kill -9. It sees neither the terminal nor its signals.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

import engine
from engine.core.errors import StormdeskError
from engine.target.contract import printable

__all__ = ["DemoBotProcess", "spawn_demo_bot"]

STOP_TIMEOUT_S = 2.0
"""How long the bot gets for each way of asking it to end."""
ERROR_TAIL_BYTES = 2_000
TOKEN_VARIABLE = "STORMDESK_API_TOKEN"
"""As in demo_bot, which is not imported here: it brings its web server along."""


def spawn_demo_bot(api_url: str, token: str | None = None) -> DemoBotProcess:
    """Start the demo bot against the order API at `api_url`."""
    # -P and PYTHONPATH: the bot must run this engine, not a folder of that name where the user happens to be.
    root = str(Path(engine.__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop(TOKEN_VARIABLE, None)
    if token is not None:
        environment[TOKEN_VARIABLE] = token
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process object
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.target.demo_bot", "--desk", api_url, "--with-parent"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,
    )
    return DemoBotProcess(process, errors)


class DemoBotProcess:
    """The running bot. `url` is None until it listens."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors
        self._url: str | None = None
        self._reader = threading.Thread(target=self._read_address, name="demo-bot-address", daemon=True)
        self._address_read = threading.Event()
        self._reader.start()

    @property
    def url(self) -> str | None:
        """Its address as a target; None until it listens."""
        return self._url

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def locate(self) -> str | None:
        """`url`, for a poller. Raises StormdeskError when the process ended without ever having one."""
        if self._url is None and self._address_read.is_set() and not self.running:
            raise StormdeskError(f"the demo bot ended by itself: {self._last_words()}")
        return self._url

    def wait_listening(self, timeout_s: float) -> bool:
        """Wait until `url` is known, or until the process has ended (then False)."""
        self._address_read.wait(timeout_s)
        return self._url is not None

    def stop(self) -> None:
        """End the process: by its pipe, else by signals. Safe to call twice."""
        for ask in (self._close_stdin, self._process.terminate, self._process.kill):
            ask()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
                break
        self._reader.join(STOP_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _close_stdin(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _read_address(self) -> None:
        assert self._process.stdout is not None
        try:
            self._url = str(json.loads(self._process.stdout.readline())["url"])
        except (ValueError, KeyError, TypeError, OSError):
            self._url = None
        self._address_read.set()

    def _last_words(self) -> str:
        if self._errors.closed:
            return "it was stopped"
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - ERROR_TAIL_BYTES))
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1], 160) if lines else f"exit code {self._process.returncode}"
