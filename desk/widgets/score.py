"""The scoreboard: is a run being recorded, how large is it, and what would its verdict be now."""

from __future__ import annotations

from desk.draw import Row, pad
from desk.formats import bytes_text, clean, money, time_text
from desk.view import View
from desk.widgets.panel import Panel
from desk.widgets.target import verdict_style
from engine.frame import Frame

__all__ = ["Scoreboard"]


class Scoreboard(Panel):
    """Recording and verdict."""

    title = "Scoreboard"
    key = "panel_score"
    help = (
        "The run: its id, what has been written, and the verdict as the thresholds stand now. r starts "
        "and stops a recording; when it stops, the run's own verdict stays on show."
    )

    def note(self, frame: Frame, view: View) -> str:
        recording = frame.host.recording
        if recording is None:
            return f"{self.keys.shown('record')} records"
        if frame.host.mode == "replay":
            return "replay"
        return "recording" if recording.active else "finished"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        host, palette = frame.host, view.palette
        recording = host.recording
        rows: list[Row] = []
        if recording is None:
            rows.append(((" ○ ", palette.dim), ("not recording", palette.dim)))
        elif recording.error:
            rows.append(((" ✕ ", palette.critical), (clean(recording.error), palette.critical)))
        else:
            mark, style = ("●", palette.warning) if recording.active else ("■", palette.dim)
            rows.append(((f" {mark} ", style), (clean(recording.run_id), palette.strong)))
            since = time_text(frame.market.time_ns - recording.since_ns, decimals=0)
            rows.append(
                (
                    (f" {since}  ", palette.text),
                    (f"{bytes_text(recording.bytes_written)}  ", palette.text),
                    (f"{recording.ticks} ticks  {recording.storms} storms", palette.dim),
                )
            )
        now = host.verdict
        rows.append(
            (
                (" now ", palette.dim),
                (pad(now.verdict, 15), verdict_style(palette, now.verdict)),
                (money(now.delta, width=12), palette.text),
            )
        )
        if now.reason:
            rows.append(((f" {clean(now.reason)}", palette.dim),))
        if host.last_verdict is not None:
            last = host.last_verdict
            rows.append(
                (
                    (" last run ", palette.dim),
                    (last.verdict, verdict_style(palette, last.verdict)),
                    (f" {money(last.delta, width=12)}", palette.text),
                )
            )
        return rows
