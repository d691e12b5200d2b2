"""Records a run while it happens (stop 7 on the data path): journal, ticks, events, and the end's summary.

It only listens. Whatever the disk does, no method raises into the engine's thread: the first failure sets
`error`, tells `on_failure`, closes the files, and recording is over while the market goes on. What is on
disk stays: whole records, and a run.yaml with state "failed" and the reason, for which room was kept. A run
that could not even begin is removed.

What a kill at any moment leaves: a journal with its header and all committed inputs, whole lines in both
.jsonl files but perhaps the last, and run.yaml with state "recording". `verify` takes such a run up to its
last checkpoint. What a power cut leaves of the journal depends on the fsync policy (journal/writer.py); the
.jsonl files are fsynced at the end only, for `verify` can do without their last lines.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.core.alerts import Alert
from engine.core.clock import NS_PER_MS, utc_iso, wall_ns
from engine.core.errors import DataError, RecordingFailed
from engine.core.types import Command, CommandKind
from engine.gatekeeper import GateEntry
from engine.journal.records import SEGMENT_BYTES, Checkpoint, RunHeader
from engine.journal.writer import FsyncPolicy, JournalExtent, JournalWriter
from engine.recording.grounds import RunGrounds
from engine.recording.rows import JsonLines, TickRow, alert_row, gate_row, storm_row
from engine.recording.run_directory import RunDirectory, create_run_directory
from engine.recording.score_file import FinalScore, write_score
from engine.recording.summary import (
    STORMS_LISTED_LIMIT,
    disagreement_row,
    identity_fields,
    judge_run,
    result_fields,
    target_fields,
    target_name,
    target_rows,
)
from engine.recording.targets import TargetRecords, TargetSummary
from engine.recording.verdict import Verdict, money
from engine.score.card import BotCard
from engine.storms.deck import StormLogEntry

__all__ = ["Recorder"]


class _FiredStorm(NamedTuple):
    row: dict[str, object]
    """Its entry in run.yaml, in which the delta is filled in when it ends."""
    equity_millionths: int | None


class Recorder:
    """One recording, from `start` to `finish`.

    on_command, on_tick, on_storm, on_gate, on_alert, on_event
                       what happens, in order
    commit             once per slice
    describe_target    when the target says who it is
    finish             the run's end and verdict

    Readers on other threads may look at run_id, path, since_ns, active, error, ticks, storms and
    bytes_written.
    """

    @classmethod
    def start(
        cls,
        root: Path,
        header: RunHeader,
        prologue: Sequence[Command],
        *,
        targets: Sequence[TargetSummary] = (),
        fsync: FsyncPolicy = "group",
        segment_bytes: int = SEGMENT_BYTES,
        on_failure: Callable[[str], None] | None = None,
    ) -> Recorder:
        """Begin a run below `root` at header.record_from_ns.

        `header.run_id`, `started_wall_ns` and `prologue_inputs` are set here; `prologue` are all inputs of
        the session so far. Check `error` afterwards: it is set when the files could not be created.
        `on_failure` hears, once and in the caller's thread, why recording had to stop.
        """
        self = cls(header, targets, fsync, segment_bytes, on_failure)
        for command in prologue:
            if command.kind == CommandKind.TARGET_SAMPLE:
                self._records.observe(command)
        with self._guarded():
            self._create(root, prologue)
        return self

    def __init__(
        self,
        header: RunHeader,
        targets: Sequence[TargetSummary],
        fsync: FsyncPolicy,
        segment_bytes: int,
        on_failure: Callable[[str], None] | None,
    ) -> None:
        self.header = header
        self.run_id = ""
        self.path = ""
        self.since_ns = header.record_from_ns
        self.active = True
        self.error: str | None = None
        self.report_path: str | None = None
        """The page of the finished run (report.py)."""
        self.report_error: str | None = None
        """Why the finished run has none."""
        self.ticks = 0
        self.storms = 0
        self._has_begun = False
        self._finished = False
        self._fsync: FsyncPolicy = fsync
        self._segment_bytes = segment_bytes
        self._on_failure = on_failure
        self._records = TargetRecords(header.record_from_ns)
        self._grounds = RunGrounds(self._records)
        self._targets = dict(enumerate(targets))
        """By number, as last heard."""
        self._fired: list[_FiredStorm] = []
        self._open: dict[str, _FiredStorm] = {}
        self._directory: RunDirectory | None = None
        self._journal: JournalWriter | None = None
        self._tick_lines: JsonLines | None = None
        self._event_lines: JsonLines | None = None
        self._venue_lines: JsonLines | None = None
        self._told_lines: list[bytes] = []

    @property
    def bytes_written(self) -> int:
        """Bytes in journal, ticks and events so far."""
        lines = sum(file.bytes for file in (self._tick_lines, self._event_lines) if file is not None)
        return lines + (self._journal.extent.bytes if self._journal is not None else 0)

    @property
    def snapshots_path(self) -> Path:
        """Where the run's snapshots go; only after a start without error."""
        assert self._directory is not None
        return self._directory.snapshots_path

    @property
    def verdict(self) -> Verdict:
        """The verdict as things stand."""
        return judge_run(self.header, self._records)

    def on_command(self, command: Command) -> None:
        """Take the next input, before it has an effect."""
        with self._guarded():
            if self._journal is not None and self.active:
                self._journal.append(command)
            if command.kind == CommandKind.TARGET_SAMPLE and not self._finished:
                self._take_sample(command)

    def on_tick(self, row: TickRow, checkpoint: Checkpoint) -> None:
        """Take the state at a full second. The journal is handed on first: no tick without checkpoint."""
        with self._guarded():
            if self._journal is None or self._tick_lines is None or not self.active:
                return
            self._journal.checkpoint(checkpoint)
            self._journal.commit()
            equity = money(self._records.equity_millionths())
            self._tick_lines.append(msgspec.structs.replace(row, target_equity=equity))
            self.ticks += 1

    def on_storm(self, entry: StormLogEntry) -> None:
        """Take a row of the storm deck's log: a start, a stop, natural expiry, or recovery."""
        with self._guarded():
            if not self.active:
                return
            row = storm_row(entry)
            self._grounds.take_storm(entry)
            if entry.is_about_recovery:
                self._write_event(str(row.pop("type")), entry.time_ns, row)
                return
            equity = self._records.equity_millionths()
            if entry.started:
                self._note_fired(row, equity)
                own: dict[str, object] = {"target_equity_at_start": money(equity)}
            else:
                fired = self._open.pop(str(row["kind"]), None)
                delta = self._settle(fired) if fired is not None else None
                own = {"target_equity_at_end": money(equity), f"target_delta_{self._currency_key}": delta}
            self._write_event(str(row.pop("type")), entry.time_ns, {**row, **own})

    def on_gate(self, entry: GateEntry, account_name: str) -> None:
        """Take a row of the gatekeeper's log: a trip, or a switch that was thrown."""
        row = gate_row(entry, account_name)
        self.on_event(str(row.pop("type")), entry.time_ns, row)

    def on_alert(self, alert: Alert) -> None:
        """Take an alert that was raised."""
        self.on_event("alert", alert.time_ns, alert_row(alert))

    def on_event(self, kind: str, time_ns: int, fields: Mapping[str, object]) -> None:
        """Write any other line of events.jsonl, e.g. kind "target_signal"."""
        with self._guarded():
            self._write_event(kind, time_ns, fields)

    def on_told(self, line: bytes) -> None:
        """One line of venue.jsonl: what the venue told a bot, or did not; written with the next commit."""
        self._told_lines.append(line)

    def describe_target(self, target: TargetSummary, number: int = 0) -> None:
        """Who a target is and what it counts, as last heard; the end's summary shows it."""
        self._targets[number] = target

    def commit(self) -> None:
        """Make the inputs so far durable, as far as the setting says; cheap when there is nothing."""
        with self._guarded():
            if self._journal is not None and self.active:
                self._journal.commit()
                self._write_told()

    def finish(self, final: Checkpoint, score: FinalScore | None = None) -> Verdict:
        """End the run in the session's state `final`, with the score of its bots; returns the verdict, also
        of a run that failed."""
        verdict = self.verdict
        with self._guarded():
            if self._journal is not None and self.active:
                equities = {
                    "run": self.run_id,
                    "target_end_equity": money(verdict.end_millionths),
                    "target_delta": verdict.delta,
                }
                self._write_event("run_stop", final.time_ns, equities)
                extent = self._journal.finish(final)
                self._write_told()
                self._close_lines()
                outcome = self._outcome(final, extent, verdict, () if score is None else score.cards)
                if score is not None and score.rows and self._directory is not None:
                    write_score(self._directory.score_path, score.document)
                    outcome["bots"] = score.rows
                self._write_summary("complete", outcome)
                self._write_report()
        self.active = False
        self._finished = True
        return verdict

    def statistics(self) -> dict[str, int]:
        """What was written, and how full the list of storms is."""
        return {
            "bytes": self.bytes_written,
            "ticks": self.ticks,
            "storms": self.storms,
            "storms_listed": len(self._fired),
            "storms_listed_limit": STORMS_LISTED_LIMIT,
        }

    def _create(self, root: Path, prologue: Sequence[Command]) -> None:
        now_ns = wall_ns()
        directory = self._directory = create_run_directory(root, now_ns)
        self.run_id, self.path = directory.run_id, str(directory.path)
        directory.take_reserve()
        self.header = msgspec.structs.replace(
            self.header, run_id=self.run_id, started_wall_ns=now_ns, prologue_inputs=len(prologue)
        )
        self._journal = JournalWriter(
            directory.journal_path, self.header, fsync=self._fsync, segment_bytes=self._segment_bytes
        )
        for command in prologue:
            self._journal.append(command)
        self._journal.commit()
        self._event_lines = JsonLines(directory.events_path)
        self._tick_lines = JsonLines(directory.ticks_path)
        fields = {
            "run": self.run_id,
            "target_start_equity": money(self._records.start_millionths()),
            "target_currency": self._first.currency,
        }
        self._write_event("run_start", self.since_ns, fields)
        self._write_summary("recording", {})
        self._has_begun = True

    @property
    def _currency_key(self) -> str:
        return (self._first.currency or "unknown").lower()

    @property
    def _first(self) -> TargetSummary:
        """The target that the verdict is about."""
        return self._targets.get(0, TargetSummary())

    def _take_sample(self, sample: Command) -> None:
        number = sample.side
        name = {} if number == 0 else {"target": target_name(self.header, number)}
        was_reachable = self._records.answers(number)
        news = self._records.observe(sample)
        if was_reachable and not self._records.answers(number):
            self._write_event("bot_unreachable", sample.time_ns, name)
        for found in news:
            if found.ended_ns is None:
                self._write_event("target_disagreement", sample.time_ns, disagreement_row(self.header, found))

    def _note_fired(self, row: Mapping[str, object], equity_millionths: int | None) -> None:
        self.storms += 1
        listed: dict[str, object] = {
            "kind": row["kind"],
            "started_at_ms": wall_ns() // NS_PER_MS,
            "severity": row["severity"],
            "duration_ms": row["duration_ms"],
            "time_ns": row["time_ns"],
        }
        fired = _FiredStorm(listed, equity_millionths)
        self._open[str(row["kind"])] = fired
        if len(self._fired) < STORMS_LISTED_LIMIT:
            self._fired.append(fired)

    def _settle(self, fired: _FiredStorm) -> float | None:
        """Enter what the target won or lost during this storm."""
        before, after = fired.equity_millionths, self._records.equity_millionths()
        if before is None or after is None or not self._records.can_settle():
            delta = None
        else:
            delta = money(after - before)
        fired.row[f"target_pnl_delta_{self._currency_key}"] = delta
        return delta

    def _write_told(self) -> None:
        lines, self._told_lines = self._told_lines, []
        if lines and self._directory is not None:
            if self._venue_lines is None:
                self._venue_lines = JsonLines(self._directory.venue_path)
            self._venue_lines.append_lines(lines)

    def _write_event(self, kind: str, time_ns: int, fields: Mapping[str, object]) -> None:
        if self._event_lines is not None and self.active:
            stamp = {"ts_ms": wall_ns() // NS_PER_MS, "type": kind, "time_ns": time_ns}
            self._event_lines.append({**stamp, **fields})

    def _write_summary(self, state: str, fields: Mapping[str, object]) -> None:
        if self._directory is None:
            return
        if state != "recording":
            self._directory.release_reserve()  # the last word gets the room that was kept for it
        stamps = {"state": state, "started_at": utc_iso(self.header.started_wall_ns), "fsync": self._fsync}
        self._directory.write_summary({**identity_fields(self.header), **stamps, **fields})

    def _write_report(self) -> None:
        """The page and the picture, after the last word: a run is whole without them, and `stormdesk report`
        makes them again."""
        assert self._directory is not None
        from engine.recording.report import write_report  # only who records needs it

        try:
            write_report(self._directory)
            self.report_path = str(self._directory.report_path)
        except (OSError, DataError) as error:
            self.report_error = str(error)

    def _outcome(
        self, final: Checkpoint, extent: JournalExtent, verdict: Verdict, cards: Sequence[BotCard]
    ) -> dict[str, object]:
        for fired in self._open.values():
            self._settle(fired)
        return {
            "ended_at": utc_iso(wall_ns()),
            **result_fields(self.header, final, extent, verdict, self._grounds, cards),
            "tick_samples": self.ticks,
            "storms": self.storms,
            "storms_fired": [
                {**fired.row, **self._grounds.storm_fields(number)}
                for number, fired in enumerate(self._fired)
            ],
            "target": {**self._first._asdict(), **target_fields(self._records, verdict)},
            "targets": [
                {**row, "said": self._targets.get(number, TargetSummary())._asdict()}
                for number, row in enumerate(target_rows(self.header, self._records, self._grounds, cards))
            ],
        }

    def _close_lines(self) -> None:
        for file in (self._event_lines, self._tick_lines, self._venue_lines):
            if file is not None:
                file.sync()
                file.close()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """Files are touched only inside: the first failure ends the recording, and only that."""
        try:
            yield
        except RecordingFailed as error:
            self._fail(str(error))
        except OSError as error:
            self._fail(
                f"{error.strerror or error}: {error.filename or self.path} cannot be written. "
                "What is on disk stays readable; mend that and record again."
            )

    def _fail(self, reason: str) -> None:
        self.error = reason
        self.active = False
        if self._journal is not None:
            self._journal.close()
        for file in (self._event_lines, self._tick_lines):
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
        if self._directory is not None and not self._has_begun:
            self._directory.discard()
        else:
            # Where not even that can be written, the state stays "recording": listed as interrupted.
            with contextlib.suppress(OSError):
                self._write_summary("failed", {"error": reason})
        if self._on_failure is not None:
            self._on_failure(reason)
