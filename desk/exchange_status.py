"""What the exchange says of the day, the instrument and its auction: as words with a meaning, long and short.

The rule for short: of day and instrument only what is out of the ordinary, the day alone while all is well.
Nothing is shown where nothing is known.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from desk.formats import clean
from engine.frame import FeedView

__all__ = ["LEVELS", "StatusWord", "status_words"]

LEVELS = ("good", "plain", "warning", "critical")
"""From all is well to what must not be missed."""
_DAY = {
    "before hours": "before",
    "pre-market": "pre-mkt",
    "market hours": "open",
    "after hours": "after",
    "closed": "closed",
}
_STATES = {
    "halted": ("HALT", "critical"),
    "paused": ("PAUSE", "warning"),
    "quotation only": ("QUOTES", "warning"),
    "trading": ("", "good"),
}
_AUCTION = re.compile(r"auction: .*imbalance (?P<side>.+?) (?P<shares>[\d,]+)")
_SHORT_CHARS = 14


class StatusWord(NamedTuple):
    """One thing that is known."""

    text: str
    short: str
    """Empty: left out where room is short."""
    level: str
    """One of LEVELS."""


def status_words(feed: FeedView | None) -> tuple[StatusWord, ...]:
    """Day, instrument, auction and hole in the sequence, as far as they are known."""
    if feed is None:
        return ()
    words = [_word(clean(text)) for text in feed.status.split(" · ") if text]
    if any(word.level in ("warning", "critical") and word.short for word in words):
        words = [word._replace(short="") if word.level == "plain" else word for word in words]
    if feed.halted is not None:
        words.insert(0, StatusWord("feed gap: standing still", "FEED GAP", "critical"))
    return tuple(words)


def _word(text: str) -> StatusWord:
    if text in _DAY:
        return StatusWord(text, _DAY[text], "plain")
    for state, (short, level) in _STATES.items():
        if text == state or text.startswith(state + " "):
            return StatusWord(text, f"{short} {text[len(state) + 1 :]}".strip() if short else "", level)
    auction = _AUCTION.fullmatch(text)
    if auction is not None:
        return StatusWord(text, f"AUC {auction['side']} {auction['shares']}"[:_SHORT_CHARS], "warning")
    if text.startswith("crossed "):
        return StatusWord(text, "X " + text.removeprefix("crossed "), "warning")
    return StatusWord(text, text[:_SHORT_CHARS], "plain")
