"""What is chosen in the panels that have lines to choose from: an alert, an account at the gate.

The choice is kept by identity (alert id, account), so it stays where it is while lists grow and change
their order; what is gone gives way to the first line.
"""

from __future__ import annotations

from desk.view import View
from engine.core.alerts import Alert
from engine.core.types import Account
from engine.frame import Frame, GateView

__all__ = ["chosen_alert", "chosen_gate", "gate_word", "move_choice", "ordered_alerts"]

_WORDS = {int(Account.DESK): "desk", int(Account.TARGET): "target"}


def ordered_alerts(frame: Frame) -> list[Alert]:
    """As the panel lists them: what nobody has seen first, then what is newest."""
    return sorted(frame.market.alerts, key=lambda alert: (alert.acknowledged, -alert.alert_id))


def chosen_alert(frame: Frame, view: View) -> Alert | None:
    """The chosen one, else the first of the list; None without any."""
    wanted = view.chosen.get("alerts")
    for alert in frame.market.alerts:
        if alert.alert_id == wanted:
            return alert
    return min(frame.market.alerts, key=lambda alert: (alert.acknowledged, -alert.alert_id), default=None)


def chosen_gate(frame: Frame, view: View) -> GateView | None:
    """The chosen account, else the first."""
    wanted = view.chosen.get("gate")
    gates = frame.market.gates
    return next((gate for gate in gates if gate.account == wanted), gates[0] if gates else None)


def gate_word(gate: GateView) -> str:
    """Its account as the command line names it."""
    return _WORDS.get(gate.account, gate.name)


def move_choice(frame: Frame, view: View, lines: int) -> bool:
    """Choose another line of the focused panel; False when it has none to choose."""
    if view.focus == "alerts":
        keys, now = [alert.alert_id for alert in ordered_alerts(frame)], chosen_alert(frame, view)
        at = None if now is None else now.alert_id
    elif view.focus == "gate":
        keys, gate = [gate.account for gate in frame.market.gates], chosen_gate(frame, view)
        at = None if gate is None else gate.account
    else:
        return False
    if keys:
        place = keys.index(at) if at in keys else 0
        view.chosen[view.focus] = keys[min(len(keys) - 1, max(0, place + lines))]
    return True
