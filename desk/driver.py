"""The terminal driver: Textual's, plus a count of what the terminal has not taken yet.

Textual hands text to a writer thread, whose queue says nothing about the text being written right now;
on a slow link that is most of the wait. So the file behind the writer counts what has really gone.
A terminal that has vanished must not block the way out: text to it is dropped, and the desk is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, Any

from textual.drivers.linux_driver import LinuxDriver

from engine.core.clock import monotonic_ns

__all__ = ["DeskDriver"]


class _CountingFile:
    """Stands between writer thread and terminal: counts characters that went through."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.handed_on = 0
        self._unflushed = 0
        self.drained_ns = 0
        self.lost = False
        self.on_lost: Callable[[], None] | None = None

    def write(self, text: str) -> int:
        self._unflushed += len(text)
        if not self.lost:
            try:
                self._file.write(text)
            except OSError:
                self._lose()
        return len(text)

    def flush(self) -> None:
        if not self.lost:
            try:
                self._file.flush()
            except OSError:
                self._lose()
        # One writer thread: plain integers are enough. The order matters: the time first.
        self.drained_ns = monotonic_ns()
        self.handed_on += self._unflushed
        self._unflushed = 0

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()

    def _lose(self) -> None:
        self.lost = True
        if self.on_lost is not None:
            self.on_lost()


class DeskDriver(LinuxDriver):
    """LinuxDriver with `pending` characters, `drained_ns` and a notice when the terminal is gone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        assert self._file is not None, "the desk needs a terminal on stderr"
        self._counting = _CountingFile(self._file)
        self._file = self._counting  # type: ignore[assignment]
        self.written = 0

    def write(self, data: str) -> None:
        self.written += len(data)
        super().write(data)

    @property
    def pending(self) -> int:
        """Characters handed to the writer that the terminal has not taken."""
        return self.written - self._counting.handed_on

    @property
    def drained_ns(self) -> int:
        """When the writer was last done with everything it had."""
        return self._counting.drained_ns

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call this (from the writer thread) once the terminal no longer takes text."""
        self._counting.on_lost = callback
