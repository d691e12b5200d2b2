"""Where a session that moves in lockstep and its one client meet.

Place on the data path: between the host and the API's event loop, instead of the input queue. The host puts
the first step; every answer takes its turn in the thread that brings it (the loop's: two handovers between
threads would cost more than the turn), and the turn gives the next step. The host's own thread only watches
over the client. One lock says whose turn it is, so one thread at a time touches the session.
Invariant: a step is answered exactly once, whole or not at all, whatever becomes of connections meanwhile;
so wall time decides only when a client is given up, never what is computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

from engine.api.messages import RequestRefusedError
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.core.errors import StormdeskError
from engine.core.types import Command, CommandKind

__all__ = ["REJOIN_S", "Answer", "ClientLost", "Meeting", "Seat", "Step"]

REJOIN_S = 5.0
"""How long a client whose connection broke has to come back."""
LOOK_S = 0.1
"""How often the host's thread looks after the client."""
CLOSED_BY_CLIENT = (1000, 1001)
"""Close codes of a client that meant to go."""


class ClientLost(StormdeskError):
    """The lockstep client did not come, went, or has fallen silent; the session cannot go on without it."""


class Answer(NamedTuple):
    """What a client decided at one decision point."""

    commands: tuple[Command, ...]
    finish: bool = False
    """It has seen enough: the session ends here."""


class Step(NamedTuple):
    """What the client is told at one decision point."""

    number: int
    """From 1; 0 before the first."""
    message: bytes
    is_end: bool = False
    """Nothing is to be answered any more."""


class Seat(Protocol):
    """The client's connection, as the host sees it."""

    def call(self) -> None:
        """A step has been put. From any thread; must not wait."""


class Meeting:
    """One seat, one step at a time. All methods are thread-safe."""

    def __init__(self, *, interval_ns: int) -> None:
        self.interval_ns = interval_ns
        """Session time between decision points."""
        self.on_reports = False
        """Decide at each execution report too: the client in the seat chose it."""
        self.next_client_id = 1
        """Larger than any client id used so far: where a client that starts anew goes on."""
        self.steps = 0
        """Answered so far."""
        self.refusals = 0
        """Answers that were none."""
        self._changed = threading.Condition()
        self._step = Step(0, b"")
        self._asked_ns = 0
        self._turn: Callable[[Answer], bytes | None] | None = None
        self._failure: Exception | None = None
        self._seat: Seat | None = None
        self._has_come = False
        self._gone_ns = 0
        self._gone_code: int | None = None
        self._end_is_told = False

    # -- for the host ----------------------------------------------------------------------------------------

    def begin(self, message: bytes, turn: Callable[[Answer], bytes | None]) -> None:
        """Put the first step. `turn` takes an answer and gives the next step, None when it was the last."""
        with self._changed:
            self._turn = turn
        self._put(Step(1, message))

    def watch(self, *, patience_s: float, is_stopping: Callable[[], bool], look: Callable[[], None]) -> None:
        """Wait for the last turn, or until the host is to stop; calls `look` now and then, between turns.

        Afterwards no turn is taken any more. Raises ClientLost when nobody comes or answers within
        patience_s of wall time, when the client leaves without a word, or when it does not come back within
        REJOIN_S; and whatever a turn has raised.
        """
        with self._changed:
            try:
                while self._turn is not None and not is_stopping():
                    self._check_patience(patience_s)
                    self._changed.wait(LOOK_S)
                    look()
            finally:
                self._turn = None
            if self._failure is not None:
                raise self._failure

    def put_end(self, message: bytes, timeout_s: float) -> None:
        """Tell the client that the session has ended; waits until it is told, if somebody is there."""
        self._put(Step(self._step.number + 1, message, is_end=True))
        with self._changed:
            self._changed.wait_for(lambda: self._seat is None or self._end_is_told, timeout_s)

    def _put(self, step: Step) -> None:
        with self._changed:
            self._step, self._asked_ns = step, monotonic_ns()
            seat = self._seat
        if seat is not None:
            seat.call()

    def _check_patience(self, patience_s: float) -> None:
        now_ns, asked_ns = monotonic_ns(), self._asked_ns
        if self._seat is not None:
            if now_ns - asked_ns > patience_s * NS_PER_S:
                raise ClientLost(
                    f"lockstep: the client has not answered step {self._step.number} for {patience_s:g} s; "
                    "see whether it hangs, or allow it more patience"
                )
        elif not self._has_come:
            if now_ns - asked_ns > patience_s * NS_PER_S:
                raise ClientLost(
                    f"lockstep: no client came within {patience_s:g} s; start one that calls "
                    "desk.lockstep(), or connect to /api/v1/stream?lockstep=1"
                )
        elif self._gone_code in CLOSED_BY_CLIENT:
            raise ClientLost(
                f"lockstep: the client left at step {self._step.number} without finishing; see its own log"
            )
        elif now_ns - max(asked_ns, self._gone_ns) > REJOIN_S * NS_PER_S:
            raise ClientLost(
                f"lockstep: the client's connection broke at step {self._step.number} and it did not come "
                f"back within {REJOIN_S:g} s; see its own log"
            )

    # -- for the event loop --------------------------------------------------------------------------------

    @property
    def step(self) -> Step:
        """The step that waits for its answer, or was answered last."""
        return self._step

    @property
    def is_waiting(self) -> bool:
        """Whether a step has been put and not been answered yet."""
        return self._step.number > self.steps

    def take_seat(self, seat: Seat, *, on_reports: bool) -> None:
        """Sit down. Raises RequestRefusedError while somebody sits there: one client is enough."""
        with self._changed:
            if self._seat is not None:
                raise RequestRefusedError(
                    "seat_taken", "another client moves this session already; one is enough", http_status=409
                )
            self._seat = seat
            self._has_come = True
            self.on_reports = on_reports
            self._changed.notify_all()

    def leave_seat(self, seat: Seat, code: int | None) -> None:
        """The connection has ended, with this close code."""
        with self._changed:
            if self._seat is seat:
                self._seat = None
                self._gone_ns = monotonic_ns()
                self._gone_code = code
                self._changed.notify_all()

    def note_end_told(self) -> None:
        """The end has gone out."""
        with self._changed:
            self._end_is_told = True
            self._changed.notify_all()

    def answer(self, number: int, answer: Answer) -> None:
        """Answer the step and take the turn. Raises RequestRefusedError when another one is waiting."""
        with self._changed:
            turn = self._turn
            if turn is None or number != self._step.number or number <= self.steps:
                raise RequestRefusedError(
                    "wrong_step", f"step: {number} is not waiting; the last one told is {self._step.number}"
                )
            self.steps = number
            for command in answer.commands:
                if command.kind == CommandKind.SUBMIT:
                    self.next_client_id = max(self.next_client_id, command.order_id + 1)
            try:
                message = turn(answer)
            except Exception as failure:  # the host's thread raises it
                self._failure, message = failure, None
            if message is None:
                self._turn = None
                self._changed.notify_all()
            else:
                self._step, self._asked_ns = Step(number + 1, message), monotonic_ns()
