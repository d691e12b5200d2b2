"""What the rows were to reach: the nine of the honest protocol, and whether they did.

A target is reached when every one of its conditions holds for the estimate itself; intervals stand in the
table. Where nothing false was raised, the rate counts as 0 and its bound 3/hours is in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from engine.detectors import AlarmKind
from engine.evaluate.benchmarks import MOST_PER_HOUR, BenchmarkRow
from engine.evaluate.table import Row

__all__ = ["Condition", "Target", "judge_targets"]

PREVALENCE = 0.01
"""Targets hold at most at this prevalence."""


class Condition(NamedTuple):
    """One number that was to be reached."""

    name: str
    value: float | None
    limit: float
    is_least: bool
    """Whether the limit is the least, or the most."""

    @property
    def reached(self) -> bool:
        """Unknown is not reached."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.is_least else self.value <= self.limit


class Target(NamedTuple):
    """One row."""

    kind: AlarmKind
    conditions: tuple[Condition, ...]

    @property
    def reached(self) -> bool:
        """All of it."""
        return all(condition.reached for condition in self.conditions)


def judge_targets(rows: Sequence[Row], benchmarks: Sequence[BenchmarkRow]) -> list[Target]:
    """The nine, in the order of the protocol."""
    by_kind = {row.kind: row for row in rows}
    targets = []
    for kind, conditions in _CONDITIONS.items():
        row = by_kind[kind]
        judged = [*conditions(row), _most("prevalence", row.prevalence, PREVALENCE)]
        if kind is AlarmKind.FLASH_CRASH_WARNING:
            judged.extend(
                _least(f"{name} beyond {b.name}", _beyond(mine, its), 0.0)
                for b in benchmarks
                for name, mine, its in (
                    ("PR-AUC", row.pr_auc.value, b.pr_auc.value),
                    ("recall", row.recall.value, b.recall),
                )
            )
        targets.append(Target(kind, tuple(judged)))
    return targets


def _least(name: str, value: float | None, limit: float) -> Condition:
    return Condition(name, value, limit, True)


def _most(name: str, value: float | None, limit: float) -> Condition:
    return Condition(name, value, limit, False)


def _beyond(mine: float | None, its: float | None) -> float | None:
    return None if mine is None or its is None else mine - its


def _native_iceberg(row: Row) -> tuple[Condition, ...]:
    return (
        _least("recall", row.recall.value, 0.95),
        _least("precision", row.precision.value, 0.95),
        _most("size error", row.size_error, 0.35),
        _most("delay, refills", row.delay_refills, 2.0),
    )


def _synthetic_iceberg(row: Row) -> tuple[Condition, ...]:
    return (_least("AUC", row.auc.value, 0.95), _least("precision at recall 0.8", row.precision_at_80, 0.8))


def _twap_children(row: Row) -> tuple[Condition, ...]:
    return (_least("AUC", row.auc.value, 0.93), _most("delay / parent", row.delay_share, 0.2))


def _liquidity_shock(row: Row) -> tuple[Condition, ...]:
    return (
        _least("recall", row.recall.value, 0.95),
        _most("delay, s", row.delay_s, 1.0),
        _most("false/h", row.false_per_hour, 0.2),
    )


def _spoofing(row: Row) -> tuple[Condition, ...]:
    return (_least("F1", row.f1.value, 0.8), _least("PR-AUC", row.pr_auc.value, 0.85))


def _quote_stuffing(row: Row) -> tuple[Condition, ...]:
    return (_least("recall", row.recall.value, 0.98), _most("false/h", row.false_per_hour, 0.1))


def _momentum_ignition(row: Row) -> tuple[Condition, ...]:
    return (_least("F1", row.f1.value, 0.75), _least("before the peak", row.before_peak, 0.6))


def _flash_crash_warning(row: Row) -> tuple[Condition, ...]:
    return (_least("lead, s", row.lead_s, 30.0), _most("false/h", row.false_per_hour, MOST_PER_HOUR))


def _latency_arbitrage(row: Row) -> tuple[Condition, ...]:
    return (_least("AUC", row.auc.value, 0.9),)


_CONDITIONS: dict[AlarmKind, Callable[[Row], tuple[Condition, ...]]] = {
    AlarmKind.NATIVE_ICEBERG: _native_iceberg,
    AlarmKind.SYNTHETIC_ICEBERG: _synthetic_iceberg,
    AlarmKind.TWAP_CHILDREN: _twap_children,
    AlarmKind.LIQUIDITY_SHOCK: _liquidity_shock,
    AlarmKind.SPOOFING: _spoofing,
    AlarmKind.QUOTE_STUFFING: _quote_stuffing,
    AlarmKind.MOMENTUM_IGNITION: _momentum_ignition,
    AlarmKind.FLASH_CRASH_WARNING: _flash_crash_warning,
    AlarmKind.LATENCY_ARBITRAGE: _latency_arbitrage,
}
