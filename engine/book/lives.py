"""Lives of orders, solved over a whole log at once: what rests of each order after each of its events.

First half of the reconstruction (reconstruction.py tells the idea): events that need no book to be
judged, stories by id, and the placements and remaining lots in each story. Nothing here knows levels:
which placements a level refuses comes in as a mask.

Invariant: rows of a story are in time order, so a row's neighbours are what the order was before and
became after. Lots are exact: int64 where their sum over the log fits, Python's integers where not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.book.interface import MAX_LEVEL_LOTS, MAX_PRICE_TICKS, ApplyCounts, EventArray
from engine.core.types import EventType, Side

__all__ = [
    "UNDECIDED",
    "Flags",
    "Keys",
    "Lives",
    "Lots",
    "Outcomes",
    "Rows",
    "Stories",
    "firsts",
    "judge_alone",
    "level_keys",
    "live_through",
    "outcomes",
    "tell_stories",
]

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]
"""Row or event numbers, or lots that fit."""
Keys = npt.NDArray[np.uint64]
Lots = npt.NDArray[Any]
"""Exact lots: int64, or Python integers (dtype object)."""
Outcomes = npt.NDArray[np.uint8]
"""Places in ApplyCounts."""

UNDECIDED = len(ApplyCounts._fields)
"""Outcome of an event that needs a book to be judged."""

_PLACE = {name: ApplyCounts._fields.index(name) for name in ApplyCounts._fields}


class Stories(NamedTuple):
    """The events that need a book, grouped by order id, in time order within an id. Columns, one row each."""

    event: Rows
    """Number in the log."""
    order_id: Keys
    kind: npt.NDArray[np.uint8]
    begin: Rows
    """First row of this row's story."""
    end: Rows
    """One past the last row of this row's story."""
    level: Keys
    """Level that an ADD or MODIFY names (level_keys); means nothing for others."""
    qty: Rows
    """Lots that an ADD or MODIFY wants to rest; 0 for others."""
    takes: Lots
    """Lots that a CANCEL or TRADE asks for, at most what any order of the story ever had; 0 for others."""


class Lives(NamedTuple):
    """What the story's order was before and after each row. Columns aligned with Stories."""

    placed: Flags
    """The row is a placement: it made the order what it is from here on."""
    rest_before: Rows
    rest: Rows
    """Lots that rest after the row; 0 = no order."""
    level_before: Keys
    level: Keys
    """Level of the order after the row; means nothing where nothing rests."""


def level_keys(side: npt.NDArray[np.uint8], price: Keys) -> Keys:
    """One u64 per (side, price): asks above bids, within a side the better price above the worse."""
    ask = side == Side.ASK
    rank = np.where(ask, np.uint64(MAX_PRICE_TICKS) - price, price)
    keys: Keys = rank | (ask.astype(np.uint64) << np.uint64(63))
    return keys


def firsts(column: npt.NDArray[Any]) -> Flags:
    """Rows whose value is not that of the row before."""
    different = np.ones(len(column), np.bool_)
    different[1:] = column[1:] != column[:-1]
    return different


def judge_alone(events: EventArray) -> Outcomes:
    """Outcomes of the events that any book treats alike; UNDECIDED for the others."""
    kind, side, price, qty = (events[name] for name in ("event_type", "side", "price", "qty"))
    outcome = np.full(len(events), UNDECIDED, np.uint8)
    places = (kind == EventType.ADD) | (kind == EventType.MODIFY)
    # Last check first: an earlier one overwrites what a later one said.
    outcome[places & ((qty == 0) | (qty > MAX_LEVEL_LOTS))] = _PLACE["rejected_quantity"]
    outcome[places & (price > MAX_PRICE_TICKS)] = _PLACE["rejected_price"]
    outcome[places & (side > Side.ASK)] = _PLACE["rejected_side"]
    outcome[~places & (kind != EventType.CANCEL) & (kind != EventType.TRADE)] = _PLACE["ignored"]
    return outcome


def tell_stories(events: EventArray, undecided: Rows) -> Stories:
    """The stories of these rows of the log."""
    event = undecided[np.argsort(events["order_id"][undecided], kind="stable")]
    order_id, kind, side, price, asked = (
        events[name][event] for name in ("order_id", "event_type", "side", "price", "qty")
    )
    begins = np.flatnonzero(firsts(order_id))
    lengths = np.diff(begins, append=len(event))
    places = (kind == EventType.ADD) | (kind == EventType.MODIFY)
    qty = np.where(places, asked, np.uint64(0)).astype(np.int64)
    most = np.repeat(np.maximum.reduceat(qty, begins), lengths)
    takes = np.where(places, 0, np.minimum(asked, most.astype(np.uint64)).astype(np.int64))
    everything = (kind == EventType.CANCEL) & (asked == 0)
    takes[everything] = most[everything]
    return Stories(
        event=event,
        order_id=order_id,
        kind=kind,
        begin=np.repeat(begins, lengths),
        end=np.repeat(begins + lengths, lengths),
        level=level_keys(side, price),
        qty=qty,
        takes=takes if _exact_sum(qty) + _exact_sum(takes) <= MAX_LEVEL_LOTS else takes.astype(object),
    )


def live_through(stories: Stories, refused: Flags) -> Lives:
    """What becomes of every order when the placements marked in `refused` have no effect."""
    taken = np.cumsum(stories.takes)
    placed = _placements(stories, taken, refused)
    row = np.arange(len(placed))
    last = np.maximum.accumulate(np.where(placed, row, -1))
    exists = last >= stories.begin
    last = np.where(exists, last, row)
    left = stories.qty[last] - (taken - taken[last])
    rest = np.where(exists, np.maximum(left, 0), 0).astype(np.int64)
    level = stories.level[last]
    rest_before, level_before = np.zeros_like(rest), np.zeros_like(level)
    rest_before[1:], level_before[1:] = rest[:-1], level[:-1]
    rest_before[stories.begin] = 0
    return Lives(placed, rest_before, rest, level_before, level)


def outcomes(stories: Stories, lives: Lives, refused: Flags) -> Outcomes:
    """What became of each row."""
    kind, unknown = stories.kind, lives.rest_before == 0
    rules = (
        (refused, "rejected_quantity"),
        (lives.placed & unknown, "added"),
        (lives.placed, "modified"),
        (kind == EventType.ADD, "rejected_duplicate"),
        (unknown, "unknown_order"),
        ((kind == EventType.TRADE) & (stories.takes == 0), "rejected_quantity"),
        (kind == EventType.TRADE, "traded"),
        (lives.rest == 0, "cancelled"),
    )
    conditions = [condition.astype(np.bool_) for condition, _ in rules]
    places = [np.uint8(_PLACE[name]) for _, name in rules]
    return np.select(conditions, places, np.uint8(_PLACE["partially_cancelled"]))


def _placements(stories: Stories, taken: Lots, refused: Flags) -> Flags:
    """Rows that are placements: each MODIFY, and each ADD that finds nothing resting."""
    modifies = (stories.kind == EventType.MODIFY) & ~refused
    adds = (stories.kind == EventType.ADD) & ~refused
    candidates = np.flatnonzero(modifies | adds)
    # An order ends where its lots are gone, where a MODIFY takes its place, or with its story.
    gone = np.searchsorted(taken, taken[candidates] + stories.qty[candidates])
    replaced_by = np.append(np.flatnonzero(modifies), len(taken))
    replaced = replaced_by[np.searchsorted(replaced_by, candidates, side="right")]
    end = np.minimum(np.minimum(gone, replaced), stories.end[candidates])
    successor = np.searchsorted(candidates, end)
    is_first = firsts(stories.begin[candidates])
    placed = np.zeros(len(taken), np.bool_)
    placed[candidates[_reachable(is_first, successor)]] = True
    return placed


def _reachable(roots: Flags, successor: Rows) -> Flags:
    """Which nodes lie on a path from a root. Node i leads to successor[i], or to none (number of nodes)."""
    reached = np.append(roots, True)
    jump = np.append(successor, len(roots))
    while True:
        # `reached` holds all nodes less than 2^k steps from a root, and `jump` goes 2^k steps.
        beyond = jump[reached]
        if reached[beyond].all():
            return reached[:-1]
        reached[beyond] = True
        jump = jump[jump]


def _exact_sum(lots: Rows) -> int:
    """The sum of int64 numbers that may not fit one."""
    return (int((lots >> 32).sum()) << 32) + int((lots & 0xFFFFFFFF).sum())
