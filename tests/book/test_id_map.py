"""The hot book's map from order ids to orders, where ids crowd it."""

from __future__ import annotations

import pytest

from engine.arena.wordmap import home_entry
from tests.book.books import HotBook, InterpretedHotBook
from tests.book.streams import event_array


@pytest.mark.parametrize("book_class", [HotBook, InterpretedHotBook])
def test_ids_that_share_one_home_are_all_found_and_all_leave(book_class):
    book = book_class()
    length = len(book.row.ids)
    # Near the end of the map, so that the run of taken entries goes over it.
    ids = [order_id for order_id in range(100_000) if home_entry(book.row.ids, order_id) >= length - 4]
    assert len(ids) > 80
    book.apply(event_array([(0, 100, 1, order_id, 1, 1, 0) for order_id in ids]))
    assert len(book.row.ids) == length
    book._check()
    assert book.orders_at(0, 100) == tuple(ids)
    for step in (7, 3, 2):
        leaving, ids = ids[::step], [order_id for i, order_id in enumerate(ids) if i % step]
        book.apply(event_array([(0, 0, 0, order_id, 1, 2, 0) for order_id in leaving]))
        book._check()
        assert book.orders_at(0, 100) == tuple(ids)
        assert {book.order(order_id) for order_id in leaving} == {None}
