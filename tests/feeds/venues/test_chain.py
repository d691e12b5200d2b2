"""The book rules for venue events: numbers per venue, checksums, and the limits of both."""

from __future__ import annotations

from decimal import Decimal
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import FeedGap
from engine.core.types import Side
from engine.feeds import book_sync
from engine.feeds.venues import chain
from engine.feeds.venues.chain import BookAudit, BookChains, EventBook
from engine.feeds.venues.events import BookDelta, BookL2, Level
from tests.feeds.venues.taking import levels

Numbers = tuple[int | None, int | None, int | None]


def snapshot(
    last_id: int | None,
    *,
    venue: str = "binance",
    bids: tuple[Level, ...] = (),
    asks: tuple[Level, ...] = (),
    checksum: int | None = None,
    depth: int | None = None,
) -> BookL2:
    return BookL2(venue, "X", None, 1, bids, asks, last_id, checksum, depth)


def delta(
    numbers: Numbers,
    *,
    venue: str = "binance",
    bids: tuple[Level, ...] = (),
    asks: tuple[Level, ...] = (),
    checksum: int | None = None,
) -> BookDelta:
    """`numbers` are previous, first and last."""
    return BookDelta(venue, "X", None, 1, bids, asks, *numbers, checksum)


def play(*events: BookL2 | BookDelta) -> list[int | str | None]:
    """Last ids that are given out, or the gaps as `expected!got`."""
    chains = BookChains()
    out: list[int | str | None] = []
    for event in events:
        try:
            out += [update.last_id for update in chains.take(event)]
        except FeedGap as gap:
            out.append(f"{gap.expected}!{gap.got}")
    return out


def test_spot_updates_wait_for_the_snapshot_that_was_asked_for() -> None:
    waiting = delta((4, 5, 8)), delta((8, 9, 12)), delta((12, 13, 13))
    assert play(*waiting, snapshot(10), delta((13, 14, 20))) == [10, 12, 13, 20]
    assert play(snapshot(10), delta((10, 11, 12)), delta((14, 15, 16)), delta((16, 17, 18))) == [
        10,
        12,
        "13!15",
    ]


def test_futures_updates_follow_the_one_that_they_name() -> None:
    first, second = delta((90, 95, 105)), delta((105, 130, 140))
    assert play(first, second, snapshot(100)) == [100, 105, 140]
    assert play(snapshot(100), first, delta((110, 130, 140))) == [100, 105, "105!110"]
    assert play(snapshot(100), delta((101, 99, 103))) == [100, 103], "by U <= L <= u alone, as documented"


def test_a_snapshot_in_the_stream_forgets_what_came_before() -> None:
    def deribit(numbers: Numbers) -> BookDelta:
        return delta(numbers, venue="deribit")

    events = (
        deribit((3, 4, 4)),
        snapshot(20, venue="deribit"),
        deribit((20, None, 22)),
        deribit((25, None, 26)),
    )
    again = snapshot(5, venue="deribit"), deribit((5, None, 7))
    assert play(*events, deribit((26, None, 27)), *again) == [20, 22, "22!25", 5, 7]


def test_without_numbers_everything_behind_a_snapshot_is_given_out() -> None:
    unnumbered = delta((None, None, None), venue="coinbase")
    assert play(unnumbered, snapshot(None, venue="coinbase"), unnumbered, unnumbered) == [None, None, None]
    assert play(snapshot(None, venue="hyperliquid"), snapshot(None, venue="hyperliquid")) == [None, None]


def test_updates_that_only_a_time_numbers_are_ordered_by_it() -> None:
    def bitstamp(last_id: int) -> BookDelta:
        return delta((None, None, last_id), venue="bitstamp")

    waiting = bitstamp(90), bitstamp(100), bitstamp(110)
    late = snapshot(105, venue="bitstamp")
    assert play(*waiting, snapshot(100, venue="bitstamp"), bitstamp(120), late, bitstamp(115)) == [
        100,
        110,
        120,
    ]


def test_kucoin_counts_without_holes() -> None:
    def kucoin(numbers: Numbers) -> BookDelta:
        return delta(numbers, venue="kucoin")

    events = kucoin((9, 10, 11)), snapshot(10, venue="kucoin"), kucoin((11, 12, 12)), kucoin((13, 14, 14))
    assert play(*events) == [10, 11, 12, "13!14"]


def test_books_of_other_symbols_and_venues_are_chained_on_their_own() -> None:
    chains = BookChains()
    assert len(chains.take(snapshot(10))) == 1
    assert len(chains.take(snapshot(70)._replace(symbol="Y"))) == 1
    with pytest.raises(FeedGap):
        chains.take(delta((20, 21, 22)))
    assert len(chains.take(delta((70, 71, 72))._replace(symbol="Y"))) == 1
    assert chains.synchronised("binance", "Y")
    assert not chains.synchronised("binance", "X")
    assert not chains.synchronised("kraken", "X")
    statistics = chains.statistics()
    assert (statistics["books"], statistics["gaps"], statistics["applied"]) == (2, 1, 3)


def test_the_queue_of_waiting_updates_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_sync, "MAX_WAITING", 3)
    chains = BookChains()
    for number in range(1, 6):
        assert chains.take(delta((number - 1, number, number))) == ()
    statistics = chains.statistics()
    assert (statistics["waiting"], statistics["waiting_limit"], statistics["dropped_waiting"]) == (3, 3, 2)


def test_the_number_of_books_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_BOOKS", 2)
    chains = BookChains()
    given_out = [len(chains.take(snapshot(1)._replace(symbol=name))) for name in "ABCA"]
    assert given_out == [1, 1, 0, 0]
    assert chains.statistics()["beyond_limit"] == 1


def test_a_book_that_is_too_deep_is_no_longer_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LEVELS", 2)
    audit = BookAudit(where="test")
    three = levels(("1", "1"), ("2", "1"), ("3", "1"))
    audit.take(snapshot(1, venue="kraken", bids=three, checksum=5))
    assert audit.book is None
    assert audit.statistics()["books_given_up"] == 1


def okx_text(bids: list[Level], asks: list[Level]) -> str:
    """Best bid, best ask, second bid ... as the documentation describes it, written the long way."""
    parts: list[str] = []
    for at in range(25):
        for side in (bids, asks):
            if at < len(side):
                parts += [str(side[at][0]), str(side[at][1])]
    return ":".join(parts)


def kraken_text(bids: list[Level], asks: list[Level]) -> str:
    """Ten asks, then ten bids."""
    numbers = [str(number) for side in (asks[:10], bids[:10]) for level in side for number in level]
    return "".join(number.replace(".", "").lstrip("0") for number in numbers)


hundredths = st.integers(1, 40).map(lambda number: Decimal(number) / 100 + Decimal("0.00"))
changes = st.lists(
    st.tuples(
        st.sampled_from(Side),
        hundredths,
        st.integers(0, 3).map(lambda size: Decimal(f"{size}.50") - Decimal("0.5")),
    ),
    max_size=60,
)


@given(changes, st.sampled_from([("kraken", kraken_text), ("okx", okx_text)]))
def test_checksums_follow_the_book_whatever_happens_to_it(
    stated: list[tuple[Side, Decimal, Decimal]], rule: tuple[str, object]
) -> None:
    """A book kept as two dictionaries, its text built level by level, is the judge."""
    venue, text_of = rule
    assert callable(text_of)
    truth: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
    audit = BookAudit(where="test")
    audit.take(snapshot(None, venue=venue))
    for side, price, size in stated:
        truth[side].pop(price, None)
        if size:
            truth[side][price] = size
        bids, asks = sorted(truth[0].items(), reverse=True), sorted(truth[1].items())
        checksum = crc32(text_of(bids, asks).encode())
        change = ((price, size),)
        sides = {"bids": change} if side == Side.BID else {"asks": change}
        audit.take(delta((None, None, None), venue=venue, checksum=checksum, **sides))  # type: ignore[arg-type]
        wrong = snapshot(None, venue=venue, bids=tuple(bids), asks=tuple(asks), checksum=checksum ^ 1)
        with pytest.raises(FeedGap):
            BookAudit(where="copy").take(wrong)
    assert audit.statistics()["checksums_right"] == len(stated)


@given(changes, st.integers(1, 5))
def test_a_book_of_limited_depth_is_complete_for_whoever_applies_what_is_given_out(
    stated: list[tuple[Side, Decimal, Decimal]], depth: int
) -> None:
    audit, follower = BookAudit(where="test"), EventBook()
    follower.apply(audit.take(snapshot(None, venue="kraken", depth=depth)))
    for side, price, size in stated:
        change = ((price, size),)
        sides = {"bids": change} if side == Side.BID else {"asks": change}
        follower.apply(audit.take(delta((None, None, None), venue="kraken", **sides)))  # type: ignore[arg-type]
        assert follower.depth <= depth
        assert audit.book is not None
        for each in Side:
            assert list(follower.levels(each)) == list(audit.book.levels(each))


def test_a_book_keeps_digits_as_they_were_last_sent() -> None:
    book = EventBook()
    book.apply(snapshot(None, bids=levels(("1.0", "5"))))
    book.apply(delta((None, None, None), bids=levels(("1.00", "5.0"))))
    assert [(str(price), str(size)) for price, size in book.levels(Side.BID)] == [("1.00", "5.0")]
    assert (book.best_bid, book.best_ask, book.is_crossed, book.depth) == (
        levels(("1.00", "5.0"))[0],
        None,
        False,
        1,
    )
    book.apply(delta((None, None, None), asks=levels(("1", "1"))))
    assert book.is_crossed
