"""Kills recording processes with SIGKILL and checks what is left: nothing acknowledged is missing.

    python -m tests.recording.crashes --seed 1 --count 1000
    python -m tests.recording.crashes --seed 1 --first 412 --count 1      one of them again

Crash number n of a seed is always the same plan: who records (the journal's writer alone, the recorder over
a small session, the real live host), fsync policy, segment size, inputs per commit, and when it dies. Half of
the processes are killed by their parent, some time after it has heard a number of acknowledgements; the other
half at an exact file operation of theirs: before it, after it, or with a part of the bytes written.

An input is acknowledged where it may have its effect: in `accept`, after `commit` has returned. Processes are
forked from one that has everything imported, so a crash costs milliseconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

from engine.core.clock import monotonic_ns
from engine.core.types import COMMAND_BYTES, Command
from engine.journal import FsyncPolicy, JournalContents, JournalWriter, find_torn_tail, read_journal
from engine.journal.records import PAYLOAD_BYTES, RECORD_BYTES, segment_name
from engine.rebuild import rebuild_session
from engine.recording.rows import read_json_lines
from engine.recording.run_directory import RunEntry, list_runs
from engine.recording.verify import SessionBuilder, verify_run
from tests.journal.journal_data import FINAL
from tests.recording.dying import SUBJECTS, Acknowledgement, die_at_operation
from tests.recording.fake_session import build_fake

SHAPES = ((1, 1), (1, 40), (6, 3), (6, 12_000), (30, 20), (30, 12_000), (200, 100), (200, 12_000))
"""(inputs in one commit at the most, records in a segment)"""
SHARES = {"writer": 40, "recorder": 55, "host": 5}
"""Who dies how often, in percent."""
MESSAGE_BYTES = 1 + COMMAND_BYTES


class Plan(NamedTuple):
    """All that is decided about one crash beforehand."""

    number: int
    subject: str
    fsync: FsyncPolicy
    segment_bytes: int
    batch: int
    """Inputs in one commit, at the most."""
    operation: int | None
    """The process dies at this file operation of its; None = its parent kills it."""
    how: str
    """At that operation: "before", "after" or "within" it."""
    acknowledgements: int
    """The parent waits for that many …"""
    spin_ns: int
    """… and that long."""
    seed: int
    """Of everything that is drawn while it runs."""


def plan_of(seed: int, number: int) -> Plan:
    """The plan of this crash."""
    draw = Random(seed * 1_000_003 + number)
    batch, segment_records = draw.choice(SHAPES)
    commits = draw.randrange(1, 20 if batch < 100 else 6)
    operation = draw.randrange(1, 16) if draw.random() < 0.3 else draw.randrange(1, 4 * commits + 16)
    return Plan(
        number=number,
        subject=draw.choices(list(SHARES), list(SHARES.values()))[0],
        fsync=draw.choice(["always", "group", "os"]),
        segment_bytes=segment_records * RECORD_BYTES,
        batch=batch,
        operation=operation if draw.random() < 0.5 else None,
        how=draw.choice(["before", "after", "within", "within"]),
        acknowledgements=0 if draw.random() < 0.1 else commits * (batch + 1) // 2,
        spin_ns=int(draw.random() ** 3 * 2_000_000),
        seed=draw.getrandbits(32),
    )


class Crash(NamedTuple):
    """What came of one."""

    acknowledged: int
    torn: bool
    segments: int


def crash(plan: Plan, folder: Path) -> Crash:
    """Fork a process that records into `folder`, kill it, check what it left. Raises AssertionError."""
    heard = _fork_and_kill(plan, folder)
    if plan.subject == "writer":
        return _check_journal(plan, folder / "journal", [command for kind, command in heard if kind == b"I"])
    return _check_runs(plan, folder, heard)


def _fork_and_kill(plan: Plan, folder: Path) -> list[tuple[bytes, Command | None]]:
    """Everything that the process acknowledged before it died."""
    receiving, sending = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(receiving)
        _record_until_killed(plan, folder, sending)
    os.close(sending)
    data = b""
    if plan.operation is None:
        while len(data) < plan.acknowledgements * MESSAGE_BYTES and (chunk := os.read(receiving, 1 << 16)):
            data += chunk
        until_ns = monotonic_ns() + plan.spin_ns
        while monotonic_ns() < until_ns:
            pass
        os.kill(process, signal.SIGKILL)
    while chunk := os.read(receiving, 1 << 16):
        data += chunk
    os.close(receiving)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), "the process ended by itself: its traceback stands above"
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert len(data) % MESSAGE_BYTES == 0
    messages = [data[start : start + MESSAGE_BYTES] for start in range(0, len(data), MESSAGE_BYTES)]
    return [(m[:1], Command.unpack(m[1:]) if m[:1] == b"I" else None) for m in messages]


def _record_until_killed(plan: Plan, folder: Path, sending: int) -> None:
    """In the child; never returns."""
    write = os.write

    def acknowledge(kind: bytes, command: Command | None) -> None:
        write(sending, kind + (bytes(COMMAND_BYTES) if command is None else command.pack()))

    heard: Acknowledgement = acknowledge
    try:
        if plan.operation is not None:
            die_at_operation(plan.operation, plan.how, Random(plan.seed))
        SUBJECTS[plan.subject](
            folder,
            heard,
            Random(plan.seed),
            fsync=plan.fsync,
            segment_bytes=plan.segment_bytes,
            batch=plan.batch,
        )
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(3)


# -- what is left ------------------------------------------------------------------------------------------


def _check_runs(plan: Plan, folder: Path, heard: list[tuple[bytes, Command | None]]) -> Crash:
    """Every run that was said to be finished is complete; the last one has what was acknowledged."""
    build: SessionBuilder = build_fake if plan.subject == "recorder" else rebuild_session
    runs = list_runs(folder)[::-1]
    acknowledged: list[Command] = []
    begun = finished = 0
    for kind, command in heard:
        if kind == b"B":
            begun += 1
        elif kind == b"F":
            _check_run(runs[finished], acknowledged, build, complete=True)
            finished += 1
        elif command is not None:
            acknowledged.append(command)
    assert begun <= len(runs) <= begun + 1
    assert finished <= begun <= finished + 1
    if begun == finished:
        return Crash(len(acknowledged), torn=False, segments=1)
    last = runs[finished]
    contents = _check_run(last, acknowledged, build, complete=False)
    segments = len(list((last.path / "journal").iterdir()))
    if not contents.complete:
        _check_reopening(plan, last.path / "journal", contents)
    return Crash(len(acknowledged), contents.torn is not None, segments)


def _check_run(
    run: RunEntry, acknowledged: list[Command], build: SessionBuilder, *, complete: bool
) -> JournalContents:
    contents = _read(run.path / "journal", acknowledged)
    assert run.state in (("complete",) if complete else ("interrupted", "complete")), run
    assert (run.problem is not None) == (contents.torn is not None)
    result = verify_run(run.path, build=build)
    assert result.ok, result.first_difference
    assert result.complete == (run.state == "complete")
    assert result.checkpoints_compared == len(contents.checkpoints)
    ticks = list(read_json_lines(run.path / "ticks.jsonl", allow_torn=True))
    assert len(ticks) == result.ticks_compared, "no tick without its checkpoint"
    assert (contents.torn is None) or str(contents.torn) in result.notes
    return contents


def _check_journal(plan: Plan, path: Path, acknowledged: list[Command]) -> Crash:
    if not acknowledged and not (path / segment_name(0)).exists():
        return Crash(0, torn=False, segments=0)  # it died before there was a journal
    contents = _read(path, acknowledged)
    segments = len(list(path.iterdir()))
    _check_reopening(plan, path, contents)
    return Crash(len(acknowledged), contents.torn is not None, segments)


def _read(path: Path, acknowledged: list[Command]) -> JournalContents:
    contents = read_journal(path)
    assert find_torn_tail(path) == contents.torn
    assert [command.sequence for command in contents.commands] == list(range(1, len(contents.commands) + 1))
    for command in acknowledged:
        assert command.sequence <= len(contents.commands), f"acknowledged, but missing: {command}"
        assert contents.commands[command.sequence - 1].pack() == command.pack(), f"altered: {command}"
    return contents


def _check_reopening(plan: Plan, path: Path, contents: JournalContents) -> None:
    """A torn tail, made where the kill left none, is cut off with a report, and the journal goes on."""
    draw = Random(plan.seed)
    torn = contents.torn
    if torn is None and draw.random() < 0.7:
        with sorted(path.glob("*.journal"))[-1].open("ab") as file:
            part = PAYLOAD_BYTES.to_bytes(4, "little") + draw.randbytes(RECORD_BYTES - 5)
            file.write(part[: draw.randrange(1, RECORD_BYTES)])
        torn = find_torn_tail(path)
        assert torn is not None
    writer = JournalWriter.reopen(path, fsync=plan.fsync, segment_bytes=plan.segment_bytes)
    assert writer.torn == torn
    times = [command.time_ns for command in contents.commands]
    times += [checkpoint.time_ns for _, checkpoint in contents.checkpoints]
    last_ns = max(times, default=0)
    more = [
        Command(kind=1, time_ns=last_ns, sequence=len(contents.commands) + n, order_id=n) for n in range(1, 5)
    ]
    for command in more:
        writer.append(command)
    writer.commit()
    writer.finish(FINAL)
    again = read_journal(path)
    assert (again.commands, again.complete, again.torn) == ([*contents.commands, *more], True, None)


# -- command line ------------------------------------------------------------------------------------------


def main() -> int:
    """Crash, count, print; 1 when something was missing."""
    parser = argparse.ArgumentParser(prog="python -m tests.recording.crashes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first crash")
    parser.add_argument("--count", type=int, default=1_000)
    options = parser.parse_args()
    began_ns, seen, torn, turned, acknowledged = monotonic_ns(), Counter[str](), 0, 0, 0
    for number in range(options.first, options.first + options.count):
        plan = plan_of(options.seed, number)
        folder = Path(tempfile.mkdtemp(prefix="crash-"))
        try:
            left = crash(plan, folder)
        except Exception:
            traceback.print_exc()
            again = f"python -m tests.recording.crashes --seed {options.seed} --first {number} --count 1"
            print(f"{plan}\nleft in {folder}\nonce more: {again}", flush=True)
            return 1
        shutil.rmtree(folder)
        seen.update(
            [plan.subject, f"fsync {plan.fsync}", "by its parent" if plan.operation is None else "by itself"]
        )
        torn += left.torn
        turned += left.segments > 1
        acknowledged += left.acknowledged
    seconds = (monotonic_ns() - began_ns) / 1e9
    print(f"{options.count} kills with seed {options.seed} in {seconds:.1f} s: {dict(sorted(seen.items()))}")
    print(
        f"{acknowledged} acknowledged inputs, none missing; {torn} torn tails, {turned} over several segments"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
