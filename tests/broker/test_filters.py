"""Each filter at its very limit, and one step beyond."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.broker.filters import Filters
from engine.broker.terms import OrderTerms, OrderType, PlaceOrder, Refusal
from engine.core.types import Instrument, Side, TimeInForce
from tests.broker.bots import Market, limit, maker, market, stop

FILTERS = Filters(
    max_price_ticks=1_000_000,
    min_qty_lots=2,
    max_qty_lots=100_000,
    market_max_qty_lots=1_000,
    min_notional=50_000,
    max_notional=9_000_000,
    iceberg_parts=5,
    bid_up=2 * 10_000,
    bid_down=10_000 // 2,
    ask_up=3 * 10_000,
    ask_down=10_000 // 4,
)
LAST = 10_000
PLAIN = limit("a", Side.BID, LAST, 10)
NONE = Refusal.NONE


def check(order: OrderTerms, **changes: int) -> Refusal:
    return FILTERS.check(replace(order, **changes), LAST)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, NONE),
        ({"price_ticks": 0}, Refusal.PRICE_FILTER),
        ({"price_ticks": -1}, Refusal.PRICE_FILTER),
        ({"price_ticks": 1_000_001}, Refusal.PRICE_FILTER),
        ({"qty_lots": 5}, NONE),
        ({"qty_lots": 4}, Refusal.NOTIONAL),
        ({"qty_lots": 900}, NONE),
        ({"qty_lots": 901}, Refusal.NOTIONAL),
        ({"qty_lots": 1}, Refusal.LOT_SIZE),
        ({"qty_lots": 0}, Refusal.LOT_SIZE),
        ({"qty_lots": 100_001}, Refusal.LOT_SIZE),
        ({"price_ticks": 20_000}, NONE),
        ({"price_ticks": 20_001}, Refusal.PERCENT_PRICE),
        ({"price_ticks": 5_000}, NONE),
        ({"price_ticks": 4_999}, Refusal.PERCENT_PRICE),
        ({"side": 1, "price_ticks": 30_000}, NONE),
        ({"side": 1, "price_ticks": 30_001}, Refusal.PERCENT_PRICE),
        ({"side": 1, "price_ticks": 2_500, "qty_lots": 20}, NONE),
        ({"side": 1, "price_ticks": 2_499, "qty_lots": 40}, Refusal.PERCENT_PRICE),
        ({"iceberg_lots": 2}, NONE),
        ({"iceberg_lots": 2, "qty_lots": 11}, Refusal.ICEBERG_PARTS),
        ({"iceberg_lots": -1}, Refusal.ICEBERG_PARTS),
        ({"iceberg_lots": 5, "time_in_force": int(TimeInForce.IOC)}, Refusal.ICEBERG_PARTS),
        ({"quote_micro": 10**12}, Refusal.LOT_SIZE),
    ],
)
def test_a_limit_order_passes_at_each_limit_and_not_beyond(changes: dict[str, int], refusal: Refusal) -> None:
    assert check(PLAIN, **changes) == refusal


def test_the_highest_price_passes_where_no_last_price_is_known() -> None:
    highest = replace(PLAIN, price_ticks=1_000_000, qty_lots=9)
    assert FILTERS.check(highest, None) == NONE
    assert FILTERS.check(replace(highest, qty_lots=10), None) == Refusal.NOTIONAL


@pytest.mark.parametrize(
    ("lots", "quote_micro", "refusal"),
    [
        (5, 0, NONE),
        (4, 0, Refusal.NOTIONAL),
        (1_000, 0, NONE),  # worth more than the most of a limit order
        (1_001, 0, Refusal.MARKET_LOT_SIZE),
        (0, 50_000_000_000, NONE),
        (0, 49_999_999_999, Refusal.NOTIONAL),
        (0, -1, Refusal.LOT_SIZE),
        (7, 50_000_000_000, Refusal.LOT_SIZE),
    ],
)
def test_a_market_order_passes_at_each_limit_and_not_beyond(
    lots: int, quote_micro: int, refusal: Refusal
) -> None:
    assert FILTERS.check(market("a", Side.BID, lots, quote_micro=quote_micro), LAST) == refusal


@pytest.mark.parametrize(
    ("stop_price_ticks", "trailing_bips", "refusal"),
    [
        (1, 0, NONE),
        (0, 0, Refusal.PRICE_FILTER),
        (-1, 0, Refusal.PRICE_FILTER),
        (1_000_000, 0, NONE),
        (1_000_001, 0, Refusal.PRICE_FILTER),
        (0, 10, NONE),
        (0, 9, Refusal.TRAILING_DELTA),
        (0, 2_000, NONE),
        (0, 2_001, Refusal.TRAILING_DELTA),
        (-1, 10, Refusal.PRICE_FILTER),
    ],
)
def test_an_order_that_waits_needs_a_price_to_wait_for_or_a_distance(
    stop_price_ticks: int, trailing_bips: int, refusal: Refusal
) -> None:
    order = stop("a", Side.ASK, stop_price_ticks, 10, trailing_bips=trailing_bips)
    assert FILTERS.check(order, LAST) == refusal


def test_a_stop_limit_order_is_held_to_its_limit_price() -> None:
    order = stop("a", Side.ASK, 9_000, 10, type=OrderType.STOP_LOSS_LIMIT, price_ticks=30_000)
    assert check(order) == NONE
    assert check(order, price_ticks=30_001) == Refusal.PERCENT_PRICE
    assert check(order, price_ticks=0) == Refusal.PRICE_FILTER


def test_the_filters_of_an_instrument_are_five_and_nine_million_of_its_currency() -> None:
    filters = Filters.of(Instrument("ACME", Decimal("0.01"), Decimal("0.1"), "USD", 10))
    assert (filters.min_notional, filters.max_notional) == (5_000, 9_000_000_000)
    assert Filters.of(Instrument("ACME", Decimal(100), Decimal(1), "USD", 10)).min_notional == 1


# -- what only the broker can count ----------------------------------------------------------------------


@pytest.fixture
def scene() -> Market:
    return Market(quiet=True, base="1000", quote="100000")


def test_the_two_hundredth_open_order_is_the_last(scene: Market) -> None:
    for number in range(199):
        scene.ask(PlaceOrder(scene.bot, scene.number(), limit(f"a{number}", Side.ASK, 10_000, 5)))
    scene.run(1)
    oco = (maker("above", Side.ASK, 10_100, 5), stop("below", Side.ASK, 9_000, 5))
    assert scene.listed(0, *oco).refusal == Refusal.MAX_ORDERS, "of two orders one is too many"
    last = scene.placed(limit("last", Side.ASK, 10_000, 5))
    assert scene.place(limit("more", Side.ASK, 10_000, 5)).refusal == Refusal.MAX_ORDERS
    scene.cancelled(last.order_id)
    assert scene.place(limit("more", Side.ASK, 10_000, 5)).refusal == NONE


def test_the_twentieth_waiting_order_is_the_last_pending_ones_included(scene: Market) -> None:
    for number in range(18):
        scene.placed(stop(f"a{number}", Side.ASK, 9_000, 5))
    working, pair = limit("w", Side.BID, 9_000, 10), (stop("p", Side.ASK, 8_900, 10),)
    assert scene.listed(1, working, *pair).refusal == NONE
    both = (stop("x", Side.BID, 11_000, 5), stop("y", Side.BID, 9_000, 5, type=OrderType.TAKE_PROFIT))
    assert scene.listed(0, *both).refusal == Refusal.MAX_ALGO_ORDERS
    scene.placed(stop("last", Side.ASK, 9_000, 5))
    assert scene.place(stop("more", Side.ASK, 9_000, 5)).refusal == Refusal.MAX_ALGO_ORDERS
    assert scene.place(limit("plain", Side.ASK, 10_000, 5)).refusal == NONE


def test_a_market_order_for_money_that_would_be_too_many_lots_is_refused() -> None:
    scene = Market(bots=2, quiet=True, base="300000", quote="100000000")
    bot, other = scene.accounts
    scene.placed(limit("s", Side.ASK, 5_000, 100_000), account=other)
    scene.placed(limit("t", Side.ASK, 5_000, 100_000), account=other)
    most = 100_000 * 5_000 * 1_000_000
    taker = scene.session.broker.fees(bot).taker_ppm
    more = market("m", Side.BID, 0, quote_micro=most + most * taker // 1_000_000 + 10_000 * 1_000_000)
    assert scene.place(more).refusal == Refusal.MARKET_LOT_SIZE
