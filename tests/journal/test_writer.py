from __future__ import annotations

import errno
import os

import pytest

import engine.journal.writer as writer_module
from engine.core.errors import RecordingFailed
from engine.journal import JournalWriter, read_journal
from engine.journal.durable import is_locked, replace_atomically
from engine.journal.records import RECORD_BYTES
from tests.journal.journal_data import FINAL, HEADER, sample_commands


@pytest.fixture
def clock(monkeypatch):
    """A settable wall clock for the writer."""
    now = [10**12]
    monkeypatch.setattr(writer_module, "monotonic_ns", lambda: now[0])
    return now


def fail_writes_after(monkeypatch, allowed_bytes: int) -> None:
    """A disk with this much room."""
    room = [allowed_bytes]

    def write_all(descriptor: int, data: bytes) -> None:
        part = bytes(data)[: room[0]]
        room[0] -= len(part)
        os.write(descriptor, part)
        if len(part) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer_module, "write_all", write_all)


def test_a_group_is_synced_at_most_once_in_its_interval_and_not_forgotten(tmp_path, clock):
    writer = JournalWriter(tmp_path / "journal", HEADER, fsync="group")
    first, second, third = sample_commands(3)
    writer.append(first)
    writer.commit()
    assert writer.statistics()["fsyncs"] == 1
    writer.append(second)
    writer.commit()
    writer.append(third)
    writer.commit()
    assert writer.statistics()["fsyncs"] == 1
    assert len(read_journal(tmp_path / "journal").commands) == 3, "the system has them all the same"
    clock[0] += writer_module.GROUP_INTERVAL_NS
    writer.commit()
    writer.commit()
    assert writer.statistics()["fsyncs"] == 2
    writer.close()


def test_always_syncs_what_it_took_before_commit_returns(tmp_path, clock):
    writer = JournalWriter(tmp_path / "journal", HEADER, fsync="always")
    commands = sample_commands(40)
    for number in range(1, 5):
        for command in commands[10 * number - 10 : 10 * number]:
            writer.append(command)
        writer.commit()
        assert writer.statistics()["fsyncs"] == number, "one for all inputs of a turn"
    writer.commit()
    assert writer.statistics()["fsyncs"] == 4, "none when there is nothing new"
    writer.close()


def test_os_leaves_it_to_the_system_until_the_end(tmp_path, clock):
    writer = JournalWriter(tmp_path / "journal", HEADER, fsync="os")
    writer.append(sample_commands(1)[0])
    writer.commit()
    assert writer.statistics()["fsyncs"] == 0
    assert len(read_journal(tmp_path / "journal").commands) == 1
    writer.finish(FINAL)
    assert writer.statistics()["fsyncs"] == 1


def test_pending_records_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(writer_module, "PENDING_LIMIT_BYTES", 10 * RECORD_BYTES)
    writer = JournalWriter(tmp_path / "journal", HEADER)
    for command in sample_commands(25):
        writer.append(command)
        assert writer.statistics()["pending_bytes"] <= 10 * RECORD_BYTES
    assert len(read_journal(tmp_path / "journal").commands) == 20
    writer.close()


def test_a_segment_has_64_mib_unless_one_says_otherwise(tmp_path):
    writer = JournalWriter(tmp_path / "journal", HEADER)
    assert writer.statistics()["segment_bytes_limit"] == 64 * 1024 * 1024
    writer.close()


@pytest.mark.parametrize("room", [0, 1, RECORD_BYTES - 1, RECORD_BYTES, 2 * RECORD_BYTES + 40])
def test_a_full_disk_leaves_the_whole_records(tmp_path, monkeypatch, room):
    path = tmp_path / "journal"
    writer = JournalWriter(path, HEADER)
    fail_writes_after(monkeypatch, room)
    for command in sample_commands(4):
        writer.append(command)
    with pytest.raises(RecordingFailed, match="No space left"):
        writer.commit()
    contents = read_journal(path)
    assert len(contents.commands) == room // RECORD_BYTES
    assert contents.torn is None
    assert not is_locked(path)
    with pytest.raises(RecordingFailed, match="closed"):
        writer.append(sample_commands(5)[4])


def test_a_failed_fsync_ends_the_journal(tmp_path, monkeypatch):
    writer = JournalWriter(tmp_path / "journal", HEADER)

    def fsync(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(writer_module.os, "fsync", fsync)
    writer.append(sample_commands(1)[0])
    with pytest.raises(RecordingFailed, match=r"Input/output error"):
        writer.commit()
    with pytest.raises(RecordingFailed, match="closed"):
        writer.finish(FINAL)


def test_a_journal_is_never_written_over_another(tmp_path):
    JournalWriter(tmp_path / "journal", HEADER).close()
    with pytest.raises(RecordingFailed, match="exists"):
        JournalWriter(tmp_path / "journal", HEADER)


def test_a_closed_journal_is_not_locked(tmp_path):
    writer = JournalWriter(tmp_path / "journal", HEADER)
    assert is_locked(tmp_path / "journal")
    writer.close()
    assert not is_locked(tmp_path / "journal")
    assert not is_locked(tmp_path / "nothing")


def test_a_replaced_file_is_old_or_new(tmp_path, monkeypatch):
    target = tmp_path / "run.yaml"
    replace_atomically(target, b"old")

    def fsync(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("engine.journal.durable.os.fsync", fsync)
    with pytest.raises(OSError, match="full"):
        replace_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target], "half a file is not left behind"
