"""One public WebSocket connection: its queue, its control messages, how it ends.

Place on the data path: behind MarketStreams, on the gateway's loop. Invariant: whatever a client sends gets
an answer or ends its own connection; its queue holds at most QUEUE_LIMIT texts.

Source of methods and errors: web-socket-streams.md of the public Binance Spot API documentation.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import msgspec

from engine.venue.binance.market_channels import open_channel

if TYPE_CHECKING:
    from engine.venue.binance.market_streams import MarketStreams

__all__ = ["INCOMING_LIMIT", "QUEUE_LIMIT", "STREAM_LIMIT", "MarketClient", "Receive", "Send"]

STREAM_LIMIT = 1_024
"""Streams of one connection."""
QUEUE_LIMIT = 4_096
"""Texts that may wait for one client."""
INCOMING_LIMIT = 5
"""Messages that a client may send per second."""
MESSAGE_LIMIT_BYTES = 64 * 1024
CLOSE_TIMEOUT_S = 1.0
"""How long a client that does not read is given to take its close frame."""
POLICY_VIOLATION = 1008
TOO_BIG = 1009
ABNORMAL = 1006
"""Never sent: the connection just ends."""
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
MAX_ID = 1 << 63
_ID_TEXT = re.compile(r"[A-Za-z0-9_-]{0,36}", re.ASCII)
_BYTE = re.compile(r"byte (\d+)")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class MarketClient:
    """One connection: its queue, a reader and a writer."""

    def __init__(self, streams: MarketStreams, send: Send, *, is_combined: bool, unit_ns: int) -> None:
        self.is_combined = is_combined
        self.unit_ns = unit_ns
        self.queue: deque[str] = deque()
        self.streams: dict[str, None] = {}
        """Names, in the order of subscription."""
        self._owner = streams
        self._send = send
        self._ready = asyncio.Event()
        self._ended = asyncio.Event()
        self._close: tuple[int, str] | None = None
        self._times: deque[float] = deque(maxlen=streams.incoming_limit)

    def put(self, text: str) -> None:
        """Queue a text; a client with too many of them is given up."""
        if len(self.queue) >= QUEUE_LIMIT:
            if self._close is None:
                self._owner.slow_clients += 1
            self.close(POLICY_VIOLATION, "too slow")
            return
        self.queue.append(text)
        self._ready.set()

    def close(self, code: int, reason: str) -> None:
        """End the connection soon; only the first call counts."""
        if self._close is None:
            self._close = (code, reason)
            for name in tuple(self.streams):
                self._owner.unsubscribe(self, name)
        self._ended.set()

    async def run(self, receive: Receive) -> None:
        """Serve until the client goes or is given up."""
        work = (self._read(receive), self._write(), self._ended.wait())
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(part) for part in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # a client that goes while it is sent to
            self.queue.clear()
        if self._close is not None and self._close[0] != ABNORMAL:
            code, reason = self._close
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
            except (TimeoutError, OSError, RuntimeError):
                return

    async def _write(self) -> None:
        queue = self.queue
        while True:
            await self._ready.wait()
            self._ready.clear()
            while queue:
                await self._send({"type": "websocket.send", "text": queue.popleft()})

    async def _read(self, receive: Receive) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            now_s, times = clock(), self._times
            if len(times) == times.maxlen and now_s - times[0] < 1.0:
                self.close(POLICY_VIOLATION, "Too many requests")
                return
            times.append(now_s)
            text = message.get("text")
            data = text.encode("utf-8", "replace") if text is not None else message.get("bytes") or b""
            if len(data) > MESSAGE_LIMIT_BYTES:
                self.close(TOO_BIG, "message too big")
                return
            self.put(msgspec.json.encode(self._answer(data)).decode())

    # -- control messages ------------------------------------------------------------------------------

    def _answer(self, data: bytes) -> dict[str, Any]:
        try:
            request = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError) as error:
            at = _BYTE.search(str(error))
            column = int(at[1]) + 1 if at is not None else len(data)
            return _error(3, f"Invalid JSON: expected value at line 1 column {column}")
        where = f"at line 1 column {len(data)}"
        if not isinstance(request, dict) or "method" not in request:
            return _error(2, f"Invalid request: missing field `method` {where}")
        method, number = request["method"], request.get("id")
        if method not in METHODS:
            known = ", ".join(f"`{one}`" for one in METHODS)
            shown = method if isinstance(method, str) else "value"
            return _error(
                2, f"Invalid request: unknown variant `{shown[:64]}`, expected one of {known} {where}"
            )
        if "id" not in request or not _is_id(number):
            return _error(2, "Invalid request: request ID must be an unsigned integer")
        answer = self._carry_out(method, request.get("params"))
        answer["id"] = number
        return answer

    def _carry_out(self, method: str, params: Any) -> dict[str, Any]:
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": list(self.streams)}
        if not isinstance(params, list):
            return _error(2, "Invalid request: missing field `params`")
        if method == "SUBSCRIBE":
            return self._subscribe(params)
        if method == "UNSUBSCRIBE":
            if not all(isinstance(name, str) for name in params):
                return _error(2, "Invalid request: invalid stream")
            for name in params:
                self._owner.unsubscribe(self, name)
            return {"result": None}
        return self._property(params, is_set=method == "SET_PROPERTY")

    def _subscribe(self, params: list[Any]) -> dict[str, Any]:
        if not all(isinstance(name, str) and open_channel(name) is not None for name in params):
            return _error(2, "Invalid request: invalid stream")
        if len(self.streams.keys() | set(params)) > STREAM_LIMIT:
            return _error(2, "Invalid request: too many subscriptions")
        if not all(self._owner.subscribe(self, name) for name in params):
            return _error(2, "Invalid request: too many subscriptions")
        return {"result": None}

    def _property(self, params: list[Any], *, is_set: bool) -> dict[str, Any]:
        if len(params) > 1 + is_set:
            return _error(2, "Invalid request: too many parameters")
        if not params or not isinstance(params[0], str):
            return _error(2, "Invalid request: property name must be a string")
        if params[0] != "combined":
            return _error(0, "Unknown property")
        if not is_set:
            return {"result": self.is_combined}
        if len(params) < 2 or not isinstance(params[1], bool):
            return _error(1, "Invalid value type: expected Boolean")
        self.is_combined = params[1]
        return {"result": None}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "msg": message}}


def _is_id(value: Any) -> bool:
    if value is None:
        return True
    if isinstance(value, str):
        return _ID_TEXT.fullmatch(value) is not None
    return type(value) is int and -MAX_ID <= value < MAX_ID
