"""Processes that record without end until they are killed: what `crashes` forks.

Each takes (folder, acknowledge, draw) and settings, and calls acknowledge(b"I", command) for an input that
may have its effect, acknowledge(b"B", None) when a run has begun, acknowledge(b"F", None) when it has ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.identity import engine_source_hash
from engine.core.types import Account, Command, CommandKind, StormKind
from engine.host import LiveOptions, SessionHost, live
from engine.journal import Checkpoint, FsyncPolicy, JournalWriter, RunHeader
from engine.recording.recorder import Recorder
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from tests.journal.journal_data import HEADER
from tests.recording.fake_session import FakeHost

Acknowledgement = Callable[[bytes, Command | None], None]

OPERATIONS = ("open", "write", "fsync", "close", "rename", "replace", "ftruncate", "mkdir", "unlink")
RUN_HEADER = RunHeader(
    engine_version="0.1.0",
    source_hash=engine_source_hash(),
    scenario_name="tiny",
    scenario_toml="",
    seed=7,
    target="demo",
    thresholds={"damaged": -10.0, "killed": -100.0},
)
HOST = SessionHost(
    SessionConfig(load_scenario("minimal"), seed=5), LiveOptions(runs_root=Path("runs"), speed=None)
)
"""Built once, forked often."""


def die_at_operation(number: int, how: str, draw: Random) -> None:
    """From now on this process is killed at its file operation with this number, counted from 1; "within"
    waits for the next write, of which a part is done."""
    left = number

    def counted(name: str, operation: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left > 0 or (how == "within" and name != "write"):
            return operation(*arguments, **named)
        try:
            if how == "after":
                operation(*arguments, **named)
            elif how == "within":
                descriptor, data = arguments
                operation(descriptor, bytes(data)[: draw.randrange(len(data) + 1)])
        finally:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in OPERATIONS:
        setattr(os, name, partial(counted, name, getattr(os, name)))


def write_journal_until_killed(
    folder: Path,
    acknowledge: Acknowledgement,
    draw: Random,
    *,
    fsync: FsyncPolicy,
    segment_bytes: int,
    batch: int,
) -> None:
    """The writer alone, now and then closed and reopened."""
    writer = JournalWriter(folder / "journal", HEADER, fsync=fsync, segment_bytes=segment_bytes)
    time_ns = sequence = 0
    while True:
        commands = []
        for _ in range(draw.randint(1, batch)):
            sequence += 1
            commands.append(_any_command(draw, time_ns, sequence))
            writer.append(commands[-1])
        time_ns += draw.randrange(1, 1_000)
        if draw.random() < 0.2:
            writer.checkpoint(Checkpoint(time_ns, sequence, draw.getrandbits(64), draw.getrandbits(64)))
        writer.commit()
        for command in commands:
            acknowledge(b"I", command)
        if draw.random() < 0.03:
            writer.close()
            writer = JournalWriter.reopen(writer.path, fsync=fsync, segment_bytes=segment_bytes)


def record_runs_until_killed(
    folder: Path,
    acknowledge: Acknowledgement,
    draw: Random,
    *,
    fsync: FsyncPolicy,
    segment_bytes: int,
    batch: int,
) -> None:
    """The recorder, run after run, over a small session with ticks, storms and a target."""
    host = FakeHost()
    host.sample(1_000.0)
    host.run(draw.randrange(1, 3_000) * NS_PER_MS)
    host.session.accept = _acknowledged(host.session.accept, acknowledge)
    while True:
        recorder = host.record(folder, RUN_HEADER, fsync=fsync, segment_bytes=segment_bytes)
        assert recorder.error is None, recorder.error
        acknowledge(b"B", None)
        for _ in range(draw.randrange(30)):
            host.put(*(_any_command(draw, 0, 0, kinds=HARMLESS) for _ in range(draw.randint(1, batch))))
            if draw.random() < 0.2:
                host.storm(StormKind(draw.randrange(1, 6)), duration_s=draw.randrange(5, 9))
            if draw.random() < 0.3:
                host.sample(draw.choice([None, 1_000.0 - draw.random()]))
            assert recorder.error is None, recorder.error
            host.run(draw.randrange(1, 2_000) * NS_PER_MS)
        host.stop()
        assert recorder.error is None, recorder.error
        acknowledge(b"F", None)


def host_market_until_killed(
    folder: Path,
    acknowledge: Acknowledgement,
    draw: Random,
    *,
    fsync: FsyncPolicy,
    segment_bytes: int,
    batch: int,
) -> None:
    """The real live host with orders and storms, run after run."""
    host = HOST
    host.options = host.options._replace(runs_root=folder, fsync=fsync)
    small = partial(Recorder.start, segment_bytes=segment_bytes)
    vars(live)["Recorder"] = SimpleNamespace(start=small)
    host.session.accept = _acknowledged(host.session.accept, acknowledge)  # type: ignore[method-assign]
    client_id = 0
    while True:
        host.start_recording()
        _move(host, draw)
        acknowledge(b"B", None)
        for _ in range(draw.randrange(20)):
            for _ in range(draw.randint(1, min(batch, 60))):
                client_id += 1
                host.submit_order(
                    Account.DESK, draw.randrange(2), draw.choice([0, 9_990, 10_010]), 1, 0, client_id
                )
            if draw.random() < 0.1:
                host.start_storm(StormKind(draw.randrange(1, 6)), draw.random(), 5)
            if draw.random() < 0.3:
                host.cancel_all(Account.DESK)
            _move(host, draw)
        host.stop_recording()
        _move(host, draw)
        acknowledge(b"F", None)


SUBJECTS: dict[str, Callable[..., None]] = {
    "writer": write_journal_until_killed,
    "recorder": record_runs_until_killed,
    "host": host_market_until_killed,
}
HARMLESS = (CommandKind.SUBMIT, CommandKind.CANCEL, CommandKind.CANCEL_ALL, CommandKind.REPLACE)


def _acknowledged(
    accept: Callable[[Command], None], acknowledge: Acknowledgement
) -> Callable[[Command], None]:
    """`accept` that says so first: an input may have its effect from here on."""

    def accept_and_say(command: Command) -> None:
        acknowledge(b"I", command)
        accept(command)

    return accept_and_say


def _move(host: SessionHost, draw: Random) -> None:
    host.advance_to(host.session.now_ns + draw.randrange(1, NS_PER_S // 8))
    assert host.recorder is not None
    assert host.recorder.error is None, host.recorder.error


def _any_command(
    draw: Random, time_ns: int, sequence: int, *, kinds: tuple[CommandKind, ...] = tuple(CommandKind)[:-1]
) -> Command:
    """An input with anything in it; zeros are frequent, as in life."""
    return Command(
        kind=draw.choice(kinds),
        time_ns=time_ns,
        sequence=sequence,
        account=draw.getrandbits(16),
        side=draw.getrandbits(8),
        order_id=draw.getrandbits(64),
        price_ticks=draw.getrandbits(63) if draw.random() < 0.5 else 0,
        a=draw.getrandbits(63) if draw.random() < 0.5 else 0,
        b=draw.getrandbits(63) if draw.random() < 0.2 else 0,
    )
