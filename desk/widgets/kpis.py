"""The figures: what the analytics say of the last sample, and what was measured of the engine."""

from __future__ import annotations

from rich.style import Style

from desk.draw import Row, pad
from desk.formats import UNKNOWN, compact, duration_ns_text, plain, units_of
from desk.theme import Palette
from desk.view import View
from desk.widgets.panel import Panel, scrolled
from desk.widgets.timeline import REGIME_NAMES
from engine.core.clock import NS_PER_MS
from engine.frame import Frame

__all__ = ["Figures"]


Figure = tuple[str, str, Style | None]
"""Label, value, and how the value is shown."""


class Figures(Panel):
    """Label and value, one a line."""

    title = "Figures"
    key = "panel_kpis"
    period_ns = 250 * NS_PER_MS
    help = (
        "Analytics of the last sample (250 ms of session time), then stages of the engine with median "
        "and 99th percentile as measured, then queues: what was dropped or refused is counted here."
    )

    def note(self, frame: Frame, view: View) -> str:
        return "p50 p99"

    def draw(self, frame: Frame, view: View, width: int, height: int) -> list[Row]:
        figures = _figures(frame, view.palette)
        start = scrolled(view, self.panel, len(figures), height)
        return [
            (
                (" " + pad(label, max(1, width - len(value) - 2)), view.palette.dim),
                (value, style or view.palette.text),
            )
            for label, value, style in figures[start : start + height]
        ]


def _figures(frame: Frame, palette: Palette) -> list[Figure]:
    market, host, kpis = frame.market, frame.host, frame.market.kpis
    units = units_of(market.instrument)
    lines: list[Figure] = [
        ("microprice", units.price_between(kpis.microprice_ticks), None),
        ("spread", UNKNOWN if kpis.spread_bps is None else f"{kpis.spread_bps:.2f} bp", None),
        ("bid depth", units.qty(kpis.bid_depth_lots), palette.bid),
        ("ask depth", units.qty(kpis.ask_depth_lots), palette.ask),
        ("velocity", plain(kpis.trade_velocity, 2), None),
        ("volatility", UNKNOWN if kpis.realised_vol_bps is None else f"{kpis.realised_vol_bps:.1f} bp", None),
        ("regime", f"{REGIME_NAMES[kpis.regime]} {kpis.regime_score:.2f}", palette.regimes[kpis.regime]),
    ]
    if kpis.crossed:
        lines.insert(0, ("book", "CROSSED", palette.critical))
    if host.dropped:
        lines.insert(0, ("input refused", str(host.dropped), palette.warning))
    lines += [
        (f"{stage.name}", f"{duration_ns_text(stage.p50_ns)} {duration_ns_text(stage.p99_ns):>6}", None)
        for stage in host.stages
    ]
    lines += [
        ("pace", UNKNOWN if host.achieved_speed is None else f"×{host.achieved_speed:.1f}", None),
        ("mid", units.price_between(kpis.mid_ticks), None),
        ("VPIN", plain(kpis.vpin, 3), None),
        ("imbalance", plain(kpis.imbalance, 3, sign=True), None),
        ("events", compact(market.events), None),
        ("events/s", compact(kpis.events_per_s), None),
        ("trades", compact(market.trade_count), None),
        ("trades/s", plain(kpis.trades_per_s, 1), None),
        ("input queue", f"{host.queue_fill}/{host.queue_limit}", None),
        ("input refused", str(host.dropped), None),
        ("API clients", UNKNOWN if host.api_url is None else str(host.api_clients), None),
    ]
    if market.feed is not None:
        lines += [
            ("feed gaps", str(market.feed.gaps), palette.warning if market.feed.gaps else None),
            ("feed dropped", str(market.feed.dropped), palette.warning if market.feed.dropped else None),
            (
                "divergence",
                f"{market.feed.divergence_count} × {units.qty(market.feed.divergence_lots)}",
                None,
            ),
        ]
    return lines
