"""The HTTP routes of the order API, each a thin skin over the gateway; `engine.api.server` lists them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

import engine
from engine.api.gateway import Gateway
from engine.api.guard import Guard, json_response
from engine.api.messages import (
    CancelAllMessage,
    CancelMessage,
    RequestRefusedError,
    decode_order,
    error_json,
)
from engine.api.stream import stream_endpoint
from engine.frame import LADDER_LEVELS

if TYPE_CHECKING:
    from engine.venue.binance.app import VenueApp

__all__ = ["BODY_LIMIT_BYTES", "build_app"]

BODY_LIMIT_BYTES = 16_384
"""Longest request body, and longest message of a stream."""
DEFAULT_LEVELS = 20

Handler = Callable[[Request], Awaitable[Response]]


def build_app(
    gateway: Gateway, *, token: str | None, check_host: bool, venue: VenueApp | None = None
) -> ASGIApp:
    """The ASGI application: the order API, and the venue on the paths that are its own."""
    native = _build_native(gateway, token=token, check_host=check_host)
    if venue is None:
        return native
    from engine.venue.binance.app import is_venue_path

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and is_venue_path(scope["path"]):
            await venue(scope, receive, send)
        else:
            await native(scope, receive, send)

    return serve


def _build_native(gateway: Gateway, *, token: str | None, check_host: bool) -> Starlette:
    routes = _Routes(gateway)

    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(path, _defended(handler, gateway), methods=[method])

    return Starlette(
        routes=[
            route("GET", "/health", routes.health),
            route("GET", "/status", routes.status),
            route("GET", "/api/v1/instrument", routes.instrument),
            route("GET", "/api/v1/book", routes.book),
            route("GET", "/api/v1/account", routes.account),
            route("GET", "/api/v1/orders", routes.orders),
            route("POST", "/api/v1/orders", routes.submit),
            route("DELETE", "/api/v1/orders", routes.cancel_all),
            route("DELETE", "/api/v1/orders/{client_id}", routes.cancel),
            WebSocketRoute("/api/v1/stream", stream_endpoint(gateway)),
        ],
        middleware=[Middleware(Guard, token=token, check_host=check_host)],
        exception_handlers={RequestRefusedError: _answer_refusal, HTTPException: _answer_http_error},
    )


def _defended(handler: Handler, gateway: Gateway) -> Handler:
    """`handler`, with a defect of ours as a counted 500 (Starlette's own 500 also drops the connection)."""

    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except (RequestRefusedError, HTTPException, ClientDisconnect):
            raise
        except Exception:
            gateway.internal_errors += 1
            refusal = RequestRefusedError(
                "internal_error", "the desk failed on this request; /status counts such failures"
            )
            return json_response(error_json(refusal), 500)

    return handle


class _Routes:
    """Handlers; each returns at once, since the host's methods do."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def health(self, _request: Request) -> Response:
        return json_response({"status": "ok"})

    async def status(self, _request: Request) -> Response:
        known = {"version": engine.__version__, "service": "stormdesk-order-api"}
        return json_response(known | self._gateway.status())

    async def instrument(self, _request: Request) -> Response:
        return json_response(self._gateway.instrument())

    async def book(self, request: Request) -> Response:
        text = request.query_params.get("levels", str(DEFAULT_LEVELS))
        return json_response(self._gateway.book(_whole_number("levels", text, 1, LADDER_LEVELS)))

    async def account(self, _request: Request) -> Response:
        return json_response(self._gateway.account_view())

    async def orders(self, _request: Request) -> Response:
        return json_response({"orders": self._gateway.orders()})

    async def submit(self, request: Request) -> Response:
        order = decode_order(await _bounded_body(request))
        return json_response(self._gateway.carry_out(order), 202)

    async def cancel(self, request: Request) -> Response:
        client_id = _whole_number("client_id", request.path_params["client_id"], 1, 2**63 - 1)
        return json_response(self._gateway.carry_out(CancelMessage(client_id)), 202)

    async def cancel_all(self, _request: Request) -> Response:
        return json_response(self._gateway.carry_out(CancelAllMessage()), 202)


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_LIMIT_BYTES:
            raise RequestRefusedError(
                "body_too_long", f"the body is longer than {BODY_LIMIT_BYTES} bytes", http_status=413
            )
    return bytes(body)


def _whole_number(name: str, text: str, low: int, high: int) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 19 and low <= int(text) <= high:
        return int(text)
    raise RequestRefusedError("bad_request", f"{name}: wanted a whole number from {low} to {high}")


async def _answer_refusal(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestRefusedError)
    return json_response(error_json(error), error.http_status)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    refusal = RequestRefusedError(
        "no_such_route" if error.status_code == 404 else "not_allowed",
        f"{request.method} {request.url.path[:80]}: {error.detail}; the routes are those of /api/v1",
    )
    return json_response(error_json(refusal), error.status_code)
