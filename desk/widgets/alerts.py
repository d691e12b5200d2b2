"""Alerts: they stay until acknowledged. Newest first, the unacknowledged before the others."""

from __future__ import annotations

from desk.clock import clock_of
from desk.draw import Row, fit
from desk.formats import clean
from desk.view import View
from desk.widgets.panel import Panel, scrolled
from engine.frame import Frame

__all__ = ["Alerts"]

MARKS = {"info": "○", "warning": "▲", "critical": "■"}


class Alerts(Panel):
    """The alert store of the session."""

    title = "Alerts"
    key = "panel_alerts"
    help = (
        "What the session found worth telling: storms, regimes, the TARGET's state, refused input. ○ "
        "information, ▲ warning, ■ critical. An alert stays bright until a acknowledges it."
    )

    def note(self, frame: Frame, view: View) -> str:
        waiting = sum(1 for alert in frame.market.alerts if not alert.acknowledged)
        return f"{waiting} new · {self.keys.shown('acknowledge')} = ack" if waiting else "all seen"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        clock = clock_of(frame.market)
        ordered = sorted(frame.market.alerts, key=lambda alert: (alert.acknowledged, -alert.alert_id))
        if not ordered:
            return [((" no alerts", palette.dim),)]
        start = scrolled(view, self.panel, len(ordered), height)
        rows: list[Row] = []
        for alert in ordered[start : start + height]:
            style = {"warning": palette.warning, "critical": palette.critical}.get(
                alert.severity, palette.text
            )
            if alert.acknowledged:
                style = palette.dim
            rows.append(
                (
                    (f" {clock.text(alert.time_ns, decimals=0)} ", palette.dim),
                    (f"{MARKS.get(alert.severity, '?')} ", style),
                    (clean(alert.text), style),
                )
            )
        waiting = sum(1 for alert in ordered if not alert.acknowledged)
        if self.chrome == "line" and waiting > 1:
            tail = f"  +{waiting - 1} more, {self.keys.shown('panel_alerts')} lists "
            rows[0] = (*fit(rows[0], max(1, width - len(tail)), palette.text), (tail, palette.dim))
        return rows
