"""One case of the evaluation: a session with a storm in it or without.

A storm comes after WARM_UP_S of calm and has TAIL_S behind it; a calm case lasts CALM_S. Cases come from a
region of the parameters. On DEVELOPMENT the constants of the detectors were set (seeds 1 to 6 and 1001 to
1040); HELD_OUT has none of its severities and none of its durations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.core.types import StormKind

__all__ = [
    "CALM_S",
    "DEVELOPMENT",
    "HELD_OUT",
    "LONG_S",
    "REGIONS",
    "SCENARIOS",
    "TAIL_S",
    "WARM_UP_S",
    "Case",
    "Region",
    "plan_cases",
]

WARM_UP_S = 45
TAIL_S = 20
CALM_S = 3_600
WITHOUT_TIMES = 5
"""Calm without institutions is so many times longer. With both, storms of one kind are less than a hundredth
of all windows."""
LONG_S = 60
"""A crash that lasts at least so long can be told half a minute before it is over."""
SCENARIOS = ("balanced", "institutional")
"""Storms come in the first; calm is looked at in all."""
_WITHOUT = (StormKind.SLICES, StormKind.BURST, StormKind.CHURN, StormKind.BLEED, StormKind.LATARB)
"""TWAP children, and what may look like them, in a market that has none of its own."""


class Region(NamedTuple):
    """Where the parameters of storms come from."""

    name: str
    severities: tuple[float, ...]
    durations_s: tuple[int, ...]
    long_s: tuple[int, ...]
    """Of the slow crashes that come on top."""


DEVELOPMENT = Region("development", (0.35, 0.6, 0.85), (15,), (60,))
HELD_OUT = Region("held-out", (0.48, 0.72, 0.97), (10, 20, 30), (90,))
REGIONS = {region.name: region for region in (DEVELOPMENT, HELD_OUT)}


class Case(NamedTuple):
    """One session."""

    scenario: str
    seed: int
    storm: StormKind | None = None
    severity: float = 0.0
    duration_s: int = 0
    institutions: bool = True
    """Whether the scenario's own TWAP parents trade."""


def plan_cases(seeds: Sequence[int], region: Region = HELD_OUT, *, calm_s: int = CALM_S) -> Iterator[Case]:
    """For each seed: calm in all scenarios, and without institutions; storms and decoys of every kind with
    every severity and duration of the region; the slow crashes; what may look like TWAP children, without
    institutions."""
    home = SCENARIOS[0]
    for seed in seeds:
        for scenario in SCENARIOS:
            yield Case(scenario, seed, duration_s=calm_s)
        yield Case(home, seed, duration_s=WITHOUT_TIMES * calm_s, institutions=False)
        for severity in region.severities:
            for storm in StormKind:
                for duration_s in region.durations_s:
                    yield Case(home, seed, storm, severity, duration_s)
            for duration_s in region.long_s:
                yield Case(home, seed, StormKind.CRASH, severity, duration_s)
            for storm in _WITHOUT:
                for duration_s in region.durations_s:
                    yield Case(home, seed, storm, severity, duration_s, institutions=False)
