"""Numbers, times and names at their limits: what comes from outside is refused, never raised on."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.feeds.drops import DropReason
from engine.feeds.venues.numbers import Numbers, Refused, epoch_ns, id_of, symbol_of, trade_id_of

S_NS = 1_000_000_000


@pytest.mark.parametrize("text", ["1e9999999", "-1e9999999", "0E9999999", "1e30", "9" * 31, "1e-31"])
def test_absurd_exponents_are_out_of_range(text: str) -> None:
    with pytest.raises(Refused) as refused:
        Numbers().number(text)
    assert refused.value.reason is DropReason.OUT_OF_RANGE


@pytest.mark.parametrize(
    "value", ["sNaN", "NaN", "Infinity", "1_000", " 1", "", "0x10", "\u0661", Decimal("sNaN")]
)
def test_what_is_no_plain_number_is_refused(value: Any) -> None:
    numbers = Numbers()
    for read in (numbers.number, lambda price: numbers.levels([(price, "1")])):
        with pytest.raises(Refused) as refused:
            read(value)
        assert refused.value.reason is DropReason.BAD_NUMBER


@pytest.mark.parametrize(
    ("value", "time_ns"),
    [
        (1_567_296_022, 1_567_296_022 * S_NS),
        ("1567296022565", 1_567_296_022_565_000_000),
        (1_567_296_022_565_123, 1_567_296_022_565_123_000),
        ("1660608033110362773", 1_660_608_033_110_362_773),
        (1_567_296_022.5, 1_567_296_022_500_000_000),
        ("1567296022.565", 1_567_296_022_565_000_000),
        (Decimal("1567296022.000000001"), 1_567_296_022_000_000_001),
        ("2021-04-17T16:43:30.452702Z", 1_618_677_810_452_702_000),
        ((1 << 63) - 1, (1 << 63) - 1),
    ],
)
def test_times_keep_every_digit_in_any_unit(value: Any, time_ns: int) -> None:
    assert epoch_ns(value) == time_ns


@pytest.mark.parametrize(
    "value",
    [0, -5, "", "soon", 1 << 63, 10**400, "9" * 30, "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59"],
)
def test_what_is_no_time_between_1970_and_2262_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as refused:
        epoch_ns(value)
    assert refused.value.reason is DropReason.BAD_TIME


@pytest.mark.parametrize("value", [-1, 1 << 63, "-1", "1.5", "", "9" * 20, "\u0661"])
def test_update_ids_have_63_bits(value: Any) -> None:
    with pytest.raises(Refused):
        id_of(value)
    assert id_of((1 << 63) - 1) == id_of(str((1 << 63) - 1)) == (1 << 63) - 1


def test_trade_ids_are_short_plain_text() -> None:
    assert [trade_id_of(value) for value in (None, "", 7, "ETH-12", "0xab")] == [
        None,
        None,
        "7",
        "ETH-12",
        "0xab",
    ]
    for value in ("a b", "x" * 81, "\n", -1):
        with pytest.raises(Refused):
            trade_id_of(value)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.decimals(allow_nan=True, allow_infinity=True)))
def test_anything_is_a_value_or_refused(value: Any) -> None:
    numbers = Numbers()
    for read in (numbers.price, numbers.size, epoch_ns, lambda text: symbol_of(str(text))):
        try:
            read(value)
        except Refused:
            continue
    for known in numbers.values():
        assert known.is_finite()
