"""The port: real sockets on loopback, a market that moves, clients that behave and clients that do not."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import simplefix

from engine.core.clock import wall_ns
from engine.core.errors import UsageError
from engine.core.types import Side, TimeInForce
from engine.venue.fix import FixServer
from engine.venue.fix.wire import timestamp
from engine.venue.keys import KeyStore
from tests.venue.fix.bench import Answer, Market

PATIENCE_S = 10


class Venue:
    """A server over a market."""

    def __init__(self) -> None:
        self.market = Market()
        self.peers: list[Peer] = []
        self.keys = KeyStore()
        self.key = self.keys.create("bot")
        self.server = FixServer(lambda: self.market, self.keys)  # type: ignore[arg-type,return-value]

    async def connect(self, comp_id: str = "CLIENT") -> Peer:
        assert self.server.address is not None
        reader, writer = await asyncio.open_connection(*self.server.address)
        self.peers.append(Peer(self, comp_id, reader, writer))
        return self.peers[-1]

    async def stop(self) -> None:
        for peer in self.peers:
            peer.writer.close()
            with contextlib.suppress(OSError):
                await peer.writer.wait_closed()
        await self.server.stop()


class Peer:
    """A simplefix client on a socket."""

    def __init__(
        self, venue: Venue, comp_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.venue, self.comp_id, self.reader, self.writer = venue, comp_id, reader, writer
        self.sequence = 1
        self.parser = simplefix.FixParser()

    def send(self, kind: str, fields: dict[int, Any]) -> None:
        message = simplefix.FixMessage()
        for tag, value in ((8, "FIX.4.4"), (35, kind), (49, self.comp_id), (56, "STORMDESK")):
            message.append_pair(tag, value)
        message.append_pair(34, self.sequence)
        message.append_pair(52, timestamp(wall_ns()))
        for tag, value in fields.items():
            message.append_pair(tag, value)
        self.sequence += 1
        self.writer.write(message.encode())

    async def log_on(self) -> Answer:
        key = self.venue.key
        self.send("A", {98: 0, 108: 30, 553: key.api_key, 554: key.secret, 141: "Y"})
        return await self.next()

    async def next(self) -> Answer:
        while (message := self.parser.get_message()) is None:
            data = await asyncio.wait_for(self.reader.read(65_536), PATIENCE_S)
            assert data, "the server closed"
            self.parser.append_buffer(data)
        return Answer(message)

    async def end(self) -> bytes:
        """What comes until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            return await asyncio.wait_for(self.reader.read(), PATIENCE_S)
        return b""


@pytest.fixture
async def venue() -> AsyncIterator[Venue]:
    venue = Venue()
    await venue.server.start()
    yield venue
    await venue.stop()


def order(name: str) -> dict[int, Any]:
    return {11: name, 55: "ACMEUSD", 54: 1, 38: 10, 40: 2, 44: "100.00", 59: 1}


async def test_an_order_goes_its_whole_way_over_a_socket(venue: Venue) -> None:
    peer = await venue.connect()
    assert (await peer.log_on()).type == "A"
    peer.send("D", order("a"))
    await asyncio.sleep(0)
    while not venue.market.broker.open_orders(venue.market.open_account("bot")):
        await asyncio.sleep(0.001)
        venue.market.run()
    assert (await peer.next())[150] == "0"
    venue.market.quote(Side.ASK, 10_000, 10, TimeInForce.IOC)
    assert (await peer.next())[39] == "2"


async def test_a_report_from_another_thread_wakes_the_loop(venue: Venue) -> None:
    peer = await venue.connect()
    await peer.log_on()
    peer.send("D", order("a"))
    account = venue.market.open_account("bot")

    def move() -> None:
        for _ in range(2_000):
            venue.market.run()
            if venue.market.broker.open_orders(account):
                return

    await asyncio.to_thread(move)
    assert (await peer.next())[150] == "0"


async def test_garbage_and_silence_take_no_memory_and_no_session(venue: Venue) -> None:
    peers = [await venue.connect() for _ in range(3)]
    for peer, data in zip(
        peers, (b"\x00" * 300_000, b"8=FIX.4.4\x019=65536\x01" + b"x" * 60_000, b"8=FIX" * 9_999), strict=True
    ):
        peer.writer.write(data)
        await peer.writer.drain()
    good = await venue.connect()
    assert (await good.log_on()).type == "A"
    statistics = venue.server.statistics()
    assert statistics["sessions"] == 1
    assert statistics["connections"] == 4


async def test_connections_beyond_the_limit_are_closed(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.venue.fix.server.CONNECTION_LIMIT", 1)
    first = await venue.connect()
    assert (await first.log_on()).type == "A"
    second = await venue.connect("OTHER")
    assert await second.end() == b""
    assert venue.server.statistics()["refused"] == 1


async def test_a_client_that_does_not_read_is_dropped_and_its_reports_wait(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.venue.fix.server.OUT_BYTES", 50_000)
    peer = await venue.connect()
    await peer.log_on()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    session = next(iter(venue.server._gateway._members.values())).session  # type: ignore[union-attr]
    for number in range(100_000):
        session.send("8", [(58, f"report {number} " + "x" * 500)], wall_ns())
        if venue.server.dropped:
            break
    assert venue.server.dropped == 1
    await asyncio.sleep(0)
    session.send("8", [(58, "one more")], wall_ns())
    newest = session.store.get(session.store.next_out - 1)
    assert newest is not None
    assert b"one more" in newest.body


async def test_stopping_says_goodbye_and_waits_for_nobody() -> None:
    venue = Venue()
    await venue.server.start()
    peer = await venue.connect()
    await peer.log_on()
    await asyncio.wait_for(venue.server.stop(), PATIENCE_S)
    assert b"35=5" in await peer.end()
    assert venue.server.address is None
    await venue.stop()


async def test_a_taken_port_is_a_clear_error(venue: Venue) -> None:
    assert venue.server.address is not None
    second = FixServer(lambda: None, KeyStore(), venue.server.address[1])
    with pytest.raises(UsageError, match="choose another port"):
        await second.start()


def test_importing_the_server_imports_nothing_of_the_rest() -> None:
    code = (
        "import sys, engine.venue.fix; "
        "rest = [m for m in sys.modules if m.startswith('engine.venue.fix.')]; "
        "assert rest == ['engine.venue.fix.server'], rest; "
        "assert 'engine.broker.terms' not in sys.modules and 'numpy' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
