import hashlib
from pathlib import Path

import pytest

from engine.core.errors import FeedGap
from engine.core.types import Side
from engine.feeds.agreement import quote_agreement
from engine.feeds.book_sync import BookSync, sequence_gaps
from engine.feeds.l2book import BookRebuild
from engine.feeds.records import DepthUpdate, TradeTick
from engine.feeds.source import HistoricalSource, open_source, sample_path


@pytest.fixture(scope="module")
def sample() -> HistoricalSource:
    return open_source(sample_path())


def depth_updates(source: HistoricalSource) -> list[DepthUpdate]:
    return [record for record in source.records() if isinstance(record, DepthUpdate)]


def test_the_sample_is_small_and_stands_beside_its_licence() -> None:
    path = sample_path()
    assert path.stat().st_size < 400_000
    assert "MIT License" in (path.parent / "LICENSE.hftbacktest").read_text()
    readme = (path.parent / "README.md").read_text()
    assert hashlib.sha256(path.read_bytes()).hexdigest() in readme


def test_the_sample_is_whole_and_holds_its_snapshot(sample: HistoricalSource) -> None:
    assert sample.dropped == ()
    assert sample.counts.records == sample.counts.lines == 4102
    assert sample.counts.snapshots == 1
    assert sample.counts.clock_backwards == 0
    assert 39e9 < sample.duration_ns < 40e9


def test_the_sample_has_no_gap_and_never_crosses(sample: HistoricalSource) -> None:
    assert list(sequence_gaps(depth_updates(sample), sample.kind)) == []
    rebuild = BookRebuild(sample)
    states = 0
    for _ in rebuild:
        states += 1
        assert not rebuild.book.is_crossed
    assert states == 398  # 399 updates and the snapshot, less the two that the snapshot contains
    assert rebuild.sync.statistics()["dropped_old"] == 2


def test_the_sample_agrees_with_its_own_quotes(sample: HistoricalSource) -> None:
    agreement = quote_agreement(sample)
    assert agreement.comparable > 300
    assert agreement.equal == agreement.comparable
    assert agreement.states_equal == agreement.states


def test_an_update_that_was_waiting_for_the_snapshot_is_applied_with_it(sample: HistoricalSource) -> None:
    sync = BookSync(sample.kind)
    for update in depth_updates(sample):
        ready = sync.apply(update)
        if update.is_snapshot:
            assert [part.is_snapshot for part in ready] == [True, False]
            assert ready[1].first_id <= update.last_id + 1 <= ready[1].last_id
            return
        assert ready == ()


@pytest.mark.parametrize("missing", [10, 100, 397])
def test_any_update_taken_out_is_a_gap_with_its_ids(sample: HistoricalSource, missing: int) -> None:
    updates = depth_updates(sample)
    taken_out = updates.pop(missing)
    sync = BookSync(sample.kind)
    for update in updates[:missing]:
        sync.apply(update)
    with pytest.raises(FeedGap) as raised:
        sync.apply(updates[missing])
    assert raised.value.expected == taken_out.first_id
    assert raised.value.got == taken_out.last_id + 1


def test_trades_of_the_sample_are_in_order_and_of_both_sides(sample: HistoricalSource) -> None:
    trades = [record for record in sample.records() if isinstance(record, TradeTick)]
    assert [trade.trade_id for trade in trades] == list(
        range(trades[0].trade_id, trades[0].trade_id + len(trades))
    )
    assert {trade.aggressor_side for trade in trades} == {Side.BID, Side.ASK}


def test_the_sample_is_read_the_same_by_any_path(sample: HistoricalSource, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.write_bytes(sample_path().read_bytes())
    assert list(open_source(copy).records()) == list(sample.records())
