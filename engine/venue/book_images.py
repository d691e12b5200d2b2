"""The public book at one instant, and what changed between two of them.

Place on the data path: made on the engine thread at the boundaries of market data, read by gateways. An
update id is the market's public event count, so snapshots and diffs number the same history. Invariant:
applying the diff of two images to the first gives the second, level for level.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BookImage", "DepthDiff", "SideLevels", "Top", "changed_levels", "diff_images", "join_diffs"]

Levels = npt.NDArray[Any]
NO_LEVELS: Levels = np.zeros(0, np.int64)
NO_LEVELS.flags.writeable = False


class SideLevels(NamedTuple):
    """Levels of one side, best first: two int64 arrays of shape (levels,)."""

    prices: Levels = NO_LEVELS
    """Ticks."""
    lots: Levels = NO_LEVELS
    """Total lots; in a diff, 0 = the level is gone."""

    def best(self, n: int) -> SideLevels:
        """The first n levels, as arrays of their own."""
        return SideLevels(self.prices[:n].copy(), self.lots[:n].copy())


class Top(NamedTuple):
    """Best prices; 0 where a side is empty."""

    update_id: int
    time_ns: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class BookImage(NamedTuple):
    """The whole book at one instant of session time."""

    update_id: int
    """Public events until then."""
    time_ns: int
    bids: SideLevels
    asks: SideLevels

    def best(self, n: int) -> BookImage:
        """The best n levels of each side."""
        return self._replace(bids=self.bids.best(n), asks=self.asks.best(n))

    def top(self) -> Top:
        """Its best prices."""
        bid, ask = (
            (int(side.prices[0]), int(side.lots[0])) if len(side.prices) else (0, 0)
            for side in (self.bids, self.asks)
        )
        return Top(self.update_id, self.time_ns, *bid, *ask)


class DepthDiff(NamedTuple):
    """The levels whose quantity changed from one image to another, or at one between them."""

    first_id: int
    """One more than the last id of the diff before."""
    last_id: int
    time_ns: int
    bids: SideLevels
    asks: SideLevels


def diff_images(before: BookImage, after: BookImage, *, first_id: int) -> DepthDiff | None:
    """What leads from one image to a later one; None: no level changed."""
    if before.update_id == after.update_id:
        return None
    bids = changed_levels(before.bids, after.bids, is_bid=True)
    asks = changed_levels(before.asks, after.asks, is_bid=False)
    if not len(bids.prices) and not len(asks.prices):
        return None
    return DepthDiff(first_id, after.update_id, after.time_ns, bids, asks)


def join_diffs(diffs: Sequence[DepthDiff], *, first_id: int) -> DepthDiff:
    """All levels of consecutive diffs (at least one), as the last of them with the level left it."""
    if len(diffs) == 1:
        return diffs[0]._replace(first_id=first_id)
    bids = _last_of_each([diff.bids for diff in diffs], is_bid=True)
    asks = _last_of_each([diff.asks for diff in diffs], is_bid=False)
    return DepthDiff(first_id, diffs[-1].last_id, diffs[-1].time_ns, bids, asks)


def _last_of_each(parts: list[SideLevels], *, is_bid: bool) -> SideLevels:
    """The last word on each price, best first."""
    prices = np.concatenate([part.prices for part in reversed(parts)])
    lots = np.concatenate([part.lots for part in reversed(parts)])
    prices, first = np.unique(prices, return_index=True)
    lots = lots[first]
    return SideLevels(prices[::-1], lots[::-1]) if is_bid else SideLevels(prices, lots)


def changed_levels(before: SideLevels, after: SideLevels, *, is_bid: bool) -> SideLevels:
    """The levels whose quantity is another one: new and changed ones best first, then those that are gone."""
    old, new = before.prices, after.prices
    if len(old) == len(new) and (old == new).all():
        changed = before.lots != after.lots
        return SideLevels(new[changed], after.lots[changed])
    if is_bid:  # searchsorted wants ascending keys
        old, new = -old, -new
    at = old.searchsorted(new)
    stood = np.zeros(len(new), bool)
    inside = at < len(old)
    stood[inside] = old[at[inside]] == new[inside]
    same = stood.copy()
    same[stood] = before.lots[at[stood]] == after.lots[stood]
    gone = np.ones(len(old), bool)
    gone[at[stood]] = False
    lost = before.prices[gone]
    return SideLevels(
        np.concatenate((after.prices[~same], lost)),
        np.concatenate((after.lots[~same], np.zeros(len(lost), np.int64))),
    )
