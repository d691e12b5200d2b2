"""The live host: storms at their times, recordings, the target."""

from __future__ import annotations

from pathlib import Path

import pytest

import engine.journal.writer as writer_module
from engine.core.clock import NS_PER_S
from engine.core.types import ALL_ACCOUNTS, Account, GateAction, StormKind, TimeInForce
from engine.host import SessionHost
from engine.inputs import storm_command
from engine.journal import read_journal
from engine.rebuild import rebuild_session
from engine.recording.recompute import replay_inputs
from engine.recording.rows import read_json_lines
from engine.recording.run_directory import RunDirectory
from engine.recording.verify import verify_run
from engine.session import Session
from engine.storms import StormRequest
from engine.target.contract import TargetSample, TargetStatus
from tests.host.hosts import live

DESK = int(Account.DESK)
UNREACHABLE = TargetStatus("unreachable", "nobody listens there")


def polled(equity: float, trades: int = 3) -> TargetStatus:
    sample = TargetSample(
        equity_millionths=round(equity * 1e6), currency="USD", total_trades=trades, wins=2, losses=1, bot="b"
    )
    return TargetStatus("ok", sample=sample)


# -- storms at their times, recordings ----------------------------------------------------------------------


def test_scheduled_storms_begin_at_their_exact_times(tmp_path):
    times = (0, 1, 1_234_567_891, 1_234_567_891, 3 * NS_PER_S)
    storms = tuple(
        StormRequest(kind, 0.5, 5, start_ns=start_ns)
        for kind, start_ns in zip(StormKind, times, strict=False)
    )
    host = live(tmp_path, storms=tuple(reversed(storms)), until_ns=9 * NS_PER_S, record=True)
    host.run_to_end()
    started = {e.kind: e.time_ns for e in host.session.storms.log if e.started}
    assert started == {kind: start_ns + 1 for kind, start_ns in zip(StormKind, times, strict=False)}
    assert host.recorder is not None
    assert verify_run(Path(host.recorder.path), build=rebuild_session).ok


def test_switches_of_the_gate_are_inputs_and_lines_of_the_run(tmp_path):
    host = live(tmp_path, until_ns=3 * NS_PER_S, record=True)
    host.submit_order(DESK, 0, 1, 1, client_id=1)
    host.throw_gate(GateAction.KILL, ALL_ACCOUNTS)
    host.throw_gate(GateAction.RESET, DESK)
    host.run_to_end()
    assert host.recorder is not None
    run = RunDirectory(Path(host.recorder.path))
    rows = [row for row in read_json_lines(run.events_path, allow_torn=False) if row["type"] == "gate"]
    assert [(row["account"], row["what"]) for row in rows] == [("everybody", "kill"), ("me", "reset")]
    assert host.session.gatekeeper.is_killed(Account.TARGET)
    assert not host.session.gatekeeper.is_killed(DESK)
    assert verify_run(run.path, build=rebuild_session).ok


def test_a_storm_of_severity_nought_leaves_the_market_as_it_was(tmp_path):
    def digest(*storms: StormRequest) -> int:
        host = live(tmp_path, storms=storms, until_ns=8 * NS_PER_S)
        host.run_to_end()
        return host.session.event_digest

    calm = digest()
    assert digest(StormRequest(StormKind.CRASH, 0.0, 5, start_ns=NS_PER_S)) == calm
    assert digest(StormRequest(StormKind.CRASH, 0.8, 5, start_ns=NS_PER_S)) != calm


def test_a_recorded_run_verifies_and_replays_to_the_same_digests(tmp_path):
    storm = StormRequest(StormKind.CRASH, 0.9, 5, start_ns=2 * NS_PER_S + 17)
    host = live(
        tmp_path, target_agent=True, target="agent", storms=(storm,), record=True, until_ns=9 * NS_PER_S
    )
    host.submit_order(DESK, 0, 0, 5, TimeInForce.IOC, 1)
    reached = []
    host.run_to_end(progress=lambda now_ns, _end_ns: reached.append(now_ns))
    assert reached == sorted(reached)
    assert reached[-1] == 9 * NS_PER_S
    assert host.recorder is not None
    run = Path(host.recorder.path)
    result = verify_run(run, build=rebuild_session)
    assert (result.ok, result.complete, result.first_difference) == (True, True, None)
    contents = read_journal(RunDirectory(run).journal_path)
    session = rebuild_session(contents.header)
    replay_inputs(session, contents.commands, 9 * NS_PER_S)
    assert session.event_digest == host.session.event_digest
    assert session.reports(DESK, 0) == host.reports(DESK, 0)
    assert host.verdict.verdict in ("TARGET_INTACT", "TARGET_DAMAGED", "TARGET_KILLED")


def test_a_recording_that_starts_late_holds_all_inputs_from_the_beginning(tmp_path):
    host = live(tmp_path, until_ns=6 * NS_PER_S)
    host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, 1)
    host.advance_to(2 * NS_PER_S + 5)
    host.start_storm(StormKind.IGNITION, 0.7, 5)
    host.advance_to(3 * NS_PER_S)
    host.start_recording()
    host.advance_to(4 * NS_PER_S)
    host.start_recording()
    frame = host.advance_to(5 * NS_PER_S)
    assert "being recorded already" in frame.host.notice
    assert frame.host.recording.active
    host.stop_recording()
    host.stop_recording()
    frame = host.advance_to(5 * NS_PER_S + 1)
    assert "nothing is being recorded" in frame.host.notice
    assert frame.host.last_verdict.verdict == "UNKNOWN"
    assert verify_run(Path(frame.host.recording.path), build=rebuild_session).ok


def test_every_recording_of_a_session_verifies(tmp_path):
    host = live(tmp_path, until_ns=9 * NS_PER_S)
    paths = []
    for second in range(1, 7):
        host.toggle_recording()
        paths.append(host.advance_to(second * NS_PER_S).host.recording.path)
        if second == 3:
            host.start_storm(StormKind.CANCEL, 0.5, 5)
    host.run_to_end()
    for path in sorted(set(paths)):
        result = verify_run(Path(path), build=rebuild_session)
        assert result.ok, result.first_difference
    assert len(set(paths)) == 3


def test_stopping_the_host_ends_the_recording(tmp_path):
    host = live(tmp_path, record=True)
    host.advance_to(2 * NS_PER_S + 1)
    host.stop()
    assert host.recorder is not None
    result = verify_run(Path(host.recorder.path), build=rebuild_session)
    assert (result.ok, result.complete) == (True, True)


def test_a_groups_fsync_is_not_forgotten_while_nothing_happens(tmp_path, monkeypatch):
    now = [10**12]
    monkeypatch.setattr(writer_module, "monotonic_ns", lambda: now[0])
    host = live(tmp_path, record=True)
    host.turn()
    host.pause()

    def fsyncs_after(ms: int) -> int:
        now[0] += ms * 1_000_000
        host.turn()
        assert host.recorder is not None
        assert host.recorder._journal is not None
        return host.recorder._journal.statistics()["fsyncs"]

    before = fsyncs_after(100)
    host.cancel_all(DESK)
    assert fsyncs_after(0) == before + 1
    host.cancel_all(DESK)
    assert [fsyncs_after(ms) for ms in (1, 18, 1, 50)] == [before + 1, before + 1, before + 2, before + 2]
    host.stop()


def test_a_recording_is_as_durable_as_it_was_asked_to_be(tmp_path):
    for policy in ("always", "group", "os"):
        host = live(tmp_path / policy, record=True, fsync=policy)
        host.advance_to(NS_PER_S)
        host.stop()
        assert host.recorder is not None
        assert RunDirectory(Path(host.recorder.path)).read_summary()["fsync"] == policy


# -- the target ----------------------------------------------------------------------------------------------


def with_answers(tmp_path: Path, last: TargetStatus, *, first: TargetStatus, **options) -> SessionHost:
    """A recorded host whose target says `first` at the start, and `last` whenever it is asked."""
    host = live(
        tmp_path, target="http://127.0.0.1:9", record=True, until_ns=4 * NS_PER_S,
        on_poll_wanted=None, **options,
    )  # fmt: skip
    host.set_target(first)
    host.advance_to(NS_PER_S)
    host.want_polls(lambda: host.set_target(last))
    host.run_to_end()
    return host


def test_an_unreachable_target_gives_an_unknown_verdict_and_disturbs_nothing(tmp_path):
    host = with_answers(tmp_path, UNREACHABLE, first=polled(10_000))
    assert host.verdict.verdict == "UNKNOWN"
    assert host.verdict.bot_unreachable
    assert host.verdict.reason.startswith("bot_unreachable")
    view = host.frame().host.target
    assert (view.status, view.detail, view.equity) == ("unreachable", "nobody listens there", 10_000.0)
    assert host.recorder is not None
    assert verify_run(Path(host.recorder.path), build=rebuild_session).ok
    alone = Session(host.config)
    alone.advance(4 * NS_PER_S)
    assert alone.event_digest == host.session.event_digest


@pytest.mark.parametrize(
    ("equity", "verdict"),
    [
        (9_990, "TARGET_INTACT"),
        (9_989.99, "TARGET_DAMAGED"),
        (9_899.99, "TARGET_KILLED"),
        (10_500, "TARGET_INTACT"),
    ],
)
def test_the_verdict_follows_the_targets_own_words(tmp_path, equity, verdict):
    host = with_answers(tmp_path, polled(equity), first=polled(10_000))
    assert host.verdict.verdict == verdict
    assert host.frame().host.last_verdict.verdict == verdict
    assert host.frame().host.target.equity == equity


def test_a_target_that_never_answered_is_unknown(tmp_path):
    host = with_answers(tmp_path, UNREACHABLE, first=UNREACHABLE)
    assert host.verdict.verdict == "UNKNOWN"
    assert host.frame().host.target.equity is None


def test_storms_ask_for_a_fresh_sample(tmp_path):
    asked = []
    host = live(tmp_path, on_poll_wanted=lambda: asked.append(True))
    host.start_storm(StormKind.CRASH, 0.5, 5)
    host.advance_to(NS_PER_S)
    host.stop_storms()
    host.advance_to(2 * NS_PER_S)
    assert len(asked) == 2


def test_storm_commands_of_a_host_are_those_of_its_requests(tmp_path):
    host = live(tmp_path, record=True)
    host.start_storm(StormKind.LATARB, 0.25, 7, 99)
    host.advance_to(NS_PER_S)
    host.stop()
    assert host.recorder is not None
    contents = read_journal(RunDirectory(Path(host.recorder.path)).journal_path)
    wanted = storm_command(StormRequest(StormKind.LATARB, 0.25, 7, 99))
    assert wanted in [c._replace(time_ns=0, sequence=0) for c in contents.commands]
