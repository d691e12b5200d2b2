"""Clients of the benchmark `venue_load`: the least that sends signed orders and takes the answers' times.

    python -m tests.bench.venue_load_clients WHERE_FILE RATE SECONDS CONNECTIONS

Each of CONNECTIONS WS-API connections sends places and cancels in turn, all together RATE a second on a
fixed schedule; an answer's time counts from when its request was due, so a server that falls behind cannot
hide it. Prints a JSON object with counts and percentiles.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import selectors
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

NS = 1_000_000_000
DRAIN_S = 3.0
ZERO_MASK = b"\0\0\0\0"
UPGRADE = (
    "GET /ws-api/v3?returnRateLimits=false HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


class Connection:
    """One WS-API connection of one key."""

    def __init__(self, where: dict[str, Any], number: int, price: str) -> None:
        self.socket = open_socket(where["port"])
        self._symbol = where["symbol"]
        self._key, secret = where["keys"][number]
        self._signing = hmac.new(secret.encode(), digestmod=hashlib.sha256)
        self._name = f"c{number}n"
        self._price = price
        self._rest = b""
        self._unsent = bytearray()
        self.sent = 0
        self.due: dict[bytes, int] = {}
        self.refused: dict[str, int] = {}

    def frame(self, due_ns: int) -> bytes:
        """The next request."""
        self.sent += 1
        pair, is_cancel = divmod(self.sent - 1, 2)
        params = {"apiKey": self._key, "symbol": self._symbol, "timestamp": time.time_ns() // 1_000_000}
        if is_cancel:
            method = "order.cancel"
            params["origClientOrderId"] = f"{self._name}{pair}"
        else:
            method = "order.place"
            params |= {"newClientOrderId": f"{self._name}{pair}", "newOrderRespType": "ACK"}
            params |= {"price": self._price, "quantity": "10", "side": "BUY", "timeInForce": "GTC"}
            params["type"] = "LIMIT"
        text = "&".join(f"{name}={params[name]}" for name in sorted(params))
        signing = self._signing.copy()
        signing.update(text.encode())
        params["signature"] = signing.hexdigest()
        request = {"id": self.sent, "method": method, "params": params}
        self.due[b"%d" % self.sent] = due_ns
        return text_frame(json.dumps(request).encode())

    def send(self, data: bytes) -> None:
        """Sends what the server takes now, the rest with the next call."""
        self._unsent += data
        if not self._unsent:
            return
        with contextlib.suppress(BlockingIOError):
            del self._unsent[: self.socket.send(self._unsent)]

    def read(self) -> list[int]:
        """Takes what has come; ns from due to now of each answer."""
        data = self._rest + self.socket.recv(1 << 18)
        now_ns, times, at = time.monotonic_ns(), [], 0
        while len(data) - at >= 2:
            length, body = data[at + 1], at + 2
            if length == 126:
                length, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            if len(data) - body < length:
                break
            if data[at] & 0x0F == 1:
                payload = data[body : body + length]
                times.append(now_ns - self.due.pop(payload[6 : payload.index(b",")]))
                if b'"status":200' not in payload[:40]:
                    why = payload[:120].decode()
                    why = why[why.find('"status"') :]
                    self.refused[why] = self.refused.get(why, 0) + 1
            at = body + length
        self._rest = data[at:]
        return times


def main() -> None:
    """Runs the schedule and prints."""
    where = json.loads(Path(sys.argv[1]).read_text())
    rate, seconds, count = float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    price = bid_below(where)
    connections = [Connection(where, number, price) for number in range(count)]
    print(json.dumps(run(connections, rate, seconds)))


def run(connections: list[Connection], rate: float, seconds: float) -> dict[str, Any]:
    """Sends on schedule, reads all the time."""
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.socket.setblocking(False)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    total, step_ns = int(rate * seconds), int(NS / rate)
    began_ns, done = time.monotonic_ns(), 0
    times: list[int] = []
    end_ns = began_ns + int((seconds + DRAIN_S) * NS)
    while len(times) < total and time.monotonic_ns() < end_ns:
        now_ns = time.monotonic_ns()
        batches: dict[Connection, bytes] = {}
        while done < total and began_ns + done * step_ns <= now_ns:
            connection = connections[done % len(connections)]
            batches[connection] = batches.get(connection, b"") + connection.frame(began_ns + done * step_ns)
            done += 1
        for connection in connections:
            connection.send(batches.get(connection, b""))
        next_ns = began_ns + done * step_ns if done < total else now_ns + NS // 20
        for key, _ in selector.select(max(0.0, (next_ns - time.monotonic_ns()) / NS)):
            times += key.data.read()
    spent_s = (time.monotonic_ns() - began_ns) / NS
    times.sort()
    refused: dict[str, int] = {}
    for connection in connections:
        for why, number in connection.refused.items():
            refused[why] = refused.get(why, 0) + number
    return {
        "sent": done,
        "answered": len(times),
        "per_s": len(times) / spent_s,
        "refused": sum(refused.values()),
        "why": next(iter(refused), ""),
        **{f"p{name}_ms": percentile_ms(times, share) for name, share in (("50", 0.5), ("99", 0.99))},
        "max_ms": percentile_ms(times, 1.0),
    }


def percentile_ms(times: list[int], share: float) -> float:
    """Of sorted ns."""
    return times[min(len(times) - 1, int(len(times) * share))] / 1e6 if times else float("nan")


def text_frame(payload: bytes) -> bytes:
    """A client's frame; its mask is zero, which costs nobody anything."""
    return b"\x81" + bytes((0x80 | 126,)) + struct.pack(">H", len(payload)) + ZERO_MASK + payload


def open_socket(port: int) -> socket.socket:
    """A WS-API connection after its handshake."""
    found = socket.create_connection(("127.0.0.1", port))
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.sendall(UPGRADE.format(port=port).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += found.recv(4_096)
    assert b" 101 " in answer, answer
    return found


def bid_below(where: dict[str, Any]) -> str:
    """A price that rests: some levels under the best bid."""
    with socket.create_connection(("127.0.0.1", where["port"])) as http:
        path = f"/api/v3/depth?symbol={where['symbol']}&limit=20"
        http.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while part := http.recv(65_536):
            data += part
    book = json.loads(data.partition(b"\r\n\r\n")[2])
    price: str = book["bids"][-1][0]
    return price


if __name__ == "__main__":
    main()
