"""The base of all venue normalisers: one message in, any number of events out, never an exception.

Stop on the data path: the first behind the wire. Invariant: every message, and every record in it, becomes
events or counted drops; unknown keys and message kinds that carry no market data are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, TypeVar

import msgspec

from engine.feeds.drops import DropCounts, DropReason
from engine.feeds.venues.events import MarketEvent
from engine.feeds.venues.numbers import Numbers, Refused

__all__ = ["MAX_MESSAGE_BYTES", "Normaliser"]

MAX_MESSAGE_BYTES = 16 << 20
"""Longest message that is decoded."""

_Row = TypeVar("_Row")
_Event = TypeVar("_Event", bound=MarketEvent)


class Normaliser:
    """One connection to a venue.

    Input   take(text, receive_time_ns, about): the events of one message
    State   drops, statistics

    A subclass names its venue and reads one message in `_read`; it may raise Refused or msgspec's errors,
    which are counted here.
    """

    venue: ClassVar[str]

    def __init__(self) -> None:
        self.drops = DropCounts()
        """Messages, and records in them, that were not used."""
        self.messages = 0
        self.numbers = Numbers()

    def take(self, text: bytes, receive_time_ns: int, about: str = "") -> list[MarketEvent]:
        """The events of one message, in its order.

        `about` is what a message does not say of itself: the URL of a REST answer, a stream's name.
        """
        self.messages += 1
        if len(text) > MAX_MESSAGE_BYTES:
            self.drops.add(DropReason.LINE_TOO_LONG)
            return []
        try:
            return self._read(text, receive_time_ns, about)
        except Refused as refused:
            self.drops.add(refused.reason)
        except msgspec.ValidationError:
            self.drops.add(DropReason.BAD_FIELD)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.drops.add(DropReason.BAD_JSON)
        return []

    def statistics(self) -> dict[str, int]:
        """What came, what was dropped, and the fill of what is limited."""
        return {"messages": self.messages, "dropped": self.drops.total} | self.numbers.statistics()

    def _read(self, text: bytes, receive_time_ns: int, about: str) -> list[MarketEvent]:
        raise NotImplementedError

    def _each(self, rows: Iterable[_Row], read: Callable[[_Row], _Event]) -> list[MarketEvent]:
        """The events of independent records (trades): a bad one goes alone, counted."""
        events: list[MarketEvent] = []
        for row in rows:
            try:
                events.append(read(row))
            except Refused as refused:
                self.drops.add(refused.reason)
        return events
