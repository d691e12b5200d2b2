"""The replay host: the same session again from a run's journal, with pause, speed, step and seek.

A recorded run is recomputed, not played back from pictures: seeking goes on from the nearest snapshot
before, the run's own or one that this replay has taken on its way (snapshots.py). The checkpoints in the
journal are compared wherever it passes; a difference is an alert.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.identity import engine_source_hash
from engine.core.target_sample import is_ledgers
from engine.core.types import Command, CommandKind
from engine.frame import RecordingView, VerdictView
from engine.host.paced import PacedHost
from engine.host.snapshots import SnapshotShelf
from engine.host.targets import Targets, verdict_view
from engine.journal.reader import JournalReader
from engine.journal.records import Checkpoint, RecordType, RunHeader
from engine.rebuild import rebuild_session
from engine.recording.recompute import take_checkpoint
from engine.recording.run_directory import RunDirectory
from engine.scenarios.loader import Thresholds
from engine.session import Session

__all__ = ["ReplayHost"]


class ReplayHost(PacedHost):
    """A recorded session, played again."""

    mode = "replay"

    def __init__(
        self,
        run_dir: Path,
        *,
        source_override: str | None = None,
        frame_hz: float = 20.0,
        is_growing: bool = False,
    ) -> None:
        """`is_growing`: the run is being recorded, so that it has no end yet is as it should be."""
        self.run = RunDirectory(run_dir)
        self._is_growing = is_growing
        reader = JournalReader(self.run.journal_path)
        self.header: RunHeader = reader.header
        self._inputs: list[Command] = []
        self._checkpoints: dict[int, Checkpoint] = {}
        self._last_ns = self.header.record_from_ns
        for record in reader:
            if record.kind == RecordType.INPUT:
                self._inputs.append(record.command)
            else:
                self._checkpoints[record.checkpoint.time_ns] = record.checkpoint
            self._last_ns = max(self._last_ns, record.command.time_ns)
        self.complete = reader.complete
        self._bytes = sum(file.stat().st_size for file in run_dir.rglob("*") if file.is_file())
        self._storms = sum(command.kind == CommandKind.STORM_START for command in self._inputs)
        self._next = 0
        self._snapshots = SnapshotShelf(self.run.snapshots_path)
        self._difference_at: int | None = None
        super().__init__(rebuild_session(self.header, source_override), speed=1.0, frame_hz=frame_hz)
        self.session_id = f"replay-{self.header.run_id}"
        self.targets = self._new_targets()
        self._go_to(self.header.record_from_ns)
        self._tell_what_is_unusual(reader)
        self._publish()

    def _tell_what_is_unusual(self, journal: JournalReader) -> None:
        """Where the run is not whole, or not of this engine: alerts, and one line."""
        said = []
        if self.header.source_hash != engine_source_hash():
            said.append(
                f"recorded by another engine ({self.header.engine_version}, {self.header.source_hash}): what "
                "this one recomputes may differ, and says so where it does"
            )
        if journal.torn is not None and not self._is_growing:
            said.append(str(journal.torn))
        if not journal.complete and not self._is_growing:
            said.append(f"the recording was cut off: this replay ends at {self._last_ns / NS_PER_S:.3f} s")
        for text in said:
            self.session.alerts.note(time_ns=self.session.now_ns, severity="warning", text=text, kind="host")
        if said:
            self._notice = "; ".join(said)

    # -- time -----------------------------------------------------------------------------------------

    def _move(self, until_ns: int) -> None:
        until_ns = min(until_ns, self._last_ns)
        session = self.session
        while session.now_ns < until_ns:
            stop_ns = min(until_ns, (session.now_ns // NS_PER_S + 1) * NS_PER_S)
            if self._next < len(self._inputs):
                stop_ns = min(stop_ns, max(session.now_ns, self._inputs[self._next].time_ns))
            if stop_ns > session.now_ns:
                self._measured_advance(stop_ns)
            self._accept_due()
            self._compare_checkpoint()
            self._snapshots.keep_pace(session)
        self._ended = session.now_ns >= self._last_ns

    def _accept_due(self) -> None:
        while self._next < len(self._inputs) and self._inputs[self._next].time_ns <= self.session.now_ns:
            command = self._inputs[self._next]
            self._next += 1
            self.session.accept(command)
            self._hear_target(command)

    def _hear_target(self, command: Command) -> None:
        if command.kind == CommandKind.TARGET_SAMPLE:
            self.targets.take(self.session, command)
            if not is_ledgers(command) and command.side < len(self.targets.records):
                self.targets.records[command.side].status = "ok" if command.flags & 1 else "unreachable"

    def _seek(self, time_ns: int) -> None:
        self._go_to(max(0, min(time_ns, self._last_ns)))
        self._rebase()

    def _go_to(self, time_ns: int) -> None:
        backward = time_ns < self.session.now_ns
        image = self._snapshots.latest(time_ns, after_ns=-1 if backward else self.session.now_ns)
        if image is not None and image.input_count <= len(self._inputs):
            self._take_over(self.session.resume(image), image.input_count)
        elif backward:
            self._take_over(Session(self.session.config, source=self.session.source), 0)
        if self._snapshots.unusable is not None:
            self._notice = self._snapshots.unusable
        self._move(time_ns)
        self._ended = self.session.now_ns >= self._last_ns

    def _step(self, ns: int) -> None:
        if ns < 0:
            self._seek(self.session.now_ns + ns)
        else:
            super()._step(ns)

    def _end_ns(self) -> int | None:
        return self._last_ns

    def _take_over(self, session: Session, input_count: int) -> None:
        """Goes on with another session of the run, which has taken so many inputs."""
        session.alerts.adopt_acknowledgements(self.session.alerts)
        self.session = session
        self._next = input_count
        self._snapshots.moved_to(session)
        self.targets = self._new_targets()
        for command in self._inputs[: self._next]:
            self._hear_target(command)

    # -- what was recorded ----------------------------------------------------------------------------

    def _compare_checkpoint(self) -> None:
        recorded = self._checkpoints.get(self.session.now_ns)
        if recorded is None or self._difference_at is not None:
            return
        if take_checkpoint(self.session) != recorded:
            self._difference_at = self.session.now_ns
            self._notice = (
                f"the recomputed market differs from the record at {self.session.now_ns / NS_PER_S:.3f} s: "
                "stormdesk verify tells more"
            )
            self.session.alerts.note(
                time_ns=self.session.now_ns, severity="critical", text=self._notice, kind="host"
            )

    def _toggle_recording(self) -> None:
        raise UsageError("this is a recording already")

    def _verdict_view(self) -> VerdictView:
        return verdict_view(self.targets.judge())

    def _new_targets(self) -> Targets:
        header = self.header
        thresholds = msgspec.convert(header.thresholds, Thresholds)
        return Targets(header.targets or [header.target], thresholds, header.record_from_ns)

    def _recording_view(self) -> RecordingView | None:
        return RecordingView(
            run_id=self.header.run_id,
            path=str(self.run.path),
            active=False,
            since_ns=self.header.record_from_ns,
            bytes_written=self._bytes,
            ticks=len(self._checkpoints),
            storms=self._storms,
            error=None,
        )
