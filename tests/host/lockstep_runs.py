"""Lockstep sessions for tests: the session in the test's thread, the bot in another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from engine.api.server import OrderApi
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.host.live import LiveOptions
from engine.host.lockstep import LockstepHost
from engine.recording.verdict import Verdict
from engine.scenarios.loader import load_scenario
from engine.session import SessionConfig

Bot = Callable[[str], object]


class Outcome(NamedTuple):
    """What came of a run."""

    host: LockstepHost
    event_digest: int
    inputs: int
    verdict: Verdict
    bot_error: BaseException | None


def lockstep_host(
    root: Path,
    *,
    seconds: float = 4,
    interval_ms: float = 100,
    seed: int = 4,
    patience_s: float = 20,
    **options,
) -> LockstepHost:
    chosen = {"runs_root": root, "target": "agent", "until_ns": int(seconds * NS_PER_S)} | options
    return LockstepHost(
        SessionConfig(load_scenario("minimal"), seed=seed),
        LiveOptions(**chosen),
        interval_ns=int(interval_ms * NS_PER_MS),
        patience_s=patience_s,
    )


def run_lockstep(host: LockstepHost, bot: Bot | None) -> Outcome:
    """Run this host to its end with this bot (called with the API's address); None: nobody comes."""
    errors: list[BaseException] = []
    api = OrderApi(host)
    api.start()
    assert api.wait_listening(20), api.error

    def live() -> None:
        try:
            assert bot is not None
            assert api.url is not None
            bot(api.url)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=live, name="bot")
    try:
        if bot is not None:
            thread.start()
        host.run_to_end()
        if bot is not None:
            thread.join(20)
            assert not thread.is_alive()
    finally:
        api.stop()
    session = host.session
    error = errors[0] if errors else None
    return Outcome(host, session.event_digest, session.input_count, host.verdict, error)
