"""The ledger: exact integers whose sum is always minus the fees."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.types import SelfTrade, TimeInForce
from engine.market.ledger import MICRO, FeeSchedule, LedgerEntry
from engine.market.risk import RiskLimits
from tests.market.checked_market import LoopedExchange
from tests.paths import PATHS, running

ACCOUNTS = range(5)
LIMITS = RiskLimits()
MOST_FEE_PPM = 1_000_000
FEES = st.builds(
    FeeSchedule,
    maker_ppm=st.integers(-2_000, 2_000) | st.just(-MOST_FEE_PPM),
    taker_ppm=st.integers(-2_000, 5_000) | st.just(MOST_FEE_PPM),
)
PAIRS = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ACCOUNTS)).filter(
    lambda pair: pair[0] != pair[1] or pair[0] == 0  # only HISTORY trades with itself
)
EXECUTIONS = st.lists(
    st.tuples(
        PAIRS,
        st.integers(0, 1),
        st.integers(1, 100) | st.integers(1, LIMITS.max_price_ticks),
        st.integers(1, 100) | st.integers(1, LIMITS.max_order_lots),
    ),
    max_size=20,
)


class Books:
    """A ledger whose executions go through an exchange: a maker rests, a taker takes."""

    def __init__(self, fees: FeeSchedule = FeeSchedule()) -> None:  # noqa: B008 - an immutable tuple
        self.exchange = LoopedExchange(fees=fees, accounts=len(ACCOUNTS))
        self.ledger = self.exchange.ledger
        self.fees = fees
        self.reported = 0
        for account in ACCOUNTS:
            self.exchange.hear(account, self._add_fee)

    def execute(self, maker: int, taker: int, taker_side: int, price_ticks: int, qty_lots: int) -> int:
        """Books one execution. Returns its fees."""
        exchange, before, reported = self.exchange, self.exchange.trade_count, self.reported
        order = {"price_ticks": price_ticks, "qty_lots": qty_lots}
        exchange.enter(account=maker, side=1 - taker_side, **order)
        exchange.enter(account=taker, side=taker_side, time_in_force=TimeInForce.IOC, **order)
        assert exchange.trade_count == before + 1
        charged = price_ticks * qty_lots * sum(self.fees)
        assert self.reported - reported == charged
        return charged

    def _add_fee(self, report: Any) -> None:
        self.reported += report.fee


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40)
@given(FEES, EXECUTIONS, st.integers(0, 1 << 51))
def test_equity_over_all_accounts_is_exactly_minus_the_fees_at_any_mark(path, fees, executions, twice_mark):
    with running(path):
        books, charged = Books(fees), 0
        for (maker, taker), *rest in executions:
            charged += books.execute(maker, taker, *rest)
            books.ledger.check()
            assert sum(books.ledger.equity(account, twice_mark) for account in ACCOUNTS) == -charged
        assert sum(entry.fees for entry in books.ledger.accounts().values()) == charged
        books.exchange._check()


@pytest.mark.parametrize("path", PATHS)
@settings(max_examples=40)
@given(FEES, EXECUTIONS, st.integers(1, 1 << 51))
def test_each_account_stands_where_plain_fractions_put_it(path, fees, executions, twice_mark):
    with running(path):
        books = Books(fees)
        cash = dict.fromkeys(ACCOUNTS, Fraction(0))
        lots = dict.fromkeys(ACCOUNTS, 0)
        for (maker, taker), taker_side, price_ticks, qty_lots in executions:
            books.execute(maker, taker, taker_side, price_ticks, qty_lots)
            notional = Fraction(price_ticks * qty_lots)
            bought = qty_lots if taker_side == 0 else -qty_lots
            lots[taker] += bought
            lots[maker] -= bought
            cash[taker] -= bought * price_ticks + notional * fees.taker_ppm / 1_000_000
            cash[maker] += bought * price_ticks - notional * fees.maker_ppm / 1_000_000
        standings = books.ledger.standings(twice_mark)
        for account in ACCOUNTS:
            assert books.ledger.position(account) == standings.position_lots[account] == lots[account]
            worth = cash[account] + lots[account] * Fraction(twice_mark, 2)
            equity = books.ledger.equity(account, twice_mark)
            assert equity == standings.equity[account] == worth * MICRO


def test_the_largest_orders_of_the_gate_stay_exact_as_often_as_is_promised():
    """50,000 times at the highest fee, by one account on one side, so that nothing cancels out: the first
    puts the accounts where 49,998 would, then each path books one more."""
    books = Books(FeeSchedule(maker_ppm=MOST_FEE_PPM, taker_ppm=MOST_FEE_PPM))
    market, (lots, ticks) = books.exchange.market, LIMITS[:2]
    notional = lots * ticks * MICRO
    books.execute(1, 2, 0, ticks, lots)
    times = 49_998
    for row in (market.accounts[1], market.accounts[2]):
        row.cash.value *= times
        row.fees.value *= times
        for name in ("position_lots", "bought_lots", "sold_lots", "aggressive_lots"):
            setattr(row, name, getattr(row, name) * times)
    market.traded_lots *= times
    for path in PATHS:
        with running(path):
            books.execute(1, 2, 0, ticks, lots)
        times += 1
        maker, taker = books.ledger.entry(1), books.ledger.entry(2)
        assert (maker.cash, taker.cash) == (0, -2 * notional * times)
        assert (maker.fees, taker.fees) == (notional * times, notional * times)
        assert (maker.position_lots, taker.position_lots) == (-lots * times, lots * times)
        assert books.ledger.equity(2, 2 * ticks) == -notional * times
        books.exchange._check()


def test_wide_money_crosses_the_word_on_both_signs(kernel_path):
    """Sums that pass 2^63 and 2^64 upwards and downwards, one execution at a time."""
    books = Books(FeeSchedule(maker_ppm=-3, taker_ppm=7))
    expected = [0, 0]
    for taker_side in (0, 1, 1, 0, 1, 0, 0):
        for price_ticks, qty_lots in ((9_223_372, 1_000_000), (18_446_744, 1_000_000), (1 << 50, 1 << 40)):
            books.execute(1, 2, taker_side, price_ticks, qty_lots)
            sign = 1 if taker_side == 0 else -1
            expected[0] += price_ticks * qty_lots * (sign * MICRO + 3)
            expected[1] += price_ticks * qty_lots * (-sign * MICRO - 7)
            assert [books.ledger.entry(account).cash for account in (1, 2)] == expected


def test_equity_at_a_half_tick_is_exact(kernel_path):
    books = Books(FeeSchedule(maker_ppm=-1, taker_ppm=3))
    books.execute(1, 2, 0, 101, 7)
    ledger = books.ledger
    assert (ledger.entry(1).fees, ledger.entry(2).fees) == (-707, 2121)
    # Mid 100.5: the buyer lost half a tick on seven lots, and the fee.
    assert ledger.equity(2, 201) == -7 * MICRO // 2 - 2121
    assert ledger.equity(1, 201) == 7 * MICRO // 2 + 707


@pytest.mark.parametrize("account", [-1, 3, 9])
def test_an_account_without_trades_has_nothing(account):
    ledger = Books().ledger
    assert (ledger.position(account), ledger.equity(account, 1_000)) == (0, 0)
    assert ledger.entry(account) == LedgerEntry()
    assert not ledger.accounts()


def test_volumes_are_counted_on_the_side_that_traded(kernel_path):
    books = Books()
    books.execute(1, 2, 1, 10, 4)
    books.execute(2, 1, 1, 11, 1)
    one, two = (books.ledger.entry(account) for account in (1, 2))
    assert (one.bought_lots, one.sold_lots, one.position_lots) == (4, 1, 3)
    assert (one.fills, one.aggressive_lots) == (2, 1)
    assert (two.bought_lots, two.sold_lots, two.position_lots) == (1, 4, -3)
    assert (two.fills, two.aggressive_lots) == (2, 4)
    assert list(books.ledger.accounts()) == [1, 2]


def spoil_cash(row: Any) -> None:
    row.cash.value += 1


def spoil_position(row: Any) -> None:
    row.position_lots += 1


def spoil_volume(row: Any) -> None:
    row.bought_lots += 1


@pytest.mark.parametrize("spoil", [spoil_cash, spoil_position, spoil_volume])
def test_the_check_sees_one_unit_that_is_out_of_place(spoil):
    books = Books()
    books.execute(1, 2, 0, 10, 4)
    books.ledger.check()
    spoil(books.exchange.market.accounts[1])
    with pytest.raises(AssertionError):
        books.ledger.check()


def test_every_account_pays_its_own_fees(kernel_path):
    exchange = LoopedExchange(fees=FeeSchedule(maker_ppm=-3, taker_ppm=7))
    exchange.set_fees(1, FeeSchedule(maker_ppm=100, taker_ppm=200))
    reports = [exchange.listen(account) for account in (1, 2)]
    for maker, taker in ((1, 2), (2, 1), (2, 3), (1, 1)):
        exchange.enter(account=maker, side=1, price_ticks=10, qty_lots=4)
        exchange.enter(account=taker, side=0, price_ticks=10, qty_lots=4, self_trade=SelfTrade.ALLOW)
    fees = {account: exchange.ledger.entry(account).fees for account in (1, 2, 3)}
    assert fees == {1: 40 * (100 + 200 + 100 + 200), 2: 40 * (7 - 3 - 3), 3: 40 * 7}
    assert [sum(report.fee for report in told) for told in reports] == [fees[1], fees[2]]
    exchange.ledger.check()
