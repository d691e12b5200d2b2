"""The levels of a hot book as arrays: the same as its list of levels."""

from __future__ import annotations

import numpy as np
import pytest

from engine.book.hot import HotBook
from tests.book.streams import steady_stream


@pytest.mark.parametrize("n", [None, 0, 1, 7, 10_000])
def test_level_arrays_hold_what_the_levels_say_and_belong_to_who_asked(n):
    book = HotBook()
    for side in (0, 1):
        assert [len(column) for column in book.level_arrays(side, n)] == [0, 0]
    book.apply(steady_stream(3, 2_000))
    for side in (0, 1):
        prices, lots = book.level_arrays(side, n)
        assert prices.dtype == lots.dtype == np.int64
        levels = book.levels(side, n)
        assert prices.tolist() == [level.price_ticks for level in levels]
        assert lots.tolist() == [level[1] for level in levels]
        before = book.levels(side)
        prices[:] = lots[:] = 0
        assert book.levels(side) == before
        assert len(before) > 7
