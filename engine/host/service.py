"""A live host with its surroundings: order API, target poller, demo bot. Started and stopped as one.

The host runs first; API, poller and bot come up in threads and a process of their own, so the screen never
waits for them. On stop they go in reverse order.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from engine.api.server import OrderApi
from engine.host.live import SessionHost
from engine.target.poller import TargetPoller
from engine.target.spawn import DemoBotProcess, spawn_demo_bot

__all__ = ["surroundings"]


@contextlib.contextmanager
def surroundings(host: SessionHost, target: str, *, api_port: int = 0) -> Iterator[OrderApi]:
    """Serve the order API around `host` and poll its target: "none", "agent", "demo" or an URL."""
    api = OrderApi(host, port=api_port)
    bot: DemoBotProcess | None = None
    poller: TargetPoller | None = None
    api.start()
    host.attach_api(lambda: api.url, lambda: api.clients)
    try:
        if target == "demo":
            assert api.address is not None, "the port is taken when start() returns"
            bot = spawn_demo_bot(api.address)
            poller = TargetPoller(bot.locate, host.set_target)
        elif target not in ("none", "agent"):
            poller = TargetPoller(target, host.set_target)
        if poller is not None:
            host.want_polls(poller.poll_now)
            poller.start()
        yield api
    finally:
        if poller is not None:
            poller.stop()
        if bot is not None:
            bot.stop()
        api.stop()
