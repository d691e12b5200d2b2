"""One WebSocket stream: reports in order and without loss, the book latest-wins, orders inward.

Invariant: a stream's memory is bounded (REPORT_QUEUE_LIMIT messages and one book); a client that does not
keep up is closed with code 1013 instead of being fed with holes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from engine.api.gateway import Gateway
from engine.api.guard import json_response
from engine.api.lockstep import serve_lockstep
from engine.api.messages import RequestRefusedError, decode_message, encode, error_json, request_json

__all__ = ["REPORT_QUEUE_LIMIT", "stream_endpoint"]

REPORT_QUEUE_LIMIT = 1_024
"""Reports and acknowledgements that may wait for one client."""
CLOSE_TIMEOUT_S = 1.0
"""How long a client that does not read is given to take its close frame."""
TRY_AGAIN_LATER = 1013


def stream_endpoint(gateway: Gateway) -> Callable[[WebSocket], Awaitable[None]]:
    """The handler of WS /api/v1/stream[?session=ID&since=SEQUENCE | ?lockstep=1]."""

    async def serve(socket: WebSocket) -> None:
        if socket.query_params.get("lockstep") == "1":
            await serve_lockstep(socket, gateway)
            return
        stream = _Stream(socket, gateway)
        since = socket.query_params.get("since", "")
        try:
            gateway.open_stream(
                stream,
                session_id=socket.query_params.get("session"),
                since=int(since) if since.isascii() and since.isdigit() and len(since) <= 19 else None,
            )
        except RequestRefusedError as error:
            await socket.send_denial_response(json_response(error_json(error), error.http_status))
            return
        try:
            await socket.accept()
            await stream.run()
        finally:
            gateway.close_stream(stream)

    return serve


class _Stream:
    """The outlet of one connection, with a reader and a writer task."""

    def __init__(self, socket: WebSocket, gateway: Gateway) -> None:
        self._socket = socket
        self._gateway = gateway
        self._queue: deque[bytes] = deque()
        self._book: bytes | None = None
        self._ready = asyncio.Event()
        self._given_up = asyncio.Event()
        self._reason = ""

    def put(self, message: bytes) -> None:
        """Queue a message that must not be lost; gives the stream up when REPORT_QUEUE_LIMIT wait."""
        if len(self._queue) >= REPORT_QUEUE_LIMIT:
            if not self._given_up.is_set():
                self._gateway.slow_streams += 1
            self.close("too slow: read faster, then reconnect")
            return
        self._queue.append(message)
        self._ready.set()

    def put_book(self, message: bytes) -> None:
        """Replace the book that waits to be sent."""
        self._book = message
        self._ready.set()

    def close(self, reason: str) -> None:
        """Give the stream up: it is fed no longer, and its tasks end soon."""
        self._gateway.close_stream(self)
        self._reason = self._reason or reason
        self._given_up.set()

    async def run(self) -> None:
        """Serve until the client goes or the stream is given up."""
        tasks = [asyncio.create_task(work) for work in (self._read(), self._write(), self._given_up.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect):
                self._gateway.internal_errors += 1
        if self._given_up.is_set() and self._socket.client_state is WebSocketState.CONNECTED:
            await self._close_socket()

    async def _close_socket(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close(TRY_AGAIN_LATER, self._reason)
        except (TimeoutError, WebSocketDisconnect):
            return

    async def _write(self) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                await self._send(self._queue.popleft())
            if self._book is not None:
                message, self._book = self._book, None
                await self._send(message)

    async def _send(self, message: bytes) -> None:
        await self._socket.send({"type": "websocket.send", "text": message.decode()})

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self.put(encode(self._answer(message)))

    def _answer(self, message: Any) -> dict[str, Any]:
        text = message.get("text")
        data = text.encode("utf-8", "replace") if text is not None else message.get("bytes") or b""
        about: dict[str, Any] = {}
        try:
            request = decode_message(data)
            about = request_json(request)
            return {"type": "ack", **self._gateway.carry_out(request)}
        except RequestRefusedError as error:
            return {"type": "error", **error_json(error)["error"], **about}
