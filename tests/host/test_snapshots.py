"""Snapshots of a recording: taken by work done, used by a replay, and never trusted beyond their hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_S
from engine.core.identity import engine_source_hash
from engine.core.types import StormKind
from engine.host import LiveOptions, ReplayHost, SessionHost, snapshots
from engine.host.snapshots import SnapshotShelf, SnapshotWriter
from engine.journal.snapshot import list_snapshots, write_snapshot
from engine.rebuild import rebuild_session
from engine.recording.recompute import take_checkpoint
from engine.recording.run_directory import RunDirectory
from engine.recording.verify import verify_run
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

END_NS = 20 * NS_PER_S
CONFIG = SessionConfig(load_scenario("minimal"), seed=3, target_agent=True)


def record(runs_root: Path) -> Path:
    host = SessionHost(
        CONFIG,
        LiveOptions(
            runs_root=runs_root,
            speed=None,
            target="agent",
            record=True,
            storms=(StormRequest(StormKind.CRASH, 0.8, 8, start_ns=3 * NS_PER_S),),
            until_ns=END_NS,
        ),
    )
    host.run_to_end()
    assert host.recorder is not None
    assert host.recorder.error is None
    return Path(host.recorder.path)


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(snapshots, "WORK_BETWEEN", 4_000)
    return record(tmp_path)


def kept(run: Path) -> list[tuple[int, Path]]:
    return list_snapshots(RunDirectory(run).snapshots_path)


def test_a_recording_takes_snapshots_by_the_work_done(run):
    times = [time_ns for time_ns, _ in kept(run)]
    assert times, "how many depends on how long the disk takes; that there are some does not"
    assert times == sorted(set(times))
    assert times[-1] <= END_NS


def test_a_quiet_recording_takes_none(tmp_path):
    assert kept(record(tmp_path)) == []


def test_a_replay_goes_on_from_the_runs_snapshots_and_meets_the_same_market(run, monkeypatch):
    host = ReplayHost(run)
    opened: list[int] = []
    latest = SnapshotShelf.latest

    def watched(self, time_ns, *, after_ns):
        image = latest(self, time_ns, after_ns=after_ns)
        if image is not None:
            opened.append(image.time_ns)
        return image

    monkeypatch.setattr(SnapshotShelf, "latest", watched)
    host._seek(END_NS - 1)
    assert opened, "seeking ahead goes on from a snapshot"
    assert opened[0] in [time_ns for time_ns, _ in kept(run)]
    again = ReplayHost(run)
    again._snapshots = SnapshotShelf(run / "nothing")
    again._go_to(END_NS - 1)
    assert take_checkpoint(host.session) == take_checkpoint(again.session)
    ours, theirs = (one.session.market_view()._replace(series=None) for one in (host, again))
    assert ours == theirs


@pytest.mark.parametrize("spoil", [b"", b"garbage", None])
def test_a_spoiled_snapshot_is_told_and_another_one_serves(run, spoil):
    _, path = kept(run)[-1]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] if spoil is None else spoil)
    host = ReplayHost(run)
    host.seek(END_NS)
    host.turn()
    assert host.session.now_ns == END_NS
    assert "not a whole snapshot" in (host.frame().host.notice or "")


def test_verify_compares_snapshots_with_what_it_recomputes(run):
    good = verify_run(run, build=rebuild_session)
    assert good.ok, good.first_difference
    assert good.snapshots_compared == len(kept(run))
    time_ns, first = kept(run)[0]
    other = Session(CONFIG._replace(seed=4))
    other.advance(time_ns)
    write_snapshot(first.parent, other.image(), engine_hash=engine_source_hash())
    bad = verify_run(run, build=rebuild_session)
    assert not bad.ok
    assert first.name in str(bad.first_difference)


def test_a_writer_that_cannot_write_says_so_and_the_market_goes_on(tmp_path):
    folder = tmp_path / "snapshots"
    writer = SnapshotWriter(folder)
    folder.rmdir()
    session = Session(CONFIG)
    writer._due_work = 0
    writer.keep_pace(session)
    writer.close()
    assert writer.error is not None
    assert writer.written == 0
    session.advance(NS_PER_S)
    writer.keep_pace(session)
    assert writer.written == 0, "the first failure ends the writing"
