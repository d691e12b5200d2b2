"""The live host: pace, requests, recordings. Wall time is moved by hand; nothing sleeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError, UsageError
from engine.core.types import Account, StormKind, TimeInForce
from engine.host import LiveOptions, SessionHost, paced
from engine.journal import read_journal
from engine.rebuild import rebuild_session
from engine.recording.recompute import replay_inputs
from engine.recording.run_directory import RunDirectory
from engine.recording.verify import verify_run
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig, storm_command
from engine.storms import StormRequest
from engine.target.contract import TargetSample, TargetStatus

DESK = int(Account.DESK)
UNREACHABLE = TargetStatus("unreachable", "nobody listens there")


def live(tmp_path: Path, *, seed: int = 4, target_agent: bool = False, **options) -> SessionHost:
    config = SessionConfig(load_scenario("minimal"), seed=seed, target_agent=target_agent)
    return SessionHost(config, LiveOptions(**{"runs_root": tmp_path, "speed": None} | options))


def polled(equity: float, trades: int = 3) -> TargetStatus:
    sample = TargetSample(
        equity_millionths=round(equity * 1e6), currency="USD", total_trades=trades, wins=2, losses=1, bot="b"
    )
    return TargetStatus("ok", sample=sample)


def turn(host: SessionHost, wall, ms: float = 10, times: int = 1) -> int:
    """Let wall time pass in steps of ms; session time afterwards."""
    for _ in range(times):
        wall.pass_ms(ms)
        host.turn()
    return host.session.now_ns


# -- pace --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("speed", [0.1, 0.5, 1.0, 20.0])
def test_session_time_follows_wall_time_at_its_speed(tmp_path, wall, speed):
    host = live(tmp_path, speed=speed)
    assert turn(host, wall, 10, times=50) == pytest.approx(0.5 * speed * NS_PER_S, rel=1e-6)
    assert host.frame().host.achieved_speed == pytest.approx(speed, rel=0.05)


def test_a_changed_speed_counts_from_the_change(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.turn()
    first_ns = turn(host, wall, 100)
    host.set_speed(10.0)
    host.turn()
    assert turn(host, wall, 100) - first_ns == NS_PER_S
    assert host.frame().host.speed == 10.0


def test_time_stands_while_paused_and_does_not_catch_up(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.pause()
    host.turn()
    stood_ns = host.session.now_ns
    assert turn(host, wall, 1_000, times=5) == stood_ns
    assert host.frame().host.state == "paused"
    host.resume()
    host.turn()
    assert turn(host, wall, 20) - stood_ns == 20 * NS_PER_MS
    host.toggle_pause()
    host.turn()
    assert turn(host, wall, 20) - stood_ns == 20 * NS_PER_MS


def test_a_step_advances_a_paused_session_by_exactly_that_much(tmp_path, wall):
    host = live(tmp_path)
    host.pause()
    host.step(250 * NS_PER_MS)
    host.turn()
    assert host.session.now_ns == 250 * NS_PER_MS
    host.step(0)
    host.turn()
    assert host.session.now_ns == 250 * NS_PER_MS + 1


def test_a_step_of_a_running_session_is_refused_with_words(tmp_path, wall):
    host = live(tmp_path, speed=1.0)
    host.step(NS_PER_S)
    host.turn()
    assert host.session.now_ns < NS_PER_S
    assert "pause first" in host.frame().host.notice


def test_a_lost_second_is_given_up_and_not_chased(tmp_path, wall, monkeypatch):
    """A machine that slept: the pace is taken up anew instead of running behind for ever."""
    host = live(tmp_path, speed=1.0)
    host.turn()
    ticking = iter(range(10**9))
    monkeypatch.setattr(paced, "monotonic_ns", lambda: wall.now_ns + next(ticking) * 5 * NS_PER_MS)
    wall.pass_ms(60_000)
    host.turn()
    reached_ns = host.session.now_ns
    assert reached_ns < NS_PER_S
    host.turn()
    assert host.session.now_ns - reached_ns < NS_PER_S


@pytest.mark.parametrize("speed", [0.0999, 1000.1, 0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_out_of_range_is_refused_at_the_door(tmp_path, speed):
    host = live(tmp_path)
    with pytest.raises(UsageError, match="speed"):
        host.set_speed(speed)
    with pytest.raises(UsageError, match="speed"):
        live(tmp_path, speed=speed)
    for legal in (0.1, 1000.0, None):
        host.set_speed(legal)


def test_speed_and_slices_do_not_change_the_market(tmp_path, wall):
    digests = set()
    for speed, ms in ((1.0, 1), (1.0, 33), (100.0, 7), (None, 1)):
        host = live(tmp_path, speed=speed, until_ns=3 * NS_PER_S)
        while not host.ended:
            turn(host, wall, ms)
        turn(host, wall, 100)
        assert host.session.now_ns == 3 * NS_PER_S
        assert host.frame().host.state == "ended"
        digests.add((host.session.event_digest, host.session.book_digest()))
    assert len(digests) == 1


def test_an_ended_session_stands(tmp_path, wall):
    host = live(tmp_path, until_ns=NS_PER_S)
    host.run_to_end()
    host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, 1)
    assert turn(host, wall, 100, times=3) == NS_PER_S


# -- requests ----------------------------------------------------------------------------------------------


def test_a_full_queue_refuses_and_counts(tmp_path, wall, monkeypatch):
    monkeypatch.setattr(paced, "REQUESTS_LIMIT", 3)
    host = live(tmp_path)
    taken = [host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, n) for n in range(1, 6)]
    assert taken == [True, True, True, False, False]
    assert not host.cancel_all(DESK)
    assert host.statistics()["requests"] == {"fill": 3, "limit": 3, "refused": 3}
    host.turn()
    assert host.frame().host.dropped == 3
    assert host.session.input_count == 3
    assert host.submit_order(DESK, 0, 9_000, 1, TimeInForce.GTC, 9)


@pytest.mark.parametrize(
    ("severity", "duration_s", "seed"),
    [(1.01, 10, 0), (-0.1, 10, 0), (float("nan"), 10, 0), (0.5, 4.9, 0), (0.5, 121, 0), (0.5, 10, -1)],
)
def test_a_bad_storm_is_refused_at_the_door(tmp_path, severity, duration_s, seed):
    host = live(tmp_path)
    with pytest.raises(StormError):
        host.start_storm(StormKind.CRASH, severity, duration_s, seed)
    bad = StormRequest(StormKind.CRASH, severity, duration_s, seed)
    with pytest.raises(StormError):
        live(tmp_path, storms=(bad,))
    host.turn()
    assert host.session.input_count == 0


@pytest.mark.parametrize(
    "change",
    [{"side": 2}, {"tif": 9}, {"account": 16}, {"account": 0}, {"price_ticks": 1 << 64}, {"client_id": -1}],
)
def test_what_can_be_no_order_is_refused_at_the_door_and_never_journaled(tmp_path, change):
    host = live(tmp_path, record=True)
    good = {"account": DESK, "side": 0, "price_ticks": 9_000, "qty_lots": 1, "tif": 0, "client_id": 1}
    before = host.session.input_count
    with pytest.raises(UsageError):
        host.submit_order(**(good | change))
    host.turn()
    assert host.session.input_count == before
    host.stop()


def test_requests_of_one_turn_are_accepted_at_one_time_in_their_order(tmp_path, wall):
    host = live(tmp_path)
    host.advance_to(NS_PER_S)
    for client_id in range(1, 5):
        host.submit_order(DESK, 0, 9_000 + client_id, 1, TimeInForce.GTC, client_id)
    host.advance_to(2 * NS_PER_S)
    reports = host.reports(DESK, 0)
    assert [(r.sequence, r.client_id) for r in reports] == [(n, n) for n in range(1, 5)]
    assert len({r.time_ns for r in reports}) == 1
    host.cancel_order(DESK, 2)
    host.cancel_all(DESK)
    host.advance_to(3 * NS_PER_S)
    assert [r.client_id for r in host.reports(DESK, 4)] == [2, 1, 3, 4]


def test_a_live_market_cannot_be_sought(tmp_path, wall):
    host = live(tmp_path)
    host.seek(0)
    host.turn()
    assert "cannot be sought" in host.frame().host.notice


def test_markers_and_acknowledged_alerts_reach_the_frame(tmp_path, wall):
    host = live(tmp_path)
    host.add_marker("x" * 100)
    host.session.alerts.note(time_ns=0, severity="info", text="look")
    host.acknowledge_alerts()
    host.turn()
    view = host.advance_to(NS_PER_S).market
    assert [(m.kind, m.label) for m in view.markers] == [("user", "x" * 40)]
    assert [a.acknowledged for a in view.alerts] == [True]


def test_frames_are_numbered_and_come_at_most_at_their_rate(tmp_path, wall):
    host = live(tmp_path, speed=1.0, frame_hz=20.0)
    host.turn()
    numbers = []
    for _ in range(100):
        turn(host, wall, 10)
        numbers.append(host.frame().number)
    assert numbers == sorted(numbers)
    assert 15 <= numbers[-1] - numbers[0] <= 21


def test_a_defect_in_the_engine_leaves_a_frame_that_says_so(tmp_path, monkeypatch):
    host = live(tmp_path)

    def broken(_until_ns: int) -> int:
        raise RuntimeError("out of order")

    monkeypatch.setattr(host.session, "advance", broken)
    host._run()
    frame = host.frame()
    assert frame.host.state == "failed"
    assert host.failure == "RuntimeError: out of order"
    assert "out of order" in frame.market.alerts[-1].text


def test_the_engine_thread_starts_and_stops(tmp_path):
    host = live(tmp_path, until_ns=NS_PER_S)
    host.run_thread()
    host.stop()
    host.stop()
    assert host.failure is None


# -- storms at their times, recordings ----------------------------------------------------------------------


def test_scheduled_storms_begin_at_their_exact_times(tmp_path):
    times = (0, 1, 1_234_567_891, 1_234_567_891, 3 * NS_PER_S)
    storms = tuple(
        StormRequest(kind, 0.5, 5, start_ns=start_ns) for kind, start_ns in zip(StormKind, times, strict=True)
    )
    host = live(tmp_path, storms=tuple(reversed(storms)), until_ns=9 * NS_PER_S, record=True)
    host.run_to_end()
    started = {e.kind: e.time_ns for e in host.session.storms.log if e.started}
    assert started == {kind: start_ns + 1 for kind, start_ns in zip(StormKind, times, strict=True)}
    assert host.recorder is not None
    assert verify_run(Path(host.recorder.path), build=rebuild_session).ok


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
