"""A market in 60 lines: deterministic, and with the face that recording needs of a session.

Every 10 ms it publishes one event whose content depends on all before it and on the inputs accepted
earlier; storms begin and end on the grid's next nanosecond like the real ones.
"""

from __future__ import annotations

from typing import Any

import msgspec
import xxhash

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import StormError
from engine.core.types import Command, CommandKind, StormKind
from engine.journal import RunHeader
from engine.recording.recompute import new_storm_entries, take_checkpoint, take_tick
from engine.recording.recorder import Recorder
from engine.recording.score_file import take_score
from engine.storms.deck import StormLogEntry

STEP_NS = 10 * NS_PER_MS


class FakeStorms:
    """Log of storms, and those that run."""

    def __init__(self) -> None:
        self.log: list[StormLogEntry] = []
        self.dropped = 0
        self.active: dict[int, StormLogEntry] = {}

    def move(self, now_ns: int) -> None:
        for kind, entry in list(self.active.items()):
            if entry.time_ns + entry.duration_ns <= now_ns:
                self.end(kind, entry.time_ns + entry.duration_ns, "expired")

    def start(self, command: Command) -> None:
        if command.storm in self.active:
            self.end(command.storm, command.time_ns + 1, "replaced")
        entry = StormLogEntry(
            time_ns=command.time_ns + 1,
            started=True,
            kind=StormKind(command.storm),
            severity=command.a / 1_000_000,
            duration_ns=command.b,
            seed=command.qty_lots,
            cause="start",
        )
        self.active[command.storm] = entry
        self.log.append(entry)

    def end(self, kind: int, time_ns: int, cause: str) -> None:
        entry = self.active.pop(kind)
        self.log.append(entry._replace(time_ns=time_ns, started=False, cause=cause))


class FakeGatekeeper:
    """Nothing happens at the gate."""

    entry_count = 0

    def entries(self, since: int) -> list[Any]:
        return []


class FakeSession:
    """State is a function of seed and inputs."""

    def __init__(self, seed: int) -> None:
        self.now_ns = 0
        self.event_count = 0
        self.event_digest = seed
        self.input_count = 0
        self.storms = FakeStorms()
        self.gatekeeper = FakeGatekeeper()
        self._waiting: list[Command] = []

    def advance(self, until_ns: int) -> int:
        before = self.event_count
        while (self.event_count + 1) * STEP_NS <= until_ns:
            self.now_ns = (self.event_count + 1) * STEP_NS
            self._take_waiting()
            self.storms.move(self.now_ns)
            self._mix(f"{self.now_ns} {[int(kind) for kind in sorted(self.storms.active)]}".encode())
            self.event_count += 1
        self.now_ns = until_ns
        self._take_waiting()
        self.storms.move(until_ns)
        return self.event_count - before

    def accept(self, command: Command) -> None:
        assert command.time_ns == self.now_ns
        assert command.sequence == self.input_count + 1
        if command.kind == CommandKind.STORM_START and command.a > 1_000_000:
            raise StormError("severity out of range")
        self.input_count += 1
        self._waiting.append(command)

    told_digest = 0

    def bot_cards(self) -> tuple[()]:
        return ()

    def account_name(self, account: int) -> str:
        return str(account)

    def book_digest(self) -> int:
        return xxhash.xxh3_64_intdigest(b"book" + self.event_digest.to_bytes(8, "little"))

    def tick_row(self) -> dict[str, Any]:
        storm = next(iter(self.storms.active.values()), None)
        return {
            "ts_ns": self.now_ns,
            "seq": self.event_count,
            "mid": self.event_digest % 10_000 / 7,
            "spread_bps": None,
            "storm_active": storm is not None,
            "storm_kind": None if storm is None else storm.kind.name,
        }

    def _take_waiting(self) -> None:
        while self._waiting and self._waiting[0].time_ns < self.now_ns:
            command = self._waiting.pop(0)
            self._mix(command.pack())
            if command.kind == CommandKind.STORM_START:
                self.storms.start(command)
            elif command.kind == CommandKind.STORM_STOP and command.storm in self.storms.active:
                self.storms.end(command.storm, command.time_ns + 1, "stopped")

    def _mix(self, data: bytes) -> None:
        self.event_digest = xxhash.xxh3_64_intdigest(self.event_digest.to_bytes(8, "little") + data)


class FakeHost:
    """Drives a session in slices and a recorder along with it, as the real host does."""

    def __init__(self, seed: int = 7, session: Any = None) -> None:
        self.session = FakeSession(seed) if session is None else session
        self.inputs: list[Command] = []
        self.recorder: Recorder | None = None
        self._storms_seen = 0

    def put(self, *commands: Command) -> None:
        """Inputs of one turn: all are taken and committed before the first is accepted."""
        first = self.session.input_count + 1
        stamped = [
            command._replace(time_ns=self.session.now_ns, sequence=first + number)
            for number, command in enumerate(commands)
        ]
        self.inputs += stamped
        if self.recorder is not None:
            for command in stamped:
                self.recorder.on_command(command)
            self.recorder.commit()
        for command in stamped:
            self.session.accept(command)

    def sample(self, equity: float | None) -> None:
        micro = 0 if equity is None else round(equity * 1_000_000)
        self.put(Command(CommandKind.TARGET_SAMPLE, a=micro, flags=int(equity is not None)))

    def storm(self, kind: StormKind, severity: float = 0.5, duration_s: float = 5) -> None:
        micro, duration_ns = round(severity * 1_000_000), round(duration_s * NS_PER_S)
        self.put(Command(CommandKind.STORM_START, storm=kind, a=micro, b=duration_ns, qty_lots=3))

    def run(self, duration_ns: int, slice_ns: int = 130 * NS_PER_MS) -> None:
        end_ns = self.session.now_ns + duration_ns
        while self.session.now_ns < end_ns:
            second = (self.session.now_ns // NS_PER_S + 1) * NS_PER_S
            self.session.advance(min(self.session.now_ns + slice_ns, second, end_ns))
            self.report()

    def report(self) -> None:
        entries, self._storms_seen = new_storm_entries(self.session.storms, self._storms_seen)
        if self.recorder is None:
            return
        for entry in entries:
            self.recorder.on_storm(entry)
        if self.session.now_ns % NS_PER_S == 0:
            self.recorder.on_tick(*take_tick(self.session, lat_p50_ns=1234, lat_p99_ns=5678))

    def record(self, root, header: RunHeader, **options: Any) -> Recorder:
        self.recorder = Recorder.start(
            root, header_at(header, self.session.now_ns), list(self.inputs), **options
        )
        return self.recorder

    def stop(self):
        assert self.recorder is not None
        return self.recorder.finish(take_checkpoint(self.session), take_score(self.session))


def header_at(header: RunHeader, time_ns: int) -> RunHeader:
    return msgspec.structs.replace(header, record_from_ns=time_ns)


def build_fake(header: RunHeader, source: str | None) -> FakeSession:
    """The SessionBuilder of these tests."""
    return FakeSession(header.seed)
