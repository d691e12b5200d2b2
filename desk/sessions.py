"""From one live session to another without leaving the desk: which one is wanted, and opening it.

Invariant: the running session goes on until the other one is open, so what cannot be opened costs nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from desk.clock import clock_of
from engine.frame import Frame
from engine.host.live import LiveOptions, SessionHost
from engine.host.service import LiveService
from engine.scenarios.loader import history_scenario, load_scenario
from engine.session import SessionConfig

__all__ = ["SessionChoice", "Sessions", "what_bots_see"]


class SessionChoice(NamedTuple):
    """What to run next: a scenario, or a source with one of its symbols."""

    scenario: str | None = None
    source: str | None = None
    """Path of a data file; None = the scenario's simulated market."""
    symbol: str | None = None
    """None = the busiest, or first."""
    same_time: bool = False
    """Go on at the present of the running session, on the exchange's clock."""

    @property
    def label(self) -> str:
        """For messages: `balanced`, `day.itch`, `AAPL of day.itch`."""
        if self.source is None:
            return self.symbol or self.scenario or ""
        name = Path(self.source).name
        return f"{self.symbol} of {name}" if self.symbol else name


class Sessions:
    """Opens sessions and puts them in place of the running one. Its calls block: for a thread.

    current         the configuration that runs
    open(choice)    a host that does not run yet
    take(host)      it runs, in place of the one before
    """

    def __init__(self, service: LiveService) -> None:
        self._service = service

    @property
    def current(self) -> SessionConfig:
        """What the running session is made of."""
        return self._service.host.config

    def open(self, choice: SessionChoice) -> SessionHost:
        """A host for this choice, with seed, target and speed of the running one. Raises UsageError and
        DataError when there is no such thing, or it cannot be read."""
        before = self._service.host
        if choice.same_time:
            choice = choice._replace(source=before.config.source)
        scenario = history_scenario() if choice.source is not None else load_scenario(choice.scenario or "")
        config = before.config._replace(
            scenario=scenario, source=choice.source, symbol=choice.symbol if choice.source else None
        )
        return SessionHost(config, _options(before))

    def take(self, host: SessionHost, *, same_time: bool = False) -> None:
        """Run this host in place of the running one. A recording is finished; scheduled storms were the
        other session's and are gone. A paused desk stays paused."""
        before = self._service.host.frame()
        if before.host.state == "paused":
            host.pause()
        if same_time and (to_ns := _same_time_ns(before, host.frame())) > 0:
            host.jump(to_ns)
        self._service.replace(host)


def what_bots_see(clients: int) -> str:
    """What a change of session means to the bots that are connected; empty without any."""
    if not clients:
        return ""
    who = "bot" if clients == 1 else f"{clients} bots"
    return f"{who} greeted anew: old orders and positions are gone"


def _options(before: SessionHost) -> LiveOptions:
    return before.options._replace(
        speed=before.frame().host.speed,
        storms=(),
        record=False,
        until_ns=None,
        publish=None,
        on_poll_wanted=None,
    )


def _same_time_ns(before: Frame, after: Frame) -> int:
    """The other session's time at which its exchange clock shows what the running one shows."""
    was, now = clock_of(before.market), clock_of(after.market)
    if was.epoch_ns is None or now.epoch_ns is None:
        return 0
    return was.epoch_ns + before.market.time_ns - now.epoch_ns
