"""The desk as a Textual application: starts the screen, leaves the terminal as it was.

Stock Textual dies on SIGHUP and SIGTERM with mouse reporting and the alternate screen still on, and with
whatever was recorded unfinished. Here every way out (q, a signal, a lost terminal) first stops the host,
which finishes a running recording, and then hands the terminal back.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from textual.app import App

from desk.actions import Host
from desk.bindings import KeyTable
from desk.bridge import Bridge
from desk.driver import DeskDriver
from desk.frames import Governor
from desk.screens.desk import DeskScreen
from desk.theme import THEMES, palette_of
from desk.view import View
from engine.arena import machine
from engine.core.clock import monotonic_ns
from engine.core.errors import UsageError

__all__ = ["DeskApp", "DeskOptions", "run_desk"]

SWITCH_INTERVAL_S = 0.0005
"""How long the engine's thread may hold the interpreter while the screen waits: 0.5 ms keeps the event
loop's lag near 1 ms; Python's 5 ms does not."""
STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """How the desk looks and paces itself."""

    fps: float = 10.0
    """Pictures a second at the most."""
    theme: str = "default"
    coach: bool = True
    """Show the first steps."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Binding id -> key, from the user's configuration."""
    files_dir: str = "."
    """Where screen shots and copies are written."""
    timer: bool = True
    """False: draw only when told (goldens, tests)."""
    stop_host: bool = True
    """Stop the host on the way out."""
    clock_ns: Callable[[], int] = monotonic_ns
    on_ready: Callable[[], object] | None = None
    """Called when the first screen has been drawn."""
    core: Callable[[], machine.Status | None] = machine.status
    """Which path the engine's core runs on."""


def _from_thread(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Run `call` in the loop's thread, unless the loop is gone already."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def run_desk(host: Host, *, fps: float = 10, theme: str = "default", coach: bool = True, **more: Any) -> int:
    """Run the desk in this terminal until the user leaves or a signal comes; gives the exit code.

    The host is stopped on every way out. `more` are further fields of DeskOptions. Raises UsageError for
    a theme, key or frame rate that does not exist, and without a terminal.
    """
    options = DeskOptions(fps=fps, theme=theme, coach=coach, **more)
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    app = None
    try:
        _require_terminal()
        app = DeskApp(host, options=options)
        app.run()
    finally:
        sys.setswitchinterval(before)
        if app is None or not app.host_stopped:
            host.stop(STOP_TIMEOUT_S)
    return app.return_code or 0


def _require_terminal() -> None:
    """The screen goes to stderr and keys come from stdin: a file or pipe there would look like a hang."""
    for stream, name in ((sys.__stdin__, "stdin"), (sys.__stderr__, "stderr")):
        if stream is None or not stream.isatty():
            raise UsageError(
                f"the desk needs a terminal, but {name} is none; without a screen: stormdesk run --headless"
            )


class DeskApp(App[None]):
    """One screen over one host."""

    CSS_PATH = "desk.tcss"
    TITLE = "Stormdesk"
    ENABLE_COMMAND_PALETTE = True
    ESCAPE_TO_MINIMIZE = False
    BINDINGS: ClassVar = []

    def __init__(self, host: Host, *, options: DeskOptions | None = None) -> None:
        self.options = options = options or DeskOptions()
        if options.theme not in THEMES:
            raise UsageError(f"there is no theme {options.theme!r}. Themes: {', '.join(THEMES)}.")
        try:
            governor = Governor(fps=options.fps, clock_ns=options.clock_ns)
        except ValueError as error:
            raise UsageError(str(error)) from None
        super().__init__(driver_class=DeskDriver)
        self.animation_level = "none"
        self.host = host
        self.host_stopped = not options.stop_host
        self.view = View(palette=palette_of(options.theme, colours=not self.no_color), coach=options.coach)
        self.keys = KeyTable(options.keys)
        self.bridge = Bridge(
            host,
            self.view,
            governor,
            clock_ns=options.clock_ns,
            pending=self._pending,
            drained_ns=self._drained_ns,
            core=options.core,
        )
        self.desk_screen = DeskScreen(host, self.view, self.keys, self.bridge, clock_ns=options.clock_ns)
        self._leaving = False

    def get_default_screen(self) -> DeskScreen:
        return self.desk_screen

    def on_mount(self) -> None:
        from desk.palette import DeskProvider

        type(self).COMMANDS = {DeskProvider}
        self._catch_signals()
        driver = self._driver
        if isinstance(driver, DeskDriver):
            loop = asyncio.get_running_loop()
            driver.on_lost(lambda: _from_thread(loop, self.leave))
        if self.options.on_ready is not None:
            self.call_after_refresh(self.options.on_ready)
        if self.options.timer:
            self.set_interval(self.bridge.governor.period_ns / 1e9, self.bridge.tick)

    def _catch_signals(self) -> None:
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.leave)

    def leave(self) -> None:
        """Stop the host (this finishes a recording) without blocking the screen, then exit. Idempotent."""
        if self._leaving:
            return
        self._leaving = True
        self.view.notice = None
        self.run_worker(self._stop_and_exit(), exit_on_error=False)

    async def _stop_and_exit(self) -> None:
        try:
            if not self.host_stopped:
                self.host_stopped = True
                await asyncio.to_thread(self.host.stop, STOP_TIMEOUT_S)
        finally:
            self.exit()

    def _pending(self) -> int:
        """Characters the terminal has not taken yet (0 without a terminal)."""
        driver = self._driver
        return driver.pending if isinstance(driver, DeskDriver) else 0

    def _drained_ns(self) -> int | None:
        driver = self._driver
        return driver.drained_ns if isinstance(driver, DeskDriver) else None
