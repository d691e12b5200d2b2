"""Alerts: they stay until acknowledged. Those that nobody has seen first, the newest on top; below them,
where there is room, the evidence for the chosen one."""

from __future__ import annotations

from textwrap import wrap

from desk.chosen import chosen_alert, ordered_alerts
from desk.clock import Clock, clock_of
from desk.draw import Piece, Row, fit, pad
from desk.evidence import MARKS, evidence_rows, severity_style, state_text
from desk.formats import clean
from desk.view import View
from desk.widgets.panel import Panel, scrolled
from engine.core.alerts import Alert
from engine.frame import Frame

__all__ = ["Alerts"]

KIND_WIDTH = 9
NARROW = 44
"""Below this only the text has room."""
WIDE = 64
"""From here on there are columns."""
LIST_ROWS = 4
"""Of the list, at the least, before evidence gets a place."""
EVIDENCE_ROWS = 6


class Alerts(Panel):
    """The alert store of the session."""

    title = "Alerts"
    key = "panel_alerts"
    help = (
        "What deserves attention: detectors' alarms, the regime, latched accounts at the gate, the TARGET's "
        "state, holes in the feed. ○ information, ▲ warning, ■ critical; ×3 says how often, and whether it "
        "goes on or has cleared stands behind. What comes back within seconds is the same alert, counted "
        "once more. j and J choose a line, a acknowledges it (A all), E shows its evidence: what was "
        "measured against which threshold, and the events that caused it. @ goes to its moment: a replay "
        "seeks, a live session opens its recording there while the market goes on, and esc returns. An "
        "alert stays bright until it is acknowledged; acknowledging is the reader's note and no part of the "
        "run. Where a feed shows levels and no order ids, a line names the detectors that are silent for "
        "want of them, as far as there is room."
    )

    def note(self, frame: Frame, view: View) -> str:
        waiting = sum(1 for alert in frame.market.alerts if not alert.acknowledged)
        shown = self.keys.shown
        new = f"{waiting} new" if waiting else "all seen"
        if view.focus != self.panel:
            return f"{new} · {shown('acknowledge')} = ack" if waiting else new
        there = f"{shown('jump_to_alert')} go there"
        return f"{new} · {shown('acknowledge')} ack · {shown('evidence')} why · {there}"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        palette = view.palette
        clock = clock_of(frame.market)
        ordered = ordered_alerts(frame)
        silent = self._silent(frame, view, width) if self.chrome != "line" else []
        if not ordered:
            return [((" no alerts", palette.dim),), *silent]
        focused = view.focus == self.panel
        chosen = chosen_alert(frame, view) if focused else None
        spare = height - max(LIST_ROWS, min(len(ordered), height // 3)) - 1
        detail = focused and self.chrome != "line" and spare >= EVIDENCE_ROWS
        list_rows = height - spare - 1 if detail else height
        start = self._start(view, ordered, chosen, list_rows)
        rows = [
            self._row(
                alert, view, clock, width, alert is chosen, wide=self.chrome != "line" and width >= WIDE
            )
            for alert in ordered[start : start + list_rows]
        ]
        waiting = sum(1 for alert in ordered if not alert.acknowledged)
        if self.chrome == "line" and waiting > 1:
            tail = f"  +{waiting - 1} more, {self.keys.shown('panel_alerts')} lists "
            rows[0] = (*fit(rows[0], max(1, width - len(tail)), palette.text), (tail, palette.dim))
        if detail and chosen is not None:
            rows += [((" ", palette.text),)] * (list_rows - len(rows))
            rows.append((("─" * width, palette.faint),))
            rows += evidence_rows(chosen, frame, view, width)[:spare]
        elif len(rows) + len(silent) <= height:
            rows += silent
        return rows

    @staticmethod
    def _silent(frame: Frame, view: View, width: int) -> list[Row]:
        """Whose silence says nothing."""
        names = ", ".join(frame.market.silent_detectors)
        lines = wrap(f"silent, no order ids here: {names}", max(1, width - 1)) if names else []
        return [((f" {line}", view.palette.dim),) for line in lines]

    def _start(self, view: View, ordered: list[Alert], chosen: Alert | None, height: int) -> int:
        """First line shown: as scrolled, but so that the chosen one is in sight."""
        start = scrolled(view, self.panel, len(ordered), height)
        if chosen is not None and self.panel in view.chosen:
            at = ordered.index(chosen)
            start = min(max(start, at - height + 1), at)
        return start

    @staticmethod
    def _row(alert: Alert, view: View, clock: Clock, width: int, is_chosen: bool, *, wide: bool) -> Row:
        palette = view.palette
        style = palette.dim if alert.acknowledged else severity_style(alert.severity, palette)
        often = f" ×{alert.times}" if alert.times > 1 else ""
        text = clean(alert.text) + often
        pieces: list[Piece] = [
            ("▸" if is_chosen else " ", palette.focus),
            (f"{clock.text(alert.time_ns, decimals=0)} ", palette.dim),
            (f"{MARKS.get(alert.severity, '?')} ", style),
        ]
        state = state_text(alert, clock)
        if wide:
            room = width - sum(len(piece) for piece, _ in pieces) - KIND_WIDTH - 18
            pieces += [
                (pad(alert.kind, KIND_WIDTH), palette.dim),
                (pad(text, room) + " ", palette.strong if is_chosen and not alert.acknowledged else style),
                (state, palette.dim),
            ]
        else:
            pieces.append((text, palette.strong if is_chosen and not alert.acknowledged else style))
            if state and width >= NARROW:
                pieces.append((f" · {alert.state}", palette.dim))
        return tuple(pieces)
