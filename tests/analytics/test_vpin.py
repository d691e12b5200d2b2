"""VPIN against a list with one entry per lot."""

from __future__ import annotations

from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.analytics import Analytics
from engine.analytics.records import VPIN_BUCKET_UNITS, VPIN_BUCKETS, VpinWindow
from engine.analytics.vpin import add_print, vpin_value
from engine.arena.memory import Arena

PRINTS = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 1)), max_size=60)


def window(bucket_lots: int) -> VpinWindow:
    """An empty window with buckets of this size."""
    vpin = Analytics(Arena(), unit_lots=1).row.vpin
    vpin.bucket_lots = bucket_lots
    return vpin


def lot_by_lot(prints: list[tuple[int, int]], bucket_lots: int) -> float | None:
    """The definition: cut the sequence of signed lots into full buckets, take the last 50 of them."""
    lots = [1 if side == 0 else -1 for qty, side in prints for _ in range(qty)]
    full = [lots[i : i + bucket_lots] for i in range(0, len(lots) - bucket_lots + 1, bucket_lots)]
    if not full:
        return None
    full = full[-VPIN_BUCKETS:]
    return sum(abs(sum(bucket)) for bucket in full) / (len(full) * bucket_lots)


@given(PRINTS, st.integers(1, 25))
def test_it_equals_its_definition_after_every_print(prints, bucket_lots):
    vpin = window(bucket_lots)
    for number, (qty_lots, side) in enumerate(prints, 1):
        add_print(vpin, qty_lots, side)
        value = vpin_value(vpin)
        assert (None if isnan(value) else value) == lot_by_lot(prints[:number], bucket_lots)
        assert isnan(value) or 0.0 <= value <= 1.0


def test_a_bucket_holds_so_many_usual_orders():
    assert Analytics(Arena(), unit_lots=7).row.vpin.bucket_lots == 7 * VPIN_BUCKET_UNITS


def test_a_print_is_split_over_the_buckets_that_it_fills():
    vpin = window(10)
    add_print(vpin, 5, 0)
    assert isnan(vpin_value(vpin))
    add_print(vpin, 25, 1)  # 5 close the first bucket at balance, 20 fill two more with sells
    assert vpin.bucket_count == 3
    assert vpin_value(vpin) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("sides", "value"), [([0], 1.0), ([1], 1.0), ([0, 1], 0.0)])
def test_one_sided_flow_is_one_and_balanced_flow_is_nought(sides, value):
    vpin = window(10)
    for _ in range(2 * VPIN_BUCKETS):
        for side in sides:
            add_print(vpin, 5, side)
    assert vpin_value(vpin) == value


def test_only_the_last_buckets_count():
    vpin = window(10)
    add_print(vpin, 1_000, 0)
    for _ in range(2 * VPIN_BUCKETS):
        add_print(vpin, 5, 0)
        add_print(vpin, 5, 1)
    assert vpin_value(vpin) == 0.0


def test_a_print_beyond_all_windows_costs_no_more_than_the_window():
    vpin = window(10)
    add_print(vpin, 3, 1)
    add_print(vpin, 2**62 + 4, 0)
    assert (vpin.filled_lots, vpin.signed_lots) == ((3 + 2**62 + 4) % 10, (3 + 2**62 + 4) % 10)
    assert vpin.bucket_count <= VPIN_BUCKETS + 2
    assert vpin_value(vpin) == 1.0
