"""The lockstep host: a live session whose time moves only from one answer of its client to the next.

At a decision point session time stands. The client hears the book, what became of its orders and where its
account stands, and answers with requests; these are stamped at that instant, journaled and accepted in the
order in which it gave them, and the session advances to the next decision point: the next multiple of the
interval, or with `on_reports` the next execution report of its account, whichever comes first.

Invariant: what is computed is a function of scenario, seed, source, storms and the client's answers alone.
Wall time decides only when to give a client up, so a bot runs as fast as both sides can, and twice the same.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from engine.api.meeting import Answer, ClientLost, Meeting
from engine.api.messages import encode, ladder_json, report_json
from engine.core.errors import UsageError
from engine.core.target_sample import SampleFlag
from engine.core.types import Account, Command, CommandKind, Side
from engine.feeds.opening import Source
from engine.host.live import LiveOptions, SessionHost
from engine.host.target_record import agent_sample
from engine.market.ledger import MICRO
from engine.market.orders import ExecutionReport
from engine.session import Session, SessionConfig
from engine.storms.request import ChaosKind

__all__ = ["BOOK_LEVELS", "PATIENCE_S", "LockstepHost"]

PATIENCE_S = 60.0
"""Wall time for which a client that is connected may think, and for which the first one is awaited."""
FRAME_HZ = 4.0
"""Frames a second at the most: nobody draws them, and the client has its steps."""
SHORTEST_INTERVAL_NS = 1_000
BOOK_LEVELS = 10
"""Levels a side in a step's book."""
END_TIMEOUT_S = 1.0
"""How long the client is given to take the end of the session."""

TARGET = int(Account.TARGET)


class LockstepHost(SessionHost):
    """A live session that waits for one client; run it with `run_to_end`, behind an OrderApi.

    `options.target` must be "none" or "agent": in lockstep the account is judged by the ledger, because a
    target that is polled answers at wall times.
    """

    def __init__(
        self,
        config: SessionConfig,
        options: LiveOptions,
        *,
        interval_ns: int,
        patience_s: float = PATIENCE_S,
        source: Source | None = None,
    ) -> None:
        """`interval_ns`: session time between decision points. Raises UsageError."""
        if interval_ns < SHORTEST_INTERVAL_NS:
            raise UsageError(f"lockstep interval {interval_ns} ns is too short: use 0.001ms or more")
        if options.target not in ("none", "agent"):
            raise UsageError(
                f"target {options.target!r} in lockstep: a polled target answers at wall times, so two runs "
                "would differ; the ledger judges the lockstep client"
            )
        if config.target_agent:
            raise UsageError("in lockstep the client trades the target's account: leave its agent out")
        self.broken: str | None = None
        """Why the run ended before its time: what happened to the client."""
        frame_hz = min(options.frame_hz, FRAME_HZ)
        super().__init__(config, options._replace(speed=None, frame_hz=frame_hz), source=source)
        self.meeting = Meeting(interval_ns=interval_ns)
        """Where the client meets this session; the order API finds it here."""
        self._patience_s = patience_s
        self._told = 0
        """Sequence of the last report that the client has been told."""

    # -- time ------------------------------------------------------------------------------------------

    def run_to_end(self, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Run in the caller's thread until options.until_ns, the end of the source, or the client's word.

        A client that is lost ends the run: `broken` says how, and its account counts as unreachable.
        """
        end_ns = self._end_ns()
        assert end_ns is not None
        self._sample()
        self._take_requests()
        self._move(self._next_decision_ns())
        try:
            self.meeting.begin(self._step_message(1), self._take_turn)
            self.meeting.watch(
                patience_s=self._patience_s,
                is_stopping=self._stopping.is_set,
                look=lambda: None if progress is None else progress(self.session.now_ns, end_ns),
            )
            self._ended = True
            self._sample()
        except ClientLost as lost:
            self._give_up(str(lost))
        self._finish()
        self._publish()
        self.meeting.put_end(self._end_message(), END_TIMEOUT_S)

    def _take_turn(self, answer: Answer) -> bytes | None:
        """From one decision point to the next; None when there is none any more."""
        if answer.finish:
            return None
        self._told = self._last_report()
        for command in answer.commands:
            self._input(command)
        self._take_requests()
        self._move_on()
        self._publish_if_due()
        return None if self._ended else self._step_message(self.meeting.step.number + 1)

    def _move_on(self) -> None:
        until_ns = self._next_decision_ns()
        if not self.meeting.on_reports:
            self._move(until_ns)
            return
        market = self.session.exchange.market
        while self.session.now_ns < until_ns and not self._ended and self._last_report() == self._told:
            # An instant at a time: the kernel hands reports over when it stops.
            happens_ns = market.heap[0].time_ns if market.waiting else until_ns
            self._move(min(until_ns, max(happens_ns, self.session.now_ns + 1)))

    def _next_decision_ns(self) -> int:
        return (self.session.now_ns // self.meeting.interval_ns + 1) * self.meeting.interval_ns

    def _sample(self) -> None:
        """The first and the last word on the account; between them there is one a second."""
        if self.options.target == "agent":
            self._input(agent_sample(self.session))
            self._flush_inputs()

    def _ask_ledger(self) -> None:
        if self.broken is None:  # an account whose trader is lost is not judged
            super()._ask_ledger()

    def _give_up(self, reason: str) -> None:
        now_ns = self.session.now_ns
        self.broken = reason
        self._ended = True
        self._notice = reason
        self.session.alerts.raise_alert(
            "lockstep", time_ns=now_ns, severity="critical", text=reason, kind="host"
        )
        if self._recorder is not None and self._recorder.active:
            self._recorder.on_event("lockstep_broken", now_ns, {"reason": reason})
        if self.options.target == "agent":
            self._input(Command(kind=CommandKind.TARGET_SAMPLE, flags=SampleFlag.LEDGER))
            self._flush_inputs()

    # -- requests of others ----------------------------------------------------------------------------

    def _ask_input(self, command: Command) -> bool:
        raise _not_now()

    def _ask_inputs(self, commands: list[Command]) -> bool:
        """Those of the venue's gateways too."""
        raise _not_now()

    def start_storm(self, kind: ChaosKind, severity: float, duration_s: float, seed: int = 0) -> None:
        """Refused: storms of a lockstep run are scheduled. Raises UsageError."""
        raise _not_now()

    def stop_storms(self, kind: ChaosKind | None = None) -> None:
        """Refused: storms of a lockstep run are scheduled. Raises UsageError."""
        raise _not_now()

    # -- what the client is told -----------------------------------------------------------------------

    def _step_message(self, number: int) -> bytes:
        return encode({"type": "step", "step": number, **self._present(number)})

    def _end_message(self) -> bytes:
        verdict, session = self.verdict, self.session
        outcome = {
            "verdict": verdict.verdict,
            "delta": verdict.delta,
            "reason": verdict.reason,
            "broken": self.broken,
            "event_digest": f"{session.event_digest:#018x}",
            "run": None if self._recorder is None else self._recorder.run_id,
        }
        return encode({"type": "end", **self._present(self.meeting.step.number + 1), **outcome})

    def _present(self, number: int) -> dict[str, object]:
        session = self.session
        book, ledger = session.exchange.book, session.exchange.ledger
        bids, asks = (book.levels(side, BOOK_LEVELS) for side in (Side.BID, Side.ASK))
        equity = ledger.equity(TARGET, session.exchange.mark_twice_ticks)
        return {
            "time_ns": session.now_ns,
            "book": ladder_json(number, session.now_ns, bids, asks),
            "reports": [report_json(report) for report in self._untold(session)],
            "account": {
                "position_lots": ledger.position(TARGET),
                "pnl": equity * session.exchange.instrument.tick_lot_value / MICRO,
                "open_orders": session.exchange.open_order_count(TARGET),
            },
        }

    def _untold(self, session: Session) -> list[ExecutionReport]:
        kept = session.kept_reports[TARGET]
        newest_first = list(islice(reversed(kept), self._last_report() - self._told))
        return newest_first[::-1]

    def _last_report(self) -> int:
        kept = self.session.kept_reports[TARGET]
        return kept[-1].sequence if kept else 0


def _not_now() -> UsageError:
    return UsageError(
        "this session moves in lockstep with its client: only the client's answers come in "
        "(orders: connect with ?lockstep=1; storms: --storm)"
    )
