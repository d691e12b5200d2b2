"""What is in a capture of a venue, symbol by symbol: events, books, holes, checksums. Facts, no opinions.

Stop on the data path: beside it (`stormdesk inspect FILE`). Invariant: every book goes through the venue's
own rules (venues/chain.py); what they do not let through is counted, and nothing behind a hole is looked at
before the next snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

import msgspec

from engine.core.clock import NS_PER_S, utc_iso
from engine.core.errors import FeedGap
from engine.feeds.captures import Message, merge_messages, read_messages
from engine.feeds.drops import Drop
from engine.feeds.files import Report, open_data
from engine.feeds.venues.chain import BookChains, EventBook
from engine.feeds.venues.events import BookDelta, BookL2, MarketEvent, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.registry import VENUES, guess_venue

__all__ = ["SymbolFacts", "VenueFacts", "inspect_venue", "sibling_captures"]

HEAD_MESSAGES = 4_096
MAX_HOLES_NAMED = 10
"""Holes that are named one by one; all are counted."""
_SIBLINGS = re.compile(r"(?P<venue>.+)\.ws\.\d+(\.\d+)?\.txt(\.\w+)?$")


class SymbolFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol of a capture."""

    symbol: str
    trades: int
    quotes: int
    snapshots: int
    updates: int
    """Changes of the book."""
    applied: int
    """Snapshots and changes that the rules let through."""
    gaps: int
    """Holes in the numbers of its updates."""
    wrong_checksums: int
    crossed_states: int
    """States in which the best bid was at or above the best ask."""
    is_synchronised: bool | None
    """Whether the book is known at the end; None without any."""
    best_bid: str | None
    """`price x size` as the venue wrote them; None where the book is not known."""
    best_ask: str | None


class VenueFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A capture, or several of one time together."""

    venue: str
    joined: tuple[str, ...]
    """Names of further captures whose messages were put between, by time of receipt."""
    messages: int
    ignored: int
    """Answers and heartbeats."""
    start_utc: str | None
    """By the clock of who captured."""
    end_utc: str | None
    duration_s: float | None
    streams: dict[str, int]
    symbols: tuple[SymbolFacts, ...]
    """Most events first."""
    dropped: tuple[Drop, ...]
    """Of several captures the place is of the one in which it was."""
    gaps: int
    """Holes in the numbers of updates, over all symbols."""
    checksums_right: int
    checksums_wrong: int
    first_gaps: tuple[str, ...]


def sibling_captures(path: Path) -> tuple[Path, ...]:
    """REST answers that were recorded with a websocket capture: X.http.* beside X.ws.*; a snapshot among them
    is what the updates stand on."""
    named = _SIBLINGS.fullmatch(path.name)
    if named is None:
        return ()
    return tuple(sorted(path.parent.glob(f"{_escaped(named['venue'])}.http.*")))


def inspect_venue(
    path: Path, others: Sequence[Path] = (), *, report: Report | None = None
) -> VenueFacts | None:
    """Read the capture, and `others` of the same time with it; None when no venue recognises it.

    `report` hears how many bytes of `path` are read. Raises UsageError and DataError as `open_data` does.
    """
    with ExitStack() as opened:
        captures = [opened.enter_context(open_data(path, report=report))]
        captures += [opened.enter_context(open_data(other)) for other in others]
        messages = merge_messages(
            *(read_messages(name, data) for name, data in zip((path, *others), captures, strict=True))
        )
        survey = _Survey()
        if not survey.read(messages):
            return None
    return survey.facts(tuple(other.name for other in others))


class _Symbol:
    """What is counted of one symbol."""

    def __init__(self) -> None:
        self.trades = self.quotes = self.snapshots = self.updates = 0
        self.applied = self.gaps = self.wrong_checksums = self.crossed_states = 0
        self.book = EventBook()

    @property
    def events(self) -> int:
        return self.trades + self.quotes + self.snapshots + self.updates


class _Survey:
    """One pass over the messages."""

    def __init__(self) -> None:
        self._venue = ""
        self._normaliser = Normaliser()
        self._chains = BookChains()
        self._symbols: dict[str, _Symbol] = {}
        self._first_gaps: list[str] = []
        self._first_ns: int | None = None
        self._last_ns = 0

    def read(self, messages: Iterator[Message]) -> bool:
        """Take all; False when no venue recognises the first ones."""
        head = list(islice(messages, HEAD_MESSAGES))
        texts = [message.text for message in head if message.problem is None]
        self._venue = guess_venue(texts) or ""
        if not self._venue:
            return False
        self._normaliser = VENUES[self._venue]()
        self._normaliser.begin(texts)
        drops = self._normaliser.drops
        for message in chain(head, messages):
            drops.line, drops.offset = message.line, message.offset
            if message.problem is not None:
                drops.add(message.problem)
                continue
            if message.receive_time_ns is not None:
                self._first_ns = message.receive_time_ns if self._first_ns is None else self._first_ns
                self._last_ns = max(self._last_ns, message.receive_time_ns)
            time_ns = message.receive_time_ns or 0
            for event in self._normaliser.take(message.text, time_ns, message.about):
                self._take(event)
        return True

    def facts(self, joined: tuple[str, ...]) -> VenueFacts:
        chains, normaliser, first_ns = self._chains.statistics(), self._normaliser, self._first_ns
        busiest = sorted(self._symbols.items(), key=lambda item: (-item[1].events, item[0]))
        return VenueFacts(
            venue=self._venue,
            joined=joined,
            messages=normaliser.messages,
            ignored=normaliser.ignored,
            start_utc=None if first_ns is None else utc_iso(first_ns),
            end_utc=None if first_ns is None else utc_iso(self._last_ns),
            duration_s=None if first_ns is None else (self._last_ns - first_ns) / NS_PER_S,
            streams=normaliser.streams,
            symbols=tuple(self._symbol_facts(name, symbol) for name, symbol in busiest),
            dropped=tuple(normaliser.drops),
            gaps=sum(symbol.gaps for symbol in self._symbols.values()),
            checksums_right=chains.get("checksums_right", 0),
            checksums_wrong=chains.get("checksums_wrong", 0),
            first_gaps=tuple(self._first_gaps),
        )

    def _take(self, event: MarketEvent) -> None:
        symbol = self._symbols.setdefault(event.symbol, _Symbol())
        if isinstance(event, Trade):
            symbol.trades += 1
        elif isinstance(event, Quote):
            symbol.quotes += 1
        else:
            symbol.snapshots += isinstance(event, BookL2)
            symbol.updates += isinstance(event, BookDelta)
            self._take_book(event, symbol)

    def _take_book(self, event: BookL2 | BookDelta, symbol: _Symbol) -> None:
        try:
            ready = self._chains.take(event)
        except FeedGap as gap:
            is_wrong = "checksum of the book" in str(gap)  # the other kind of hole that a chain finds
            symbol.wrong_checksums += is_wrong
            symbol.gaps += not is_wrong
            if len(self._first_gaps) < MAX_HOLES_NAMED:
                self._first_gaps.append(str(gap))
            return
        for update in ready:
            symbol.applied += 1
            symbol.book.apply(update)
            symbol.crossed_states += symbol.book.is_crossed

    def _symbol_facts(self, name: str, symbol: _Symbol) -> SymbolFacts:
        has_book = symbol.snapshots + symbol.updates > 0
        is_known = self._chains.synchronised(self._venue, name) if has_book else None
        best_bid = best_ask = None
        if is_known:
            best_bid, best_ask = (
                None if level is None else f"{level[0]:f} x {level[1]:f}"
                for level in (symbol.book.best_bid, symbol.book.best_ask)
            )
        return SymbolFacts(
            symbol=name,
            trades=symbol.trades,
            quotes=symbol.quotes,
            snapshots=symbol.snapshots,
            updates=symbol.updates,
            applied=symbol.applied,
            gaps=symbol.gaps,
            wrong_checksums=symbol.wrong_checksums,
            crossed_states=symbol.crossed_states,
            is_synchronised=is_known,
            best_bid=best_bid,
            best_ask=best_ask,
        )


def _escaped(name: str) -> str:
    """For glob: a name is no pattern."""
    return re.sub(r"([*?[])", r"[\1]", name)
