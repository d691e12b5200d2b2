"""What may wait for a client over the WS-API, and when a silent one is given up; no time passes here."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from engine.venue.binance import socket as wire
from engine.venue.binance.socket import OUT_LIMIT_BYTES, SILENCE_S, SocketProtocol
from tests.bench.venue_load_clients import UPGRADE, text_frame


class Transport(asyncio.Transport):
    """A connection whose other end reads only when told."""

    def __init__(self) -> None:
        super().__init__()
        self.unread = 0
        self.is_aborted = False

    def write(self, data: Any) -> None:
        self.unread += len(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1)

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_aborted = True


class Sessions:
    """Answers each message with `answer`, `times` times."""

    def __init__(self) -> None:
        self.answer, self.times, self.slow = b"x" * 1_000, 1, 0
        self.queued = lambda: 0

    def refuse(self, address: str, headers: dict[str, str]) -> None:
        return None

    def open(self, *, address: str, query: str, send: Any, close: Any, queued: Any) -> Any:
        self.queued = queued

        def receive(message: bytes) -> None:
            for _ in range(self.times):
                send(self.answer)

        return SimpleNamespace(receive=receive, closed=lambda: None)

    def dropped_slow(self) -> None:
        self.slow += 1


@pytest.fixture
async def line() -> tuple[SocketProtocol, Transport, Sessions]:
    protocol = SocketProtocol(None, SimpleNamespace(connections=set()), {})
    protocol.sessions = sessions = Sessions()
    transport = Transport()
    protocol.connection_made(transport)
    protocol.data_received(UPGRADE.format(port=1).encode())
    transport.unread = 0
    return protocol, transport, sessions


async def test_a_client_that_does_not_read_is_dropped_at_the_limit(line: Any) -> None:
    protocol, transport, sessions = line
    count = 0
    while not transport.is_aborted:
        assert sessions.queued() <= OUT_LIMIT_BYTES
        protocol.data_received(text_frame(b"{}".ljust(130)))
        count += 1
    assert count == OUT_LIMIT_BYTES // 1_004 + 1
    assert sessions.slow == 1
    protocol.data_received(text_frame(b"{}".ljust(130)))
    assert sessions.slow == 1
    protocol.connection_lost(None)


async def test_the_limit_holds_within_one_turn_of_the_loop_too(line: Any) -> None:
    protocol, transport, sessions = line
    sessions.times = 5_000
    protocol.data_received(text_frame(b"{}".ljust(130)))
    assert transport.is_aborted
    assert transport.unread == 0
    assert sessions.slow == 1
    protocol.connection_lost(None)


async def test_a_client_that_says_nothing_is_pinged_and_then_given_up(line: Any) -> None:
    protocol, transport, sessions = line
    protocol._tick()
    await asyncio.sleep(0)
    assert 2 <= transport.unread < 40
    assert not transport.is_aborted
    protocol._heard_s -= SILENCE_S + 1
    protocol._tick()
    assert transport.is_aborted
    assert sessions.slow == 0
    protocol.connection_lost(None)


async def test_a_pong_keeps_a_connection(line: Any) -> None:
    protocol, transport, _ = line
    protocol._heard_s -= SILENCE_S + 1
    protocol.data_received(bytes((0x80 | wire._PONG, 0x80)) + bytes(4))
    protocol._tick()
    assert not transport.is_aborted
    protocol.connection_lost(None)


async def test_who_sends_too_much_at_once_waits_for_its_turn(line: Any) -> None:
    protocol, transport, _ = line
    turns: list[str] = []
    transport.pause_reading = lambda: turns.append("pause")
    transport.resume_reading = lambda: turns.append("resume")
    protocol.data_received(text_frame(b"{}".ljust(130)))
    assert turns == []
    protocol.data_received(text_frame(b"{}".ljust(130)) * 200)
    assert turns == ["pause"]
    asyncio.get_running_loop().call_soon(turns.append, "other")
    await asyncio.sleep(0)
    assert turns == ["pause", "resume", "other"]
    protocol.connection_lost(None)
