"""What gateways see of a live session: the host's side of engine/venue/host.py (stop 1 on the data path).

Requests go down through the host's bounded input queue, as every input does; what is told and public data
come up as immutable values, with one call to who waits for news per turn of the engine thread. Whatever a
gateway does, the engine thread never waits for it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence

from engine.broker.boundary import Boundary
from engine.broker.broker import BOT_ACCOUNTS, Broker
from engine.broker.journaling import request_commands
from engine.broker.terms import Asked, BrokerRequest, Limited, OpenAccount, OrderState, Told
from engine.core.clock import NS_PER_MS, monotonic_ns, wall_ns
from engine.core.errors import UsageError
from engine.core.types import Account, Command, Instrument
from engine.feeds.transport.retained import RetainedMessages
from engine.frame import Frame
from engine.session import Session
from engine.venue.market_data import MarketData

__all__ = ["TARGET_KEY", "VenuePort"]

TARGET_KEY = "target"
"""The key of this name trades as the account TARGET, the bot that the verdict is about."""
NOTED_ORDERS = 200
"""Orders named in one note of what a bot was told; of a longer answer, the newest."""
LIMITED_NOTE_NS = 100 * NS_PER_MS
"""Wall time between two notes of requests that were refused for their rate; those after the last are not
told."""
SIGHT_NS = 100 * NS_PER_MS
"""Wall time after which the book is seen again while gateways serve but nobody watches."""


class VenuePort:
    """The venue's door into one live session.

    Gateways (any thread)      request told open_account next_request_id on_news broker boundary market_data …
                               note_answer note_limited
    Host (engine thread)       look tell_news
    """

    def __init__(
        self,
        session: Session,
        *,
        session_id: str,
        frame: Callable[[], Frame],
        put: Callable[[list[Command]], bool],
        rests: bool = False,
    ) -> None:
        """`put` queues commands that belong together; False: no room. `rests`: where time is paced by a
        wall, public data are looked at only as often as their readers need."""
        self.session_id = session_id
        self.epoch_ns = wall_ns() - session.now_ns
        """Wall time, ns since 1970, of session time 0."""
        self.market_data = MarketData(session, self.epoch_ns)
        self.itch_log: RetainedMessages | None = None
        """The market as ITCH messages, while somebody wants to serve it."""
        self._session = session
        self._frame = frame
        self._put = put
        self._numbers = itertools.count(1)
        self._accounts: dict[str, int] = {}
        self._limited: dict[int, tuple[int, int]] = {}
        """By account: requests refused for their rate without a note so far, and when the last note was."""
        self._opening = threading.Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._has_news = False
        self._rests = rests
        self._sight_due_ns = 0
        """Wall time at which the book is to be seen again while nobody watches."""
        session.broker.boundary.on_told = self._note_news

    # -- gateways, from any thread ---------------------------------------------------------------------

    @property
    def broker(self) -> Broker:
        """Read-only: orders, fills, balances, filters."""
        return self._session.broker

    @property
    def boundary(self) -> Boundary:
        """Read-only: what faults say of clock, connections and public data."""
        return self._session.broker.boundary

    @property
    def instrument(self) -> Instrument:
        """What is traded."""
        return self._session.exchange.instrument

    @property
    def told_count(self) -> int:
        """Sequence of the message told last."""
        return self.boundary.told_count

    def frame(self) -> Frame:
        """The latest frame."""
        return self._frame()

    def told(self, since: int) -> tuple[Told, ...]:
        """Messages told after this sequence."""
        return self.boundary.told(since)

    def next_request_id(self) -> int:
        """A number that no other request of this session has."""
        return next(self._numbers)

    def request(self, request: BrokerRequest) -> bool:
        """Queue a request; False when the queue is full. Raises UsageError when it is too long."""
        return self._put(request_commands(request))

    def note_answer(self, account: int, orders: Sequence[OrderState] | None) -> None:
        """The account has asked how these orders stand (None: which are open), and is told now. The session
        hears of it only where the bot's score depends on it."""
        witness = self.broker.witness
        numbers = () if orders is None else tuple(order.order_id for order in orders[-NOTED_ORDERS:])
        if witness is None or orders == [] or not witness.wants_answers(account, numbers):
            return
        self._put(request_commands(Asked(account, numbers)))

    def note_limited(self, account: int, wait_ms: int) -> None:
        """A request of the account is refused for its rate. Told to the session, some at a time."""
        count, told_ns = self._limited.get(account, (0, 0))
        now_ns = monotonic_ns()
        count += 1
        if now_ns - told_ns >= LIMITED_NOTE_NS and self._put(
            request_commands(Limited(account, count, max(0, wait_ms)))
        ):
            count, told_ns = 0, now_ns
        self._limited[account] = (count, told_ns)

    def open_account(
        self, key_name: str, *, maker_ppm: int | None = None, taker_ppm: int | None = None
    ) -> int:
        """The account of the key of this name in this session, opened at its first use.

        Raises UsageError when all accounts are taken, or the queue is full.
        """
        with self._opening:
            known = self._accounts.get(key_name)
            if known is not None:
                return known
            others = len(self._accounts) - (TARGET_KEY in self._accounts)
            if key_name != TARGET_KEY and others >= BOT_ACCOUNTS:
                raise UsageError(f"all {BOT_ACCOUNTS} accounts for bots are in use: close a session or a key")
            number = int(Account.TARGET) if key_name == TARGET_KEY else self.broker.first_account + others
            opening = OpenAccount(number, self.next_request_id(), key_name[:32], maker_ppm, taker_ppm)
            if not self.request(opening):
                raise UsageError("the market's input queue is full: send less, then try again")
            self._accounts[key_name] = number
            return number

    def on_news(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call this on the engine thread whenever there is something new; it must return at once. Returns
        what ends it."""
        self._listeners = (*self._listeners, callback)

        def remove() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not callback)

        return remove

    def statistics(self) -> dict[str, int]:
        """Accounts and listeners."""
        return {"keys": len(self._accounts), "limit": BOT_ACCOUNTS, "listeners": len(self._listeners)}

    # -- host, on the engine thread --------------------------------------------------------------------

    @property
    def next_stop_ns(self) -> int:
        """Session time may not pass this before the next look."""
        data = self.market_data
        return data.next_rest_ns if self._rests and not data.is_watched else data.next_stop_ns

    def look(self) -> None:
        """Takes in what has happened in the market, and tells who waits for news."""
        if self._look() or self._has_news:
            self._has_news = False
            for listener in self._listeners:
                listener()

    def _look(self) -> bool:
        """Whether there are public updates."""
        data = self.market_data
        if not self._rests or data.is_watched:
            return data.look()
        now_ns = monotonic_ns()
        sees_book = bool(self._listeners) and now_ns >= self._sight_due_ns
        if sees_book:
            self._sight_due_ns = now_ns + SIGHT_NS
        return data.rest(sees_book=sees_book)

    def _note_news(self) -> None:
        self._has_news = True
