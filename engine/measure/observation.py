"""One future of a market, looked at every 250 ms of session time from a snapshot to the horizon.

A look reads the public book and the ledgers and changes nothing, so the events are the same whether anybody
looks. Both futures of a pair are looked at at the same times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.core.clock import NS_PER_MS
from engine.core.types import EventType, Side, StormKind
from engine.inputs import storm_command
from engine.market.ledger import MICRO
from engine.session import Session
from engine.storms.accounts import storm_account
from engine.storms.base import Standing, standing_of
from engine.storms.recovery import DEPTH_LEVELS, LOOK_NS
from engine.storms.request import StormRequest

__all__ = ["LOOK_NS", "Observation", "Window", "observe"]

Lots = npt.NDArray[np.int64]
_STEP_NS = 250 * NS_PER_MS
assert _STEP_NS == LOOK_NS, "looks of pairs and looks of the recovery are equally far apart"


class Window(NamedTuple):
    """When the snapshot is taken, when the last storm is over, and until when the futures are watched."""

    start_ns: int
    end_ns: int
    horizon_ns: int


class Observation(NamedTuple):
    """What one future showed. Columns have one value for each look; the first look is the snapshot's."""

    window: Window
    time_ns: Lots
    twice_mid_ticks: Lots
    """Best bid + best ask; where a side is empty, twice the last price."""
    spread_ticks: Lots
    """0 where a side is empty."""
    bid_depth_lots: Lots
    """Of the best ten levels."""
    ask_depth_lots: Lots
    events: Lots
    """Public events so far, as the next three."""
    cancels: Lots
    trades: Lots
    traded_lots: Lots
    target_equity: tuple[int, ...]
    """Of all target accounts together, in money of the ledger, at each look."""
    equity: tuple[int, ...]
    """Of each account at the horizon."""
    fees: int
    """Paid by everybody until the horizon."""
    taken: npt.NDArray[Any]
    """Executions in which an attacker was the aggressor: rows of TradeRow."""
    at_end: Standing
    """What the attackers had done and had when the last storm was over, all together."""
    at_horizon: Standing
    recovery_ns: int | None
    """From the first storm's end until the market was itself again (storms/recovery.py); None: it was not
    until the horizon, or there was no storm."""
    event_digest: int
    event_count: int

    @property
    def is_during(self) -> npt.NDArray[np.bool_]:
        """Which looks lie in the storm's time."""
        return (self.time_ns > self.window.start_ns) & (self.time_ns <= self.window.end_ns)


def observe(
    session: Session, storms: Sequence[StormRequest], window: Window, target: Sequence[int]
) -> Observation:
    """Runs a session, which stands at the window's start, to its horizon.

    `storms` start at their times, none: the calm future. `target` are the accounts to be watched.
    """
    assert session.now_ns == window.start_ns
    exchange = session.exchange
    kinds = [one.kind for one in storms if isinstance(one.kind, StormKind)]
    attackers = list(dict.fromkeys(storm_account(kind, exchange) for kind in kinds))
    before = [standing_of(exchange, account) for account in attackers]
    waiting = sorted(storms, key=lambda one: one.start_ns)
    rows, equities, taken = [_look(session)], [_equity(session, target)], []
    at_end: list[Standing] = []
    over_ns = window.end_ns + 1  # a storm takes effect, and ends, a nanosecond after its input
    seen = exchange.trade_count
    while session.now_ns < window.horizon_ns:
        waiting = _start_due(session, waiting)
        next_ns = window.start_ns + len(rows) * _STEP_NS
        stops = [next_ns, window.horizon_ns, *(one.start_ns for one in waiting[:1])]
        stops += [over_ns] if session.now_ns < over_ns else []
        session.advance(min(stops))
        if session.now_ns <= window.end_ns + _STEP_NS:
            taken += _taken(session, attackers, seen)
            seen = exchange.trade_count
        if session.now_ns == over_ns:
            at_end = [standing_of(exchange, account) for account in attackers]
        if session.now_ns == next_ns:
            rows.append(_look(session))
            equities.append(_equity(session, target))
    exchange.ledger.check()
    at_horizon = [standing_of(exchange, account) for account in attackers]
    mark = exchange.mark_twice_ticks
    columns = np.array(rows, dtype=np.int64).T
    looks: dict[str, Any] = dict(zip(_COLUMNS, columns, strict=True))
    return Observation(
        window=window,
        **looks,
        target_equity=tuple(equities),
        equity=tuple(exchange.ledger.standings(mark).equity),
        fees=sum(entry.fees for entry in exchange.ledger.accounts().values()),
        taken=np.concatenate(taken) if taken else exchange.tape.arrays_since(exchange.trade_count),
        at_end=_together(at_end, before),
        at_horizon=_together(at_horizon, before),
        recovery_ns=session.storms.recovery_ns.get(kinds[0]) if kinds else None,
        event_digest=session.event_digest,
        event_count=session.event_count,
    )


_COLUMNS = Observation._fields[1:10]
"""As `_look` gives them."""


def _start_due(session: Session, waiting: list[StormRequest]) -> list[StormRequest]:
    """Starts what is due now; returns the rest."""
    while waiting and waiting[0].start_ns == session.now_ns:
        session.accept(session.stamp(storm_command(waiting.pop(0))))
    return waiting


def _look(session: Session) -> tuple[int, ...]:
    exchange = session.exchange
    bid, ask = exchange.best_bid, exchange.best_ask
    return (
        session.now_ns,
        exchange.mark_twice_ticks,
        0 if bid is None or ask is None else ask - bid,
        exchange.book.depth(Side.BID, DEPTH_LEVELS),
        exchange.book.depth(Side.ASK, DEPTH_LEVELS),
        session.event_count,
        exchange.log.by_type[EventType.CANCEL],
        exchange.trade_count,
        exchange.market.traded_lots,
    )


def _taken(session: Session, attackers: Sequence[int], seen: int) -> list[npt.NDArray[Any]]:
    """Executions after number `seen` in which an attacker was the aggressor."""
    exchange = session.exchange
    if not attackers or exchange.trade_count == seen:
        return []
    trades = exchange.tape.arrays_since(seen)
    assert len(trades) == exchange.trade_count - seen, "executions have left the ring between looks"
    return [trades[trades["aggressor"] == account] for account in attackers]


def _equity(session: Session, target: Sequence[int]) -> int:
    mark = session.exchange.mark_twice_ticks
    holdings = [session.exchange.ledger.holdings(account) for account in target]
    return sum(cash + position * mark * (MICRO // 2) for cash, position in holdings)


def _together(now: Sequence[Standing], before: Sequence[Standing]) -> Standing:
    since = [one.since(then) for one, then in zip(now, before, strict=True)]
    return Standing(*map(sum, zip(*since, strict=True))) if since else Standing()
