"""The seat of a lockstep client: WS /api/v1/stream?lockstep=1[&on_reports=1].

Edge of the data path. Out come hello, then one step at a time; in come requests and the word that they are
all. The protocol stands in `engine.client`, whose clients speak it. Invariant: what a connection has sent
counts only with its `done`; one that breaks before leaves no trace.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from engine.api.gateway import Gateway
from engine.api.guard import json_response
from engine.api.meeting import Answer, Meeting
from engine.api.messages import (
    CancelAllMessage,
    CancelMessage,
    OrderRequest,
    RequestRefusedError,
    SubmitMessage,
    encode,
    error_json,
    order_terms,
)
from engine.core.types import Account, Command, CommandKind

__all__ = ["REQUESTS_LIMIT", "serve_lockstep"]

REQUESTS_LIMIT = 1_000
"""Requests in the answer to one step."""

Request = SubmitMessage | CancelMessage | CancelAllMessage
StepNumber = Annotated[int, msgspec.Meta(ge=1)]


class DoneMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="done"):
    """All is said about this step, these requests last."""

    step: StepNumber
    requests: tuple[Request, ...] = ()


class FinishMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="op", tag="finish"):
    """The client has seen enough: the session ends at this step."""

    step: StepNumber


_decode = msgspec.json.Decoder[DoneMessage | FinishMessage | Request](
    DoneMessage | FinishMessage | SubmitMessage | CancelMessage | CancelAllMessage
).decode


async def serve_lockstep(socket: WebSocket, gateway: Gateway) -> None:
    """Seat this connection, or tell it why not."""
    meeting: Meeting | None = getattr(gateway.host, "meeting", None)
    try:
        if meeting is None:
            raise RequestRefusedError(
                "not_in_lockstep",
                "this session does not wait for a client; start one that does: "
                "stormdesk run --headless --lockstep 100ms --for 10m",
                http_status=409,
            )
        seat = _Seat(socket, gateway, meeting)
        meeting.take_seat(seat, on_reports=socket.query_params.get("on_reports") == "1")
    except RequestRefusedError as error:
        await socket.send_denial_response(json_response(error_json(error), error.http_status))
        return
    try:
        await socket.accept()
        await seat.run()
    except WebSocketDisconnect as gone:
        seat.close_code = gone.code
    finally:
        meeting.leave_seat(seat, seat.close_code)


class _Seat:
    """One connection: tells a step, hears until it is answered, and so on."""

    def __init__(self, socket: WebSocket, gateway: Gateway, meeting: Meeting) -> None:
        self.close_code: int | None = None
        self._socket = socket
        self._gateway = gateway
        self._meeting = meeting
        self._loop = asyncio.get_running_loop()
        self._called = asyncio.Event()
        self._is_hearing = False
        self._told = 0
        """Number of the last step that this connection was told."""
        self._said: list[Request] = []
        if meeting.is_waiting:
            self._called.set()

    def call(self) -> None:
        """A step has been put."""
        try:
            self._loop.call_soon_threadsafe(self._answer_call)
        except RuntimeError:  # the server has stopped: nobody is there to be called
            return

    def _answer_call(self) -> None:
        self._called.set()
        if self._is_hearing:  # the engine waits no longer for the answer that we wait for
            self._ending = self._loop.create_task(self._end())

    async def run(self) -> None:
        """Until the session ends. Raises WebSocketDisconnect when the client goes."""
        meeting = self._meeting
        await self._called.wait()
        await self._send(encode(self._hello()))
        while True:
            step = meeting.step
            if step.number == self._told:  # the last turn is over: the end will be called
                self._called.clear()
                await self._called.wait()
                continue
            self._told = step.number
            if step.is_end:
                await self._end()
                return
            await self._send(step.message)
            self._said.clear()
            self._is_hearing = True
            while not await self._hear(step.number):
                continue

    async def _end(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may be gone by now
            await self._send(self._meeting.step.message)
            await self._socket.close(1000)
        self._meeting.note_end_told()

    async def _send(self, message: bytes) -> None:
        await self._socket.send({"type": "websocket.send", "text": message.decode()})

    def _hello(self) -> dict[str, Any]:
        """Session time stands: this is the account at the step that follows, whose reports are in it."""
        meeting = self._meeting
        terms = {
            "interval_ns": meeting.interval_ns,
            "on_reports": meeting.on_reports,
            "next_client_id": meeting.next_client_id,
        }
        return self._gateway.hello() | {"lockstep": terms}

    async def _hear(self, number: int) -> bool:
        """Take one message; whether the step is answered now."""
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1006))
        try:
            return self._take(message.get("text") or message.get("bytes") or b"", number)
        except RequestRefusedError as error:
            self._meeting.refusals += 1
            await self._send(encode({"type": "error", **error_json(error)["error"], "step": number}))
            return False

    def _take(self, data: str | bytes, number: int) -> bool:
        try:
            message = _decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise RequestRefusedError("bad_request", f"not a valid answer: {error}") from error
        if isinstance(message, FinishMessage):
            self._answer(message.step, Answer((), finish=True))
            return True
        new = message.requests if isinstance(message, DoneMessage) else (message,)
        if len(self._said) + len(new) > REQUESTS_LIMIT:
            raise RequestRefusedError(
                "too_many_requests", f"a step takes {REQUESTS_LIMIT} requests; leave the rest to the next one"
            )
        for place, request in enumerate(new):
            _check(request, f"requests[{place}]" if isinstance(message, DoneMessage) else "request")
        if isinstance(message, DoneMessage):
            said = (*self._said, *new)
            self._answer(message.step, Answer(tuple(_command(request) for request in said)))
            return True
        self._said += new
        return False

    def _answer(self, number: int, answer: Answer) -> None:
        self._is_hearing = False  # before the engine goes on: it may call at once
        try:
            self._meeting.answer(number, answer)
        except RequestRefusedError:
            self._is_hearing = True
            raise


def _check(request: Request, where: str) -> None:
    if isinstance(request, OrderRequest):
        try:
            order_terms(request)
        except RequestRefusedError as error:
            raise RequestRefusedError(error.code, f"{where}: {error}") from error


def _command(request: Request) -> Command:
    account = int(Account.TARGET)
    if isinstance(request, CancelAllMessage):
        return Command(kind=CommandKind.CANCEL_ALL, account=account)
    if isinstance(request, CancelMessage):
        return Command(kind=CommandKind.CANCEL, account=account, order_id=request.client_id)
    side, price_ticks, tif = order_terms(request)
    return Command(
        kind=CommandKind.SUBMIT,
        account=account,
        side=int(side),
        price_ticks=price_ticks,
        qty_lots=request.qty_lots,
        time_in_force=int(tif),
        order_id=request.client_id,
    )
