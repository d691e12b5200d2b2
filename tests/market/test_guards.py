"""Limits of one account: each trips or refuses at its boundary value, and not one unit before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Side, TimeInForce
from engine.market.ledger import MICRO
from engine.market.orders import Reason
from engine.market.risk import GAPS_KEPT, GUARDS, AccountLimits
from tests.market.checked_market import LoopedExchange

BOT, OTHER = 16, 17
BID, ASK = Side.BID, Side.ASK

pytestmark = pytest.mark.usefixtures("kernel_path")


def market(**limits: int) -> LoopedExchange:
    """Bids at 99, offers at 101, a thousand lots each; the bot has these limits and hears nothing yet."""
    exchange = LoopedExchange()
    exchange.enter(account=OTHER, side=BID, price_ticks=99, qty_lots=1_000)
    exchange.enter(account=OTHER, side=ASK, price_ticks=101, qty_lots=1_000)
    exchange.gate.limit(BOT, AccountLimits(**limits))
    return exchange


def send(exchange: LoopedExchange, *, side: int = BID, price: int = 50, lots: int = 1) -> str:
    """What becomes of an order of the bot: the reason against it, "" when it passes."""
    reports = exchange.listen(BOT)
    exchange.enter(account=BOT, side=side, price_ticks=price, qty_lots=lots)
    exchange._check()
    return reports[0].reason if reports[0].kind == "rejected" else ""


def trade(exchange: LoopedExchange, side: int, lots: int) -> None:
    assert send(exchange, side=side, price=101 if side == BID else 99, lots=lots) == ""


# -- guards ------------------------------------------------------------------------------------------


def test_the_bucket_holds_one_second_of_orders_and_the_next_one_trips() -> None:
    exchange = market(orders_per_s=5)
    assert [send(exchange) for _ in range(6)] == [""] * 5 + [Reason.ORDER_RATE]


@pytest.mark.parametrize(("wait_ns", "reason"), [(199_999_999, Reason.ORDER_RATE), (200_000_000, "")])
def test_the_bucket_fills_by_one_order_at_its_rate(wait_ns, reason) -> None:
    exchange = market(orders_per_s=5)
    for _ in range(5):
        assert send(exchange) == ""
    exchange.settle(wait_ns)
    assert send(exchange) == reason


def test_a_long_pause_fills_the_bucket_no_further() -> None:
    exchange = market(orders_per_s=5)
    exchange.settle(100 * NS_PER_S)
    assert exchange.gate.state(BOT).orders_left == 5
    assert [send(exchange) for _ in range(6)] == [""] * 5 + [Reason.ORDER_RATE]


def test_refused_orders_take_from_the_bucket_too() -> None:
    exchange = market(orders_per_s=2, max_order_lots=1)
    assert [send(exchange, lots=2) for _ in range(3)] == [Reason.QUANTITY] * 2 + [Reason.ORDER_RATE]


@pytest.mark.parametrize("side", [BID, ASK])
@pytest.mark.parametrize(("held", "lots", "reason"), [(0, 10, ""), (0, 11, "p"), (4, 6, ""), (4, 7, "p")])
def test_the_position_guard_trips_one_lot_beyond_its_limit(side, held, lots, reason) -> None:
    exchange = market(max_position_lots=10)
    if held:
        trade(exchange, side, held)
    assert send(exchange, side=side, price=100, lots=lots) == (Reason.POSITION if reason else "")


def test_a_position_at_its_limit_may_be_turned_round_to_the_limit() -> None:
    exchange = market(max_position_lots=10)
    trade(exchange, BID, 10)
    trade(exchange, ASK, 20)
    assert send(exchange, side=ASK) == Reason.POSITION


@pytest.mark.parametrize(("limit", "reason"), [(20 * MICRO + 1, ""), (20 * MICRO, Reason.DAILY_LOSS)])
def test_the_loss_guard_trips_at_its_limit(limit, reason) -> None:
    exchange = market(max_loss=limit)
    trade(exchange, BID, 10)  # at 101, and back at 99
    trade(exchange, ASK, 10)
    assert exchange.gate.state(BOT).profit == -20 * MICRO
    assert send(exchange) == reason


def test_a_loss_counts_as_soon_as_the_market_moves_against_the_position() -> None:
    exchange = market(max_loss=25 * MICRO)
    trade(exchange, BID, 10)
    assert send(exchange) == ""  # 10 below: bought at 101, marked at 100
    exchange.enter_cancel_all(OTHER)
    exchange.enter(account=OTHER, side=BID, price_ticks=96, qty_lots=1)
    exchange.enter(account=OTHER, side=ASK, price_ticks=98, qty_lots=1)
    assert send(exchange) == Reason.DAILY_LOSS


def test_the_ratio_counts_from_the_hundredth_order_on() -> None:
    exchange = market(max_orders_per_trade=1)
    assert [send(exchange) for _ in range(99)] == [""] * 99
    assert send(exchange) == Reason.ORDER_TO_TRADE


def test_the_ratio_trips_one_order_beyond_its_limit() -> None:
    exchange = market(max_orders_per_trade=3, min_orders=1)
    trade(exchange, BID, 1)
    trade(exchange, BID, 1)
    assert [send(exchange) for _ in range(5)] == [""] * 4 + [Reason.ORDER_TO_TRADE]


@pytest.mark.parametrize(("gaps", "reason"), [(15, ""), (16, Reason.FEED_GAPS)])
def test_the_gap_guard_trips_at_its_count(gaps, reason) -> None:
    exchange = market(max_gaps=16)
    for _ in range(gaps):
        exchange.gate.note_gap()
    assert send(exchange) == reason


@pytest.mark.parametrize(("wait_ns", "reason"), [(60 * NS_PER_S - 1, Reason.FEED_GAPS), (60 * NS_PER_S, "")])
def test_a_gap_is_forgotten_when_its_window_has_passed(wait_ns, reason) -> None:
    exchange = market(max_gaps=2)
    exchange.gate.note_gap()
    exchange.settle(wait_ns)
    exchange.gate.note_gap()
    assert send(exchange) == reason
    assert exchange.gate.state(BOT).gaps == (2 if reason else 1)


def test_gaps_beyond_what_is_remembered_count_as_that_many() -> None:
    exchange = market(max_gaps=GAPS_KEPT)
    for _ in range(GAPS_KEPT + 3):
        exchange.gate.note_gap()
    assert exchange.gate.state(BOT).gaps == GAPS_KEPT
    assert send(exchange) == Reason.FEED_GAPS


# -- rails -------------------------------------------------------------------------------------------


def test_a_closed_account_sends_nothing() -> None:
    assert send(market(is_closed=True)) == Reason.CLOSED


@pytest.mark.parametrize(("lots", "reason"), [(7, ""), (8, Reason.QUANTITY)])
def test_an_order_may_be_as_large_as_its_rail(lots, reason) -> None:
    assert send(market(max_order_lots=7), lots=lots) == reason


@pytest.mark.parametrize(("lots", "reason"), [(1, "x"), (2, ""), (4, ""), (5, "x")])
def test_notional_lies_between_its_ends(lots, reason) -> None:
    exchange = market(min_notional=100, max_notional=200)
    assert send(exchange, price=50, lots=lots) == (Reason.NOTIONAL if reason else "")


@pytest.mark.parametrize(
    ("side", "lots", "reason"), [(BID, 2, ""), (BID, 3, "x"), (ASK, 2, ""), (ASK, 3, "x")]
)
def test_a_market_order_is_worth_what_the_other_side_asks_for(side, lots, reason) -> None:
    exchange = market(max_notional=2 * (101 if side == BID else 99))
    assert send(exchange, side=side, price=0, lots=lots) == (Reason.NOTIONAL if reason else "")


def test_what_an_order_is_worth_must_be_known() -> None:
    exchange = LoopedExchange()
    exchange.gate.limit(BOT, AccountLimits(max_notional=1_000_000))
    assert send(exchange, price=0) == Reason.NOTIONAL


@pytest.mark.parametrize(
    ("side", "price", "reason"),
    [(BID, 110, ""), (BID, 111, "x"), (BID, 1, ""), (ASK, 90, ""), (ASK, 89, "x"), (ASK, 900, "")],
)
def test_a_price_may_cost_its_sender_as_much_as_the_collar_says(side, price, reason) -> None:
    exchange = market(collar_ppm=100_000)  # a tenth of 100
    assert send(exchange, side=side, price=price) == (Reason.PRICE_COLLAR if reason else "")


def test_exposure_counts_what_rests_on_the_same_side() -> None:
    exchange = market(max_exposure=1_000)
    assert send(exchange, price=50, lots=15) == ""
    assert send(exchange, price=50, lots=6) == Reason.EXPOSURE
    assert send(exchange, price=50, lots=5) == ""
    assert send(exchange, side=ASK, price=100, lots=10) == ""
    assert send(exchange, side=ASK, price=100, lots=1) == Reason.EXPOSURE


def test_rails_refuse_and_do_not_latch() -> None:
    exchange = market(max_order_lots=1)
    assert [send(exchange, lots=lots) for lots in (2, 1)] == [Reason.QUANTITY, ""]
    assert exchange.gate.latched(BOT) is Reason.NONE


# -- latches -----------------------------------------------------------------------------------------


def test_a_tripped_guard_latches_until_it_is_reset() -> None:
    exchange = market(orders_per_s=1)
    assert [send(exchange) for _ in range(2)] == ["", Reason.ORDER_RATE]
    exchange.settle(100 * NS_PER_S)
    assert send(exchange) == Reason.ORDER_RATE
    assert exchange.gate.state(BOT).latched is Reason.ORDER_RATE
    exchange.gate.reset(BOT)
    assert send(exchange) == ""


def test_a_reset_clears_the_latch_alone_and_a_new_day_everything() -> None:
    exchange = market(max_loss=20 * MICRO)
    trade(exchange, BID, 10)
    trade(exchange, ASK, 10)
    assert send(exchange) == Reason.DAILY_LOSS
    exchange.gate.reset(BOT)
    assert send(exchange) == Reason.DAILY_LOSS
    exchange.gate.start_of_day(BOT)
    assert send(exchange) == ""
    assert exchange.gate.state(BOT).profit == 0


def test_the_first_reason_stays() -> None:
    exchange = market(orders_per_s=1, max_position_lots=1)
    assert send(exchange, lots=2) == Reason.POSITION
    assert send(exchange, lots=2) == Reason.POSITION
    assert exchange.gate.state(BOT).latched_count == 1


def test_a_latched_account_may_cancel_and_not_replace() -> None:
    exchange = market(max_position_lots=5)
    order_id = exchange.enter(account=BOT, side=BID, price_ticks=50, qty_lots=1)
    assert send(exchange, lots=6) == Reason.POSITION
    assert not exchange.replace_now(account=BOT, order_id=order_id, price_ticks=51, qty_lots=1)
    assert exchange.cancel_now(account=BOT, order_id=order_id) == 1


def test_a_replace_is_judged_as_an_order_of_its_side() -> None:
    exchange = market(max_position_lots=5)
    trade(exchange, BID, 5)
    order_id = exchange.enter(account=BOT, side=ASK, price_ticks=150, qty_lots=1)
    assert exchange.replace_now(account=BOT, order_id=order_id, price_ticks=150, qty_lots=10)
    assert not exchange.replace_now(account=BOT, order_id=order_id, price_ticks=150, qty_lots=11)
    assert exchange.gate.latched(BOT) is Reason.POSITION


def test_orders_under_way_when_the_switch_is_thrown_do_not_arrive() -> None:
    exchange = market()
    exchange.send(account=BOT, side=BID, price_ticks=50, qty_lots=1, latency_ns=1_000)
    exchange.gate.kill(BOT)
    exchange.settle(2_000)
    assert exchange.open_order_count(BOT) == 0


def test_limits_of_one_account_do_not_touch_another() -> None:
    exchange = market(max_order_lots=1)
    exchange.enter(account=OTHER, side=BID, price_ticks=50, qty_lots=100)
    assert exchange.open_order_count(OTHER) == 3
    assert exchange.gate.state(OTHER) is None


def test_limits_can_be_read_back_and_changed() -> None:
    exchange = market(orders_per_s=3, max_loss=5, is_closed=True)
    assert exchange.gate.limits_of(BOT) == AccountLimits(orders_per_s=3, max_loss=5, is_closed=True)
    exchange.gate.limit(BOT, AccountLimits(orders_per_s=3))
    assert exchange.gate.limits_of(BOT) == AccountLimits(orders_per_s=3)
    assert exchange.gate.guarded == [BOT]


@pytest.mark.parametrize(
    "limits", [{"max_gaps": GAPS_KEPT + 1}, {"orders_per_s": -1}, {"collar_ppm": 1_000_001}]
)
def test_a_limit_out_of_range_is_refused(limits) -> None:
    with pytest.raises(UsageError, match="out of range"):
        AccountLimits(**limits).checked()


def test_a_market_has_room_for_so_many_guarded_accounts() -> None:
    exchange = LoopedExchange(accounts=GUARDS + 1)
    for account in range(1, GUARDS):
        exchange.gate.limit(account, AccountLimits())
    with pytest.raises(UsageError, match="have limits already"):
        exchange.gate.limit(GUARDS, AccountLimits())


# -- nothing passes while latched --------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), st.sampled_from(Side), st.integers(0, 120), st.integers(-1, 40),
            st.sampled_from(TimeInForce),
        ),
        st.tuples(st.just("replace"), st.integers(0, 120), st.integers(0, 40)),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("wait"), st.integers(0, NS_PER_S)),
        st.tuples(st.just("gap")),
        st.tuples(st.sampled_from(["kill", "reset", "day"])),
    ),
    max_size=60,
)  # fmt: skip
TIGHT = AccountLimits(
    orders_per_s=6,
    max_position_lots=60,
    max_loss=80 * MICRO,
    max_orders_per_trade=4,
    min_orders=8,
    max_gaps=2,
    gap_window_ns=NS_PER_S,
    max_order_lots=35,
    min_notional=10,
    max_notional=3_500,
    max_exposure=6_000,
    collar_ppm=150_000,
)


@settings(max_examples=150)
@given(steps=STEPS)
def test_nothing_of_a_latched_account_reaches_the_book(steps) -> None:
    exchange = market(**TIGHT._asdict())
    reports = exchange.listen(BOT)
    for step in steps:
        before = len(reports)
        latched = exchange.gate.latched(BOT)
        match step:
            case ("order", side, price, lots, tif):
                exchange.enter(account=BOT, side=side, price_ticks=price, qty_lots=lots, time_in_force=tif)
            case ("replace", price, lots):
                for order_id in list(exchange.open_orders(BOT))[:1]:
                    exchange.replace_now(account=BOT, order_id=order_id, price_ticks=price, qty_lots=lots)
            case ("cancel",):
                exchange.enter_cancel_all(BOT)
            case ("wait", ns):
                exchange.settle(ns)
            case ("gap",):
                exchange.gate.note_gap()
            case ("kill",):
                exchange.gate.kill(BOT)
            case ("reset",):
                exchange.gate.reset(BOT)
            case ("day",):
                exchange.gate.start_of_day(BOT)
        if latched and step[0] in ("order", "replace"):
            assert all(report.reason == latched for report in reports[before:])
            assert exchange.gate.latched(BOT) is latched
        assert abs(exchange.ledger.position(BOT)) <= TIGHT.max_position_lots + 35
        exchange._check()
