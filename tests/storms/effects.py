"""Measures what a storm does, on pairs: the same seed with and without it, everything else equal.

The measure of each storm is the one that its module states:

    phantom    displayed depth, ten levels, both sides: storm / pair
    cancel     cancellations per second: storm / pair
    ignition   largest distance of the mid from where it stood, bps: storm - pair
    crash      largest drop of the mid, bps: storm - pair
    latarb     lots picked off: taken by the attacker at a price that the mid has passed a second later
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.types import Account, StormKind
from engine.inputs import storm_command
from engine.market.tape import Trade
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest

START_NS = 20 * NS_PER_S
DURATION_NS = 15 * NS_PER_S
END_NS = 60 * NS_PER_S
STEP_NS = NS_PER_S // 4


class Observed(NamedTuple):
    """What one run showed during the storm's window, and at its end."""

    depth_lots: float
    cancels: int
    furthest_bps: float
    drop_bps: float
    picked_off_lots: int
    end_mid_ticks: float
    """25 s after the storm has ended."""
    target_pnl: int
    """Of the in-process target at the end of the run, in money units of the ledger."""
    event_digest: int


def observe(
    seed: int, kind: StormKind | None, severity: float = 0.0, *, scenario: str = "balanced"
) -> Observed:
    """Run the scenario for a minute with the demo strategy inside, and a storm from 20 s to 35 s."""
    session = Session(SessionConfig(load_scenario(scenario), seed, target_agent=True))
    attacker = -1 if kind is None else Account.FIRST_STORM + kind
    taken: list[Trade] = []
    session.advance(START_NS)
    seen = session.exchange.trade_count
    cancels_before = session.exchange.log.by_type[2]
    if kind is not None:
        request = StormRequest(kind, severity, DURATION_NS / NS_PER_S)
        session.accept(session.stamp(storm_command(request)))
    start_mid = _mid(session)
    mids: list[tuple[int, float]] = []
    depths: list[int] = []
    while session.now_ns < START_NS + DURATION_NS:
        session.advance(session.now_ns + STEP_NS)
        taken += [t for t in session.exchange.tape.since(seen) if t.aggressor == attacker]
        seen = session.exchange.trade_count
        sample = session.analytics.latest
        assert sample is not None
        depths.append(sample.bid_depth_lots + sample.ask_depth_lots)
        if sample.mid_ticks is not None:
            mids.append((session.now_ns, sample.mid_ticks))
    cancels = session.exchange.log.by_type[2] - cancels_before
    while session.now_ns < END_NS:
        session.advance(session.now_ns + STEP_NS)
        taken += [t for t in session.exchange.tape.since(seen) if t.aggressor == attacker]
        seen = session.exchange.trade_count
        mids.append((session.now_ns, _mid(session)))
    window = [mid for time_ns, mid in mids if time_ns <= START_NS + DURATION_NS]
    session.exchange.ledger.check()
    return Observed(
        depth_lots=sum(depths) / len(depths),
        cancels=cancels,
        furthest_bps=max(abs(mid - start_mid) for mid in window) / start_mid * 10_000,
        drop_bps=(start_mid - min(window)) / start_mid * 10_000,
        picked_off_lots=_picked_off(taken, mids),
        end_mid_ticks=mids[-1][1],
        target_pnl=session.exchange.ledger.equity(Account.TARGET, session.exchange.mark_twice_ticks),
        event_digest=session.event_digest,
    )


def effect(kind: StormKind, storm: Observed, pair: Observed) -> float:
    """The storm's stated measure."""
    if kind is StormKind.PHANTOM:
        return storm.depth_lots / pair.depth_lots
    if kind is StormKind.CANCEL:
        return storm.cancels / pair.cancels
    if kind is StormKind.IGNITION:
        return storm.furthest_bps - pair.furthest_bps
    if kind is StormKind.CRASH:
        return storm.drop_bps - pair.drop_bps
    return float(storm.picked_off_lots)


def _mid(session: Session) -> float:
    return session.exchange.mark_twice_ticks / 2


def _picked_off(taken: list[Trade], mids: list[tuple[int, float]]) -> int:
    """Lots whose price the mid has passed, on the taker's way, one second after the fill."""
    lots = 0
    for trade in taken:
        later = next((mid for time_ns, mid in mids if time_ns >= trade.time_ns + NS_PER_S), None)
        if later is not None and (later > trade.price_ticks) == (trade.aggressor_side == 0):
            lots += trade.qty_lots if later != trade.price_ticks else 0
    return lots
