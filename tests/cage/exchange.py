"""A venue small enough to see through: ping and time over HTTP, an echo over WebSocket, on one port."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

__all__ = ["ANSWERS", "running_exchange"]

ANSWERS = {"/api/v3/ping": b"{}", "/api/v3/time": b'{"serverTime":1700000000000}'}


def answer(connection: ServerConnection, request: Request) -> Response | None:
    if "Upgrade" in request.headers:
        return None
    body = ANSWERS.get(request.path)
    status = HTTPStatus.NOT_FOUND if body is None else HTTPStatus.OK
    body = body or b"{}"
    headers = Headers(
        {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            "X-Host": request.headers["Host"],
        }
    )
    return Response(status.value, status.phrase, headers, body)


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@contextmanager
def running_exchange() -> Generator[int, None, None]:
    """Its port on 127.0.0.1."""
    with serve(echo, "127.0.0.1", 0, process_request=answer, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(5)
