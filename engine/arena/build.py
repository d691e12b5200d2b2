"""Compiles all entries into the cache, in a child process beside a market that runs interpreted.

`compile_in_child` is the parent's half, `main` the child's. The child prints "done total name" at each
step, and "!why" if it fails. It loads what it made before it keeps it: what would end a process ends this
one. It ends with its parent, whose death closes its standard input; it is nice beside a running market, so
that the screen stays quick; and it is out of Ctrl-C's reach.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from signal import Signals
from typing import NamedTuple

from engine.arena.cache import (
    ENGINE,
    Sources,
    kernel_modules,
    read_library,
    version_of,
    write_library,
)
from engine.arena.library import Building, Library, Report, load_library
from engine.core.errors import StormdeskError

__all__ = ["BuildFailed", "Child", "Job", "compile_in_child", "main"]

LINES_KEPT = 20
"""Of what a child says that is no step."""
_FAILED = "!"

Child = subprocess.Popen[str]


class BuildFailed(StormdeskError):
    """The child process has made no library."""


class Job(NamedTuple):
    """What a child is to build."""

    sources: Sources
    build: str
    """ "compiled" or "checked"."""
    version: str
    path: Path
    """Where the library is kept."""
    niceness: int


def compile_in_child(job: Job, report: Report, born: Callable[[Child], object]) -> Library:
    """Compiles (seconds), keeps the library, and gives it. Raises BuildFailed, or OSError without a child.

    `report` hears of each step, `born` of the process.
    """
    said: deque[str] = deque(maxlen=LINES_KEPT)
    with _spawn(job) as child:
        born(child)
        assert child.stdout is not None
        for line in child.stdout:
            match line.split():
                case [done, total, *name] if done.isdigit() and total.isdigit():
                    report(Building(int(done), int(total), " ".join(name)))
                case []:
                    pass
                case _:
                    said.append(line.strip())
    if child.returncode != 0:
        raise BuildFailed(f"the compiler failed ({_reason(child.returncode, said)})")
    library = read_library(job.path)
    if library is None:
        raise BuildFailed(f"the compiler has left nothing at {job.path}")
    return library


def main(niceness: str, build: str, version: str, path: str, root: str, *rooms: str) -> int:
    """The child: builds one library. Returns the exit code."""
    job = Job(Sources(Path(root), rooms), build, version, Path(path), int(niceness))
    os.nice(job.niceness)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _build(job)
    except Exception as error:  # the parent shows one line, whatever it is
        lines = str(error).strip().splitlines() or [""]
        print(f"{_FAILED}{type(error).__name__}: {lines[0]}", flush=True)
        return 1
    return 0


def _spawn(job: Job) -> Child:
    root, rooms = str(job.sources.root), job.sources.rooms
    # What is built must depend on nothing but what its version covers.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    paths = [root, str(ENGINE.root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    words = [str(job.niceness), job.build, job.version, str(job.path), root, *rooms]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "engine.arena.build", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        # Out of the terminal's foreground, but no session of its own: schedulers may share time by session,
        # and niceness would count for nothing.
        process_group=0,
    )


def _reason(code: int, said: deque[str]) -> str:
    """Why a child ended with this code."""
    failed = [line.removeprefix(_FAILED) for line in said if line.startswith(_FAILED)]
    if failed:
        return failed[-1]
    how = f"killed by {Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"{how}: {said[-1]}" if said else how


def _end_with_parent() -> None:
    # Not sys.stdin: a thread inside it would hold its lock when the interpreter ends.
    while os.read(0, 1):
        pass
    os._exit(1)


def _build(job: Job) -> None:
    # numba takes a third of a second, and the parent imports this file too.
    from engine.arena.compiler import Compiler
    from engine.arena.functions import ENTRIES

    for module in kernel_modules(job.sources):
        import_module(module)
    library = Compiler(checked=job.build == "checked").library(ENTRIES, _print_step)
    load_library(library)
    if version_of(job.sources) != job.version:
        raise BuildFailed("the sources changed meanwhile")
    write_library(job.path, library)


def _print_step(building: Building) -> None:
    print(*building, flush=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
