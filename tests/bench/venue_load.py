"""Benchmark `venue_load`: orders over the WS-API while the desk draws in the same process.

The desk with its venue runs in a process of its own on a pseudo terminal, as in `live_desk`; clients run in
others. Times of acknowledgement count from when a request was due, and include the time for which the market
lets a request of a bot travel. REST is compared without that time, with a bare Starlette handler in the
desk's process, under the same server settings, one request of each in turn.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from engine.scenarios import load_scenario
from tests.bench.live_desk import COLUMNS, ROWS, on_terminal
from tests.bench.market import scenario_name
from tests.bench.measure import Benchmark, NotHere, Requirement, Row, Step, Steps, compare
from tests.bench.venue_load_clients import bid_below, open_socket, percentile_ms, text_frame

__all__ = ["BENCHMARK"]

RATE = 5_000
CLIENTS = 50
CLIENTS_RATE = 2_500
SECONDS, QUICK_SECONDS = 10.0, 1.0
SETTLE_S = 3.0
"""From the first picture to the first measurement, as in `live_desk`."""
REST_REQUESTS, QUICK_REST_REQUESTS = 3_000, 200
SLOW_LIMIT = 200_000
"""Requests that a client sends at the most until it is dropped for not reading."""
MORE_RATE = Requirement(0.98 * RATE, "at least", "orders/s")
PICTURES = Requirement(9, "at least", "pictures/s")
REST_RATIO = Requirement(2, "at most times")

Figures = dict[str, Any]


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Acknowledgements, pictures, REST beside a bare handler, and what becomes of a client that is slow."""
    seconds = QUICK_SECONDS if quick else SECONDS
    steps = Steps(report, 5)
    try:
        with _Desk(scenario_name()) as desk:
            steps.next("the desk alone")
            time.sleep(SETTLE_S)
            alone = desk.span(lambda: time.sleep(seconds))
            steps.next(f"{RATE} orders/s over one connection")
            one = desk.load(RATE, seconds, 1)
            steps.next(f"{CLIENTS_RATE} orders/s over {CLIENTS} connections")
            many = desk.load(CLIENTS_RATE, seconds, CLIENTS)
            steps.next("REST")
            rest = desk.compare_rest(QUICK_REST_REQUESTS if quick else REST_REQUESTS)
            steps.next("a client that does not read")
            slow = desk.drop_slow_client()
    except NotHere as missing:
        return [compare("venue_load", "orders", "orders/s", ours=None, why=str(missing))]
    size, market_ms = f"{COLUMNS}x{ROWS}", load_scenario(scenario_name()).external_latency_us / 1_000
    return [
        _row_of_load("over one connection", one, MORE_RATE),
        _row_of_pictures(f"{size}, {RATE} orders/s over one connection", one, alone),
        _row_of_load(f"over {CLIENTS} connections, {CLIENTS_RATE} asked for", many, None),
        _row_of_pictures(f"{size}, {CLIENTS_RATE} orders/s over {CLIENTS} connections", many, alone),
        compare(
            "venue_load",
            f"REST acknowledgement of an order, p50 less the market's latency of {market_ms:g} ms",
            "ms",
            ours=rest["venue_p50_ms"] - market_ms,
            reference="a bare Starlette handler",
            theirs=rest["bare_p50_ms"],
            requires=REST_RATIO,
            why=f"with it {rest['venue_p50_ms']:.3g} ms; p99 {rest['venue_p99_ms']:.3g} ms, "
            f"bare {rest['bare_p99_ms']:.3g} ms",
        ),
        compare(
            "venue_load",
            "a client that does not read is dropped, and the session goes on",
            "requests",
            ours=slow["requests"],
            why=f"{slow['dropped']} dropped; meanwhile {slow['session_s']:.3g} s of session time "
            f"in {slow['wall_s']:.3g} s",
        ),
    ]


BENCHMARK = Benchmark(
    name="venue_load",
    work=f"{RATE} orders/s over the WS-API while the desk draws at {COLUMNS}x{ROWS}; REST acknowledgements",
    reference="the desk without clients; a bare Starlette handler in the same process",
    requires=(MORE_RATE, PICTURES, REST_RATIO),
    measure=measure,
)


def _row_of_load(where: str, found: Figures, requires: Requirement | None) -> Row:
    clients = found["clients"]
    assert clients["refused"] == 0, f"{clients['refused']} requests were refused: {clients['why']}"
    return compare(
        "venue_load",
        f"orders acknowledged {where}",
        "orders/s",
        ours=clients["per_s"],
        requires=requires,
        why=f"p50 {clients['p50_ms']:.3g} ms, p99 {clients['p99_ms']:.3g} ms, longest "
        f"{clients['max_ms']:.3g} ms; CPU of an order {found['order_us']:.3g} us gateway, "
        f"{found['engine_us']:.3g} us engine",
    )


def _row_of_pictures(where: str, found: Figures, alone: Figures) -> Row:
    return compare(
        "venue_load",
        f"the desk at {where}",
        "pictures/s",
        ours=found["pictures_per_s"],
        reference="without clients",
        theirs=alone["pictures_per_s"],
        requires=PICTURES,
        why=f"CPU a picture {found['picture_ms']:.3g} ms, without clients {alone['picture_ms']:.3g} ms",
    )


class _Desk:
    """A desk that serves, from outside."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> _Desk:
        self._file = Path(self._exits.enter_context(tempfile.TemporaryDirectory())) / "where.json"
        ours, its = socket.socketpair()
        module = "tests.bench.venue_load_process"
        arguments = (self._scenario, str(self._file), str(its.fileno()))
        process = self._exits.enter_context(on_terminal(module, *arguments, keep=(its.fileno(),)))
        its.close()
        self._exits.enter_context(ours)  # closed first: it tells the process to end
        self._lines = ours.makefile("rwb", buffering=0)
        while not self._file.exists() or not self._file.read_text():
            if process.poll() is not None:
                break
            time.sleep(0.05)
        self._where = json.loads(self._file.read_text()) if self._file.exists() else {}
        return self

    def __exit__(self, *error: Any) -> None:
        self._lines.close()
        self._exits.__exit__(*error)

    def span(self, work: Callable[[], object]) -> Figures:
        """What the desk did while the work was done."""
        before = self._ask()
        work()
        after = self._ask()
        spent = {name: after[name] - before[name] for name in after if name != "statistics"}
        pictures, wall_s = spent["pictures"], spent["wall_ns"] / 1e9
        screen_ns = spent["process_ns"] - sum(
            spent[name] for name in ("engine_ns", "order-api_ns", "bare_ns")
        )
        return {
            **spent,
            "wall_s": wall_s,
            "pictures_per_s": pictures / wall_s,
            "picture_ms": screen_ns / 1e6 / max(pictures, 1),
            "dropped": after["statistics"]["venue_slow_clients"] - before["statistics"]["venue_slow_clients"],
        }

    def load(self, rate: float, seconds: float, connections: int) -> Figures:
        """Clients in a process of their own."""
        command = [sys.executable, "-m", "tests.bench.venue_load_clients", str(self._file)]
        command += [str(rate), str(seconds), str(connections)]
        found: Figures = {}

        def work() -> None:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-2_000:]
            found.update(json.loads(done.stdout))

        span = self.span(work)
        each = 1_000 * max(1, found["answered"])
        return {
            **span,
            "clients": found,
            "order_us": span["order-api_ns"] / each,
            "engine_us": span["engine_ns"] / each,
        }

    def compare_rest(self, count: int) -> Figures:
        """An order and a bare request in turn, over one kept connection each."""
        key, secret = self._where["keys"][0]
        price, symbol = bid_below(self._where), self._where["symbol"]
        times: dict[str, list[int]] = {"venue": [], "bare": []}
        with _http(self._where["port"]) as venue, _http(self._where["bare_port"]) as bare:
            for number in range(count):
                text = (
                    f"symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity=10&price={price}"
                    f"&timestamp={time.time_ns() // 1_000_000}&newClientOrderId=r{number}"
                )
                text += "&signature=" + hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()
                times["venue"].append(_exchange(venue, "POST", "/api/v3/order", text, key))
                times["bare"].append(_exchange(bare, "POST", "/order", text, key))
                cancel = (
                    f"symbol={symbol}&origClientOrderId=r{number}&timestamp={time.time_ns() // 1_000_000}"
                )
                cancel += "&signature=" + hmac.digest(secret.encode(), cancel.encode(), hashlib.sha256).hex()
                _exchange(venue, "DELETE", "/api/v3/order", cancel, key)
        return {
            f"{name}_p{percent}_ms": percentile_ms(sorted(found), share)
            for name, found in times.items()
            for percent, share in (("50", 0.5), ("99", 0.99))
        }

    def drop_slow_client(self) -> Figures:
        """Asks without ever reading, until the connection is cut."""
        sent = 0

        def work() -> None:
            nonlocal sent
            request = text_frame(b'{"id":1,"method":"exchangeInfo","params":{}}'.ljust(130))
            with open_socket(self._where["port"]) as client, contextlib.suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                while sent < SLOW_LIMIT:
                    client.sendall(request)
                    sent += 1

        span = self.span(work)
        return {**span, "requests": sent, "session_s": span["session_ns"] / 1e9}

    def _ask(self) -> Figures:
        self._lines.write(b"now\n")
        found: Figures = json.loads(self._lines.readline())
        return found


@contextlib.contextmanager
def _http(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def _exchange(connection: socket.socket, method: str, path: str, body: str, key: str) -> int:
    """ns from request to answer. Raises AssertionError unless it is a 200."""
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-MBX-APIKEY: {key}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    began_ns = time.monotonic_ns()
    connection.sendall(request)
    data = connection.recv(65_536)
    while not _is_whole(data):
        data += connection.recv(65_536)
    spent_ns = time.monotonic_ns() - began_ns
    assert data.startswith(b"HTTP/1.1 200 "), data
    return spent_ns


def _is_whole(data: bytes) -> bool:
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    at = head.lower().index(b"content-length:")
    return len(body) >= int(head[at + 15 :].split(b"\r\n", 1)[0])
