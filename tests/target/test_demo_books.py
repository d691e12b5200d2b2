"""The demo bot's bookkeeping: exact whatever happens, and honest over a new session."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Instrument
from engine.market.exchange import Exchange
from engine.market.ledger import MICRO, FeeSchedule
from engine.target.demo_books import DemoBooks


def opened(**changes: object) -> DemoBooks:
    books = DemoBooks()
    open_session(books, **changes)
    return books


def open_session(books: DemoBooks, **changes: object) -> None:
    terms: dict[str, object] = {
        "currency": "USD",
        "tick_size": "0.01",
        "lot_size": "1",
        "position_lots": 0,
        "twice_mid_ticks": None,
    }
    books.open_session(**(terms | changes))  # type: ignore[arg-type]


def test_it_starts_with_ten_thousand() -> None:
    books = opened()
    assert books.equity_micro == 10_000_000_000
    assert (books.position_lots, books.total_trades) == (0, 0)


def test_a_round_trip_is_one_trade_that_wins_or_loses_after_its_fee() -> None:
    books = opened()
    books.mark(2 * 1000)
    books.fill(traded_lots=10, price_ticks=1000, fee=0)
    assert books.total_trades == 0
    books.fill(traded_lots=-4, price_ticks=1005, fee=5 * MICRO)
    assert (books.total_trades, books.wins, books.losses) == (1, 1, 0)
    books.fill(traded_lots=-4, price_ticks=1001, fee=5 * MICRO)
    assert (books.total_trades, books.wins, books.losses) == (2, 1, 1)
    books.fill(traded_lots=-2, price_ticks=1000, fee=0)
    assert (books.total_trades, books.wins, books.losses) == (3, 1, 1)
    assert books.realised_micro == (20 + 4 - 10) * MICRO * Fraction("0.01")
    assert books.unrealised_micro == 0
    assert books.cost_tick_lots == 0


def test_a_fill_that_turns_the_position_round_closes_and_opens() -> None:
    books = opened()
    books.mark(2 * 1000)
    books.fill(traded_lots=3, price_ticks=1000, fee=0)
    books.fill(traded_lots=-5, price_ticks=1010, fee=0)
    assert (books.position_lots, books.cost_tick_lots) == (-2, -2020)
    assert (books.total_trades, books.wins) == (1, 1)
    assert books.realised_micro == 30 * MICRO * Fraction("0.01")
    assert books.unrealised_micro == 20 * MICRO * Fraction("0.01")


def test_half_ticks_of_the_mid_are_exact() -> None:
    books = opened()
    books.fill(traded_lots=1, price_ticks=100, fee=0)
    books.mark(201)
    assert books.equity_micro == 10_000_000_000 + 5_000


def test_a_new_session_keeps_the_equity_and_settles_what_was_open() -> None:
    books = opened()
    books.mark(2 * 1000)
    books.fill(traded_lots=10, price_ticks=990, fee=0)
    before = books.equity_micro
    open_session(books, tick_size="0.5")
    assert (books.position_lots, books.equity_micro) == (0, before)
    assert books.realised_micro == before - 10_000_000_000
    books.mark(2 * 7777)
    assert books.equity_micro == before


def test_another_currency_starts_again_at_the_beginning() -> None:
    books = opened()
    books.mark(2 * 1000)
    books.fill(traded_lots=10, price_ticks=990, fee=0)
    books.fill(traded_lots=-10, price_ticks=1000, fee=0)
    open_session(books, currency="EUR")
    assert (books.equity_micro, books.total_trades, books.wins) == (10_000_000_000, 0, 0)


def test_a_position_found_in_the_account_is_taken_over_at_mid() -> None:
    books = opened(position_lots=-7)
    books.fill(traded_lots=-1, price_ticks=1000, fee=0)
    books.mark(2 * 1000)
    assert (books.position_lots, books.equity_micro) == (-8, 10_000_000_000)
    books.adopt(5)
    assert (books.position_lots, books.equity_micro) == (5, 10_000_000_000)


FILLS = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool), st.integers(1, 10_000), st.integers(-5, 30), st.integers(2, 20_000)
    ),
    max_size=40,
)


@given(FILLS)
def test_the_books_agree_with_the_ledger_to_the_last_digit(fills: list[tuple[int, int, int, int]]) -> None:
    books, fee_ppm = opened(), 20
    instrument = Instrument("ACME", Decimal("0.01"), Decimal(1), "USD", 1)
    exchange = Exchange(instrument=instrument, fees=FeeSchedule(maker_ppm=fee_ppm, taker_ppm=0))
    ledger = exchange.ledger
    for traded_lots, price_ticks, _, twice_mid_ticks in fills:
        side = 0 if traded_lots > 0 else 1
        before = ledger.entry(2).fees
        for account, order_side in ((2, side), (9, 1 - side)):
            exchange.enter(
                account=account, side=order_side, price_ticks=price_ticks, qty_lots=abs(traded_lots)
            )
        fee = ledger.entry(2).fees - before
        books.fill(traded_lots=traded_lots, price_ticks=price_ticks, fee=fee)
        books.mark(twice_mid_ticks)
        profit = ledger.equity(2, twice_mid_ticks) * Fraction("0.01")
        assert books.equity_micro == 10_000_000_000 + profit
        assert books.position_lots == ledger.position(2)
        assert books.wins + books.losses <= books.total_trades <= len(fills)
        if books.position_lots == 0:
            assert books.cost_tick_lots == 0


@given(FILLS)
def test_cost_has_the_sign_of_the_position(fills: list[tuple[int, int, int, int]]) -> None:
    books = opened()
    for traded_lots, price_ticks, fee, _ in fills:
        books.fill(traded_lots=traded_lots, price_ticks=price_ticks, fee=fee)
        assert books.cost_tick_lots * books.position_lots >= 0
