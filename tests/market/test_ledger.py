"""The ledger: exact integers whose sum is always minus the fees."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.ledger import MICRO, FeeSchedule, Ledger

ACCOUNTS = st.integers(0, 4)
FEES = st.builds(FeeSchedule, maker_ppm=st.integers(-2_000, 2_000), taker_ppm=st.integers(-2_000, 5_000))
EXECUTIONS = st.lists(
    st.fixed_dictionaries(
        {
            "maker": ACCOUNTS,
            "taker": ACCOUNTS,
            "taker_side": st.integers(0, 1),
            "price_ticks": st.integers(1, 1 << 50),
            "qty_lots": st.integers(1, 1 << 40),
        }
    ),
    max_size=30,
)


@given(FEES, EXECUTIONS, st.integers(0, 1 << 51))
def test_equity_over_all_accounts_is_exactly_minus_the_fees_at_any_mark(fees, executions, twice_mark):
    ledger = Ledger(fees)
    charged = 0
    for execution in executions:
        charged += sum(ledger.execute(**execution))
        ledger.check()
        assert sum(ledger.equity(account, twice_mark) for account in range(5)) == -charged
    assert sum(entry.fees for entry in ledger.accounts().values()) == charged


@given(FEES, EXECUTIONS, st.integers(1, 1 << 51))
def test_each_account_stands_where_plain_fractions_put_it(fees, executions, twice_mark):
    ledger = Ledger(fees)
    cash = dict.fromkeys(range(5), Fraction(0))
    lots = dict.fromkeys(range(5), 0)
    for e in executions:
        ledger.execute(**e)
        notional = Fraction(e["price_ticks"] * e["qty_lots"])
        bought = e["qty_lots"] if e["taker_side"] == 0 else -e["qty_lots"]
        lots[e["taker"]] += bought
        lots[e["maker"]] -= bought
        cash[e["taker"]] -= bought * e["price_ticks"] + notional * fees.taker_ppm / 1_000_000
        cash[e["maker"]] += bought * e["price_ticks"] - notional * fees.maker_ppm / 1_000_000
    for account in range(5):
        assert ledger.position(account) == lots[account]
        worth = cash[account] + lots[account] * Fraction(twice_mark, 2)
        assert ledger.equity(account, twice_mark) == worth * MICRO


def test_equity_at_a_half_tick_is_exact():
    ledger = Ledger(FeeSchedule(maker_ppm=-1, taker_ppm=3))
    maker_fee, taker_fee = ledger.execute(maker=1, taker=2, taker_side=0, price_ticks=101, qty_lots=7)
    assert (maker_fee, taker_fee) == (-707, 2121)
    # Mid 100.5: the buyer lost half a tick on seven lots, and the fee.
    assert ledger.equity(2, 201) == -7 * MICRO // 2 - 2121
    assert ledger.equity(1, 201) == 7 * MICRO // 2 + 707


def test_an_account_without_trades_has_nothing():
    ledger = Ledger()
    assert (ledger.position(9), ledger.equity(9, 1_000)) == (0, 0)
    assert not ledger.accounts()


def test_volumes_are_counted_on_the_side_that_traded():
    ledger = Ledger()
    ledger.execute(maker=1, taker=2, taker_side=1, price_ticks=10, qty_lots=4)
    ledger.execute(maker=2, taker=1, taker_side=1, price_ticks=11, qty_lots=1)
    one, two = ledger.open_account(1), ledger.open_account(2)
    assert (one.bought_lots, one.sold_lots, one.position_lots, one.fills, one.aggressive_lots) == (
        4,
        1,
        3,
        2,
        1,
    )
    assert (two.bought_lots, two.sold_lots, two.position_lots, two.fills, two.aggressive_lots) == (
        1,
        4,
        -3,
        2,
        4,
    )


def spoil_cash(ledger: Ledger) -> None:
    ledger.open_account(1).cash += 1


def spoil_position(ledger: Ledger) -> None:
    ledger.open_account(1).position_lots += 1


def spoil_volume(ledger: Ledger) -> None:
    ledger.open_account(1).bought_lots += 1


@pytest.mark.parametrize("spoil", [spoil_cash, spoil_position, spoil_volume])
def test_the_check_sees_one_unit_that_is_out_of_place(spoil):
    ledger = Ledger()
    ledger.execute(maker=1, taker=2, taker_side=0, price_ticks=10, qty_lots=4)
    ledger.check()
    spoil(ledger)
    with pytest.raises(AssertionError):
        ledger.check()
