"""A measurement as one value of dicts, lists, texts and numbers: what --json writes and the tables show.

Everything in it but `command` and `seconds` is a function of the plan and the seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.core.clock import NS_PER_S
from engine.core.types import FaultKind
from engine.measure.effects import EFFECTS
from engine.measure.pair import REJOINED_BPS, SeedResult
from engine.measure.plan import Plan
from engine.measure.sensitivity import DialResult
from engine.measure.summary import StormTable
from engine.scenarios.loader import Scenario
from engine.storms.request import name_of

__all__ = ["dials_document", "storms_document"]


def storms_document(
    plan: Plan, results: Sequence[SeedResult], tables: Sequence[StormTable]
) -> dict[str, Any]:
    """Of storms."""
    storms = plan.trials[0].storms
    window = plan.window
    return {
        "what": "storms",
        **_header(plan.scenario, [result.seed for result in results], results),
        "target": plan.target,
        "start_s": window.start_ns / NS_PER_S,
        "end_s": window.end_ns / NS_PER_S,
        "horizon_s": (window.horizon_ns - window.end_ns) / NS_PER_S,
        "rejoined_bps": REJOINED_BPS,
        "forks_equal_unforked": sum(result.fork_equals_unforked for result in results),
        "without_effect": [name_of(one.kind) for one in storms if isinstance(one.kind, FaultKind)],
        "storms": [_table(table) for table in tables],
        "pairs": [_plain(pair) for result in results for pair in result.pairs],
    }


def dials_document(
    scenario: Scenario, seeds: Sequence[int], dials: Sequence[DialResult], results: Sequence[SeedResult]
) -> dict[str, Any]:
    """Of the three dials."""
    return {
        "what": "sensitivity",
        **_header(scenario, seeds, results),
        "dials": [_plain(dial) | {"comes_out": dial.comes_out} for dial in dials],
        "pairs": [_plain(pair) for result in results for pair in result.pairs],
    }


def _header(scenario: Scenario, seeds: Sequence[int], results: Sequence[SeedResult]) -> dict[str, Any]:
    return {
        "scenario": scenario.name,
        "currency": scenario.instrument.currency,
        "first_seed": seeds[0],
        "seeds": len(seeds),
        "events": sum(result.events for result in results),
    }


def _table(table: StormTable) -> dict[str, Any]:
    effect = EFFECTS[table.kind]
    plain: dict[str, Any] = _plain(table)
    return plain | {
        "kind": name_of(table.kind),
        "effect": effect.text,
        "effect_neutral": effect.neutral,
    }


def _plain(value: Any) -> Any:
    """Tuples with names as dicts, kinds by their names."""
    if hasattr(value, "_asdict"):
        plain = {key: _plain(one) for key, one in value._asdict().items()}
        return plain | {"kind": name_of(value.kind)} if "kind" in plain else plain
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
