"""One WebSocket connection of the WS-API: frames in, frames out, nothing between.

Place on the data path: the first and the last thing that touches a WS-API request. A general WebSocket
library under ASGI costs two tasks' switches and a queue per message; here a chunk of bytes becomes messages,
each is handled by a call, and all answers of one turn of the loop leave in one write. Other paths (market
streams) go to uvicorn's own WebSocket implementation. Source: RFC 6455.

Invariant: a connection holds at most one message of MESSAGE_LIMIT_BYTES coming in and OUT_LIMIT_BYTES going
out; a client beyond either is closed or dropped, and counted.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Any, Protocol, cast

import websockets.frames
from websockets.protocol import State

from engine.core.clock import NS_PER_MS, wall_ns

__all__ = ["MESSAGE_LIMIT_BYTES", "OUT_LIMIT_BYTES", "Session", "Sessions", "SocketProtocol"]

MESSAGE_LIMIT_BYTES = 16_384
"""Longest message of a client."""
OUT_LIMIT_BYTES = 1 << 20
"""Bytes that may wait for a client to read them."""
LARGE_READ_BYTES = 16_384
"""A read that brings so much is followed by everybody else's turn."""
PING_S = 20.0
SILENCE_S = 60.0
"""A client that sends no whole frame for so long, not even a pong, is gone."""
HANDSHAKE_LIMIT_BYTES = 32_768
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_apply_mask: Callable[[bytes, bytes], bytes] = websockets.frames.__dict__["apply_mask"]
"""In C where the library was built with it."""
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10


class Session(Protocol):
    """What speaks over a connection."""

    def receive(self, message: bytes) -> None:
        """Handle one message; answers by the `send` it was made with, now or later."""

    def closed(self) -> None:
        """The connection is gone."""


class Sessions(Protocol):
    """What decides over new connections."""

    def refuse(self, address: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """(status, reason) against this handshake from there, or None."""

    def open(
        self,
        *,
        address: str,
        query: str,
        send: Callable[[bytes], None],
        close: Callable[[int, str], None],
        queued: Callable[[], int],
    ) -> Session:
        """A session of a new connection."""

    def dropped_slow(self) -> None:
        """A client that does not read was dropped."""


class SocketProtocol(asyncio.Protocol):
    """An upgraded connection, as uvicorn makes one (config, server_state, app_state).

    Subclasses set `sessions` and `path`.
    """

    sessions: Sessions
    path = "/ws-api/v3"

    def __init__(self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None) -> None:
        self._made_with = (config, server_state, app_state)
        self._connections: set[Any] = server_state.connections
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._other: Any = None
        """uvicorn's protocol, when the path is not ours."""
        self._rest = b""
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._flushing = False
        self._reading = False
        self._closing = False
        self._heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # -- asyncio -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._other is not None:
            self._heard_s = self._loop.time()
            self._other.data_received(data)
        elif self._session is None:
            self._shake_hands(data)
        else:
            self._reading = True
            self._read_frames(self._rest + data if self._rest else data)
            self._reading = False
            self._flush()
            if len(data) >= LARGE_READ_BYTES:
                self._let_others_go_first()

    def eof_received(self) -> None:
        if self._other is not None:
            self._other.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        if self._timer is not None:
            self._timer.cancel()
        if self._other is not None:
            self._other.connection_lost(exc)
            return
        self._connections.discard(self)
        self._out.clear()
        if self._session is not None:
            self._session.closed()

    def pause_writing(self) -> None:
        if self._other is not None:
            self._other.pause_writing()

    def resume_writing(self) -> None:
        if self._other is not None:
            self._other.resume_writing()

    def shutdown(self) -> None:
        """The server stops (called by uvicorn)."""
        self.close(1001, "the desk is closing")

    # -- handshake -----------------------------------------------------------------------------------------

    def _shake_hands(self, data: bytes) -> None:
        """The whole upgrade request, as uvicorn hands it over."""
        transport = self._transport
        assert transport is not None
        head = data.split(b"\r\n\r\n", 1)[0].decode("latin-1")
        lines = head.split("\r\n")
        target = lines[0].split(" ")[1]
        path, _, query = target.partition("?")
        if path.rstrip("/") != self.path:
            self._hand_over(transport, data)
            return
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:])
        }
        self._connections.add(self)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) and peer else ""
        refusal = self.sessions.refuse(address, headers)
        key = headers.get("sec-websocket-key", "")
        if refusal is None and (not _is_key(key) or headers.get("sec-websocket-version") != "13"):
            refusal = (400, "Bad Request")
        if refusal is not None:
            status, reason = refusal
            transport.write(
                f"HTTP/1.1 {status} {reason}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
            transport.close()
            return
        accept = base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()
        transport.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )
        self._session = self.sessions.open(
            address=address, query=query, send=self.send, close=self.close, queued=self.queued_bytes
        )
        self._heard_s = self._loop.time()
        self._timer = self._loop.call_later(PING_S, self._tick)

    def _hand_over(self, transport: asyncio.Transport, data: bytes) -> None:
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        self._other = WebSocketsSansIOProtocol(*self._made_with)
        self._other.connection_made(transport)
        self._other.data_received(data)
        self._heard_s = self._loop.time()
        self._timer = self._loop.call_later(PING_S, self._tick)

    def _let_others_go_first(self) -> None:
        """A client sends faster than it is served. The loop would go on reading from it, a dozen times over,
        before anybody hears an answer: it takes its turn after the others."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # -- in ------------------------------------------------------------------------------------------------

    def _read_frames(self, data: bytes) -> None:
        at, end = 0, len(data)
        while end - at >= 6 and not self._closing:
            first, length, body = data[at], data[at + 1], at + 2
            if not length & 0x80 or first & 0x70:
                self.close(1002, "frames are masked and without extensions")
                break
            length &= 0x7F
            if length == 126:
                if end - body < 2:
                    break
                length = int.from_bytes(data[body : body + 2], "big")
                body += 2
            elif length == 127:
                if end - body < 8:
                    break
                length = int.from_bytes(data[body : body + 8], "big")
                body += 8
            if length > MESSAGE_LIMIT_BYTES:
                self.close(1009, f"messages have at most {MESSAGE_LIMIT_BYTES} bytes")
                break
            if end - body - 4 < length:
                break
            mask, body = data[body : body + 4], body + 4
            at = body + length
            self._take_frame(first, _apply_mask(data[body:at], mask))
        if at:
            self._heard_s = self._loop.time()
        self._rest = b"" if self._closing else data[at:]

    def _take_frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if first == 0x81 and not self._parts:  # a whole text message: nearly all of them
            self._deliver(payload)
        elif opcode in (_TEXT, _BINARY, _CONTINUATION):
            if (opcode == _CONTINUATION) != bool(self._parts):
                self.close(1002, "continuation out of place")
                return
            self._parts.append(payload)
            self._parts_bytes += len(payload)
            if self._parts_bytes > MESSAGE_LIMIT_BYTES or len(self._parts) > MESSAGE_LIMIT_BYTES:
                self.close(1009, f"messages have at most {MESSAGE_LIMIT_BYTES} bytes")
            elif first & 0x80:
                message, self._parts, self._parts_bytes = b"".join(self._parts), [], 0
                self._deliver(message)
        elif not first & 0x80 or len(payload) > 125:
            self.close(1002, "control frames are whole and short")
        elif opcode == _PING:
            self._put(_PONG, payload)
        elif opcode == _CLOSE:
            self.close(int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1000, "")
        elif opcode != _PONG:
            self.close(1002, "unknown opcode")

    def _deliver(self, message: bytes) -> None:
        assert self._session is not None
        self._session.receive(message)

    # -- out -----------------------------------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Queue a text message; all of one turn of the loop leave together."""
        if self._closing:
            return
        self._put(_TEXT, message)

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and close; 1006 closes without a word."""
        if self._closing or self._transport is None:
            return
        if self._other is not None:
            self._other.shutdown()
            return
        if code == 1006:
            self._closing = True
            self._transport.abort()
            return
        if not 1000 <= code < 5000 or code in (1005, 1015):
            code = 1002
        self._put(_CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])
        self._closing = True
        self._flush()
        self._transport.close()

    def _put(self, opcode: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            self._out.append(bytes((0x80 | opcode, length)))
        elif length < 65_536:
            self._out.append(bytes((0x80 | opcode, 126, length >> 8, length & 0xFF)))
        else:
            self._out.append(bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big"))
        self._out.append(payload)
        self._out_bytes += length
        if self._out_bytes > OUT_LIMIT_BYTES:  # within one turn of the loop
            self._drop()
            return
        if not self._reading and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        self._out_bytes = 0
        transport = self._transport
        if not self._out or transport is None or transport.is_closing():
            self._out.clear()
            return
        transport.write(b"".join(self._out))
        self._out.clear()
        if transport.get_write_buffer_size() > OUT_LIMIT_BYTES:
            self._drop()

    def _drop(self) -> None:
        """Too much waits for a client that does not read."""
        assert self._transport is not None
        self._closing = True
        self._out.clear()
        self.sessions.dropped_slow()
        self._transport.abort()

    def queued_bytes(self) -> int:
        """What waits for the client to read it."""
        transport = self._transport
        return self._out_bytes + (0 if transport is None else transport.get_write_buffer_size())

    def _tick(self) -> None:
        if self._closing or self._transport is None:
            return
        if self._loop.time() - self._heard_s > SILENCE_S:
            self._closing = True
            self._transport.abort()
            return
        self._ping(b"%d" % (wall_ns() // NS_PER_MS))
        self._timer = self._loop.call_later(PING_S, self._tick)

    def _ping(self, payload: bytes) -> None:
        """With a text in it, as the exchange does: some clients send it back as one."""
        if self._other is None:
            self._put(_PING, payload)
        elif self._other.conn.state is State.OPEN:
            assert self._transport is not None
            self._other.conn.send_ping(payload)
            self._transport.write(b"".join(self._other.conn.data_to_send()))


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
