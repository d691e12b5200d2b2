"""The tape: executions, newest first, four times a second."""

from __future__ import annotations

from desk.clock import clock_of
from desk.draw import Row, pad
from desk.formats import clean, plain, units_of
from desk.view import View
from desk.widgets.panel import Panel, scrolled
from engine.core.clock import NS_PER_MS
from engine.frame import Frame

__all__ = ["Tape"]

BLOCK_UNITS = 5
"""A print of this many usual orders stands out."""


class Tape(Panel):
    """One line an execution: time, side of the aggressor, price, quantity, who hit whom."""

    title = "Tape"
    key = "panel_tape"
    period_ns = 250 * NS_PER_MS
    help = (
        "Executions, newest first. ▲ a buyer lifted the ask, ▼ a seller hit the bid; then price, "
        "quantity, the aggressor's account and the resting one's. Bold: at least five usual orders in "
        "one print."
    )

    def note(self, frame: Frame, view: View) -> str:
        return f"{plain(frame.market.kpis.trades_per_s, 1)} prints/s"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        market, palette = frame.market, view.palette
        units = units_of(market.instrument)
        trades = market.trades
        if not trades:
            return [((" no trades yet", palette.dim),)]
        clock = clock_of(market)
        start = scrolled(view, self.panel, len(trades), height)
        price_width = max(7, len(units.price(trades[-1].price_ticks)) + 1)
        long_time = width >= 36
        block = BLOCK_UNITS * market.instrument.unit_lots
        rows: list[Row] = []
        for trade in reversed(trades[max(0, len(trades) - start - height) : len(trades) - start]):
            side = (palette.up, palette.down, palette.dim)[trade.aggressor_side]
            big = trade.qty_lots >= block
            time = clock.text(trade.time_ns, decimals=3 if width >= 44 else 0)
            if not long_time:
                time = time[3:]
            who = clean(trade.aggressor)
            if width >= 60:
                who = f"{pad(who, 13)} ← {clean(trade.maker)}"
            rows.append(
                (
                    (f" {time} ", palette.dim),
                    ("▲▼–"[trade.aggressor_side], side),
                    (pad(units.price(trade.price_ticks), price_width, right=True), side),
                    (
                        pad(units.qty(trade.qty_lots, 7), 8, right=True),
                        palette.strong if big else palette.text,
                    ),
                    (f"  {who}", palette.dim),
                )
            )
        return rows
