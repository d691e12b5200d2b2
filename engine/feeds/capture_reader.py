"""Reads a capture of any venue: the one way from a file's messages to records.

Stop on the data path: captures.py splits the file into messages, the venue's normaliser makes events of
them, event_records.py makes records of the events of one symbol. Invariant: what a message becomes depends
on the messages before it and on the file's head, never on how often or by whom it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from engine.feeds.captures import Message
from engine.feeds.drops import DropCounts
from engine.feeds.event_records import EventRecords
from engine.feeds.venues.events import BookDelta, BookL2, MarketEvent
from engine.feeds.venues.normaliser import Normaliser
from engine.feeds.venues.registry import VENUES, guess_venue

__all__ = ["HEAD_BYTES", "HEAD_MESSAGES", "CaptureReader"]

HEAD_MESSAGES = 1024
HEAD_BYTES = 1 << 20
"""How much of a capture is looked at before it is read: its venue, what its streams are, its symbol."""
BATCH_MESSAGES = 64
BATCH_BYTES = 1 << 18
"""How much of it is read together."""


class CaptureReader:
    """Reads the messages of one capture: `read` takes all of them, once.

    Afterwards `records` and `normaliser` hold what was found, `lines` how many messages there were. Both are
    there whatever the capture holds; `venue` is empty when no venue recognises it.
    """

    def __init__(self, venue: str = "", symbol: str = "") -> None:
        """Empty: told by the content."""
        self.venue = venue
        self.lines = 0
        self.normaliser = Normaliser()
        self.records = EventRecords(symbol, self.normaliser.drops)

    @property
    def drops(self) -> DropCounts:
        """What was not used."""
        return self.normaliser.drops

    def read(self, messages: Iterator[Message]) -> None:
        """Take every message."""
        head = _batch(messages, HEAD_MESSAGES, HEAD_BYTES)
        texts = [message.text for message in head if message.problem is None]
        self.venue = self.venue or guess_venue(texts) or ""
        symbol = self.records.symbol
        if self.venue:
            normaliser = VENUES[self.venue]
            self.normaliser = normaliser()
            self.normaliser.begin(texts)
            self.records = EventRecords(symbol or _book_symbol(normaliser(), head), self.drops)
        self._take_all(chain(head, messages))

    def _take_all(self, messages: Iterator[Message]) -> None:
        """Take a batch through one stage after the other: what a stage needs of the processor's caches it
        then loads once for the batch, which is a fifth of all time."""
        while batch := _batch(messages, BATCH_MESSAGES, BATCH_BYTES):
            self.lines += len(batch)
            taken = [(message, self._events(message)) for message in batch]
            for message, events in taken:
                self.drops.line, self.drops.offset = message.line, message.offset
                for event in events:
                    self.records.take(event)

    def _events(self, message: Message) -> list[MarketEvent]:
        receive_time_ns, text, about, self.drops.line, self.drops.offset, problem = message
        if problem is not None:
            self.drops.add(problem)
        elif self.venue:
            return self.normaliser.take(text, receive_time_ns or 0, about)
        return []


def _batch(messages: Iterator[Message], most: int, most_bytes: int) -> list[Message]:
    """The next messages: until one of the limits is reached."""
    batch: list[Message] = []
    size = 0
    for message in messages:
        batch.append(message)
        size += len(message.text)
        if len(batch) >= most or size >= most_bytes:
            break
    return batch


def _book_symbol(scout: Normaliser, head: list[Message]) -> str:
    """The first symbol of which the head has a book, else the first of all; empty when it has none."""
    first = ""
    scout.begin([message.text for message in head if message.problem is None])
    for message in head:
        if message.problem is None:
            for event in scout.take(message.text, message.receive_time_ns or 0, message.about):
                if isinstance(event, BookL2 | BookDelta):
                    return event.symbol
                first = first or event.symbol
    return first
