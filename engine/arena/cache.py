"""Where libraries are kept on disk: one file per version of everything that they depend on.

    <user cache>/stormdesk/core-<build>-<version>.lib     a checksum, a line of JSON, the object code

numba's own cache does not notice an edited function beneath a cached entry; here the version in a file's
name hashes all sources that a kernel can be made of, the compilers and the processor. A file appears whole
or not at all (it is written beside its place and renamed), so two processes may build at once and either
may be killed: the later rename puts an equal library into the same place. Whatever is wrong with a file is
found by its checksum before its code is used.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy
import platformdirs
import xxhash

import engine
from engine.arena.library import Library
from engine.core.clock import NS_PER_S, wall_ns
from engine.core.errors import DataError
from engine.core.identity import hash_sources

__all__ = [
    "ENGINE",
    "FILES_KEPT",
    "LibraryDamaged",
    "Sources",
    "cache_folder",
    "failure_of",
    "is_writable",
    "kernel_modules",
    "library_path",
    "note_failure",
    "read_library",
    "version_of",
    "write_library",
]

FILES_KEPT = 4
"""Libraries that stay on disk, those last used; older ones are removed when one is written."""
PARTIAL_KEPT_NS = 3_600 * NS_PER_S
"""After this time a file that was never completed is nobody's."""


class Sources(NamedTuple):
    """The Python files that kernels are made of."""

    root: Path
    """What stands in sys.path."""
    rooms: tuple[str, ...]
    """Folders below it, or single files, whose whole text counts."""


_ROOMS = ("core", "arena", "book", "market", "agents", "analytics", "detectors")
_FEED_KERNELS = ("feeds/reconcile.py", "feeds/replay_orders.py", "feeds/itch/kernels.py")
"""Feeds are mostly plain Python, whose changes need no compiler: their kernels are named one by one."""

ENGINE = Sources(
    Path(engine.__file__).resolve().parent.parent,
    tuple(f"engine/{room}" for room in (*_ROOMS, *_FEED_KERNELS, "loop.py")),
)


class LibraryDamaged(DataError):
    """A library file that is not what was written."""


def cache_folder() -> Path:
    """Where libraries are kept; it may not exist yet, or not be writable."""
    return platformdirs.user_cache_path("stormdesk")


def is_writable(folder: Path) -> bool:
    """Whether a library can be kept in this folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def version_of(sources: Sources) -> str:
    """32 hex digits over everything that machine code depends on. Raises ImportError without a compiler."""
    from llvmlite import __version__ as llvmlite_version
    from llvmlite import binding

    parts = [hash_sources(sources.root / room) for room in sources.rooms]
    parts += [sys.version, platform.machine(), numpy.__version__, version("numba"), llvmlite_version]
    parts += [binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()]
    return xxhash.xxh3_128_hexdigest("\n".join(parts).encode())


def kernel_modules(sources: Sources) -> list[str]:
    """The modules with entries, by name."""
    return [
        ".".join(path.relative_to(sources.root).with_suffix("").parts)
        for room in sources.rooms
        for path in _python_files(sources.root / room)
        if "\n@entry\n" in path.read_text(encoding="utf-8")
    ]


def _python_files(room: Path) -> list[Path]:
    return [room] if room.is_file() else sorted(room.rglob("*.py"))


def library_path(folder: Path, build: str, version: str) -> Path:
    """The file of a build ("compiled" or "checked")."""
    return folder / f"core-{build}-{version}.lib"


def read_library(path: Path) -> Library | None:
    """A kept library; None where there is none. Raises LibraryDamaged where it cannot be used."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LibraryDamaged(f"{path} cannot be read ({error.strerror})") from error
    checksum, _, rest = data.partition(b"\n")
    if checksum.decode("ascii", "replace") != xxhash.xxh3_128_hexdigest(rest):
        raise LibraryDamaged(f"{path} is damaged: its checksum does not hold")
    head, _, code = rest.partition(b"\n")
    with contextlib.suppress(OSError):
        os.utime(path)  # used now: others go first
    return Library(tuple(json.loads(head)), code)


def write_library(path: Path, library: Library) -> None:
    """Keeps a library. Raises OSError."""
    rest = json.dumps(library.entries).encode() + b"\n" + library.code
    descriptor, partial = tempfile.mkstemp(prefix="partial-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(xxhash.xxh3_128_hexdigest(rest).encode() + b"\n" + rest)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise
    _failure_path(path).unlink(missing_ok=True)
    _remove_old(path.parent)


def note_failure(path: Path, reason: str) -> None:
    """Remembers why the library at this path could not be built, for `failure_of`."""
    with contextlib.suppress(OSError):
        _failure_path(path).write_text(reason, encoding="utf-8")


def failure_of(path: Path) -> str | None:
    """Why the last try to build this library failed; None where it did not."""
    try:
        return _failure_path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _failure_path(path: Path) -> Path:
    return path.with_suffix(".failed")


def _remove_old(folder: Path) -> None:
    """Keeps the libraries last used; removes what was left of killed or failed builds."""
    with contextlib.suppress(OSError):
        libraries = sorted(folder.glob("core-*.lib"), key=lambda path: path.stat().st_mtime_ns)
        stale_ns = wall_ns() - PARTIAL_KEPT_NS
        remains = [*folder.glob("partial-*"), *folder.glob("core-*.failed")]
        old = [path for path in remains if path.stat().st_mtime_ns < stale_ns]
        for path in libraries[:-FILES_KEPT] + old:
            path.unlink(missing_ok=True)
