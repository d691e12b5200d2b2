"""VPIN against a list with one entry per lot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analytics import Vpin

PRINTS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 1)), max_size=60)


def lot_by_lot(prints: list[tuple[int, int]], bucket_lots: int, buckets: int) -> float | None:
    """The definition: cut the sequence of signed lots into full buckets, take the last n of them."""
    lots = [1 if side == 0 else -1 for qty, side in prints for _ in range(qty)]
    full = [lots[i : i + bucket_lots] for i in range(0, len(lots) - bucket_lots + 1, bucket_lots)][-buckets:]
    if not full:
        return None
    return sum(abs(sum(bucket)) for bucket in full) / (len(full) * bucket_lots)


@given(PRINTS, st.integers(1, 25), st.integers(1, 6))
def test_it_equals_its_definition_after_every_print(prints, bucket_lots, buckets):
    vpin = Vpin(bucket_lots=bucket_lots, buckets=buckets)
    for number, (qty_lots, side) in enumerate(prints, 1):
        vpin.add(qty_lots, side)
        assert vpin.value == lot_by_lot(prints[:number], bucket_lots, buckets)
        assert vpin.value is None or 0.0 <= vpin.value <= 1.0
        assert vpin.statistics()["buckets"] <= vpin.statistics()["limit"] == buckets


def test_a_print_is_split_over_the_buckets_that_it_fills():
    vpin = Vpin(bucket_lots=10)
    vpin.add(5, 0)
    assert vpin.value is None
    vpin.add(25, 1)  # 5 close the first bucket at balance, 20 fill two more with sells
    assert vpin.statistics()["buckets"] == 3
    assert vpin.value == pytest.approx(2 / 3)


@pytest.mark.parametrize(("sides", "value"), [([0], 1.0), ([1], 1.0), ([0, 1], 0.0)])
def test_one_sided_flow_is_one_and_balanced_flow_is_nought(sides, value):
    vpin = Vpin(bucket_lots=10, buckets=3)
    for _ in range(20):
        for side in sides:
            vpin.add(5, side)
    assert vpin.value == value


def test_only_the_last_buckets_count():
    vpin = Vpin(bucket_lots=10, buckets=2)
    vpin.add(1_000, 0)
    for _ in range(4):
        vpin.add(5, 0)
        vpin.add(5, 1)
    assert vpin.value == 0.0
