"""Detectors over what was recorded: a run, a file of events, an exchange's capture, ITCH.

A run, a capture and one stock of ITCH are played by a session, whose detectors watch as they did live; raw
events go through a book of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from engine.core.clock import NS_PER_S
from engine.core.errors import DataError, UsageError
from engine.core.types import EVENT_BYTES, EVENT_DTYPE
from engine.detectors import Alarm, AlarmKind, Detection, FileDetection
from engine.feeds.files import open_data
from engine.feeds.formats import FileFormat, detect_format
from engine.journal.reader import read_journal
from engine.rebuild import rebuild_session
from engine.recording.recompute import replay_inputs, take_checkpoint
from engine.recording.run_directory import resolve_run
from engine.scenarios.loader import history_scenario
from engine.session import Session, SessionConfig

__all__ = ["TapeResult", "detect_file", "detect_run"]

CHUNK_EVENTS = 1 << 16
SLICE_NS = NS_PER_S

Progress = Callable[[int, int], object]
"""progress(done, total), in ns of the source or bytes; a total of 0 is not known."""


class TapeResult(NamedTuple):
    """What the detectors said of a tape."""

    name: str
    symbol: str | None
    alarms: list[Alarm]
    events: int
    length_ns: int
    problem: str | None = None
    """Why there is less of it than its source promised."""
    silent: tuple[AlarmKind, ...] = ()
    """Detectors that said nothing, for they need order ids and it shows levels."""


def detect_run(text: str, root: Path, *, source: str | None = None) -> TapeResult:
    """A recorded run (directory or id), computed again up to its last checkpoint. Raises UsageError when
    there is none, DataError when it comes out otherwise than recorded."""
    run = resolve_run(text, root)
    journal = read_journal(run.journal_path)
    if not journal.checkpoints:
        raise DataError(f"{run.path}: the recording ended before its first checkpoint: it has no events")
    inputs, last = journal.checkpoints[-1]
    session = rebuild_session(journal.header, source)
    detection = _detection_of(session)
    alarms: list[Alarm] = []
    session.loop.on_look.insert(0, lambda: alarms.extend(detection.alarms(len(alarms))))
    replay_inputs(session, journal.commands[:inputs], last.time_ns)
    if take_checkpoint(session) != last:
        raise DataError(
            f"{run.path}: computed again it is another market than the recorded one; "
            f"`stormdesk verify {run.run_id}` says where they part"
        )
    alarms.extend(detection.alarms(len(alarms)))
    symbol = session.exchange.instrument.symbol
    return TapeResult(
        run.run_id, symbol, alarms, session.event_count, session.now_ns, silent=detection.silent
    )


def detect_file(path: Path, *, symbol: str | None = None, progress: Progress | None = None) -> TapeResult:
    """A data file of any known format. Raises UsageError and DataError."""
    report = progress or (lambda done, total: None)
    if detect_format(path) is FileFormat.EVENTS:
        if symbol is not None:
            raise UsageError("a file of events knows no symbols: leave --symbol out")
        return _detect_events(path, report)
    return _detect_source(path, symbol, report)


def _detect_source(path: Path, symbol: str | None, progress: Progress) -> TapeResult:
    config = SessionConfig(history_scenario(), source=str(path), symbol=symbol, analytics=False)
    session = Session(config)
    detection = _detection_of(session)
    alarms: list[Alarm] = []
    until_ns = session.end_ns or 0
    for reached_ns in (*range(0, until_ns, SLICE_NS), until_ns):
        session.advance(reached_ns)
        alarms.extend(detection.alarms(len(alarms)))
        progress(reached_ns, until_ns)
    halted = None if session.history is None else session.history.halted
    return TapeResult(
        path.name,
        session.exchange.instrument.symbol,
        alarms,
        session.event_count,
        session.now_ns,
        halted,
        detection.silent,
    )


def _detect_events(path: Path, progress: Progress) -> TapeResult:
    detection = FileDetection()
    alarms: list[Alarm] = []
    held = np.empty(0, EVENT_DTYPE)
    first_ns = events = done = 0
    with open_data(path) as stream:
        while data := stream.read(CHUNK_EVENTS * EVENT_BYTES):
            done += len(data)
            progress(done, 0)
            if len(data) % EVENT_BYTES:
                raise DataError(
                    f"{path}: it ends within an event, {len(data) % EVENT_BYTES} bytes are left over"
                )
            rows = np.frombuffer(held.tobytes() + data, EVENT_DTYPE)
            if not events and not len(held):
                first_ns = int(rows["ts"][0])
            # An instant goes in whole: its last one may go on in what comes next.
            whole = int(np.flatnonzero(rows["ts"] != rows["ts"][-1]).max(initial=-1)) + 1
            _take(detection, rows[:whole], alarms)
            events += whole
            held = rows[whole:]
    _take(detection, held, alarms)
    now_ns = detection.row.sight.now_ns
    return TapeResult(path.name, None, alarms, events + len(held), now_ns - first_ns)


def _take(detection: FileDetection, rows: np.ndarray, alarms: list[Alarm]) -> None:
    if len(rows):
        detection.take_events(np.array(rows))
        alarms.extend(detection.alarms(len(alarms)))


def _detection_of(session: Session) -> Detection:
    assert session.detection is not None, "sessions watch unless told otherwise"
    return session.detection
