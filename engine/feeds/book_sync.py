"""Sequence rules of Binance streams: which update may change a book, which trade is next, where a hole is.

Stop on the data path: between records and any book (the exchange's own, the market's HISTORY). Invariant:
what comes out is a snapshot followed by an unbroken chain, or (a file without a snapshot) an unbroken chain,
and trades without a missing one; at a hole FeedGap is raised before anything behind it gets out.

Rules ("How to manage a local order book correctly", spot and USD-M documentation), L = lastUpdateId:
    spot      drop u <= L; the first applied has U <= L + 1 <= u; then U == previous u + 1
    futures   drop u < L;  the first applied has U <= L <= u;     then pu == previous u
A record's `previous_id` is U - 1 on spot and pu on futures, so both chains read previous_id == previous u,
and both first updates previous_id <= L. On futures this also admits pu <= L < U: no update of this symbol
lies between pu and U, so nothing is missing there.

Trade ids of a symbol count up by one. Quotes (bookTicker) have no chain: one comes only when the top changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.errors import FeedGap
from engine.feeds.binance import SPOT
from engine.feeds.records import DepthUpdate, FeedRecord, TradeTick

__all__ = [
    "MAX_WAITING",
    "BookSync",
    "SequenceGap",
    "SyncState",
    "find_halt",
    "is_next_trade",
    "sequence_gaps",
    "trade_gaps",
]

MAX_WAITING = 16_384
"""Depth updates kept while no snapshot has come; beyond it the oldest go (counted), and a snapshot that
would have needed them shows a gap."""


class SyncState(StrEnum):
    """Where a BookSync is."""

    WAITING = "waits for a snapshot"
    BRIDGING = "has a snapshot, waits for the first update that continues it"
    CHAINED = "follows the chain"


class SequenceGap(NamedTuple):
    """One hole in a chain of updates."""

    time_ns: int
    """Session time of the update, or trade, behind the hole."""
    expected: int
    """In the exchange's own terms: the `U` due on spot, the `pu` due on futures, a trade's id."""
    got: int


class BookSync:
    """Takes depth updates as they arrive and gives back, in order, those that change the book.

    Input   apply
    State   state, synchronised, last_id, statistics

    After a FeedGap it waits for the next snapshot: whoever wants to go on calls `apply` again.
    """

    def __init__(
        self, kind: str, *, where: str = "depth stream", starts_without_snapshot: bool = False
    ) -> None:
        """`kind` is the source's, `where` names it in errors; without a snapshot any update may begin."""
        self.state = SyncState.CHAINED if starts_without_snapshot else SyncState.WAITING
        self.last_id = -1
        """Last exchange update that the book contains; -1 before the first."""
        self._is_spot = kind == SPOT
        self._where = where
        self._waiting: deque[DepthUpdate] = deque()
        self._applied = 0
        self._dropped_old = 0
        self._dropped_waiting = 0
        self._gaps = 0

    @property
    def synchronised(self) -> bool:
        """True while the book stands on a snapshot or on the chain."""
        return self.state is not SyncState.WAITING

    def apply(self, update: DepthUpdate) -> tuple[DepthUpdate, ...]:
        """The updates that change the book now: none, this one, or a snapshot and what waited for it.

        Raises FeedGap at a hole, with the `U` (spot) or `pu` (futures) that was due and the one that came;
        then nothing of this call is given out.
        """
        if update.is_snapshot:
            return self._take_snapshot(update)
        if self.state is SyncState.WAITING:
            self._keep(update)
            return ()
        is_next = self._is_next(update)
        self._applied += is_next
        return (update,) if is_next else ()

    def saved(self) -> dict[str, Any]:
        """Everything that a snapshot needs to go on, as JSON can hold it."""
        counts = [self._applied, self._dropped_old, self._dropped_waiting, self._gaps]
        waiting = [list(update) for update in self._waiting]
        return {"state": self.state.name, "last_id": self.last_id, "waiting": waiting, "counts": counts}

    def restore(self, saved: dict[str, Any]) -> None:
        """Goes on from what `saved` gave."""
        self.state, self.last_id = SyncState[saved["state"]], saved["last_id"]
        self._waiting = deque(_update(row) for row in saved["waiting"])
        self._applied, self._dropped_old, self._dropped_waiting, self._gaps = saved["counts"]

    def statistics(self) -> dict[str, int]:
        """Fill of the waiting queue, and what was applied and dropped."""
        return {
            "waiting": len(self._waiting),
            "waiting_limit": MAX_WAITING,
            "applied": self._applied,
            "dropped_old": self._dropped_old,
            "dropped_waiting": self._dropped_waiting,
            "gaps": self._gaps,
        }

    def _take_snapshot(self, snapshot: DepthUpdate) -> tuple[DepthUpdate, ...]:
        if self.state is not SyncState.WAITING and snapshot.last_id <= self.last_id:
            self._dropped_old += 1  # the chain has come further: it would turn time back
            return ()
        self.state = SyncState.BRIDGING
        self.last_id = snapshot.last_id
        ready = [snapshot]
        waiting, self._waiting = self._waiting, deque()
        while waiting:
            update = waiting.popleft()
            try:
                if self._is_next(update):
                    ready.append(update)
            except FeedGap:
                self._waiting.extend(waiting)  # behind the update that shows the hole, for a later snapshot
                raise
        self._applied += len(ready)
        return tuple(ready)

    def _is_next(self, update: DepthUpdate) -> bool:
        """Whether it continues the chain, which it then is part of; False when the book contains it."""
        if self.state is SyncState.BRIDGING:
            is_old = update.last_id < self.last_id + self._is_spot
            continues = update.previous_id <= self.last_id
        else:
            is_old = update.last_id <= self.last_id
            continues = update.previous_id == self.last_id or self.last_id < 0
        if is_old:
            self._dropped_old += 1
            return False
        if not continues:
            raise self._gap(update)
        self.state = SyncState.CHAINED
        self.last_id = update.last_id
        return True

    def _gap(self, update: DepthUpdate) -> FeedGap:
        """The error for this update; from here on only a snapshot helps."""
        self._gaps += 1
        self.state = SyncState.WAITING
        self._keep(update)
        where = f"{self._where}: depth update at {update.time_ns / NS_PER_S:.3f} s"
        expected, got = _expected_and_got(self.last_id, update, is_spot=self._is_spot)
        return FeedGap(where, expected=expected, got=got)

    def _keep(self, update: DepthUpdate) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._dropped_waiting += 1
        self._waiting.append(update)


def sequence_gaps(updates: Iterable[DepthUpdate], kind: str) -> Iterator[SequenceGap]:
    """Every hole in the updates' own chain, snapshots aside; the chain goes on behind each."""
    last_id = -1
    for update in updates:
        if update.is_snapshot or update.last_id <= last_id:
            continue
        if last_id >= 0 and update.previous_id != last_id:
            expected, got = _expected_and_got(last_id, update, is_spot=kind == SPOT)
            yield SequenceGap(update.time_ns, expected, got)
        last_id = update.last_id


def is_next_trade(trade: TradeTick, *, where: str) -> bool:
    """Whether this trade is new; False for one that was there before. Raises FeedGap when one is missing."""
    if trade.trade_id > trade.previous_id + 1:
        where = f"{where}: trade at {trade.time_ns / NS_PER_S:.3f} s"
        raise FeedGap(where, expected=trade.previous_id + 1, got=trade.trade_id)
    return trade.trade_id > trade.previous_id


def trade_gaps(trades: Iterable[TradeTick]) -> Iterator[SequenceGap]:
    """Every hole in the ids of these trades."""
    for trade in trades:
        if trade.trade_id > trade.previous_id + 1:
            yield SequenceGap(trade.time_ns, trade.previous_id + 1, trade.trade_id)


def find_halt(records: Iterable[FeedRecord], sync: BookSync, *, where: str) -> FeedGap | None:
    """The hole at which a replay of these records halts; None when they can be played to their end."""
    try:
        for record in records:
            if isinstance(record, DepthUpdate):
                sync.apply(record)
            elif isinstance(record, TradeTick):
                is_next_trade(record, where=where)
    except FeedGap as gap:
        return gap
    return None


def _update(row: list[Any]) -> DepthUpdate:
    """An update as JSON gives it back, lists for tuples."""
    update = DepthUpdate(*row)
    bids, asks = (tuple((price, qty) for price, qty in side) for side in (update.bids, update.asks))
    return update._replace(bids=bids, asks=asks)


def _expected_and_got(last_id: int, update: DepthUpdate, *, is_spot: bool) -> tuple[int, int]:
    return (last_id + 1, update.first_id) if is_spot else (last_id, update.previous_id)
