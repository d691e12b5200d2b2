"""A file system that can be filled: a small tmpfs, where this user may mount one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BALLAST = "ballast"


@contextlib.contextmanager
def small_disk(path: Path, size_bytes: int, *, free_bytes: int) -> Iterator[Path]:
    """An empty file system of that size at `path`, with a file in it that leaves only `free_bytes`.

    Skips the test where it cannot be mounted.
    """
    path.mkdir()
    if not sys.platform.startswith("linux"):
        pytest.skip("needs Linux to mount a small file system")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"needs the right to mount a small file system ({mounted.stderr.strip()})")
    try:
        (path / BALLAST).write_bytes(bytes(size_bytes - free_bytes))
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def make_room(disk: Path) -> None:
    """Delete what fills the disk."""
    (disk / BALLAST).unlink()
