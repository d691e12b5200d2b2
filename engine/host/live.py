"""The live host: takes orders, storms and the target's samples as inputs, and records runs.

Every input follows one line: stamp with session time, append to the journal (memory, and the run's file
while recording), commit, accept. Nothing has an effect before it is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import UsageError
from engine.core.identity import engine_source_hash
from engine.core.types import Command, CommandKind, GateAction, TimeInForce
from engine.feeds.opening import Source
from engine.frame import JumpView, RecordingView, VerdictView
from engine.gatekeeper import gate_command
from engine.host.paced import PacedHost
from engine.host.publication import Publication
from engine.host.snapshots import SnapshotWriter
from engine.host.targets import Targets, verdict_view
from engine.host.venue_port import VenuePort
from engine.inputs import check_command, storm_command
from engine.journal.records import RunHeader
from engine.journal.writer import FsyncPolicy
from engine.rebuild import STORM_SCRIPT, header_for
from engine.recording.recompute import new_storm_entries, take_checkpoint, take_tick
from engine.recording.recorder import Recorder
from engine.recording.score_file import take_score
from engine.recording.targets import TargetSummary
from engine.recording.verdict import Verdict
from engine.session import Session, SessionConfig
from engine.storms.request import ChaosKind, StormRequest
from engine.target.contract import TargetStatus

__all__ = ["LiveOptions", "SessionHost"]

INPUTS_LIMIT = 4_000_000
"""Inputs kept in memory for a recording that may still start (256 MB at the most)."""
SCHEDULED_LIMIT = 1_000
"""Storms that wait for their starts."""
TICK_NS = NS_PER_S
REQUEST_IDLE_S = 0.000_2
"""How long the engine sleeps at the least while requests of bots are under way: those of that time arrive
together."""
LAST_POLL_NS = NS_PER_S
"""How long the end of a recording waits for the target's last word."""


class LiveOptions(NamedTuple):
    """How a live host behaves; none of it changes what the session computes."""

    runs_root: Path
    speed: float | None = 1.0
    target: str = "none"
    """What the verdict is about, as after --target (engine/target/spec.py); written into runs."""
    more_targets: tuple[str, ...] = ()
    """Further ones, watched and judged beside it."""
    storms: tuple[StormRequest, ...] = ()
    """Fired when session time reaches their start."""
    storm_script: str | None = None
    """Text of the script that they come from; it goes into runs."""
    record: bool = False
    """Record from the start."""
    fsync: FsyncPolicy = "group"
    """How durable recordings are (journal/writer.py says what each policy can lose)."""
    until_ns: int | None = None
    """End here."""
    publish: str | None = None
    """Publish the market as ITCH here: mold://HOST:PORT, or a path that ends in .itch."""
    publish_anywhere: bool = False
    """Also to addresses beyond this machine."""
    keep_itch: bool = False
    """Keep the market as ITCH for who serves it (engine/venue/ouch/itch_server.py)."""
    frame_hz: float = 20.0
    on_poll_wanted: Callable[[], None] | None = None
    """Called when a fresh sample of the target is worth having."""


class SessionHost(PacedHost):
    """A live session."""

    mode = "live"

    def __init__(self, config: SessionConfig, options: LiveOptions, *, source: Source | None = None) -> None:
        """`source`: the config's, when it is open already."""
        self.config = config
        self.options = options
        self._inputs: list[Command] = []
        self._recorder: Recorder | None = None
        self._last_verdict: Verdict | None = None
        self._storms_seen = 0
        self._gate_seen = self._alerts_seen = 0
        self._snapshots: SnapshotWriter | None = None
        self._scheduled = _by_start([storm.checked() for storm in options.storms])
        self._on_poll_wanted = options.on_poll_wanted or (lambda: None)
        self._uncommitted: list[Command] = []
        self._end_by_ns: int | None = None
        """Wall time at which a recording that is ending waits no longer for the target."""
        self._last_words: set[int] = set()
        """Targets that have answered since then."""
        super().__init__(Session(config, source=source), speed=options.speed, frame_hz=options.frame_hz)
        for storm in self._scheduled:
            self.session.storms.check(storm)
        self.session_id = f"{engine_source_hash()[:8]}-{config.seed}-{monotonic_ns():x}"
        self.targets = Targets((options.target, *options.more_targets), config.scenario.thresholds)
        self.publication: Publication | None = None
        self.feed_error: str | None = None
        """Why there is no ITCH feed although one was to be kept."""
        self.venue = VenuePort(
            self.session, session_id=self.session_id, frame=self.frame, put=self._ask_inputs, rests=True
        )
        """The door for gateways of bots."""
        self._publish_market()
        if options.record:
            self._start_recording()

    # -- requests of faces ----------------------------------------------------------------------------

    def submit_order(
        self,
        account: int,
        side: int,
        price_ticks: int,
        qty_lots: int,
        tif: int = TimeInForce.GTC,
        client_id: int = 0,
    ) -> bool:
        """Send an order (price 0 = market); False when the queue is full. Raises UsageError for
        what can be no order (account, side, time in force)."""
        return self._ask_input(
            Command(
                kind=CommandKind.SUBMIT,
                account=account,
                side=side,
                price_ticks=price_ticks,
                qty_lots=qty_lots,
                time_in_force=tif,
                order_id=client_id,
            )
        )

    def cancel_order(self, account: int, client_id: int) -> bool:
        """Cancel an order by its client id; False when the queue is full."""
        return self._ask_input(Command(kind=CommandKind.CANCEL, account=account, order_id=client_id))

    def cancel_all(self, account: int) -> bool:
        """Cancel all of an account's resting orders; False when the queue is full."""
        return self._ask_input(Command(kind=CommandKind.CANCEL_ALL, account=account))

    def throw_gate(self, action: GateAction, account: int, *, limit: str = "", value: int = 0) -> bool:
        """Throw a switch of the risk gate for an account, or ALL_ACCOUNTS, or set a limit as the gate counts
        it; False when the queue is full. Raises UsageError for a limit that cannot be."""
        return self._ask_input(gate_command(action, account, limit=limit, value=value))

    def run_script(self, storms: Sequence[StormRequest]) -> None:
        """Start these, from now on: their starts count from the session's present. Raises StormError."""
        for storm in storms:
            self.session.storms.check(storm)
        self._ask(lambda: self._schedule(storms))

    def set_target(self, status: TargetStatus, number: int = 0) -> None:
        """Take the outcome of a poll of one of the targets."""
        self._ask(lambda: self._hear_target(number, status))

    def want_polls(self, callback: Callable[[], None]) -> None:
        """Call this whenever a fresh sample of the target is worth having."""
        self._on_poll_wanted = callback

    # -- for headless use -----------------------------------------------------------------------------

    @property
    def recorder(self) -> Recorder | None:
        """The recording that is on, or was last."""
        return self._recorder

    @property
    def verdict(self) -> Verdict:
        """Verdict of the recording, else of the session so far."""
        if self._last_verdict is not None:
            return self._last_verdict
        if self._recorder is not None:
            return self._recorder.verdict
        return self.targets.judge()

    # -- inputs ---------------------------------------------------------------------------------------

    def _ask_input(self, command: Command) -> bool:
        check_command(command)  # at the door: what is journaled must be acceptable
        return self._ask(lambda: self._input(command))

    def _ask_inputs(self, commands: list[Command]) -> bool:
        """The same for the pieces of a broker request, which are fit for the journal as they are made. They
        are too many to draw a frame after each."""
        return self._ask(lambda: self._uncommitted.extend(commands), shows=False)

    def _input(self, command: Command) -> None:
        """Queue an input for this turn; it is stamped, journaled and accepted together with its peers."""
        self._uncommitted.append(command)

    def _after_requests(self) -> None:
        if self._uncommitted:
            self._flush_inputs()
        elif self._recorder is not None:
            self._recorder.commit()  # a group's fsync may be waiting for its time
        has_last_words = self._last_words.issuperset(self.targets.asked)
        if self._end_by_ns is not None and (has_last_words or monotonic_ns() >= self._end_by_ns):
            self._end_recording()

    def _flush_inputs(self) -> None:
        if not self._uncommitted:
            return
        waiting, self._uncommitted = self._uncommitted, []
        if len(self._inputs) + len(waiting) > INPUTS_LIMIT:
            self._notice = f"refused: this session has taken its {INPUTS_LIMIT} inputs; start a new one"
            return
        now_ns, first = self.session.now_ns, self.session.input_count + 1
        stamped = [
            command._replace(time_ns=now_ns, sequence=first + offset)
            for offset, command in enumerate(waiting)
        ]
        self._inputs += stamped
        if self._recorder is not None:
            for one in stamped:
                self._recorder.on_command(one)
        self._commit()
        for one in stamped:
            if one.kind == CommandKind.TARGET_SAMPLE:
                self.targets.take(self.session, one)
            self.session.accept(one)

    def _commit(self) -> None:
        if self._recorder is not None:
            started = monotonic_ns()
            self._recorder.commit()
            self._stages["journal"].add(monotonic_ns() - started)

    def _start_storm(self, request: StormRequest) -> None:
        self._input(storm_command(request))
        self._on_poll_wanted()

    def _schedule(self, storms: Sequence[StormRequest]) -> None:
        waiting = [*self._scheduled, *storms]
        if len(waiting) > SCHEDULED_LIMIT:
            raise UsageError(f"{len(waiting)} storms would wait for their starts; {SCHEDULED_LIMIT} may")
        now_ns = self.session.now_ns
        fresh = [storm._replace(start_ns=now_ns + storm.start_ns) for storm in storms]
        self._scheduled = _by_start([*self._scheduled, *fresh])
        self._fire_due()

    def _stop_storms(self, kind: ChaosKind | None) -> None:
        # Also what waits: who stops everything does not want it to begin anew by itself.
        self._scheduled = [one for one in self._scheduled if kind is not None and one.kind != kind]
        self._input(Command(kind=CommandKind.STORM_STOP, storm=0 if kind is None else kind))
        self._on_poll_wanted()

    def _hear_target(self, number: int, status: TargetStatus) -> None:
        if number >= len(self.targets.records):
            return
        target = self.targets.records[number]
        before = target.last_signal
        target.hear(status)
        signal = target.last_signal
        if self._recorder is not None and signal is not None and signal != before:
            which = {} if number == 0 else {"target": target.spec.text}
            self._recorder.on_event("target_signal", self.session.now_ns, {"signal": signal, **which})
        if status.status != "starting":
            # The ledger's word at the same instant, so that the two can be held against each other.
            true = self.targets.ledger_sample(self.session, number)
            if true is not None:
                self._input(true)
            self._input(self.targets.answer_sample(self.session, number, status))
            self._last_words.add(number)
        if self._recorder is not None and status.sample is not None:
            self._recorder.describe_target(self._target_summary(number), number)

    def _ask_ledger(self) -> None:
        """Journal what the ledger says of the targets that trade here."""
        if self.targets.have_accounts:
            self._uncommitted += self.targets.ledger_samples(self.session)
            self._flush_inputs()

    # -- time -----------------------------------------------------------------------------------------

    def statistics(self) -> dict[str, dict[str, int]]:
        """Those of the session and host, and the venue's."""
        return {
            **super().statistics(),
            "venue": self.venue.statistics(),
            "market_data": self.venue.market_data.statistics(),
        }

    def turn(self) -> None:
        """The venue's readers see where a session stands, too."""
        super().turn()
        self.venue.look()

    def _idle(self) -> None:
        """While requests are under way, what comes meanwhile is taken together: a turn has its price."""
        if self.session.broker.is_busy and not self._paused:
            self._stopping.wait(self._idle_s())
        else:
            super()._idle()

    def _idle_s(self) -> float:
        """Until the next request that is under way arrives."""
        due_ns = self.session.broker.next_arrival_ns
        if due_ns is None or self._speed is None or self._paused:
            return super()._idle_s()
        left_s = (due_ns - self.session.now_ns) / (NS_PER_S * self._speed)
        return min(max(REQUEST_IDLE_S, left_s), super()._idle_s())

    def run_to_end(self, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Run in the caller's thread until options.until_ns, or the end of the source (headless)."""
        end_ns = self._end_ns()
        assert end_ns is not None
        self._rebase()
        while not self._ended and not self._stopping.is_set():
            self._take_requests()
            self._advance_slice()
            self._publish_if_due()
            if progress is not None:
                progress(self.session.now_ns, end_ns)
            if self._speed is not None:
                self._stopping.wait(0.001)
        self._finish()
        self._publish()

    def await_target(self, timeout_s: float) -> None:
        """Let session time stand until each target that is asked has answered once, or cannot, or timeout_s
        has passed: a run that begins without it has no start equity."""
        give_up_ns = monotonic_ns() + int(timeout_s * NS_PER_S)
        asked = [self.targets.records[number] for number in self.targets.asked]
        while monotonic_ns() < give_up_ns and any(one.status not in ("ok", "unreachable") for one in asked):
            self._take_requests()
            self._stopping.wait(0.005)
        self._take_requests()

    def _move(self, until_ns: int) -> None:
        """Advance, stopping at full seconds, at scheduled storms and at the end."""
        session = self.session
        end_ns = self._end_ns()
        if end_ns is not None:
            until_ns = min(until_ns, end_ns)
        self._fire_due()
        while session.now_ns < until_ns:
            stop_ns = min(until_ns, (session.now_ns // TICK_NS + 1) * TICK_NS)
            stop_ns = min(stop_ns, self.venue.next_stop_ns)
            if self._scheduled:
                stop_ns = min(stop_ns, max(session.now_ns + 1, self._scheduled[0].start_ns))
            self._measured_advance(stop_ns)
            self.venue.look()
            self._record_happenings()
            if session.now_ns % TICK_NS == 0:
                self._tick()
                self._look_at_publication()
            self._fire_due()
            if self._snapshots is not None:
                self._snapshots.keep_pace(session)
                self._notice = self._snapshots.error or self._notice
        if end_ns is not None and session.now_ns >= end_ns:
            self._ended = True

    def _fire_due(self) -> None:
        while self._scheduled and self._scheduled[0].start_ns <= self.session.now_ns:
            self._start_storm(self._scheduled.pop(0))
        self._flush_inputs()

    def _tick(self) -> None:
        self._ask_ledger()
        if self._recorder is not None and self._recorder.active:
            kernel = self._stages["kernel"].percentiles()
            self._recorder.on_tick(
                *take_tick(self.session, lat_p50_ns=kernel.p50_ns, lat_p99_ns=kernel.p99_ns)
            )

    def _publish_market(self) -> None:
        options, feed = self.options, None
        if options.keep_itch:
            from engine.venue.ouch.itch_server import RetainedFeed  # a tenth of a second that few need

            feed = RetainedFeed()
        if options.publish is None and feed is None:
            return
        try:
            publication = Publication(
                self.session, options.publish, allow_remote=options.publish_anywhere, feed=feed
            )
        except UsageError as error:
            if options.publish is not None:
                raise
            self.feed_error = self._notice = f"no ITCH feed: {error}"  # the market goes on without it
            return
        self.publication = publication
        self.venue.itch_log = None if feed is None else feed.log
        publication.start()

    def _look_at_publication(self) -> None:
        """Publishing that has ended by itself is told."""
        if self.publication is not None and self.publication.error is not None:
            self.session.alerts.raise_alert(
                "publication",
                time_ns=self.session.now_ns,
                severity="warning",
                text=f"not published any more: {self.publication.error}",
                kind="host",
            )

    def _end_ns(self) -> int | None:
        ends = [ns for ns in (self.options.until_ns, self.session.end_ns) if ns is not None]
        return min(ends, default=None)

    def _start_jump(self, time_ns: int) -> None:
        now_ns, end_ns = self.session.now_ns, self._end_ns()
        if time_ns <= now_ns:
            raise UsageError("a live session cannot go back: record it and replay the run, or start it anew")
        self._jump = JumpView(now_ns, time_ns if end_ns is None else min(time_ns, end_ns))

    # -- recording ------------------------------------------------------------------------------------

    def _toggle_recording(self) -> None:
        if self._recorder is not None and self._recorder.active:
            self._stop_recording()
        else:
            self._start_recording()

    def _start_recording(self) -> None:
        if self._recorder is not None and self._recorder.active:
            raise UsageError(f"run {self._recorder.run_id} is being recorded already")
        self._flush_inputs()
        self._ask_ledger()
        self._end_by_ns = None
        self.session.alerts.clear_all("recording:", self.session.now_ns)
        self._recorder = Recorder.start(
            self.options.runs_root,
            self._header(),
            self._inputs,
            targets=[self._target_summary(number) for number in range(len(self.targets.records))],
            fsync=self.options.fsync,
            on_failure=self._tell_of_failure,
        )
        self._storms_seen = new_storm_entries(self.session.storms, 0)[1]
        self._gate_seen = self.session.gatekeeper.entry_count
        self._alerts_seen = self.session.alerts.count
        self.session.broker.boundary.on_line = self._recorder.on_told
        self._last_verdict = None
        self.targets.rebase()
        if self._recorder.error is None:
            self._snapshots = SnapshotWriter(self._recorder.snapshots_path)
            self._input(Command(kind=CommandKind.RECORD_START))
            self._flush_inputs()
        self._on_poll_wanted()

    def _tell_of_failure(self, reason: str) -> None:
        """Recording is over, the market goes on."""
        self._snapshots = None
        self.session.broker.boundary.on_line = None
        self._notice = f"not recording: {reason}"
        self.session.alerts.raise_alert(
            f"recording:{reason}",  # of each run, which its reason names
            time_ns=self.session.now_ns,
            severity="critical",
            text=f"recording stopped: {reason}",
            kind="host",
        )

    def _stop_recording(self) -> None:
        """End the run; where the target is polled, its answer to one more poll still belongs to it."""
        recorder = self._recorder
        if recorder is None or not recorder.active:
            raise UsageError("nothing is being recorded: r starts a recording")
        if not self.targets.asked:
            self._end_recording()
        elif self._end_by_ns is None:
            self._end_by_ns = monotonic_ns() + LAST_POLL_NS
            self._last_words.clear()
            self._on_poll_wanted()

    def _end_recording(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        self._end_by_ns = None
        self._ask_ledger()
        self._input(Command(kind=CommandKind.RECORD_STOP))
        self._flush_inputs()
        self._record_happenings()
        for number in range(len(self.targets.records)):
            recorder.describe_target(self._target_summary(number), number)
        self._last_verdict = recorder.finish(take_checkpoint(self.session), take_score(self.session))
        self.session.broker.boundary.on_line = None
        if self._snapshots is not None:
            self._snapshots.close()
            self._snapshots = None

    def _record_happenings(self) -> None:
        entries, self._storms_seen = new_storm_entries(self.session.storms, self._storms_seen)
        if entries:
            self._ask_ledger()  # what the storm has cost stands in its row
        if self._recorder is not None and self._recorder.active:
            for entry in entries:
                self._recorder.on_storm(entry)
            keeper = self.session.gatekeeper
            for gate_entry in keeper.entries(self._gate_seen):
                self._recorder.on_gate(gate_entry, self.session.account_name(gate_entry.account))
            self._gate_seen = keeper.entry_count
            for alert in self.session.alerts.since(self._alerts_seen):
                self._recorder.on_alert(alert)
            self._alerts_seen = self.session.alerts.count

    def _header(self) -> RunHeader:
        source = self.session.source
        return header_for(
            self.config,
            target=self.options.target,
            targets=self.targets.names,
            record_from_ns=self.session.now_ns,
            source_sha256=None if source is None else source.sha256,
            options={} if self.options.storm_script is None else {STORM_SCRIPT: self.options.storm_script},
        )

    def _target_summary(self, number: int) -> TargetSummary:
        target = self.targets.records[number]
        view = target.view(self.session)
        return TargetSummary(
            bot=view.bot if view.bot is not None or target.spec.kind != "agent" else "demo (in process)",
            currency=view.currency,
            total_trades=view.total_trades,
            wins=view.wins,
            losses=view.losses,
            win_rate=view.win_rate,
        )

    def _finish(self) -> None:
        if self._recorder is not None and self._recorder.active:
            self._stop_recording()
            pause = Event()
            while self._recorder.active:
                self._take_requests()
                pause.wait(0.005)
        if self.publication is not None:
            self.publication.close()

    # -- frames ---------------------------------------------------------------------------------------

    def _scheduled_view(self) -> tuple[StormRequest, ...]:
        return tuple(self._scheduled)

    def _verdict_view(self) -> VerdictView:
        if self._recorder is not None and self._recorder.active:
            return verdict_view(self._recorder.verdict)
        return verdict_view(self.targets.judge())

    def _last_verdict_view(self) -> VerdictView | None:
        return None if self._last_verdict is None else verdict_view(self._last_verdict)

    def _recording_view(self) -> RecordingView | None:
        recorder = self._recorder
        if recorder is None:
            return None
        return RecordingView(
            run_id=recorder.run_id,
            path=recorder.path,
            active=recorder.active,
            since_ns=recorder.since_ns,
            bytes_written=recorder.bytes_written,
            ticks=recorder.ticks,
            storms=recorder.storms,
            error=recorder.error,
        )


def _by_start(storms: list[StormRequest]) -> list[StormRequest]:
    return sorted(storms, key=lambda request: (request.start_ns, request.kind))
