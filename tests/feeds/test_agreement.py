from pathlib import Path

import pytest

from engine.core.rng import Stream
from engine.core.types import Side
from engine.feeds.agreement import quote_agreement
from engine.feeds.l2book import BookRebuild
from engine.feeds.source import open_source
from tests.feeds.captures import MadeMarket, depth, quote, snapshot, write

BID, ASK = ("99.9", "1"), ("100.1", "1")


@pytest.mark.parametrize("futures", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_the_rebuilt_book_is_the_exchange_book(tmp_path: Path, seed: int, futures: bool) -> None:
    market = MadeMarket(seed=seed, futures=futures)
    source = open_source(write(tmp_path / "a", market.lines))
    truth = dict(zip(market.last_ids, market.states, strict=True))
    rebuild = BookRebuild(source)
    compared = 0
    for update in rebuild:
        if not update.is_snapshot:
            compared += 1
            assert tuple(dict(rebuild.book.levels(side)) for side in Side) == truth[update.last_id]
    assert compared > 30
    assert rebuild.sync.statistics()["gaps"] == 0


@pytest.mark.parametrize("futures", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_quotes_agree_whatever_the_order_of_arrival(tmp_path: Path, seed: int, futures: bool) -> None:
    lines = MadeMarket(seed=seed, futures=futures).lines
    in_order = quote_agreement(open_source(write(tmp_path / "a", lines)))
    assert in_order.comparable > 20
    assert in_order.share_equal == 1.0
    draw = Stream(seed, 9)
    quotes = [text for text in lines if b"bookTicker" in text]
    others = [text for text in lines if b"bookTicker" not in text]
    for text in quotes:  # each stream keeps its order, the two are mixed anew
        others.insert(draw.below(len(others) + 1), text)
    assert quote_agreement(open_source(write(tmp_path / "b", others))) == in_order


def test_a_wrong_level_is_the_first_difference(tmp_path: Path) -> None:
    lines = [
        snapshot(10, bids=[BID], asks=[ASK]),
        quote(10, BID, ASK),
        depth(11, 12, bids=[("99.9", "2")]),
        quote(12, ("99.9", "3"), ASK),
        depth(13, 13, bids=[("99.9", "5")]),
        quote(13, ("99.9", "5"), ASK),
        depth(14, 14, bids=[("99.8", "5")]),
        quote(15, ("99.9", "6"), ASK),
    ]
    agreement = quote_agreement(open_source(write(tmp_path / "a", lines)))
    assert (agreement.quotes, agreement.comparable, agreement.equal) == (4, 3, 2)
    assert (agreement.states, agreement.states_equal, agreement.unexplained) == (4, 3, 1)
    assert agreement.first_difference is not None
    assert agreement.first_difference.quote.update_id == 12
    assert agreement.first_difference.book.bid_lots == 2
    assert not agreement.first_difference.is_level_unknown


def test_a_quote_without_a_book_state_in_its_interval_is_not_comparable(tmp_path: Path) -> None:
    lines = [
        snapshot(10, bids=[BID], asks=[ASK]),
        quote(11, ("99.95", "1"), ASK),
        quote(12, BID, ASK),
        depth(11, 13, bids=[("99.8", "2")]),
        quote(14, BID, ("100.1", "2")),
    ]
    agreement = quote_agreement(open_source(write(tmp_path / "a", lines)))
    assert (agreement.comparable, agreement.equal) == (1, 1)
    assert agreement.share_comparable == pytest.approx(1 / 3)


def test_without_a_snapshot_an_unnamed_level_explains_a_difference(tmp_path: Path) -> None:
    lines = [
        quote(10, BID, ASK),
        depth(10, 11, bids=[("99.8", "2")], asks=[ASK]),
        quote(12, BID, ASK),
        depth(12, 13, bids=[BID]),
        quote(14, BID, ("100.1", "2")),
    ]
    source = open_source(write(tmp_path / "a", lines))
    assert source.starts_without_snapshot
    agreement = quote_agreement(source)
    assert (agreement.comparable, agreement.equal, agreement.unexplained) == (2, 1, 0)
    assert agreement.first_difference is not None
    assert agreement.first_difference.is_level_unknown


def test_behind_a_gap_nothing_is_compared_until_a_snapshot(tmp_path: Path) -> None:
    lines = [
        snapshot(10, bids=[BID], asks=[ASK]),
        quote(10, BID, ASK),
        depth(13, 14, bids=[("99.8", "2")]),
        quote(15, BID, ("100.1", "2")),
        depth(15, 16, asks=[("100.1", "2")]),
        snapshot(15, bids=[BID], asks=[("100.1", "2")]),
        quote(17, BID, ASK),
    ]
    agreement = quote_agreement(open_source(write(tmp_path / "a", lines)))
    assert (agreement.states, agreement.states_equal) == (3, 3)


def test_without_quotes_there_is_no_share(tmp_path: Path) -> None:
    agreement = quote_agreement(open_source(write(tmp_path / "a", [depth(1, 2, bids=[BID])])))
    assert (agreement.share_comparable, agreement.share_equal) == (None, None)
