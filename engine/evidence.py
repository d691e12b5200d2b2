"""Evidence for alerts: what was measured, against which threshold, and the events that caused it.

Beside stop 5 on the data path: it reads what detectors, analytics and the gate have found, and changes
nothing. Invariant: each threshold is the very constant that its finder compares with; where the finder
learns a higher one from the market, it is the least, and the figure's name says so.
"""

from __future__ import annotations

from engine.analytics.readings import Sample
from engine.analytics.regime import AGGRESSIVE, CRISIS
from engine.core.alerts import EVIDENCE_EVENTS, EventRow, Evidence, Measured
from engine.core.clock import NS_PER_S
from engine.core.types import Regime
from engine.detectors import (
    Alarm,
    AlarmKind,
    cancels,
    crash,
    icebergs,
    ignition,
    latency,
    phantom,
    shock,
    spoofing,
    stuffing,
    twap,
)
from engine.market.ledger import MICRO
from engine.market.orders import Reason
from engine.market.risk import GuardState
from engine.market.tape import EVENTS_KEPT, EventLog

__all__ = ["QUIET_NS", "alarm_evidence", "alarm_severity", "regime_evidence", "trip_evidence"]

QUIET_NS = 10 * NS_PER_S
"""An alarm that comes back sooner is the same one."""
CRITICAL_SEVERITY = 0.75
_HARMLESS = (AlarmKind.NATIVE_ICEBERG, AlarmKind.SYNTHETIC_ICEBERG, AlarmKind.TWAP_CHILDREN)
_OF_PRICE = (AlarmKind.LIQUIDITY_SHOCK, AlarmKind.MOMENTUM_IGNITION, AlarmKind.FLASH_CRASH_WARNING)
_STATISTICS: dict[AlarmKind, tuple[str, float | None]] = {
    AlarmKind.QUOTE_STUFFING: ("CUSUM of cancels, in deviations", stuffing.THRESHOLD),
    AlarmKind.LIQUIDITY_SHOCK: ("share of the usual depth missing (least threshold)", shock.DRIFT),
    AlarmKind.SPOOFING: ("score of layers withdrawn (least threshold)", spoofing.THRESHOLD),
    AlarmKind.PHANTOM_LIQUIDITY: ("usual depths shown and withdrawn (least threshold)", phantom.THRESHOLD),
    AlarmKind.CANCELLATION_STORM: ("cancels above usual, in deviations", cancels.SIGMAS),
    AlarmKind.MOMENTUM_IGNITION: ("CUSUM of one-sided pushing", ignition.THRESHOLD),
    AlarmKind.FLASH_CRASH_WARNING: ("CUSUM of the hazard", crash.THRESHOLD),
    AlarmKind.LATENCY_ARBITRAGE: ("CUSUM of quotes picked off", latency.THRESHOLD),
    AlarmKind.NATIVE_ICEBERG: ("executed, in multiples of the tip", float(icebergs.NATIVE_REFILLS)),
    AlarmKind.SYNTHETIC_ICEBERG: ("executed, in multiples of the tip", None),
    AlarmKind.TWAP_CHILDREN: ("odds against chance", twap.ODDS),
}
"""What a detector's statistic is, and what it has to pass; where the detector also learns a threshold, the
least one."""


def alarm_severity(alarm: Alarm) -> str:
    """An alert's: hidden size is news, manipulation a warning, what moves the price hard is critical."""
    if alarm.kind in _HARMLESS:
        return "info"
    return "critical" if alarm.kind in _OF_PRICE and alarm.severity >= CRITICAL_SEVERITY else "warning"


def alarm_evidence(alarm: Alarm, log: EventLog) -> Evidence:
    """A detector's alarm."""
    what, threshold = _STATISTICS[alarm.kind]
    return Evidence(
        from_ns=alarm.start_ns,
        to_ns=alarm.time_ns,
        measured=(Measured(what, alarm.statistic, threshold), Measured("severity, 0 to 1", alarm.severity)),
        first_event=alarm.first_event,
        last_event=alarm.last_event,
        events=_event_rows(log, alarm.first_event, alarm.last_event),
        price_ticks=alarm.price_ticks,
        side=alarm.side,
    )


def regime_evidence(sample: Sample) -> Evidence:
    """A sample of a stressed market: the score decides, the rest is for the picture."""
    threshold = CRISIS if sample.regime == Regime.CRISIS else AGGRESSIVE
    measured = [Measured("stress score", sample.regime_score, threshold)]
    for what, value, unit in (
        ("spread", sample.spread_bps, "bps"),
        ("volatility of 1 s", sample.realised_vol_bps, "bps"),
        ("VPIN", sample.vpin, ""),
        ("trades, over their usual rate", sample.trade_velocity, ""),
        ("imbalance of ten levels", sample.imbalance, ""),
    ):
        if value is not None:
            measured.append(Measured(what, value, None, unit))
    return Evidence(sample.time_ns, sample.time_ns, tuple(measured))


def trip_evidence(state: GuardState, tick_lot_value: float) -> Evidence:
    """A guard that has tripped; of the kill switch there is nothing to measure."""
    limits, value = state.limits, tick_lot_value / MICRO
    measured: tuple[Measured, ...] = ()
    if state.latched is Reason.ORDER_RATE and state.orders_left is not None:
        used = limits.orders_per_s - state.orders_left
        measured = (Measured("orders in a second, one more was sent", used, limits.orders_per_s, "orders"),)
    elif state.latched is Reason.POSITION:
        held = abs(state.position_lots)
        measured = (Measured("position; the order would go beyond", held, limits.max_position_lots, "lots"),)
    elif state.latched is Reason.DAILY_LOSS:
        measured = (Measured("loss of the day", -state.profit * value, limits.max_loss * value, "money"),)
    elif state.latched is Reason.ORDER_TO_TRADE:
        measured = (
            Measured("orders for one fill", state.orders / max(1, state.fills), limits.max_orders_per_trade),
            Measured("orders of the day", state.orders, limits.min_orders),
        )
    elif state.latched is Reason.FEED_GAPS:
        measured = (Measured("feed gaps in the window", state.gaps, limits.max_gaps, "gaps"),)
    return Evidence(state.latched_ns, state.latched_ns, measured)


def _event_rows(log: EventLog, first: int, last: int) -> tuple[EventRow, ...]:
    """The last of these events, as far as they are kept."""
    first = max(first, last - EVIDENCE_EVENTS + 1, log.count - EVENTS_KEPT + 1, 1)
    if last < first or last > log.count:
        return ()
    rows = log.since(first - 1)[: last - first + 1]
    return tuple(
        EventRow(
            number, int(row["ts"]), int(row["event_type"]), int(row["side"]), int(row["price"]),
            int(row["qty"]), int(row["order_id"]),
        )
        for number, row in enumerate(rows, first)
    )  # fmt: skip
