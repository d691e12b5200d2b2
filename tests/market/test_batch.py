"""Requests in a table: they do what they would do one by one, and no table can break a market."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.arena.machine import live
from engine.book.hot import HotBook
from engine.core.rng import Stream
from engine.core.types import TimeInForce
from engine.market.batch import Request, RequestKind, enter_one, enter_requests
from engine.market.entries import NO_ROOM
from engine.market.orders import Reason
from tests.market.checked_market import LoopedExchange
from tests.market.oracle import ListMarket
from tests.paths import PATHS, running

ACCOUNTS = 4
FIELDS = ("kind", "order_id", "account", "side", "price_ticks", "qty_lots")
Row = tuple[int, int, int, int, int, int]


def as_table(rows: list[Row]) -> np.ndarray:
    table = np.zeros(len(rows), Request.dtype())
    for name, column in zip(FIELDS, zip(*rows, strict=True), strict=True):
        table[name] = column
    return table


def enter_one_by_one(exchange: LoopedExchange, rows: list[Row]) -> None:
    for row in rows:
        while live(enter_one)(exchange.market.address, *row) == NO_ROOM:
            exchange.make_room()


def judged(rows: list[Row]) -> tuple[ListMarket, list[tuple[int, int, int]], int]:
    """What the list of orders makes of it: the market, (taker, price, lots) of its trades, the malformed."""
    market, trades, malformed = ListMarket(), [], 0
    for kind, order_id, account, side, price, lots in rows:
        resting = [order for order in market.orders if order.order_id == order_id]
        if kind == RequestKind.CANCEL:
            market.orders = [order for order in market.orders if order not in resting]
        elif kind > RequestKind.CANCEL or side > 1 or account >= ACCOUNTS:
            malformed += 1
        elif lots > 0:
            tif = TimeInForce.IOC if kind == RequestKind.IOC else TimeInForce.GTC
            price = 0 if kind == RequestKind.MARKET else price
            outcome = market.submit(order_id, account, side, price, lots, tif)
            trades += [(account, fill_price, fill_lots) for _, fill_price, fill_lots in outcome.fills]
            if outcome.rests and sum(order.order_id == order_id for order in market.orders) > 1:
                del market.orders[-1]
    return market, trades, malformed


ROWS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(1, 9) | st.sampled_from([0, (1 << 63) - 1]),
        st.integers(0, ACCOUNTS),
        st.integers(0, 1) | st.integers(0, 255),
        st.integers(97, 103),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=40,
)


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=60)
@given(ROWS)
def test_any_table_does_what_the_list_of_orders_says(path, rows):
    with running(path):
        batch, single = LoopedExchange(accounts=ACCOUNTS), LoopedExchange(accounts=ACCOUNTS)
        batch.enter_batch(enter_requests, as_table(rows))
        enter_one_by_one(single, rows)
    market, trades, malformed = judged(rows)
    for exchange in (batch, single):
        exchange._check()
        told = [(trade.aggressor, trade.price_ticks, trade.qty_lots) for trade in exchange.tape.since(0)]
        assert told == trades
        assert exchange.gate.statistics().get(f"refused_{Reason.MALFORMED.value}", 0) == malformed
        for side in (0, 1):
            assert [level.price_ticks for level in exchange.book.levels(side)] == market.prices(side)
            for price in market.prices(side):
                queue = tuple(order_id for order_id, _ in market.queue(side, price))
                assert exchange.book.orders_at(side, price) == queue
    assert batch.log.digest == single.log.digest


def test_a_long_table_that_makes_everything_grow_gives_what_single_requests_gave(kernel_path, monkeypatch):
    draw = Stream(2, 2)
    rows: list[Any] = []
    for order_id in range(1, 2_001):
        kind, side = draw.below(12), draw.below(2)
        price = draw.between(400, 499) + 95 * side
        cancelled = order_id - draw.below(200)
        if kind < 8:
            rows.append((RequestKind.LIMIT, order_id, 0, side, price, draw.between(1, 9)))
        elif kind < 10:
            rows.append((RequestKind.CANCEL, max(1, cancelled), 0, 0, 0, 0))
        else:
            rows.append((kind - 9, order_id, 0, side, price, draw.between(1, 30)))
    outcomes = []
    for first_orders, first_rungs, enter in (
        (4_096, 512, enter_one_by_one),
        (2, 1, lambda exchange, rows: exchange.enter_batch(enter_requests, as_table(rows))),
    ):
        monkeypatch.setattr(HotBook, "first_orders", first_orders)
        monkeypatch.setattr(HotBook, "first_rungs", first_rungs)
        exchange = LoopedExchange()
        enter(exchange, rows)
        exchange._check()
        outcomes.append((exchange.log.count, exchange.log.digest, exchange.ledger.accounts()))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] > 2_000


def test_words_that_are_no_kind_no_side_and_no_account_are_refused(kernel_path):
    exchange = LoopedExchange(accounts=ACCOUNTS)
    good = (RequestKind.LIMIT, 1, 0, 0, 100, 5)
    wrong = [(4, 0), (-1, 0), (1 << 40, 0), (2, 3), (-1, 3), (4, 2), (-1, 2), (1 << 62, 2)]
    for value, field in wrong:
        enter_one_by_one(exchange, [(*good[:field], value, *good[field + 1 :])])
        exchange._check()
    assert exchange.log.count == 0
    assert exchange.gate.statistics() == {"passed": 0, "refused_malformed": len(wrong)}
    enter_one_by_one(exchange, [good])
    assert exchange.book.order(1) == (0, 100, 5)
