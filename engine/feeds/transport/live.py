"""A live feed in a thread of its own, for consumers that run no event loop.

Stop on the data path: between the sockets and the engine's host. Invariant: the consumer only drains; nothing
it does or does not do stops the network side, and `stop` always ends the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from engine.core.clock import monotonic_ns
from engine.core.errors import StormdeskError
from engine.feeds.transport.addresses import MoldAddress, SoupAddress, soup_password
from engine.feeds.transport.gaps import GapLimits
from engine.feeds.transport.inbox import INBOX_PACKETS, Inbox
from engine.feeds.transport.mold_receiver import MoldReceiver
from engine.feeds.transport.moldudp64 import Packet
from engine.feeds.transport.soup_receiver import SoupReceiver

__all__ = ["LiveFeed"]

STOP_PATIENCE_S = 5.0


class LiveFeed:
    """A mold:// or soup:// source: `start`, then `wait` and `drain` until `is_over`, then `stop`."""

    def __init__(
        self,
        address: MoldAddress | SoupAddress,
        *,
        allow_remote: bool = False,
        limits: GapLimits | None = None,
        inbox_packets: int = INBOX_PACKETS,
        on_arrival: Callable[[], None] | None = None,
        clock: Callable[[], int] = monotonic_ns,
    ) -> None:
        """The password of a soup:// source comes from the environment. Raises UsageError as the receivers do,
        and when that password is missing."""
        self.inbox = Inbox(limit=inbox_packets, on_arrival=on_arrival)
        self.receiver: MoldReceiver | SoupReceiver
        if isinstance(address, SoupAddress):
            self.receiver = SoupReceiver(
                address, soup_password(), self.inbox, allow_remote=allow_remote, clock=clock
            )
        else:
            self.receiver = MoldReceiver(
                address, self.inbox, allow_remote=allow_remote, limits=limits, clock=clock
            )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live-feed", daemon=True)

    @property
    def is_over(self) -> bool:
        """Nothing more will come; packets may still be there to drain."""
        return self.inbox.is_over

    @property
    def error(self) -> StormdeskError | None:
        """Why it ended: FeedGap, DataError (also when stopped) or UsageError; None: it goes on, or its
        session is complete."""
        return self.inbox.error

    def start(self) -> None:
        """Open the sockets and wait until they are; what goes wrong is in `error`."""
        self._thread.start()
        self._is_up.wait(STOP_PATIENCE_S)

    def drain(self) -> list[Packet]:
        """All packets that are there, in sequence."""
        return self.inbox.drain()

    def wait(self, timeout_s: float) -> bool:
        """Wait until there is something to drain, or the end has come; False after the timeout."""
        return self.inbox.wait(timeout_s)

    def stop(self) -> None:
        """End it."""
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._task.cancel)
        if self._thread.is_alive():
            self._thread.join(STOP_PATIENCE_S)

    def statistics(self) -> dict[str, int]:
        """Everything between the socket and the consumer."""
        return self.receiver.statistics()

    def _run(self) -> None:
        # The selector loop watches sockets on every system; Windows' default loop does not.
        with (
            contextlib.suppress(asyncio.CancelledError),
            asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner,
        ):
            runner.run(self._receive())

    async def _receive(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        running = asyncio.create_task(self.receiver.run())
        try:
            await self.receiver.is_ready.wait()
            self._is_up.set()
            await running
        finally:
            self._is_up.set()
            running.cancel()
