"""The door of the order API: who may come in at all (edge of the data path).

Invariant: nothing behind it runs for a request that a web page could have caused, or that lacks the token.
Loopback alone is no protection: any page in a browser may send requests to 127.0.0.1. Such a request shows
its Origin; and one through a rebound DNS name shows that name as its Host.
"""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from engine.api.messages import RequestRefusedError, encode, error_json

__all__ = ["LOOPBACK_NAMES", "Guard", "json_response"]

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})


def json_response(answer: object, status: int = 200) -> Response:
    """`answer` as JSON."""
    return Response(encode(answer), status_code=status, media_type="application/json")


class Guard:
    """ASGI middleware over HTTP and WebSocket alike."""

    def __init__(self, app: ASGIApp, *, token: str | None, check_host: bool) -> None:
        self._app = app
        self._token = token
        self._check_host = check_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._admit(Headers(scope=scope), str(scope["path"]))
        except RequestRefusedError as error:
            response = json_response(error_json(error), error.http_status)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).send_denial_response(response)
            else:
                await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, headers: Headers, path: str) -> None:
        host = headers.get("host", "")
        if self._check_host and host.rpartition(":")[0] not in LOOPBACK_NAMES and host not in LOOPBACK_NAMES:
            raise RequestRefusedError(
                "foreign_host", "Host: this server answers to 127.0.0.1 or localhost only", http_status=403
            )
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{host}":
            raise RequestRefusedError(
                "foreign_origin", "Origin: requests of other web pages are refused", http_status=403
            )
        if self._token is not None and path != "/health":
            offered = headers.get("authorization", "").encode()
            if not hmac.compare_digest(offered, f"Bearer {self._token}".encode()):
                raise RequestRefusedError(
                    "no_token",
                    "Authorization: send `Bearer <token>` with the server's token",
                    http_status=401,
                )
        account = headers.get("x-account", "target")
        if account != "target":
            raise RequestRefusedError(
                "unknown_account", "X-Account: only `target` trades here", http_status=403
            )
