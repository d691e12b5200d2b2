"""The book rules for venue events: what changes a book, in order, and whether the venue agrees with it.

Stop on the data path: behind the normalisers; live events come through here, files through book_sync.py at
replay, by the same rules. Two checks, each of which can find that the book is not the venue's any more:

- Numbers: UpdateChain of book_sync.py, per venue and symbol.
- Checksums (BookAudit): where a venue sends one, the book is kept and compared after every update that has
  one. Kraken: CRC32 of the ten best asks and bids as digits without point and leading zeros
  (docs.kraken.com, "Book checksum"). OKX: CRC32 of the best 25, `bid:size:ask:size:...` as they were sent
  (docs-v5, "Order book channel"; the field is 0, which is none, since June 2026).

Invariant: what is given out is a snapshot followed by what continues it, and its levels are all that changed:
where a venue cuts its book without saying so (Kraken), the levels that fall out are named as gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import chain, islice, zip_longest
from typing import NamedTuple, TypeAlias
from zlib import crc32

from sortedcontainers import SortedDict

from engine.core.errors import FeedGap
from engine.core.types import Side
from engine.feeds.book_sync import SPOT, USDM, UpdateChain, rules_of
from engine.feeds.venues.events import BookDelta, BookL2, Level

__all__ = ["MAX_BOOKS", "BookAudit", "BookChains", "EventBook"]

MAX_BOOKS = 65_536
"""Books of one BookChains; events of further symbols are not given out, and counted."""
MAX_LEVELS = 100_000
"""Levels of a side of a book that is kept for its checksum; one with more is no longer compared (counted)."""

BookEvent: TypeAlias = BookL2 | BookDelta
_Side: TypeAlias = "SortedDict[Decimal, Decimal]"


class EventBook:
    """One book in the venue's units, digits kept as they were sent.

    Change   apply, cut
    Look     best_bid, best_ask, levels, depth, is_crossed
    """

    def __init__(self) -> None:
        self._sides: tuple[_Side, _Side] = (SortedDict(), SortedDict())

    @property
    def depth(self) -> int:
        """Levels of the longer side."""
        return max(len(side) for side in self._sides)

    @property
    def best_bid(self) -> Level | None:
        """Highest bid."""
        return next(self.levels(Side.BID), None)

    @property
    def best_ask(self) -> Level | None:
        """Lowest ask."""
        return next(self.levels(Side.ASK), None)

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid[0] >= ask[0]

    def levels(self, side: Side) -> Iterator[Level]:
        """The levels of a side, best first."""
        book = self._sides[side]
        return ((price, book[price]) for price in (reversed(book) if side == Side.BID else iter(book)))

    def apply(self, event: BookEvent) -> None:
        """Take over the levels: all of them, or those that changed."""
        for book, stated in zip(self._sides, (event.bids, event.asks), strict=True):
            if event.is_snapshot:
                book.clear()
            for price, size in stated:
                book.pop(price, None)  # the key too: its digits may be others now
                if size:
                    book[price] = size

    def cut(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """Drop what lies deeper than `depth` levels; the dropped bids and asks, each with size 0."""
        gone = tuple(tuple(islice(self.levels(side), depth, None)) for side in Side)
        for book, levels in zip(self._sides, gone, strict=True):
            for price, _ in levels:
                del book[price]
        bids, asks = (tuple((price, size * 0) for price, size in levels) for levels in gone)
        return bids, asks


class BookAudit:
    """The book of one symbol of a venue that sends checksums, compared at every event that has one.

    Input   take(event): the event, complete; FeedGap when the checksums differ
    State   book, statistics
    """

    def __init__(self, *, where: str) -> None:
        self.book: EventBook | None = None
        """None while it is not known: before a snapshot, and behind a wrong checksum."""
        self._depth: int | None = None
        self._where = where
        self._verified = 0
        self._wrong = 0
        self._given_up = 0

    @staticmethod
    def is_needed(venue: str) -> bool:
        """Whether this venue sends checksums."""
        return venue in _CHECKSUMS

    def take(self, event: BookEvent) -> BookEvent:
        """The event, with levels that fell out of the venue's depth named as gone.

        Raises FeedGap (the venue's checksum, the book's) when they differ; the book is then unknown until
        the next snapshot.
        """
        if isinstance(event, BookL2):
            self.book, self._depth = EventBook(), event.depth
        if self.book is None:
            return event
        self.book.apply(event)
        if self._depth is not None and self.book.depth > self._depth:
            bids, asks = self.book.cut(self._depth)
            event = event._replace(bids=event.bids + bids, asks=event.asks + asks)
        if self.book.depth > MAX_LEVELS:
            self.book = None
            self._given_up += 1
        elif event.checksum is not None:
            self._verify(self.book, event.venue, event.checksum)
        return event

    def statistics(self) -> dict[str, int]:
        """Checksums compared, and the fill of the book."""
        return {
            "checksums_right": self._verified,
            "checksums_wrong": self._wrong,
            "levels": 0 if self.book is None else self.book.depth,
            "levels_limit": MAX_LEVELS,
            "books_given_up": self._given_up,
        }

    def _verify(self, book: EventBook, venue: str, expected: int) -> None:
        got = _CHECKSUMS[venue](book)
        if got == expected:
            self._verified += 1
            return
        self._wrong += 1
        self.book = None
        raise FeedGap(f"{self._where}, checksum of the book", expected=expected, got=got)


class BookChains:
    """All books of a connection, or of several: numbers and checksums.

    Input   take(event): the events that change the book now, complete and in order
    State   synchronised, statistics
    """

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], _Book] = {}
        self._beyond_limit = 0

    def take(self, event: BookEvent) -> tuple[BookEvent, ...]:
        """The events that change the book of this event's symbol now: none, this one, or a snapshot and what
        waited for it.

        Raises FeedGap at a hole in the numbers and at a wrong checksum; nothing of this call is given out
        then, nor anything of this symbol before its next snapshot.
        """
        book = self._book(event)
        if book is None:
            self._beyond_limit += 1
            return ()
        if isinstance(event, BookDelta):
            book.chain.rules = rules_of(_market_of(event))
        ready = book.chain.apply(event)
        if book.audit is None:
            return ready
        try:
            return tuple([book.audit.take(update) for update in ready])
        except FeedGap:
            book.chain.lose()
            raise

    def synchronised(self, venue: str, symbol: str) -> bool:
        """True while this book stands on a snapshot or on the chain."""
        book = self._books.get((venue, symbol))
        return book is not None and book.chain.synchronised

    def statistics(self) -> dict[str, int]:
        """Sums over all books, and how many there are."""
        total = {"books": len(self._books), "books_limit": MAX_BOOKS, "beyond_limit": self._beyond_limit}
        for book in self._books.values():
            audit = {} if book.audit is None else book.audit.statistics()
            for name, count in chain(book.chain.statistics().items(), audit.items()):
                is_limit = name.endswith("_limit")
                total[name] = count if is_limit else total.get(name, 0) + count
        return total

    def _book(self, event: BookEvent) -> _Book | None:
        key = (event.venue, event.symbol)
        book = self._books.get(key)
        if book is None and len(self._books) < MAX_BOOKS:
            where = f"{event.venue} {event.symbol}"
            market = _market_of(event) if isinstance(event, BookDelta) else _first_market(event)
            audit = BookAudit(where=where) if BookAudit.is_needed(event.venue) else None
            book = self._books[key] = _Book(UpdateChain(rules_of(market), where=where), audit)
        return book


class _Book(NamedTuple):
    chain: UpdateChain[BookEvent]
    audit: BookAudit | None


def _first_market(event: BookL2) -> str:
    """Binance's snapshots do not tell their market; all of its markets take them alike."""
    return SPOT if event.venue == "binance" else event.venue


def _market_of(event: BookDelta) -> str:
    """Binance's markets differ in whether ids have holes; where an update shows none, both rules agree, but
    for an update that ends where the snapshot does, and changes nothing."""
    if event.venue != "binance":
        return event.venue
    return SPOT if (event.previous_id or 0) + 1 == event.first_id else USDM


def _kraken_checksum(book: EventBook) -> int:
    """Asks, lowest first, then bids, highest first: price and size of each as digits."""
    asks, bids = (islice(book.levels(side), 10) for side in (Side.ASK, Side.BID))
    text = "".join(f"{number:f}".replace(".", "").lstrip("0") for level in (*asks, *bids) for number in level)
    return crc32(text.encode())


def _okx_checksum(book: EventBook) -> int:
    """Best bid, best ask, second bid, ...; the longer side goes on alone."""
    bids, asks = (islice(book.levels(side), 25) for side in (Side.BID, Side.ASK))
    pairs = chain.from_iterable(zip_longest(bids, asks))
    text = ":".join(f"{number:f}" for level in pairs if level is not None for number in level)
    return crc32(text.encode())


_CHECKSUMS: dict[str, Callable[[EventBook], int]] = {"kraken": _kraken_checksum, "okx": _okx_checksum}
