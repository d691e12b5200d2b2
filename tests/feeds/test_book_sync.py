import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import FeedGap
from engine.feeds import book_sync
from engine.feeds.book_sync import SPOT, USDM, BookSync, SequenceGap, SyncState, sequence_gaps
from engine.feeds.records import NO_ID, WRONG_CHECKSUM, DepthUpdate
from tests.feeds.captures import update


def snapshot(last: int) -> DepthUpdate:
    return update(last, last, 0, is_snapshot=True)


def test_updates_wait_for_the_snapshot_and_those_it_contains_are_dropped() -> None:
    sync = BookSync(SPOT)
    old, equal, straddling, following = update(1, 5), update(6, 10), update(9, 14), update(15, 15)
    assert [sync.apply(waiting) for waiting in (old, equal, straddling)] == [(), (), ()]
    assert not sync.synchronised
    assert sync.apply(snapshot(10)) == (snapshot(10), straddling)
    assert sync.apply(following) == (following,)
    assert sync.state is SyncState.CHAINED
    assert sync.last_id == 15
    assert sync.statistics()["dropped_old"] == 2


def test_old_updates_that_arrive_after_the_snapshot_are_dropped_too() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    assert sync.apply(update(3, 8)) == ()
    assert sync.apply(update(9, 12)) == (update(9, 12),)


@pytest.mark.parametrize("first", [10, 11])
def test_on_spot_the_first_update_begins_at_the_latest_behind_the_snapshot(first: int) -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    assert sync.apply(update(first, 12)) == (update(first, 12),)


def test_on_spot_a_first_update_beyond_the_snapshot_is_a_gap() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    with pytest.raises(FeedGap) as raised:
        sync.apply(update(12, 13))
    assert (raised.value.expected, raised.value.got) == (11, 12)


def test_on_futures_the_first_update_contains_the_snapshot_id() -> None:
    sync = BookSync(USDM)
    older, equal, following = update(40, 90, 35), update(95, 100, 90), update(130, 150, 100)
    for waiting in (older, equal, following):
        sync.apply(waiting)
    assert sync.apply(snapshot(100)) == (snapshot(100), equal, following)


def test_on_futures_the_chain_goes_by_the_named_predecessor() -> None:
    sync = BookSync(USDM, where="BTCUSDT")
    sync.apply(snapshot(100))
    sync.apply(update(95, 120, 90))
    sync.apply(update(130, 150, 120))
    with pytest.raises(FeedGap, match="BTCUSDT") as raised:
        sync.apply(update(170, 180, 160))
    assert (raised.value.expected, raised.value.got) == (150, 160)


def test_on_spot_a_missing_update_is_a_gap_with_the_ids_due_and_come() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    sync.apply(update(11, 14))
    with pytest.raises(FeedGap) as raised:
        sync.apply(update(18, 20))
    assert (raised.value.expected, raised.value.got) == (15, 18)
    assert not sync.synchronised


def test_an_update_that_overlaps_the_chain_is_a_gap() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    sync.apply(update(11, 14))
    with pytest.raises(FeedGap):
        sync.apply(update(13, 20))


def test_a_repeated_update_is_dropped_and_counted() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    sync.apply(update(11, 14))
    assert sync.apply(update(11, 14)) == ()
    assert sync.statistics()["dropped_old"] == 1
    assert sync.apply(update(15, 16)) == (update(15, 16),)


def test_after_a_gap_the_next_snapshot_goes_on() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    with pytest.raises(FeedGap):
        sync.apply(update(13, 14))
    assert sync.apply(update(15, 16)) == ()
    assert sync.apply(snapshot(14)) == (snapshot(14), update(15, 16))
    assert sync.synchronised


def test_a_gap_among_the_waiting_updates_keeps_what_is_behind_it_for_a_later_snapshot() -> None:
    sync = BookSync(SPOT)
    for waiting in (update(11, 12), update(20, 22), update(23, 25)):
        sync.apply(waiting)
    with pytest.raises(FeedGap) as raised:
        sync.apply(snapshot(10))
    assert (raised.value.expected, raised.value.got) == (13, 20)
    assert sync.apply(snapshot(21)) == (snapshot(21), update(20, 22), update(23, 25))


def test_a_snapshot_older_than_the_chain_does_not_turn_time_back() -> None:
    sync = BookSync(SPOT)
    sync.apply(snapshot(10))
    sync.apply(update(11, 14))
    assert sync.apply(snapshot(12)) == ()
    assert sync.apply(update(15, 16)) == (update(15, 16),)


def test_without_a_snapshot_the_chain_begins_at_the_first_update() -> None:
    sync = BookSync(SPOT, starts_without_snapshot=True)
    assert sync.apply(update(500, 510)) == (update(500, 510),)
    with pytest.raises(FeedGap) as raised:
        sync.apply(update(512, 513))
    assert (raised.value.expected, raised.value.got) == (511, 512)


def test_the_waiting_queue_is_bounded_and_a_snapshot_before_it_is_a_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(book_sync, "MAX_WAITING", 3)
    sync = BookSync(SPOT)
    for number in range(1, 6):
        sync.apply(update(number, number))
    assert sync.statistics()["dropped_waiting"] == 2
    assert sync.statistics()["waiting"] == 3
    with pytest.raises(FeedGap):
        sync.apply(snapshot(1))


IN_STREAM = "deribit"
"""A market whose snapshots come in the stream."""


def test_a_snapshot_in_the_stream_is_taken_wherever_it_stands_and_what_was_before_is_forgotten() -> None:
    sync = BookSync(IN_STREAM)
    assert sync.apply(update(3, 4, 2)) == ()
    assert sync.apply(snapshot(20)) == (snapshot(20),)
    assert sync.apply(update(22, 25, 20)) == (update(22, 25, 20),)
    assert sync.apply(snapshot(1)) == (snapshot(1),), "the venue began to count anew"
    with pytest.raises(FeedGap) as raised:
        sync.apply(update(4, 5, 3))
    assert (raised.value.expected, raised.value.got) == (1, 3)
    assert sync.apply(update(5, 6, 5)) == ()
    assert sync.statistics()["dropped_waiting"] == 3
    assert sync.statistics()["waiting"] == 0


def test_an_update_that_names_its_predecessor_may_restart_the_numbers() -> None:
    sync = BookSync(IN_STREAM)
    sync.apply(snapshot(15))
    assert sync.apply(update(3, 3, 15)) == (update(3, 3, 15),)
    assert sync.apply(update(5, 5, 3)) == (update(5, 5, 3),)
    assert sync.apply(update(4, 4, 3)) == (), "an older one"


def test_updates_without_numbers_follow_a_snapshot_without_one() -> None:
    sync = BookSync("coinbase")
    unnumbered = update(NO_ID, NO_ID, NO_ID)
    begin = snapshot(NO_ID)
    assert [sync.apply(one) for one in (unnumbered, begin, unnumbered)] == [(), (begin,), (unnumbered,)]


def test_a_wrong_checksum_is_a_gap_with_both_checksums() -> None:
    sync = BookSync("kraken", where="XBT/USD")
    wrong = update(974947235, 5, WRONG_CHECKSUM)
    sync.apply(snapshot(NO_ID))
    with pytest.raises(FeedGap, match=r"XBT/USD: depth update at 0\.000 s, checksum of the book") as raised:
        sync.apply(wrong)
    assert (raised.value.expected, raised.value.got) == (974947235, 5)
    assert not sync.synchronised
    assert sync.apply(wrong) == ()
    assert sync.apply(snapshot(NO_ID)) == (snapshot(NO_ID),)
    assert list(sequence_gaps([wrong, update(7, 8, 6), wrong], "kraken")) == [
        SequenceGap(5, 974947235, 5),
        SequenceGap(5, 974947235, 5),
    ]


def test_snapshots_in_the_stream_belong_to_its_chain() -> None:
    chain = [snapshot(5), update(6, 6, 5), snapshot(1), update(2, 2, 1), update(4, 4, 3)]
    assert list(sequence_gaps(chain, IN_STREAM)) == [SequenceGap(4, 2, 3)]


@pytest.mark.parametrize("kind", [SPOT, IN_STREAM])
def test_a_chain_goes_on_from_what_was_saved(kind: str) -> None:
    arrivals = [
        update(1, 4),
        update(5, 6),
        snapshot(4),
        update(7, 7),
        update(9, 9),
        snapshot(9),
        update(10, 10),
    ]
    whole = BookSync(kind)
    for at in range(len(arrivals)):
        sync = BookSync(kind)
        sync.restore(json.loads(json.dumps(whole.saved())))
        assert sync.saved() == whole.saved()
        assert outcome(sync, arrivals[at]) == outcome(whole, arrivals[at])


def outcome(sync: BookSync, arrival: DepthUpdate) -> tuple[DepthUpdate, ...] | str:
    try:
        return sync.apply(arrival)
    except FeedGap as gap:
        return str(gap)


def test_every_hole_of_a_file_is_found_and_followed_past() -> None:
    chain = [
        update(1, 4),
        update(5, 6),
        update(9, 9),
        snapshot(9),
        update(9, 9),
        update(10, 12),
        update(20, 21),
    ]
    assert list(sequence_gaps(chain, SPOT)) == [SequenceGap(9, 7, 9), SequenceGap(21, 13, 20)]
    assert list(sequence_gaps([update(3, 5, 1), update(9, 12, 7)], USDM)) == [SequenceGap(12, 5, 7)]


@given(
    lengths=st.lists(st.integers(1, 5), min_size=2, max_size=30),
    snapshot_at=st.integers(0, 29),
    dropped=st.integers(0, 29),
    spread=st.integers(0, 3),
)
def test_whatever_gets_out_is_a_snapshot_and_an_unbroken_chain(
    lengths: list[int], snapshot_at: int, dropped: int, spread: int
) -> None:
    """`spread` ids between updates belong to other symbols (futures); one update is taken out."""
    chain, last = [], 0
    for length in lengths:
        chain.append(update(last + 1 + spread, last + spread + length, last))
        last += spread + length
    taken_out = chain.pop(dropped % len(chain))
    at = snapshot_at % (len(chain) + 1)
    base = chain[at - 1].last_id if at else 0
    arrivals = [*chain[:at], snapshot(base), *chain[at:]]
    sync = BookSync(USDM if spread else SPOT)
    out: list[DepthUpdate] = []
    has_gap = False
    for arrival in arrivals:
        try:
            out += sync.apply(arrival)
        except FeedGap:
            has_gap = True
            break
    for before, after in pairwise(out):
        assert after.previous_id == before.last_id or (before.is_snapshot and after.last_id == before.last_id)
    is_missed = taken_out.last_id > base and any(late.last_id > taken_out.last_id for late in chain)
    assert has_gap == is_missed
