"""The risk gate in a frame: who stands where against which limit (stop 6 on the data path). It only reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.core.clock import NS_PER_S
from engine.core.types import Account
from engine.frame import GATES_SHOWN, GateView, GuardView
from engine.market.ledger import MICRO
from engine.market.orders import Reason
from engine.market.risk import GuardState, RiskGate

if TYPE_CHECKING:
    from engine.session import Session

__all__ = ["gate_views"]

_FIRST = (int(Account.DESK), int(Account.TARGET))


def gate_views(session: Session) -> tuple[GateView, ...]:
    """Desk and target, then whoever is latched, then bots, by account."""
    gate = session.exchange.gate
    bots = session.broker.first_account
    # Agents of the scenario, which can be hundreds, are only shown when the gate holds one back.
    others = [
        account
        for account in gate.guarded
        if account not in _FIRST and (account >= bots or gate.latched(account) is not Reason.NONE)
    ]
    others.sort(key=lambda account: gate.latched(account) is Reason.NONE)
    views = []
    for account in (*_FIRST, *others[: GATES_SHOWN - len(_FIRST)]):
        state = gate.state(account)
        if state is not None:
            views.append(_gate(session, gate, state))
    return tuple(views)


def _gate(session: Session, gate: RiskGate, state: GuardState) -> GateView:
    money = session.exchange.instrument.tick_lot_value
    return GateView(
        account=state.account,
        name=session.account_name(state.account),
        latched=str(state.latched),
        latched_ns=state.latched_ns if state.latched is not Reason.NONE else None,
        latched_count=state.latched_count,
        guards=(*_guards(session, state), *_rails(session, state)),
        orders=state.orders,
        profit=state.profit * money / MICRO,
    )


def _guards(session: Session, state: GuardState) -> list[GuardView]:
    limits, value = state.limits, session.exchange.instrument.tick_lot_value / MICRO
    lot = float(session.exchange.instrument.lot_size)
    guards = []
    if limits.orders_per_s:
        used = limits.orders_per_s - (state.orders_left or 0.0)
        guards.append(GuardView("orders_per_s", used, limits.orders_per_s, "orders/s", True))
    if limits.max_position_lots:
        held, most = abs(state.position_lots) * lot, limits.max_position_lots * lot
        guards.append(GuardView("max_position", held, most, "base", True))
    if limits.max_loss:
        lost = max(0, -state.profit) * value
        guards.append(GuardView("max_daily_loss", lost, limits.max_loss * value, "money", True))
    if limits.max_orders_per_trade:
        ratio = state.orders / max(1, state.fills)
        few = state.orders < limits.min_orders
        note = f"from {limits.min_orders} orders on, {state.orders} so far" if few else ""
        guards.append(
            GuardView("max_orders_per_trade", ratio, limits.max_orders_per_trade, "orders", True, note)
        )
    if limits.max_gaps:
        note = f"in {limits.gap_window_ns / NS_PER_S:g} s"
        guards.append(GuardView("max_feed_gaps", state.gaps, limits.max_gaps, "gaps", True, note))
    return guards


def _rails(session: Session, state: GuardState) -> list[GuardView]:
    limits, money = state.limits, session.exchange.instrument.tick_lot_value
    lot = float(session.exchange.instrument.lot_size)
    rails = []
    if limits.is_closed:
        rails.append(GuardView("trading", None, 0.0, "", False, "off"))
    for name, value, unit in (
        ("max_order", limits.max_order_lots * lot, "base"),
        ("min_notional", limits.min_notional * money, "money"),
        ("max_notional", limits.max_notional * money, "money"),
        ("max_exposure", limits.max_exposure * money, "money"),
        ("price_collar_bps", limits.collar_ppm / 100, "bps"),
    ):
        if value:
            rails.append(GuardView(name, None, value, unit, False))
    return rails
