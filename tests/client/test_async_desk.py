"""The async client: the same words with await, and many requests at once."""

from __future__ import annotations

import asyncio

import pytest

from engine.api.server import OrderApi
from engine.client import AnswerLost, AsyncDesk, Book, ConnectionLost, QueueFull, Report
from engine.market.orders import ReportKind
from tests.api.fake_host import FakeHost


async def test_it_quotes(api: OrderApi, host: FakeHost):
    async with AsyncDesk(api.url) as desk:
        async for book in desk.books():
            await desk.cancel_all()
            await desk.buy(book.best_bid, 5)
            break
        assert (await desk.account()).position_lots == 0
        assert desk.instrument.symbol == "BTCUSDT"
    assert [call[0] for call in host.calls] == ["cancel_all", "submit"]


async def test_events_are_reports_and_books(api: OrderApi, host: FakeHost):
    async with AsyncDesk(api.url) as desk:
        host.report(ReportKind.ACCEPTED, 1)
        seen: set[type] = set()
        async for event in desk.events():
            seen.add(type(event))
            if seen == {Book, Report}:
                break


async def test_a_hundred_orders_at_once_are_answered_each(api: OrderApi, host: FakeHost):
    async with AsyncDesk(api.url) as desk:
        orders = await asyncio.gather(*(desk.buy(100, n) for n in range(1, 101)))
    assert [order.qty_lots for order in orders] == list(range(1, 101))
    assert [call[4] for call in host.calls] == list(range(1, 101))


async def test_refusals_reach_the_request_that_they_mean(api: OrderApi, host: FakeHost):
    async with AsyncDesk(api.url) as desk:
        await desk.buy(100, 1)
        host.queue_full = True
        with pytest.raises(QueueFull):
            await desk.buy(100, 2)
        assert [order.qty_lots for order in desk.orders] == [1]


async def test_before_connecting_it_says_so(api: OrderApi):
    with pytest.raises(ConnectionLost, match="not connected"):
        _ = AsyncDesk(api.url).instrument


async def test_a_request_whose_answer_is_lost_is_told(host: FakeHost):
    api = OrderApi(host)
    api.start()
    assert api.wait_listening(20)
    async with AsyncDesk(api.url, patience_s=0.01) as desk:
        await asyncio.to_thread(api.stop)
        with pytest.raises((AnswerLost, ConnectionLost)):
            await desk.buy(100, 1)
