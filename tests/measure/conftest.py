"""Small plans: few seeds, a short storm, a near horizon."""

from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.measure import Plan, SeedResult, at_severities, plan_trials, run_seed
from engine.scenarios import load_scenario
from engine.storms import StormRequest

KINDS = (StormKind.CRASH, StormKind.PHANTOM, StormKind.NEWS, StormKind.ICEBERG)
SEVERITIES = (0.0, 0.4, 0.9)


def small_plan(*kinds: StormKind, target: str = "mm", scenario: str = "balanced") -> Plan:
    """A storm from 5 s to 10 s, watched until 14 s."""
    requests = [StormRequest(kind, 0.5, 5, start_ns=5 * NS_PER_S) for kind in kinds]
    trials = [trial for request in requests for trial in at_severities([request], SEVERITIES)]
    return plan_trials(load_scenario(scenario), trials, horizon_ns=4 * NS_PER_S, target=target)


@pytest.fixture(scope="session")
def results() -> list[SeedResult]:
    """Three seeds of KINDS at SEVERITIES."""
    plan = small_plan(*KINDS)
    return [run_seed(plan, seed) for seed in (1, 2, 3)]
