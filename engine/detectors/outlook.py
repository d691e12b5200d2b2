"""What Sentinel asks of a market: how healthy its liquidity is, and whether a large order is being worked.

    health        100 (1 - p); p adds up spread, depth and movement against what is usual, and the worst
                  alarm of the last STRESS_NS (the rule of spec/systems.md section 5, on public data)
    large order   confidence x min(1, n / 10) of the icebergs and TWAP parents that are at work, where n is
                  refills or children so far

Invariant: both are functions of the detectors' tables alone; reading them changes nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.detectors.icebergs import OVER_NS
from engine.detectors.readings import Detection
from engine.detectors.records import WARM_UP_BARS, AlarmKind
from engine.detectors.twap import OVER_PERIODS

__all__ = ["Health", "LargeOrder", "health_of", "large_order_of"]

STRESS_NS = 10 * NS_PER_S
SPREAD_STEPS = ((2.0, 0.3), (1.5, 0.15))
DEPTH_STEPS = ((0.5, 0.3), (0.8, 0.1))
MOVE_STEPS = ((2.0, 0.2), (1.5, 0.1))
STRESS_WEIGHT = 0.2
HEALTH_LEVELS = ((80.0, "safe"), (60.0, "caution"), (40.0, "warning"))
ORDER_LEVELS = ((0.7, "high"), (0.4, "medium"))
CONFIDENCE = {"iceberg_replenishment": 0.85, "twap_like_child_orders": 0.78}
FULL_COUNT = 10
_HIDDEN = (AlarmKind.NATIVE_ICEBERG, AlarmKind.SYNTHETIC_ICEBERG, AlarmKind.TWAP_CHILDREN)


class Health(NamedTuple):
    """How healthy liquidity is."""

    score: float
    """0 to 100."""
    warning_level: str
    """safe, caution, warning or critical."""
    spread_times: float
    """Of the usual spread."""
    depth_times: float
    """Of the usual depth, the thinner side."""
    move_times: float
    """The mid's move over 2 s, in its usual deviations."""
    stress: float
    """Severity of the worst alarm lately."""


class LargeOrder(NamedTuple):
    """Whether somebody works a large order."""

    warning_level: str
    """low, medium or high."""
    score: float
    """0 to 1."""
    patterns: tuple[str, ...]


def health_of(detection: Detection) -> Health | None:
    """As things stand; None until it is known what is usual here."""
    sight, flow = detection.row.sight, detection.row.flow
    if sight.bar_count < WARM_UP_BARS:
        return None
    bar = sight.bars[(sight.bar_count - 1) & (len(sight.bars) - 1)]
    spread = flow.spread_ticks / max(1.0, flow.usual_spread_ticks)
    depth = min(bar.bid_depth_lots, bar.ask_depth_lots) / max(1.0, sight.usual_side_lots)
    move = abs(flow.move)
    since_ns = sight.bar_ends_ns - STRESS_NS
    stress = max(
        (
            alarm.severity
            for alarm in detection.alarms()
            if alarm.time_ns > since_ns and alarm.kind not in _HIDDEN
        ),
        default=0.0,
    )
    danger = (
        next((weight for step, weight in SPREAD_STEPS if spread > step), 0.0)
        + next((weight for step, weight in DEPTH_STEPS if depth < step), 0.0)
        + next((weight for step, weight in MOVE_STEPS if move > step), 0.0)
        + STRESS_WEIGHT * stress
    )
    score = 100.0 * (1.0 - min(1.0, danger))
    level = next((name for least, name in HEALTH_LEVELS if score >= least), "critical")
    return Health(score, level, spread, depth, move, stress)


def large_order_of(detection: Detection) -> LargeOrder:
    """As things stand."""
    now_ns = detection.row.sight.now_ns
    tips, keys = detection.rows("iceberg_tips"), detection.rows("twap_keys")
    tips = tips[
        ((tips["is_native"] != 0) | (tips["is_synthetic"] != 0)) & (now_ns - tips["last_ns"] <= OVER_NS)
    ]
    keys = keys[(keys["is_up"] != 0) & (now_ns - keys["matched_ns"] <= OVER_PERIODS * keys["period_ns"])]
    counts = {
        "iceberg_replenishment": max((tips["native_refills"] + tips["refills"]).tolist(), default=0),
        "twap_like_child_orders": max(keys["children"].tolist(), default=0),
    }
    patterns = tuple(pattern for pattern, count in counts.items() if count)
    score = max(
        (CONFIDENCE[pattern] * min(1.0, counts[pattern] / FULL_COUNT) for pattern in patterns), default=0.0
    )
    return LargeOrder(next((name for least, name in ORDER_LEVELS if score >= least), "low"), score, patterns)
