"""Faults of the public feed on their way to streams and FIX: every path to clients passes its session's."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import FaultKind
from tests.venue.market import DepthClient, Socket, Venue, settle, simulated

pytestmark = pytest.mark.usefixtures("machine_code")


async def hear(venue: Venue, socket: Socket, until_ns: int) -> list[dict[str, object]]:
    """What a client hears while session time moves on."""
    for _ in venue.steps(until_ns):
        venue.streams.pump()
        await settle()
    return socket.take()


def stream(venue: Venue, name: str = "depth@100ms") -> Socket:
    return Socket(venue, f"/ws/{venue.symbol.lower()}@{name}")


def test_a_stale_feed_says_nothing_and_catches_up_in_order() -> None:
    async def run() -> None:
        venue = simulated()
        venue.advance(NS_PER_S)
        socket, client = stream(venue), DepthClient()
        await settle()
        for event in await hear(venue, socket, 2 * NS_PER_S):
            client.hear(event)
        client.start(venue.public("depth", limit=5000))
        snapshot = venue.public("depth", limit=5000)
        venue.storm(FaultKind.STALE, duration_s=5.0)
        venue.advance(2 * NS_PER_S + 1)
        assert await hear(venue, socket, 6 * NS_PER_S) == []
        assert venue.public("depth", limit=5000) == snapshot
        assert client.equals(snapshot)
        assert venue.streams.statistics()["feed_held"] > 0
        late = await hear(venue, socket, 8 * NS_PER_S)
        for event in late:
            client.hear(event)
        assert len(late) > 30
        assert client.equals(venue.public("depth", limit=5000))
        await socket.leave()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "count"),
    [(FaultKind.GAP, "dropped"), (FaultKind.DUPLICATE, "repeated"), (FaultKind.REORDER, "swapped")],
)
def test_faults_of_public_updates_act_on_streams(kind: FaultKind, count: str) -> None:
    async def run() -> None:
        venue = simulated()
        venue.advance(NS_PER_S)
        socket = stream(venue)
        await settle()
        venue.storm(kind, duration_s=5.0)
        heard = await hear(venue, socket, 6 * NS_PER_S)
        ids = [event["u"] for event in heard]
        chained = [after["U"] == before["u"] + 1 for before, after in pairwise(heard)]
        assert venue.streams.statistics()[f"feed_{count}"] > 10
        assert not all(chained)
        if kind == FaultKind.DUPLICATE:
            assert sorted(set(ids)) == sorted(ids[::2])
        await socket.leave()

    asyncio.run(run())


def test_the_faults_are_those_of_the_session_that_is_served() -> None:
    async def run() -> None:
        venue, other = simulated(), simulated(seed=77)
        socket = stream(venue)
        await settle()
        assert venue.market_data.is_watched
        venue.session.broker.boundary.is_stale = True
        assert await hear(venue, socket, 2 * NS_PER_S) == []
        venue.gateway.host = other.host
        venue.streams.start()
        assert not venue.market_data.is_watched
        assert other.market_data.is_watched
        for _ in other.steps(2 * NS_PER_S):
            venue.streams.pump()
            await settle()
        assert len(socket.take()) > 10
        await socket.leave()
        assert not other.market_data.is_watched

    asyncio.run(run())
