"""The one alert store: what deserves attention, kept until acknowledged, bounded.

An alert that repeats the last one of the same key is not raised again until `clear` says that its
condition has gone: one line per event, not one per sample.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

__all__ = ["Alert", "AlertStore"]

ALERTS_KEPT = 500


class Alert(NamedTuple):
    """One alert; field order is that of engine.frame.AlertView."""

    alert_id: int
    time_ns: int
    severity: str
    """One of: "info", "warning", "critical"."""
    text: str
    acknowledged: bool = False


class AlertStore:
    """Alerts, oldest first."""

    def __init__(self) -> None:
        self._alerts: deque[Alert] = deque(maxlen=ALERTS_KEPT)
        self._raised: set[str] = set()
        self.count = 0

    def raise_alert(self, key: str, *, time_ns: int, severity: str, text: str) -> None:
        """Add an alert unless one with this key is already up."""
        if key in self._raised:
            return
        self._raised.add(key)
        self.note(time_ns=time_ns, severity=severity, text=text)

    def clear(self, key: str) -> None:
        """The condition behind `key` has gone: the next one counts again."""
        self._raised.discard(key)

    def note(self, *, time_ns: int, severity: str, text: str) -> None:
        """Add an alert that stands for itself."""
        self.count += 1
        self._alerts.append(Alert(self.count, time_ns, severity, text))

    def acknowledge_all(self) -> None:
        """Mark everything as seen."""
        self._alerts = deque((a._replace(acknowledged=True) for a in self._alerts), maxlen=ALERTS_KEPT)

    def alerts(self) -> tuple[Alert, ...]:
        """All that are kept, oldest first."""
        return tuple(self._alerts)

    def since(self, count: int) -> list[Alert]:
        """Those raised after the first `count`, as far as they are kept."""
        if count == self.count:
            return []
        return [alert for alert in self._alerts if alert.alert_id > count]

    def state(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        alerts = [list(alert) for alert in self._alerts]
        return {"alerts": alerts, "raised": sorted(self._raised), "count": self.count}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state."""
        self._alerts = deque((Alert(*row) for row in state["alerts"]), maxlen=ALERTS_KEPT)
        self._raised, self.count = set(state["raised"]), state["count"]

    def statistics(self) -> dict[str, int]:
        """Kept alerts, their limit, and how many there were in all."""
        return {"kept": len(self._alerts), "limit": ALERTS_KEPT, "raised": self.count}
