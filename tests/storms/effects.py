"""Measures what a storm does, on pairs: the same seed with and without it, everything else equal.

The measure of each storm is the one that its module states:

    phantom          displayed depth, ten levels, both sides: storm / pair
    cancel, churn    cancellations per second: storm / pair
    ignition         largest distance of the mid from where it stood, bps: storm - pair
    crash            largest drop of the mid, bps: storm - pair
    latarb           lots picked off: taken by the attacker at a price that the mid has passed a second later
    stuffing         public events per second: storm / pair
    spoofing         displayed imbalance, mean of its size: storm - pair
    drain            displayed depth: pair / storm
    stoprun          furthest that the two mids are apart, bps
    fatfinger        worst price at which the attacker was executed, bps from the mid before
    news, reprice    distance of the two mids at the end of the storm, bps
    bleed            mean of how far the mid is below the pair's, bps
    burst            trades per second: storm / pair
    iceberg, block, slices, refill    lots that the attacker has traded
"""

from __future__ import annotations

from typing import NamedTuple

from engine.core.clock import NS_PER_S
from engine.core.types import Account, StormKind
from engine.inputs import storm_command
from engine.market.tape import Trade
from engine.scenarios import load_scenario
from engine.session import Session, SessionConfig
from engine.storms import StormRequest, storm_account

START_NS = 20 * NS_PER_S
DURATION_NS = 15 * NS_PER_S
END_NS = 60 * NS_PER_S
STEP_NS = NS_PER_S // 4


class Observed(NamedTuple):
    """What one run showed during the storm's window, and at its end."""

    depth_lots: float
    imbalance: float
    """Mean of its absolute value."""
    cancels: int
    events: int
    trades: int
    mids: tuple[float, ...]
    """Every 250 ms of the window, in ticks."""
    furthest_bps: float
    drop_bps: float
    worst_fill_bps: float
    picked_off_lots: int
    attacker_lots: int
    end_mid_ticks: float
    """25 s after the storm has ended."""
    target_pnl: int
    """Of the in-process target at the end of the run, in money units of the ledger."""
    event_digest: int
    pnl: float
    """Of the attacker when the market has recovered, as the deck's log has it, in currency."""
    recovery_ns: int | None


def observe(
    seed: int, kind: StormKind | None, severity: float = 0.0, *, scenario: str = "balanced"
) -> Observed:
    """Run the scenario for a minute with the demo strategy inside, and a storm from 20 s to 35 s."""
    session = Session(SessionConfig(load_scenario(scenario), seed, target_agent=True))
    exchange = session.exchange
    attacker = -1 if kind is None else storm_account(kind, exchange)
    taken: list[Trade] = []
    session.advance(START_NS)
    seen = first_trade = exchange.trade_count
    cancels_before, events_before = exchange.log.by_type[2], session.event_count
    if kind is not None:
        request = StormRequest(kind, severity, DURATION_NS / NS_PER_S)
        session.accept(session.stamp(storm_command(request)))
    start_mid = _mid(session)
    mids: list[tuple[int, float]] = []
    depths: list[int] = []
    imbalances: list[float] = []
    while session.now_ns < START_NS + DURATION_NS:
        session.advance(session.now_ns + STEP_NS)
        taken += [t for t in exchange.tape.since(seen) if t.aggressor == attacker]
        seen = exchange.trade_count
        sample = session.analytics.latest
        assert sample is not None
        depths.append(sample.bid_depth_lots + sample.ask_depth_lots)
        imbalances.append(abs(sample.imbalance))
        mids.append((session.now_ns, _mid(session)))
    cancels, events = exchange.log.by_type[2] - cancels_before, session.event_count - events_before
    trades = exchange.trade_count - first_trade
    while session.now_ns < END_NS:
        session.advance(session.now_ns + STEP_NS)
        taken += [t for t in exchange.tape.since(seen) if t.aggressor == attacker]
        seen = exchange.trade_count
        mids.append((session.now_ns, _mid(session)))
    window = [mid for time_ns, mid in mids if time_ns <= START_NS + DURATION_NS]
    exchange.ledger.check()
    ends = [row for row in session.storms.log if row.cause == "expired"]
    return Observed(
        depth_lots=sum(depths) / len(depths),
        imbalance=sum(imbalances) / len(imbalances),
        cancels=cancels,
        events=events,
        trades=trades,
        mids=tuple(window),
        furthest_bps=max(abs(mid - start_mid) for mid in window) / start_mid * 10_000,
        drop_bps=(start_mid - min(window)) / start_mid * 10_000,
        worst_fill_bps=max((abs(t.price_ticks - start_mid) for t in taken), default=0.0) / start_mid * 10_000,
        picked_off_lots=_picked_off(taken, mids),
        attacker_lots=sum(row.lots for row in ends),
        end_mid_ticks=mids[-1][1],
        target_pnl=exchange.ledger.equity(Account.TARGET, exchange.mark_twice_ticks),
        event_digest=session.event_digest,
        pnl=session.storms.log[-1].pnl if ends else 0.0,
        recovery_ns=None if kind is None else session.storms.recovery_ns.get(kind),
    )


def effect(kind: StormKind, storm: Observed, pair: Observed) -> float:
    """The storm's stated measure."""
    apart = [(ours - its) / its * 10_000 for ours, its in zip(storm.mids, pair.mids, strict=True)]
    measures: dict[StormKind, float] = {
        StormKind.PHANTOM: storm.depth_lots / pair.depth_lots,
        StormKind.CANCEL: storm.cancels / pair.cancels,
        StormKind.IGNITION: storm.furthest_bps - pair.furthest_bps,
        StormKind.CRASH: storm.drop_bps - pair.drop_bps,
        StormKind.LATARB: float(storm.picked_off_lots),
        StormKind.STUFFING: storm.events / pair.events,
        StormKind.SPOOFING: storm.imbalance - pair.imbalance,
        StormKind.DRAIN: pair.depth_lots / max(1.0, storm.depth_lots),
        StormKind.STOPRUN: max(abs(bps) for bps in apart),
        StormKind.FATFINGER: storm.worst_fill_bps,
        StormKind.NEWS: abs(apart[-1]),
        StormKind.BLEED: -sum(apart) / len(apart),
        StormKind.CHURN: storm.cancels / pair.cancels,
        StormKind.BURST: storm.trades / pair.trades,
        StormKind.REPRICE: abs(apart[-1]),
    }
    return measures.get(kind, float(storm.attacker_lots))


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
