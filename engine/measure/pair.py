"""A pair: two futures from one snapshot, on the same random streams, of which only one has the storm.

    run to the start ─► snapshot ─┬─► storm on  ─► horizon ─┐
                                  ├─► storm off ─► horizon ─┴─► differences
                                  └─► (the session itself goes on: the future without storm must be its own)

Whatever differs is the storm's doing, all of it: the market is a function of snapshot and inputs. Invariant:
at severity 0 the two futures have one event digest, and every difference is exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from engine.agents.demo_maker import START_EQUITY_MICRO
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import StormKind
from engine.market.ledger import MICRO
from engine.measure.effects import EFFECTS, effect_of, ratio
from engine.measure.observation import Observation, observe
from engine.measure.plan import Plan, Trial, target_accounts
from engine.score.judgement import limit_millionths, millionths_of
from engine.session import Session, SessionConfig
from engine.storms.recovery import HEALTHY_LOOKS

__all__ = ["REJOINED_BPS", "Pair", "SeedResult", "open_session", "run_seed"]

REJOINED_BPS = 10.0
"""Two mids so close to each other are one again."""
_BPS = 10_000


class Pair(NamedTuple):
    """What a storm has changed. Differences are with the storm less without it, money in currency."""

    seed: int
    trial: str
    is_idle: bool
    """Severity 0: the control."""
    kind: StormKind
    severity: float
    """Of the first storm; of a ramp or walk its first or lower end."""
    severity_text: str
    digest_equal: bool
    """Whether the two futures are the same, event for event."""
    effect: float
    """The storm's own measure (effects.py)."""
    target_pnl: float
    """At the horizon, each future at its own mid."""
    target_pnl_end: float
    """At the storm's end."""
    target_pnl_worst: float
    """At the look at which the target was furthest behind; 0 when it never was."""
    target_verdict: str
    """INTACT, DAMAGED or KILLED: the difference at the horizon against the scenario's thresholds."""
    low_bps: float
    """How far the mid fell below the other future's at most, until the horizon; at most 0."""
    high_bps: float
    """How far it rose above."""
    impact_bps: float
    """The larger of the two."""
    apart_bps: float
    """How far the two mids are apart at the horizon."""
    trough_bps: float
    """Largest drop of the mid from where the storm found it, less that without the storm, in its time."""
    depth_lost: float
    """Share of displayed depth (ten levels, both sides) that is missing, mean over the storm's time."""
    spread_ratio: float
    """Mean spread of the storm's time, with / without."""
    volume_ratio: float
    """Lots traded in it, with / without."""
    recovery_s: float | None
    """From the storm's end until mid, spread and depth are back (storms/recovery.py); None: not until the
    horizon, or severity 0."""
    rejoin_s: float | None
    """From the storm's end until the two mids are within REJOINED_BPS for a second; None: never."""
    attacker_orders: int
    attacker_lots: int
    attacker_position_lots: int
    """Inventory at the storm's end."""
    attacker_fees: float
    attacker_cost: float
    """What it has cost until the horizon, inventory at mid; negative: it earned."""
    attacker_cost_end: float
    """At the storm's end."""
    attacker_pov: float
    """Share of the volume of the storm's time that the attacker traded."""
    pnl_by_group: tuple[tuple[str, float], ...]
    """Difference of PnL at the horizon of everybody, by kind; with the fees they sum to 0 exactly."""
    fees: float
    """Difference of what everybody paid."""
    events: int
    """Public events of both futures after the snapshot."""


class SeedResult(NamedTuple):
    """One seed: all its pairs."""

    seed: int
    pairs: tuple[Pair, ...]
    """In the order of the plan's trials."""
    fork_equals_unforked: bool
    """Whether the future without storm is, event for event, that of the session itself."""
    events: int
    """Public events that were computed."""


Adjust = Callable[[Session, Trial], Trial]
"""Looks at the snapshot's market, and gives the trial that is run there."""


def open_session(plan: Plan, seed: int) -> Session:
    """The market of a seed at its beginning. Nothing but what acts is on: readers change no event."""
    config = SessionConfig(plan.scenario, seed, target_agent=plan.has_demo, analytics=False, detectors=False)
    return Session(config)


def run_seed(plan: Plan, seed: int, adjust: Adjust | None = None) -> SeedResult:
    """All pairs of a seed: one snapshot, one calm future, and one future for each trial.

    Raises UsageError where there is no price to begin with.
    """
    session = open_session(plan, seed)
    session.advance(plan.window.start_ns)
    if not session.exchange.mark_twice_ticks:
        raise UsageError(
            f"the market has no price {plan.window.start_ns / NS_PER_S:g}s after its beginning: start the "
            "storm later, or use a scenario whose agents trade"
        )
    image = session.image()
    target = target_accounts(plan, session)
    groups = _groups(session)
    calm = observe(session.resume(image), (), plan.window, target)
    pairs = []
    for trial in plan.trials:
        fork = session.resume(image)
        done = trial if adjust is None else adjust(fork, trial)
        storm = observe(fork, done.storms, plan.window, target)
        pair = _compare(plan, session, seed, done, storm, calm, groups)
        assert not done.is_idle or _is_null(pair), f"{done.text} changes the market, and may not"
        pairs.append(pair)
    before = image.event_count
    session.advance(plan.window.horizon_ns)
    return SeedResult(
        seed,
        tuple(pairs),
        session.event_digest == calm.event_digest and session.event_count == calm.event_count,
        sum(pair.events for pair in pairs) - (len(pairs) - 2) * (calm.event_count - before) + before,
    )


def _compare(
    plan: Plan,
    session: Session,
    seed: int,
    trial: Trial,
    storm: Observation,
    calm: Observation,
    groups: Sequence[str],
) -> Pair:
    worth = session.exchange.instrument.tick_lot_value / MICRO
    gaps = (storm.twice_mid_ticks - calm.twice_mid_ticks) / calm.twice_mid_ticks * _BPS
    lead = [ours - its for ours, its in zip(storm.target_equity, calm.target_equity, strict=True)]
    at_end = int(storm.is_during.nonzero()[0][-1])
    volume = _volume(storm)
    low, high = min(0.0, float(gaps.min())), max(0.0, float(gaps.max()))
    recovery_ns = storm.recovery_ns
    return Pair(
        seed=seed,
        trial=trial.text,
        is_idle=trial.is_idle,
        kind=trial.kind,
        severity=trial.severity,
        severity_text=trial.severity_text,
        digest_equal=storm.event_digest == calm.event_digest,
        effect=effect_of(trial.kind, storm, calm),
        target_pnl=lead[-1] * worth,
        target_pnl_end=lead[at_end] * worth,
        target_pnl_worst=min(0, *lead) * worth,
        target_verdict=_verdict(plan, session, lead[-1]),
        low_bps=low,
        high_bps=high,
        impact_bps=max(high, -low),
        apart_bps=abs(float(gaps[-1])),
        trough_bps=_drop_bps(storm) - _drop_bps(calm),
        depth_lost=1.0 - _depth(storm) / max(1.0, _depth(calm)),
        spread_ratio=ratio(_spread(storm), _spread(calm)),
        volume_ratio=ratio(volume, _volume(calm)),
        recovery_s=None if recovery_ns is None else recovery_ns / NS_PER_S,
        rejoin_s=_rejoin_s(gaps, storm),
        attacker_orders=storm.at_end.orders,
        attacker_lots=storm.at_end.lots,
        attacker_position_lots=storm.at_end.position_lots,
        attacker_fees=storm.at_end.fees * worth,
        attacker_cost=(0 - storm.at_horizon.equity) * worth,
        attacker_cost_end=(0 - storm.at_end.equity) * worth,
        attacker_pov=storm.at_end.lots / max(1, volume),
        pnl_by_group=_by_group(storm, calm, groups, worth),
        fees=(storm.fees - calm.fees) * worth,
        events=storm.event_count + calm.event_count - 2 * int(calm.events[0]),
    )


def _is_null(pair: Pair) -> bool:
    """Whether the two futures are one and the same, and every difference says so exactly."""
    differences = (
        pair.effect - EFFECTS[pair.kind].neutral,
        pair.target_pnl,
        pair.target_pnl_end,
        pair.target_pnl_worst,
        pair.impact_bps,
        pair.trough_bps,
        pair.depth_lost,
        pair.spread_ratio - 1,
        pair.volume_ratio - 1,
        pair.attacker_orders,
        pair.attacker_cost,
        pair.fees,
    )
    return pair.digest_equal and not any(differences) and not pair.pnl_by_group


def _groups(session: Session) -> list[str]:
    """Which kind each account is of; the attackers and their crowd by name."""
    groups = ["other"] * len(session.exchange.market.accounts)
    for account, info in session.accounts.items():
        groups[account] = info.name if info.kind == "storm" else info.kind
    return groups


def _by_group(
    storm: Observation, calm: Observation, groups: Sequence[str], worth: float
) -> tuple[tuple[str, float], ...]:
    totals: dict[str, int] = {}
    for group, ours, its in zip(groups, storm.equity, calm.equity, strict=True):
        totals[group] = totals.get(group, 0) + ours - its
    assert sum(totals.values()) == calm.fees - storm.fees, "what some win others lose"
    return tuple((group, total * worth) for group, total in totals.items() if total)


def _verdict(plan: Plan, session: Session, difference: int) -> str:
    """Shares of equity need an equity: only the demo bot begins with one, others keep the absolute limits."""
    thresholds, start = plan.scenario.thresholds, START_EQUITY_MICRO if plan.has_demo else 0
    change: Fraction = millionths_of(difference, session.exchange.instrument)
    fraction = thresholds.killed_fraction if start else None
    if change < limit_millionths(thresholds.killed, fraction, start):
        return "KILLED"
    fraction = thresholds.damaged_fraction if start else None
    return "DAMAGED" if change < limit_millionths(thresholds.damaged, fraction, start) else "INTACT"


def _rejoin_s(gaps: np.ndarray, storm: Observation) -> float | None:
    after = storm.time_ns >= storm.window.end_ns
    near, times = np.abs(gaps[after]) <= REJOINED_BPS, storm.time_ns[after]
    for first in range(len(near) - HEALTHY_LOOKS + 1):
        if near[first : first + HEALTHY_LOOKS].all():
            return float(times[first] - storm.window.end_ns) / NS_PER_S
    return None


def _drop_bps(one: Observation) -> float:
    first = float(one.twice_mid_ticks[0])
    return float((first - one.twice_mid_ticks[one.is_during].min()) / first * _BPS)


def _depth(one: Observation) -> float:
    return float((one.bid_depth_lots + one.ask_depth_lots)[one.is_during].mean())


def _spread(one: Observation) -> float:
    """Over looks at which both sides were there."""
    spreads = one.spread_ticks[one.is_during]
    there = spreads[spreads > 0]
    return float(there.mean()) if len(there) else 0.0


def _volume(one: Observation) -> int:
    return int(one.traded_lots[one.is_during][-1] - one.traded_lots[0])
