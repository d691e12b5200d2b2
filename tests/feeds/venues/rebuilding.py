"""Captured connections played through a normaliser and the chains into books."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.core.errors import FeedGap
from engine.feeds.captures import merge_messages, read_messages
from engine.feeds.files import open_data
from engine.feeds.venues.chain import BookChains, EventBook
from engine.feeds.venues.events import BookDelta, BookL2, Level, Quote, Trade
from engine.feeds.venues.normaliser import Normaliser
from tests.feeds.venues.taking import check_events

Top = tuple[Level | None, Level | None]


@dataclass
class Rebuilt:
    """What a capture held."""

    kinds: Counter[str] = field(default_factory=Counter)
    books: dict[str, EventBook] = field(default_factory=dict)
    applied: int = 0
    gaps: list[str] = field(default_factory=list)
    crossed: int = 0
    """Book states with the best bid at or above the best ask."""
    tops: dict[tuple[str, int], Top] = field(default_factory=dict)
    """Best prices of a symbol after an update."""
    quotes: list[Quote] = field(default_factory=list)


def rebuild(normaliser: Normaliser, *paths: Path) -> Rebuilt:
    """Play the captures, merged by time. Skips the test when one is missing."""
    for path in paths:
        if not path.is_file():
            pytest.skip(f"no {path.name} in ../shared")
    rebuilt = Rebuilt()
    chains = BookChains()
    with ExitStack() as stack:
        captures = [read_messages(path, stack.enter_context(open_data(path))) for path in paths]
        for message in merge_messages(*captures):
            assert message.problem is None
            events = normaliser.take(message.text, message.receive_time_ns or 0, message.about)
            check_events(events)
            for event in events:
                rebuilt.kinds[type(event).__name__] += 1
                if isinstance(event, Quote):
                    rebuilt.quotes.append(event)
                elif not isinstance(event, Trade):
                    _apply(rebuilt, chains, event)
    return rebuilt


def _apply(rebuilt: Rebuilt, chains: BookChains, event: BookL2 | BookDelta) -> None:
    book = rebuilt.books.setdefault(event.symbol, EventBook())
    try:
        ready = chains.take(event)
    except FeedGap as gap:
        rebuilt.gaps.append(str(gap))
        return
    for update in ready:
        book.apply(update)
        rebuilt.applied += 1
        rebuilt.crossed += book.is_crossed
        if update.last_id is not None:
            rebuilt.tops[event.symbol, update.last_id] = (book.best_bid, book.best_ask)
