"""The PnL split: parts that sum to the ledger's PnL, and the mid before each fill."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.broker.terms import CancelAllOrders, Fill, OrderTerms, PlaceOrder
from engine.core.rng import Stream
from engine.core.types import Account, Command, CommandKind, Side
from engine.market.ledger import MICRO
from engine.score.card import BotCard
from engine.score.split import MARK_OUT_NS, Split
from tests.broker.bots import MS, Market, limit, market, random_requests

TAKES = (3, 5)
"""Of seven orders, those that take."""
PRICES = st.integers(1, 10**6)


class Deal(NamedTuple):
    signed_lots: int
    price_ticks: int
    twice_mid: int
    fee: int
    is_maker: bool


DEALS = st.lists(
    st.builds(
        Deal,
        st.integers(-(10**9), 10**9).filter(bool),
        PRICES,
        st.integers(2, 2 * 10**6),
        st.integers(-(10**12), 10**12),
        st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


def card_of(scene: Market, account: int | None = None) -> BotCard:
    wanted = scene.bot if account is None else account
    return next(card for card in scene.session.score.cards() if card.account == wanted)


def taken_in(deals: list[Deal]) -> Split:
    split = Split()
    for deal in deals:
        split.take_fill(*deal[:4], is_maker=deal.is_maker)
    return split


@given(DEALS, st.integers(2, 2 * 10**6))
def test_whatever_the_mids_are_the_parts_sum_to_cash_and_position_at_mark(deals, twice_mark):
    split = taken_in(deals)
    cash = sum(-deal.signed_lots * deal.price_ticks * MICRO - deal.fee for deal in deals)
    position = sum(deal.signed_lots for deal in deals)
    assert split.pnl(twice_mark) == cash + position * twice_mark * MICRO // 2
    assert split.spread + split.inventory(twice_mark) - split.fees == split.pnl(twice_mark)


@given(DEALS, st.integers(2, 2 * 10**6))
def test_inventory_is_position_times_moves_of_the_mid(deals, twice_mark):
    """Step by step: what is held after a fill moves with the mid up to the next, and at last to the mark."""
    inventory, held = Fraction(0), 0
    for deal, after in zip(deals, [*(deal.twice_mid for deal in deals[1:]), twice_mark], strict=True):
        held += deal.signed_lots
        inventory += held * Fraction(after - deal.twice_mid, 2) * MICRO
    assert taken_in(deals).inventory(twice_mark) == inventory


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_in_a_random_flow_every_cards_parts_sum_to_the_ledgers_pnl(seed):
    scene = Market(seed=1 + seed % 5, bots=3)
    draw = Stream(seed, 1)
    for serial in range(120):
        account = scene.accounts[draw.below(3)]
        for request in random_requests(scene, draw, account, serial):
            scene.ask(request)
        scene.run(20)
    exchange = scene.session.exchange
    for card in scene.session.score.cards():
        entry = exchange.ledger.entry(card.account)
        assert card.pnl == exchange.ledger.equity(card.account, exchange.mark_twice_ticks)
        assert card.spread_pnl + card.inventory_pnl - card.fees == card.pnl
        assert (card.fees, card.position_lots, card.fills) == (entry.fees, entry.position_lots, entry.fills)
        assert card.filled_lots == entry.bought_lots + entry.sold_lots
    assert sum(card.fills for card in scene.session.score.cards()) > 0


def mids_by_instant(scene: Market, until_ns: int) -> dict[int, int | None]:
    """Twice the mid at the end of the instant before each instant: the market taken one instant at a time."""
    session, mids = scene.session, {}
    while True:
        next_ns = session.exchange.market.heap[0].time_ns
        if next_ns > until_ns:
            return mids
        mids[next_ns] = session.exchange.twice_mid_ticks
        session.advance(next_ns)


def provoke(scene: Market, serial: int) -> OrderTerms:
    """Quotes at and inside the best prices, and now and then an order that takes more than is there."""
    side = Side(serial % 2)
    near, far = (scene.bid, scene.ask_price) if side == Side.BID else (scene.ask_price, scene.bid)
    if serial % 7 == TAKES[0]:
        return market(f"m{serial}", side, 40)
    if serial % 7 == TAKES[1]:
        return limit(f"x{serial}", side, far, 60)
    return limit(f"q{serial}", side, near + serial % 3 - 1, 5)


def captured(fills: list[Fill], mids: dict[int, int | None]) -> int:
    """Spread, one fill at a time."""
    total = Fraction(0)
    for fill in fills:
        twice_mid = mids[fill.time_ns]
        assert twice_mid is not None
        total += signed(fill) * (Fraction(twice_mid, 2) - fill.price_ticks) * MICRO
    assert total.denominator == 1
    return int(total)


def signed(fill: Fill) -> int:
    return fill.qty_lots if fill.side == Side.BID else -fill.qty_lots


@pytest.mark.parametrize("seed", [2, 3])  # in which no two messages arrive in the same nanosecond
def test_the_mid_before_a_fill_is_that_of_the_instant_before(seed):
    """Against a market that is stepped instant by instant, and fills that are added up one by one."""
    scene, mids = Market(seed=seed), {}
    for serial in range(150):
        if serial % 7 in TAKES:  # own orders that give way to it would be gone from the mid that it meets
            scene.ask(CancelAllOrders(scene.bot, scene.number()))
            mids |= mids_by_instant(scene, scene.session.now_ns + 1 * MS)
        scene.ask(PlaceOrder(scene.bot, scene.number(), provoke(scene, serial)))
        mids |= mids_by_instant(scene, scene.session.now_ns + 100 * MS)
    fills = scene.session.broker.fills(scene.bot)
    makers = [fill for fill in fills if fill.is_maker]
    assert len(makers) > 5 < len(fills) - len(makers)
    card = card_of(scene)
    assert card.maker_spread_pnl == captured(makers, mids)
    assert card.spread_pnl == captured(fills, mids)


def test_taking_at_the_touch_costs_half_the_spread():
    scene = Market()
    bid, ask = scene.bid, scene.ask_price
    scene.place(market("a", Side.BID, 2))
    card = card_of(scene)
    assert card.spread_pnl == 2 * (bid + ask - 2 * ask) * MICRO // 2 < 0
    assert (card.maker_spread_pnl, card.maker_share) == (0, 0.0)


def test_the_rest_of_a_crossing_order_does_not_move_the_mid_that_it_met():
    scene = Market()
    bid, ask = scene.bid, scene.ask_price
    lots = scene.session.exchange.book.levels(Side.ASK, 1)[0].qty_lots
    scene.place(limit("a", Side.BID, ask, lots + 50))
    assert scene.bid == ask  # the rest stands where the best ask was
    assert card_of(scene).spread_pnl == lots * (bid - ask) * MICRO // 2


def test_a_sweep_is_measured_against_the_mid_before_its_first_level():
    scene = Market()
    twice_mid = scene.bid + scene.ask_price
    scene.place(market("a", Side.ASK, 300))
    fills = scene.session.broker.fills(scene.bot)
    assert len({fill.price_ticks for fill in fills}) > 1
    cost = sum(fill.qty_lots * (2 * fill.price_ticks - twice_mid) for fill in fills)
    assert card_of(scene).spread_pnl == cost * MICRO // 2


def test_two_bots_that_meet_have_opposite_spreads_and_each_its_own_fees():
    scene = Market(bots=2)
    maker, taker = scene.accounts
    scene.place(limit("a", Side.BID, scene.bid, 5))
    lots = scene.session.exchange.book.levels(Side.BID, 1)[0].qty_lots
    scene.place(market("b", Side.ASK, lots), account=taker)
    one, other = card_of(scene, maker), card_of(scene, taker)
    assert (one.filled_lots, other.filled_lots) == (5, lots)
    assert one.maker_spread_pnl == one.spread_pnl
    assert one.spread_pnl * lots == -other.spread_pnl * 5 > 0
    assert (one.maker_share, other.maker_share) == (1.0, 0.0)
    assert one.fees * lots < other.fees * 5


def test_the_mark_out_is_taken_after_a_second_and_compares_with_price_and_mid():
    scene = Market()
    twice_mid = scene.bid + scene.ask_price
    scene.place(market("a", Side.BID, 1))
    (fill,) = scene.session.broker.fills(scene.bot)
    due_ns = -(-(fill.time_ns + MARK_OUT_NS) // (100 * MS)) * (100 * MS)
    scene.session.advance(due_ns - 1)
    assert card_of(scene).adverse_selection is None
    twice_later = scene.session.exchange.mark_twice_ticks
    scene.session.advance(due_ns)
    card = card_of(scene)
    assert card.adverse_selection == (twice_later - twice_mid) * MICRO // 2
    assert card.realised_spread == (twice_later - 2 * fill.price_ticks) * MICRO // 2
    assert card.realised_spread == card.spread_pnl + card.adverse_selection


def test_a_target_without_the_broker_is_scored_too():
    scene = Market(bots=0)
    session = scene.session
    for side, order_id in ((Side.BID, 1), (Side.ASK, 2)):
        order = Command(
            kind=CommandKind.SUBMIT, account=Account.TARGET, side=side, qty_lots=4, order_id=order_id
        )
        session.accept(session.stamp(order))
        scene.run(500)
    card = card_of(scene, Account.TARGET)
    assert card.pnl == session.exchange.ledger.equity(Account.TARGET, session.exchange.mark_twice_ticks)
    assert (card.orders, card.requests, card.fill_ratio, card.equity) == (2, 2, 1.0, None)
    assert card.spread_pnl + card.inventory_pnl - card.fees == card.pnl < 0


def test_the_desks_own_orders_have_no_card_and_a_session_without_bots_samples_nothing():
    scene = Market(bots=0)
    order = Command(kind=CommandKind.SUBMIT, account=Account.DESK, side=0, qty_lots=4, order_id=1)
    scene.session.accept(scene.session.stamp(order))
    calls = scene.session.kernel.python_calls
    scene.run(1_000)
    assert scene.session.score.cards() == ()
    assert scene.session.kernel.python_calls == calls
