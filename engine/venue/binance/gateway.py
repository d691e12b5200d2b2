"""Requests under way, and what was told: the middle of the Binance gateway.

Place on the data path: between handlers and host. A handler's `Waiting` is queued at the host and waits for
its Reply under its request id; when the engine has news, one wake-up of this loop takes everything told
since, answers whom a Reply concerns and feeds user events, in exactly the order in which they were told.

Everything here runs on the gateway's event loop, except `attach` and the callback that the engine calls,
which only sets a flag and wakes the loop. Invariant: every waiter is answered once: by its reply, by the
end of its session, or by the clock after REPLY_PATIENCE_S.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.broker.money import Money
from engine.broker.terms import Refusal, Reply, Told
from engine.core.clock import wall_ns
from engine.core.errors import UsageError
from engine.venue.binance import errors
from engine.venue.binance.call import Waiting
from engine.venue.binance.codec import Codec
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.limits import Limits, Windows
from engine.venue.binance.user_data import UserStreams
from engine.venue.host import VenueHost
from engine.venue.keys import Key, KeyStore

__all__ = ["REPLY_PATIENCE_S", "WAITER_LIMIT", "Gateway"]

REPLY_PATIENCE_S = 10.0
"""Wall time after which a request without a reply is answered with -1007."""
WAITER_LIMIT = 20_000
"""Requests that may wait for their replies at once; more are answered with -1008."""
SWEEP_S = 0.25
"""How often over-age waiters are looked for, while there are any."""
NS_PER_MS = 1_000_000
CLOSING_LIMIT = 4_096
"""Connections that may be registered to be closed together."""

Deliver = Callable[[Any], None]
"""Takes what a handler's answer became: an object, or a RequestRefused."""


class _Waiter(NamedTuple):
    render: Callable[[Reply], Any]
    deliver: Deliver


class Gateway:
    """One venue, seen by one protocol.

    Identity   host codec symbol keys limits windows users
    Time       now_ms
    Accounts   account_of
    Requests   ask
    Life       start attach stop; track untrack (connections)
    """

    def __init__(
        self,
        host: VenueHost,
        keys: KeyStore,
        *,
        limits: Limits | None = None,
        clock_ns: Callable[[], int] = wall_ns,
        patience_s: float = REPLY_PATIENCE_S,
    ) -> None:
        self.host = host
        self.keys = keys
        self.limits = limits or Limits()
        self.windows = Windows(self.limits)
        self.users = UserStreams(self)
        self.internal_errors = 0
        self.slow_clients = 0
        self.requests = 0
        self.told_gaps = 0
        self.timeouts = 0
        self._clock_ns = clock_ns
        self._patience_s = patience_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = False
        self._forget_host: Callable[[], None] | None = None
        self._waiters: dict[int, _Waiter] = {}
        self._deadlines: deque[tuple[float, int]] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        self._accounts: dict[str, int] = {}
        self._connections: dict[object, Callable[[int, str], None]] = {}
        self._key_changes = keys.changes
        self._session_id = ""
        self._seen = 0
        self._connections_lost = 0
        self._adopt(host)

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen to the host; on the loop that serves."""
        self._loop = asyncio.get_running_loop()
        self._listen()

    def attach(self, host: VenueHost) -> None:
        """Serve another session; from any thread."""
        loop = self._loop
        if loop is None:
            self.host = host
            self._adopt(host)
        else:
            loop.call_soon_threadsafe(self._replace_host, host)

    def stop(self) -> None:
        """The venue closes: say so to user streams, end connections, answer whoever waits."""
        if self._forget_host is not None:
            self._forget_host()
            self._forget_host = None
        self._fail_waiters()
        self.close_connections(1001, "the desk is closing")

    def track(self, connection: object, close: Callable[[int, str], None]) -> bool:
        """Remember how to close a WebSocket, for faults and the end; False when there are too many."""
        if len(self._connections) >= CLOSING_LIMIT:
            return False
        self._connections[connection] = close
        return True

    def untrack(self, connection: object) -> None:
        """It has closed."""
        self._connections.pop(connection, None)

    @property
    def connection_count(self) -> int:
        """WebSockets now."""
        return len(self._connections)

    def close_connections(self, code: int, reason: str) -> None:
        """Close every tracked WebSocket."""
        for close in list(self._connections.values()):
            close(code, reason)

    def _listen(self) -> None:
        if self._forget_host is not None:
            self._forget_host()
        self._forget_host = self.host.on_news(self._on_news)

    def _replace_host(self, host: VenueHost) -> None:
        self.host = host
        self._listen()
        self._drain()

    def _adopt(self, host: VenueHost) -> None:
        """Take over a session from its present on."""
        self._session_id = host.session_id
        self._seen = host.told_count
        self._connections_lost = host.boundary.connections_lost
        self._accounts.clear()
        self.windows.forget_accounts()
        self.codec = Codec(Money(host.instrument), host.epoch_ns)
        self.symbol = self.codec.symbol

    # -- time and accounts ---------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """The venue's clock: wall time, skewed as faults say."""
        return self._clock_ns() // NS_PER_MS + self.host.boundary.clock_skew_ms

    def account_of(self, key: Key) -> int:
        """The account of a key in this session. Raises RequestRefused when all accounts are taken."""
        if self.host.session_id != self._session_id:
            self._drain()
        account = self._accounts.get(key.name)
        if account is None:
            try:
                account = self.host.open_account(key.name, maker_ppm=key.maker_ppm, taker_ppm=key.taker_ppm)
            except UsageError as error:
                raise RequestRefused(-2010, "This action is disabled on this account.") from error
            self._accounts[key.name] = account
        return account

    def last_price_ticks(self) -> int | None:
        """Of the latest frame."""
        return self.host.frame().market.last_price_ticks

    def check_service(self) -> None:
        """Raises RequestRefused while a fault limits all requests."""
        boundary = self.host.boundary
        until_ns = boundary.limited_until_ns
        if until_ns:
            until_ms, windows = self._clock_ms(until_ns), self.windows
            raise windows.ban_error(until_ms) if boundary.is_banned else windows.limit_error(until_ms)

    def _clock_ms(self, session_ns: int) -> int:
        """What the venue's clock shows at a session time."""
        host = self.host
        return (host.epoch_ns + session_ns) // NS_PER_MS + host.boundary.clock_skew_ms

    def note_limited(self, refusal: RequestRefused, api_key: str, account: int = -1) -> None:
        """Tells the session of a request that was refused here for its rate, if its account is known; it may
        have been refused before anything of it was looked at but its key."""
        if refusal.status not in (418, 429):
            return
        if account < 0 and api_key and (key := self.keys.find(api_key)) is not None:
            account = self._accounts.get(key.name, -1)
        if account >= 0:
            now_ms = self.now_ms()
            self.host.note_limited(account, (refusal.retry_at_ms or now_ms) - now_ms)

    # -- requests ------------------------------------------------------------------------------------------

    def ask(self, waiting: Waiting, deliver: Deliver) -> None:
        """Queue a request; `deliver` gets its answer, later. Raises RequestRefused when it is not queued."""
        loop = self._loop
        if loop is None or len(self._waiters) >= WAITER_LIMIT:
            raise errors.refused(Refusal.OVERLOADED)
        request_id = waiting.request.request_id
        self._waiters[request_id] = _Waiter(waiting.render, deliver)
        try:
            queued = self.host.request(waiting.request)
        except BaseException:
            del self._waiters[request_id]
            raise
        if not queued:
            del self._waiters[request_id]
            raise errors.refused(Refusal.OVERLOADED)
        self.requests += 1
        self._deadlines.append((loop.time() + self._patience_s, request_id))
        if self._sweeping is None:
            self._sweeping = loop.call_later(min(SWEEP_S, self._patience_s), self._sweep)

    def _sweep(self) -> None:
        assert self._loop is not None
        self._sweeping = None
        now_s = self._loop.time()
        deadlines = self._deadlines
        while deadlines and (deadlines[0][0] <= now_s or deadlines[0][1] not in self._waiters):
            waiter = self._waiters.pop(deadlines.popleft()[1], None)
            if waiter is not None:
                self.timeouts += 1
                self._deliver(waiter.deliver, errors.timed_out())
        if deadlines:
            self._sweeping = self._loop.call_later(min(SWEEP_S, self._patience_s), self._sweep)

    def _fail_waiters(self) -> None:
        waiters, self._waiters = self._waiters, {}
        self._deadlines.clear()
        for waiter in waiters.values():
            self._deliver(waiter.deliver, errors.disconnected())

    def _deliver(self, deliver: Deliver, answer: Any) -> None:
        try:
            deliver(answer)
        except Exception:  # a defect of ours must not keep others from their answers
            self.internal_errors += 1

    # -- news ----------------------------------------------------------------------------------------------

    def _on_news(self) -> None:
        """On the engine's thread. Public data alone wake nobody here."""
        if self._woken or self._loop is None or not self._has_news():
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # the loop has closed
            self._loop = None

    def _has_news(self) -> bool:
        host = self.host
        return (
            host.told_count != self._seen
            or host.boundary.connections_lost != self._connections_lost
            or host.session_id != self._session_id
        )

    def _drain(self) -> None:
        self._woken = False
        host = self.host
        self.keys.refresh()
        if self.keys.changes != self._key_changes:
            self._forget_removed_keys()
        if host.session_id != self._session_id:
            self.users.terminate_all()
            self._fail_waiters()
            self._adopt(host)
            return
        lost = host.boundary.connections_lost
        if lost != self._connections_lost:
            self._connections_lost = lost
            self.close_connections(1006, "")
        told = host.told(self._seen)
        if not told:
            return
        if told[0].sequence != self._seen + 1:
            self.told_gaps += 1
            self.users.terminate_all()
        self._seen = told[-1].sequence
        for item in told:
            self._take(item)

    def _forget_removed_keys(self) -> None:
        """Whose key is gone hears no more."""
        names = {key.name for key in self.keys.keys}
        self._key_changes = self.keys.changes
        for name in [name for name in self._accounts if name not in names]:
            self.users.terminate(self._accounts.pop(name))

    def _take(self, told: Told) -> None:
        message = told.message
        if type(message) is not Reply:
            try:
                self.users.feed(told)
            except Exception:
                self.internal_errors += 1
            return
        waiter = self._waiters.pop(message.request_id, None)
        if waiter is None:  # too late, or told twice by a fault
            return
        try:
            answer = waiter.render(message)
        except RequestRefused as refusal:
            answer = refusal
            if refusal.code == errors.TOO_MANY_REQUESTS:  # queued before the limit, refused behind it
                until_ms = self._clock_ms(self.host.boundary.limited_until_ns or told.told_ns)
                refusal.retry_at_ms = until_ms
                if refusal.status == 418:
                    answer = self.windows.ban_error(until_ms)
        except Exception:
            self.internal_errors += 1
            answer = errors.unknown()
        self._deliver(waiter.deliver, answer)

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "requests": self.requests,
            "waiters": len(self._waiters),
            "waiter_limit": WAITER_LIMIT,
            "timeouts": self.timeouts,
            "connections": len(self._connections),
            "slow_clients": self.slow_clients,
            "told": self._seen,
            "told_gaps": self.told_gaps,
            "internal_errors": self.internal_errors,
            **{f"users_{name}": number for name, number in self.users.statistics().items()},
            **{f"limits_{name}": number for name, number in self.windows.statistics().items()},
            **{f"keys_{name}": number for name, number in self.keys.statistics().items()},
        }
