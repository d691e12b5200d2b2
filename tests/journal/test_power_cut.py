"""What each fsync policy can lose in a power cut: exactly what writer.py says.

A disk is imitated at its worst: of every file only what was fsynced is left, and of every directory the
names that it had at its last fsync.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import engine.journal.writer as writer_module
from engine.core.types import Command
from engine.journal import FsyncPolicy, JournalWriter, read_journal
from engine.journal.records import RECORD_BYTES
from tests.journal.journal_data import FINAL, HEADER, sample_commands

INPUTS = 200
SMALL = 40 * RECORD_BYTES


class Disk:
    """Watches fsync; `cut` gives what would be left without the rest."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sizes: dict[int, int] = {}
        """Bytes on the medium, by inode: a file may be renamed."""
        self._names: dict[str, set[str]] = {}
        original = os.fsync

        def fsync(descriptor: int) -> None:
            original(descriptor)
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if os.path.isdir(path):
                self._names[path] = set(os.listdir(path))
            else:
                status = os.fstat(descriptor)
                self._sizes[status.st_ino] = status.st_size

        monkeypatch.setattr(os, "fsync", fsync)

    def cut(self, journal: Path, copy: Path) -> Path:
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in self._names.get(str(journal), ()):
            file = journal / name
            (copy / name).write_bytes(file.read_bytes()[: self._sizes.get(file.stat().st_ino, 0)])
        return copy


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("needs /proc to see which file is fsynced")
    return Disk(monkeypatch)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    now = [10**12]
    monkeypatch.setattr(writer_module, "monotonic_ns", lambda: now[0])
    return now


def left_after_each_commit(
    folder: Path, disk: Disk, clock: list[int], policy: FsyncPolicy, *, turn_ns: int = 0, segment_bytes: int
) -> list[list[Command]]:
    """Inputs one by one, a commit and a power cut after each: the inputs that would be left every time."""
    writer = JournalWriter(folder / "journal", HEADER, fsync=policy, segment_bytes=segment_bytes)
    left = []
    for command in sample_commands(INPUTS):
        writer.append(command)
        writer.commit()
        left.append(read_journal(disk.cut(folder / "journal", folder / "copy")).commands)
        clock[0] += turn_ns
    writer.finish(FINAL)
    assert read_journal(disk.cut(folder / "journal", folder / "copy")).complete
    return left


@pytest.mark.parametrize("segment_bytes", [SMALL, 1 << 20])
def test_always_loses_nothing(tmp_path, disk, clock, segment_bytes):
    inputs = sample_commands(INPUTS)
    states = left_after_each_commit(tmp_path, disk, clock, "always", segment_bytes=segment_bytes)
    for number, left in enumerate(states, 1):
        assert left == inputs[:number]


@pytest.mark.parametrize("turn_ms", [1, 4, 19, 20, 50])
def test_group_loses_less_than_its_interval(tmp_path, disk, clock, turn_ms):
    inputs = sample_commands(INPUTS)
    turn_ns = turn_ms * 1_000_000
    states = left_after_each_commit(tmp_path, disk, clock, "group", turn_ns=turn_ns, segment_bytes=1 << 20)
    assert all(left == inputs[: len(left)] for left in states)
    lost = max(number - len(left) for number, left in enumerate(states, 1))
    assert lost == (writer_module.GROUP_INTERVAL_NS - 1) // turn_ns


def test_group_syncs_the_last_input_when_nothing_follows_it(tmp_path, disk, clock):
    writer = JournalWriter(tmp_path / "journal", HEADER, fsync="group")
    inputs = sample_commands(2)
    for command in inputs:
        writer.append(command)
        writer.commit()
    assert len(read_journal(disk.cut(writer.path, tmp_path / "copy")).commands) == 1
    clock[0] += writer_module.GROUP_INTERVAL_NS
    writer.commit()
    assert read_journal(disk.cut(writer.path, tmp_path / "copy")).commands == inputs
    writer.close()


def test_os_keeps_full_segments_and_a_finished_journal(tmp_path, disk, clock):
    inputs = sample_commands(INPUTS)
    states = left_after_each_commit(tmp_path, disk, clock, "os", segment_bytes=SMALL)
    assert all(left == inputs[: len(left)] for left in states)
    lost = max(number - len(left) for number, left in enumerate(states, 1))
    assert lost == SMALL // RECORD_BYTES


def test_a_power_cut_while_the_journal_is_created_leaves_a_header_or_nothing(tmp_path, disk, monkeypatch):
    """The name comes after the bytes: a header is never half there."""
    cuts: list[Path] = []
    for function in ("rename", "fsync"):
        original = getattr(os, function)

        def counted(*arguments: object, _original=original) -> None:
            _original(*arguments)
            if (tmp_path / "journal").is_dir():
                cuts.append(disk.cut(tmp_path / "journal", tmp_path / f"copy{len(cuts)}"))

        monkeypatch.setattr(os, function, counted)
    JournalWriter(tmp_path / "journal", HEADER).close()
    assert len(cuts) >= 3
    for copy in cuts:
        if any(copy.glob("*.journal")):
            assert read_journal(copy).header == HEADER
