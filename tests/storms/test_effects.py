"""Each storm does what its module states: 20 seeds, each paired with itself without the storm."""

from __future__ import annotations

from statistics import mean

import pytest

from engine.core.clock import NS_PER_S
from engine.core.types import StormKind
from engine.measure import Job, Pair, at_severities, plan_trials, run_jobs
from engine.measure.effects import EFFECTS
from engine.scenarios import load_scenario
from engine.storms import StormRequest

pytestmark = pytest.mark.long

SEEDS = range(1, 21)
SEVERITIES = (0.2, 0.5, 0.8)
EFFECT_IS_THERE = {
    StormKind.PHANTOM: 1.5,
    StormKind.CANCEL: 3.0,
    StormKind.IGNITION: 10.0,
    StormKind.CRASH: 30.0,
    StormKind.LATARB: 500.0,
    StormKind.STUFFING: 15.0,
    StormKind.SPOOFING: 0.12,
    StormKind.DRAIN: 2.0,
    StormKind.STOPRUN: 30.0,
    StormKind.FATFINGER: 8.0,
    StormKind.ICEBERG: 800.0,
    StormKind.NEWS: 50.0,
    StormKind.BLEED: 0.5,
    StormKind.CHURN: 2.0,
    StormKind.BURST: 1.4,
    StormKind.REPRICE: 25.0,
    StormKind.BLOCK: 800.0,
    StormKind.SLICES: 1_000.0,
    StormKind.REFILL: 300.0,
}
"""Smallest value of the measure (engine/measure/effects.py) that counts as "there" at severity 0.8."""

RECOVERED_BPS = 10.0
"""A mid this close to that of the pair has recovered."""
WATCHED_NS = 25 * NS_PER_S
"""After the storm's end."""

Case = tuple[int, StormKind, float]


@pytest.fixture(scope="module")
def pairs() -> dict[Case, Pair]:
    """The demo strategy inside, and a storm from 20 s to 35 s."""
    trials = [
        trial
        for kind in StormKind
        for trial in at_severities(
            [StormRequest(kind, 0.0, 15, start_ns=20 * NS_PER_S)],
            (*SEVERITIES, 0.9) if kind == StormKind.CRASH else SEVERITIES,
        )
    ]
    plan = plan_trials(load_scenario("balanced"), trials, horizon_ns=WATCHED_NS, target="demo")
    results = run_jobs([Job(plan, seed) for seed in SEEDS], processes=2)
    assert all(result.fork_equals_unforked for result in results)
    return {(pair.seed, pair.kind, pair.severity): pair for result in results for pair in result.pairs}


def test_every_kind_has_a_measure() -> None:
    assert set(EFFECTS) == set(EFFECT_IS_THERE) == set(StormKind)


@pytest.mark.parametrize("kind", list(StormKind))
def test_the_stated_effect_is_there_in_19_of_20_pairs(kind: StormKind, pairs: dict[Case, Pair]) -> None:
    effects = [pairs[seed, kind, 0.8].effect for seed in SEEDS]
    there = sum(value >= EFFECT_IS_THERE[kind] for value in effects)
    print(f"{kind.name}: {there} of {len(effects)}, mean {mean(effects):.2f}, least {min(effects):.2f}")
    assert there >= 19


@pytest.mark.parametrize("kind", list(StormKind))
def test_more_severity_is_more_effect_in_the_mean(kind: StormKind, pairs: dict[Case, Pair]) -> None:
    means = [mean(pairs[seed, kind, severity].effect for seed in SEEDS) for severity in SEVERITIES]
    print(f"{kind.name}: " + " < ".join(f"{value:.2f}" for value in means))
    assert means == sorted(means)
    assert len(set(means)) == len(means)


def test_the_demo_bot_loses_more_in_a_crash_in_18_of_20_pairs(pairs: dict[Case, Pair]) -> None:
    losses = [pairs[seed, StormKind.CRASH, 0.9].target_pnl for seed in SEEDS]
    worse = sum(loss < 0 for loss in losses)
    print(f"demo bot: worse in {worse} of {len(losses)}, mean {mean(losses):.2f} USD")
    assert worse >= 18


STAYS = (StormKind.NEWS, StormKind.REPRICE)
"""What they do to the price is there to stay."""


@pytest.mark.parametrize("kind", [kind for kind in StormKind if kind not in STAYS])
def test_the_market_recovers_within_25_s_of_its_end(kind: StormKind, pairs: dict[Case, Pair]) -> None:
    gaps = [pairs[seed, kind, 0.8].apart_bps for seed in SEEDS]
    back = sum(gap <= RECOVERED_BPS for gap in gaps)
    print(f"{kind.name}: {back} of {len(gaps)} within {RECOVERED_BPS:g} bps, furthest {max(gaps):.1f} bps")
    assert back >= 19


@pytest.mark.parametrize("kind", list(StormKind))
def test_the_deck_tells_what_it_cost_and_when_the_market_was_itself_again(
    kind: StormKind, pairs: dict[Case, Pair]
) -> None:
    storms = [pairs[seed, kind, 0.8] for seed in SEEDS]
    times = sorted(one.recovery_s for one in storms if one.recovery_s is not None)
    print(
        f"{kind.name}: attacker {-mean(one.attacker_cost for one in storms):+.0f} USD; "
        f"recovered {len(times)} of {len(storms)}, median {times[len(times) // 2]:.1f} s, "
        f"last {times[-1]:.1f} s"
    )
    assert len(times) >= 19
