from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds import decimals
from engine.feeds.decimals import FixedColumn, step_exponent
from engine.feeds.drops import DropReason
from engine.feeds.venues.numbers import Refused


def numbers(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


def values(column: FixedColumn, step: Decimal) -> list[Decimal]:
    return [steps * step for steps in column.values]


@given(st.lists(st.lists(st.decimals(0, 10**6, places=9), max_size=5), max_size=10))
def test_every_number_is_a_whole_number_of_steps_and_comes_back_exactly(batches: list[list[Decimal]]) -> None:
    column = FixedColumn()
    for batch in batches:
        column.extend(batch)
    step = column.settle()
    assert values(column, step) == [number for batch in batches for number in batch]
    assert step <= 1


@pytest.mark.parametrize(
    ("texts", "step"),
    [
        (["61837.63", "61838.00"], "0.01"),
        (["61837.60", "61838.10"], "0.1"),
        (["100", "200.0"], "1"),
        (["0.00000001", "5"], "0.00000001"),
        (["0.00", "0.5"], "0.1"),
        (["1E+3", "2000"], "1"),
        (["0.000000000001", "3"], "1E-12"),
        ([], "1"),
    ],
)
def test_the_step_is_the_finest_power_of_ten_that_occurs(texts: list[str], step: str) -> None:
    column = FixedColumn()
    column.extend(numbers(*texts))
    assert column.settle() == Decimal(step)
    assert values(column, Decimal(step)) == numbers(*texts)


def test_a_finer_number_in_the_middle_refines_all_before_it() -> None:
    column = FixedColumn()
    column.extend(numbers("5", "7.5"))
    column.extend(numbers("1", "0.0000000001", "2"))
    assert values(column, column.settle()) == numbers("5", "7.5", "1", "0.0000000001", "2")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9223372036854775808", DropReason.OUT_OF_RANGE),
        ("1E+25", DropReason.OUT_OF_RANGE),
        ("0.0000000000000000001", DropReason.OFF_GRID),
        ("1.23456789012345678901", DropReason.OFF_GRID),
    ],
)
def test_what_does_not_fit_63_bits_is_refused(text: str, reason: DropReason) -> None:
    column = FixedColumn()
    column.extend(numbers("5"))
    with pytest.raises(Refused) as raised:
        column.extend(numbers(text))
    assert raised.value.reason is reason
    column.truncate(1)
    assert values(column, column.settle()) == numbers("5")


def test_a_number_that_is_too_fine_beside_a_large_one_is_refused() -> None:
    column = FixedColumn()
    column.extend(numbers("90000000000"))
    column.extend(numbers("0.00000001"))
    with pytest.raises(Refused) as raised:
        column.extend(numbers("0.0000000001"))
    assert raised.value.reason is DropReason.OFF_GRID
    assert column.settle() == Decimal("0.00000001")


def test_a_large_number_fits_on_a_coarse_grid() -> None:
    """Meme coins: sizes beyond what fits at 1e-8."""
    column = FixedColumn()
    column.extend(numbers("999999999999999.00000000"))
    assert column.settle() == 1
    assert list(column.values) == [999999999999999]


def test_the_memory_of_numbers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimals, "MAX_MEMO", 10)
    column = FixedColumn()
    expected = [Decimal(number) for number in range(35)]
    column.extend(expected)
    assert column.statistics() == {"numbers": 5, "numbers_limit": 10}
    assert values(column, column.settle()) == expected


def test_the_exponent_of_the_step_divides_everything() -> None:
    assert step_exponent(np.array([100, 2500], np.int64), 8) == 2
    assert step_exponent(np.array([100, 2500], np.int64), 1) == 1
    assert step_exponent(np.array([0], np.int64), 3) == 3
