"""What gateways see of a live session: the host's side of engine/venue/host.py (stop 1 on the data path).

Requests go down through the host's bounded input queue, as every input does; what is told and public data
come up as immutable values, with one call to who waits for news per turn of the engine thread. Whatever a
gateway does, the engine thread never waits for it.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

from engine.broker.boundary import Boundary
from engine.broker.broker import BOT_ACCOUNTS, Broker
from engine.broker.journaling import request_commands
from engine.broker.terms import BrokerRequest, OpenAccount, Told
from engine.core.clock import wall_ns
from engine.core.errors import UsageError
from engine.core.types import Account, Command, Instrument
from engine.frame import Frame
from engine.session import Session
from engine.venue.market_data import MarketData

__all__ = ["TARGET_KEY", "VenuePort"]

TARGET_KEY = "target"
"""The key of this name trades as the account TARGET, the bot that the verdict is about."""


class VenuePort:
    """The venue's door into one live session.

    Gateways (any thread)      request told open_account next_request_id on_news broker boundary market_data …
    Host (engine thread)       look tell_news
    """

    def __init__(
        self,
        session: Session,
        *,
        session_id: str,
        frame: Callable[[], Frame],
        put: Callable[[list[Command]], bool],
    ) -> None:
        """`put` queues commands that belong together; False: no room."""
        self.session_id = session_id
        self.epoch_ns = wall_ns() - session.now_ns
        """Wall time, ns since 1970, of session time 0."""
        self.market_data = MarketData(session, self.epoch_ns)
        self._session = session
        self._frame = frame
        self._put = put
        self._numbers = itertools.count(1)
        self._accounts: dict[str, int] = {}
        self._opening = threading.Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()
        self._has_news = False
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
        return self.market_data.next_stop_ns

    def look(self) -> None:
        """Takes in what has happened in the market, and tells who waits for news."""
        self._has_news = bool(self.market_data.look()) or self._has_news
        if self._has_news:
            self._has_news = False
            for listener in self._listeners:
                listener()

    def _note_news(self) -> None:
        self._has_news = True
