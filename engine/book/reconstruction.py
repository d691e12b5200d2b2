"""A whole event log solved at once: what every order and every level was, and from when until when.

The third witness of the rules in interface.py, built another way than the books: no book is walked
event by event, nothing is inserted or removed. Columns of the whole log go through numpy a few times:

1. Events by themselves. Ignored types and the checks of side, price and quantity need no book.
2. Stories. A stable sort by id puts what happened to each id into one piece, in time order.
3. Lives. In a story some ADDs and MODIFYs are placements: from then on `qty` lots rest. Until the next
   placement lots can only leave, so with C the running sum of the lots that events ask to take,
       rest(i) = max(0, qty - (C(i) - C(placement)))
   and a search in C says at which event the order is gone. Every accepted MODIFY is a placement. An ADD
   is one when nothing rests, which depends on the placement before it: so each of them points at the
   first that can follow its end, and the placements are those that can be reached from the story's
   first. Doubling the pointers finds them in at most log2(n) steps.
4. Levels. Each change of an order is a row (level, event, lots, orders). A stable sort by level and
   running sums give the total and the number of orders of each level after each event.
5. The limit of a level is the one rule by which orders depend on each other. When all lots of the log
   together stay below it, no level can exceed it and the first solution stands. Otherwise 3 and 4 run
   over Python's integers, in rounds: each says which placements a level refuses, given those refused in
   the round before, until a round changes nothing. A decision depends on earlier ones only, so after i
   rounds at least the first i stand: the rounds end, at what the rules say. They are as many as refusals
   that hinge on one another, few in a real log. For a log made to have many, `max_rounds` says when to
   give up, and whoever asked solves the log in pieces (columnar.py does).
6. Best prices. A version of a level covers the log from one event until another; the best of those that
   cover an event is its top (`_last_covering`).

1 to 3 are in lives.py. It stands beside the books on the data path, over a log that is complete. The
invariant: versions of one order do not overlap, nor do those of one level, so a cut finds each once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engine.book.digest import book_digest
from engine.book.interface import (
    MAX_LEVEL_LOTS,
    MAX_PRICE_TICKS,
    TOP_DTYPE,
    ApplyCounts,
    EventArray,
    Level,
    TopArray,
    as_event_array,
)
from engine.book.lives import (
    UNDECIDED,
    Flags,
    Keys,
    Lives,
    Lots,
    Outcomes,
    Rows,
    Stories,
    firsts,
    judge_alone,
    live_through,
    outcomes,
    tell_stories,
)
from engine.core.types import EVENT_DTYPE, EventType

__all__ = ["LEVEL_VERSION_DTYPE", "ORDER_VERSION_DTYPE", "Reconstruction", "Versions", "reconstruct"]

Versions = npt.NDArray[np.void]

ORDER_VERSION_DTYPE = np.dtype(
    [("order_id", "u8"), ("level", "u8"), ("qty", "i8"), ("place", "i8"), ("since", "i8"), ("until", "i8")]
)
"""What an order was at the cuts since <= cut < until. `level` is its level's key (lives.level_keys); of
two orders of a level, the one with the lower `place` stands before the other."""

LEVEL_VERSION_DTYPE = np.dtype(
    [("level", "u8"), ("total", "i8"), ("count", "i8"), ("since", "i8"), ("until", "i8")]
)
"""What a level was at the cuts since <= cut < until."""

_FIRST_ASK = np.uint64(1 << 63)
"""Level keys from here on are asks."""


def reconstruct(
    events: EventArray, *, opening: int = 0, max_rounds: int | None = None
) -> Reconstruction | None:
    """The book of a log, shape (n,), dtype EVENT_DTYPE, at every cut. Raises UsageError for another array.

    The first `opening` events make the book of cut 0 and are not counted as events. None only where
    `max_rounds` is given and the limits of levels take more rounds than that; n + 1 are always enough.

    Cost: O(n log n) time in each round, and some 240 bytes of memory an event.
    """
    events = as_event_array(events)
    assert 0 <= opening <= len(events), opening
    outcome = judge_alone(events)
    stories = tell_stories(events, np.flatnonzero(outcome == UNDECIDED))
    solution = _solve(stories, max_rounds or len(events) + 1)
    if solution is None:
        assert max_rounds is not None, "a round that made no further decision stand"
        return None
    outcome[stories.event] = outcomes(stories, solution.lives, solution.refused)
    cuts = _Cuts(opening, len(events) - opening)
    return Reconstruction(
        outcome[opening:],
        _order_versions(stories, solution.lives, cuts),
        _level_versions(solution.changes, cuts),
        solution.rounds,
    )


@dataclass(frozen=True)
class Reconstruction:
    """A solved log. Cut i is the moment after i events; cut 0 is before the first.

    At a cut        levels_at orders_at digest_at
    At all of them  tops order_counts outcomes (counts says how many of each)

    Cost: one cut O(n), all tops O(n log n).
    """

    outcomes: Outcomes
    """What became of each event: shape (n,), u1, places in ApplyCounts."""
    orders: Versions
    """All versions of all orders, by id and time: ORDER_VERSION_DTYPE."""
    levels: Versions
    """All versions of all levels, bids before asks, worst level first, by time: LEVEL_VERSION_DTYPE."""
    rounds: int
    """Rounds that the limits of levels took; 1 when no level met its limit."""

    @property
    def counts(self) -> ApplyCounts:
        """How many events had which outcome."""
        return ApplyCounts(*np.bincount(self.outcomes, minlength=UNDECIDED).tolist())

    @property
    def end(self) -> int:
        """The last cut: the number of events."""
        return len(self.outcomes)

    def levels_at(self, cut: int, side: int) -> list[Level]:
        """The levels of a side, best first."""
        found = self._at(cut, self._side(side))[::-1]
        prices = _prices(found["level"])
        columns = (prices.tolist(), found["total"].tolist(), found["count"].tolist())
        return [Level(*row) for row in zip(*columns, strict=True)]

    def orders_at(self, cut: int) -> EventArray:
        """The resting orders as ADDs, those of one level in queue order. Applied to an empty book, these
        events make the book of this cut."""
        found = self._at(cut, self.orders)
        found = found[np.argsort(found["place"], kind="stable")]
        adds = np.zeros(len(found), EVENT_DTYPE)
        adds["event_type"] = EventType.ADD
        adds["order_id"] = found["order_id"]
        adds["side"] = found["level"] >= _FIRST_ASK
        adds["price"] = _prices(found["level"])
        adds["qty"] = found["qty"]
        return adds

    def digest_at(self, cut: int) -> int:
        """Canonical L2 digest (u64, digest.py)."""
        bids, asks = (((price, total) for price, total, _ in self.levels_at(cut, side)) for side in (0, 1))
        return book_digest(bids, asks)

    def tops(self) -> TopArray:
        """The top of the book after each event: shape (n,), TOP_DTYPE."""
        tops = np.zeros(self.end, TOP_DTYPE)
        for side, name in enumerate(("bid", "ask")):
            versions = self._side(side)
            best = _last_covering(versions["since"], versions["until"], self.end + 1)[1:]
            covered = best >= 0
            best = best[covered]
            tops[f"{name}_price"][covered] = _prices(versions["level"][best])
            tops[f"{name}_qty"][covered] = versions["total"][best]
        return tops

    def order_counts(self) -> Rows:
        """Number of live orders at each cut: shape (n + 1,), i8."""
        came, went = (np.bincount(self.orders[name], minlength=self.end + 2) for name in ("since", "until"))
        return np.cumsum(came - went)[: self.end + 1]

    def _at(self, cut: int, versions: Versions) -> Versions:
        """The versions that stand at a cut, in their order."""
        assert 0 <= cut <= self.end, cut
        return versions[(versions["since"] <= cut) & (cut < versions["until"])]

    def _side(self, side: int) -> Versions:
        split = int(np.searchsorted(self.levels["level"], _FIRST_ASK))
        return self.levels[split:] if side else self.levels[:split]


class _Changes(NamedTuple):
    """What orders changed at levels: a row each, by level and time."""

    level: Keys
    event: Rows
    total: Lots
    """Lots of the level after the change."""
    orders: Rows
    """Orders of the level after the change."""


class _Solution(NamedTuple):
    lives: Lives
    refused: Flags
    """Rows of the stories that a level refused."""
    changes: _Changes
    rounds: int


def _solve(stories: Stories, max_rounds: int) -> _Solution | None:
    """Lives and levels that agree on which placements the levels refuse; None after too many rounds."""
    refused = np.zeros(len(stories.event), np.bool_)
    for rounds in range(1, max_rounds + 1):
        lives = live_through(stories, refused)
        changes, demanded = _changes(stories, lives, refused)
        exceeds = (demanded > MAX_LEVEL_LOTS).astype(np.bool_)
        if (exceeds == refused).all():
            return _Solution(lives, refused, changes, rounds)
        refused = exceeds
    return None


def _changes(stories: Stories, lives: Lives, refused: Flags) -> tuple[_Changes, Lots]:
    """All changes of levels; and for each row of the stories, which total its placement demands of its level.

    A refused placement changes nothing but is a change too, so that it is asked again. What is no
    placement demands 0.
    """
    leaves = (lives.rest_before > 0) & (lives.placed | (lives.rest < lives.rest_before))
    enters = lives.placed | refused
    kept = np.where(lives.placed, 0, lives.rest)
    lots = (kept - lives.rest_before)[leaves], np.where(lives.placed, stories.qty, 0)[enters]
    orders = -(kept == 0)[leaves].astype(np.int64), lives.placed[enters].astype(np.int64)
    level = np.concatenate([lives.level_before[leaves], stories.level[enters]])
    event = np.concatenate([stories.event[leaves], stories.event[enters]])
    # A stable sort: of one event, what leaves stays first, so a MODIFY finds its level without its own lots.
    by_level = np.lexsort((event, level))
    level, event = level[by_level], event[by_level]
    exact = stories.takes.dtype
    total = _sums_by_level(level, np.concatenate(lots).astype(exact)[by_level])
    changes = _Changes(level, event, total, _sums_by_level(level, np.concatenate(orders)[by_level]))

    total_of_row = np.empty_like(total)
    total_of_row[by_level] = total
    demanded = np.zeros(len(refused), exact)
    demanded[enters] = total_of_row[len(lots[0]) :]
    # A refused MODIFY has not left its level, so its own lots still stand there.
    own = np.where(lives.level_before == stories.level, lives.rest_before, 0)
    demanded[refused] += (stories.qty - own)[refused]
    demanded[(stories.kind == EventType.ADD) & (lives.rest_before > 0)] = 0
    return changes, demanded


def _sums_by_level(level: Keys, change: Lots) -> Lots:
    """Running sums that begin anew at each level."""
    sums: Lots = np.cumsum(change)
    begins = np.flatnonzero(firsts(level))
    sums -= np.repeat(sums[begins] - change[begins], np.diff(begins, append=len(level)))
    return sums


class _Cuts(NamedTuple):
    """The cuts of a log: how event numbers turn into them."""

    opening: int
    end: int

    def since(self, event: Rows) -> Rows:
        """First cut that has seen an event."""
        return np.maximum(event - self.opening + 1, 0)

    def until(self, event: Rows, has_next: Flags) -> Rows:
        """For rows in time order: first cut that has seen the event of the next row, where it has one."""
        never = self.end + 1
        return np.where(has_next, np.append(self.since(event)[1:], never), never)


def _order_versions(stories: Stories, lives: Lives, cuts: _Cuts) -> Versions:
    row = np.arange(len(stories.event))
    stays = (lives.level == lives.level_before) & (stories.qty <= lives.rest_before)
    to_the_back = np.maximum.accumulate(np.where(lives.placed & ~stays, row, 0))
    until = cuts.until(stories.event, row + 1 < stories.end)
    exists = lives.rest > 0
    versions = np.empty(np.count_nonzero(exists), ORDER_VERSION_DTYPE)
    versions["order_id"] = stories.order_id[exists]
    versions["level"] = lives.level[exists]
    versions["qty"] = lives.rest[exists]
    versions["place"] = stories.event[to_the_back[exists]]
    versions["since"] = cuts.since(stories.event[exists])
    versions["until"] = until[exists]
    return versions


def _level_versions(changes: _Changes, cuts: _Cuts) -> Versions:
    since = cuts.since(changes.event)
    until = cuts.until(changes.event, ~np.append(firsts(changes.level), True)[1:])
    exists = (changes.orders > 0) & (since < until)
    versions = np.empty(np.count_nonzero(exists), LEVEL_VERSION_DTYPE)
    versions["level"] = changes.level[exists]
    versions["total"] = changes.total[exists].astype(np.int64)
    versions["count"] = changes.orders[exists]
    versions["since"] = since[exists]
    versions["until"] = until[exists]
    return versions


def _prices(level: Keys) -> Rows:
    """Prices of level keys."""
    rank = (level & np.uint64(MAX_PRICE_TICKS)).astype(np.int64)
    return np.where(level >= _FIRST_ASK, MAX_PRICE_TICKS - rank, rank)


def _last_covering(since: Rows, until: Rows, length: int) -> Rows:
    """For each cut of 0..length-1: the last row i with since[i] <= cut < until[i]; -1 where none is.

    A window is the union of two whose length is the largest power of two in it. From the longest
    windows to the shortest, each hands what it knows to its two halves.
    """
    power = np.searchsorted(1 << np.arange(62), until - since, side="right") - 1
    last = np.full(length, -1)
    for k in range(int(power.max(initial=0)), -1, -1):
        half = 1 << k
        # So far last[i] is about the window of 2 * half from i; from here on about that of half.
        last[half:] = np.maximum(last[half:], last[:-half])
        rows = np.flatnonzero(power == k)
        np.maximum.at(last, since[rows], rows)
        np.maximum.at(last, until[rows] - half, rows)
    return last
