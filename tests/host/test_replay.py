"""The replay host: the recorded session again, forwards and backwards, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Account, StormKind, TimeInForce
from engine.host import LiveOptions, ReplayHost, SessionHost, snapshots
from engine.journal import find_torn_tail, read_journal
from engine.journal.records import Checkpoint
from engine.recording.recompute import take_checkpoint
from engine.recording.run_directory import RunDirectory
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.storms import StormRequest

END_NS = 26 * NS_PER_S
FROM_NS = 3 * NS_PER_S


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run with storms, orders and an agent as target, recorded from 3 s to 26 s."""
    storms = tuple(
        StormRequest(kind, 0.8, 8, start_ns=start_ns)
        for kind, start_ns in ((StormKind.CANCEL, 2 * NS_PER_S), (StormKind.CRASH, 9 * NS_PER_S + 77))
    )
    host = SessionHost(
        SessionConfig(load_scenario("minimal"), seed=8, target_agent=True),
        LiveOptions(
            runs_root=tmp_path_factory.mktemp("runs"),
            speed=None,
            target="agent",
            storms=storms,
            until_ns=END_NS,
        ),
    )
    host.submit_order(Account.DESK, 0, 9_000, 3, TimeInForce.GTC, 1)
    host.advance_to(FROM_NS)
    host.start_recording()
    host.submit_order(Account.DESK, 1, 0, 3, TimeInForce.IOC, 2)
    host.run_to_end()
    assert host.recorder is not None
    return Path(host.recorder.path)


@pytest.fixture(scope="module")
def checkpoints(run) -> dict[int, Checkpoint]:
    contents = read_journal(RunDirectory(run).journal_path)
    return {checkpoint.time_ns: checkpoint for _, checkpoint in contents.checkpoints}


def go(host: ReplayHost, time_ns: int) -> int:
    host.seek(time_ns)
    host.pause()
    host.turn()
    return host.session.now_ns


def test_a_replay_begins_where_the_recording_began(run):
    host = ReplayHost(run)
    frame = host.frame()
    assert frame.market.time_ns == FROM_NS
    assert (frame.host.mode, frame.host.end_ns, frame.host.speed) == ("replay", END_NS, 1.0)
    assert frame.host.recording.since_ns == FROM_NS
    assert not frame.host.recording.active
    assert host.complete


def test_every_recorded_checkpoint_is_met_forwards_backwards_and_at_random(run, checkpoints):
    host = ReplayHost(run)
    times = sorted(checkpoints)
    assert len(times) >= 23
    shuffled = [times[i * 11 % len(times)] for i in range(len(times))]
    for time_ns in [*times, *reversed(times), *shuffled]:
        assert go(host, time_ns) == time_ns
        assert take_checkpoint(host.session) == checkpoints[time_ns]
    assert host.frame().host.notice is None


def test_any_moment_is_the_same_from_either_side(run):
    forward, back = ReplayHost(run), ReplayHost(run)
    go(back, END_NS)
    for time_ns in (NS_PER_S // 3, 9 * NS_PER_S + 78, 15 * NS_PER_S + 1, 20 * NS_PER_S + 1):
        go(forward, time_ns)
        go(back, END_NS)
        go(back, time_ns)
        assert take_checkpoint(forward.session) == take_checkpoint(back.session)
        left, right = forward.frame(), back.frame()
        assert left.market.kpis == right.market.kpis
        assert left.market.agents == right.market.agents
        assert left.market.storms == right.market.storms
        assert left.host.target._replace(age_ms=None, equity_series=None) == right.host.target._replace(
            age_ms=None, equity_series=None
        )
        assert left.host.target.equity_series.tolist() == right.host.target.equity_series.tolist()
        assert left.host.verdict == right.host.verdict


@pytest.mark.parametrize(("asked", "reached"), [(-5, 0), (0, 0), (END_NS, END_NS), (END_NS * 2, END_NS)])
def test_seeking_stops_at_the_ends(run, asked, reached):
    host = ReplayHost(run)
    assert go(host, asked) == reached
    assert host.ended is (reached == END_NS)
    go(host, 5 * NS_PER_S)
    assert not host.ended


def test_it_steps_both_ways_while_paused(run, wall):
    host = ReplayHost(run)
    host.pause()
    for ns, reached in ((NS_PER_S, 4 * NS_PER_S), (-2 * NS_PER_S, 2 * NS_PER_S), (7, 2 * NS_PER_S + 7)):
        host.step(ns)
        host.turn()
        assert host.session.now_ns == reached


def test_it_plays_at_its_speed_and_ends_by_itself(run, wall):
    host = ReplayHost(run)
    host.set_speed(10.0)
    host.turn()
    for _ in range(10):
        wall.pass_ms(10)
        host.turn()
    assert host.session.now_ns == FROM_NS + NS_PER_S
    host.set_speed(None)
    for _ in range(100):
        host.turn()
    assert host.ended
    assert host.session.now_ns == END_NS
    wall.pass_ms(1_000)
    host.turn()
    assert host.frame().host.state == "ended"


def test_the_verdict_at_the_end_is_the_recorded_one(run):
    host = ReplayHost(run)
    go(host, END_NS)
    summary = RunDirectory(run).read_summary()
    assert host.frame().host.verdict.verdict == summary["verdict"]


def test_a_replay_takes_no_orders_storms_or_recordings(run):
    host = ReplayHost(run)
    for refused in (
        lambda: host.submit_order(Account.DESK, 0, 1, 1),
        lambda: host.cancel_order(Account.DESK, 1),
        lambda: host.cancel_all(Account.DESK),
    ):
        with pytest.raises(UsageError, match="replay"):
            refused()
    for request in (
        lambda: host.start_storm(StormKind.CRASH, 0.5, 10),
        host.stop_storms,
        host.toggle_recording,
        host.start_recording,
        host.stop_recording,
    ):
        request()
        host.pause()
        host.turn()
        assert host.frame().host.notice
    assert list(host.session.storms.active) == [StormKind.CANCEL], "the recorded one goes on"


def test_a_market_that_differs_from_its_record_is_told_once(run, checkpoints):
    host = ReplayHost(run)
    at_ns = 6 * NS_PER_S
    host._checkpoints[at_ns] = host._checkpoints[at_ns]._replace(event_digest=1)
    host._checkpoints[at_ns + NS_PER_S] = host._checkpoints[at_ns + NS_PER_S]._replace(event_count=1)
    go(host, 12 * NS_PER_S)
    assert "differs from the record at 6.000 s" in host.frame().host.notice
    differing = [a for a in host.frame().market.alerts if "differs" in a.text]
    assert len(differing) == 1


@pytest.mark.parametrize("work", [500, 5_000])
def test_few_snapshots_serve_as_well_as_many(run, checkpoints, monkeypatch, work):
    monkeypatch.setattr(snapshots, "WORK_BETWEEN", work)
    host = ReplayHost(run)
    go(host, END_NS)
    assert host._snapshots.statistics()["snapshots"] > 1
    for time_ns in sorted(checkpoints, reverse=True):
        go(host, time_ns)
        assert take_checkpoint(host.session) == checkpoints[time_ns]


def test_a_run_cut_off_by_a_kill_replays_up_to_what_is_durable(run, tmp_path):
    copy = tmp_path / run.name
    for file in [f for f in run.rglob("*") if f.is_file()]:
        target = copy / file.relative_to(run)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    segment = sorted((copy / "journal").iterdir())[-1]
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) * 2 // 3])
    host = ReplayHost(copy)
    assert not host.complete
    end_ns = host.frame().host.end_ns
    assert FROM_NS < end_ns < END_NS
    assert go(host, END_NS) == end_ns
    torn = find_torn_tail(copy / "journal")
    assert torn is not None
    assert f"{torn.bytes} bytes cut off at byte {torn.offset}" in host.frame().host.notice
    assert "the recording was cut off: this replay ends at" in host.frame().host.notice
    told = [alert.text for alert in ReplayHost(copy).frame().market.alerts]
    assert str(torn) in told
