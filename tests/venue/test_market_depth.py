"""Depth: an independent client rebuilds the book from stream and snapshot, whatever storm is on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import StormKind
from engine.venue.book_images import BookImage, SideLevels, changed_levels, diff_images
from engine.venue.market_data import BoundaryUpdate
from tests.venue.market import DepthClient, Socket, Venue, recorded, settle, simulated

pytestmark = pytest.mark.usefixtures("machine_code")


async def rebuild(venue: Venue, until_ns: int, stream: str, snapshot_after: int) -> tuple[int, int]:
    """Follows a depth stream and compares with REST whenever the client stands where the snapshot stands;
    (comparisons, events applied)."""
    socket = Socket(venue, f"/ws/{venue.symbol.lower()}@{stream}")
    await settle()
    client, boundaries, compared = DepthClient(is_strict=stream != "depth"), 0, 0
    period_ns = NS_PER_S if stream == "depth" else 100 * NS_PER_MS
    for now_ns in venue.steps(until_ns, 37 * NS_PER_MS):
        venue.streams.pump()
        if now_ns % period_ns:
            continue
        await settle()
        for event in socket.take():
            client.hear(event)
        boundaries += 1
        snapshot = venue.public("depth", limit=5000)
        if boundaries < snapshot_after:
            continue
        if client.update_id is None:
            assert client.start(snapshot)
        assert client.update_id is not None
        assert client.update_id <= snapshot["lastUpdateId"]
        assert client.equals(snapshot)
        compared += 1
    await socket.leave()
    return compared, client.applied


@pytest.mark.parametrize("kind", list(StormKind))
def test_a_client_rebuilds_the_book_during_every_storm(kind: StormKind) -> None:
    venue = simulated(seed=int(kind))
    venue.advance(2 * NS_PER_S)
    venue.storm(kind)
    compared, applied = asyncio.run(rebuild(venue, 12 * NS_PER_S, "depth@100ms", 7))
    assert compared >= 90
    assert applied > 60


@pytest.mark.parametrize("stream", ["depth@100ms", "depth"])
def test_a_client_rebuilds_the_book_of_the_recorded_sample(stream: str) -> None:
    compared, applied = asyncio.run(rebuild(recorded(), 15 * NS_PER_S, stream, 3))
    assert compared >= 13
    assert applied > 0.8 * compared


def test_the_stream_of_seconds_has_ids_of_its_own_without_gaps() -> None:
    compared, applied = asyncio.run(rebuild(simulated(), 12 * NS_PER_S, "depth", 2))
    assert compared == 11
    assert applied == 10


def test_the_stream_of_seconds_continues_a_snapshot_from_within_a_second() -> None:
    venue = simulated("stress_test")

    async def run() -> int:
        socket, compared = Socket(venue, f"/ws/{venue.symbol.lower()}@depth"), 0
        await settle()
        clients: list[DepthClient] = []
        for now_ns in venue.steps(4 * NS_PER_S):
            venue.streams.pump()
            await settle()
            for event in socket.take():
                for client in clients:
                    client.hear(event)
            clients.append(DepthClient(is_strict=False))
            clients[-1].start(venue.public("depth", limit=5000))
            if now_ns % NS_PER_S == 0:
                snapshot = venue.public("depth", limit=5000)
                assert all(client.equals(snapshot) for client in clients)
                compared += len(clients)
        await socket.leave()
        return compared

    assert asyncio.run(run()) > 60


def test_a_snapshot_older_than_the_stream_is_refused_by_the_rules() -> None:
    venue = simulated()
    venue.advance(NS_PER_S)
    old = venue.public("depth")
    venue.advance(2 * NS_PER_S)

    async def run() -> None:
        socket = Socket(venue, f"/ws/{venue.symbol.lower()}@depth@100ms")
        await settle()
        client = DepthClient()
        for _ in venue.steps(3 * NS_PER_S):
            venue.streams.pump()
        await settle()
        for event in socket.take():
            client.hear(event)
        assert not client.start(old)
        assert client.start(venue.public("depth", limit=5000))
        await socket.leave()

    asyncio.run(run())


def test_depth_is_the_same_whatever_the_slices_of_time() -> None:
    told = []
    for slice_ns in (NS_PER_S, 13 * NS_PER_MS):
        venue = simulated(seed=3)
        venue.advance(3 * NS_PER_S, slice_ns)
        updates = venue.market_data.updates_since(0)
        told.append(
            [
                (u.time_ns, u.is_second, u.diff and [part.tolist() for part in (*u.diff.bids, *u.diff.asks)])
                for u in updates
                if type(u) is BoundaryUpdate
            ]
        )
    assert told[0] == told[1]
    assert len(told[0]) == 30


# -- diffs -------------------------------------------------------------------------------------------------

SIDES = st.dictionaries(st.integers(1, 40), st.integers(1, 5), max_size=25)


def side_levels(levels: dict[int, int], is_bid: bool) -> SideLevels:
    prices = sorted(levels, reverse=is_bid)
    return SideLevels(np.array(prices, np.int64), np.array([levels[p] for p in prices], np.int64))


@given(SIDES, SIDES, st.booleans())
def test_a_diff_holds_exactly_what_changed(
    before: dict[int, int], after: dict[int, int], is_bid: bool
) -> None:
    found = changed_levels(side_levels(before, is_bid), side_levels(after, is_bid), is_bid=is_bid)
    prices, lots = found.prices.tolist(), found.lots.tolist()
    assert len(set(prices)) == len(prices)
    assert dict(zip(prices, lots, strict=True)) == {
        price: after.get(price, 0)
        for price in before.keys() | after.keys()
        if before.get(price) != after.get(price)
    }


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=8))
def test_ids_of_diffs_are_gap_free_and_lead_from_image_to_image(
    books: list[tuple[dict[int, int], dict[int, int]]],
) -> None:
    image: Callable[[int], BookImage] = lambda n: BookImage(  # noqa: E731
        3 * n, n, side_levels(books[n][0], True), side_levels(books[n][1], False)
    )
    said, last = image(0), 0
    book = (dict(books[0][0]), dict(books[0][1]))
    for number in range(1, len(books)):
        diff = diff_images(said, image(number), first_id=last + 1)
        said = image(number)
        if diff is None:
            assert books[number] == books[number - 1]
            continue
        assert diff.first_id == last + 1
        assert diff.last_id == 3 * number
        last = diff.last_id
        for levels, changed in zip(book, (diff.bids, diff.asks), strict=True):
            for price, lots in zip(*(column.tolist() for column in changed), strict=True):
                levels[price] = lots
                if not lots:
                    del levels[price]
        assert book == books[number]
