"""What is measured: a scenario, trials of storms over one window, a target, and how long to watch.

A trial is what makes one future differ from the calm one; all trials of a plan share its window, so each seed
needs one snapshot and one calm future for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.errors import StormError, UsageError
from engine.core.types import Account, FaultKind, StormKind
from engine.measure.observation import Window
from engine.scenarios.loader import Scenario
from engine.session import Session
from engine.storms.request import Course, StormRequest, name_of

__all__ = [
    "DEMO",
    "FIRST_MAKERS",
    "HORIZON_LIMIT_NS",
    "SEVERITIES",
    "START_LIMIT_NS",
    "Plan",
    "Trial",
    "at_severities",
    "check_storms",
    "check_target",
    "control",
    "plan_trials",
    "target_accounts",
]

FIRST_MAKERS = "mm"
"""The first group of market makers of the scenario."""
DEMO = "demo"
"""The demo bot's strategy, inside."""
SEVERITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of a sweep, where nobody says otherwise."""
START_LIMIT_NS = 3_600 * NS_PER_S
HORIZON_LIMIT_NS = 600 * NS_PER_S
_MAKER_KINDS = ("maker", "adaptive")


class Trial(NamedTuple):
    """Storms that are on in one future."""

    storms: tuple[StormRequest, ...]
    severity: float
    """Of the first one: what damage is set against."""

    @property
    def kind(self) -> StormKind:
        """The storm whose effect is measured: the first that acts in the market."""
        return next(one.kind for one in self.storms if isinstance(one.kind, StormKind))

    @property
    def is_idle(self) -> bool:
        """Whether nothing happens in the market."""
        return all(one.is_idle for one in self.storms if isinstance(one.kind, StormKind))

    @property
    def severity_text(self) -> str:
        """As on the command line: `0.8`, a ramp, a walk."""
        return next(one.severity_text for one in self.storms if one.kind == self.kind)

    @property
    def text(self) -> str:
        """As on the command line."""
        return " ".join(
            f"{name_of(one.kind)}@{one.start_ns / NS_PER_S:g}s:{one.severity_text}x{one.duration_s:g}s"
            for one in self.storms
        )


class Plan(NamedTuple):
    """What to do with each seed."""

    scenario: Scenario
    trials: tuple[Trial, ...]
    window: Window
    target: str = FIRST_MAKERS

    @property
    def has_demo(self) -> bool:
        """Whether the demo bot's strategy trades in this market."""
        return self.target == DEMO


def plan_trials(
    scenario: Scenario, trials: Sequence[Trial], *, horizon_ns: int, target: str = FIRST_MAKERS
) -> Plan:
    """A plan; `horizon_ns` from the last storm's end. Raises UsageError (StormError) for what cannot be."""
    if scenario.fundamental is None:
        raise UsageError(
            f"scenario {scenario.name!r} has no agents of its own: a pair needs a simulated market"
        )
    check_storms(trials[0].storms)
    if not NS_PER_S <= horizon_ns <= HORIZON_LIMIT_NS:
        raise UsageError(
            f"horizon: {horizon_ns / NS_PER_S:g}s is out of range: use 1s to {HORIZON_LIMIT_NS // NS_PER_S}s"
        )
    windows = {(_start(trial), _end(trial)) for trial in trials}
    assert len(windows) == 1, "all trials of a plan share its window"
    (start_ns, end_ns) = windows.pop()
    if not 0 < start_ns <= START_LIMIT_NS:
        raise StormError(
            f"{trials[0].text}: a pair needs a market before its storm: start it after 0s and within "
            f"{START_LIMIT_NS // NS_PER_S}s"
        )
    check_target(scenario, target)
    return Plan(scenario, tuple(trials), Window(start_ns, end_ns, end_ns + horizon_ns), target)


def check_storms(storms: Sequence[StormRequest]) -> None:
    """Raises StormError for storms that leave nothing to measure, or that would cut each other off."""
    for one in storms:
        one.checked()
    if all(isinstance(one.kind, FaultKind) for one in storms):
        raise StormError(
            f"{', '.join(name_of(one.kind) for one in storms)}: a fault has nothing to hit here: it changes "
            "what bots at the venue are told, and in a measurement only the scenario's agents trade. Name a "
            "storm of the market beside it, or judge a bot under it with `stormdesk run`"
        )
    if len({one.kind for one in storms}) < len(storms):
        raise StormError("each kind of storm once: a pair compares one of a kind with none")


def control(storms: Sequence[StormRequest]) -> Trial:
    """The same at severity 0: nothing may differ."""
    idle = [one._replace(severity=0.0, course=int(Course.CONSTANT), severity_to=0.0) for one in storms]
    return Trial(tuple(idle), 0.0)


def at_severities(storms: Sequence[StormRequest], severities: Sequence[float]) -> list[Trial]:
    """One trial for each severity, which all of the storms take. Raises StormError for a ramp or walk."""
    for one in storms:
        if one.course != Course.CONSTANT:
            raise StormError(
                f"{name_of(one.kind)} goes {one.severity_text}: a sweep needs storms of one severity"
            )
    return [
        Trial(tuple(one._replace(severity=severity).checked() for one in storms), severity)
        for severity in severities
    ]


def check_target(scenario: Scenario, target: str) -> None:
    """Raises UsageError when nobody in the scenario is called so."""
    if target == DEMO or _matches(scenario, target):
        return
    kinds = sorted({group.kind for group in scenario.groups if group.members})
    if not kinds:
        raise UsageError(
            f"scenario {scenario.name!r} has no agents to watch: use {DEMO} (the demo bot inside)"
        )
    raise UsageError(
        f"nobody in scenario {scenario.name!r} is called {target!r}: use {FIRST_MAKERS} (the first market "
        f"makers), {DEMO} (the demo bot inside), a kind of agent ({', '.join(kinds)}), or one agent's name, "
        f"as {kinds[0]}-1"
    )


def target_accounts(plan: Plan, session: Session) -> list[int]:
    """The accounts that are watched."""
    if plan.target == DEMO:
        return [int(Account.TARGET)]
    numbers = _matches(plan.scenario, plan.target)
    members = session.population.members
    return [members[number].account for number in numbers]


def _matches(scenario: Scenario, target: str) -> list[int]:
    """Numbers of the agents who are meant, in the order of the scenario."""
    if target == FIRST_MAKERS:
        first = 0
        for group in scenario.groups:
            if group.kind in _MAKER_KINDS and group.members:
                return list(range(first, first + group.members))
            first += group.members
        return []
    names = [(g.kind, f"{g.kind}-{number}") for g in scenario.groups for number in range(1, g.members + 1)]
    return [number for number, known in enumerate(names) if target in known]


def _start(trial: Trial) -> int:
    return min(one.start_ns for one in trial.storms)


def _end(trial: Trial) -> int:
    return max(one.start_ns + one.duration_ns for one in trial.storms)
