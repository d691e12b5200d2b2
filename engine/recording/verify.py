"""Verifies a run: recomputes it from its journal and compares everything that was recorded.

First the journal is read whole (each record's CRC, sequence, order); then the session is built anew and
the inputs are replayed. Compared are each checkpoint, each tick but its measured latencies, storm starts
and stops, trips and switches of the risk gate, the snapshots, and at the end run.yaml's digests, window,
journal size, verdict and its reasons, and the bots' score. The first difference ends the comparison: what
follows it says nothing.

A run without its end (killed, disk full) is verified up to its last checkpoint on disk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

import engine
from engine.core.errors import DataError, UsageError, VerificationFailed
from engine.core.identity import engine_source_hash
from engine.core.target_sample import SampleFlag, is_ledgers
from engine.core.types import Command, CommandKind
from engine.journal.reader import JournalReader, JournalRecord
from engine.journal.records import Checkpoint, RecordType, RunHeader
from engine.journal.snapshot import list_snapshots, read_snapshot
from engine.journal.writer import JournalExtent
from engine.recording.grounds import RunGrounds
from engine.recording.recompute import RecordableSession, new_storm_entries, take_tick
from engine.recording.rows import (
    GATE_ROWS,
    STORM_ROWS,
    fields_that_differ,
    gate_row,
    read_json_lines,
    storm_row,
)
from engine.recording.run_directory import RunDirectory
from engine.recording.score_file import FinalScore, compare_score, take_score
from engine.recording.summary import (
    STORMS_LISTED_LIMIT,
    disagreement_row,
    identity_fields,
    judge_run,
    result_fields,
    target_fields,
    target_rows,
)
from engine.recording.targets import TargetRecords
from engine.recording.truth import recompute_sample
from engine.recording.verdict import Verdict, money
from engine.score.card import BotCard

__all__ = ["Progress", "SessionBuilder", "Verification", "verify_run"]

SessionBuilder = Callable[[RunHeader, str | None], RecordableSession]
"""(header, other path of the source file or None) -> a session at time 0 (engine.rebuild)."""
Progress = Callable[[int, int], None]
"""progress(session time reached, session time of the end), in ns."""

_MEASURED = ("lat_p50_ns", "lat_p99_ns")


@dataclass(slots=True)
class Verification:
    """Outcome of verifying one run."""

    run_id: str
    ok: bool = False
    """Nothing that was compared differs."""
    complete: bool = False
    """The run was finished: everything was compared."""
    inputs: int = 0
    checkpoints_compared: int = 0
    ticks_compared: int = 0
    storm_rows_compared: int = 0
    gate_rows_compared: int = 0
    snapshots_compared: int = 0
    ledger_samples_compared: int = 0
    disagreements_compared: int = 0
    cards_compared: int = 0
    events: int = 0
    """Public events up to the last equal checkpoint."""
    until_ns: int = 0
    """Session time of that checkpoint."""
    first_difference: str | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Survey:
    """What one reading of the journal says."""

    header: RunHeader
    inputs: int
    last: Checkpoint | None
    extent: JournalExtent
    verdict: Verdict
    targets: TargetRecords
    disagreements: list[dict[str, object]]
    """Found in the window, as events.jsonl tells them."""
    complete: bool


def verify_run(
    run_dir: Path,
    *,
    build: SessionBuilder,
    source_override: str | None = None,
    anyway: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Verify the run in this directory.

    With `anyway`, a run of another engine is recomputed too. Raises UsageError when the run cannot be
    checked at all here (its source file is missing or another one); everything else is in the result.
    """
    run = RunDirectory(run_dir)
    result = Verification(run.run_id)
    try:
        summary = _read_summary(run, result)
        survey = _survey_journal(run, result)
        result.inputs = survey.inputs
        _check_end(summary, survey, result)
        _check_engine(survey.header, anyway, result)
        if survey.last is not None:
            session = build(survey.header, source_override)
            comparison = _Comparison(run, survey, session, result, progress)
            comparison.carry_out()
            if result.complete:
                score = take_score(session)
                _check_disagreements(run, survey, result)
                _check_summary(summary, survey, result, comparison, score.cards)
                _check_score(run, summary, score, result, may_lack=comparison.may_lack)
        result.ok = True
    except DataError as error:
        result.first_difference = str(error)
    except VerificationFailed as difference:
        result.first_difference = str(difference)
    return result


def _read_summary(run: RunDirectory, result: Verification) -> Mapping[str, Any]:
    if not run.summary_path.exists() and run.journal_path.exists():
        result.notes.append("run.yaml is missing: the recording ended as it began")
        return {}
    return run.read_summary()


def _survey_journal(run: RunDirectory, result: Verification) -> _Survey:
    try:
        reader = JournalReader(run.journal_path)
        header = reader.header
        targets = TargetRecords(header.record_from_ns)
        disagreements: list[dict[str, object]] = []
        inputs, last = 0, None
        for record in reader:
            inputs = record.inputs
            if record.kind != RecordType.INPUT:
                last = record.checkpoint
            elif record.command.kind == CommandKind.TARGET_SAMPLE:
                found = [one for one in targets.observe(record.command) if one.ended_ns is None]
                if inputs > header.prologue_inputs:
                    stamp = {"time_ns": record.command.time_ns}
                    disagreements += [{**stamp, **disagreement_row(header, one)} for one in found]
    except OSError as error:
        raise DataError(f"{run.journal_path}: cannot be read: {error.strerror or error}") from error
    if reader.torn is not None:
        result.notes.append(str(reader.torn))
    extent = JournalExtent(reader.bytes, reader.digest.hexdigest())
    verdict = judge_run(header, targets)
    return _Survey(header, inputs, last, extent, verdict, targets, disagreements, reader.complete)


def _check_end(summary: Mapping[str, Any], survey: _Survey, result: Verification) -> None:
    """A finished run has a whole journal; only an unfinished one may lack its tail."""
    state = summary.get("state")
    if state == "complete":
        if not survey.complete:
            raise VerificationFailed(
                f"journal: cut off after {survey.extent.bytes} bytes without an END record; "
                f"run.yaml says {summary.get('journal')}"
            )
        result.complete = True
        return
    cause = f"recording stopped: {summary.get('error')}" if state == "failed" else "the run was not finished"
    reach = "its last checkpoint on disk" if survey.last is not None else "nothing: no checkpoint was reached"
    result.notes.append(f"{cause}; compared up to {reach}")


def _check_engine(header: RunHeader, anyway: bool, result: Verification) -> None:
    if header.source_hash == engine_source_hash():
        return
    difference = (
        f"recorded by engine {header.engine_version} ({header.source_hash}), "
        f"this is {engine.__version__} ({engine_source_hash()})"
    )
    if not anyway:
        raise VerificationFailed(f"{difference}: not recomputed; use that version, or --anyway to try")
    result.notes.append(difference)


def _check_summary(
    summary: Mapping[str, Any],
    survey: _Survey,
    result: Verification,
    comparison: _Comparison,
    cards: Sequence[BotCard],
) -> None:
    assert survey.last is not None, "an END record is a checkpoint"
    grounds = comparison.grounds
    fired = [{**row, **grounds.storm_fields(number)} for number, row in enumerate(comparison.fired)]
    expected = {
        **identity_fields(survey.header),
        **result_fields(survey.header, survey.last, survey.extent, survey.verdict, grounds, cards),
        "tick_samples": result.ticks_compared,
    }
    may_lack = comparison.may_lack
    _compare_fields("run.yaml", summary, expected, may_lack=may_lack)
    told = _mapping(summary.get("target"))
    _compare_fields("run.yaml: target", told, target_fields(survey.targets, survey.verdict))
    rows = summary.get("targets")
    expected_rows = target_rows(survey.header, survey.targets, grounds, cards)
    rows = rows if isinstance(rows, list) else []
    if len(rows) != len(expected_rows):
        raise VerificationFailed(f"run.yaml: {len(rows)} targets recorded, {len(expected_rows)} recomputed")
    for number, (row, row_expected) in enumerate(zip(rows, expected_rows, strict=True), 1):
        _compare_fields(f"run.yaml: targets {number}", _mapping(row), row_expected, may_lack=may_lack)
    listed = summary.get("storms_fired")
    listed = listed if isinstance(listed, list) else []
    if len(listed) != len(fired):
        raise VerificationFailed(f"run.yaml: {len(listed)} storms_fired recorded, {len(fired)} recomputed")
    for number, (recorded, recomputed) in enumerate(zip(listed, fired, strict=True), 1):
        where = f"run.yaml: storms_fired {number}"
        _compare_fields(where, _mapping(recorded), recomputed, may_lack=may_lack)


def _check_score(
    run: RunDirectory,
    summary: Mapping[str, Any],
    score: FinalScore,
    result: Verification,
    *,
    may_lack: bool,
) -> None:
    result.cards_compared = compare_score(run.score_path, score.document, may_lack=may_lack)
    listed = summary.get("bots")
    listed = listed if isinstance(listed, list) else []
    if len(listed) != len(score.rows):
        raise VerificationFailed(f"run.yaml: {len(listed)} bots recorded, {len(score.rows)} recomputed")
    for recorded, recomputed in zip(listed, score.rows, strict=True):
        _compare_fields(f"run.yaml: bots {recomputed['name']!r}", _mapping(recorded), recomputed)


def _check_disagreements(run: RunDirectory, survey: _Survey, result: Verification) -> None:
    lines = read_json_lines(run.events_path, allow_torn=False)
    rows = [row for row in lines if row.get("type") == "target_disagreement"]
    expected = survey.disagreements
    if len(rows) != len(expected):
        raise VerificationFailed(
            f"events.jsonl: {len(rows)} target_disagreements recorded, {len(expected)} recomputed"
        )
    for number, (row, row_expected) in enumerate(zip(rows, expected, strict=True), 1):
        _compare_fields(f"events.jsonl: target_disagreement {number}", row, row_expected)
        result.disagreements_compared += 1


class _Comparison:
    """Replays a journal and holds what comes out against what was recorded."""

    def __init__(
        self,
        run: RunDirectory,
        survey: _Survey,
        session: RecordableSession,
        result: Verification,
        progress: Progress | None,
    ) -> None:
        self.session = session
        self.result = result
        self.header = survey.header
        self.end_ns = 0 if survey.last is None else survey.last.time_ns
        self.progress = progress
        self.may_lack = survey.header.source_hash != engine_source_hash()
        """Another engine recorded it: it may not have known all fields."""
        self.records = iter(JournalReader(run.journal_path))
        torn = not result.complete
        self.ticks = read_json_lines(run.ticks_path, allow_torn=torn)
        self.storm_rows = _rows_of(STORM_ROWS, read_json_lines(run.events_path, allow_torn=torn))
        self.gate_rows = _rows_of(GATE_ROWS, read_json_lines(run.events_path, allow_torn=torn))
        self.snapshots = deque(list_snapshots(run.snapshots_path))
        self.storms_seen = self.gate_seen = 0
        self.targets = TargetRecords(survey.header.record_from_ns)
        """Folded beside the storms, for the grounds of the verdict."""
        self.grounds = RunGrounds(self.targets)
        self.fired: list[dict[str, object]] = []
        """Storms started in the window, as run.yaml lists them."""

    def carry_out(self) -> None:
        """Raises VerificationFailed at the first difference, DataError for a file that cannot be read."""
        self._replay_prologue()
        for record in self.records:
            if record.command.time_ns > self.end_ns:
                break  # inputs after the last checkpoint of a run that was cut off
            self._advance(record.command.time_ns)
            self._compare_storms()
            self._compare_gate()
            if record.kind == RecordType.INPUT:
                self._accept(record)
            else:
                self._compare_checkpoint(record)
        if self.result.complete:
            self._expect_no_more()

    def _replay_prologue(self) -> None:
        for _ in range(self.header.prologue_inputs):
            record = next(self.records, None)
            if record is None or record.kind != RecordType.INPUT:
                return  # cut off within the prologue: there is no checkpoint to come
            self._advance(record.command.time_ns)
            self._accept(record)
        self._advance(self.header.record_from_ns)
        self.storms_seen = new_storm_entries(self.session.storms, 0)[1]
        self.gate_seen = self.session.gatekeeper.entry_count

    def _advance(self, until_ns: int) -> None:
        if until_ns < self.session.now_ns:
            raise DataError(f"journal: the start of recording at {until_ns} ns is not where its inputs are")
        while self.snapshots and self.snapshots[0][0] <= until_ns:
            time_ns, path = self.snapshots.popleft()
            if time_ns >= self.session.now_ns:
                self.session.advance(time_ns)
                self._compare_snapshot(path)
        self.session.advance(until_ns)

    def _accept(self, record: JournalRecord) -> None:
        if record.command.kind == CommandKind.TARGET_SAMPLE:
            self._compare_ledger_sample(record.command)
            self.targets.observe(record.command)
        try:
            self.session.accept(record.command)
        except (UsageError, ValueError) as error:
            raise VerificationFailed(
                f"input {record.command.sequence} at {_clock(record.command.time_ns)}: "
                f"recorded as accepted, recomputed as refused: {error}"
            ) from error

    def _compare_ledger_sample(self, recorded: Command) -> None:
        """What the ledger was recorded to say is what it says."""
        if not (is_ledgers(recorded) and recorded.flags & SampleFlag.VALID):
            return
        where = f"ledger of target {recorded.side + 1} at {_clock(recorded.time_ns)}"
        again = recompute_sample(self.session, recorded)
        as_numbers = [{key: int(value) for key, value in one._asdict().items()} for one in (recorded, again)]
        _compare_fields(where, *as_numbers)
        self.result.ledger_samples_compared += 1

    def _compare_checkpoint(self, record: JournalRecord) -> None:
        recorded = record.checkpoint
        row, recomputed = take_tick(self.session)
        where = f"checkpoint at {_clock(recorded.time_ns)} (journal record {record.sequence})"
        _compare_fields(where, recorded._asdict(), recomputed._asdict())
        if record.kind == RecordType.CHECKPOINT:
            tick = next(self.ticks, None)
            if tick is not None:
                equity = money(self.targets.equity_millionths())
                row = msgspec.structs.replace(row, target_equity=equity)
                expected = {k: getattr(row, k) for k in row.__struct_fields__ if k not in _MEASURED}
                where = f"ticks.jsonl at {_clock(recorded.time_ns)}"
                _compare_fields(where, tick, expected, may_lack=self.may_lack)
                self.result.ticks_compared += 1
            elif self.result.complete:
                raise VerificationFailed(f"ticks.jsonl: the row at {_clock(recorded.time_ns)} is missing")
        self.result.checkpoints_compared += 1
        self.result.events = recomputed.event_count
        self.result.until_ns = recomputed.time_ns
        if self.progress is not None:
            self.progress(recomputed.time_ns, self.end_ns)

    def _compare_snapshot(self, path: Path) -> None:
        try:
            image = read_snapshot(path, engine_hash=self.header.source_hash)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        recorded = {"event_count": image.event_count, "event_digest": image.event_digest}
        recomputed = {"event_count": self.session.event_count, "event_digest": self.session.event_digest}
        _compare_fields(f"{path.name}", recorded, recomputed)
        self.result.snapshots_compared += 1

    def _compare_storms(self) -> None:
        entries, self.storms_seen = new_storm_entries(self.session.storms, self.storms_seen)
        for entry in entries:
            expected = storm_row(entry)
            self.grounds.take_storm(entry)
            if entry.started and len(self.fired) < STORMS_LISTED_LIMIT:
                self.fired.append({k: expected[k] for k in ("kind", "severity", "duration_ms", "time_ns")})
            where = f"events.jsonl: {expected['type']} at {_clock(entry.time_ns)}"
            row = next(self.storm_rows, None)
            if row is not None:
                _compare_fields(where, row, expected)
                self.result.storm_rows_compared += 1
            elif self.result.complete:
                raise VerificationFailed(f"{where}: recomputed, but not recorded")

    def _compare_gate(self) -> None:
        keeper = self.session.gatekeeper
        for entry in keeper.entries(self.gate_seen):
            expected = gate_row(entry, self.session.account_name(entry.account))
            where = f"events.jsonl: {expected['type']} at {_clock(entry.time_ns)}"
            row = next(self.gate_rows, None)
            if row is not None:
                _compare_fields(where, row, expected)
                self.result.gate_rows_compared += 1
            elif self.result.complete:
                raise VerificationFailed(f"{where}: recomputed, but not recorded")
        self.gate_seen = keeper.entry_count

    def _expect_no_more(self) -> None:
        row = next(self.storm_rows, None) or next(self.gate_rows, None)
        if row is not None:
            what = f"{row['type']} {row.get('kind', row.get('account'))!r} at {row.get('time_ns')} ns"
            raise VerificationFailed(f"events.jsonl: {what} recorded, not recomputed")
        tick = next(self.ticks, None)
        if tick is not None:
            raise VerificationFailed(f"ticks.jsonl: a row at {tick.get('ts_ns')} ns without a checkpoint")


def _rows_of(types: Sequence[str], rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (row for row in rows if row.get("type") in types)


def _compare_fields(
    where: str, recorded: Mapping[str, Any], recomputed: Mapping[str, object], *, may_lack: bool = False
) -> None:
    for key in fields_that_differ(recorded, recomputed, may_lack=may_lack):
        left, right = recorded.get(key, "nothing"), recomputed[key]
        raise VerificationFailed(f"{where}: {key} recorded {left!r}, recomputed {right!r}")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _clock(time_ns: int) -> str:
    """Session time for a message."""
    return f"{time_ns / 1e9:.9f}".rstrip("0").rstrip(".") + " s"
