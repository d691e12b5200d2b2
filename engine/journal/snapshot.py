"""Snapshots on disk: images of a session from which a replay can go on (beside stop 7 on the data path).

A file: MAGIC, version, length of the header, header (JSON), zstd-compressed body, XXH3-128 of all before.
It is written under another name, fsynced, and then takes its name, so a file that has the name is whole;
it is read only when its hash is right and the engine is the one that wrote it. A snapshot is a cache: any
run can be recomputed without.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import xxhash
import zstandard

from engine.arena.memory import ArenaImage, TablePlace
from engine.core.errors import SnapshotDamaged
from engine.image import SessionImage
from engine.journal.durable import fsync_directory

__all__ = [
    "SUFFIX",
    "decode_snapshot",
    "encode_snapshot",
    "list_snapshots",
    "read_snapshot",
    "snapshot_name",
    "write_snapshot",
]

SUFFIX = ".snap"
_MAGIC = b"STRMSNAP"
_VERSION = 1
_LEVEL = 1
"""zstd's fastest ordinary level: an image is mostly zeros."""
_HASH_BYTES = 16


class _Header(msgspec.Struct):
    engine: str
    """engine_source_hash of the writer: tables and kernels of another engine mean something else."""
    time_ns: int
    input_count: int
    event_count: int
    event_digest: int
    state_bytes: int
    arena_bytes: int
    places: list[TablePlace]


def snapshot_name(time_ns: int) -> str:
    """File name of a session time; names sort by time."""
    return f"{time_ns:020d}{SUFFIX}"


def list_snapshots(folder: Path) -> list[tuple[int, Path]]:
    """(time_ns, path) of the snapshots in a folder, by time."""
    found = [(path.stem, path) for path in folder.glob(f"*{SUFFIX}")]
    return sorted((int(stem), path) for stem, path in found if stem.isdigit())


def write_snapshot(folder: Path, image: SessionImage, *, engine_hash: str) -> Path:
    """Puts an image into the folder, on the medium when this returns. Raises OSError."""
    path = folder / snapshot_name(image.time_ns)
    unfinished = path.with_suffix(".part")
    try:
        with unfinished.open("wb") as file:
            file.write(encode_snapshot(image, engine_hash=engine_hash))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    fsync_directory(folder)
    return path


def read_snapshot(path: Path, *, engine_hash: str) -> SessionImage:
    """The image in a file. Raises SnapshotDamaged when it is not whole or of another engine, OSError."""
    return decode_snapshot(path.read_bytes(), engine_hash=engine_hash, where=str(path))


def encode_snapshot(image: SessionImage, *, engine_hash: str) -> bytes:
    """An image as the bytes of a file."""
    header = msgspec.json.encode(
        _Header(
            engine=engine_hash,
            time_ns=image.time_ns,
            input_count=image.input_count,
            event_count=image.event_count,
            event_digest=image.event_digest,
            state_bytes=len(image.state),
            arena_bytes=len(image.arena.data),
            places=list(image.arena.places),
        )
    )
    body = zstandard.ZstdCompressor(level=_LEVEL).compress(image.state + image.arena.data)
    data = b"".join((_MAGIC, _VERSION.to_bytes(4, "little"), len(header).to_bytes(4, "little"), header, body))
    return data + xxhash.xxh3_128_digest(data)


def decode_snapshot(data: bytes, *, engine_hash: str, where: str) -> SessionImage:
    """The image in the bytes of a file called `where`. Raises SnapshotDamaged."""
    content, expected = data[:-_HASH_BYTES], data[-_HASH_BYTES:]
    if content[: len(_MAGIC)] != _MAGIC or xxhash.xxh3_128_digest(content) != expected:
        raise SnapshotDamaged(f"{where}: not a whole snapshot; delete it, the run can be recomputed without")
    version, length = (int.from_bytes(content[at : at + 4], "little") for at in (8, 12))
    if version != _VERSION:
        raise SnapshotDamaged(f"{where}: snapshot version {version}, this engine reads {_VERSION}")
    header = msgspec.json.decode(content[16 : 16 + length], type=_Header)
    if header.engine != engine_hash:
        raise SnapshotDamaged(f"{where}: taken by another engine ({header.engine})")
    size = header.state_bytes + header.arena_bytes
    body = zstandard.ZstdDecompressor().decompress(content[16 + length :], max_output_size=size)
    if len(body) != size:
        raise SnapshotDamaged(f"{where}: its body is not as long as its header says")
    return SessionImage(
        time_ns=header.time_ns,
        input_count=header.input_count,
        event_count=header.event_count,
        event_digest=header.event_digest,
        state=body[: header.state_bytes],
        arena=ArenaImage(tuple(header.places), body[header.state_bytes :]),
    )
