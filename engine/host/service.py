"""A live host with its surroundings: order API, target poller, demo bot. Started and stopped as one.

The host runs first; API, poller and bot come up in threads and a process of their own, on request only
after the first screen has been drawn, so that the screen never waits for them. On stop they go in reverse
order.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from engine.api.server import START_PATIENCE_S, OrderApi
from engine.host.live import SessionHost
from engine.target.poller import TargetPoller
from engine.target.spawn import DemoBotProcess, spawn_demo_bot

__all__ = ["surroundings"]


@contextlib.contextmanager
def surroundings(
    host: SessionHost, target: str, *, api_port: int = 0, after: threading.Event | None = None
) -> Iterator[OrderApi]:
    """Serve the order API around `host` and poll its target: "none", "agent", "demo" or an URL.

    With `after`, everything but taking the port waits for that event. Raises UsageError when the port is
    taken or the URL is none.
    """
    api = OrderApi(host, port=api_port, after=after)
    api.start()
    host.attach_api(lambda: api.url, lambda: api.clients)
    company = _Company(host, api, target, after)
    try:
        company.start()
        yield api
    finally:
        company.stop()
        api.stop()


class _Company:
    """The bot and the poller, brought up by a thread of their own when there is something to wait for."""

    def __init__(self, host: SessionHost, api: OrderApi, target: str, after: threading.Event | None) -> None:
        self._host = host
        self._api = api
        self._target = target
        self._after = after
        self._bot: DemoBotProcess | None = None
        self._poller: TargetPoller | None = None
        self._stopping = False
        self._starter = threading.Thread(target=self._wait_and_bring_up, name="company", daemon=True)

    def start(self) -> None:
        if self._target in ("none", "agent"):
            return
        if self._after is None:
            self._bring_up()
        else:
            self._starter.start()

    def stop(self) -> None:
        self._stopping = True
        if self._after is not None:
            self._after.set()
        if self._starter.is_alive():
            self._starter.join()
        if self._poller is not None:
            self._poller.stop()
        if self._bot is not None:
            self._bot.stop()

    def _wait_and_bring_up(self) -> None:
        assert self._after is not None
        self._after.wait(START_PATIENCE_S)
        if not self._stopping:
            self._bring_up()

    def _bring_up(self) -> None:
        if self._target == "demo":
            assert self._api.address is not None, "the port is taken when start() returns"
            self._bot = spawn_demo_bot(self._api.address)
            self._poller = TargetPoller(self._bot.locate, self._host.set_target)
        else:
            self._poller = TargetPoller(self._target, self._host.set_target)
        self._host.want_polls(self._poller.poll_now)
        self._poller.start()
