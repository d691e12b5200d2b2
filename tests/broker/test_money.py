"""Decimals of an instrument, exact both ways."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.broker.money import MAX_DECIMAL_CHARS, Money, Step, parse_decimal
from engine.core.types import Instrument

steps = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(1, 999), st.integers(-9, 4)
)


@given(step=steps, count=st.integers(-(10**15), 10**15), decimals=st.integers(0, 12))
def test_a_text_is_the_exact_number_with_at_least_so_many_digits(
    step: Decimal, count: int, decimals: int
) -> None:
    text = Step.of(step).text(count, decimals)
    assert Decimal(text) == step * count
    assert "e" not in text.lower()
    assert len(text.partition(".")[2]) >= decimals


@given(step=steps, count=st.integers(0, 10**12))
def test_what_was_written_is_read_again(step: Decimal, count: int) -> None:
    parsed = Step.of(step)
    assert parsed.steps(parsed.text(count)) == count
    assert parsed.floor(parsed.text(count)) == count


@given(step=steps, text=st.decimals(0, 10**9, places=9).map(lambda number: f"{number:f}"))
def test_what_is_no_multiple_is_refused_or_rounded_down(step: Decimal, text: str) -> None:
    parsed, whole = Step.of(step), int(Decimal(text) // step)
    assert parsed.floor(text) == whole
    assert parsed.steps(text) == (whole if whole * step == Decimal(text) else None)


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "+1", "1e3", " 1", "1_0", "0x1", "nan", "１", "1.2.3", "1" * 41]
)
def test_what_is_no_plain_decimal_is_none(text: str) -> None:
    assert parse_decimal(text) is None
    assert Step.of(Decimal("0.01")).steps(text) is None
    assert Step.of(Decimal("0.01")).floor(text) is None


def test_plain_decimals_may_lack_a_side() -> None:
    assert parse_decimal("0.0150") == (150, 4)
    assert parse_decimal("5.") == (5, 0)
    assert parse_decimal(".5") == (5, 1)
    assert parse_decimal("1" * MAX_DECIMAL_CHARS) is not None


@pytest.mark.parametrize(
    ("symbol", "currency", "names"),
    [
        ("BTCUSDT", "USDT", ("BTC", "USDT", "BTCUSDT")),
        ("ACME", "USD", ("ACME", "USD", "ACMEUSD")),
        ("btc-usd", "usd", ("BTC", "USD", "BTCUSD")),
        ("USD", "USD", ("USD", "USD", "USDUSD")),
    ],
)
def test_an_instrument_has_its_names_at_the_venue(symbol: str, currency: str, names: tuple[str, ...]) -> None:
    money = Money(Instrument(symbol, Decimal("0.01"), Decimal(1), currency, 10))
    assert (money.base, money.quote, money.symbol) == names


def test_prices_quantities_and_amounts_of_an_instrument() -> None:
    money = Money(Instrument("BTCUSDT", Decimal("0.10"), Decimal("0.00001"), "USDT", 100))
    assert (money.price_text(12_345), money.ticks("1234.5")) == ("1234.50000000", 12_345)
    assert (money.quantity_text(1), money.lots("0.00001")) == ("0.00001000", 1)
    assert money.amount_text(1) == "0.000000000001"
    assert money.micro("1") == 10**12
    assert money.micro("0.0000000000019") == 1
