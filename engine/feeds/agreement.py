"""Judge of the rebuilt book: does its top equal the exchange's own best bid and ask, update for update?

Stop on the data path: beside it (a check). Two streams tell the same thing independently: depth updates,
from which the book is rebuilt, and bookTicker quotes. Both carry exchange update ids: a quote with id u is
the top from u until the next quote's id, and the book is known exactly at each depth update's last id. So a
quote is comparable when such an id lies in its interval, whatever the order of arrival was.
Invariant: compared by ids only; nothing that is not comparable is counted as equal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from engine.core.types import Side
from engine.feeds.l2book import BookRebuild
from engine.feeds.records import QuoteTick
from engine.feeds.source import HistoricalSource

__all__ = ["BookTop", "QuoteAgreement", "QuoteDifference", "quote_agreement"]


class BookTop(NamedTuple):
    """Top of the rebuilt book after exchange update `last_id`; zeros for an empty side."""

    last_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class QuoteDifference(NamedTuple):
    """A book state that is not what the quote says."""

    quote: QuoteTick
    book: BookTop
    is_level_unknown: bool
    """True: the book differs only by levels better than its own that no depth update has named since the
    book began, so a start without a snapshot (or beyond its depth) explains it."""


class QuoteAgreement(NamedTuple):
    """How far the rebuilt book and the quotes agree."""

    quotes: int
    """Quotes in the source."""
    comparable: int
    """Quotes in whose interval of ids at least one book state lies."""
    equal: int
    """Comparable quotes to which every book state in their interval is equal, prices and quantities."""
    states: int
    """Book states compared (a quote that lasts long is compared several times)."""
    states_equal: int
    unexplained: int
    """Different states that an unknown level does not explain."""
    first_difference: QuoteDifference | None

    @property
    def share_comparable(self) -> float | None:
        """Comparable quotes of all quotes; None without quotes."""
        return self.comparable / self.quotes if self.quotes else None

    @property
    def share_equal(self) -> float | None:
        """Equal quotes of comparable ones; None when none is comparable."""
        return self.equal / self.comparable if self.comparable else None


def quote_agreement(source: HistoricalSource) -> QuoteAgreement:
    """Rebuild the book from snapshot and diffs and compare its top with the source's own quotes.

    Past a sequence gap the book is not compared until the next snapshot.
    """
    quotes = sorted(
        (record for record in source.records() if isinstance(record, QuoteTick)), key=lambda q: q.update_id
    )
    ids = [quote.update_id for quote in quotes]
    comparable: dict[int, bool] = {}
    states = states_equal = unexplained = 0
    first_difference: QuoteDifference | None = None
    for top, named in _book_tops(source):
        index = bisect_right(ids, top.last_id) - 1
        if index < 0 or index + 1 == len(ids):
            continue  # before the first quote, or in the last one's interval, whose end is not known
        quote = quotes[index]
        is_equal = quote[2:] == top[1:]
        comparable[index] = comparable.get(index, True) and is_equal
        states += 1
        states_equal += is_equal
        if not is_equal:
            difference = QuoteDifference(quote, top, _is_level_unknown(quote, top, named))
            unexplained += not difference.is_level_unknown
            first_difference = first_difference or difference
    return QuoteAgreement(
        quotes=len(quotes),
        comparable=len(comparable),
        equal=sum(comparable.values()),
        states=states,
        states_equal=states_equal,
        unexplained=unexplained,
        first_difference=first_difference,
    )


def _book_tops(source: HistoricalSource) -> Iterator[tuple[BookTop, set[tuple[Side, int]]]]:
    """Top of the book after each update that changes it, and (side, price) of all levels named so far."""
    rebuild = BookRebuild(source)
    named: set[tuple[Side, int]] = set()
    for update in rebuild:
        if update.is_snapshot:
            named.clear()
        named.update((Side.BID, price_ticks) for price_ticks, _ in update.bids)
        named.update((Side.ASK, price_ticks) for price_ticks, _ in update.asks)
        best_bid, best_ask = rebuild.book.best_bid, rebuild.book.best_ask
        yield BookTop(update.last_id, *(best_bid or (0, 0)), *(best_ask or (0, 0))), named


def _is_level_unknown(quote: QuoteTick, top: BookTop, named: set[tuple[Side, int]]) -> bool:
    """Whether each side is equal, or lacks only a better level that nothing has named."""
    is_bid_equal = (quote.bid_ticks, quote.bid_lots) == (top.bid_ticks, top.bid_lots)
    is_ask_equal = (quote.ask_ticks, quote.ask_lots) == (top.ask_ticks, top.ask_lots)
    is_better_bid = quote.bid_ticks > top.bid_ticks
    is_better_ask = quote.ask_ticks < top.ask_ticks or not top.ask_ticks
    return (is_bid_equal or (is_better_bid and (Side.BID, quote.bid_ticks) not in named)) and (
        is_ask_equal or (is_better_ask and (Side.ASK, quote.ask_ticks) not in named)
    )
