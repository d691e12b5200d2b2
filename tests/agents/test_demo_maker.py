"""The demo strategy as a pure function, over all touches and inventories."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from engine.agents.demo_maker import LIMIT_UNITS, STOP_SHARE, carry_cost, quote

UNITS = st.integers(1, 1_000)
POSITIONS = st.integers(-100_000, 100_000)


@given(st.integers(1, 10**9), st.integers(1, 10**4), POSITIONS, UNITS, st.integers(-500, 500))
def test_quotes_are_never_crossed_and_never_pass_the_limit(bid, spread, position, unit, gain):
    cost = position * bid + gain
    quotes = quote(best_bid=bid, best_ask=bid + spread, position_lots=position, cost=cost, unit_lots=unit)
    if quotes.dump_lots:
        assert quotes.dump_lots == position
        assert (quotes.bid_ticks, quotes.bid_lots, quotes.ask_ticks, quotes.ask_lots) == (None, 0, None, 0)
        return
    limit = LIMIT_UNITS * unit
    if quotes.bid_ticks is not None:
        assert 0 < quotes.bid_ticks < bid + spread
        assert quotes.bid_lots > 0
        assert position + quotes.bid_lots <= limit
    if quotes.ask_ticks is not None:
        assert quotes.ask_ticks > bid
        assert quotes.ask_lots > 0
        assert position - quotes.ask_lots >= -limit
    if quotes.bid_ticks is not None and quotes.ask_ticks is not None:
        assert quotes.bid_ticks < quotes.ask_ticks


@given(st.integers(100, 10**6), st.integers(1, 100), POSITIONS, UNITS)
def test_it_gives_up_exactly_beyond_its_stop(bid, spread, position, unit):
    for loss in (0, abs(position) * bid // STOP_SHARE * 2 + 1):
        mark = bid if position > 0 else bid + spread
        cost = position * mark + loss
        quotes = quote(best_bid=bid, best_ask=bid + spread, position_lots=position, cost=cost, unit_lots=unit)
        beyond = position != 0 and loss * STOP_SHARE > abs(cost)
        assert (quotes.dump_lots != 0) is beyond


TRADES = st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 1_000)), max_size=30)


@given(TRADES)
def test_the_cost_of_a_position_is_its_average_price_times_its_size(trades):
    """Within one tick-lot a step, since it stays an integer."""
    position = cost = 0
    average = Fraction(0)
    for steps, (lots, price) in enumerate(trades, 1):
        cost = carry_cost(position_lots=position, cost=cost, traded_lots=lots, paid=lots * price)
        after = position + lots
        if position * lots >= 0:
            average = (average * position + lots * price) / after
        elif position * after <= 0:
            average = Fraction(price)
        position = after
        assert abs(cost - average * position) <= steps
        if position == 0:
            assert cost == 0
