"""What each storm is measured by: the effect that its module states, on a pair of futures.

Severity 0 has the neutral value exactly: 0 of a difference, 1 of a ratio. More is more damage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.measure.observation import Lots, Observation

__all__ = ["EFFECTS", "Effect", "effect_of", "ratio"]

_BPS = 10_000


class Effect(NamedTuple):
    """The measure of one kind."""

    text: str
    """What it is, with its unit."""
    measure: Callable[[Observation, Observation], float]
    """measure(with the storm, without it)."""
    neutral: float
    """Without effect: 0 of a difference, 1 of a ratio."""


def effect_of(kind: StormKind, storm: Observation, calm: Observation) -> float:
    """The storm's stated measure."""
    return float(EFFECTS[kind].measure(storm, calm))


def _depth_gained(storm: Observation, calm: Observation) -> float:
    return ratio(_mean_depth(storm), _mean_depth(calm))


def _depth_missing(storm: Observation, calm: Observation) -> float:
    return ratio(_mean_depth(calm), max(1.0, _mean_depth(storm)))


def _cancels(storm: Observation, calm: Observation) -> float:
    return ratio(_grown(storm, storm.cancels), _grown(calm, calm.cancels))


def _events(storm: Observation, calm: Observation) -> float:
    return ratio(_grown(storm, storm.events), _grown(calm, calm.events))


def _trades(storm: Observation, calm: Observation) -> float:
    return ratio(_grown(storm, storm.trades), _grown(calm, calm.trades))


def _furthest(storm: Observation, calm: Observation) -> float:
    return float(np.abs(_moves_bps(storm)).max() - np.abs(_moves_bps(calm)).max())


def _drop(storm: Observation, calm: Observation) -> float:
    return float(_moves_bps(calm).min() - _moves_bps(storm).min())


def _apart(storm: Observation, calm: Observation) -> float:
    return float(np.abs(_gaps_bps(storm, calm)).max())


def _apart_at_end(storm: Observation, calm: Observation) -> float:
    return float(abs(_gaps_bps(storm, calm)[-1]))


def _mean_below(storm: Observation, calm: Observation) -> float:
    return float(-_gaps_bps(storm, calm).mean()) + 0.0  # no minus zero


def _imbalance(storm: Observation, calm: Observation) -> float:
    return float(_imbalances(storm).mean() - _imbalances(calm).mean())


def _worst_fill(storm: Observation, _calm: Observation) -> float:
    """Furthest price at which the attacker took, from the mid before."""
    first = float(storm.twice_mid_ticks[0])
    prices = storm.taken["price_ticks"]
    return float(np.abs(2 * prices - first).max() / first * _BPS) if len(prices) else 0.0


def _picked_off(storm: Observation, _calm: Observation) -> float:
    """Lots taken at a price that the mid has passed, on the taker's way, a second later."""
    taken = storm.taken
    later = np.searchsorted(storm.time_ns, taken["time_ns"] + NS_PER_S)
    known = later < len(storm.time_ns)
    taken, later = taken[known], later[known]
    move = storm.twice_mid_ticks[later] - 2 * taken["price_ticks"]
    right = np.where(taken["aggressor_side"] == 0, move > 0, move < 0)
    return float(taken["qty_lots"][right].sum())


def _attacker_lots(storm: Observation, _calm: Observation) -> float:
    return float(storm.at_end.lots)


_EXECUTED = Effect("lots that the attacker traded", _attacker_lots, 0.0)
_CANCELS = Effect("cancellations, storm / calm", _cancels, 1.0)
_APART_AT_END = Effect("distance of the two mids at its end, bps", _apart_at_end, 0.0)

EFFECTS: dict[StormKind, Effect] = {
    StormKind.PHANTOM: Effect("displayed depth, storm / calm", _depth_gained, 1.0),
    StormKind.CANCEL: _CANCELS,
    StormKind.IGNITION: Effect("furthest move of the mid, storm - calm, bps", _furthest, 0.0),
    StormKind.CRASH: Effect("largest drop of the mid, storm - calm, bps", _drop, 0.0),
    StormKind.LATARB: Effect("lots picked off", _picked_off, 0.0),
    StormKind.STUFFING: Effect("public events, storm / calm", _events, 1.0),
    StormKind.SPOOFING: Effect("size of the displayed imbalance, storm - calm", _imbalance, 0.0),
    StormKind.DRAIN: Effect("displayed depth, calm / storm", _depth_missing, 1.0),
    StormKind.STOPRUN: Effect("furthest that the two mids are apart, bps", _apart, 0.0),
    StormKind.FATFINGER: Effect("worst price of the attacker, bps from the mid before", _worst_fill, 0.0),
    StormKind.ICEBERG: _EXECUTED,
    StormKind.NEWS: _APART_AT_END,
    StormKind.BLEED: Effect("mean of how far the mid is below, bps", _mean_below, 0.0),
    StormKind.CHURN: _CANCELS,
    StormKind.BURST: Effect("trades, storm / calm", _trades, 1.0),
    StormKind.REPRICE: _APART_AT_END,
    StormKind.BLOCK: _EXECUTED,
    StormKind.SLICES: _EXECUTED,
    StormKind.REFILL: _EXECUTED,
}
"""All of the storm's own time."""


def _grown(one: Observation, column: Lots) -> float:
    return float(column[one.is_during][-1] - column[0])


def _mean_depth(one: Observation) -> float:
    return float((one.bid_depth_lots + one.ask_depth_lots)[one.is_during].mean())


def _imbalances(one: Observation) -> np.ndarray:
    during = one.is_during
    bid, ask = one.bid_depth_lots[during], one.ask_depth_lots[during]
    return np.asarray(np.abs(bid - ask) / np.maximum(1, bid + ask))


def _moves_bps(one: Observation) -> np.ndarray:
    """Of the mid, from where the storm found it."""
    first = float(one.twice_mid_ticks[0])
    return np.asarray((one.twice_mid_ticks[one.is_during] - first) / first * _BPS)


def _gaps_bps(storm: Observation, calm: Observation) -> np.ndarray:
    ours, its = storm.twice_mid_ticks[storm.is_during], calm.twice_mid_ticks[calm.is_during]
    return np.asarray((ours - its) / its * _BPS)


def ratio(ours: float, its: float) -> float:
    """ours / its; 1 where they are equal, also where both are 0."""
    return 1.0 if ours == its else ours / max(1.0, its)
