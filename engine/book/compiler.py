"""How the kernels become machine code: two decorators over numba, and a cache that cannot go stale.

Promise: a kernel is one plain Python function; the mode decides only its speed. STORMDESK_JIT in the
environment, read once at import:

    1        compiled (the default)
    0        interpreted; numba is not imported
    checked  compiled with every array index checked: an index out of bounds raises IndexError

Machine code is kept on disk. numba does not notice an edited function beneath a cached entry, so the
folder's name carries a hash of all sources that a kernel is made of.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

import platformdirs
from xxhash import xxh3_64_hexdigest

from engine.core.errors import UsageError

__all__ = ["CACHE_FOLDERS_KEPT", "COMPILED", "JIT_MODE", "cache_folder", "entry", "inlined"]

CACHE_FOLDERS_KEPT = 4
"""Folders of compiled kernels that stay on disk, the current one among them; older ones are removed."""

JIT_MODE = os.environ.get("STORMDESK_JIT", "1")
if JIT_MODE not in ("0", "1", "checked"):
    raise UsageError(f"STORMDESK_JIT is {JIT_MODE!r}; it can be 1 (compiled), 0 (interpreted) or checked.")

COMPILED = JIT_MODE != "0"
"""Whether the kernels of this process are machine code."""

_Function = TypeVar("_Function", bound=Callable[..., Any])

# `_nrt=False`: no reference counting. The kernels allocate nothing and their callers hold the arrays,
# yet numba counts references on every array passed to an inner function, which costs 40% of the time.
# numba refuses to compile a function that would need it, so the promise is checked.
_OPTIONS = {"nogil": True, "error_model": "numpy", "boundscheck": JIT_MODE == "checked", "_nrt": False}


def entry(function: _Function) -> _Function:
    """Compiles a function that Python calls, at its first call; its machine code is kept on disk."""
    if not COMPILED:
        return function
    numba = _numba()
    folder = cache_folder()
    if folder is None:
        return cast(_Function, numba.njit(**_OPTIONS)(function))
    # numba reads the place when it decorates; put it back, as it holds for the whole process.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        return cast(_Function, numba.njit(cache=True, **_OPTIONS)(function))
    finally:
        numba.config.CACHE_DIR = before


def inlined(function: _Function) -> _Function:
    """Compiles a function into every compiled function that calls it; Python cannot call it."""
    if not COMPILED:
        return function
    numba = _numba()
    return cast(_Function, numba.njit(forceinline=True, no_cpython_wrapper=True, **_OPTIONS)(function))


def _numba() -> Any:
    """numba, imported here only: it takes a third of a second, and its options carry no types."""
    return import_module("numba")


@cache
def cache_folder() -> Path | None:
    """The folder of this version's machine code, made if need be; None where it cannot be written."""
    numba = _numba()
    root = platformdirs.user_cache_path("stormdesk")
    try:
        folder = root / f"kernels-{_source_hash()}-numba{numba.__version__}-{JIT_MODE}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            os.utime(folder)
        _remove_old_folders(root)
    except OSError:
        return None
    return folder


def _source_hash() -> str:
    """Hash of everything a kernel's machine code depends on: this room, and the event layout."""
    room = Path(__file__).parent
    sources = [*sorted(room.glob("*.py")), room.parent / "core" / "types.py"]
    parts = (source.name.encode() + b"\0" + source.read_bytes() for source in sources)
    return xxh3_64_hexdigest(b"".join(parts))


def _remove_old_folders(root: Path) -> None:
    folders = sorted(root.glob("kernels-*"), key=lambda folder: folder.stat().st_mtime_ns)
    for folder in folders[:-CACHE_FOLDERS_KEPT]:
        shutil.rmtree(folder, ignore_errors=True)
