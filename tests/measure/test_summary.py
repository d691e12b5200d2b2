"""Many pairs together, and the dials of a crash."""

from __future__ import annotations

import pytest

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import StormKind
from engine.measure import Job, at_severities, plan_trials, run_jobs, summarise
from engine.measure.plan import SEVERITIES
from engine.measure.sensitivity import DIALS, dial_jobs, judge_dial
from engine.scenarios import load_scenario, parse_scenario
from engine.storms import StormRequest
from tests.measure.conftest import KINDS, small_plan

KNOWN = [dial for dial in DIALS if dial.name in ("pov", "limit", "value")]


def test_a_table_has_a_row_for_each_severity(results):
    tables = summarise(small_plan(*KINDS), results)
    assert [table.kind for table in tables] == list(KINDS)
    for table in tables:
        assert [row.severity for row in table.rows] == [0.0, 0.4, 0.9]
        assert (table.rows[0].digests_equal, table.forks_equal, table.seeds) == (3, 3, 3)
        assert sum(table.rows[2].verdicts.values()) == 3
        assert table.monotony is not None


def test_means_are_those_of_the_pairs_and_what_is_paid_adds_up(results):
    crash = summarise(small_plan(*KINDS), results)[0].rows[2]
    effects = [result.pairs[2].effect for result in results]
    assert crash.mean["effect"].value == pytest.approx(sum(effects) / 3)
    assert min(effects) <= crash.mean["effect"].low <= crash.mean["effect"].high <= max(effects)
    assert sum(one.value for one in crash.who_paid.values()) + crash.fees.value == pytest.approx(0, abs=1e-6)


def test_two_severities_are_too_few_for_a_correlation():
    request = StormRequest(StormKind.NEWS, 0.5, 5, start_ns=5 * NS_PER_S)
    plan = plan_trials(
        load_scenario("balanced"), at_severities([request], [0.0, 0.5]), horizon_ns=2 * NS_PER_S
    )
    (table,) = summarise(plan, run_jobs([Job(plan, 1)], processes=1))
    assert table.monotony is None


def test_a_dial_without_its_agents_is_refused():
    scenario = load_scenario("balanced")
    empty = scenario._replace(groups=tuple(g for g in scenario.groups if g.kind != "value"))
    with pytest.raises(UsageError, match="has no value agents"):
        dial_jobs(empty, KNOWN[2], [1], horizon_ns=NS_PER_S)
    bare = parse_scenario('name = "bare"', where="test")
    with pytest.raises(UsageError, match="simulated market"):
        dial_jobs(bare, KNOWN[0], [1], horizon_ns=NS_PER_S)


def test_the_limit_is_turned_with_the_lean_per_lot_or_without_it():
    by_name = {dial.name: dial for dial in DIALS}
    scenario = load_scenario("balanced")
    found = {}
    for name in ("limit", "limit-alone"):
        job = dial_jobs(scenario, by_name[name], [1], horizon_ns=NS_PER_S)[0]
        (makers,) = (group.params for group in job.plan.scenario.groups if group.kind == "maker")
        found[name] = (makers.limit_lots, makers.skew_ticks)
    assert found == {"limit": (250, 4.0), "limit-alone": (250, 1.0)}


@pytest.mark.long
@pytest.mark.parametrize("dial", KNOWN, ids=[dial.name for dial in KNOWN])
def test_the_signs_known_from_the_literature_come_out(dial):
    jobs = dial_jobs(load_scenario("balanced"), dial, range(1_001, 1_021), horizon_ns=5 * NS_PER_S)
    result = judge_dial(dial, run_jobs(jobs, processes=2))
    print(f"{dial.name}: " + ", ".join(f"{row.mean['trough_bps'].value:.1f}" for row in result.rows), "bps")
    assert result.comes_out
    assert result.rank == dial.sign
    assert result.against.negative <= 2


@pytest.mark.long
@pytest.mark.parametrize("kind", [StormKind.PHANTOM, StormKind.CRASH, StormKind.NEWS, StormKind.BURST])
def test_damage_goes_with_severity(kind):
    """The table of all kinds: stormdesk measure --all."""
    requests = [StormRequest(kind, 1.0, 15, start_ns=20 * NS_PER_S)]
    plan = plan_trials(load_scenario("balanced"), at_severities(requests, SEVERITIES), horizon_ns=NS_PER_S)
    jobs = [Job(plan, seed) for seed in range(1_001, 1_031)]
    (table,) = summarise(plan, run_jobs(jobs, processes=2))
    print(f"{kind.name}: {table.monotony}")
    assert table.rows[0].digests_equal == table.forks_equal == 30
    assert table.monotony.of_means >= 0.94
    assert table.monotony.within.value >= 0.9
