"""The demo bot over the wire in a real market: two ways of keeping its books, one result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from engine.core.types import Account
from engine.host import LiveOptions, SessionHost
from engine.host.service import surroundings
from engine.scenarios.loader import load_scenario
from engine.session import SessionConfig
from engine.target.contract import TargetSample, TargetStatus
from engine.target.spawn import spawn_demo_bot
from tests.target.misbehaviour import DEADLINE_S
from tests.target.polling import contract_poller


def fast_host(runs: Path, seed: int) -> SessionHost:
    config = SessionConfig(scenario=load_scenario("balanced"), seed=seed)
    host = SessionHost(config, LiveOptions(runs_root=runs, speed=20.0, target="demo"))
    host.run_thread()
    return host


class Watch:
    """Waits for a poll at which a condition holds."""

    def __init__(self) -> None:
        self.sample: TargetSample | None = None
        self._changed = threading.Condition()

    def __call__(self, status: TargetStatus) -> None:
        with self._changed:
            self.sample = status.sample
            self._changed.notify_all()

    def wait(self, holds: Callable[[TargetSample], bool]) -> TargetSample:
        with self._changed:
            assert self._changed.wait_for(lambda: self.sample is not None and holds(self.sample), DEADLINE_S)
            assert self.sample is not None
            return self.sample


def agrees_with(host: SessionHost, *, start_equity: float = 10_000) -> Callable[[TargetSample], bool]:
    """Whether the host stands still and its ledger says the bot's own profit (in floats: to a millionth)."""

    def holds(sample: TargetSample) -> bool:
        view = host.frame().host
        return view.state == "paused" and abs(sample.equity - start_equity - view.target.ledger_pnl) < 2e-6

    return holds


def test_the_bot_and_the_desk_agree_on_its_profit_also_over_a_new_session(tmp_path: Path) -> None:
    host, again, watch = fast_host(tmp_path, 42), fast_host(tmp_path, 43), Watch()
    with surroundings(host, "none") as api:
        assert api.address is not None
        bot = spawn_demo_bot(api.address)
        poller = contract_poller(bot.locate, watch, period_s=0.02, timeout_ms=5_000)
        poller.start()
        try:
            watch.wait(lambda sample: bool(sample.signals))
            host.pause()
            before = watch.wait(agrees_with(host))
            assert host.reports(Account.TARGET, 0)
            api.attach(again)
            watch.wait(lambda sample: sample.last_signal != before.last_signal)
            again.pause()
            watch.wait(agrees_with(again, start_equity=before.equity))
            assert any(report.filled_lots_last for report in again.reports(Account.TARGET, 0))
        finally:
            poller.stop()
            bot.stop()
            host.stop(DEADLINE_S)
            again.stop(DEADLINE_S)
