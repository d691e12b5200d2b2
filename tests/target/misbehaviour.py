"""A loopback server whose connections are played by a plain function: the stage for bad targets."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from engine.target.contract import TargetStatus

DEADLINE_S = 20.0
"""No wait in these tests is longer; it is only reached when something is broken."""


@dataclass
class Stage:
    """What a connection's player gets: its number, the socket, and an event that ends all waits."""

    url: str
    closing: threading.Event = field(default_factory=threading.Event)
    connections: int = 0
    bytes_sent: int = 0

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.bytes_sent += len(data)


Player = Callable[[Stage, socket.socket], None]


@contextlib.contextmanager
def bad_target(play: Player) -> Iterator[Stage]:
    """Serve every connection with `play`, after its request header has been read."""
    listener = socket.create_server(("127.0.0.1", 0))
    stage = Stage(f"http://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(DEADLINE_S)
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(65_536)
                if not received:
                    return
                request += received
            play(stage, connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if stage.closing.is_set():
                connection.close()
                return
            stage.connections += 1
            thread = threading.Thread(target=serve, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield stage
    finally:
        stage.closing.set()
        with contextlib.suppress(OSError):  # wakes accept(), which closing the listener would not
            socket.create_connection(listener.getsockname(), timeout=1).close()
        acceptor.join(DEADLINE_S)
        listener.close()
        for thread in threads:
            thread.join(DEADLINE_S)


def answer(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole HTTP response."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


class Heard:
    """Collects statuses; tests wait on it instead of sleeping."""

    def __init__(self) -> None:
        self.all: list[TargetStatus] = []
        self._changed = threading.Condition()

    def __call__(self, status: TargetStatus) -> None:
        with self._changed:
            self.all.append(status)
            self._changed.notify_all()

    def polls(self) -> list[TargetStatus]:
        return [status for status in self.all if status.status != "starting"]

    def wait_for_polls(self, count: int) -> list[TargetStatus]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.polls()) >= count, DEADLINE_S), self.all
            return self.polls()
