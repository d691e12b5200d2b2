"""A real file system without room: the recorder keeps what is there and can begin again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_MS
from engine.core.types import Command, CommandKind, StormKind
from engine.journal import read_journal
from engine.recording.recorder import Recorder
from engine.recording.run_directory import list_runs
from engine.recording.verify import verify_run
from tests.recording.fake_session import FakeHost, build_fake
from tests.recording.small_disk import make_room, small_disk

SIZE_BYTES = 1 << 20


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", SIZE_BYTES, free_bytes=96 * 1024) as path:
        yield path


def record_until_full(host: FakeHost, recorder: Recorder, *, inputs: int) -> None:
    for turn in range(2_000):
        if recorder.error is not None:
            return
        host.put(*(Command(CommandKind.SUBMIT, account=1, order_id=n, qty_lots=turn) for n in range(inputs)))
        if turn % 30 == 0:
            host.storm(StormKind.CRASH)
        host.sample(1_000.0 - turn)
        host.run(370 * NS_PER_MS)
    raise AssertionError("the disk is never full")


def check_what_is_left(disk: Path, recorder: Recorder) -> None:
    (entry,) = list_runs(disk)
    assert (entry.state, entry.problem) == ("failed", recorder.error)
    contents = read_journal(entry.path / "journal")
    assert contents.torn is None
    result = verify_run(entry.path, build=build_fake)
    assert (result.ok, result.complete, result.first_difference) == (True, False, None)
    assert result.checkpoints_compared == len(contents.checkpoints) > 0
    assert result.notes[-1].startswith(f"recording stopped: {recorder.error}")


@pytest.mark.parametrize("inputs", [0, 3, 300])
def test_a_recording_stops_when_the_disk_is_full_and_the_next_one_works_when_it_is_not(
    disk, host, header, inputs
):
    heard: list[str] = []
    recorder = host.record(disk, header, on_failure=heard.append)
    record_until_full(host, recorder, inputs=inputs)
    assert heard == [recorder.error]
    assert "No space left on device" in recorder.error
    assert not recorder.active
    check_what_is_left(disk, recorder)
    inputs_before = host.session.input_count
    host.sample(10.0)
    host.run(3_000 * NS_PER_MS)
    assert host.session.input_count == inputs_before + 1, "the market goes on"
    make_room(disk)
    again = host.record(disk, header)
    host.run(3_000 * NS_PER_MS)
    host.stop()
    assert again.error is None
    newest, failed = list_runs(disk)
    assert (newest.state, failed.state) == ("complete", "failed")
    result = verify_run(newest.path, build=build_fake)
    assert (result.ok, result.complete) == (True, True)


def test_a_disk_that_is_full_in_the_last_moment_leaves_a_failed_run(disk, host, header):
    recorder = host.record(disk, header)
    host.run(3_000 * NS_PER_MS)
    with pytest.raises(OSError, match="No space"):
        (disk / "filler").write_bytes(bytes(SIZE_BYTES))
    for _ in range(60):
        host.put(Command(CommandKind.SUBMIT, account=1))
    host.stop()
    assert recorder.error is not None
    check_what_is_left(disk, recorder)


def test_a_recording_that_cannot_begin_takes_no_room(tmp_path, host, header):
    with small_disk(tmp_path / "disk", SIZE_BYTES, free_bytes=12 * 1024) as disk:
        recorder = host.record(disk, header)
        assert "No space left on device" in recorder.error
        assert [path.name for path in disk.iterdir()] == ["ballast"]
        make_room(disk)
        host.record(disk, header)
        host.run(2_000 * NS_PER_MS)
        host.stop()
        assert verify_run(list_runs(disk)[0].path, build=build_fake).complete
