"""Which path is live: for each entry, its Python or its machine code.

    live(apply_events)(book_address, ...)

`live` never waits: it gives the function itself until machine code is there. `load` brings it and waits;
`start` brings it behind a running market, from the cache within 0.1 s or from a child process that compiles
(build.py). All entries change over in one step, and between two calls of entries that is safe at any
moment, because both paths work on the same memory (layout.py). Whatever goes wrong on the way, the market
goes on interpreted and `status` says why.

STORMDESK_JIT in the environment, read at import: 1 (compiled, the default), 0 (interpreted), or checked
(compiled, with every index and invariant checked).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from engine.arena.library import Building, Library, Report, load_library, name_of
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import UsageError

if TYPE_CHECKING:
    from engine.arena.build import Child
    from engine.arena.cache import Sources

__all__ = ["JIT_MODE", "Machine", "Status", "live", "load", "start", "status"]

JIT_MODE = os.environ.get("STORMDESK_JIT", "1")
if JIT_MODE not in ("0", "1", "checked"):
    raise UsageError(f"STORMDESK_JIT is {JIT_MODE!r}; it can be 1 (compiled), 0 (interpreted) or checked.")

PATIENCE_S = 10.0
"""How long a compiler waits for the event that it is to wait for."""
NICENESS = 10
"""Of a compiler beside a running market; one that is waited for is not nice."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Status(NamedTuple):
    """A picture of a machine."""

    path: str
    """What runs: one of "interpreted", "compiled", "checked"."""
    building: Building | None
    """None unless a child process is compiling."""
    warning: str | None
    """What went wrong, and what it means."""
    seconds: float | None
    """How long it took until machine code was live; None before."""


class Machine:
    """The two paths of all entries, and the way from one to the other. All methods are thread-safe."""

    def __init__(
        self, mode: str = JIT_MODE, *, sources: Sources | None = None, folder: Path | None = None
    ) -> None:
        self.build = {"0": None, "1": "compiled", "checked": "checked"}[mode]
        """What to make live; None: nothing."""
        self.child: Child | None = None
        """The process that compiles, or has compiled."""
        self._sources = sources
        self._folder = folder
        self._version = ""
        self._path = Path()
        self._library: dict[str, Callable[..., Any]] | None = None
        self._live: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._building: Building | None = None
        self._warning: str | None = None
        self._seconds: float | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._looked = threading.Event()

    # -- faces ---------------------------------------------------------------------------------------

    def live(self, entry: _Function) -> _Function:
        """What runs for an entry now."""
        code = self._live.get(entry)
        return self._look_up(entry) if code is None else code  # type: ignore[return-value]

    def load(self, report: Report | None = None) -> Status:
        """Makes machine code live before it returns: from the cache, or compiled (seconds)."""
        if self.build is not None:
            self._begin(0, report, None).join()
        return self.status()

    def start(self, *, compile_after: threading.Event | None = None) -> None:
        """Makes machine code live: before it returns where the cache has it (0.1 s), else beside what goes
        on, with a compiler that may wait for an event first. Once begun, it does nothing."""
        if self.build is not None:
            self._begin(NICENESS, None, compile_after)
            self._looked.wait()

    def status(self) -> Status:
        """What runs now, and what is going on behind it."""
        path = "interpreted" if self._library is None else str(self.build)
        return Status(path, self._building, self._warning, self._seconds)

    # -- inside --------------------------------------------------------------------------------------

    def _look_up(self, entry: _Function) -> _Function:
        library = self._library
        if library is None:
            return entry
        # An entry that is in no module of the engine stays what it is: a test's own.
        self._live[entry] = code = library.get(name_of(entry), entry)
        return code  # type: ignore[return-value]

    def _begin(
        self, niceness: int, report: Report | None, compile_after: threading.Event | None
    ) -> threading.Thread:
        with self._lock:
            if self._thread is None:
                words = (niceness, report, compile_after)
                self._thread = threading.Thread(target=self._run, args=words, name="machine", daemon=True)
                self._thread.start()
            return self._thread

    def _run(self, niceness: int, report: Report | None, compile_after: threading.Event | None) -> None:
        began = monotonic_ns()
        try:
            library = self._kept_library()
            if library is None:
                self._looked.set()
                if compile_after is not None:
                    compile_after.wait(PATIENCE_S)
                library = self._compiled_library(niceness, report)
            self._library = load_library(library)
            self._seconds = (monotonic_ns() - began) / NS_PER_S
        except Exception as error:  # compiler, disk, other people's packages: the market goes on
            self._warning = f"the core runs interpreted: {error}"
        finally:
            self._building = None
            self._looked.set()

    def _kept_library(self) -> Library | None:
        """What the cache has."""
        # Imported here: whoever only looks at `live` needs none of it.
        from engine.arena import cache

        self._sources = self._sources or cache.ENGINE
        self._version = cache.version_of(self._sources)
        self._path = cache.library_path(self._folder or cache.cache_folder(), str(self.build), self._version)
        try:
            return cache.read_library(self._path)
        except cache.LibraryDamaged as error:
            self._warning = f"{error}; the core was compiled anew"
            return None

    def _compiled_library(self, niceness: int, report: Report | None) -> Library:
        """What a child process makes now, kept where that is possible."""
        from engine.arena import cache
        from engine.arena.build import BuildFailed, Job, compile_in_child

        def step(building: Building) -> None:
            self._building = building
            if report is not None:
                report(building)

        def born(child: Child) -> None:
            self.child = child
            self._building = Building(0, 0, "")

        assert self._sources is not None
        folder: Any = nullcontext(self._path.parent)
        if not cache.is_writable(self._path.parent):
            self._warning = f"{self._path.parent} cannot be written: the core is compiled anew at each start"
            folder = tempfile.TemporaryDirectory(prefix="stormdesk-")
        try:
            with folder as name:
                path = Path(name) / self._path.name
                job = Job(self._sources, str(self.build), self._version, path, niceness)
                return compile_in_child(job, step, born)
        except (BuildFailed, OSError) as error:
            cache.note_failure(self._path, str(error))
            raise


_machine = Machine()
live = _machine.live
load = _machine.load
start = _machine.start
status = _machine.status
