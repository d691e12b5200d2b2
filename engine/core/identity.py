"""Which engine this is: version and a hash of its sources.

A run names the engine that recorded it, because recomputing needs the same one. The hash covers what can
change a result: every Python file of the package and the scenario files.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import xxhash

import engine

__all__ = ["engine_source_hash", "file_sha256", "hash_sources"]


@cache
def engine_source_hash() -> str:
    """The 16 hex digits of this engine's sources; read once per process (a few ms)."""
    return hash_sources(Path(engine.__file__).parent)


def hash_sources(package: Path) -> str:
    """XXH3-64 over the relative names and bytes of all .py and .toml files below `package`, or of one file.

    Each name and each content is preceded by its length, so moving bytes between files changes the hash.
    """
    digest = xxhash.xxh3_64()
    files = [path for pattern in ("*.py", "*.toml") for path in package.rglob(pattern)]
    if package.is_file():
        files = [package]
    for name, path in sorted((path.relative_to(package).as_posix(), path) for path in files):
        for part in (name.encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, hex: by it a source is found again. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
