"""Drawdown, the low, and what was held then; orders that nobody touches; guards that latch a bot."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.broker.terms import AmendOrder, CancelOrder, OrderTerms, OrderType
from engine.core.clock import NS_PER_S
from engine.core.types import ALL_ACCOUNTS, GateAction, Side, StormKind
from engine.gatekeeper import gate_command
from engine.inputs import storm_command
from engine.score.lows import Lows
from engine.storms import StormRequest
from tests.broker.bots import Market


@given(st.integers(-50, 50), st.lists(st.tuples(st.integers(-99, 99), st.integers(0, 9)), max_size=30))
def test_the_fold_is_what_looking_back_over_all_of_it_says(start, looks):
    lows = Lows.begin(start)
    for now_ns, (value, held) in enumerate(looks):
        lows.look(now_ns, value, held, held * 100)
    values = [start, *(value for value, _ in looks)]
    falls = [max(values[: at + 1]) - value for at, value in enumerate(values)]
    assert lows.max_drawdown == max(falls)
    assert lows.fell_from - lows.max_drawdown == values[falls.index(max(falls))]
    assert lows.low == min(values)
    if lows.low < start:
        at = values.index(min(values)) - 1
        assert (lows.low_ns, lows.low_position, lows.low_exposure) == (at, looks[at][1], looks[at][1] * 100)
    assert lows.max_exposure == max((held * 100 for _, held in looks), default=None)


def card_of(market: Market):
    return next(card for card in market.session.bot_cards() if card.account == market.bot)


def start_storm(market: Market, seconds: float = 5.0) -> None:
    command = storm_command(StormRequest(StormKind.CANCEL, 0.1, seconds))
    market.session.accept(market.session.stamp(command))
    market.run(1)


def bid(market: Market, name: str) -> OrderTerms:
    return OrderTerms(name, side=Side.BID, type=OrderType.LIMIT, qty_lots=4, price_ticks=market.bid - 300)


def test_orders_that_rest_untouched_from_a_storms_beginning_to_its_end_are_stuck():
    market = Market()
    _, cut, gone = (market.placed(bid(market, name)).order_id for name in ("kept", "cut", "gone"))
    start_storm(market)
    market.placed(bid(market, "later"))
    market.reply(AmendOrder(market.bot, market.number(), cut, new_qty_lots=2))
    market.reply(CancelOrder(market.bot, market.number(), order_id=gone))
    assert card_of(market).faults[-1].stuck == 0, "it is not over"
    market.run(5_000)
    (fault,) = card_of(market).faults
    assert fault.ended_ns is not None
    assert fault.stuck == 1
    assert any("1 order left in the book untouched through cancel@" in one for one in card_of(market).reasons)


def test_what_latches_a_bot_is_on_its_card_with_its_time():
    market = Market(bots=2)
    market.placed(bid(market, "one"))
    began_ns = market.session.now_ns
    for account in (market.bot, ALL_ACCOUNTS):
        market.session.accept(market.session.stamp(gate_command(GateAction.KILL, account)))
        market.run(1_000)
    card = card_of(market)
    assert [breach.guard for breach in card.limits_breached] == ["kill_switch", "kill_switch"]
    assert card.limits_breached[0].time_ns == began_ns + 1
    assert card.limits_breached[1].time_ns == began_ns + 1 + NS_PER_S
    assert card.limit_breaches == 2
    others = [one for one in market.session.bot_cards() if one.account != market.bot]
    assert all(one.limit_breaches <= 1 for one in others)
    assert any(reason.startswith("latched by the risk gate: kill switch at") for reason in card.reasons)
