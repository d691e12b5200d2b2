"""How deep a flash crash gets, and what makes it deeper: dials whose signs are known.

Gao, Vytelingum, Weston, Luk and Guo (JASSS 27(2) 8, 2024; arXiv:2208.13654) put an institutional seller,
after that of 6 May 2010, into a market of agents, and find the crash deeper

    pov        with a higher share of the volume that the seller takes
    limit      with a lower inventory limit of the market makers
    value      with less trading by fundamental traders (theirs trade more seldom, here there are fewer)

Here the seller is the storm CRASH, the makers are the agents `maker`, the fundamental traders the agents
`value`. pov turns the storm's severity in the scenario as it is. The two others change the scenario, and the
same orders are sent into each (SameSize), because the storm's own sizes would follow the depth that the
change has moved.

In our makers the inventory limit is two things: where they stop, and the yardstick of their lean (at the
limit they shift their quotes by skew_ticks, so a tighter limit leans more per lot). `limit-alone` turns it
with the lean per lot kept, and so says which of the two it is.

Depth is the largest drop of the mid in the storm's time, less that of the same market without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import StormKind
from engine.measure.pair import SeedResult
from engine.measure.plan import Trial, plan_trials
from engine.measure.pool import Job
from engine.measure.sizing import SameSize
from engine.measure.statistics import Estimate, SignTest, bootstrap_mean, sign_test, spearman
from engine.measure.summary import StormRow, summarise_pairs
from engine.scenarios.loader import AgentGroup, Scenario
from engine.storms.request import StormRequest

__all__ = ["DIALS", "Dial", "DialResult", "dial_jobs", "judge_dial"]

START_NS = 20 * NS_PER_S
DURATION_S = 15
SAME_SIZE = SameSize(1_200)
"""Half of the base depth of the default scenario, as at severity 0.5 there."""


_LIMIT_ALONE = "limit-alone"


class Dial(NamedTuple):
    """One thing that is turned, and what the literature says of it."""

    name: str
    text: str
    levels: tuple[float, ...]
    """Rising."""
    sign: int
    """+1: the crash gets deeper as it rises; -1: less deep."""


DIALS: tuple[Dial, ...] = (
    Dial("pov", "severity of the crash, and with it the seller's share of volume", (0.2, 0.4, 0.6, 0.8), +1),
    Dial("limit", "inventory limit of each market maker, lots", (250, 500, 1_000, 2_000), -1),
    Dial(_LIMIT_ALONE, "the same, with the lean per lot kept", (250, 500, 1_000, 2_000), -1),
    Dial("value", "number of fundamental traders", (2, 5, 10, 20), -1),
)


class DialResult(NamedTuple):
    """What came of turning one."""

    dial: Dial
    rows: tuple[StormRow, ...]
    """One for each level."""
    steps: tuple[Estimate, ...]
    """Mean difference of depth from each level to the next, bps, seed by seed."""
    whole: Estimate
    """From the first level to the last."""
    against: SignTest
    """Of the difference over all levels, turned so that negative means against the literature."""
    rank: float | None
    """Spearman's correlation of level and mean depth."""

    @property
    def comes_out(self) -> bool:
        """Whether depth goes with the dial as the literature has it: the interval of the whole difference
        lies on that side of 0."""
        sign, (_, low, high) = self.dial.sign, self.whole
        return low is not None and high is not None and (low > 0 if sign > 0 else high < 0)


def dial_jobs(scenario: Scenario, dial: Dial, seeds: Sequence[int], *, horizon_ns: int) -> list[Job]:
    """All levels of a dial, each with all seeds. Raises UsageError where the scenario has no such agents."""
    jobs = []
    for level in dial.levels:
        is_pov = dial.name == "pov"
        severity = level if is_pov else 0.5
        request = StormRequest(StormKind.CRASH, severity, DURATION_S, start_ns=START_NS)
        turned = scenario if is_pov else _turned(scenario, dial, int(level))
        plan = plan_trials(turned, [Trial((request,), severity)], horizon_ns=horizon_ns)
        jobs += [Job(plan, seed, None if is_pov else SAME_SIZE) for seed in seeds]
    return jobs


def judge_dial(dial: Dial, results: Sequence[SeedResult]) -> DialResult:
    """The results of `dial_jobs`, in the same order."""
    seeds = len(results) // len(dial.levels)
    pairs = [result.pairs[0] for result in results]
    by_level = [pairs[first : first + seeds] for first in range(0, len(pairs), seeds)]
    depth = np.array([[pair.trough_bps for pair in level] for level in by_level])
    whole = depth[-1] - depth[0]
    return DialResult(
        dial=dial,
        rows=tuple(summarise_pairs(level) for level in by_level),
        steps=tuple(bootstrap_mean(step) for step in np.diff(depth, axis=0)),
        whole=bootstrap_mean(whole),
        against=sign_test([float(value) * dial.sign for value in whole]),
        rank=spearman(np.array(dial.levels, dtype=np.float64), depth.mean(axis=1)),
    )


def _turned(scenario: Scenario, dial: Dial, level: int) -> Scenario:
    kind = "value" if dial.name == "value" else "maker"
    if not any(group.kind == kind and group.members for group in scenario.groups):
        raise UsageError(
            f"scenario {scenario.name!r} has no {kind} agents, whose number or limit is turned: use balanced"
        )
    groups = (_turned_group(group, dial, level) if group.kind == kind else group for group in scenario.groups)
    return scenario._replace(groups=tuple(groups))


def _turned_group(group: AgentGroup, dial: Dial, level: int) -> AgentGroup:
    if dial.name == "value":
        return group._replace(members=level)
    params = group.params._replace(limit_lots=level)
    if dial.name == _LIMIT_ALONE:
        lean = group.params.skew_ticks / group.params.limit_lots
        params = params._replace(skew_ticks=lean * level)
    return group._replace(params=params)
