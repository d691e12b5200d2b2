"""HISTORY: a recorded exchange that goes on, record by record, in a market where others trade too.

Stop 1b on the data path. What all players of recorded feeds share: the clock of the records, the halt at a
hole, and divergence, which is liquidity of HISTORY that others took before history did. How a record changes
the book is level_player.py's (totals of levels) or order_player.py's (single orders). Invariant: a record is
played at its own time, once, in order; behind a hole nothing is played.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from engine.core.errors import FeedGap
from engine.market.exchange import Exchange
from engine.storms.base import LeadPrice

__all__ = ["LEAD_NS", "Divergence", "HistoryLead", "HistoryPlayer", "RecordedFeed"]


LEAD_NS = 100_000_000
"""How far ahead the faster line of a latency arbitrageur hears the exchange."""


class RecordedFeed(Protocol):
    """What a player needs of a source, whatever its records are."""

    @property
    def record_count(self) -> int: ...

    def record_time_ns(self, index: int) -> int: ...


class Divergence(NamedTuple):
    """One taking of historical liquidity by somebody else."""

    time_ns: int
    price_ticks: int
    qty_lots: int


class HistoryPlayer(ABC):
    """Feeds the records of a source to the exchange at their times.

    Going on    start state restore
    Counts      update_count trade_count gaps divergence_count divergence_lots first_divergence statistics
    """

    owner_key = "history"

    def __init__(self, exchange: Exchange, source: RecordedFeed) -> None:
        self.exchange = exchange
        self.source = source
        self.gaps = 0
        """Holes in the sequence: the first one halts the replay, for the book behind it would be a guess."""
        self.ended = False
        self.halted: str | None = None
        """The report of the hole at which HISTORY stands still; None while there was none."""
        self.on_halt: list[Callable[[int, str], None]] = []
        """Hears of a gap: (time_ns, what is missing)."""
        self._index = 0

    def start(self) -> None:
        """Schedule the first record."""
        self._schedule()

    @property
    @abstractmethod
    def update_count(self) -> int:
        """Messages about the book so far."""

    @property
    @abstractmethod
    def trade_count(self) -> int:
        """Historical trades so far."""

    @abstractmethod
    def statistics(self) -> dict[str, int]:
        """What was played and what was left out."""

    @abstractmethod
    def lead_twice_mid(self, now_ns: int) -> int | None:
        """Twice the exchange's mid as it will be LEAD_NS after now; None where it is not known."""

    @abstractmethod
    def _play_from(self, index: int) -> int:
        """Plays the record with this index, and what belongs to the same moment. Returns the next index.
        Raises FeedGap at a hole."""

    @property
    def divergence_count(self) -> int:
        """How often others have taken historical liquidity."""
        return self.exchange.market.divergence_count

    @property
    def divergence_lots(self) -> int:
        """How much of it they have taken."""
        return self.exchange.market.divergence_lots

    @property
    def first_divergence(self) -> Divergence | None:
        """When others first took some; None if they never did."""
        first = self.exchange.market.first_divergence
        if not self.divergence_count:
            return None
        return Divergence(first.time_ns, first.price_ticks, first.qty_lots)

    def state(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on, as JSON can hold it."""
        return {"gaps": self.gaps, "ended": self.ended, "halted": self.halted, "index": self._index}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self.gaps, self.ended, self.halted = state["gaps"], state["ended"], state["halted"]
        self._index = state["index"]

    def _schedule(self) -> None:
        kernel = self.exchange.kernel
        if self._index >= self.source.record_count:
            self._end(kernel.now_ns)
            return
        kernel.schedule(max(kernel.now_ns, self.source.record_time_ns(self._index)), self._play, None)

    def _play(self, now_ns: int, _payload: None) -> None:
        index = self._index
        self._index = index + 1
        try:
            self._index = self._play_from(index)
        except FeedGap as gap:
            self._halt(now_ns, str(gap))
        else:
            self._schedule()

    def _end(self, now_ns: int) -> None:
        """The last record has been played."""
        self.ended = True

    def _halt(self, now_ns: int, report: str) -> None:
        self.gaps += 1
        self.ended = True
        self.halted = report
        for listener in self.on_halt:
            listener(now_ns, report)


class HistoryLead(LeadPrice):
    """The faster venue of a replayed market: the exchange itself, heard a little earlier."""

    def __init__(self, player: HistoryPlayer) -> None:
        self.player = player

    def ticks(self, now_ns: int) -> float | None:
        twice_mid = self.player.lead_twice_mid(now_ns)
        return None if twice_mid is None else twice_mid / 2.0
