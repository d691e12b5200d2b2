"""What all hosts share: an engine thread that moves a session along with wall time, and its frames.

One loop, always in this order: take requests, advance to where the pace says, publish a frame. Wall time
decides only how far a slice goes; what happens inside is the session's alone. Faces call the thread-safe
methods, which put requests into one bounded queue, and read `frame()`, which is the latest one.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence

from engine.core.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from engine.core.errors import StormdeskError, StormError, UsageError
from engine.core.queues import BoundedQueue
from engine.core.stages import StageWindow
from engine.core.types import GateAction
from engine.frame import (
    Frame,
    HostView,
    JumpView,
    RecordingView,
    StageView,
    VenueView,
    VerdictView,
)
from engine.host.targets import Targets
from engine.market.orders import ExecutionReport
from engine.session import Session
from engine.storms.request import ChaosKind, StormRequest, kind_of

__all__ = ["MAX_SPEED", "MIN_SPEED", "PacedHost"]

MIN_SPEED, MAX_SPEED = 0.1, 1000.0
REQUESTS_LIMIT = 10_000
"""Requests waiting for the engine thread."""
SLICE_BUDGET_NS = 4 * NS_PER_MS
"""Wall time of one slice at full speed: how long a key press may wait for the core."""
JUMP_SLICE_NS = 60 * NS_PER_S
"""Session time of one slice of a jump, at the most."""
IDLE_S = 0.002
MAX_LAG_NS = 250 * NS_PER_MS
"""Wall time by which a session may fall behind its pace before the pace gives in."""
PERCENTILES_EVERY_NS = 500 * NS_PER_MS

Request = Callable[[], None]


class PacedHost:
    """Base of hosts; a subclass says how time moves (`_move`) and what its requests do."""

    mode = "live"

    def __init__(self, session: Session, *, speed: float | None, frame_hz: float = 20.0) -> None:
        check_speed(speed)
        self.session = session
        self.failure: str | None = None
        """Why the engine thread died; None while it is well."""
        self._speed = speed
        self._paused = False
        self._ended = False
        self._jump: JumpView | None = None
        self._frame_every_ns = int(NS_PER_S / frame_hz)
        self._requests: BoundedQueue[tuple[int, Request, bool]] = BoundedQueue("requests", REQUESTS_LIMIT)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._pace_wall_ns = monotonic_ns()
        self._pace_session_ns = session.now_ns
        self._chunk_ns = NS_PER_MS
        self._progress: deque[tuple[int, int]] = deque(maxlen=64)
        self._stages = {
            name: StageWindow(name, unit)
            for name, unit in (
                ("input", "command"),
                ("kernel", "event"),
                ("analytics", "sample"),
                ("journal", "flush"),
                ("frame", "frame"),
            )
        }
        self._stage_views: tuple[StageView, ...] = ()
        self._stages_seen_ns = 0
        self._notice: str | None = None
        self._frame_due_ns = 0
        self._frame_number = 0
        self.targets = Targets((), session.scenario.thresholds)
        self._api_url: Callable[[], str | None] = lambda: None
        self._api_clients: Callable[[], int] = lambda: 0
        self._venue_view: Callable[[], VenueView] = VenueView
        self._frame = self._build_frame()

    # -- for faces: reading --------------------------------------------------------------------------

    def frame(self) -> Frame:
        """The latest frame; immutable."""
        return self._frame

    @property
    def ended(self) -> bool:
        """Whether the session has come to its end by itself."""
        return self._ended

    def statistics(self) -> dict[str, dict[str, int]]:
        """Fill, limits and drops of all bounded parts of session and host."""
        return {"requests": self._requests.statistics(), **self.session.statistics()}

    def reports(self, account: int, since: int) -> tuple[ExecutionReport, ...]:
        """Execution reports of an external account later than `since`."""
        return self.session.reports(account, since)

    # -- for faces: requests --------------------------------------------------------------------------

    def pause(self) -> None:
        """Stop session time."""
        self._ask(lambda: self._set_paused(True))

    def resume(self) -> None:
        """Let session time go on."""
        self._ask(lambda: self._set_paused(False))

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        self._ask(lambda: self._set_paused(self._jump is not None or not self._paused))

    def set_speed(self, speed: float | None) -> None:
        """Session seconds per wall second, None = as fast as possible. Raises UsageError out of range."""
        check_speed(speed)
        self._ask(lambda: self._set_speed(speed))

    def step(self, ns: int) -> None:
        """While paused: advance by this much session time."""
        self._ask(lambda: self._step(ns))

    def seek(self, time_ns: int) -> None:
        """Go to a time (replay only)."""
        self._ask(lambda: self._seek(time_ns))

    def jump(self, time_ns: int) -> None:
        """Run to a later session time as fast as possible, then go on as before (live only)."""
        self._ask(lambda: self._start_jump(time_ns))

    def cancel_jump(self) -> None:
        """Stop a jump where it is."""
        self._ask(self._end_jump)

    def start_storm(self, kind: ChaosKind, severity: float, duration_s: float, seed: int = 0) -> None:
        """Start a storm or a fault of the venue now. Raises StormError when it is out of range."""
        request = StormRequest(kind_of(kind), severity, duration_s, seed).checked()
        self._ask(lambda: self._start_storm(request))

    def stop_storms(self, kind: ChaosKind | None = None) -> None:
        """Stop one storm, or all."""
        self._ask(lambda: self._stop_storms(kind))

    def start_recording(self) -> None:
        """Begin a run."""
        self._ask(self._start_recording)

    def stop_recording(self) -> None:
        """End the run; its verdict is in the next frame."""
        self._ask(self._stop_recording)

    def toggle_recording(self) -> None:
        """Begin or end a run."""
        self._ask(self._toggle_recording)

    def submit_order(
        self, account: int, side: int, price_ticks: int, qty_lots: int, tif: int = 0, client_id: int = 0
    ) -> bool:
        """Send an order (price 0 = market); False when the queue is full. Live only."""
        raise UsageError("a replay takes no orders: what happened, happened")

    def cancel_order(self, account: int, client_id: int) -> bool:
        """Cancel an order by its client id; False when the queue is full. Live only."""
        raise UsageError("a replay takes no orders: what happened, happened")

    def cancel_all(self, account: int) -> bool:
        """Cancel all of an account's resting orders; False when the queue is full. Live only."""
        raise UsageError("a replay takes no orders: what happened, happened")

    def throw_gate(self, action: GateAction, account: int, *, limit: str = "", value: int = 0) -> bool:
        """Throw a switch of the risk gate, or set a limit; False when the queue is full. Live only."""
        raise UsageError("a replay takes no orders: there is nobody to hold back")

    def run_script(self, storms: Sequence[StormRequest]) -> None:
        """Start these from now on. Live only."""
        raise StormError("a replay cannot be stormed: what happened, happened")

    def acknowledge_alerts(self) -> None:
        """Mark all alerts as seen. It is no input: nothing that is computed depends on it."""
        self._ask(lambda: self.session.alerts.acknowledge_all())

    def acknowledge_alert(self, alert_id: int) -> None:
        """Mark one alert as seen."""
        self._ask(lambda: self.session.alerts.acknowledge(alert_id))

    def add_marker(self, label: str) -> None:
        """Mark the present."""
        self._ask(lambda: self.session.add_marker("user", label[:40]))

    def attach_api(
        self,
        url: Callable[[], str | None],
        clients: Callable[[], int],
        venue: Callable[[], VenueView] = VenueView,
    ) -> None:
        """Where bots connect, and how many do, for frames."""
        self._api_url, self._api_clients, self._venue_view = url, clients, venue

    # -- running --------------------------------------------------------------------------------------

    def run_thread(self) -> None:
        """Start the engine thread."""
        assert self._thread is None
        self._rebase()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the engine thread; a running recording is finalised first."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None
        else:
            self._finish()

    def turn(self) -> None:
        """One turn of the loop: requests, time, frame. For callers that bring their own loop."""
        self._take_requests()
        if (self._jump is not None or not self._paused) and not self._ended:
            self._advance_slice()
        self._publish_if_due()

    def advance_to(self, time_ns: int) -> Frame:
        """Take requests, advance to this session time at full speed in the caller's thread, and give the
        frame: for pictures and tests."""
        assert self._thread is None, "the engine thread moves this session"
        self._take_requests()
        if time_ns > self.session.now_ns:
            self._move(time_ns)
        self._publish()
        return self._frame

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self.turn()
                if self._jump is None and (self._paused or self._ended or self._speed is not None):
                    self._idle()
                else:
                    # Yield the interpreter between slices: the screen's thread must get its turn.
                    self._stopping.wait(0.0005)
        except Exception as error:  # the thread's last resort: the screen must live and say why
            self.failure = f"{type(error).__name__}: {error}"
            self._note_failure(traceback.format_exc())
        finally:
            self._finish()

    def _idle(self) -> None:
        """Sleeps until there is something to do."""
        self._wake.wait(self._idle_s())
        self._wake.clear()

    def _idle_s(self) -> float:
        """How long the thread may sleep when there is nothing to do at once."""
        return IDLE_S

    def _advance_slice(self) -> None:
        now_wall = monotonic_ns()
        session = self.session
        if self._jump is not None:
            self._move_freely(min(self._jump.to_ns, session.now_ns + self._chunk_ns), most_ns=JUMP_SLICE_NS)
            if self._ended or session.now_ns >= self._jump.to_ns:
                self._end_jump()
        elif self._speed is None:
            self._move_freely(session.now_ns + self._chunk_ns)
        else:
            due_ns = self._pace_session_ns + int((now_wall - self._pace_wall_ns) * self._speed)
            self._move_paced(due_ns)
            if monotonic_ns() - now_wall > MAX_LAG_NS:
                self._rebase()
        self._progress.append((monotonic_ns(), session.now_ns))

    def _move_freely(self, until_ns: int, *, most_ns: int = NS_PER_S) -> None:
        """Move without a pace, and learn how far a slice may go within its budget, and `most_ns`."""
        started = monotonic_ns()
        self._move(until_ns)
        spent = max(1, monotonic_ns() - started)
        fitting_ns = min(2 * self._chunk_ns, self._chunk_ns * SLICE_BUDGET_NS // spent)
        self._chunk_ns = max(NS_PER_MS, min(most_ns, fitting_ns))

    def _move_paced(self, due_ns: int) -> None:
        """Move to due_ns in bounded steps, so that a request waits no longer than a step."""
        session = self.session
        started = monotonic_ns()
        while session.now_ns < due_ns and not self._ended:
            self._move(min(due_ns, session.now_ns + self._chunk_ns))
            if monotonic_ns() - started > 2 * SLICE_BUDGET_NS:
                break
        lag_wall_ns = int((due_ns - session.now_ns) / (self._speed or 1.0))
        if lag_wall_ns > MAX_LAG_NS:
            self._rebase()

    def _measured_advance(self, until_ns: int) -> None:
        """Advance the session and measure what an event took."""
        started = monotonic_ns()
        ran = self.session.advance(until_ns)
        if ran:
            self._stages["kernel"].add((monotonic_ns() - started) // ran)

    def _rebase(self) -> None:
        self._pace_wall_ns = monotonic_ns()
        self._pace_session_ns = self.session.now_ns
        self._progress.clear()

    # -- requests, on the engine thread ----------------------------------------------------------------

    def _ask(self, request: Request, *, shows: bool = True) -> bool:
        """Queues a request; `shows`: what it does is to be seen at once."""
        accepted = self._requests.put((monotonic_ns(), request, shows))
        if not self._wake.is_set():  # cheaper to ask; while it is set, the thread has not looked yet
            self._wake.set()
        return accepted

    def _take_requests(self) -> None:
        for asked_ns, request, shows in self._requests.drain():
            try:
                request()
            except StormdeskError as error:
                self._notice = str(error)
            self._stages["input"].add(monotonic_ns() - asked_ns)
            if shows:
                self._frame_due_ns = 0
        self._after_requests()

    def _after_requests(self) -> None:
        """Once all waiting requests are taken."""

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        self._jump = None
        self._rebase()

    def _set_speed(self, speed: float | None) -> None:
        self._speed = speed
        self._chunk_ns = NS_PER_MS
        self._rebase()

    def _step(self, ns: int) -> None:
        if not self._paused:
            raise UsageError("pause first: a step advances a paused session")
        if not self._ended:
            self._move(self.session.now_ns + max(1, ns))
            self._rebase()

    def _start_jump(self, time_ns: int) -> None:
        raise UsageError("a replay goes anywhere by seeking")

    def _end_jump(self) -> None:
        self._jump = None
        self._frame_due_ns = 0
        self._chunk_ns = NS_PER_MS
        self._rebase()

    def _toggle_recording(self) -> None:
        raise UsageError("recording is for live sessions")

    def _start_recording(self) -> None:
        self._toggle_recording()

    def _stop_recording(self) -> None:
        self._toggle_recording()

    def _start_storm(self, request: StormRequest) -> None:
        raise StormError("a replay cannot be stormed: what happened, happened")

    def _stop_storms(self, kind: ChaosKind | None) -> None:
        raise StormError("a replay cannot be stormed: what happened, happened")

    def _seek(self, time_ns: int) -> None:
        raise UsageError("a live market cannot be sought; record it and replay the run")

    def _move(self, until_ns: int) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        """The thread ends."""

    def _note_failure(self, trace: str) -> None:
        self.session.alerts.note(
            time_ns=self.session.now_ns,
            severity="critical",
            text=f"engine stopped: {self.failure}",
            kind="host",
        )
        self._failure_trace = trace
        self._publish()

    # -- frames ---------------------------------------------------------------------------------------

    def _publish_if_due(self) -> None:
        if monotonic_ns() >= self._frame_due_ns:
            self._publish()

    def _publish(self) -> None:
        started = monotonic_ns()
        self._frame = self._build_frame()
        self._stages["frame"].add(monotonic_ns() - started)
        self._frame_due_ns = started + self._frame_every_ns

    def _build_frame(self) -> Frame:
        self._frame_number += 1
        return Frame(self._frame_number, self.session.market_view(), self._host_view())

    def _host_view(self) -> HostView:
        requests = self._requests.statistics()
        targets = self.targets.views(self.session)
        return HostView(
            mode=self.mode,
            state=self._state(),
            speed=self._speed,
            achieved_speed=self._achieved_speed(),
            end_ns=self._end_ns(),
            stages=self._stage_percentiles(),
            target=targets[0],
            targets=targets,
            verdict=self._verdict_view(),
            recording=self._recording_view(),
            last_verdict=self._last_verdict_view(),
            api_url=self._api_url(),
            api_clients=self._api_clients(),
            queue_fill=requests["fill"],
            queue_limit=requests["limit"],
            dropped=requests["refused"],
            notice=self._notice,
            jump=self._jump,
            venue=self._venue_view(),
            scheduled=self._scheduled_view(),
        )

    def _state(self) -> str:
        if self.failure is not None:
            return "failed"
        if self._ended:
            return "ended"
        return "paused" if self._paused else "running"

    def _end_ns(self) -> int | None:
        return self.session.end_ns

    def _achieved_speed(self) -> float | None:
        """Session time over wall time of the recent slices."""
        if len(self._progress) < 2 or self._paused:
            return None
        (wall0, session0), (wall1, session1) = self._progress[0], self._progress[-1]
        return (session1 - session0) / (wall1 - wall0) if wall1 > wall0 else None

    def _stage_percentiles(self) -> tuple[StageView, ...]:
        now = monotonic_ns()
        if now - self._stages_seen_ns > PERCENTILES_EVERY_NS or not self._stage_views:
            self._stages_seen_ns = now
            if self.session.now_ns:
                self._stages["analytics"].add(
                    self.session.analytics.measure_sample(self.session.exchange.market)
                )
            self._stage_views = tuple(
                StageView(s.name, *s.percentiles(), s.unit) for s in self._stages.values()
            )
        return self._stage_views

    def _scheduled_view(self) -> tuple[StormRequest, ...]:
        return ()

    def _verdict_view(self) -> VerdictView:
        return VerdictView("UNKNOWN", None, "no_target: nothing is being judged")

    def _last_verdict_view(self) -> VerdictView | None:
        return None

    def _recording_view(self) -> RecordingView | None:
        return None


def check_speed(speed: float | None) -> None:
    """Raises UsageError unless speed is None (max) or within range."""
    if speed is not None and not MIN_SPEED <= speed <= MAX_SPEED:
        raise UsageError(f"speed {speed} is out of range: use {MIN_SPEED:g} to {MAX_SPEED:g}, or max")
