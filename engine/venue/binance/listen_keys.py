"""The old way to user events: a listen key by REST, then a stream of that name.

The exchange removed it on 2026-02-20; clients released before still use it, so it is served behind a switch.
Place on the data path: beside ws_api.py. Invariant: at most one listen key per account, valid for
VALID_MS after its last use while its API key exists, and its stream is fed as any other listener.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from engine.venue.binance.call import Answer, Call, Route
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.gateway import Gateway

__all__ = ["ListenKeys"]

VALID_MS = 3_600_000
EVENT_LIMIT = 4_096
"""Events that may wait for one client."""

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class ListenKeys:
    """Listen keys of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._keys: dict[str, tuple[int, int, str]] = {}
        """Listen key -> account, valid until (ms), name of the API key."""
        self._session_id = gateway.host.session_id
        self.routes: tuple[Route, ...] = (
            ("POST", "/api/v3/userDataStream", self.create),
            ("PUT", "/api/v3/userDataStream", self.keep),
            ("DELETE", "/api/v3/userDataStream", self.remove),
        )

    def create(self, call: Call) -> Answer:
        """POST userDataStream: the account's key; its validity begins anew."""
        self._expire()
        assert call.key is not None
        own = [name for name, (account, *_) in self._keys.items() if account == call.account]
        name = own[0] if own else secrets.token_hex(32)
        self._keys[name] = (call.account, self._gateway.now_ms() + VALID_MS, call.key.name)
        return {"listenKey": name}

    def keep(self, call: Call) -> Answer:
        """PUT userDataStream."""
        name = self._own(call)
        _, _, key_name = self._keys[name]
        self._keys[name] = (call.account, self._gateway.now_ms() + VALID_MS, key_name)
        return {}

    def remove(self, call: Call) -> Answer:
        """DELETE userDataStream."""
        del self._keys[self._own(call)]
        return {}

    def account_of(self, name: str) -> int | None:
        """Whose listen key this is."""
        self._expire()
        entry = self._keys.get(name)
        return entry[0] if entry is not None else None

    async def serve(self, name: str, receive: Receive, send: Send, *, combined: bool) -> None:
        """Feed one ASGI WebSocket; `combined`: events come as {stream, data}."""
        account = self.account_of(name)
        assert account is not None
        await receive()
        await send({"type": "websocket.accept"})
        await _Stream(self._gateway, name if combined else "", account).run(receive, send)

    def _own(self, call: Call) -> str:
        name = call.params["listenKey"]
        if self.account_of(name) != call.account:
            raise RequestRefused(-1125, "This listenKey does not exist.")
        return name

    def _expire(self) -> None:
        if self._session_id != self._gateway.host.session_id:
            self._session_id = self._gateway.host.session_id
            self._keys.clear()
        now_ms = self._gateway.now_ms()
        owners = {key.name for key in self._gateway.keys.keys}
        self._keys = {
            name: entry for name, entry in self._keys.items() if entry[1] >= now_ms and entry[2] in owners
        }


class _Stream:
    """One listener over ASGI, with a bounded queue."""

    def __init__(self, gateway: Gateway, stream: str, account: int) -> None:
        self._gateway = gateway
        self._head = b'{"stream":"%s","data":' % stream.encode() if stream else b""
        self._queue: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self._listener = gateway.users.listen(account, self._put, self._end)

    async def run(self, receive: Receive, send: Send) -> None:
        """Until the client goes, the stream ends, or the client is too slow."""
        tasks = [
            asyncio.ensure_future(work)
            for work in (self._write(send), self._read(receive), self._over.wait())
        ]
        if not self._gateway.track(self, self._close):
            self._over.set()
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._gateway.untrack(self)
            self._gateway.users.unlisten(self._listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._over.is_set():
            await send({"type": "websocket.close", "code": 1001, "reason": "the stream has ended"})

    def _close(self, _code: int, _reason: str) -> None:
        self._over.set()

    def _put(self, event: bytes) -> None:
        if len(self._queue) >= EVENT_LIMIT:
            if not self._over.is_set():
                self._gateway.slow_clients += 1
            self._over.set()
            return
        self._queue.append(self._head + event + b"}" if self._head else event)
        self._ready.set()

    def _end(self) -> None:
        self._put(self._gateway.users.terminated())
        self._gateway.users.unlisten(self._listener)

    async def _write(self, send: Send) -> None:
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._queue:
                await send({"type": "websocket.send", "text": self._queue.popleft().decode()})

    async def _read(self, receive: Receive) -> None:
        while (await receive())["type"] != "websocket.disconnect":
            pass  # a stream of user events takes no requests
