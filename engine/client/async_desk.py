"""The desk for a bot that lives in an event loop; `engine.client.desk` drives this one for all others.

One task listens: it keeps the state up to date, answers requests' futures in order, and connects again when
the connection breaks, from the last report on. Whoever iterates is woken by news. Memory is bounded: one
book, REPORTS_KEPT reports, one step.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from engine.client.entry import OrderEntry
from engine.client.errors import (
    AnswerLost,
    ConnectionLost,
    DeskError,
    DeskNotFound,
    NotInLockstep,
    RequestRefused,
    SeatTaken,
    refusal,
)
from engine.client.state import DeskState, Request, Wanted, encode
from engine.client.talk import LockstepTalk
from engine.client.wire import PATIENCE_S, Address, answer_error, retry_waits_s
from engine.client.words import (
    Account,
    Ack,
    Book,
    End,
    Hello,
    Instrument,
    LockstepTerms,
    Order,
    Refused,
    Report,
    Step,
    Word,
    decode_word,
)

__all__ = ["AsyncDesk"]


class AsyncDesk(OrderEntry[Awaitable[Order], Awaitable[None]]):
    """A connection to a running desk; it connects on first use, and again when it breaks.

        instrument orders position_lots book      what is known, once connected
        books() events() take_reports()           what happens
        buy() sell() … cancel() cancel_all()      what to do about it
        account()                                 position and profit, by the desk's own ledger
        lockstep() steps() ending                 a session that waits for this bot

    Without `url` it is the desk that runs on this machine. `patience_s`: how long to try to reach it.
    """

    def __init__(
        self, url: str | None = None, *, token: str | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """Raises DeskNotFound when there is no such address."""
        self._address = Address(url, token)
        self._patience_s = patience_s
        self._state = DeskState()
        self._talk: LockstepTalk | None = None
        self._on_reports = False
        self._stack = AsyncExitStack()
        self._stream: ClientConnection | None = None
        self._ear: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._news = asyncio.Event()
        self._unanswered: deque[tuple[Request, asyncio.Future[None]]] = deque()
        self._book_is_new = False
        self._trouble: DeskError | None = None
        """What the bot has not been told yet; it comes up where it looks for events."""

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        await self.close(failed=kind is not None)

    async def connect(self) -> None:
        """Meet the desk, unless that is done. Raises DeskNotFound, RequestRefused."""
        async with self._opening:
            if self._talk is not None:  # steps() listens itself: one word at a time, and none unasked
                if self._stream is None and self._talk.ending is None:
                    await self._open(again=self._state.hello is not None)
            elif self._ear is None or self._ear.done():
                await self._open()
                self._ear = asyncio.create_task(self._listen())

    async def close(self, *, failed: bool = False) -> None:
        """Leave. Resting orders stay. A lockstep session ends here: by our word, or, `failed`, without."""
        if self._talk is not None and not failed:
            await self._send_all(self._talk.finish())
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.gather(self._ear, return_exceptions=True)
        self._ear = self._stream = None
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """Where the desk is."""
        return self._address.url

    # -- what is known -------------------------------------------------------------------------------------

    @property
    def instrument(self) -> Instrument:
        """What is traded. Raises ConnectionLost before the first connection."""
        if self._state.hello is None:
            raise ConnectionLost("not connected yet: enter the desk, or await desk.connect()")
        return self._state.instrument

    @property
    def orders(self) -> list[Order]:
        """Our orders that have not ended, as far as reports tell, oldest first."""
        return list(self._state.orders.values())

    @property
    def position_lots(self) -> int:
        """What we hold, by the reports so far; negative: short."""
        return self._state.position_lots

    @property
    def book(self) -> Book | None:
        """The last book that was told."""
        return self._state.book

    @property
    def ending(self) -> End | None:
        """How a lockstep session ended, once it has."""
        return None if self._talk is None else self._talk.ending

    async def account(self) -> Account:
        """Position, profit and open orders, asked of the desk. Raises DeskNotFound, RequestRefused."""
        import httpx

        try:
            async with httpx.AsyncClient(headers=self._address.headers, trust_env=False) as http:
                answer = await http.get(f"{self.url}/api/v1/account")
        except httpx.HTTPError as error:
            raise self._not_found(error) from error
        if not answer.is_success:
            raise answer_error(answer.status_code, answer.content)
        known = answer.json()
        return Account(known["position_lots"], known["pnl"], known["open_orders"])

    # -- what happens --------------------------------------------------------------------------------------

    async def books(self, *, one_sided: bool = False) -> AsyncIterator[Book]:
        """Books as they come, always the newest; only those with both sides, unless `one_sided`.

        In lockstep: the book of every step. Reports wait for `take_reports`. Raises SessionChanged and
        ReportsMissed, after which it may be called again, and ConnectionLost.
        """
        if self._talk is not None:
            async for step in self.steps():
                if one_sided or step.book.is_two_sided:
                    yield step.book
            return
        while True:
            await self._hear_news(is_here=self._book_is_new)
            book = self._take_book()
            if book is not None and (one_sided or book.is_two_sided):
                yield book

    async def events(self) -> AsyncIterator[Book | Report]:
        """Every report, in order, and the newest book. Raises as `books`."""
        if self._talk is not None:
            raise NotInLockstep("not_in_lockstep", "in lockstep, what happens comes with steps()")
        while True:
            await self._hear_news(is_here=self._book_is_new or bool(self._state.reports))
            while self._state.reports:
                yield self._state.reports.popleft()
            book = self._take_book()
            if book is not None:
                yield book

    def take_reports(self) -> list[Report]:
        """All reports since the last call, oldest first."""
        return self._state.take_reports()

    def _take_book(self) -> Book | None:
        if not self._book_is_new:
            return None
        self._book_is_new = False
        return self._state.book

    async def _hear_news(self, *, is_here: bool) -> None:
        """Until something has happened, if nothing is here. Raises what the bot must be told."""
        self._raise_trouble()
        await self.connect()
        if self._state.hello is not None and self._state.hello.waits_for_client and self._talk is None:
            raise NotInLockstep(
                "in_lockstep", "this session waits for a lockstep client: call desk.lockstep() first"
            )
        if not is_here:
            await self._news.wait()
        self._news.clear()
        self._raise_trouble()

    def _raise_trouble(self) -> None:
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble

    # -- requests ------------------------------------------------------------------------------------------

    def place_at_step(self, wanted: Wanted) -> Order:
        """In lockstep: send this order with the answer to the open step."""
        assert self._talk is not None
        order, request = self._state.submit(wanted)
        try:
            self._talk.ask(request)
        except DeskError:
            self._state.forget(order.client_id)
            raise
        return order

    def tell_at_step(self, request: Request) -> None:
        """In lockstep: send this request with the answer to the open step."""
        assert self._talk is not None
        self._talk.ask(request)

    async def _place(self, wanted: Wanted) -> Order:
        if self._talk is not None:
            return self.place_at_step(wanted)
        await self.connect()
        order, request = self._state.submit(wanted)
        try:
            await self._tell(request)
        except RequestRefused:
            self._state.forget(order.client_id)
            raise
        return order

    async def _tell(self, request: Request) -> None:
        if self._talk is not None:
            self.tell_at_step(request)
            return
        await self.connect()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unanswered.append((request, answered))
        await self._send_all([encode(request)])
        await answered

    async def _send_all(self, messages: list[bytes]) -> None:
        """What a broken connection swallows is told again, or told of, when it is made anew."""
        if self._stream is None:
            return
        try:
            for message in messages:
                await self._stream.send(message, text=True)
        except ConnectionClosed:
            return

    # -- lockstep ------------------------------------------------------------------------------------------

    async def lockstep(self, *, on_reports: bool = False) -> LockstepTerms:
        """Take this session's one seat: from here on its time moves only with `steps`.

        With `on_reports` there is a step at each execution report too. Raises NotInLockstep when the session
        does not wait for a client, SeatTaken when it has one.
        """
        if self._talk is None:
            await self.close()
            self._state = DeskState()  # client ids and all else begin as they do in every such run
            self._talk = LockstepTalk(self._state)
            self._on_reports = on_reports
            try:
                await self.connect()
            except DeskError:
                self._talk = None
                raise
        assert self._state.hello is not None
        assert self._state.hello.lockstep is not None
        return self._state.hello.lockstep

    async def steps(self) -> AsyncIterator[Step]:
        """Every decision point until the session ends; then `ending` says how.

        What is asked for in the loop's body is sent when it goes on, all at this one instant. Leaving the
        loop and then the desk ends the session. Raises RequestRefused, SessionChanged, ConnectionLost.
        """
        await self.lockstep()
        talk = self._talk
        assert talk is not None
        while await self._hear_step(talk):
            yield talk.open_step
            if talk.is_open:
                await self._send_all(talk.answer())

    async def _hear_step(self, talk: LockstepTalk) -> bool:
        """Whether there is a step to decide at."""
        while not talk.is_open and talk.ending is None:
            await self.connect()
            assert self._stream is not None
            try:
                word = decode_word(await self._stream.recv(decode=False))
            except ConnectionClosed:
                self._stream = None
                continue
            except msgspec.DecodeError as error:
                raise self._strange(error) from error
            await self._send_all(talk.hear(word))
        return talk.is_open

    # -- listening -----------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        """Take every word until the desk is gone."""
        try:
            while True:
                assert self._stream is not None
                try:
                    while True:
                        self._take(decode_word(await self._stream.recv(decode=False)))
                except ConnectionClosed as closed:
                    self._stream = None
                    self._fail_unanswered(closed)
                async with self._opening:  # who wants to send waits until there is a stream again
                    await self._open(again=True)
        except DeskError as error:
            self._trouble = self._trouble or error
        except msgspec.DecodeError as error:
            self._trouble = self._strange(error)
        finally:
            self._stream = None
            self._fail_unanswered(None)
            self._news.set()

    def _take(self, word: Word) -> None:
        if isinstance(word, (Ack, Refused)):
            self._answer(word)
            return
        if isinstance(word, Book):
            self._state.book = word
            self._book_is_new = True
        elif isinstance(word, Report):
            self._trouble = self._state.apply(word) or self._trouble
        elif isinstance(word, Hello):
            self._trouble = self._state.greet(word) or self._trouble
        self._news.set()

    def _answer(self, word: Ack | Refused) -> None:
        """Requests are answered in the order in which they were sent."""
        if self._unanswered:
            _, answered = self._unanswered.popleft()
            if answered.done():  # nobody waits for it any more
                return
            if isinstance(word, Refused):
                answered.set_exception(refusal(word.code, word.message))
            else:
                answered.set_result(None)

    def _fail_unanswered(self, cause: BaseException | None) -> None:
        while self._unanswered:
            request, answered = self._unanswered.popleft()
            if answered.done():
                continue
            error = AnswerLost(
                f"the connection broke before the desk answered {request['op']}: it may have been carried "
                "out or not; reports will tell, or cancel_all() and begin anew",
                request.get("client_id"),
            )
            error.__cause__ = cause
            answered.set_exception(error)

    # -- connecting ----------------------------------------------------------------------------------------

    async def _open(self, *, again: bool = False) -> None:
        """Connect and take the greeting, trying for as long as there is patience."""
        await self._stack.aclose()
        waits_s = retry_waits_s(self._patience_s)
        while True:
            try:
                address = self._address.stream(
                    self._state, lockstep=self._talk is not None, on_reports=self._on_reports
                )
                options = self._address.connect_options()
                stream = await self._stack.enter_async_context(connect(address, **options))
                await self._greet(stream)
                return
            except InvalidStatus as refused:
                error = answer_error(refused.response.status_code, bytes(refused.response.body or b""))
                if not (again and isinstance(error, SeatTaken)):  # it may still hold our own seat
                    raise error from refused
                failure: Exception = error
            except (OSError, TimeoutError, WebSocketException) as error:
                failure = error
            wait_s = next(waits_s, None)
            if wait_s is None:
                raise self._not_found(failure) from failure
            await asyncio.sleep(wait_s)

    async def _greet(self, stream: ClientConnection) -> None:
        self._stream = stream
        hello = decode_word(await stream.recv(decode=False))
        if self._talk is not None:
            self._talk.hear(hello)
        else:
            self._take(hello)

    def _strange(self, error: Exception) -> DeskError:
        return DeskError(f"{self.url} speaks otherwise ({error}): is it of the same version?")

    def _not_found(self, error: Exception) -> DeskError:
        kind = ConnectionLost if self._state.hello is not None else DeskNotFound
        why = str(error) or type(error).__name__
        return kind(f"{self.url}: {why}; is the desk running? (start one: `stormdesk`)")
