"""The paths on which the market's kernels run, and a switch between them for tests.

`running(path)` makes a path live for a while, whatever the process runs otherwise; with STORMDESK_JIT=0
there is only the interpreted one. All three must do the same: one source, one digest.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from engine.arena import machine
from engine.arena.machine import JIT_MODE, Machine

__all__ = ["PATHS", "running"]

_MODES = {"compiled": "1", "checked": "checked"}
PATHS = ("interpreted",) if JIT_MODE == "0" else ("interpreted", *_MODES)


@contextmanager
def running(path: str) -> Generator[None, None, None]:
    """Within it, every entry runs on this path."""
    process = machine._machine
    before = process._library
    process._library = _library(path)
    process._live.clear()
    try:
        yield
    finally:
        process._library = before
        process._live.clear()


@cache
def _library(path: str) -> dict[str, Callable[..., Any]] | None:
    """The machine code of all entries; seconds when it is not in the cache."""
    if path == "interpreted":
        return None
    made = Machine(_MODES[path])
    status = made.load()
    assert status.path == path, status.warning
    return made._library
