"""The base of all venue normalisers: one message in, any number of events out, never an exception.

Stop on the data path: the first behind the wire. Invariant: every message, and every record in it, becomes
events or counted drops; unknown keys and message kinds that carry no market data are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, TypeVar

import msgspec

from engine.feeds.drops import DropCounts, DropReason
from engine.feeds.venues.events import MarketEvent
from engine.feeds.venues.numbers import Numbers, Refused, symbol_of

__all__ = ["MAX_MESSAGE_BYTES", "MAX_NAMES", "MAX_SYMBOLS", "Normaliser", "count_name"]

MAX_MESSAGE_BYTES = 16 << 20
"""Longest message that is decoded."""
MAX_NAMES = 64
"""Stream names and symbols that are counted one by one; further ones are counted as "(others)"."""
MAX_NAME_CHARS = 128
MAX_SYMBOLS = 65_536
"""Symbols of which something is remembered; messages of further ones are dropped."""

_Row = TypeVar("_Row")
_Event = TypeVar("_Event", bound=MarketEvent)


class Normaliser:
    """One connection to a venue.

    Input   begin(head): optional, what comes first; take(text, receive_time_ns, about): events of a message
    State   drops, streams, market, statistics
    Class   venue, recognises

    A subclass names its venue and reads one message in `_read`; it may raise Refused or msgspec's errors,
    which are counted here. A stream that carries no trades, quotes or books is a counted drop
    (UNKNOWN_STREAM); answers to requests, heartbeats and the like give nothing and count as `ignored`.
    """

    venue: ClassVar[str]

    @classmethod
    def recognises(cls, text: bytes) -> bool:
        """Whether this is a message of this venue and of no other one: cheap, by keys that only it sends.
        Answers to requests and heartbeats may go unrecognised."""
        return False

    def __init__(self) -> None:
        self.drops = DropCounts()
        """Messages, and records in them, that were not used."""
        self.messages = 0
        self.ignored = 0
        """Messages without events and without drops: answers, heartbeats."""
        self.streams: dict[str, int] = {}
        """Messages by name of stream, also of those that are not read; at most MAX_NAMES names."""
        self.numbers = Numbers()
        self._symbols: dict[str, str] = {}
        self._depths: dict[str, int] = {}

    def begin(self, head: Sequence[bytes]) -> None:
        """Look at the first messages of the connection before any is taken.

        Where a venue tells the same thing in several streams, or leaves the symbol out of a message, a
        subclass learns here what the connection carries. Nothing depends on it being called.
        """

    def take(self, text: bytes, receive_time_ns: int, about: str = "") -> list[MarketEvent]:
        """The events of one message, in its order.

        `about` is what a message does not say of itself: the URL of a REST answer, a stream's name.
        """
        self.messages += 1
        if len(text) > MAX_MESSAGE_BYTES:
            self.drops.add(DropReason.LINE_TOO_LONG)
            return []
        dropped = self.drops.total
        try:
            events = self._read(text, receive_time_ns, about)
            if not events and self.drops.total == dropped:
                self.ignored += 1
            return events
        except Refused as refused:
            self.drops.add(refused.reason)
        except msgspec.ValidationError:
            self.drops.add(DropReason.BAD_FIELD)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.drops.add(DropReason.BAD_JSON)
        return []

    def market(self, symbol: str) -> str:
        """Which of the venue's markets the symbol is of: the name under which book_sync.py has the rules."""
        return self.venue

    def statistics(self) -> dict[str, int]:
        """What came, what was dropped, and the fill of what is limited."""
        counts = {"messages": self.messages, "dropped": self.drops.total, "ignored": self.ignored}
        return (
            counts | {"symbols": len(self._symbols), "symbols_limit": MAX_SYMBOLS} | self.numbers.statistics()
        )

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        raise NotImplementedError

    def _stream(self, name: str) -> None:
        """Count a message of this stream."""
        if name in self.streams:
            self.streams[name] += 1
        else:
            count_name(self.streams, name)

    def _symbol(self, text: str) -> str:
        """The symbol in capitals, remembered. Raises Refused for text that cannot be one."""
        symbol = self._symbols.get(text)
        if symbol is None:
            symbol = symbol_of(text)
            if len(self._symbols) >= MAX_SYMBOLS:
                raise Refused(DropReason.BAD_SYMBOL)
            self._symbols[text] = symbol
        return symbol

    def _follow(self, symbol: str, depth: int) -> None:
        """Read the book of this symbol from its deepest stream so far. Raises Refused for a shallower one,
        which tells the same again and would cut the book off."""
        if depth != self._depths.setdefault(symbol, depth):
            if depth < self._depths[symbol]:
                raise Refused(DropReason.TOLD_TWICE)
            self._depths[symbol] = depth

    def _each(self, rows: Iterable[_Row], read: Callable[[_Row], _Event]) -> list[MarketEvent]:
        """The events of independent records (trades): a bad one goes alone, counted."""
        events: list[MarketEvent] = []
        for row in rows:
            try:
                events.append(read(row))
            except Refused as refused:
                self.drops.add(refused.reason)
        return events


def count_name(names: dict[str, int], name: str) -> None:
    """Count, with a bound on distinct names and on their length: they come from outside."""
    if name not in names:
        name = name[:MAX_NAME_CHARS] if len(names) < MAX_NAMES else "(others)"
    names[name] = names.get(name, 0) + 1
