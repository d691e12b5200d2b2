"""File operations that say what a crash can lose: the floor under journal and run files.

A write is complete for a killed process once `write_all` returns (the operating system has it), and for a
power cut once the file, and for a new name its directory, has been fsynced.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = [
    "create_exclusively",
    "fsync_directory",
    "is_locked",
    "lock_directory",
    "replace_atomically",
    "write_all",
]


def create_exclusively(path: Path) -> int:
    """A write-only descriptor of a new file; FileExistsError when the name is taken."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)


def write_all(descriptor: int, data: bytes | bytearray) -> None:
    """Hand all of `data` to the operating system; OSError (e.g. ENOSPC) may leave a part written."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def fsync_directory(path: Path) -> None:
    """Make the names in this directory survive a power cut."""
    if sys.platform == "win32":
        return  # names are journaled by the file system there; a directory cannot be opened
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_atomically(path: Path, data: bytes) -> None:
    """Put `data` under this name: at every moment a reader finds the old content or the new one, whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # half a file would keep room that is needed
        raise
    fsync_directory(path.parent)


def lock_directory(path: Path) -> int:
    """A descriptor that marks the directory as being written until it is closed, or its process ends.

    BlockingIOError when another writer holds it; -1 where the system has no such lock.
    """
    if sys.platform == "win32":
        return -1
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a living writer holds this directory; False when it cannot be told."""
    try:
        descriptor = lock_directory(path)
    except BlockingIOError:
        return True
    except OSError:
        return False
    if descriptor >= 0:
        os.close(descriptor)
    return False
