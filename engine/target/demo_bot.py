"""The demo bot's process: `python -m engine.target.demo_bot --desk http://127.0.0.1:PORT`.

A target out of the box: it trades in the desk's market through the order API's stream like any other bot,
and answers GET /api/health and /api/state on loopback like any other target. On standard output it prints
one line of JSON with its address, and nothing else: when it has met the desk, or without one after a second.
Until it has met the desk it has no currency to speak of, and answers 503.

It ends on SIGTERM or SIGINT, and with --with-parent when its standard input closes or its parent is gone:
the desk holds the other end of that pipe, so even a killed desk takes its bot with it. When the desk goes
away without that, or runs a new session, the bot keeps its equity and tries to connect again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from engine.agents.demo_maker import INTERVAL_MS
from engine.core.clock import wall_ns
from engine.core.errors import UsageError
from engine.target.demo import DemoTrader, Message
from engine.target.spec import check_target_url

__all__ = ["TOKEN_VARIABLE", "main", "run_demo_bot"]

TOKEN_VARIABLE = "STORMDESK_API_TOKEN"
"""Environment variable with the order API's token: an argument would show in the list of processes."""
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0
"""Waiting between attempts to reach the desk doubles from the first to the last."""
START_CHECK_S = 0.005
ANNOUNCE_TIMEOUT_S = 1.0
"""How long the address is kept back for the first meeting with the desk."""
OPEN_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 0.5
PARENT_CHECK_S = 0.5
MESSAGE_LIMIT_BYTES = 1 << 20

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_message = msgspec.json.Decoder(Message).decode


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the process; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="demo_bot", description="A small market maker for the desk to storm."
    )
    parser.add_argument("--desk", required=True, help="address of the desk's order API")
    parser.add_argument("--port", type=int, default=0, help="port of /api/state on loopback; 0 = a free one")
    parser.add_argument("--token", default=os.environ.get(TOKEN_VARIABLE), help="token of the order API")
    parser.add_argument("--with-parent", action="store_true", help="end when standard input closes")
    options = parser.parse_args(arguments)
    try:
        run_demo_bot(options.desk, port=options.port, token=options.token, with_parent=options.with_parent)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def run_demo_bot(
    desk_url: str, *, port: int = 0, token: str | None = None, with_parent: bool = False
) -> None:
    """Run the bot until a signal or its parent ends it.

    Raises UsageError on an address that is none and on a port that is taken.
    """
    check_target_url(desk_url)
    if not 0 <= port <= 65_535:
        raise UsageError(f"demo bot: port {port}: not a port; choose one up to 65535, or 0 for a free one")
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(f"demo bot: port {port}: {error}; choose another, or 0 for a free one") from error
    asyncio.run(_live(listener, desk_url, token, with_parent))


async def _live(listener: socket.socket, desk_url: str, token: str | None, with_parent: bool) -> None:
    # Client ids go up from the wall clock: a bot that starts again in the same session takes no id twice.
    trader = DemoTrader(first_client_id=wall_ns())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if with_parent:
        watched = (loop, stop)
        threading.Thread(target=_watch_stdin, args=watched, name="stdin-watch", daemon=True).start()
    server = _Server(_server_config(trader))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    work = [
        asyncio.create_task(_trade(trader, desk_url, token)),
        asyncio.create_task(_announce(server, trader, listener)),
    ]
    if with_parent:
        work.append(asyncio.create_task(_watch_parent(os.getppid(), stop)))
    await stop.wait()
    for task in work:
        task.cancel()
    await asyncio.gather(*work, return_exceptions=True)
    server.should_exit = True
    await serving


# -- the face of a target ----------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: this process has one way to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server_config(trader: DemoTrader) -> uvicorn.Config:
    async def health(_request: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def state(_request: Request) -> Response:
        if trader.session_id is None:
            return Response(b'{"error":"not connected to the desk yet"}', 503, media_type="application/json")
        return Response(_encode(trader.state()), media_type="application/json")

    app = Starlette(routes=[Route("/api/health", health), Route("/api/state", state)])
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


async def _announce(server: uvicorn.Server, trader: DemoTrader, listener: socket.socket) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ANNOUNCE_TIMEOUT_S):
            while trader.session_id is None:
                await asyncio.sleep(START_CHECK_S)
    while not server.started:
        await asyncio.sleep(START_CHECK_S)
    port = listener.getsockname()[1]
    sys.stdout.write(_encode({"port": port, "url": f"http://127.0.0.1:{port}"}).decode() + "\n")
    sys.stdout.flush()


# -- trading -----------------------------------------------------------------------------------------------


async def _trade(trader: DemoTrader, desk_url: str, token: str | None) -> None:
    """Stay connected to the desk; an address that refuses is tried again with growing waits."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    retry_s = FIRST_RETRY_S
    complaint = ""
    while True:
        try:
            async with connect(
                _stream_url(desk_url, trader),
                additional_headers=headers,
                proxy=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=LEAVE_TIMEOUT_S,
                max_size=MESSAGE_LIMIT_BYTES,
            ) as stream:
                heard = asyncio.Event()
                acting = asyncio.create_task(_act(stream, trader, heard))
                try:
                    async for message in stream:
                        trader.take(_decode_message(message))
                        heard.set()
                        retry_s = FIRST_RETRY_S
                finally:
                    acting.cancel()
                    await asyncio.gather(acting, return_exceptions=True)
                    await _say_goodbye(stream, trader)
        except Exception as error:
            # The desk is not there, not there yet, gone, or speaks otherwise: the state server goes on, and
            # so do the attempts. Each new complaint is logged once.
            if str(error) != complaint:
                complaint = str(error)
                print(f"{desk_url}: {type(error).__name__}: {complaint}", file=sys.stderr, flush=True)
        await asyncio.sleep(retry_s)
        retry_s = min(LAST_RETRY_S, 2 * retry_s)


def _stream_url(desk_url: str, trader: DemoTrader) -> str:
    url = desk_url.rstrip("/").replace("http", "ws", 1) + "/api/v1/stream"
    if trader.session_id is None:
        return url
    return f"{url}?session={trader.session_id}&since={trader.sequence}"


async def _act(stream: ClientConnection, trader: DemoTrader, heard: asyncio.Event) -> None:
    """Requote on news, at most once per INTERVAL_MS."""
    while True:
        await heard.wait()
        heard.clear()
        for request in trader.act():
            await stream.send(_encode(request).decode())
        await asyncio.sleep(INTERVAL_MS / 1000)


async def _say_goodbye(stream: ClientConnection, trader: DemoTrader) -> None:
    """Leave no order behind, if the desk still listens."""
    with contextlib.suppress(WebSocketException, TimeoutError, OSError):
        async with asyncio.timeout(LEAVE_TIMEOUT_S):
            for request in trader.leave():
                await stream.send(_encode(request).decode())


# -- ending with the parent --------------------------------------------------------------------------------


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.buffer.read(1):
            continue
    with contextlib.suppress(RuntimeError):  # the loop has closed: the process is ending anyway
        loop.call_soon_threadsafe(stop.set)


async def _watch_parent(parent: int, stop: asyncio.Event) -> None:
    """The second line of defence: some process may hold a copy of the pipe's other end."""
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_S)
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
