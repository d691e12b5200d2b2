"""The venue over HTTP: path -> endpoint -> handler -> answer, as a plain ASGI application.

Place on the data path: between uvicorn and the handlers. No framework: a dictionary of paths is all the
routing there is. Invariant: every request gets exactly one answer, whose body is JSON and whose headers
show the weight used; a defect of ours is a counted 500.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from engine.venue.binance import account, errors, lists, orders, wallet
from engine.venue.binance.call import Call, Handler, Waiting
from engine.venue.binance.codec import encode
from engine.venue.binance.endpoints import ENDPOINTS, Endpoint, Security
from engine.venue.binance.errors import RequestRefused
from engine.venue.binance.exchange_info import FUTURES_ROUTES
from engine.venue.binance.gateway import Gateway
from engine.venue.binance.guard import refuse_foreign
from engine.venue.binance.listen_keys import ListenKeys
from engine.venue.binance.market_rest import market_routes
from engine.venue.binance.market_streams import MarketStreams
from engine.venue.binance.openapi import describe
from engine.venue.binance.parameters import check
from engine.venue.binance.signing import SIGNATURE_NAMES, admit, find_key, parse_query, signed_bytes
from engine.venue.binance.socket import SocketProtocol
from engine.venue.binance.ws_api import WsApi
from engine.venue.host import VenueHost

__all__ = ["BODY_LIMIT_BYTES", "VenueApp", "is_venue_path"]

BODY_LIMIT_BYTES = 16_384
"""Longest request body."""
QUERY_LIMIT_BYTES = 16_384
DESCRIPTION_PATH = "/api/v3/openapi.json"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
StreamApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json;charset=UTF-8")


def is_venue_path(path: str) -> bool:
    """Whether a path belongs to the venue."""
    return path.startswith(("/api/v3", "/sapi/", "/ws", "/stream", "/fapi/", "/dapi/"))


class VenueApp:
    """ASGI application of one gateway.

    Serve    __call__; socket_protocol (the class that uvicorn makes WebSockets with)
    Life     start attach stop statistics
    """

    def __init__(
        self,
        gateway: Gateway,
        *,
        check_host: bool = True,
        legacy_listen_keys: bool = False,
    ) -> None:
        self.gateway = gateway
        self.streams = MarketStreams(gateway)
        self._check_host = check_host
        self._listen_keys = ListenKeys(gateway) if legacy_listen_keys else None
        routes = [
            *market_routes(gateway),
            *orders.ROUTES,
            *lists.ROUTES,
            *account.ROUTES,
            *wallet.ROUTES,
            *FUTURES_ROUTES,
            *(self._listen_keys.routes if self._listen_keys is not None else ()),
        ]
        handlers = {(method, path): handler for method, path, handler in routes}
        self._routes: dict[tuple[str, str], tuple[Endpoint, Handler]] = {
            (endpoint.method, endpoint.path): (endpoint, handlers[endpoint.method, endpoint.path])
            for endpoint in ENDPOINTS
            if legacy_listen_keys or not endpoint.legacy
        }
        served = [endpoint for endpoint, _handler in self._routes.values()]
        self._description = encode(describe(served))
        self._api = WsApi(
            gateway,
            {endpoint.socket: found for found in self._routes.values() if (endpoint := found[0]).socket},
        )
        self._api.check_host = check_host

    @property
    def socket_protocol(self) -> type[SocketProtocol]:
        """What uvicorn's `ws` setting takes."""
        api = self._api

        class WsApiProtocol(SocketProtocol):
            sessions = api

        return WsApiProtocol

    def start(self) -> None:
        """Begin to listen to the host; on the loop that serves."""
        self.gateway.start()
        self.streams.start()

    def attach(self, host: VenueHost) -> None:
        """Serve another session; from any thread."""
        self.gateway.attach(host)

    def stop(self) -> None:
        """Say goodbye to all clients; on the loop that serves."""
        self.streams.stop()
        self.gateway.stop()

    @property
    def client_count(self) -> int:
        """Open WebSockets."""
        return self.gateway.connection_count

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        streams = {f"streams_{name}": number for name, number in self.streams.statistics().items()}
        api = {f"api_{name}": number for name, number in self._api.statistics().items()}
        return self.gateway.statistics() | streams | api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one stream."""
        if scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_stream(scope, receive, send)

    # -- HTTP ----------------------------------------------------------------------------------------------

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        gateway = self.gateway
        boundary = gateway.host.boundary
        if boundary.is_down:
            await _respond(send, 502, [(b"content-type", b"text/html")], b"<h1>502 Bad Gateway</h1>")
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        extra: list[tuple[bytes, bytes]] = [_JSON]
        address = scope["client"][0] if scope["client"] else ""
        call: Call | None = None
        status, is_asked = 200, False
        try:
            self._check_origin(headers, address)
            found = self._find(scope)
            if found is None:
                answer: Any = self._description
            else:
                body = b"" if scope["method"] == "GET" else await _read_body(headers, receive)
                call = self._admit(found[0], scope, headers, body, address)
                self._count_orders(call)
                is_asked = True
                answer = found[1](call)
                if isinstance(answer, Waiting):
                    answer = await self._wait(answer)
                elif boundary.read_delay_ns > 0:
                    await asyncio.sleep(boundary.read_delay_ns / 1e9)
        except RequestRefused as refusal:
            status, answer = refusal.status, refusal.body()
            if refusal.retry_at_ms is not None:
                seconds = max(1, -(-(refusal.retry_at_ms - gateway.now_ms()) // 1_000))
                extra.append((b"retry-after", str(seconds).encode()))
            if not is_asked:  # else the session has refused it, and knows
                gateway.note_limited(refusal, headers.get(b"x-mbx-apikey", b"").decode("latin-1"))
        except asyncio.CancelledError:
            raise
        except Exception:
            gateway.internal_errors += 1
            status, answer = 500, errors.unknown().body()
        self._add_counts(extra, address, call)
        data = answer if isinstance(answer, bytes) else encode(answer)
        await _respond(send, status, extra, data)

    def _check_origin(self, headers: dict[bytes, bytes], address: str) -> None:
        origin = headers.get(b"origin")
        reason = refuse_foreign(
            headers.get(b"host", b"").decode("latin-1"),
            None if origin is None else origin.decode("latin-1"),
            address=address,
            check_host=self._check_host,
        )
        if reason:
            raise RequestRefused(-1002, reason, status=403)

    def _find(self, scope: Scope) -> tuple[Endpoint, Handler] | None:
        """Endpoint and handler; None: the description is wanted."""
        found = self._routes.get((scope["method"], scope["path"]))
        if found is not None:
            return found
        if scope["path"] == DESCRIPTION_PATH and scope["method"] == "GET":
            return None
        if any(path == scope["path"] for _method, path in self._routes):
            raise RequestRefused(-1020, "This operation is not supported.", status=405)
        method, path = scope["method"][:16], scope["path"][:100]
        raise RequestRefused(-5000, f"Path {path}, Method {method} is invalid", status=404)

    def _admit(
        self,
        endpoint: Endpoint,
        scope: Scope,
        headers: dict[bytes, bytes],
        body: bytes,
        address: str,
    ) -> Call:
        """The checked request. Raises RequestRefused."""
        gateway = self.gateway
        now_ms = gateway.now_ms()
        query_bytes: bytes = scope["query_string"]
        if len(query_bytes) > QUERY_LIMIT_BYTES:
            raise RequestRefused(-1000, "The query string is too long.", status=414)
        query = query_bytes.decode("utf-8", "surrogateescape")
        form = body.decode("utf-8", "surrogateescape")
        gateway.check_service()
        params = parse_query(query, form)
        gateway.windows.charge(address, endpoint.weigh(_countable(params)), now_ms)
        security = endpoint.security
        if security is Security.NONE:
            check(endpoint.parameters, params, gateway.symbol)
            return Call(gateway, endpoint, params)
        sent_key = headers.get(b"x-mbx-apikey")
        key = find_key(gateway.keys, None if sent_key is None else sent_key.decode("latin-1"), security)
        read = len(params)
        if security.is_signed:
            params = admit(gateway.keys, key, params, signed_bytes(query, form), now_ms)
        else:
            for name in SIGNATURE_NAMES:  # some clients sign these too
                params.pop(name, None)
        check(endpoint.parameters, params, gateway.symbol, always=read - len(params))
        account_number = gateway.account_of(key)
        return Call(gateway, endpoint, params, key=key, account=account_number)

    def _count_orders(self, call: Call) -> None:
        """Counts new orders. Raises RequestRefused; the call is known by then, so the answer shows counts."""
        if call.endpoint.orders:
            gateway = self.gateway
            gateway.windows.charge_orders(call.account, call.endpoint.orders, gateway.now_ms())

    async def _wait(self, waiting: Waiting) -> Any:
        """The broker's answer. Raises RequestRefused."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def deliver(answer: Any) -> None:
            if not future.done():
                future.set_result(answer)

        self.gateway.ask(waiting, deliver)
        answer = await future
        if isinstance(answer, RequestRefused):
            raise answer
        return answer

    def _add_counts(self, extra: list[tuple[bytes, bytes]], address: str, call: Call | None) -> None:
        gateway = self.gateway
        now_ms = gateway.now_ms()
        used = str(gateway.windows.used(address, now_ms)).encode()
        extra.append((b"x-mbx-used-weight", used))
        extra.append((b"x-mbx-used-weight-1m", used))
        if call is not None and call.endpoint.orders:
            short, day = gateway.windows.order_counts(call.account, now_ms)
            extra.append((b"x-mbx-order-count-10s", str(short).encode()))
            extra.append((b"x-mbx-order-count-1d", str(day).encode()))

    # -- streams -------------------------------------------------------------------------------------------

    async def _serve_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        status = 0
        try:
            self._check_origin(headers, scope["client"][0] if scope["client"] else "")
        except RequestRefused:
            status = 403
        serve = self._stream_server(scope)
        if not _is_stream_path(scope["path"]):
            status = status or 404
        if self.gateway.host.boundary.is_down:
            status = 503
        if status:
            await _deny(receive, send, status)
            return
        await serve(scope, receive, send)

    def _stream_server(self, scope: Scope) -> StreamApp:
        keys = self._listen_keys
        path = scope["path"].rstrip("/")
        if keys is not None:
            combined = path == "/stream"
            names = (
                parse_qs(scope["query_string"][:4_096].decode("latin-1")).get("streams", [""])[0]
                if combined
                else path.removeprefix("/ws/")
            )
            if keys.account_of(names) is not None:

                async def serve(_scope: Scope, receive: Receive, send: Send) -> None:
                    await keys.serve(names, receive, send, combined=combined)

                return serve
        return self.streams.serve


async def _read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """The request's body. Raises RequestRefused when it is too long, or its sender went away."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared[:20]) > BODY_LIMIT_BYTES:
        raise _too_long()
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise errors.disconnected()
        part = message.get("body", b"")
        size += len(part)
        if size > BODY_LIMIT_BYTES:
            raise _too_long()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_long() -> RequestRefused:
    return RequestRefused(-1000, f"The body is longer than {BODY_LIMIT_BYTES} bytes.", status=413)


def _countable(params: dict[str, str]) -> dict[str, str]:
    """Parameters that a weight may be computed from before they are checked."""
    limit = params.get("limit")
    if limit is not None and not (limit.isascii() and limit.isdigit() and len(limit) < 10):
        return {name: value for name, value in params.items() if name != "limit"}
    return params


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_stream_path(path: str) -> bool:
    path = path.rstrip("/")
    return path in ("/ws", "/stream") or path.startswith(("/ws/", "/stream/"))


async def _deny(receive: Receive, send: Send, status: int) -> None:
    """Refuse a handshake."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": b""})
