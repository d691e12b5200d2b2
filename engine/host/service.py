"""A live host with its surroundings: order API, target poller, demo bot. Started and stopped as one.

The host runs first; API, poller and bot come up in threads and a process of their own, on request only
after the first screen has been drawn, so that the screen never waits for them. On stop they go in reverse
order. Another host can take the place of the running one: address, streams and bots stay, and every stream
is greeted by the new session.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Self

from engine.api.server import START_PATIENCE_S, OrderApi, VenueOptions
from engine.host.live import SessionHost
from engine.target.contract import TargetStatus
from engine.target.poller import TargetPoller
from engine.target.spawn import DemoBotProcess, spawn_demo_bot

__all__ = ["LiveService", "surroundings"]


class LiveService:
    """The order API around a live host, and the poller of its target: "none", "agent", "demo" or an URL.

    A context: entering takes the port, leaving ends everything but the host. With `after`, everything but
    taking the port waits for that event. Raises UsageError when the port is taken or the URL is none.
    """

    def __init__(
        self,
        host: SessionHost,
        target: str,
        *,
        api_port: int = 0,
        after: threading.Event | None = None,
        venue: VenueOptions | None = None,
    ) -> None:
        """`venue`: serve exchange clients too, on the same port."""
        self.host = host
        """The host that is served now."""
        self.api = OrderApi(host, port=api_port, after=after, venue=venue)
        self._company = _Company(self, target, after)

    def __enter__(self) -> Self:
        self.api.start()
        self._serve(self.host)
        try:
            self._company.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._company.stop()
        self.api.stop()

    def replace(self, host: SessionHost, *, timeout_s: float = 10.0) -> None:
        """Let this host (not running yet) go on in place of the running one, which is stopped: a recording
        of it is finished first. Blocks until then."""
        self.host.stop(timeout_s)
        self.host = host
        self._serve(host)
        self.api.attach(host)
        self._company.greet(host)
        host.run_thread()

    def _serve(self, host: SessionHost) -> None:
        host.attach_api(lambda: self.api.url, lambda: self.api.clients)

    def hear_target(self, status: TargetStatus) -> None:
        """The poller's answer goes to the host of now."""
        self.host.set_target(status)


@contextlib.contextmanager
def surroundings(
    host: SessionHost,
    target: str,
    *,
    api_port: int = 0,
    after: threading.Event | None = None,
    venue: VenueOptions | None = None,
) -> Iterator[OrderApi]:
    """A LiveService for one host that stays; gives its order API."""
    with LiveService(host, target, api_port=api_port, after=after, venue=venue) as service:
        yield service.api


class _Company:
    """The bot and the poller, brought up by a thread of their own when there is something to wait for."""

    def __init__(self, service: LiveService, target: str, after: threading.Event | None) -> None:
        self._service = service
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

    def greet(self, host: SessionHost) -> None:
        """Another host wants the target's samples from now on."""
        if self._poller is not None:
            host.want_polls(self._poller.poll_now)
            self._poller.poll_now()

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
        service = self._service
        if self._target == "demo":
            assert service.api.address is not None, "the port is taken when start() returns"
            self._bot = spawn_demo_bot(service.api.address)
            self._poller = TargetPoller(self._bot.locate, service.hear_target)
        else:
            self._poller = TargetPoller(self._target, service.hear_target)
        service.host.want_polls(self._poller.poll_now)
        self._poller.start()
