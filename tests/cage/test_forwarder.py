"""Bytes from a listener to the gateway and back, over loopback, without namespaces."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from engine.cage import forwarder as room
from engine.cage.certificates import Certificates, server_context
from engine.cage.forwarder import Forwarder

NAME = "api.binance.com"


class Entrance:
    """A forwarder with one TLS and one plain listener."""

    def __init__(self, gateway_port: int, certificates: Certificates, folder: Path) -> None:
        self.forwarder = Forwarder(
            ("127.0.0.1", gateway_port), server_context(certificates.chain_pem, folder)
        )
        tls, plain = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        self.tls_address, self.plain_address = tls.getsockname(), plain.getsockname()
        self.client = ssl.create_default_context(cadata=certificates.authority_pem.decode())
        self.forwarder.start([tls], [plain])

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(self.tls_address, 5)
        try:
            return self.client.wrap_socket(plain, server_hostname=NAME)
        except OSError:
            plain.close()
            raise


@pytest.fixture
def entrance(exchange_port, certificates, tmp_path) -> Iterator[Entrance]:
    made = Entrance(exchange_port, certificates, tmp_path)
    yield made
    made.forwarder.stop()
    assert made.forwarder.statistics()["connections"] == 0


@pytest.fixture
def gateway() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        yield listener


@pytest.fixture
def bare_entrance(gateway, certificates, tmp_path) -> Iterator[Entrance]:
    """Before a gateway whose every byte the test plays."""
    made = Entrance(gateway.getsockname()[1], certificates, tmp_path)
    yield made
    made.forwarder.stop()
    assert made.forwarder.statistics()["connections"] == 0


def wait_until_idle(forwarder: Forwarder) -> None:
    """Until no connection is left and one was there."""
    pause = threading.Event()
    for _ in range(1000):
        now = forwarder.statistics()
        if now["connections_total"] and not now["connections"]:
            return
        pause.wait(0.005)
    raise AssertionError("a connection stays open")


def read_exactly(stream: socket.socket, size: int) -> bytes:
    parts = []
    while size and (part := stream.recv(min(size, 1 << 16))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def test_a_request_over_tls_arrives_with_the_host_that_the_bot_named(entrance):
    with entrance.connect() as stream:
        request = f"GET /api/v3/ping HTTP/1.1\r\nHost: {NAME}\r\n\r\n"
        stream.sendall(request.encode())
        response = http.client.HTTPResponse(stream)
        response.begin()
        assert (response.status, response.read()) == (200, b"{}")
        assert response.headers["X-Host"] == NAME


def test_a_plain_request_arrives_too(entrance):
    connection = http.client.HTTPConnection(*entrance.plain_address, timeout=5)
    connection.request("GET", "/api/v3/time")
    assert connection.getresponse().read() == b'{"serverTime":1700000000000}'
    connection.close()


async def test_a_websocket_passes_untouched(entrance):
    host, port = entrance.tls_address
    name = "stream.binance.com"
    stream = connect(f"wss://{name}:9443/ws", host=host, port=port, ssl=entrance.client, server_hostname=name)
    async with stream as connection:
        for message in ("a", b"\0" * 100_000, "last"):
            await connection.send(message)
            assert await connection.recv() == message


def test_large_bodies_pass_in_both_directions_while_nobody_reads(bare_entrance, gateway):
    """More than all buffers together: the sender waits, nothing is lost, memory does not grow."""
    body = bytes(range(256)) * (16 << 10)
    with bare_entrance.connect() as bot:
        bot.settimeout(10)
        theirs, _ = gateway.accept()
        with theirs:
            theirs.settimeout(10)
            for sender, receiver in ((bot, theirs), (theirs, bot)):
                sending = threading.Thread(target=sender.sendall, args=(body,))
                sending.start()
                assert read_exactly(receiver, len(body)) == body
                sending.join(10)


def test_what_the_gateway_said_last_arrives_before_the_end(bare_entrance, gateway):
    with bare_entrance.connect() as bot:
        theirs, _ = gateway.accept()
        theirs.sendall(b"x" * 300_000)
        theirs.close()
        assert read_exactly(bot, 300_001) == b"x" * 300_000


def test_a_bot_that_leaves_leaves_the_gateway(bare_entrance, gateway):
    bot = bare_entrance.connect()
    theirs, _ = gateway.accept()
    with theirs:
        bot.close()
        theirs.settimeout(5)
        assert theirs.recv(1) == b""


def test_a_client_that_distrusts_the_authority_is_counted(entrance):
    entrance.client = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        entrance.connect()
    wait_until_idle(entrance.forwarder)
    assert entrance.forwarder.statistics()["distrusted"] == 1


def test_a_gateway_that_is_gone_ends_the_connection_at_once_and_is_counted(certificates, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    entrance = Entrance(port, certificates, tmp_path)
    with entrance.connect() as bot:
        assert bot.recv(1) == b""
    entrance.forwarder.stop()
    assert entrance.forwarder.statistics()["unreachable"] == 1


def test_connections_over_the_limit_are_closed_and_counted(bare_entrance, gateway, monkeypatch):
    monkeypatch.setattr(room, "CONNECTION_LIMIT", 1)
    with bare_entrance.connect(), gateway.accept()[0], pytest.raises(OSError, match=r"."):
        bare_entrance.connect()
    bare_entrance.forwarder.stop()
    assert bare_entrance.forwarder.statistics()["refused"] == 1


def test_stopping_ends_open_connections(bare_entrance, gateway):
    with bare_entrance.connect() as bot, gateway.accept()[0] as theirs:
        bare_entrance.forwarder.stop()
        theirs.settimeout(5)
        for end in (theirs, bot):
            with suppress(ConnectionError):
                assert end.recv(1) == b""
