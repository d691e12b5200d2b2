"""A pair differs by its storm and by nothing else."""

from __future__ import annotations

import os

import pytest

from engine.core.clock import NS_PER_S
from engine.core.errors import StormError, UsageError
from engine.core.types import Account, FaultKind, StormKind
from engine.inputs import storm_command
from engine.measure import Job, SeedFailed, Trial, at_severities, control, plan_trials, run_jobs, run_seed
from engine.measure.effects import EFFECTS
from engine.measure.observation import observe
from engine.measure.pair import open_session
from engine.measure.plan import target_accounts
from engine.measure.sizing import SameSize
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest, parse_storm, storm_account
from engine.storms.base import base_depth_of
from tests.measure.conftest import KINDS, small_plan


def test_the_fork_without_storm_goes_on_as_the_session_itself(results):
    assert all(result.fork_equals_unforked for result in results)


def test_severity_0_changes_nothing_at_all(results):
    idle = [pair for result in results for pair in result.pairs if pair.severity == 0]
    assert len(idle) == len(results) * len(KINDS)
    for pair in idle:
        assert pair.is_idle
        assert pair.digest_equal
        assert pair.effect == EFFECTS[pair.kind].neutral
        assert (pair.target_pnl, pair.target_pnl_end, pair.target_pnl_worst) == (0, 0, 0)
        assert (pair.impact_bps, pair.trough_bps, pair.depth_lost, pair.apart_bps) == (0, 0, 0, 0)
        assert (pair.spread_ratio, pair.volume_ratio, pair.fees) == (1, 1, 0)
        assert (pair.attacker_orders, pair.attacker_lots, pair.attacker_cost) == (0, 0, 0)
        assert pair.pnl_by_group == ()


def test_a_storm_changes_something(results):
    assert not any(pair.digest_equal for result in results for pair in result.pairs if pair.severity > 0.5)


def test_what_one_wins_others_lose(results):
    for pair in (pair for result in results for pair in result.pairs):
        total = sum(money for _, money in pair.pnl_by_group) + pair.fees
        assert total == pytest.approx(0, abs=1e-6)


def test_watching_and_leaving_the_analytics_off_changes_no_event():
    """The pair's storm future is the market that everybody else sees under this storm."""
    plan = small_plan(StormKind.CRASH)
    session = Session(SessionConfig(load_scenario("balanced"), 7))
    session.advance(plan.window.start_ns)
    session.accept(session.stamp(storm_command(plan.trials[-1].storms[0])))
    session.advance(plan.window.horizon_ns)
    watched = open_session(plan, 7)
    watched.advance(plan.window.start_ns)
    seen = observe(watched.fork(), plan.trials[-1].storms, plan.window, target_accounts(plan, watched))
    assert seen.event_digest == session.event_digest
    assert seen.event_count == session.event_count
    attacker = storm_account(StormKind.CRASH, session.exchange)
    mark = session.exchange.mark_twice_ticks
    assert seen.at_horizon.equity == session.exchange.ledger.equity(attacker, mark)
    end = next(row for row in session.storms.log if row.cause == "expired")
    assert (seen.at_end.orders, seen.at_end.lots, seen.at_end.position_lots) == (
        end.orders,
        end.lots,
        end.position_lots,
    )


def test_a_crash_falls_and_its_attacker_is_short(results):
    for result in results:
        crash = next(p for p in result.pairs if p.kind == StormKind.CRASH and p.severity == 0.9)
        assert crash.effect > 10
        assert crash.low_bps <= -crash.effect / 2
        assert crash.impact_bps == max(-crash.low_bps, crash.high_bps)
        assert crash.attacker_fees > 0 > crash.attacker_position_lots
        assert crash.target_pnl_worst < 0
        assert 0 < crash.attacker_pov < 1


def test_processes_do_not_show_in_the_results(results):
    jobs = [Job(small_plan(*KINDS), result.seed) for result in results]
    told: list[tuple[int, int]] = []
    assert run_jobs(jobs, processes=2, progress=lambda done, total: told.append((done, total))) == results
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert run_jobs(jobs[:1], processes=1) == results[:1]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_seed_that_fails_is_named_with_its_reason(processes):
    plan = small_plan(StormKind.CRASH)
    broken = plan._replace(window=plan.window._replace(horizon_ns=0))
    with pytest.raises(SeedFailed, match="seed 9: ValueError") as failed:
        run_jobs([Job(plan, 1), Job(broken, 9)], processes=processes)
    assert failed.value.job == Job(broken, 9)


class Deadly:
    """Ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (3,)


def test_a_worker_that_dies_is_told():
    with pytest.raises(SeedFailed, match="ended from outside"):
        run_jobs([Job(Deadly(), 1), Job(small_plan(StormKind.CRASH), 2)], processes=2)


def test_combined_storms_share_one_window_and_faults_change_nothing():
    scenario = load_scenario("balanced")
    storms = [parse_storm(text) for text in ("crash@6s:0.5x5s", "stuffing@5s:0.3x5s")]
    fault = parse_storm("fault.stale@5s:0.9x6s")
    plan = plan_trials(scenario, at_severities(storms, [0.0, 0.5]), horizon_ns=3 * NS_PER_S)
    assert plan.window == (5 * NS_PER_S, 11 * NS_PER_S, 14 * NS_PER_S)
    both = run_seed(plan, 1).pairs[1]
    with_fault = run_seed(
        plan_trials(scenario, at_severities([*storms, fault], [0.0, 0.5]), horizon_ns=3 * NS_PER_S), 1
    ).pairs[1]
    assert both.attacker_orders > 1_000
    assert with_fault._replace(trial="") == both._replace(trial="")


def test_a_ramp_is_measured_beside_its_control():
    ramp = parse_storm("crash@5s:0.0..0.9x5s")
    plan = plan_trials(
        load_scenario("balanced"), [control([ramp]), Trial((ramp,), 0.0)], horizon_ns=2 * NS_PER_S
    )
    idle, ramped = run_seed(plan, 1).pairs
    assert (idle.is_idle, idle.digest_equal, ramped.is_idle, ramped.digest_equal) == (
        True,
        True,
        False,
        False,
    )
    assert ramped.severity_text == "0..0.9"


@pytest.mark.parametrize(
    ("target", "names"),
    [
        ("mm", ["maker-1", "maker-2", "maker-3", "maker-4"]),
        ("maker-2", ["maker-2"]),
        ("twap", ["twap-1", "twap-2"]),
        ("demo", ["bot"]),
    ],
)
def test_the_target_is_whom_it_names(target, names):
    plan = small_plan(StormKind.CRASH, target=target)
    session = open_session(plan, 1)
    accounts = target_accounts(plan, session)
    assert [session.accounts[account].name for account in accounts] == names


def test_the_demo_bot_is_in_the_market_only_when_it_is_the_target():
    assert open_session(small_plan(StormKind.CRASH), 1).python_agents == []
    (bot,) = open_session(small_plan(StormKind.CRASH, target="demo"), 1).python_agents
    assert bot.account == Account.TARGET


def test_the_same_attack_has_the_same_lots_whatever_the_depth():
    session = open_session(small_plan(StormKind.CRASH), 1)
    session.advance(5 * NS_PER_S)
    trial = SameSize(500)(session, Trial((parse_storm("crash@5s:0.5x5s"),), 0.5))
    depth = base_depth_of(session.exchange)
    assert trial.severity * depth == pytest.approx(500, abs=1)
    assert trial.storms[0].severity == trial.severity
    assert SameSize(10**9)(session, trial).severity == 1


@pytest.mark.parametrize(
    ("storms", "options", "words"),
    [
        ("fault.ghost@5s:0.5x5s", {}, "nothing to hit"),
        ("crash@0s:0.5x5s", {}, "before its storm"),
        ("crash@2h:0.5x5s", {}, "before its storm"),
        ("crash@5s:0.5x5s crash@20s:0.5x5s", {}, "once"),
        ("crash@5s:0.5x5s", {"horizon_ns": 0}, "horizon"),
        ("crash@5s:0.5x5s", {"horizon_ns": 10**15}, "horizon"),
        ("crash@5s:0.5x5s", {"target": "nobody"}, "nobody in scenario 'balanced' is called 'nobody'"),
    ],
)
def test_what_cannot_be_measured_is_refused(storms, options, words):
    requests = tuple(parse_storm(text) for text in storms.split())
    with pytest.raises((StormError, UsageError), match=words):
        plan_trials(
            load_scenario("balanced"), [Trial(requests, 0.5)], **{"horizon_ns": 5 * NS_PER_S, **options}
        )


def test_a_sweep_needs_storms_of_one_severity():
    with pytest.raises(StormError, match="one severity"):
        at_severities([parse_storm("crash@5s:0.1..0.5x5s")], [0.0, 0.5])


def test_every_storm_has_a_measure_and_no_fault():
    assert set(EFFECTS) == set(StormKind)
    with pytest.raises(StormError, match="nothing to hit"):
        plan_trials(
            load_scenario("balanced"),
            [control([StormRequest(FaultKind.HALT, 0.5, 5, start_ns=5)])],
            horizon_ns=5 * NS_PER_S,
        )
