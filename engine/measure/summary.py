"""What many pairs say together: one row for each severity, and how damage goes with severity.

Intervals are 95 % by bootstrap over seeds (statistics.py). Correlations, all Spearman's:

    of means   the mean damage of each severity against the severity
    pooled     all pairs at once: how far one pair tells the severity
    within     per seed over its severities, then the mean over seeds: one snapshot, only severity differs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.core.types import StormKind
from engine.measure.pair import Pair, SeedResult
from engine.measure.plan import Plan
from engine.measure.statistics import (
    Estimate,
    SignTest,
    bootstrap_mean,
    bootstrap_median,
    bootstrap_pooled,
    bootstrap_within,
    sign_test,
    spearman,
)

__all__ = ["FIGURES", "Monotony", "StormRow", "StormTable", "summarise", "summarise_pairs"]

FIGURES = (
    "effect",
    "target_pnl",
    "target_pnl_end",
    "target_pnl_worst",
    "impact_bps",
    "low_bps",
    "high_bps",
    "apart_bps",
    "trough_bps",
    "depth_lost",
    "spread_ratio",
    "volume_ratio",
    "attacker_cost",
    "attacker_cost_end",
    "attacker_fees",
    "attacker_orders",
    "attacker_lots",
    "attacker_position_lots",
    "attacker_pov",
)
"""Fields of a pair that every pair has, as numbers."""


class StormRow(NamedTuple):
    """All pairs of one trial."""

    trial: str
    is_idle: bool
    """Severity 0: the control."""
    severity: float
    severity_text: str
    pairs: int
    digests_equal: int
    mean: dict[str, Estimate]
    """By figure."""
    median: dict[str, Estimate]
    worse: SignTest
    """Of the target's PnL difference at the horizon."""
    verdicts: dict[str, int]
    """How many targets were INTACT, DAMAGED, KILLED."""
    recovered: int
    recovery_s: Estimate
    """Median of those that recovered until the horizon."""
    rejoined: int
    rejoin_s: Estimate
    who_paid: dict[str, Estimate]
    """Mean difference of PnL by kind of account; with the fees they sum to 0."""
    fees: Estimate


class Monotony(NamedTuple):
    """Spearman's correlation of severity and damage."""

    of_means: float | None
    pooled: Estimate
    within: Estimate
    is_rising: bool
    """Whether each severity's mean is above the last one's."""


class StormTable(NamedTuple):
    """One storm."""

    kind: StormKind
    rows: tuple[StormRow, ...]
    """In the order of the trials."""
    monotony: Monotony | None
    """None with fewer than three severities."""
    forks_equal: int
    """Seeds in which the fork without storm was the unforked session, event for event."""
    seeds: int


def summarise(plan: Plan, results: Sequence[SeedResult]) -> list[StormTable]:
    """One table for each kind of storm, in the order of the plan."""
    kinds = list(dict.fromkeys(trial.kind for trial in plan.trials))
    return [_table(plan, results, kind) for kind in kinds]


def _table(plan: Plan, results: Sequence[SeedResult], kind: StormKind) -> StormTable:
    numbers = [number for number, trial in enumerate(plan.trials) if trial.kind == kind]
    return StormTable(
        kind=kind,
        rows=tuple(summarise_pairs([result.pairs[number] for result in results]) for number in numbers),
        monotony=_monotony([plan.trials[number].severity for number in numbers], results, numbers),
        forks_equal=sum(result.fork_equals_unforked for result in results),
        seeds=len(results),
    )


def summarise_pairs(pairs: Sequence[Pair]) -> StormRow:
    """One row: all pairs of a trial."""
    recovered = [pair.recovery_s for pair in pairs if pair.recovery_s is not None]
    rejoined = [pair.rejoin_s for pair in pairs if pair.rejoin_s is not None]
    paid = [dict(pair.pnl_by_group) for pair in pairs]
    groups = list(dict.fromkeys(group for one in paid for group in one))
    return StormRow(
        trial=pairs[0].trial,
        is_idle=pairs[0].is_idle,
        severity=pairs[0].severity,
        severity_text=pairs[0].severity_text,
        pairs=len(pairs),
        digests_equal=sum(pair.digest_equal for pair in pairs),
        mean={name: bootstrap_mean([getattr(pair, name) for pair in pairs]) for name in FIGURES},
        median={name: bootstrap_median([getattr(pair, name) for pair in pairs]) for name in FIGURES},
        worse=sign_test([pair.target_pnl for pair in pairs]),
        verdicts={
            word: sum(pair.target_verdict == word for pair in pairs)
            for word in ("INTACT", "DAMAGED", "KILLED")
        },
        recovered=len(recovered),
        recovery_s=bootstrap_median(recovered),
        rejoined=len(rejoined),
        rejoin_s=bootstrap_median(rejoined),
        who_paid={group: bootstrap_mean([one.get(group, 0.0) for one in paid]) for group in groups},
        fees=bootstrap_mean([pair.fees for pair in pairs]),
    )


def _monotony(
    severities: Sequence[float], results: Sequence[SeedResult], numbers: Sequence[int]
) -> Monotony | None:
    if len(set(severities)) < 3:
        return None
    damage = np.array([[result.pairs[number].effect for number in numbers] for result in results])
    means = damage.mean(axis=0)
    order = np.argsort(severities)
    return Monotony(
        of_means=spearman(np.asarray(severities, dtype=np.float64), means),
        pooled=bootstrap_pooled(severities, damage),
        within=bootstrap_within(severities, damage),
        is_rising=bool((np.diff(means[order]) > 0).all()),
    )
