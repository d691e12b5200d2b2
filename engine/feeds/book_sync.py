"""Sequence rules of all venues: which update may change a book, which trade is next, where a hole is.

Stop on the data path: between updates (records of a source, or a venue's events in venues/chain.py) and any
book. Invariant: what comes out is a snapshot followed by an unbroken chain, or (a file without a snapshot)
an unbroken chain, and trades without a missing one; at a hole FeedGap is raised before anything behind it
gets out.

An update's `previous_id` is the `last_id` of the update that must come directly before, so every chain reads
previous_id == previous last_id. Where a venue has no such numbers it is unknown, and any update may follow.
What differs is where a snapshot comes from (BookRules), L = its last id:

    in the stream   it stands at its place: what came before is forgotten, the chain goes on behind it
    by REST         updates wait for it, and those that it contains are dropped:
      ids without holes (spot)   drop u <= L; the first applied has U <= L + 1 <= u; then U == previous u + 1
      ids with holes (futures)   drop u < L;  the first applied has U <= L <= u;     then pu == previous u

(Binance, "How to manage a local order book correctly", spot and USD-M documentation; KuCoin's sequenceStart
and sequenceEnd are spot's U and u.) previous_id is U - 1 on spot and pu on futures, so both first updates
have previous_id <= L or U <= L. On futures this also admits pu <= L < U: no update of this symbol lies
between pu and U, so nothing is missing there. A venue may restart its numbers (OKX, after maintenance): the
update that does so names its predecessor as any other, and is applied.

Trade ids of a symbol count up by one. Quotes (bookTicker) have no chain: one comes only when the top changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from engine.core.clock import NS_PER_S
from engine.core.errors import FeedGap
from engine.feeds.records import NO_ID, WRONG_CHECKSUM, DepthUpdate, FeedRecord, TradeTick

__all__ = [
    "COINM",
    "MAX_WAITING",
    "SPOT",
    "USDM",
    "BookRules",
    "BookSync",
    "NumberedUpdate",
    "SequenceGap",
    "SyncState",
    "UpdateChain",
    "find_halt",
    "is_next_trade",
    "rules_of",
    "sequence_gaps",
    "trade_gaps",
]

SPOT = "binance_spot"
USDM = "binance_usdm"
COINM = "binance_coinm"

MAX_WAITING = 16_384
"""Depth updates kept while no snapshot has come; beyond it the oldest go (counted), and a snapshot that
would have needed them shows a gap."""


class BookRules(NamedTuple):
    """How a market numbers its updates."""

    ids_have_holes: bool
    """True: an update's first id need not be the one behind the last update's."""
    snapshots_in_stream: bool
    """True: they come in order with the updates; False: they are asked for, and come when they come."""


_IN_STREAM = BookRules(ids_have_holes=True, snapshots_in_stream=True)
_RULES = {
    SPOT: BookRules(ids_have_holes=False, snapshots_in_stream=False),
    USDM: BookRules(ids_have_holes=True, snapshots_in_stream=False),
    COINM: BookRules(ids_have_holes=True, snapshots_in_stream=False),
    "kucoin": BookRules(ids_have_holes=False, snapshots_in_stream=False),
    "bitstamp": BookRules(ids_have_holes=False, snapshots_in_stream=False),
}


def rules_of(market: str) -> BookRules:
    """The rules of a market; those with snapshots in the stream for all that have no entry of their own."""
    return _RULES.get(market, _IN_STREAM)


class NumberedUpdate(Protocol):
    """What a chain needs to know of an update; None and NO_ID are numbers that the venue does not give."""

    @property
    def is_snapshot(self) -> bool: ...
    @property
    def previous_id(self) -> int | None: ...
    @property
    def first_id(self) -> int | None: ...
    @property
    def last_id(self) -> int | None: ...


_Update = TypeVar("_Update", bound=NumberedUpdate)


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
    """In the exchange's own terms: the `U` due on spot, the `pu` due on futures, a trade's id, the checksum
    that the venue states."""
    got: int


class UpdateChain(Generic[_Update]):
    """Takes updates as they arrive and gives back, in order, those that change the book.

    Input   apply
    State   state, synchronised, last_id, statistics

    After a FeedGap it waits for the next snapshot: whoever wants to go on calls `apply` again.
    """

    def __init__(self, rules: BookRules, *, where: str, starts_without_snapshot: bool = False) -> None:
        """`where` names the chain in errors; without a snapshot any update may begin it."""
        self.state = SyncState.CHAINED if starts_without_snapshot else SyncState.WAITING
        self.last_id = NO_ID
        """Last exchange update that the book contains; NO_ID before the first, and where there are none."""
        self.rules = rules
        self._where = where
        self._waiting: deque[_Update] = deque()
        self._applied = 0
        self._dropped_old = 0
        self._dropped_waiting = 0
        self._gaps = 0

    @property
    def synchronised(self) -> bool:
        """True while the book stands on a snapshot or on the chain."""
        return self.state is not SyncState.WAITING

    def apply(self, update: _Update) -> tuple[_Update, ...]:
        """The updates that change the book now: none, this one, or a snapshot and what waited for it.

        Raises FeedGap at a hole, with the number that was due and the one that came: `U` or `u` + 1 where
        ids have no holes, else `pu`; then nothing of this call is given out.
        """
        if update.is_snapshot:
            return self._take_snapshot(update)
        if self.state is SyncState.WAITING:
            self._keep(update)
            return ()
        is_next = self._is_next(update)
        self._applied += is_next
        return (update,) if is_next else ()

    def lose(self) -> None:
        """The book turned out to be wrong: count a gap and wait for the next snapshot."""
        self._gaps += 1
        self.state = SyncState.WAITING

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

    def _take_snapshot(self, snapshot: _Update) -> tuple[_Update, ...]:
        last_id = _known(snapshot.last_id)
        if self.rules.snapshots_in_stream or last_id == NO_ID:
            self.state = SyncState.CHAINED
            self.last_id = last_id
            self._applied += 1
            return (snapshot,)
        if self.state is not SyncState.WAITING and last_id <= self.last_id:
            self._dropped_old += 1  # the chain has come further: it would turn time back
            return ()
        self.state = SyncState.BRIDGING
        self.last_id = last_id
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

    def _is_next(self, update: _Update) -> bool:
        """Whether it continues the chain, which it then is part of; False when the book contains it."""
        previous_id, last_id = _known(update.previous_id), _known(update.last_id)
        if self.state is SyncState.BRIDGING:
            is_old = NO_ID != last_id < self.last_id + (not self.rules.ids_have_holes)
            continues = previous_id <= self.last_id or NO_ID != _known(update.first_id) <= self.last_id
        elif previous_id == NO_ID:
            is_old = NO_ID != last_id < self.last_id
            continues = True
        else:
            is_old = last_id == self.last_id or (last_id < self.last_id != previous_id)
            continues = previous_id == self.last_id or self.last_id == NO_ID
        if is_old:
            self._dropped_old += 1
            return False
        if not continues:
            raise self._gap(update)
        self.state = SyncState.CHAINED
        self.last_id = self.last_id if last_id == NO_ID else last_id
        return True

    def _gap(self, update: _Update) -> FeedGap:
        """The error for this update; from here on only a snapshot helps."""
        self.lose()
        self._keep(update)
        expected, got = _expected_and_got(self.last_id, update, self.rules)
        return FeedGap(f"{self._where}: {self._named(update)}", expected=expected, got=got)

    def _named(self, update: _Update) -> str:
        """The update, for an error."""
        return "book update"

    def _keep(self, update: _Update) -> None:
        if self.rules.snapshots_in_stream:
            self._dropped_waiting += 1  # the next snapshot stands behind it, and contains it
            return
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._dropped_waiting += 1
        self._waiting.append(update)


class BookSync(UpdateChain[DepthUpdate]):
    """The chain of a source's depth records; it can be saved and goes on from what was saved."""

    def __init__(
        self, kind: str, *, where: str = "depth stream", starts_without_snapshot: bool = False
    ) -> None:
        """`kind` is the source's, `where` names it in errors; without a snapshot any update may begin."""
        super().__init__(rules_of(kind), where=where, starts_without_snapshot=starts_without_snapshot)

    def apply(self, update: DepthUpdate) -> tuple[DepthUpdate, ...]:
        """As every chain; also raises FeedGap at an update after which the venue's checksum is another one
        than the book's, with both checksums."""
        if update.previous_id == WRONG_CHECKSUM and self.state is not SyncState.WAITING:
            self.lose()
            where = f"{self._where}: {self._named(update)}, checksum of the book"
            raise FeedGap(where, expected=update.first_id, got=update.last_id)
        return super().apply(update)

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

    def _named(self, update: DepthUpdate) -> str:
        return f"depth update at {update.time_ns / NS_PER_S:.3f} s"


def sequence_gaps(updates: Iterable[DepthUpdate], kind: str) -> Iterator[SequenceGap]:
    """Every hole in the updates' own chain, and every wrong checksum; the chain goes on behind each.

    Snapshots count only where they stand in the stream: one that was asked for may be of any time.
    """
    rules = rules_of(kind)
    last_id = NO_ID
    for update in updates:
        if update.is_snapshot:
            last_id = update.last_id if rules.snapshots_in_stream else last_id
            continue
        if update.previous_id == WRONG_CHECKSUM:
            yield SequenceGap(update.time_ns, update.first_id, update.last_id)
            last_id = NO_ID
            continue
        if update.previous_id == NO_ID or (update.last_id <= last_id != update.previous_id):
            continue
        if last_id not in (NO_ID, update.previous_id):
            expected, got = _expected_and_got(last_id, update, rules)
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


def _known(number: int | None) -> int:
    return NO_ID if number is None else number


def _expected_and_got(last_id: int, update: NumberedUpdate, rules: BookRules) -> tuple[int, int]:
    if rules.ids_have_holes:
        return last_id, _known(update.previous_id)
    return last_id + 1, _known(update.first_id)
