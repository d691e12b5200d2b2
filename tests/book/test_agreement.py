"""All books give the same answers after every event: reference, hot, columnar, and a witness of the tests.

The witnesses share the rules of interface.py and nothing else: sorted containers, compiled tables, sorts
over a whole log, brute force over a list.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.book import ApplyCounts, ReferenceBook, reconstruct
from engine.book.interface import TOP_DTYPE, BookInterface
from tests.book.books import BOOKS, COMPILED, ListBook
from tests.book.streams import crowded_stream, deep_stream, event_array, steady_stream, wild_stream

_LIMIT = 2**63 - 1
_MASK = 2**64 - 1
_IDS = (0, 1, 2, 3, 4, 5, 1 << 34, 2 << 34, 3 << 34, 1 << 63, _MASK - 1, _MASK)
_PRICES = (0, 1, 99, 100, 101, _LIMIT - 1, _LIMIT, _LIMIT + 1, _MASK)
_QUANTITIES = (0, 1, 2, 5, 10, 2**62, _LIMIT - 1, _LIMIT, _LIMIT + 1, _MASK)

any_rows = st.tuples(
    st.just(0),
    st.sampled_from(_PRICES),
    st.sampled_from(_QUANTITIES) | st.integers(1, 12),
    st.sampled_from(_IDS),
    st.just(1),
    st.sampled_from((1, 1, 1, 2, 3, 3, 4, 5, 16)),
    st.sampled_from((0, 0, 0, 1, 1, 1, 2, 255)),
)
"""Every rule: all types and unknown ones, ends of all ranges, ids that come back, over-cancels."""

crowding_rows = st.tuples(
    st.just(0),
    st.sampled_from((100, 101)),
    st.sampled_from((1, 2, 2**61, 2**62, 2**62 + 1, _LIMIT - 2**62, _LIMIT - 1, _LIMIT)),
    st.integers(0, 4),
    st.just(1),
    st.sampled_from((1, 1, 2, 3, 3, 4)),
    st.just(0),
)
"""Orders so large that the limits of two levels refuse many, and that one refusal decides the next."""

busy_rows = st.tuples(
    st.just(0),
    st.sampled_from((100, 101, _LIMIT)),
    st.sampled_from((0, 1, 2, 3, 10, _LIMIT, _LIMIT + 1, _MASK)),
    st.sampled_from((0, 1, _MASK)),
    st.just(1),
    st.sampled_from((1, 1, 2, 3, 4)),
    st.integers(0, 1),
)
"""Few ids and prices, so that most events find an order."""


def of_any_length(rows: st.SearchStrategy, longest: int) -> st.SearchStrategy:
    """Lists as often long as short; `lists` alone makes mostly short ones."""
    return st.lists(rows, max_size=longest) | st.lists(rows, min_size=longest // 2, max_size=longest)


streams = of_any_length(any_rows, 40) | of_any_length(crowding_rows, 25) | of_any_length(busy_rows, 25)


def applied(books: Iterable[BookInterface], events: np.ndarray) -> tuple[ApplyCounts, np.ndarray]:
    """Applies a batch to all books, which must agree about each event's outcome and top."""
    answers = []
    for book in books:
        tops = np.ones(len(events), TOP_DTYPE)
        counts = book.apply(events, tops)
        answers.append((type(book).__name__, counts, tops))
    _, counts, tops = answers[0]
    for name, other_counts, other_tops in answers[1:]:
        assert other_counts == counts, name
        different = np.flatnonzero(other_tops != tops)
        assert not len(different), f"{name}: another top after event {different[0]} of the batch"
    return counts, tops


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


def adds_of(book: BookInterface) -> np.ndarray:
    """The resting orders as events that make the book."""
    return event_array(
        [
            (0, level.price_ticks, book.order(order_id)[2], order_id, 1, 1, side)
            for side in (0, 1)
            for level in book.levels(side)
            for order_id in book.orders_at(side, level.price_ticks)
        ]
    )


@pytest.mark.parametrize("book_class", BOOKS)
@settings(max_examples=60)
@given(rows=streams)
def test_every_book_agrees_with_the_witness_after_every_event(book_class, rows):
    witness, book = ListBook(), book_class()
    events = event_array(rows)
    for i in range(len(events)):
        witness.apply_one(events[i])
        _, tops = applied([book], events[i : i + 1])
        assert tops[0].item() == witness.top()
        book._check()
        assert_witnessed(book, witness)
        for row in witness.rows:
            assert book.order(row[0]) == tuple(row[1:])


@settings(max_examples=100)
@given(rows=streams, opening=st.integers(0, 10))
def test_a_log_solved_whole_is_the_book_after_every_event(rows, opening):
    log, book = event_array(rows), ReferenceBook()
    book.apply(log[:opening])
    before, events = book.counts, log[opening:]
    solved = reconstruct(np.concatenate([adds_of(book), events]), opening=book.order_count)
    order_counts, tops = solved.order_counts(), solved.tops()
    for cut in range(len(events) + 1):
        if cut:
            top = np.zeros(1, TOP_DTYPE)
            counts = book.apply(events[cut - 1 : cut], top)
            assert counts[solved.outcomes[cut - 1]] == 1
            assert tops[cut - 1] == top[0]
        assert solved.digest_at(cut) == book.digest()
        assert order_counts[cut] == book.order_count
        assert [solved.levels_at(cut, side) for side in (0, 1)] == [book.levels(side) for side in (0, 1)]
        again = ReferenceBook()
        again.apply(solved.orders_at(cut))
        assert_same_queues(book, again)
    assert solved.counts == tuple(np.subtract(book.counts, before))


@settings(max_examples=40)
@given(
    start=st.integers(0, 2**32),
    ids=st.integers(1, 40),
    prices=st.integers(1, 60),
    sizes=st.lists(st.integers(1, 90), min_size=1),
)
def test_the_slicing_of_a_stream_into_batches_changes_nothing(start, ids, prices, sizes):
    events = wild_stream(300, start, ids=ids, prices=prices)
    whole = ReferenceBook()
    whole.apply(events)
    for book_class in BOOKS:
        sliced, done = book_class(), 0
        for size in itertools.cycle(sizes):
            sliced.apply(events[done : done + size])
            done += size
            if done >= len(events):
                break
        assert_same_books(whole, sliced)
        assert_same_queues(whole, sliced)


@pytest.mark.parametrize("book_class", BOOKS[1:])
def test_a_wild_stream_with_many_ids_and_levels_agrees_all_along(book_class, seed):
    events = wild_stream(6_000, seed)
    reference, book = ReferenceBook(), book_class()
    for batch in np.split(events, range(0, len(events), 997)):
        applied([reference, book], batch)
        assert_same_books(reference, book)
        reference._check()
        book._check()
    assert_same_queues(reference, book)
    assert min(reference.counts) > 10
    assert reference.order_count > 600
    assert min(reference.level_count(0), reference.level_count(1)) > 250


@pytest.mark.parametrize("book_class", BOOKS[1:])
@pytest.mark.parametrize("levels", [1, 3, 40])
def test_levels_at_their_limit_refuse_the_same_orders(book_class, levels, seed):
    events = crowded_stream(1_200, seed, levels=levels)
    reference, book = ReferenceBook(), book_class()
    for batch in np.split(events, (1, 600)):
        applied([reference, book], batch)
        assert_same_books(reference, book)
        book._check()
    assert_same_queues(reference, book)
    assert reference.counts.rejected_quantity > (100 if levels < 40 else 10)


@pytest.mark.parametrize("book_class", BOOKS[1:])
def test_a_steady_stream_agrees_all_along(book_class, seed):
    events = steady_stream(8_000, seed, live_orders=2_000)
    reference, book = ReferenceBook(), book_class()
    for batch in np.split(events, range(0, len(events), 1_999)):
        applied([reference, book], batch)
        assert_same_books(reference, book)
    book._check()
    assert not reference.crossed
    assert min(reference.counts[:5]) > 100


def test_a_book_of_100_000_levels_agrees_all_along():
    # Interpreted, the hot book moves its rungs one by one.
    levels = 100_000 if COMPILED else 2_000
    events = deep_stream(levels // 5, levels=levels)
    books = [book_class() for book_class in BOOKS if "Interpreted" not in book_class.__name__]
    for batch in np.split(events, (levels,)):
        counts, _ = applied(books, batch)
        for book in books[1:]:
            assert_same_books(books[0], book)
    assert books[0].level_count(0) + books[0].level_count(1) > 0.9 * levels
    assert books[0].crossed
    assert min(counts[:5]) > levels // 200
    for book in books:
        book._check()
