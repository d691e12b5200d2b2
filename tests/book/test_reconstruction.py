"""A whole log solved at once: its passes against brute force, its exact path, its cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.book import EMPTY_BOOK_DIGEST, ApplyCounts, ColumnarBook, Level, ReferenceBook, reconstruct
from engine.book import columnar as columnar_module
from engine.book.interface import TOP_DTYPE
from engine.book.lives import UNDECIDED, judge_alone, tell_stories
from engine.book.lives import _exact_sum as exact_sum
from engine.book.lives import _reachable as reachable
from engine.book.reconstruction import _last_covering as last_covering
from engine.core.errors import UsageError
from engine.core.types import EVENT_DTYPE, EventType, Side
from tests.book.streams import crowded_stream, event_array, itch_stream, steady_stream, wild_stream

ADD, CANCEL, MODIFY, TRADE = EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE
BID, ASK = Side.BID, Side.ASK
LIMIT = 2**63 - 1


def log(*events):
    """Events of (kind, order_id, qty) at one price of the bid side."""
    return event_array([(0, 100, qty, order_id, 1, kind, BID) for kind, order_id, qty in events])


def names(solved):
    return [ApplyCounts._fields[place] for place in solved.outcomes]


# Cuts


def test_an_empty_log_has_one_cut_and_an_empty_book():
    solved = reconstruct(np.zeros(0, EVENT_DTYPE))
    assert (solved.end, solved.rounds, solved.counts) == (0, 1, ApplyCounts())
    assert solved.digest_at(0) == EMPTY_BOOK_DIGEST
    assert solved.order_counts().tolist() == [0]
    assert solved.tops().tolist() == []


def test_a_log_of_nothing_but_events_without_effect_leaves_the_book_empty():
    solved = reconstruct(log((CANCEL, 1, 0), (5, 1, 1), (TRADE, 1, 0), (ADD, 1, 0)))
    assert names(solved) == ["unknown_order", "ignored", "unknown_order", "rejected_quantity"]
    assert solved.digest_at(4) == EMPTY_BOOK_DIGEST
    assert solved.tops().tolist() == [(0, 0, 0, 0)] * 4


def test_every_cut_shows_its_own_levels():
    solved = reconstruct(log((ADD, 1, 5), (ADD, 2, 7), (CANCEL, 1, 0), (TRADE, 2, 9), (ADD, 1, 3)))
    expected = [[], [(100, 5, 1)], [(100, 12, 2)], [(100, 7, 1)], [], [(100, 3, 1)]]
    assert [solved.levels_at(cut, BID) for cut in range(6)] == expected
    assert solved.order_counts().tolist() == [0, 1, 2, 1, 0, 1]


@pytest.mark.parametrize("cut", [-1, 2])
def test_a_cut_outside_the_log_is_a_defect_of_the_caller(cut):
    with pytest.raises(AssertionError):
        reconstruct(log((ADD, 1, 5))).levels_at(cut, BID)


def test_the_opening_is_the_book_of_cut_0_and_is_not_counted():
    events = log((ADD, 1, 5), (ADD, 2, 7), (CANCEL, 1, 0))
    solved = reconstruct(events, opening=2)
    assert (solved.end, solved.counts) == (1, ApplyCounts(cancelled=1))
    assert [solved.levels_at(cut, BID) for cut in (0, 1)] == [[Level(100, 12, 2)], [Level(100, 7, 1)]]
    assert solved.order_counts().tolist() == [2, 1]
    assert solved.tops().tolist() == [(100, 7, 0, 0)]


def test_something_that_is_no_event_array_is_refused_by_name():
    with pytest.raises(UsageError, match="EVENT_DTYPE"):
        reconstruct(np.zeros(3))


def test_a_long_log_is_right_at_chosen_cuts(seed):
    events = steady_stream(20_000, seed, live_orders=3_000)
    solved, book, done = reconstruct(events), ReferenceBook(), 0
    for cut in (1, 2_999, 3_000, 3_001, 11_111, 22_999, 23_000):
        book.apply(events[done:cut])
        done = cut
        assert solved.digest_at(cut) == book.digest()
        assert solved.order_counts()[cut] == book.order_count
        assert [solved.levels_at(cut, side) for side in (0, 1)] == [book.levels(side) for side in (0, 1)]
        assert solved.levels_at(cut, BID)[0].qty_lots == solved.tops()["bid_qty"][cut - 1]


@pytest.mark.parametrize("make", [itch_stream, wild_stream, crowded_stream, steady_stream])
def test_versions_of_an_order_or_a_level_do_not_overlap(make):
    solved = reconstruct(make(2_000))
    for versions, key in ((solved.orders, "order_id"), (solved.levels, "level")):
        assert len(versions) > 100
        assert (versions["since"] < versions["until"]).all()
        same = versions[key][1:] == versions[key][:-1]
        assert (versions["until"][:-1] <= versions["since"][1:])[same].all()


# Lives


def test_an_id_lives_as_often_as_it_comes_back():
    events = [event for qty in range(1, 300) for event in ((ADD, 7, qty), (ADD, 7, 1), (TRADE, 7, qty))]
    solved = reconstruct(log(*events))
    assert names(solved) == ["added", "rejected_duplicate", "traded"] * 299
    assert [solved.levels_at(cut, BID) for cut in (1, 2, 3, 4)] == [
        [(100, 1, 1)],
        [(100, 1, 1)],
        [],
        [(100, 2, 1)],
    ]


def test_what_is_asked_for_between_two_lives_is_forgotten():
    solved = reconstruct(
        log((ADD, 1, 5), (TRADE, 1, 9), (TRADE, 1, 9), (CANCEL, 1, 3), (ADD, 1, 4), (CANCEL, 1, 3))
    )
    assert names(solved)[2:] == ["unknown_order", "unknown_order", "added", "partially_cancelled"]
    assert solved.levels_at(6, BID) == [(100, 1, 1)]


def test_a_modify_forgets_what_was_taken_before():
    solved = reconstruct(log((ADD, 1, 5), (TRADE, 1, 4), (MODIFY, 1, 6), (CANCEL, 1, 5), (CANCEL, 1, 1)))
    assert names(solved) == ["added", "traded", "modified", "partially_cancelled", "cancelled"]
    assert [bool(solved.levels_at(cut, BID)) for cut in (4, 5)] == [True, False]


@given(st.lists(st.integers(0, 12), max_size=12), st.data())
def test_reachable_nodes_are_those_that_a_walk_meets(steps, data):
    count = len(steps)
    successor = np.array([min(i + 1 + step, count) for i, step in enumerate(steps)], np.int64)
    roots = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), np.bool_)
    met = set()
    for root in np.flatnonzero(roots).tolist():
        while root < count:
            met.add(root)
            root = int(successor[root])
    assert set(np.flatnonzero(reachable(roots, successor)).tolist()) == met


# Best prices


@given(st.integers(1, 40), st.lists(st.tuples(st.integers(0, 39), st.integers(1, 40)), max_size=30))
def test_the_last_covering_row_is_found_for_every_cut(length, spans):
    since = np.array([min(first, length - 1) for first, _ in spans], np.int64)
    until = np.array(
        [min(first + size, length) for first, (_, size) in zip(since, spans, strict=True)], np.int64
    )
    expected = [
        max((i for i in range(len(spans)) if since[i] <= cut < until[i]), default=-1) for cut in range(length)
    ]
    assert last_covering(since, until, length).tolist() == expected


# The limit of a level, and the exact path


@pytest.mark.parametrize(("extra", "path"), [(0, np.int64), (1, object)])
def test_lots_that_fit_together_are_int64_and_others_python_integers(extra, path):
    events = log((ADD, 1, LIMIT - 10 + extra), (ADD, 2, 10))
    stories = tell_stories(events, np.flatnonzero(judge_alone(events) == UNDECIDED))
    assert stories.takes.dtype == path
    solved = reconstruct(events)
    assert names(solved) == (["added", "rejected_quantity"] if extra else ["added", "added"])
    assert solved.rounds == (2 if extra else 1)


@pytest.mark.parametrize("lots", [[], [0], [LIMIT], [LIMIT, LIMIT, 5], [1 << 32, (1 << 32) - 1, 7]], ids=len)
def test_lots_are_summed_exactly(lots):
    assert exact_sum(np.array(lots, np.int64)) == sum(lots)


def test_a_refusal_that_frees_an_id_for_a_later_order_is_followed_through():
    events = log(
        (ADD, 1, LIMIT),  # fills the level
        (ADD, 2, 1),  # so this is refused,
        (ADD, 2, 1),  # and this is no duplicate but refused as well;
        (CANCEL, 1, 2),  # now two lots fit:
        (ADD, 2, 2),  # this comes in,
        (MODIFY, 1, LIMIT - 1),  # so this is one too many and the order stays:
        (TRADE, 1, LIMIT - 3),  # one lot of it is left,
        (MODIFY, 1, LIMIT - 2),  # and this just fits.
    )
    solved = reconstruct(events)
    assert names(solved) == [
        *("added", "rejected_quantity", "rejected_quantity", "partially_cancelled", "added"),
        *("rejected_quantity", "traded", "modified"),
    ]
    assert [solved.levels_at(cut, BID) for cut in (5, 7, 8)] == [
        [(100, LIMIT, 2)],
        [(100, 3, 2)],
        [(100, LIMIT, 2)],
    ]
    assert solved.rounds > 2


def test_too_many_rounds_are_given_up_and_a_batch_is_halved_instead(seed, monkeypatch):
    events = crowded_stream(400, seed, levels=1)
    assert reconstruct(events, max_rounds=3) is None
    reference, whole, halved = ReferenceBook(), reconstruct(events), ColumnarBook()
    assert 3 < whole.rounds <= len(events) + 1
    monkeypatch.setattr(columnar_module, "MAX_ROUNDS", 3)
    tops, expected = np.zeros(400, TOP_DTYPE), np.zeros(400, TOP_DTYPE)
    assert halved.apply(events, tops) == reference.apply(events, expected) == whole.counts
    assert (tops == expected).all()
    assert halved.digest() == reference.digest() == whole.digest_at(whole.end)
    halved._check()


def test_one_event_settles_in_two_rounds_whatever_the_opening():
    events = log((ADD, 1, LIMIT), (ADD, 2, 1))
    assert reconstruct(events, opening=1, max_rounds=2).counts == ApplyCounts(rejected_quantity=1)


# The book on top of it


def test_the_orders_of_a_columnar_book_make_it_again():
    book, again, reference = ColumnarBook(), ColumnarBook(), ReferenceBook()
    book.apply(wild_stream(3_000))
    assert again.apply(book.orders) == ApplyCounts(added=book.order_count)
    reference.apply(book.orders)
    assert again.digest() == book.digest() == reference.digest()
    assert again.orders.tolist() == book.orders.tolist()


def test_the_orders_given_out_are_a_copy():
    book = ColumnarBook()
    book.apply(log((ADD, 1, 5)))
    book.orders["qty"] = 9
    assert book.order(1) == (BID, 100, 5)
    book._check()


@pytest.mark.parametrize(
    "damage",
    [
        lambda book: book._levels[0].pop(),
        lambda book: book._orders["qty"].__setitem__(0, 6),
        lambda book: book._orders["order_id"].__setitem__(0, 1 << 50),
        lambda book: book._orders["price"].__setitem__(0, 99),
        lambda book: book._levels[0].reverse(),
    ],
    ids=["a level lost", "another quantity", "an id twice", "another price", "levels upside down"],
)
def test_a_damaged_columnar_book_does_not_pass_its_check(damage):
    book = ColumnarBook()
    book.apply(wild_stream(50, ids=30, prices=5))
    book.apply(log((ADD, 1 << 50, 5), (ADD, 1 << 51, 5)))
    book._check()
    damage(book)
    with pytest.raises(AssertionError):
        book._check()
