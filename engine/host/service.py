"""A live host with its surroundings: order API, venue, target poller, demo bot. Started and stopped as one.

The host runs first; API, poller and bot come up in threads and a process of their own, on request only
after the first screen has been drawn, so that the screen never waits for them. On stop they go in reverse
order. Another host can take the place of the running one: address, streams and bots stay, and every stream
is greeted by the new session.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Self

from engine.api.server import START_PATIENCE_S, OrderApi, VenueOptions
from engine.core.errors import UsageError
from engine.frame import VenueView
from engine.host.live import SessionHost
from engine.target.adapter import ContractAdapter, TargetAdapter
from engine.target.contract import TargetStatus
from engine.target.freqtrade import FreqtradeAdapter
from engine.target.poller import TargetPoller
from engine.target.spawn import DemoBotProcess, spawn_demo_bot
from engine.target.spec import TargetSpec, parse_targets
from engine.venue.keys import Key

__all__ = ["LiveService", "surroundings"]


class LiveService:
    """The order API around a live host, and the pollers of its targets (engine/target/spec.py): the first
    is named here, further ones in the host's options.

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
        """`venue`: serve exchange clients too, on the same port, and FIX, OUCH and ITCH at its `wires`; the
        ITCH feed is there when the host keeps one (LiveOptions.keep_itch)."""
        self.host = host
        """The host that is served now."""
        self.api = OrderApi(host, port=api_port, after=after, venue=venue)
        self._keys = None if venue is None else venue.keys
        texts = (target, *host.options.more_targets) if target != "none" else ()
        self._specs = parse_targets(texts)
        self._traders = [self._key_of(spec.key) for spec in self._specs if spec.key is not None]
        self._company = _Company(self, self._specs, after)

    def __enter__(self) -> Self:
        self.api.start()
        self._serve(self.host)
        self._open_accounts(self.host)
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
        self._open_accounts(host)
        self.api.attach(host)
        self._company.greet(host)
        host.run_thread()

    def _serve(self, host: SessionHost) -> None:
        api = self.api
        host.attach_api(
            lambda: api.url,
            lambda: api.clients,
            lambda: VenueView(
                is_open=api.has_venue, public_deeds=tuple(api.public_deeds.items()), **api.wires
            ),
        )

    def hear_target(self, number: int, status: TargetStatus) -> None:
        """A poller's answer goes to the host of now."""
        self.host.set_target(status, number)

    def _key_of(self, name: str) -> Key:
        if self._keys is None:
            raise UsageError(f"target key {name!r}: the venue is closed, so no key trades here")
        found = [key for key in self._keys.keys if key.name == name]
        if not found:
            raise UsageError(f"target key {name!r}: there is no such key; stormdesk key new {name} makes it")
        return found[0]

    def _open_accounts(self, host: SessionHost) -> None:
        """Targets with a key have their accounts from the start, so that their equity is known before they
        trade."""
        for key in self._traders:
            host.venue.open_account(key.name, maker_ppm=key.maker_ppm, taker_ppm=key.taker_ppm)


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
    """The demo bot and the pollers; a thread of their own brings them up when there is something to await."""

    def __init__(
        self, service: LiveService, specs: Sequence[TargetSpec], after: threading.Event | None
    ) -> None:
        self._service = service
        self._asked = [(number, spec) for number, spec in enumerate(specs) if spec.is_asked]
        self._after = after
        self._bot: DemoBotProcess | None = None
        self._adapters = {number: _adapter(spec) for number, spec in self._asked if spec.kind != "demo"}
        self._pollers: list[TargetPoller] = []
        self._stopping = False
        self._starter = threading.Thread(target=self._wait_and_bring_up, name="company", daemon=True)

    def start(self) -> None:
        if not self._asked:
            return
        if self._after is None:
            self._bring_up()
        else:
            self._starter.start()

    def greet(self, host: SessionHost) -> None:
        """Another host wants the targets' samples from now on."""
        if self._pollers:
            host.want_polls(self._poll_now)
            self._poll_now()

    def stop(self) -> None:
        self._stopping = True
        if self._after is not None:
            self._after.set()
        if self._starter.is_alive():
            self._starter.join()
        for poller in self._pollers:
            poller.stop()
        if self._bot is not None:
            self._bot.stop()

    def _wait_and_bring_up(self) -> None:
        assert self._after is not None
        self._after.wait(START_PATIENCE_S)
        if not self._stopping:
            self._bring_up()

    def _bring_up(self) -> None:
        service = self._service
        for number, spec in self._asked:
            if spec.kind == "demo":
                assert service.api.address is not None, "the port is taken when start() returns"
                self._bot = spawn_demo_bot(service.api.address)
                self._adapters[number] = ContractAdapter(self._bot.locate)
            hear = partial(service.hear_target, number)
            self._pollers.append(TargetPoller(self._adapters[number], hear))
        service.host.want_polls(self._poll_now)
        for poller in self._pollers:
            poller.start()

    def _poll_now(self) -> None:
        for poller in self._pollers:
            poller.poll_now()


def _adapter(spec: TargetSpec) -> TargetAdapter:
    """How this kind of target is asked. Raises UsageError when a password is wanted and not there."""
    assert spec.url is not None
    if spec.kind == "freqtrade":
        assert spec.user is not None
        return FreqtradeAdapter(spec.url, spec.user)
    return ContractAdapter(spec.url)
