"""The desk and its venue as the benchmark `venue_load` runs them: one process, on the terminal it is given.

    python -m tests.bench.venue_load_process SCENARIO FILE SOCKET_FD

Writes where it listens (and a key) as JSON to FILE once it serves. Each line that comes over the socket is
answered with what all threads have done until then; the socket's end ends the process. Beside the venue, a
bare Starlette handler is served with the same settings, for comparison.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from desk.app import SWITCH_INTERVAL_S, DeskApp, DeskOptions
from engine.api.http import GuardedHttp
from engine.api.server import OrderApi, VenueOptions
from engine.arena.machine import load
from engine.core.clock import monotonic_ns
from engine.host import LiveOptions, SessionHost
from engine.scenarios import load_scenario
from engine.session import SessionConfig
from engine.venue.binance.limits import Limits
from engine.venue.keys import KeyStore

CLIENTS = 50
SEED = 42
MANY = 10**9
ANSWER = json.dumps({"status": "NEW", "fills": [], "text": "x" * 400}).encode()
"""About as long as the venue's answer to an order."""


def main() -> None:
    """Serves until the other side goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("file", type=Path)
    parser.add_argument("control", type=int)
    arguments = parser.parse_args()
    control = socket.socket(fileno=arguments.control)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    load()
    keys = KeyStore()
    made = [keys.create(f"client{number}") for number in range(CLIENTS)]
    with tempfile.TemporaryDirectory() as folder:
        config = SessionConfig(load_scenario(arguments.scenario), seed=SEED)
        host = SessionHost(config, LiveOptions(runs_root=Path(folder)))
        wide = Limits(weight_1m=MANY, orders_10s=MANY, orders_1d=MANY)
        api = OrderApi(host, venue=VenueOptions(keys, limits=wide))
        bare = _BareServer()
        host.run_thread()
        api.start()
        bare.start()
        assert api.wait_listening(20)
        app = DeskApp(host, options=DeskOptions(coach=False, on_ready=lambda: app.run_worker(serve())))

        async def serve() -> None:
            assert api.address is not None
            port = int(api.address.rpartition(":")[2])
            found = {"port": port, "bare_port": bare.port, "symbol": host.venue.market_data.money.symbol}
            pairs = [(key.api_key, key.secret) for key in made]
            arguments.file.write_text(json.dumps(found | {"keys": pairs}))
            await _answer(control, lambda: _figures(app, host, api))
            app.leave()

        app.run()
        api.stop()
        if host.failure is not None:
            raise SystemExit(host.failure)


async def _answer(control: socket.socket, figures: Any) -> None:
    """A line out for each line in."""
    reader, writer = await asyncio.open_connection(sock=control)
    while await reader.readline():
        writer.write(json.dumps(figures()).encode() + b"\n")


def _figures(app: DeskApp, host: SessionHost, api: OrderApi) -> dict[str, Any]:
    found: dict[str, Any] = {
        "wall_ns": monotonic_ns(),
        "pictures": app.bridge.governor.drawn_total,
        "session_ns": host.session.now_ns,
        "statistics": api.statistics(),
        "process_ns": time.process_time_ns(),
    }
    for thread in threading.enumerate():
        if thread.name in ("engine", "order-api", "bare") and thread.ident is not None:
            clock = time.pthread_getcpuclockid(thread.ident)
            found[f"{thread.name}_ns"] = time.clock_gettime_ns(clock)
    return found


class _BareServer(threading.Thread):
    """One Starlette route that reads a body and answers, under the settings of the order API."""

    def __init__(self) -> None:
        super().__init__(name="bare", daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def run(self) -> None:
        async def answer(request: Request) -> Response:
            await request.body()
            return Response(ANSWER, media_type="application/json")

        config = uvicorn.Config(
            Starlette(routes=[Route("/order", answer, methods=["POST"])]),
            http=GuardedHttp,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=512,
            timeout_keep_alive=30,
            proxy_headers=False,
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets=[self._listener]))


if __name__ == "__main__":
    main()
