from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.decimals import MAX_MEMO, FixedPoint, parse_fixed, step_exponent, step_size
from engine.feeds.drops import DropReason


@given(st.decimals(min_value=0, max_value=9 * 10**10, places=8))
def test_a_decimal_text_becomes_exactly_its_value_in_1e_8(value: Decimal) -> None:
    assert Decimal(parse_fixed(f"{value:f}")).scaleb(-8) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("61837.63000000", 6_183_763_000_000),
        ("0.00000001", 1),
        ("1", 100_000_000),
        ("1.5", 150_000_000),
        ("007.10", 710_000_000),
        ("0.000000010000", 1),
        ("92233720368.54775807", 2**63 - 1),
    ],
)
def test_decimals_are_exact_however_they_are_written(text: str, value: int) -> None:
    assert parse_fixed(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("NaN", DropReason.BAD_NUMBER),
        ("Infinity", DropReason.BAD_NUMBER),
        ("1e5", DropReason.BAD_NUMBER),
        ("", DropReason.BAD_NUMBER),
        (".5", DropReason.BAD_NUMBER),
        ("5.", DropReason.BAD_NUMBER),
        ("1_000", DropReason.BAD_NUMBER),
        (" 1", DropReason.BAD_NUMBER),
        ("+1", DropReason.BAD_NUMBER),
        ("1.2.3", DropReason.BAD_NUMBER),
        ("١٢", DropReason.BAD_NUMBER),
        ("9" * 5000, DropReason.BAD_NUMBER),
        ("-1.0", DropReason.NEGATIVE),
        ("0.000000001", DropReason.OFF_GRID),
        ("92233720368.54775808", DropReason.OUT_OF_RANGE),
        ("0.00000000", DropReason.NOT_POSITIVE),
    ],
)
def test_what_is_not_a_plain_decimal_is_refused_with_its_reason(text: str, reason: DropReason) -> None:
    value = parse_fixed(text)
    assert value <= 0
    assert FixedPoint.refusal(value) is reason


@given(st.text(max_size=50))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    assert -4 <= parse_fixed(text) < 2**63


def test_the_memory_of_texts_is_bounded() -> None:
    fixed = FixedPoint()
    for number in range(MAX_MEMO + 10):
        assert fixed[str(number)] == number * 10**8
    assert len(fixed) == 10


@pytest.mark.parametrize(
    ("texts", "step"),
    [
        (["61837.63", "61838.00"], "0.01"),
        (["61837.60", "61838.10"], "0.1"),
        (["100", "200.0"], "1"),
        (["0.00000001", "5"], "0.00000001"),
        (["0.00", "0.5"], "0.1"),
    ],
)
def test_the_step_is_the_finest_power_of_ten_that_occurs(texts: list[str], step: str) -> None:
    values = np.array([parse_fixed(text) for text in texts], dtype=np.int64)
    assert step_size(step_exponent(values)) == Decimal(step)
