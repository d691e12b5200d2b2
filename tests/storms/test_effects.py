"""Each storm does what its module states: 20 seeds, each paired with itself without the storm."""

from __future__ import annotations

from multiprocessing import get_context
from statistics import mean

import pytest

from engine.arena.machine import load
from engine.core.types import StormKind
from tests.storms.effects import Observed, effect, observe

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
"""Smallest value of the measure (tests/storms/effects.py) that counts as "there" at severity 0.8."""

RECOVERED_BPS = 10.0
"""A mid this close to that of the pair has recovered."""

Case = tuple[int, StormKind | None, float]


def _load_machine_code() -> None:
    load()


def _observe(case: Case) -> tuple[Case, Observed]:
    return case, observe(*case)


@pytest.fixture(scope="module")
def observed() -> dict[Case, Observed]:
    cases: list[Case] = [(seed, None, 0.0) for seed in SEEDS]
    cases += [(seed, kind, severity) for kind in StormKind for severity in SEVERITIES for seed in SEEDS]
    cases += [(seed, StormKind.CRASH, 0.9) for seed in SEEDS]
    with get_context("spawn").Pool(2, _load_machine_code) as pool:
        return dict(pool.map(_observe, cases, chunksize=4))


@pytest.mark.parametrize("kind", list(StormKind))
def test_the_stated_effect_is_there_in_19_of_20_pairs(
    kind: StormKind, observed: dict[Case, Observed]
) -> None:
    effects = [effect(kind, observed[seed, kind, 0.8], observed[seed, None, 0.0]) for seed in SEEDS]
    there = sum(value >= EFFECT_IS_THERE[kind] for value in effects)
    print(f"{kind.name}: {there} of {len(effects)}, mean {mean(effects):.2f}, least {min(effects):.2f}")
    assert there >= 19


@pytest.mark.parametrize("kind", list(StormKind))
def test_more_severity_is_more_effect_in_the_mean(kind: StormKind, observed: dict[Case, Observed]) -> None:
    means = [
        mean(effect(kind, observed[seed, kind, severity], observed[seed, None, 0.0]) for seed in SEEDS)
        for severity in SEVERITIES
    ]
    print(f"{kind.name}: " + " < ".join(f"{value:.2f}" for value in means))
    assert means == sorted(means)
    assert len(set(means)) == len(means)


def test_the_demo_bot_loses_more_in_a_crash_in_18_of_20_pairs(observed: dict[Case, Observed]) -> None:
    losses = [
        observed[seed, StormKind.CRASH, 0.9].target_pnl - observed[seed, None, 0.0].target_pnl
        for seed in SEEDS
    ]
    worse = sum(loss < 0 for loss in losses)
    print(f"demo bot: worse in {worse} of {len(losses)}, mean {mean(losses) / 1e8:.2f} USD")
    assert worse >= 18


STAYS = (StormKind.NEWS, StormKind.REPRICE)
"""What they do to the price is there to stay."""


@pytest.mark.parametrize("kind", [kind for kind in StormKind if kind not in STAYS])
def test_the_market_recovers_within_25_s_of_its_end(kind: StormKind, observed: dict[Case, Observed]) -> None:
    pairs = [(observed[seed, kind, 0.8], observed[seed, None, 0.0]) for seed in SEEDS]
    gaps = [
        abs(storm.end_mid_ticks - pair.end_mid_ticks) / pair.end_mid_ticks * 10_000 for storm, pair in pairs
    ]
    back = sum(gap <= RECOVERED_BPS for gap in gaps)
    print(f"{kind.name}: {back} of {len(gaps)} within {RECOVERED_BPS:g} bps, furthest {max(gaps):.1f} bps")
    assert back >= 19


@pytest.mark.parametrize("kind", list(StormKind))
def test_the_deck_tells_what_it_cost_and_when_the_market_was_itself_again(
    kind: StormKind, observed: dict[Case, Observed]
) -> None:
    storms = [observed[seed, kind, 0.8] for seed in SEEDS]
    times = sorted(one.recovery_ns / 1e9 for one in storms if one.recovery_ns is not None)
    money = [one.pnl for one in storms]
    print(
        f"{kind.name}: attacker {mean(money):+.0f} USD; recovered {len(times)} of {len(storms)}, "
        f"median {times[len(times) // 2]:.1f} s, last {times[-1]:.1f} s"
    )
    assert len(times) >= 19
