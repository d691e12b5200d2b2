"""All books give the same answers after every event: the hot ones, the reference and a witness."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import HotBook, ReferenceBook, kernels
from engine.book.interface import BookInterface
from tests.book.books import (
    InterpretedHotBook,
    ListBook,
    SmallHotBook,
    SmallInterpretedHotBook,
)
from tests.book.streams import event_array, steady_stream, wild_stream

_TOP = 2**64 - 1
_IDS = (0, 1, 2, 3, 4, 5, 1 << 34, 2 << 34, 3 << 34, 1 << 63, _TOP - 1, _TOP)
_PRICES = (0, 1, 99, 100, 101, 2**63 - 1, _TOP)
_QUANTITIES = (0, 1, 2, 5, 10, 2**63, _TOP - 1, _TOP)

_rows = st.tuples(
    st.just(0),
    st.sampled_from(_PRICES),
    st.sampled_from(_QUANTITIES) | st.integers(1, 12),
    st.sampled_from(_IDS),
    st.just(1),
    st.sampled_from((1, 1, 1, 2, 3, 3, 4, 5, 16)),
    st.sampled_from((0, 0, 0, 1, 1, 1, 2, 255)),
)


def assert_same_books(one: BookInterface, other: BookInterface) -> None:
    assert one.digest() == other.digest()
    assert (one.best_bid, one.best_ask, one.crossed) == (other.best_bid, other.best_ask, other.crossed)
    assert one.order_count == other.order_count
    assert one.counts == other.counts
    for side in (0, 1):
        assert one.levels(side) == other.levels(side)
        assert one.level_count(side) == other.level_count(side)


def assert_same_queues(one: BookInterface, other: BookInterface) -> None:
    for side in (0, 1):
        for level in one.levels(side):
            queue = one.orders_at(side, level.price_ticks)
            assert queue == other.orders_at(side, level.price_ticks)
            assert [one.order(order_id) for order_id in queue] == [
                other.order(order_id) for order_id in queue
            ]


def assert_witnessed(book: BookInterface, witness: ListBook) -> None:
    assert book.digest() == witness.digest()
    assert book.order_count == len(witness.rows)
    assert {name: count for name, count in book.counts._asdict().items() if count} == witness.counts
    for side in (0, 1):
        prices = witness.prices(side)
        assert [level.price_ticks for level in book.levels(side)] == prices
        assert [book.orders_at(side, price) for price in prices] == [
            witness.orders_at(side, price) for price in prices
        ]
        best = book.best_bid if side == 0 else book.best_ask
        assert best == (prices[0] if prices else None)


@settings(max_examples=60, deadline=None)
@given(st.lists(_rows, max_size=40))
def test_every_book_agrees_with_the_witness_after_every_event(rows):
    witness = ListBook()
    books = [ReferenceBook(), HotBook(), SmallHotBook(), SmallInterpretedHotBook()]
    events = event_array(rows)
    for i in range(len(events)):
        witness.apply_one(events[i])
        for book in books:
            book.apply(events[i : i + 1])
            book._check()
            assert_witnessed(book, witness)
        for row in witness.rows:
            assert {book.order(row[0]) for book in books} == {tuple(row[1:])}


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 60), st.lists(st.integers(1, 90), min_size=1)
)
def test_the_slicing_of_a_stream_into_batches_changes_nothing(seed, ids, prices, sizes):
    events = wild_stream(300, seed, ids=ids, prices=prices)
    whole, sliced = HotBook(), SmallHotBook()
    whole.apply(events)
    done = 0
    for size in itertools.cycle(sizes):
        sliced.apply(events[done : done + size])
        done += size
        if done >= len(events):
            break
    assert_same_books(whole, sliced)
    assert_same_queues(whole, sliced)


@pytest.mark.parametrize(
    ("hot_class", "seed"),
    [(HotBook, 1), (HotBook, 2), (SmallHotBook, 1), (SmallHotBook, 2), (SmallInterpretedHotBook, 3)],
)
def test_a_wild_stream_with_many_ids_and_levels_agrees_all_along(hot_class, seed):
    events = wild_stream(6_000, seed)
    reference, hot = ReferenceBook(), hot_class()
    for batch in np.split(events, range(0, len(events), 997)):
        assert reference.apply(batch) == hot.apply(batch)
        assert_same_books(reference, hot)
        hot._check()
        reference._check()
    assert_same_queues(reference, hot)
    assert reference.order_count > 600
    assert min(reference.level_count(0), reference.level_count(1)) > 250


@pytest.mark.parametrize("hot_class", [HotBook, InterpretedHotBook])
def test_a_steady_stream_agrees_all_along(hot_class):
    events = steady_stream(8_000, live_orders=2_000)
    reference, hot = ReferenceBook(), hot_class()
    for batch in np.split(events, range(0, len(events), 1_999)):
        assert reference.apply(batch) == hot.apply(batch)
        assert_same_books(reference, hot)
    hot._check()
    assert not reference.crossed
    assert min(reference.counts[:5]) > 100


def test_ids_that_share_one_home_are_all_found_and_all_leave():
    book = HotBook()
    length = len(book._id_map)
    candidates = np.arange(1_000_000, dtype=np.uint64)
    homes = InterpretedHotBook._kernels._home(candidates, book._id_map)
    # The last two entries of the map: the run of taken entries goes over its end.
    ids = candidates[homes >= length - 2][:900].tolist()
    assert len(ids) == 900
    book.apply(event_array([(0, 100, 1, order_id, 1, 1, 0) for order_id in ids]))
    assert len(book._id_map) == length
    book._check()
    assert book.orders_at(0, 100) == tuple(ids)
    for step in (7, 3, 2):
        leaving, ids = ids[::step], [order_id for i, order_id in enumerate(ids) if i % step]
        book.apply(event_array([(0, 0, 0, order_id, 1, 2, 0) for order_id in leaving]))
        book._check()
        assert book.orders_at(0, 100) == tuple(ids)


@pytest.mark.skipif(not HotBook.compiled, reason="STORMDESK_JIT=0: nothing is compiled")
def test_all_kinds_of_arrays_share_one_compiled_kernel():
    book = HotBook()
    events = wild_stream(30)
    book.apply(events)
    book.apply(events[::3])
    book.apply(np.frombuffer(events.tobytes(), events.dtype))
    book.apply(np.concatenate([events, events]))
    assert len(kernels.apply_events.signatures) == 1
