"""Input that no client should send, over real sockets: the right refusal, no defect, bounded memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

import engine.api.http
from engine.api.http import HEADER_LIMIT_BYTES, OVERFLOW
from engine.venue.binance import app as venue_app
from engine.venue.binance import socket as wire
from engine.venue.binance import ws_api
from engine.venue.binance.endpoints import ENDPOINTS
from tests.venue.rig import Rig, sign, sign_params

FEW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PING = b"GET /api/v3/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
HANDSHAKE = (
    b"GET /ws-api/v3 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def raw(
    rig: Rig, data: bytes = b""
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which these bytes were sent."""
    host, port = rig.url.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""


async def exchange(rig: Rig, data: bytes) -> bytes:
    """All that comes back for these bytes, after which the client says no more."""
    async with raw(rig, data) as (reader, writer):
        writer.write_eof()
        return await read_to_end(reader)


@contextlib.asynccontextmanager
async def watched(rig: Rig) -> AsyncIterator[None]:
    """Serve; afterwards nothing has gone wrong that nobody was told of."""
    problems: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: problems.append(context))
    async with rig.serve():
        yield
        assert rig.gateway.internal_errors == 0
        async with raw(rig, PING) as (reader, _):
            assert (await read_to_end(reader)).startswith(b"HTTP/1.1 200"), "it still serves"
    loop.set_exception_handler(None)
    assert problems == []


# -- bytes ---------------------------------------------------------------------------------------------------

GARBAGE = [
    b"\x00" * 100,
    b"\xff\xfe\xfd\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET ?x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /api/v3/ping\xc3\xa9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    b"GET /api/v3/%ff%00 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET http://evil.example/api/v3/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET //evil.example/api/v3/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET /api/v3/ping HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    b"GET /api/v3/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\x00b\r\nConnection: close\r\n\r\n",
    b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"%%%"),
    HANDSHAKE.replace(b"Version: 13", b"Version: 12"),
    HANDSHAKE.replace(b"/ws-api/v3", b"/ws-api/v3?\xff"),
    HANDSHAKE.replace(b"/ws-api/v3", b"/ws-api/v9"),
    HANDSHAKE.replace(b"/ws-api/v3", b"/api/v3/ping"),
    HANDSHAKE.replace(b"127.0.0.1", b"evil.example"),
]


async def test_bytes_that_are_no_request_are_refused_and_forgotten() -> None:
    rig = Rig()
    async with watched(rig):
        for data in GARBAGE:
            answer = await exchange(rig, data)
            status = answer[9:12]
            assert not answer or status in (b"400", b"403", b"404", b"405", b"413", b"200", b"503"), (
                data,
                answer,
            )
            assert not answer.startswith(b"HTTP/1.1 101"), data
            if data.count(b"Host: evil"):
                assert status == (b"403" if data.count(b"Host:") == 1 else b"400"), (data, answer)


@FEW
@given(data=st.binary(max_size=400), at=st.integers(0, len(HANDSHAKE)), cut=st.integers(0, 60))
def test_broken_requests_break_nothing(data: bytes, at: int, cut: int) -> None:
    async def send() -> None:
        rig = _rig()
        async with watched(rig):
            request = b"GET /api/v3/ping?a=b HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
            for base in (request, HANDSHAKE):
                where = min(at, len(base))
                await exchange(rig, base[:where] + data + base[where + cut :])

    asyncio.run(send())


@FEW
@given(
    frames=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=200)), max_size=6),
    tail=st.binary(max_size=40),
)
def test_broken_frames_break_nothing(frames: list[tuple[int, bytes]], tail: bytes) -> None:
    async def send() -> None:
        rig = _rig()
        async with watched(rig):
            data = b"".join(frame(first, payload) for first, payload in frames)
            for path in (b"/ws-api/v3", b"/ws", b"/stream?streams=acmeusd@trade"):
                async with raw(rig, HANDSHAKE.replace(b"/ws-api/v3", path)) as (reader, writer):
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(data + tail)
                    writer.write_eof()
                    await read_to_end(reader)

    asyncio.run(send())


def frame(first: int, payload: bytes) -> bytes:
    """A masked frame with this first byte; the mask is zero."""
    size = len(payload)
    head = bytes([first, 0x80 | size]) if size < 126 else bytes([first, 0x80 | 126]) + struct.pack(">H", size)
    return head + b"\x00\x00\x00\x00" + payload


# -- JSON and parameters -------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40),
        st.sampled_from(["ACMEUSD", "BUY", "LIMIT", "GTC", "-1", "1e9", "9" * 30, "1.123456789", "\x00"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
METHODS = sorted({one.socket for one in ENDPOINTS if one.socket} | {
    "session.logon", "session.status", "session.logout", "session.subscriptions", "userDataStream.subscribe",
    "userDataStream.subscribe.signature", "userDataStream.unsubscribe", "nope",
})  # fmt: skip
NAMES = sorted(
    {name.name for one in ENDPOINTS for name in one.parameters} | {"apiKey", "signature", "timestamp"}
)
PARAMETERS = st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=12)), VALUES, max_size=8)


@settings(FEW, max_examples=150)
@given(method=st.sampled_from(METHODS), params=PARAMETERS, signed=st.booleans(), number=VALUES)
def test_every_message_gets_one_answer(
    method: str, params: dict[str, Any], signed: bool, number: Any
) -> None:
    rig = _rig()
    sent: list[bytes] = []
    session = rig.app._api.open(address="", query="", send=sent.append, close=lambda code, reason: None)
    if signed:
        params = sign_params(rig, {name: value for name, value in params.items() if name != "signature"})
    session.receive(json.dumps({"id": number, "method": method, "params": params}).encode())
    rig.gateway._drain()
    session.closed()
    answers = [json.loads(text) for text in sent if b'"event"' not in text[:40]]
    assert len(answers) == 1 or rig.gateway._waiters, (method, params)
    for answer in answers:
        assert answer["status"] in (200, 400, 401, 409, 429), answer
        if isinstance(number, str | int) and not isinstance(number, bool) and len(str(number)) < 40:
            assert answer["id"] in (number, None)
    assert rig.gateway.internal_errors == 0


_RIGS: list[Rig] = []


def _rig() -> Rig:
    """One for all examples: a market takes longer to make than an example."""
    if not _RIGS:
        _RIGS.append(Rig())
    return _RIGS[0]


QUERIES = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(NAMES).map(str.encode), st.binary(max_size=8)), st.binary(max_size=30)
    ),
    max_size=8,
)


async def test_mutated_parameters_over_rest_are_refused_in_the_exchange_s_words() -> None:
    rig = Rig()

    async with rig.client() as rest:

        @FEW
        @given(pairs=QUERIES, in_body=st.booleans(), which=st.integers(0, len(ENDPOINTS) - 1))
        def build(pairs: list[tuple[bytes, bytes]], in_body: bool, which: int) -> None:
            cases.append((pairs, in_body, which))

        cases: list[tuple[list[tuple[bytes, bytes]], bool, int]] = []
        build()
        for pairs, in_body, which in cases:
            endpoint = ENDPOINTS[which]
            text = "&".join(f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in pairs)
            text = sign(
                rig.key.secret, f"{text}&timestamp={rig.now_ms}" if text else f"timestamp={rig.now_ms}"
            )
            headers = {"X-MBX-APIKEY": rig.key.api_key}
            is_body = in_body and endpoint.method != "GET"
            answer = await rest.http.request(
                endpoint.method,
                endpoint.path if is_body else f"{endpoint.path}?{text}",
                content=text.encode() if is_body else None,
                headers=headers,
            )
            assert answer.status_code < 500, (endpoint.path, text)
            body = answer.json()
            if answer.status_code != 200:
                assert set(body) <= {"code", "msg", "data"}, body
                assert body["code"] < 0
        assert rig.gateway.internal_errors == 0


# -- size ----------------------------------------------------------------------------------------------------


async def test_bodies_queries_headers_and_frames_have_their_limits() -> None:
    rig = Rig()
    async with watched(rig):
        host = b"Host: 127.0.0.1\r\nConnection: close\r\n"
        body = b"a=" + b"x" * venue_app.BODY_LIMIT_BYTES
        head = b"POST /api/v3/order HTTP/1.1\r\n" + host
        declared = await exchange(rig, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert declared.startswith(b"HTTP/1.1 413")
        chunk = b"%x\r\n%b\r\n" % (len(body), body)
        chunked = await exchange(rig, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n")
        assert chunked.startswith(b"HTTP/1.1 413")
        assert b'"code":-1000' in chunked
        long = b"GET /api/v3/ping?" + b"x" * (HEADER_LIMIT_BYTES + 1) + b" HTTP/1.1\r\n" + host + b"\r\n"
        assert await exchange(rig, long) == b""
        many = b"GET /api/v3/ping HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(4_000)) + b"\r\n"
        assert await exchange(rig, many) == b""
        names = b"&".join(b"a%d=1" % number for number in range(129))
        parameters = await exchange(rig, b"GET /api/v3/ping?" + names + b" HTTP/1.1\r\n" + host + b"\r\n")
        assert b"Too many parameters; expected '128' and received '129'." in parameters
        for size in (b"\x7f" + (1 << 40).to_bytes(8, "big"), b"\x7e\xff\xff"):
            async with raw(rig, HANDSHAKE) as (reader, writer):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"\x81" + bytes([size[0] | 0x80]) + size[1:] + b"mask")
                assert (await read_to_end(reader))[2:4] == (1009).to_bytes(2, "big")


async def _pieces() -> AsyncIterator[str]:
    while True:
        yield "x" * 1_000


async def test_fragments_without_end_are_cut_off() -> None:
    rig = Rig()
    async with watched(rig), connect(f"ws://{rig.url}/ws-api/v3") as connection:
        with pytest.raises(ConnectionClosed):
            await connection.send(_pieces())
        await connection.wait_closed()
        assert connection.close_code == 1009


# -- time ----------------------------------------------------------------------------------------------------


async def test_whoever_drips_a_request_or_never_begins_one_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine.api.http, "REQUEST_PATIENCE_S", 0.05)
    rig = Rig()
    async with watched(rig):
        drops = (
            b"",
            b"GET /api/v3/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
            b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n",
            b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n",
        )
        for start in drops:
            async with raw(rig, start) as (reader, writer):
                dripping = asyncio.create_task(_drip(writer)) if start else None
                assert await read_to_end(reader) == b"", start
                if dripping is not None:
                    dripping.cancel()


async def _drip(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"a")
            await writer.drain()
            await asyncio.sleep(0.005)


async def test_whoever_drips_a_frame_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PING_S", 0.02)
    monkeypatch.setattr(wire, "SILENCE_S", 0.05)
    rig = Rig()
    async with watched(rig):
        async with raw(rig, HANDSHAKE) as (reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x81\xfe\x3f\x00\x00\x00\x00\x00")
            dripping = asyncio.create_task(_drip(writer))
            await read_to_end(reader)
            dripping.cancel()
        assert rig.gateway.statistics()["connections"] == 0


async def test_whoever_does_not_read_an_answer_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.api.http, "ANSWER_PATIENCE_S", 0.05)
    rig = Rig()
    async with watched(rig):
        request = b"GET /api/v3/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        async with raw(rig) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            with pytest.raises(ConnectionError):
                await _flood(writer, request)


async def _flood(writer: asyncio.StreamWriter, request: bytes) -> None:
    async with asyncio.timeout(10):
        while True:
            writer.write(request)
            await writer.drain()
            await asyncio.sleep(0)


# -- number --------------------------------------------------------------------------------------------------


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for both ends of a thousand connections in one process."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4_096
    if soft < wanted and (hard != resource.RLIM_INFINITY and hard < wanted):
        pytest.skip(f"this process may open {hard} files, {wanted} are wanted")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_idle_connections_leave_room_for_nobody_and_then_for_all() -> None:
    limit = 100
    rig = Rig(connection_limit=limit)
    async with watched(rig):
        async with contextlib.AsyncExitStack() as stack:
            held = [await stack.enter_async_context(raw(rig)) for _ in range(1_000)]
            overflow = [read_to_end(reader) for reader, _ in held[limit + OVERFLOW :]]
            assert set(await asyncio.gather(*overflow)) == {b""}, "closed at once"
            reader, writer = held[0]
            writer.write(PING)
            assert (await read_to_end(reader)).startswith(b"HTTP/1.1 503")
        await _until_served(rig)


async def _until_served(rig: Rig) -> None:
    """The server has seen that the others are gone."""
    async with asyncio.timeout(10):
        while not (await exchange(rig, PING)).startswith(b"HTTP/1.1 200"):
            pass


async def test_idle_sockets_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws_api, "SOCKET_LIMIT", 20)
    rig = Rig()
    async with watched(rig):
        held = contextlib.AsyncExitStack()
        for _ in range(20):
            reader, _ = await held.enter_async_context(raw(rig, HANDSHAKE))
            assert b"101" in await reader.readuntil(b"\r\n\r\n")
        assert (await exchange(rig, HANDSHAKE)).startswith(b"HTTP/1.1 503")
        await held.aclose()
        while rig.gateway.statistics()["connections"]:
            await asyncio.sleep(0)
        async with raw(rig, HANDSHAKE) as (reader, _):
            assert b"101" in await reader.readuntil(b"\r\n\r\n")
