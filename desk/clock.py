"""The clock that a session is read by: the exchange's own of the recorded day, or plain session time.

Captures know the day (UTC). ITCH counts from the midnight of a day that it does not name, and so does what
is shown: a time of day without a date. Invariant: all panels and `goto` read one clock.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from desk.formats import NS_PER_DAY, time_text
from engine.core.clock import NS_PER_S
from engine.frame import MarketView

__all__ = ["Clock", "clock_of", "time_of_day_ns"]

_TIME_OF_DAY = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?")


class Clock(NamedTuple):
    """Turns session time into what the exchange's clock showed, and back."""

    epoch_ns: int | None
    """The exchange's clock at session time 0: ns since 1970, or since midnight; None = there is none."""
    names_day: bool = False
    """Whether epoch_ns counts from 1970, so that there is a date."""

    def text(self, time_ns: int, *, decimals: int = 3) -> str:
        """`10:30:05.250`; session time where the source has no clock."""
        return time_text(time_ns, epoch_ns=self.epoch_ns, decimals=decimals)

    def full_text(self, time_ns: int, *, decimals: int = 3) -> str:
        """The same with what is known of the day: `2024-08-08 10:30:05.250 UTC`."""
        if self.epoch_ns is None or not self.names_day:
            return self.text(time_ns, decimals=decimals)
        day = datetime.fromtimestamp((self.epoch_ns + time_ns) // NS_PER_S, UTC)
        return f"{day:%Y-%m-%d} {self.text(time_ns, decimals=decimals)} UTC"

    def session_ns(self, time_of_day_ns: int) -> int:
        """When, at or after the session's start, the clock first shows this time of day."""
        return (time_of_day_ns - (self.epoch_ns or 0)) % NS_PER_DAY


def clock_of(market: MarketView) -> Clock:
    """The clock of a frame's market."""
    feed = market.feed
    return Clock(None) if feed is None else Clock(feed.epoch_ns, feed.names_day)


def time_of_day_ns(text: str) -> int | None:
    """ns since midnight of `10:30`, `10:30:05` or `10:30:05.250`; None when the text is no time of day."""
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        return None
    hour, minute, second, fraction = match.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 59:
        return None
    seconds = (int(hour) * 60 + int(minute)) * 60 + int(second or 0)
    return seconds * NS_PER_S + int((fraction or "").ljust(9, "0"))
