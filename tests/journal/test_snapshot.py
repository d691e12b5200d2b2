"""Snapshots on disk: whole, or refused with a reason; never half-written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arena.memory import ArenaImage, TablePlace
from engine.core.errors import SnapshotDamaged
from engine.image import SessionImage
from engine.journal.snapshot import (
    decode_snapshot,
    encode_snapshot,
    list_snapshots,
    read_snapshot,
    write_snapshot,
)

ENGINE = "0123456789abcdef"
IMAGE = SessionImage(
    time_ns=7_500_000_001,
    input_count=3,
    event_count=12,
    event_digest=2**64 - 1,
    state=b'{"inputs":3}',
    arena=ArenaImage((TablePlace("book", 1, 64), TablePlace("orders", 4, 128)), bytes(range(200))),
)


def test_what_was_written_is_read(tmp_path):
    path = write_snapshot(tmp_path, IMAGE, engine_hash=ENGINE)
    assert read_snapshot(path, engine_hash=ENGINE) == IMAGE
    assert list_snapshots(tmp_path) == [(IMAGE.time_ns, path)]
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "nothing unfinished is left"


def test_snapshots_are_listed_by_time_and_other_files_are_not(tmp_path):
    paths = [
        write_snapshot(tmp_path, IMAGE._replace(time_ns=time_ns), engine_hash=ENGINE)
        for time_ns in (10**12, 5, 99)
    ]
    (tmp_path / "notes.snap").write_text("mine")
    (tmp_path / "00000000000000000007.part").write_bytes(b"cut off")
    assert list_snapshots(tmp_path) == [(5, paths[1]), (99, paths[2]), (10**12, paths[0])]


def test_a_folder_that_is_not_there_holds_none(tmp_path):
    assert list_snapshots(tmp_path / "none") == []


@given(st.data())
def test_any_changed_byte_is_noticed(data):
    good = encode_snapshot(IMAGE, engine_hash=ENGINE)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = bytearray(good)
    bad[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SnapshotDamaged, match="not a whole snapshot"):
        decode_snapshot(bytes(bad), engine_hash=ENGINE, where="x.snap")


@given(st.integers(0, 400))
def test_any_shorter_file_is_noticed(length):
    good = encode_snapshot(IMAGE, engine_hash=ENGINE)
    with pytest.raises(SnapshotDamaged, match=r"x\.snap: not a whole snapshot"):
        decode_snapshot(good[: min(length, len(good) - 1)], engine_hash=ENGINE, where="x.snap")


def test_a_snapshot_of_another_engine_is_refused_by_name():
    data = encode_snapshot(IMAGE, engine_hash=ENGINE)
    with pytest.raises(SnapshotDamaged, match=f"another engine \\({ENGINE}\\)"):
        decode_snapshot(data, engine_hash="fedcba9876543210", where="x.snap")
