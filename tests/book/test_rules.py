"""The rule of every event type, on every book; first of all where Flowlab left it undefined."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from engine.book import ApplyCounts, HotBook, Level, running_digest
from engine.book.interface import TOP_DTYPE
from engine.core.errors import UsageError
from engine.core.types import EVENT_DTYPE, EventType, Side
from tests.book.books import BOOKS
from tests.book.streams import event, event_array, wild_stream

ADD, CANCEL, MODIFY, TRADE = EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE
BID, ASK = Side.BID, Side.ASK
TOP = 2**64 - 1
LIMIT = 2**63 - 1


@pytest.fixture(params=BOOKS)
def book(request):
    made = request.param()
    yield made
    made._check()


def outcome(book, kind, order_id, side=0, price=0, qty=0):
    """Applies one event; the name of the one count that it raised."""
    counts = book.apply(event(kind, order_id, side, price, qty))
    assert sum(counts) == 1
    return counts._fields[counts.index(1)]


# Undefined in Flowlab, defined here


@pytest.mark.parametrize("order_id", [0, 1, 2**63, TOP])
def test_every_id_is_legal(book, order_id):
    assert outcome(book, CANCEL, order_id) == "unknown_order"
    assert outcome(book, ADD, order_id, BID, 100, 5) == "added"
    assert book.order(order_id) == (BID, 100, 5)
    assert outcome(book, CANCEL, order_id) == "cancelled"
    assert book.order(order_id) is None


@pytest.mark.parametrize("price", [0, 1, LIMIT - 1, LIMIT])
@pytest.mark.parametrize("side", [BID, ASK])
def test_every_price_of_63_bits_is_legal(book, side, price):
    outcome(book, ADD, 1, side, 1000, 5)
    assert outcome(book, ADD, 2, side, price, 7) == "added"
    better = max if side == BID else min
    assert (book.best_bid if side == BID else book.best_ask) == better(1000, price)
    assert book.levels(side) == sorted([Level(1000, 5, 1), Level(price, 7, 1)], reverse=side == BID)


@pytest.mark.parametrize("price", [LIMIT + 1, TOP])
def test_a_price_above_the_limit_is_rejected(book, price):
    outcome(book, ADD, 1, BID, 100, 5)
    assert outcome(book, ADD, 2, ASK, price, 5) == "rejected_price"
    assert outcome(book, MODIFY, 1, BID, price, 5) == "rejected_price"
    assert outcome(book, MODIFY, 3, BID, price, 5) == "rejected_price"
    assert (book.levels(BID), book.levels(ASK)) == ([Level(100, 5, 1)], [])


@pytest.mark.parametrize("qty", [LIMIT + 1, TOP])
def test_more_lots_than_a_level_can_hold_are_rejected(book, qty):
    outcome(book, ADD, 1, BID, 100, 5)
    assert outcome(book, ADD, 2, ASK, 100, qty) == "rejected_quantity"
    assert outcome(book, MODIFY, 1, BID, 100, qty) == "rejected_quantity"
    assert outcome(book, MODIFY, 3, BID, 100, qty) == "rejected_quantity"
    assert (book.levels(BID), book.levels(ASK)) == ([Level(100, 5, 1)], [])


@pytest.mark.parametrize("kind", [ADD, MODIFY])
@pytest.mark.parametrize("order_id", [1, 2], ids=["a live id", "a new id"])
def test_checks_are_made_in_order_and_the_first_names_the_count(book, kind, order_id):
    outcome(book, ADD, 1, BID, 100, LIMIT)
    assert outcome(book, kind, order_id, 2, TOP, 0) == "rejected_side"
    assert outcome(book, kind, order_id, ASK, TOP, 0) == "rejected_price"
    assert outcome(book, kind, order_id, ASK, LIMIT, 0) == "rejected_quantity"
    assert outcome(book, kind, order_id, ASK, LIMIT, TOP) == "rejected_quantity"
    assert outcome(book, ADD, 1, BID, 100, 1) == "rejected_duplicate"


def test_a_side_above_one_is_rejected(book):
    outcome(book, ADD, 1, BID, 100, 5)
    assert outcome(book, ADD, 2, 2, 100, 5) == "rejected_side"
    assert outcome(book, MODIFY, 1, 255, 101, 5) == "rejected_side"
    assert outcome(book, MODIFY, 3, 255, 101, 5) == "rejected_side"
    assert book.levels(BID) == [Level(100, 5, 1)]


def test_an_add_without_lots_is_rejected(book):
    assert outcome(book, ADD, 1, BID, 100, 0) == "rejected_quantity"
    assert outcome(book, MODIFY, 1, BID, 100, 0) == "rejected_quantity"
    assert book.order_count == 0


def test_a_duplicate_live_id_is_rejected_and_leaks_nothing(book):
    outcome(book, ADD, 1, BID, 100, 5)
    assert outcome(book, ADD, 1, BID, 100, 9) == "rejected_duplicate"
    assert outcome(book, ADD, 1, ASK, 200, 9) == "rejected_duplicate"
    outcome(book, CANCEL, 1)
    assert book.levels(BID) == book.levels(ASK) == []


def test_an_id_that_left_may_come_back(book):
    outcome(book, ADD, 1, BID, 100, 5)
    outcome(book, CANCEL, 1)
    assert outcome(book, ADD, 1, ASK, 200, 9) == "added"
    assert book.order(1) == (ASK, 200, 9)


@pytest.mark.parametrize("side", [BID, ASK])
def test_more_than_256_levels_are_kept_from_the_best_to_the_worst(book, side):
    prices = [1_000 + (i * 37) % 307 for i in range(307)]
    book.apply(event_array([(0, price, price, price, 1, ADD, side) for price in prices]))
    expected = sorted(prices, reverse=side == BID)
    assert book.levels(side) == [Level(price, price, 1) for price in expected]
    assert book.levels(side, 3) == book.levels(side)[:3]
    book._check()
    book.apply(event_array([(0, 0, 0, price, 1, CANCEL, side) for price in prices[:300]]))
    assert [level.price_ticks for level in book.levels(side)] == sorted(prices[300:], reverse=side == BID)


def test_a_crossed_book_is_legal_and_flagged(book):
    outcome(book, ADD, 1, BID, 100, 5)
    outcome(book, ADD, 2, ASK, 101, 5)
    assert not book.crossed
    assert outcome(book, ADD, 3, BID, 101, 5) == "added"
    assert book.crossed
    outcome(book, MODIFY, 3, BID, 102, 5)
    assert book.crossed
    outcome(book, CANCEL, 3)
    assert not book.crossed


def test_a_modify_leaves_no_ghost_of_the_old_quantity(book):
    outcome(book, ADD, 1, BID, 100, 10)
    assert outcome(book, MODIFY, 1, BID, 101, 4) == "modified"
    assert book.levels(BID) == [Level(101, 4, 1)]


def test_a_modify_may_change_the_side(book):
    outcome(book, ADD, 1, BID, 100, 10)
    assert outcome(book, MODIFY, 1, ASK, 100, 10) == "modified"
    assert (book.levels(BID), book.levels(ASK)) == ([], [Level(100, 10, 1)])


def test_a_modify_of_an_unknown_id_is_an_add(book):
    assert outcome(book, MODIFY, 1, ASK, 100, 10) == "added"
    assert book.order(1) == (ASK, 100, 10)


def test_a_modify_to_no_lots_is_rejected_and_the_order_stays(book):
    outcome(book, ADD, 1, BID, 100, 10)
    assert outcome(book, MODIFY, 1, BID, 101, 0) == "rejected_quantity"
    assert book.order(1) == (BID, 100, 10)


@pytest.mark.parametrize(
    ("side", "price", "qty", "queue"),
    [
        (BID, 100, 10, (1, 2, 3)),
        (BID, 100, 4, (1, 2, 3)),
        (BID, 100, 11, (2, 3, 1)),
        (BID, 101, 4, (2, 3)),
        (ASK, 100, 4, (2, 3)),
    ],
    ids=["the same again", "less", "more", "another price", "another side"],
)
def test_a_modify_keeps_its_place_only_at_the_same_price_with_no_more_lots(book, side, price, qty, queue):
    for order_id in (1, 2, 3):
        outcome(book, ADD, order_id, BID, 100, 10)
    assert outcome(book, MODIFY, 1, side, price, qty) == "modified"
    assert book.orders_at(BID, 100) == queue
    assert book.order(1) == (side, price, qty)


def test_a_modify_there_and_back_goes_to_the_end(book):
    for order_id in (1, 2):
        outcome(book, ADD, order_id, BID, 100, 10)
    outcome(book, MODIFY, 1, BID, 101, 10)
    outcome(book, MODIFY, 1, BID, 100, 10)
    assert book.orders_at(BID, 100) == (2, 1)


# The total of a level is an int64


def test_an_add_that_would_overflow_its_level_is_rejected(book):
    outcome(book, ADD, 1, BID, 100, LIMIT - 1)
    assert outcome(book, ADD, 2, BID, 100, 2) == "rejected_quantity"
    assert outcome(book, ADD, 2, BID, 100, 1) == "added"
    assert outcome(book, ADD, 3, BID, 100, 1) == "rejected_quantity"
    assert outcome(book, ADD, 3, BID, 99, LIMIT) == "added"
    assert book.levels(BID) == [Level(100, LIMIT, 2), Level(99, LIMIT, 1)]


def test_a_modify_that_would_overflow_its_level_is_rejected_and_the_order_stays(book):
    outcome(book, ADD, 1, ASK, 100, 10)
    outcome(book, ADD, 2, ASK, 100, 10)
    outcome(book, ADD, 3, ASK, 101, LIMIT)
    assert outcome(book, MODIFY, 1, ASK, 101, 1) == "rejected_quantity"
    assert outcome(book, MODIFY, 1, ASK, 100, LIMIT - 9) == "rejected_quantity"
    assert book.orders_at(ASK, 100) == (1, 2)
    assert outcome(book, MODIFY, 1, ASK, 100, LIMIT - 10) == "modified"
    assert book.levels(ASK, 1) == [Level(100, LIMIT, 2)]


def test_a_modify_of_an_unknown_id_that_would_overflow_is_rejected(book):
    outcome(book, ADD, 1, BID, 100, LIMIT)
    assert outcome(book, MODIFY, 2, BID, 100, 1) == "rejected_quantity"
    assert book.order(2) is None


# Cancel and trade


def test_a_partial_cancel_keeps_its_place(book):
    outcome(book, ADD, 1, BID, 100, 10)
    outcome(book, ADD, 2, BID, 100, 10)
    assert outcome(book, CANCEL, 1, qty=3) == "partially_cancelled"
    assert book.orders_at(BID, 100) == (1, 2)
    assert book.levels(BID) == [Level(100, 17, 2)]


@pytest.mark.parametrize("qty", [0, 10, 11, LIMIT, LIMIT + 1, TOP])
def test_a_cancel_of_nothing_or_of_everything_removes_the_order_and_its_level(book, qty):
    outcome(book, ADD, 1, BID, 100, 10)
    assert outcome(book, CANCEL, 1, qty=qty) == "cancelled"
    assert (book.levels(BID), book.best_bid) == ([], None)


def test_a_cancel_takes_side_and_price_from_the_order(book):
    outcome(book, ADD, 1, BID, 100, 10)
    outcome(book, ADD, 2, ASK, 200, 10)
    assert outcome(book, CANCEL, 1, side=ASK, price=200) == "cancelled"
    assert outcome(book, CANCEL, 2, side=77, price=TOP, qty=1) == "partially_cancelled"
    assert (book.levels(BID), book.levels(ASK)) == ([], [Level(200, 9, 1)])


def test_a_trade_fills_what_rests_and_no_more(book):
    outcome(book, ADD, 1, ASK, 100, 10)
    assert outcome(book, TRADE, 1, qty=4) == "traded"
    assert book.order(1) == (ASK, 100, 6)
    assert outcome(book, TRADE, 1, qty=7) == "traded"
    assert book.order(1) is None
    assert outcome(book, TRADE, 1, qty=1) == "unknown_order"


@pytest.mark.parametrize("qty", [10, 11, LIMIT, LIMIT + 1, TOP])
def test_a_trade_of_everything_and_more_removes_the_order(book, qty):
    outcome(book, ADD, 1, ASK, 100, 10)
    outcome(book, ADD, 2, ASK, 100, LIMIT - 10)
    assert outcome(book, TRADE, 1, qty=qty) == "traded"
    assert book.levels(ASK) == [Level(100, LIMIT - 10, 1)]


def test_a_trade_without_lots_is_rejected(book):
    outcome(book, ADD, 1, ASK, 100, 10)
    assert outcome(book, TRADE, 1, qty=0) == "rejected_quantity"
    assert outcome(book, TRADE, 2, qty=0) == "unknown_order"
    assert book.order(1) == (ASK, 100, 10)


def test_an_order_in_the_middle_leaves_the_others_in_place(book):
    for order_id in (1, 2, 3, 4):
        outcome(book, ADD, order_id, BID, 100, order_id)
    outcome(book, CANCEL, 2)
    assert book.orders_at(BID, 100) == (1, 3, 4)
    outcome(book, TRADE, 4, qty=4)
    assert book.orders_at(BID, 100) == (1, 3)
    assert book.orders_at(BID, 99) == book.orders_at(ASK, 100) == book.orders_at(BID, 101) == ()


@pytest.mark.parametrize("kind", [0, 5, 6, 15, 16, 17, 255])
def test_other_event_types_are_ignored_and_counted(book, kind):
    outcome(book, ADD, 1, BID, 100, 10)
    assert outcome(book, kind, 1, BID, 100, 10) == "ignored"
    assert book.order(1) == (BID, 100, 10)


def test_a_new_best_price_shows_and_goes(book):
    outcome(book, ADD, 1, BID, 100, 1)
    outcome(book, ADD, 2, BID, 102, 1)
    outcome(book, ADD, 3, BID, 101, 1)
    assert book.best_bid == 102
    outcome(book, CANCEL, 2)
    assert book.best_bid == 101
    outcome(book, MODIFY, 3, BID, 99, 1)
    assert book.best_bid == 100


# Tops


def test_the_top_after_each_event_has_price_and_total_of_both_sides(book):
    rows = [
        (ADD, 1, BID, 100, 5),
        (ADD, 2, BID, 100, 7),
        (ADD, 3, ASK, 100, 1),
        (ADD, 3, ASK, 90, 1),
        (MODIFY, 1, BID, 101, 2),
        (TRADE, 3, 0, 0, 9),
        (CANCEL, 1, 0, 0, 1),
        (99, 1, 0, 0, 0),
        (ADD, 4, ASK, 0, LIMIT),
        (CANCEL, 1, 0, 0, 0),
        (CANCEL, 2, 0, 0, 0),
    ]
    tops = np.ones(len(rows), TOP_DTYPE)
    book.apply(np.concatenate([event(*row) for row in rows]), tops)
    assert tops.tolist() == [
        (100, 5, 0, 0),
        (100, 12, 0, 0),
        (100, 12, 100, 1),
        (100, 12, 100, 1),
        (101, 2, 100, 1),
        (101, 2, 0, 0),
        (101, 1, 0, 0),
        (101, 1, 0, 0),
        (101, 1, 0, LIMIT),
        (100, 7, 0, LIMIT),
        (0, 0, 0, LIMIT),
    ]


def test_tops_do_not_depend_on_the_batches_and_change_nothing(book):
    events = wild_stream(500, ids=60, prices=30)
    whole, parts = np.ones(500, TOP_DTYPE), np.ones(500, TOP_DTYPE)
    other, without = type(book)(), type(book)()
    counts = book.apply(events, whole)
    for i in range(0, 500, 83):
        other.apply(events[i : i + 83], parts[i : i + 83])
    assert (whole == parts).all()
    assert (without.apply(events), without.digest()) == (counts, book.digest())
    assert book.apply(events[:0], whole[:0]) == ApplyCounts()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(2, TOP_DTYPE),
        np.zeros((3, 1), TOP_DTYPE),
        np.zeros(3, "i8"),
        np.zeros(6, TOP_DTYPE)[::2],
        np.frombuffer(bytes(96), TOP_DTYPE),
        [(0, 0, 0, 0)] * 3,
    ],
    ids=["too short", "two dimensions", "integers", "strided", "read-only", "a list"],
)
def test_tops_of_another_shape_are_refused_before_anything_changes(book, wrong):
    with pytest.raises(UsageError, match=r"3 events.*TOP_DTYPE"):
        book.apply(wild_stream(3), wrong)
    assert book.counts == ApplyCounts()


# Batches


def test_counts_are_per_batch_and_add_up(book):
    first = book.apply(event(ADD, 1, BID, 100, 10))
    second = book.apply(np.concatenate([event(ADD, 1, BID, 100, 10), event(TRADE, 1, qty=1)]))
    assert first == ApplyCounts(added=1)
    assert second == ApplyCounts(rejected_duplicate=1, traded=1)
    assert book.counts == ApplyCounts(added=1, rejected_duplicate=1, traded=1)
    assert book.statistics().counts == book.counts
    assert book.apply(np.zeros(0, EVENT_DTYPE)) == ApplyCounts()


def test_a_batch_may_be_read_only_strided_or_writable_and_stays_as_it_was(book):
    events = wild_stream(40)
    frozen = np.frombuffer(events.tobytes(), EVENT_DTYPE)
    before = events.tobytes()
    book.apply(events)
    other = type(book)()
    other.apply(np.repeat(frozen, 2)[::2])
    assert other.digest() == book.digest()
    third = type(book)()
    third.apply(frozen)
    assert third.digest() == book.digest()
    assert events.tobytes() == before
    assert events.flags.writeable


def test_joined_batches_are_events_although_numpy_drops_their_padding(book):
    events = wild_stream(200)
    joined = np.concatenate([events[:120], events[120:]])
    book.apply(joined)
    other = type(book)()
    other.apply(events)
    assert other.digest() == book.digest()
    assert running_digest(joined) == running_digest(events)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(3), np.zeros((2, 2), EVENT_DTYPE), [(0, 1, 1, 1, 1, 1, 0)], b"\0" * 40],
    ids=["floats", "two dimensions", "a list", "bytes"],
)
def test_something_that_is_no_event_array_is_refused_by_name(book, wrong):
    with pytest.raises(UsageError, match="EVENT_DTYPE"):
        book.apply(wrong)


def test_statistics_tell_the_fill(book):
    book.apply(wild_stream(2_000))
    statistics = book.statistics()
    assert statistics.orders == book.order_count > 0
    assert (statistics.bid_levels, statistics.ask_levels) == (book.level_count(0), book.level_count(1))
    if isinstance(book, HotBook):
        assert statistics.orders <= statistics.order_room
        assert max(statistics.bid_levels, statistics.ask_levels) <= statistics.level_room


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda book: pickle.loads(pickle.dumps(book))])
def test_a_copy_goes_on_like_the_original_and_apart_from_it(book, clone):
    events = wild_stream(3_000)
    book.apply(events[:2_000])
    at_copy = book.digest()
    other = clone(book)
    other._check()
    assert (other.digest(), other.counts) == (at_copy, book.counts)
    book.apply(events[2_000:])
    assert other.digest() == at_copy
    other.apply(events[2_000:])
    other._check()
    assert (other.digest(), other.counts) == (book.digest(), book.counts)
