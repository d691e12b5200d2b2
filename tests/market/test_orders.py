"""The order state machine: exactly the edges that its picture shows, each with its report."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.core.types import SelfTrade, TimeInForce
from engine.market.orders import KIND_CODES, REASON_CODES, Reason, ReportKind
from tests.market.checked_market import EDGES, GONE, LESS, REFUSED, RESTING, UNDER_WAY, CheckedMarket

GTC, IOC, FOK, POST_ONLY = TimeInForce
K = ReportKind
ANN, BOB = 1, 2


@pytest.fixture
def market(kernel_path: str) -> CheckedMarket:
    return CheckedMarket()


def rests(market: CheckedMarket, tif: TimeInForce = GTC) -> int:
    return market.submit(ANN, 0, 100, 10, tif)


def rests_with_less(market: CheckedMarket) -> int:
    order_id = rests(market)
    market.submit(BOB, 1, 100, 4, IOC)
    return order_id


def replace_post_only_across(market: CheckedMarket, order_id: int) -> None:
    market.submit(BOB, 1, 105, 5, GTC)
    market.replace(0, 105, 5)


def take_part_and_cancel(market: CheckedMarket) -> int:
    market.submit(BOB, 1, 100, 4, GTC)
    return market.submit(ANN, 0, 100, 10, IOC)


def take_all(market: CheckedMarket) -> int:
    market.submit(BOB, 1, 100, 10, GTC)
    return market.submit(ANN, 0, 100, 10, IOC)


def lose_part_to_oneself(market: CheckedMarket) -> int:
    market.submit(ANN, 1, 100, 4, GTC)
    market.submit(BOB, 1, 100, 6, GTC)
    return market.submit(ANN, 0, 100, 10, IOC, SelfTrade.DECREMENT)


def end_at_oneself(market: CheckedMarket) -> int:
    market.submit(ANN, 1, 100, 4, GTC)
    return market.submit(ANN, 0, 100, 10, IOC, SelfTrade.CANCEL_TAKER)


ON_ARRIVAL: list[tuple[Callable[[CheckedMarket], int], list[tuple[str, Reason]], str]] = [
    (rests, [(K.ACCEPTED, Reason.NONE)], RESTING),
    (lambda m: m.submit(ANN, 0, 100, 10, IOC), [(K.CANCELLED, Reason.IOC_REMAINDER)], GONE),
    (lambda m: m.submit(ANN, 0, 0, 10, IOC), [(K.CANCELLED, Reason.NO_LIQUIDITY)], GONE),
    (lambda m: m.submit(ANN, 0, 100, 10, FOK), [(K.REJECTED, Reason.FOK_UNFILLABLE)], REFUSED),
    (lambda m: m.submit(ANN, 0, 0, 10, POST_ONLY), [(K.REJECTED, Reason.POST_ONLY_WOULD_TRADE)], REFUSED),
    (take_all, [(K.FILLED, Reason.NONE)], GONE),
    (lose_part_to_oneself, [(K.REPLACED, Reason.SELF_TRADE), (K.FILLED, Reason.NONE)], GONE),
    (end_at_oneself, [(K.CANCELLED, Reason.SELF_TRADE)], GONE),
    (
        take_part_and_cancel,
        [(K.PARTIALLY_FILLED, Reason.NONE), (K.CANCELLED, Reason.IOC_REMAINDER)],
        GONE,
    ),
]


@pytest.mark.parametrize(("send", "told", "state"), ON_ARRIVAL)
def test_what_an_order_is_told_on_arrival(market, send, told, state):
    order_id = send(market)
    mine = [report for report in market.reports[ANN] if report.order_id == order_id]
    assert [(report.kind, report.reason) for report in mine] == told
    assert market.states[order_id] == state


LATER: list[tuple[str, Callable[[CheckedMarket, int], None], tuple[str, Reason], str]] = [
    (
        "fill a part",
        lambda m, _: void(m.submit(BOB, 1, 100, 3, IOC)),
        (K.PARTIALLY_FILLED, Reason.NONE),
        LESS,
    ),
    ("fill all", lambda m, _: void(m.submit(BOB, 1, 100, 10, IOC)), (K.FILLED, Reason.NONE), GONE),
    ("cancel", lambda m, _: m.cancel(0, 0), (K.CANCELLED, Reason.BY_OWNER), GONE),
    (
        "cross oneself",
        lambda m, _: void(m.submit(ANN, 1, 100, 3, IOC)),
        (K.CANCELLED, Reason.SELF_TRADE),
        GONE,
    ),
    ("cancel a part", lambda m, _: m.cancel(0, 2), (K.REPLACED, Reason.NONE), ""),
    ("replace", lambda m, _: m.replace(0, 99, 12), (K.REPLACED, Reason.NONE), ""),
]
"""(what is done, how, the last report of the order, its state: "" = the one before)."""


def void(_: object) -> None:
    """For requests that return something."""


@pytest.mark.parametrize("begin", [rests, rests_with_less])
@pytest.mark.parametrize(("request_", "told", "state"), [pytest.param(*row[1:], id=row[0]) for row in LATER])
def test_what_a_resting_order_is_told(market, begin, request_, told, state):
    order_id = begin(market)
    before = market.states[order_id]
    request_(market, order_id)
    last = market.last_report(order_id)
    assert (last.kind, last.reason) == told
    assert market.states[order_id] == (state or before)


def test_a_refused_replace_leaves_the_order_and_says_what_it_is(market):
    order_id = rests(market, POST_ONLY)
    replace_post_only_across(market, order_id)
    refusals = [market.last_report(order_id)]
    for price_ticks, qty_lots in ((100, 0), (0, 5), (-1, 5)):
        market.exchange.replace_now(
            account=ANN, order_id=order_id, price_ticks=price_ticks, qty_lots=qty_lots
        )
        refusals.append(market.last_report(order_id))
    market.check()
    assert [report.reason for report in refusals] == [
        Reason.POST_ONLY_WOULD_TRADE,
        Reason.QUANTITY,
        Reason.PRICE,
        Reason.PRICE,
    ]
    for report in refusals:
        assert (report.kind, report.order_id) == (K.REPLACE_REJECTED, order_id)
        assert (report.price_ticks, report.qty_lots, report.remaining_lots) == (100, 10, 10)
    assert market.states[order_id] == RESTING


@pytest.mark.parametrize("end", [take_all, lambda m: m.submit(ANN, 0, 0, 10, POST_ONLY)])
def test_what_is_over_stays_over(market, end):
    order_id = end(market)
    before = market.log.digest
    market.exchange.cancel_now(account=ANN, order_id=order_id)
    market.exchange.replace_now(account=ANN, order_id=order_id, price_ticks=100, qty_lots=1)
    assert (market.last_report(order_id).kind, market.last_report(order_id).reason) == (
        K.REPLACE_REJECTED,
        Reason.UNKNOWN_ORDER,
    )
    assert market.exchange.order(order_id) is None
    assert market.log.digest == before


def test_every_edge_of_the_picture_can_be_taken(kernel_path):
    """And no other one: the checked market follows each order along them."""
    taken: set[tuple[str, str]] = set()
    for send, _, _ in ON_ARRIVAL:
        market = CheckedMarket()
        send(market)
        taken |= set(market.edges)
    for begin in (rests, rests_with_less):
        for _, request_, _, _ in LATER:
            market = CheckedMarket()
            request_(market, begin(market))
            taken |= set(market.edges)
    for lots in (0, 4):
        market = CheckedMarket()
        order_id = rests(market, POST_ONLY)
        if lots:
            market.submit(BOB, 1, 100, lots, IOC)
        replace_post_only_across(market, order_id)
        taken |= set(market.edges)
    assert taken == set(EDGES)
    assert {state for state, _ in EDGES} | set(EDGES.values()) == {UNDER_WAY, RESTING, LESS, GONE, REFUSED}


def test_kernels_and_words_agree_on_every_kind_and_reason():
    for codes, words in ((KIND_CODES, ReportKind), (REASON_CODES, Reason)):
        assert list(codes) == list(words)
        assert list(codes.values()) == list(range(len(words)))
        assert max(codes.values()) < 256, "a byte in a report"
