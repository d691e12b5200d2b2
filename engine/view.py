"""Builds the market part of a frame from a session (stop 6 on the data path). It reads, never changes."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.core.clock import NS_PER_S
from engine.core.types import Account, FaultKind, Side, StormKind
from engine.frame import (
    LADDER_LEVELS,
    AgentView,
    FeedView,
    Kpis,
    LevelView,
    MarkerView,
    MarketView,
    OrderView,
    SeriesView,
    StormView,
    TradeView,
)
from engine.gate_view import gate_views
from engine.market.ledger import MICRO, Standings
from engine.market.tape import Trade
from engine.storm_view import storm_runs
from engine.storms.accounts import storm_account
from engine.storms.base import Storm
from engine.storms.catalogue import entry_of
from engine.storms.faults.base import VenueFault
from engine.storms.request import ChaosKind

if TYPE_CHECKING:
    from engine.session import Session

__all__ = ["build_market_view"]

_SERIES = (
    "time_ns",
    "mid_ticks",
    "spread_ticks",
    "imbalance",
    "vpin",
    "bid_depth_lots",
    "ask_depth_lots",
    "events_per_s",
    "regime",
)
"""Fields of SeriesView, as samples call them."""
OWN_ORDERS = 200
"""Resting orders of desk and target in a frame, at the most."""


def build_market_view(session: Session) -> MarketView:
    """All of MarketView at the session's present."""
    exchange = session.exchange
    book = exchange.book
    bids = tuple(LevelView(*level) for level in book.levels(Side.BID, LADDER_LEVELS))
    asks = tuple(LevelView(*level) for level in book.levels(Side.ASK, LADDER_LEVELS))
    trades = exchange.recent_trades()
    last = trades[-1] if trades else None
    standings = exchange.ledger.standings(exchange.mark_twice_ticks)
    return MarketView(
        time_ns=session.now_ns,
        events=session.event_count,
        instrument=exchange.instrument,
        scenario=session.scenario.name,
        seed=session.seed,
        source="sim" if session.source is None else session.source.name,
        bids=bids,
        asks=asks,
        last_price_ticks=None if last is None else last.price_ticks,
        last_aggressor_side=None if last is None else last.aggressor_side,
        trades=_trades(session, trades),
        trade_count=exchange.trade_count,
        volume_at_price=_volume(session, bids, asks),
        orders=_orders(session),
        kpis=_kpis(session),
        series=_series(session),
        agents=_agents(session, standings),
        storms=_storms(session, standings),
        markers=_markers(session),
        alerts=session.alerts.alerts(session.now_ns),
        feed=_feed(session),
        bots=session.bot_cards(),
        gates=gate_views(session),
        storm_runs=storm_runs(session),
        silent_detectors=_silent_detectors(session),
    )


def _silent_detectors(session: Session) -> tuple[str, ...]:
    silent = () if session.detection is None else session.detection.silent
    return tuple(kind.name.lower().replace("_", " ") for kind in silent)


def _trades(session: Session, trades: list[Trade]) -> tuple[TradeView, ...]:
    names = session.accounts
    return tuple(
        TradeView(
            t.trade_id,
            t.time_ns,
            t.price_ticks,
            t.qty_lots,
            t.aggressor_side,
            names[t.aggressor].name,
            names[t.maker].name,
        )
        for t in trades
    )


def _volume(
    session: Session, bids: tuple[LevelView, ...], asks: tuple[LevelView, ...]
) -> MappingProxyType[int, int]:
    """Traded volume at the prices that a ladder around this book can show."""
    low = bids[-1].price_ticks if bids else 0
    high = asks[-1].price_ticks if asks else low
    return MappingProxyType(session.exchange.tape.volume(low, high))


def _orders(session: Session) -> tuple[OrderView, ...]:
    exchange, book = session.exchange, session.exchange.book
    views: list[OrderView] = []
    for account, owner in ((Account.DESK, "me"), (Account.TARGET, "bot")):
        for order in list(exchange.open_orders(account).values())[: OWN_ORDERS // 2]:
            ahead = book.quantity_ahead(order.order_id)
            views.append(
                OrderView(order.order_id, owner, order.side, order.price_ticks, order.remaining_lots, ahead)
            )
    return tuple(views)


def _kpis(session: Session) -> Kpis:
    sample = session.analytics.latest
    if sample is None:
        return Kpis(None, None, None, None, 0, 0, 0.0, None, None, 0.0, None, 0, 0.0, 0.0, crossed=False)
    return Kpis(
        mid_ticks=sample.mid_ticks,
        microprice_ticks=sample.microprice_ticks,
        spread_ticks=sample.spread_ticks,
        spread_bps=sample.spread_bps,
        bid_depth_lots=sample.bid_depth_lots,
        ask_depth_lots=sample.ask_depth_lots,
        imbalance=sample.imbalance,
        vpin=sample.vpin,
        trade_velocity=sample.trade_velocity,
        trades_per_s=sample.trades_per_s,
        realised_vol_bps=sample.realised_vol_bps,
        regime=int(sample.regime),
        regime_score=sample.regime_score,
        events_per_s=sample.events_per_s,
        crossed=sample.crossed,
    )


def _series(session: Session) -> SeriesView:
    return SeriesView(*session.analytics.columns(_SERIES))


def _agents(session: Session, standings: Standings) -> tuple[AgentView, ...]:
    # A thousand accounts, twenty times a second: columns, not rows.
    value = session.exchange.instrument.tick_lot_value / MICRO
    accounts, infos = list(session.accounts), session.accounts.values()
    position, equity, fills, open_orders, _ = standings
    return tuple(
        map(
            AgentView,
            accounts,
            [info.name for info in infos],
            [info.kind for info in infos],
            [position[account] for account in accounts],
            [equity[account] * value for account in accounts],
            [open_orders[account] for account in accounts],
            [fills[account] for account in accounts],
            [info.limit_lots for info in infos],
        )
    )


def _storms(session: Session, standings: Standings) -> tuple[StormView, ...]:
    value = session.exchange.instrument.tick_lot_value / MICRO
    views = []
    for kind in StormKind:
        account = storm_account(kind, session.exchange)
        idle = _idle(kind)
        if standings.orders_sent[account]:
            entry = session.exchange.ledger.entry(account)
            idle = idle._replace(
                orders_sent=standings.orders_sent[account],
                position_lots=standings.position_lots[account],
                pnl=standings.equity[account] * value,
                lots_traded=entry.bought_lots + entry.sold_lots,
                fees=entry.fees * value,
            )
        recovery_ns = session.storms.recovery_ns.get(kind)
        if recovery_ns is not None:
            idle = idle._replace(recovery_s=recovery_ns / NS_PER_S)
        views.append(_with_running(idle, session.storms.active.get(kind)))
    deeds = session.broker.boundary.deeds
    for fault in FaultKind:
        idle = _idle(fault)
        if idle.name in deeds:
            idle = idle._replace(deeds=tuple(deeds[idle.name].items()))
        views.append(_with_running(idle, session.storms.active.get(fault)))
    return tuple(views)


@cache
def _idle(kind: ChaosKind) -> StormView:
    """The view of one that has done nothing yet."""
    return StormView(int(kind), entry_of(kind).name, False, None, None, None, 0, 0, 0.0)


def _with_running(idle: StormView, running: Storm | VenueFault | None) -> StormView:
    if running is None:
        return idle
    return idle._replace(
        active=True, severity=running.severity, started_ns=running.started_ns, ends_ns=running.ends_ns
    )


def _markers(session: Session) -> tuple[MarkerView, ...]:
    markers = [MarkerView(*m) for m in session.markers]
    for row in session.storms.log:
        name = entry_of(row.kind).name
        if row.is_about_recovery:
            continue
        if row.started:
            markers.append(MarkerView(row.time_ns, "storm_start", f"{name} {row.severity:.2f}"))
        else:
            markers.append(MarkerView(row.time_ns, "storm_stop", f"{name} {row.cause}"))
    return tuple(sorted(markers))


def _feed(session: Session) -> FeedView | None:
    if session.history is None or session.source is None:
        return None
    player, source = session.history, session.source
    return FeedView(
        name=source.name,
        kind=source.kind,
        epoch_ns=source.epoch_ns,
        duration_ns=source.duration_ns,
        updates=player.update_count,
        trades=player.trade_count,
        gaps=player.gaps,
        dropped=source.dropped_count,
        divergence_lots=player.divergence_lots,
        divergence_count=player.divergence_count,
        ended=player.ended,
        halted=player.halted,
        status=source.status_at(session.now_ns),
        symbols=session.source_symbols,
    )
