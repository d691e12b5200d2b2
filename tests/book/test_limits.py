"""The hot book's one limit but memory: how many orders may be live."""

from __future__ import annotations

import pytest

from engine.book import hot
from engine.core.errors import DataError
from tests.book.books import SmallHotBook
from tests.book.streams import wild_stream


def test_more_orders_than_slots_are_refused_before_anything_is_lost(monkeypatch):
    monkeypatch.setattr(hot, "MAX_LIVE_ORDERS", 100)
    book = SmallHotBook()
    with pytest.raises(DataError, match="more than 100 live orders"):
        book.apply(wild_stream(3_000))
    book._check()
    assert book.order_count >= 100
