"""The desk for a bot that is written from top to bottom: every call returns when it is done.

It drives an AsyncDesk in a thread of its own, so the connection lives (and answers the desk's pings) while
the bot thinks, in a notebook too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Self, TypeVar

from engine.client.async_desk import AsyncDesk
from engine.client.entry import OrderEntry
from engine.client.state import Request, Wanted
from engine.client.wire import PATIENCE_S
from engine.client.words import Account, Book, End, Instrument, LockstepTerms, Order, Report, Step

__all__ = ["Desk"]

T = TypeVar("T")
CLOSE_TIMEOUT_S = 5.0


class Desk(OrderEntry[Order, None]):
    """A connection to a running desk, for use in one thread; as AsyncDesk, without await.

    instrument orders position_lots book      what is known
    books() events() take_reports()           what happens
    buy() sell() … cancel() cancel_all()      what to do about it
    account()                                 position and profit, by the desk's own ledger
    lockstep() steps() ending                 a session that waits for this bot
    """

    def __init__(
        self, url: str | None = None, *, token: str | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """Raises DeskNotFound when there is no such address."""
        self._desk = AsyncDesk(url, token=token, patience_s=patience_s)
        self._in_lockstep = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close(failed=kind is not None)

    def close(self, *, failed: bool = False) -> None:
        """Leave. Resting orders stay. A lockstep session ends here: by our word, or, `failed`, without."""
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        try:
            self._run(self._desk.close(failed=failed))
        finally:
            self._loop = self._thread = None
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLOSE_TIMEOUT_S)
            loop.close()

    @property
    def url(self) -> str:
        """Where the desk is."""
        return self._desk.url

    # -- what is known -------------------------------------------------------------------------------------

    @property
    def instrument(self) -> Instrument:
        """What is traded."""
        return self._connected().instrument

    @property
    def orders(self) -> list[Order]:
        """Our orders that have not ended, as far as reports tell, oldest first."""
        return self._connected().orders

    @property
    def position_lots(self) -> int:
        """What we hold, by the reports so far; negative: short."""
        return self._connected().position_lots

    @property
    def book(self) -> Book | None:
        """The last book that was told."""
        return self._desk.book

    @property
    def ending(self) -> End | None:
        """How a lockstep session ended, once it has."""
        return self._desk.ending

    def account(self) -> Account:
        """Position, profit and open orders, asked of the desk. Raises DeskNotFound, RequestRefused."""
        return self._run(self._desk.account())

    # -- what happens --------------------------------------------------------------------------------------

    def books(self, *, one_sided: bool = False) -> Iterator[Book]:
        """Books as they come, always the newest; only those with both sides, unless `one_sided`.

        In lockstep: the book of every step. Reports wait for `take_reports`. Raises SessionChanged and
        ReportsMissed, after which it may be called again, and ConnectionLost.
        """
        return self._each(self._desk.books(one_sided=one_sided))

    def events(self) -> Iterator[Book | Report]:
        """Every report, in order, and the newest book. Raises as `books`."""
        return self._each(self._desk.events())

    def take_reports(self) -> list[Report]:
        """All reports since the last call, oldest first."""
        return self._desk.take_reports()

    # -- lockstep ------------------------------------------------------------------------------------------

    def lockstep(self, *, on_reports: bool = False) -> LockstepTerms:
        """Take this session's one seat: from here on its time moves only with `steps`.

        With `on_reports` there is a step at each execution report too. Raises NotInLockstep when the session
        does not wait for a client, SeatTaken when it has one.
        """
        terms = self._run(self._desk.lockstep(on_reports=on_reports))
        self._in_lockstep = True
        return terms

    def steps(self) -> Iterator[Step]:
        """Every decision point until the session ends; then `ending` says how.

        What is asked for in the loop's body is sent when it goes on, all at this one instant. Leaving the
        loop and then the desk ends the session. Raises RequestRefused, SessionChanged, ConnectionLost.
        """
        self.lockstep()
        return self._each(self._desk.steps())

    # -- the thread ----------------------------------------------------------------------------------------

    def _place(self, wanted: Wanted) -> Order:
        if self._in_lockstep:  # it goes with the answer to the step
            return self._desk.place_at_step(wanted)
        return self._run(self._desk._place(wanted))

    def _tell(self, request: Request) -> None:
        if self._in_lockstep:
            self._desk.tell_at_step(request)
        else:
            self._run(self._desk._tell(request))

    def _connected(self) -> AsyncDesk:
        self._run(self._desk.connect())
        return self._desk

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        async def advance() -> T | None:
            return await anext(items, None)

        while (item := self._run(advance())) is not None:
            yield item

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="desk-client", daemon=True)
            self._thread.start()
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
