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
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from textual.app import App

from desk.actions import Actions, Host
from desk.bindings import KeyTable
from desk.bridge import Bridge
from desk.driver import DeskDriver
from desk.formats import clean
from desk.frames import Governor
from desk.recent import RecentSource, remember
from desk.screens.desk import DeskScreen
from desk.sessions import SessionChoice, what_bots_see
from desk.theme import THEMES, palette_of
from desk.view import Notice, View
from engine.arena import machine
from engine.core.clock import monotonic_ns
from engine.core.errors import StormdeskError, UsageError
from engine.frame import Frame

if TYPE_CHECKING:
    from desk.screens.sources import SourcePlaces
    from engine.session import SessionConfig

__all__ = ["DeskApp", "DeskOptions", "SessionSwitch", "run_desk"]

SWITCH_INTERVAL_S = 0.0005
"""How long the engine's thread may hold the interpreter while the screen waits: 0.5 ms keeps the event
loop's lag near 1 ms; Python's 5 ms does not."""
STOP_TIMEOUT_S = 10.0


def _open_run(path: Path) -> Any:
    """A run that may still be recorded."""
    from engine.host.replay import ReplayHost

    return ReplayHost(path, is_growing=True)


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
    sessions: SessionSwitch | None = None
    """Opens other sessions in place of the first; None = the desk keeps to its host."""
    data_dir: str = ""
    """Where the source picker looks, besides the working directory; empty = nowhere."""
    recent_file: Path | None = None
    """Where sources that were opened are remembered; None = nowhere."""
    scripts_dir: Path | None = None
    """Where storm scripts are kept; None = nowhere."""
    open_run: Callable[[Path], Any] = _open_run
    """Opens a recorded run as a host that does not run yet."""
    core: Callable[[], machine.Status | None] = machine.status
    """Which path the engine's core runs on."""


class SessionSwitch(Protocol):
    """Opens sessions and puts them in place of the running one (desk.sessions.Sessions). Calls block."""

    @property
    def current(self) -> SessionConfig: ...
    def open(self, choice: SessionChoice) -> Any: ...
    def take(self, host: Any, *, same_time: bool = ...) -> None: ...


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
            (host if app is None else app.host).stop(STOP_TIMEOUT_S)
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
        self._opening: SessionChoice | None = None
        """The session that is being opened, until it stands on the desk."""
        self._taking = False
        """It is open, and takes the place of the running one: too late to give it up."""
        self._past: Host | None = None
        """A recording that is looked at while the session goes on."""
        self._present: Actions | None = None
        """Of the session, meanwhile."""
        self._opening_past = False

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
        self._remember_source()
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
            if self._past is not None:
                await asyncio.to_thread(self._past.stop, STOP_TIMEOUT_S)
            if not self.host_stopped:
                self.host_stopped = True
                await asyncio.to_thread(self.host.stop, STOP_TIMEOUT_S)
        finally:
            self.exit()

    # -- another session -----------------------------------------------------------------------

    def source_places(self) -> SourcePlaces:
        """Where the source picker looks."""
        from desk.recent import read_recent
        from desk.screens.sources import SourcePlaces
        from desk.source_list import MAX_DEPTH
        from engine.feeds.source import sample_path

        options = self.options
        folders = [(Path.cwd(), 0)]
        if options.data_dir:
            folders.append((Path(options.data_dir).expanduser(), MAX_DEPTH))
        recent = () if options.recent_file is None else tuple(read_recent(options.recent_file))
        return SourcePlaces(sample_path(), tuple(folders), recent)

    def start_session(self, choice: SessionChoice) -> None:
        """Open this session in a thread; once it is open it takes the place of the running one."""
        if self._opening is not None:
            self._tell(f"{clean(self._opening.label)} is being opened; esc gives that up", warn=True)
            return
        self._opening = choice
        self.view.notice = Notice(f"opening {clean(choice.label)} … esc gives up")
        self.view.touch()
        self.run_worker(self._change_session(choice), exit_on_error=False)

    def abandon_session(self) -> bool:
        """Give up the session that is being opened; False when there is none."""
        if self._opening is None or self._taking:
            return False
        self._opening = None
        return True

    async def _change_session(self, choice: SessionChoice) -> None:
        sessions, before = self.options.sessions, self.host.frame()
        assert sessions is not None
        try:
            host = await asyncio.to_thread(sessions.open, choice)
            if self._opening is not choice or self._leaving:
                return
            self._taking = True
            await asyncio.to_thread(sessions.take, host, same_time=choice.same_time)
        except Exception as error:  # whatever is wrong with a file, the desk goes on with what it has
            if self._opening is not choice:
                return
            self._opening, self._taking = None, False
            said = str(error) if isinstance(error, StormdeskError) else f"{type(error).__name__}: {error}"
            self._tell(f"not opened: {clean(said)}", warn=True)
            return
        self._opening, self._taking = None, False
        self.host = host
        if self._leaving:
            await asyncio.to_thread(host.stop, STOP_TIMEOUT_S)
            return
        self.desk_screen.show_host(host)
        self._remember_source()
        self._tell(_change_said(before, host.frame()))

    # -- looking back --------------------------------------------------------------------------

    def look_back(self, run: Path, time_ns: int) -> None:
        """Open the recording of the running session at this time, paused, while the session goes on."""
        if self._opening_past or self._opening is not None or self._past is not None:
            self._tell("something is being opened already", warn=True)
            return
        self._opening_past = True
        self.view.notice = Notice("opening the recording at that moment …")
        self.view.touch()
        self.run_worker(self._show_past(run, time_ns), exit_on_error=False)

    async def _show_past(self, run: Path, time_ns: int) -> None:
        def open_at() -> Host:
            past: Host = self.options.open_run(run)
            past.toggle_pause()
            past.seek(time_ns)
            past.run_thread()
            return past

        try:
            past = await asyncio.to_thread(open_at)
        except Exception as error:  # whatever is wrong with the recording, the session goes on
            said = str(error) if isinstance(error, StormdeskError) else f"{type(error).__name__}: {error}"
            self._tell(f"the recording cannot be opened: {clean(said)}", warn=True)
            return
        finally:
            self._opening_past = False
        self._past = past
        if self._leaving:
            await asyncio.to_thread(past.stop, STOP_TIMEOUT_S)
            return
        self._present = self.desk_screen.actions
        self.desk_screen.show_host(past)
        back = self.keys.shown("disarm")
        # It stays until something else is said: who looks at a paused past has to know the way back.
        self.view.notice = Notice(f"the recording, as it was; the session goes on, {back} returns to it")
        self.bridge.draw_soon()

    def end_look_back(self) -> bool:
        """Back to the running session; False when it is on the desk already."""
        past, self._past = self._past, None
        if past is None:
            return False
        self.desk_screen.show_host(self.host, self._present)
        self._tell("back in the session")
        self.run_worker(asyncio.to_thread(past.stop, STOP_TIMEOUT_S), exit_on_error=False)
        return True

    def _remember_source(self) -> None:
        path, sessions = self.options.recent_file, self.options.sessions
        if path is not None and sessions is not None and sessions.current.source is not None:
            source = RecentSource(str(Path(sessions.current.source).absolute()), sessions.current.symbol)
            remember(path, source)

    def _tell(self, text: str, *, warn: bool = False) -> None:
        self.desk_screen.actions.tell(text, warn=warn)
        self.bridge.draw_soon()

    def _pending(self) -> int:
        """Characters the terminal has not taken yet (0 without a terminal)."""
        driver = self._driver
        return driver.pending if isinstance(driver, DeskDriver) else 0

    def _drained_ns(self) -> int | None:
        driver = self._driver
        return driver.drained_ns if isinstance(driver, DeskDriver) else None


def _change_said(before: Frame, after: Frame) -> str:
    """What a change of session meant: the new market, the run that was finished, the bots."""
    parts = [clean(after.market.instrument.symbol)]
    recording = before.host.recording
    if recording is not None and recording.active:
        parts.append(f"run {recording.run_id} saved")
    return " · ".join([*parts, *filter(None, [what_bots_see(before.host.api_clients)])])
