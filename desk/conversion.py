"""`stormdesk convert` and the bars of long readings: what the command line adds to engine/convert.py.

Invariant: a bar is drawn on stderr, and only on a terminal.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from engine.arena import machine
from engine.convert import convert
from engine.core.durations import parse_duration_ns
from engine.core.errors import RunNotFound, UsageError
from engine.feeds.files import STDIN
from engine.feeds.inspect import inspect_file, inspect_run
from engine.feeds.inspection import Inspection
from engine.feeds.itch.feed import LIVE_SCHEMES
from engine.recording.run_directory import resolve_run, runs_root

__all__ = ["conversion_report", "inspection_of", "interruptible", "progress_bar"]


def conversion_report(
    source: str,
    out: Path,
    *,
    to: str | None,
    symbol: str | None,
    duration: str | None,
    force: bool,
    runs_in: Path | None,
    data: str | None,
    allow_remote: bool,
) -> dict[str, Any]:
    """Convert, with a progress bar; field "problem" says what is missing."""
    machine.start()
    with (
        progress_bar(f"convert {Path(source).name or source}") as progress,
        interruptible(source) as stopped,
    ):
        conversion = convert(
            source,
            out,
            to=to,
            symbol=symbol,
            duration_ns=None if duration is None else _duration_ns(duration),
            force=force,
            allow_remote=allow_remote,
            runs_root=runs_root(runs_in),
            source_override=data,
            progress=progress,
            stopped=stopped,
        )
    fields = msgspec.structs.asdict(conversion)
    return fields | {"seconds": round(conversion.seconds, 3)}


def inspection_of(file: str, *, others: list[Path] | None, out: Path | None) -> Inspection:
    """What is in a file or run, with a progress bar."""
    machine.start()
    path = Path(file)
    if path != STDIN and not path.exists():
        try:
            return inspect_run(resolve_run(file, runs_root(out)))
        except RunNotFound:
            raise UsageError(f"{file}: no such file, and no such run. Check the path.") from None
    size = path.stat().st_size if path.is_file() else 0
    with progress_bar(f"inspect {path.name}") as progress:
        return inspect_file(path, others=others, report=lambda done: progress(done, size))


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr while the block runs, where that is a terminal; gives progress(done, total)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield progress


@contextmanager
def interruptible(source: str) -> Iterator[Callable[[], bool]]:
    """While a live source is read, Ctrl-C ends it and what has come is written."""
    asked = Event()
    if not source.startswith(LIVE_SCHEMES):
        yield asked.is_set
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.set())
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _duration_ns(text: str) -> int:
    try:
        ns = parse_duration_ns(text)
    except ValueError as error:
        raise UsageError(f"--for: {error}") from error
    if ns <= 0:
        raise UsageError("--for: nothing is shorter than 1 ns")
    return ns
