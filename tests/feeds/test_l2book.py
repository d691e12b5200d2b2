from hypothesis import given
from hypothesis import strategies as st

from engine.core.types import Side
from engine.feeds.l2book import L2Book, LevelChange
from engine.feeds.records import DepthUpdate, Level
from tests.feeds.captures import update

levels = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 3)), max_size=6).map(tuple)
updates = st.lists(st.tuples(levels, levels, st.booleans()), max_size=12)


def stated(bids: tuple[Level, ...] = (), asks: tuple[Level, ...] = (), *, full: bool = False) -> DepthUpdate:
    return update(1, 1, is_snapshot=full)._replace(bids=bids, asks=asks)


def test_an_empty_book_has_no_best_and_is_not_crossed() -> None:
    book = L2Book()
    assert (book.best_bid, book.best_ask, book.is_crossed) == (None, None, False)
    assert book.levels(Side.BID) == []


def test_levels_come_best_first() -> None:
    book = L2Book()
    book.apply(stated(bids=((7, 1), (9, 2), (8, 3)), asks=((12, 1), (10, 2), (11, 3))))
    assert book.best_bid == (9, 2)
    assert book.best_ask == (10, 2)
    assert book.levels(Side.BID, 2) == [(9, 2), (8, 3)]
    assert book.levels(Side.ASK) == [(10, 2), (11, 3), (12, 1)]
    assert book.levels(Side.ASK, 0) == []


def test_an_update_tells_what_changed_and_only_that() -> None:
    book = L2Book()
    book.apply(stated(bids=((7, 1), (9, 2))))
    changes = book.apply(stated(bids=((7, 1), (9, 5), (6, 0), (8, 4)), asks=((11, 1),)))
    assert changes == (
        LevelChange(Side.BID, 9, 2, 5),
        LevelChange(Side.BID, 8, 0, 4),
        LevelChange(Side.ASK, 11, 0, 1),
    )
    assert book.apply(stated(bids=((9, 0),))) == (LevelChange(Side.BID, 9, 5, 0),)


def test_a_snapshot_removes_the_levels_that_it_does_not_name() -> None:
    book = L2Book()
    book.apply(stated(bids=((7, 1), (9, 2)), asks=((11, 1),)))
    changes = book.apply(stated(bids=((7, 1), (8, 3)), full=True))
    assert changes == (
        LevelChange(Side.BID, 9, 2, 0),
        LevelChange(Side.BID, 8, 0, 3),
        LevelChange(Side.ASK, 11, 1, 0),
    )
    assert book.best_ask is None


def test_a_bid_at_the_ask_is_crossed() -> None:
    book = L2Book()
    book.apply(stated(bids=((10, 1),), asks=((10, 1),)))
    assert book.is_crossed


@given(updates)
def test_the_book_is_what_was_last_stated_and_changes_add_up(
    sequence: list[tuple[tuple[Level, ...], tuple[Level, ...], bool]],
) -> None:
    book = L2Book()
    truth: tuple[dict[int, int], dict[int, int]] = ({}, {})
    followed: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for bids, asks, full in sequence:
        for side, named in zip(truth, (bids, asks), strict=True):
            if full:
                side.clear()
            side.update(named)
        for change in book.apply(stated(bids, asks, full=full)):
            assert followed[change.side].get(change.price_ticks, 0) == change.before_lots != change.after_lots
            followed[change.side][change.price_ticks] = change.after_lots
        for side in Side:
            alive = {price: qty for price, qty in truth[side].items() if qty}
            assert dict(book.levels(side)) == alive == {p: q for p, q in followed[side].items() if q}
            assert [book.quantity(side, price) for price in alive] == list(alive.values())
            assert book.level_count(side) == len(alive)
