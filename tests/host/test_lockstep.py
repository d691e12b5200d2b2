"""Lockstep: the session waits for its client: what comes out depends on answers alone, never on wall time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from engine.api import meeting
from engine.client import Desk, DeskError, SeatTaken, Step
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import UsageError
from engine.rebuild import rebuild_session
from engine.recording.verify import verify_run
from tests.host.lockstep_runs import Bot, lockstep_host, run_lockstep

ROOT = Path(__file__).parents[2]


def quote(desk: Desk, step: Step) -> None:
    if step.book.is_two_sided:
        desk.cancel_all()
        desk.buy(step.book.best_bid, 5)
        desk.sell(step.book.best_ask, 5)


def quoting(url: str) -> None:
    with Desk(url) as desk:
        for step in desk.steps():
            quote(desk, step)


def hesitating(url: str) -> None:
    """The same, but each answer waits until another connection has been made and served: a slow client."""
    with Desk(url) as desk:
        for step in desk.steps():
            if step.step % 10 == 0:
                with Desk(url) as onlooker:
                    onlooker.account()
            quote(desk, step)


def watching(steps: list[Step]) -> Bot:
    def watch(url: str) -> None:
        with Desk(url) as desk:
            steps.extend(desk.steps())

    return watch


def raw(url: str, query: str = "?lockstep=1") -> ClientConnection:
    address = url.replace("http", "ws") + "/api/v1/stream" + query
    return connect(address, proxy=None, open_timeout=20, max_size=None)


def receive(stream: ClientConnection, wanted: str) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(stream.recv(timeout=20))
    assert message["type"] == wanted, message
    return message


def test_steps_come_at_every_interval(tmp_path: Path):
    steps: list[Step] = []
    outcome = run_lockstep(lockstep_host(tmp_path, seconds=2, interval_ms=250), watching(steps))
    assert [step.time_ns for step in steps] == [250 * NS_PER_MS * n for n in range(1, 8)]
    assert [step.step for step in steps] == list(range(1, 8))
    assert outcome.host.session.now_ns == 2 * NS_PER_S
    assert outcome.bot_error is None


def test_a_slow_client_and_a_fast_one_make_the_same_run(tmp_path: Path):
    fast = run_lockstep(lockstep_host(tmp_path), quoting)
    slow = run_lockstep(lockstep_host(tmp_path), hesitating)
    assert fast.host.session.exchange.ledger.entry(2).fills > 0
    assert (fast.event_digest, fast.inputs, fast.verdict) == (slow.event_digest, slow.inputs, slow.verdict)
    assert fast.host.session.kept_reports == slow.host.session.kept_reports
    other = run_lockstep(lockstep_host(tmp_path, seed=5), quoting)
    assert other.event_digest != fast.event_digest


def test_two_processes_with_other_hash_seeds_make_the_same_run(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from engine.arena.machine import load; load()\n"
        "from tests.host.test_lockstep import quoting\n"
        "from tests.host.lockstep_runs import lockstep_host, run_lockstep\n"
        "o = run_lockstep(lockstep_host(Path(sys.argv[1]), seconds=2), quoting)\n"
        "print(o.event_digest, o.inputs, o.verdict, o.bot_error)"
    )
    answers = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(tmp_path)]
        answer = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
        assert answer.returncode == 0, answer.stderr
        answers.add(answer.stdout)
    assert len(answers) == 1
    assert "None" in answers.pop()


def test_a_recorded_run_verifies(tmp_path: Path):
    outcome = run_lockstep(lockstep_host(tmp_path, record=True), quoting)
    recorder = outcome.host.recorder
    assert recorder is not None
    assert recorder.error is None
    verification = verify_run(Path(recorder.path), build=rebuild_session)
    assert verification.ok, verification.first_difference
    assert verification.complete
    assert verification.inputs == outcome.inputs
    assert outcome.verdict.verdict in ("TARGET_INTACT", "TARGET_DAMAGED", "TARGET_KILLED")


def test_the_end_tells_what_the_session_came_to(tmp_path: Path):
    endings = []

    def bot(url: str) -> None:
        with Desk(url) as desk:
            for step in desk.steps():
                quote(desk, step)
            endings.append(desk.ending)

    outcome = run_lockstep(lockstep_host(tmp_path, seconds=2), bot)
    (ending,) = endings
    assert ending.event_digest == f"{outcome.event_digest:#018x}"
    assert (ending.verdict, ending.broken) == (outcome.verdict.verdict, None)
    assert ending.account.position_lots == outcome.host.session.exchange.ledger.position(2)


def test_steps_tell_every_report_once_and_what_the_ledger_says(tmp_path: Path):
    sequences: list[int] = []
    positions: list[tuple[int, int]] = []

    def bot(url: str) -> None:
        with Desk(url) as desk:
            for step in desk.steps():
                sequences.extend(report.sequence for report in step.reports)
                positions.append((desk.position_lots, step.account.position_lots))
                quote(desk, step)

    run_lockstep(lockstep_host(tmp_path), bot)
    assert sequences == list(range(1, len(sequences) + 1))
    assert all(known == true for known, true in positions)


def test_on_reports_there_is_a_step_at_each_report(tmp_path: Path):
    moments: list[tuple[int, int]] = []

    def bot(url: str) -> None:
        with Desk(url) as desk:
            desk.lockstep(on_reports=True)
            for step in desk.steps():
                moments.extend((step.time_ns, report.time_ns) for report in step.reports)
                if step.book.is_two_sided and not desk.orders:
                    desk.buy(step.book.best_bid, 5)

    outcome = run_lockstep(lockstep_host(tmp_path, interval_ms=500), bot)
    assert outcome.bot_error is None
    assert moments
    assert all(told == happened for told, happened in moments)
    again = run_lockstep(lockstep_host(tmp_path, interval_ms=500), bot)
    assert again.event_digest == outcome.event_digest


def test_a_client_that_has_seen_enough_ends_the_session(tmp_path: Path):
    def bot(url: str) -> None:
        with Desk(url) as desk:
            for step in desk.steps():
                if step.step == 5:
                    break

    outcome = run_lockstep(lockstep_host(tmp_path), bot)
    assert outcome.host.session.now_ns == 500 * NS_PER_MS
    assert outcome.host.broken is None
    assert outcome.verdict.verdict == "TARGET_INTACT"


def test_a_client_that_fails_breaks_the_run_and_the_verdict(tmp_path: Path):
    def bot(url: str) -> None:
        with Desk(url) as desk:
            for step in desk.steps():
                if step.step == 5:
                    raise ZeroDivisionError

    outcome = run_lockstep(lockstep_host(tmp_path, record=True), bot)
    assert isinstance(outcome.bot_error, ZeroDivisionError)
    assert outcome.host.broken is not None
    assert "left at step 5" in outcome.host.broken
    assert (outcome.verdict.verdict, outcome.verdict.bot_unreachable) == ("UNKNOWN", True)
    assert outcome.host.frame().host.notice == outcome.host.broken
    assert outcome.host.recorder is not None
    verification = verify_run(Path(outcome.host.recorder.path), build=rebuild_session)
    assert verification.ok, verification.first_difference


def test_a_client_that_never_comes_is_not_awaited_for_ever(tmp_path: Path):
    outcome = run_lockstep(lockstep_host(tmp_path, patience_s=0.01), None)
    assert outcome.host.broken is not None
    assert "no client came" in outcome.host.broken


def test_a_client_that_falls_silent_is_given_up_and_told(tmp_path: Path):
    endings = []

    def bot(url: str) -> None:
        with raw(url) as stream:
            receive(stream, "hello")
            receive(stream, "step")
            endings.append(receive(stream, "end"))

    outcome = run_lockstep(lockstep_host(tmp_path, patience_s=0.2), bot)
    assert outcome.bot_error is None
    assert outcome.host.broken is not None
    assert "not answered step 1" in outcome.host.broken
    assert (endings[0]["broken"], endings[0]["verdict"]) == (outcome.host.broken, "UNKNOWN")


def test_a_broken_connection_is_made_again_and_changes_nothing(tmp_path: Path):
    whole = run_lockstep(lockstep_host(tmp_path), quoting)

    def bot(url: str) -> None:
        with Desk(url) as desk:
            for step in desk.steps():
                quote(desk, step)
                if step.step in (7, 20):
                    stream = desk._desk._stream
                    assert stream is not None
                    desk._loop.call_soon_threadsafe(stream.transport.abort)

    broken = run_lockstep(lockstep_host(tmp_path), bot)
    assert broken.bot_error is None
    assert (broken.event_digest, broken.inputs, broken.verdict) == (
        whole.event_digest, whole.inputs, whole.verdict,
    )  # fmt: skip


def test_a_client_that_does_not_come_back_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(meeting, "REJOIN_S", 0.05)

    def bot(url: str) -> None:
        stream = raw(url)
        with stream:
            receive(stream, "hello")
            receive(stream, "step")
            stream.socket.close()

    outcome = run_lockstep(lockstep_host(tmp_path), bot)
    assert outcome.host.broken is not None
    assert "did not come back" in outcome.host.broken


def test_one_client_is_enough(tmp_path: Path):
    refused = []

    def bot(url: str) -> None:
        with Desk(url) as desk:
            for step in desk.steps():
                if step.step == 3:
                    with Desk(url) as second, pytest.raises(SeatTaken) as caught:
                        second.lockstep()
                    refused.append(caught.value.code)

    outcome = run_lockstep(lockstep_host(tmp_path, seconds=1), bot)
    assert outcome.bot_error is None
    assert refused == ["seat_taken"]


def test_orders_of_others_are_refused(tmp_path: Path):
    def bot(url: str) -> None:
        with Desk(url) as desk, Desk(url) as other:
            for step in desk.steps():
                if step.step == 3:
                    with pytest.raises(DeskError, match="lockstep"):
                        other.cancel_all()
                    with pytest.raises(DeskError, match=r"desk\.lockstep"):
                        next(other.books())

    outcome = run_lockstep(lockstep_host(tmp_path, seconds=1), bot)
    assert outcome.bot_error is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("nonsense", "bad_request"),
        ('{"op": "done"}', "bad_request"),
        ('{"op": "done", "step": 2}', "wrong_step"),
        ('{"op": "done", "step": 1, "requests": [{"op": "leave"}]}', "bad_request"),
        (
            '{"op": "done", "step": 1, "requests": [{"op": "cancel_all"}, '
            '{"op": "submit", "side": "buy", "qty_lots": 1, "client_id": 1}]}',
            "bad_request",
        ),
        (b"\xff", "bad_request"),
    ],
)
def test_what_is_no_answer_is_refused_and_the_step_still_waits(
    tmp_path: Path, message: str | bytes, code: str
):
    def bot(url: str) -> None:
        with raw(url) as stream:
            receive(stream, "hello")
            receive(stream, "step")
            stream.send(message)
            error = receive(stream, "error")
            assert (error["code"], error["step"]) == (code, 1)
            stream.send('{"op": "done", "step": 1}')
            assert receive(stream, "step")["step"] == 2
            stream.send('{"op": "finish", "step": 2}')
            receive(stream, "end")

    outcome = run_lockstep(lockstep_host(tmp_path), bot)
    assert outcome.bot_error is None
    assert outcome.inputs == 2  # the first and the last sample


def test_too_many_requests_for_one_step_are_refused(tmp_path: Path):
    def bot(url: str) -> None:
        with raw(url) as stream:
            receive(stream, "hello")
            receive(stream, "step")
            for _ in range(1_001):
                stream.send('{"op": "cancel_all"}')
            assert receive(stream, "error")["code"] == "too_many_requests"
            stream.send('{"op": "done", "step": 1}')
            receive(stream, "step")
            stream.send('{"op": "finish", "step": 2}')
            receive(stream, "end")

    outcome = run_lockstep(lockstep_host(tmp_path), bot)
    assert outcome.bot_error is None
    assert outcome.inputs == 1_002


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"interval_ms": 0.0001}, "too short"),
        ({"target": "demo"}, "wall times"),
        ({"target": "http://x"}, "wall"),
    ],
)
def test_what_cannot_be_in_lockstep_is_refused(tmp_path: Path, change: dict[str, Any], says: str):
    with pytest.raises(UsageError, match=says):
        lockstep_host(tmp_path, **change)


def test_the_venue_takes_no_requests_in_lockstep(tmp_path: Path):
    with pytest.raises(UsageError, match="only the client's answers"):
        lockstep_host(tmp_path).venue.open_account("a key")
