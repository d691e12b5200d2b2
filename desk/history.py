"""What the desk itself remembers of past frames: columns of the heat map and kernel latency.

A frame has no depth of the past, so the heat map samples frames at a fixed step of session time. A column
that no frame fell into repeats nothing: it stays unknown and blank. Bounded: HEAT_COLUMNS, LATENCIES.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.frame import Frame

__all__ = ["FrameHistory", "HeatColumn"]

HEAT_COLUMNS = 480
LATENCIES = 240
LATENCY_STEP_NS = 250 * NS_PER_MS
"""Wall time between two samples of the kernel's latency."""
STEPS_MS = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000)
"""Session time a heat column may stand for; chosen by pace, so that columns do not go missing."""


class HeatColumn(NamedTuple):
    """The book at one sampling point, and what traded since the one before."""

    prices: np.ndarray
    quantities: np.ndarray
    best_bid: int | None
    best_ask: int | None
    traded: tuple[int, ...]
    """Prices of trades, in ticks."""


@dataclass(slots=True)
class FrameHistory:
    """Fed with each frame that is drawn."""

    columns: deque[HeatColumn | None] = field(default_factory=lambda: deque(maxlen=HEAT_COLUMNS))
    step_ns: int = STEPS_MS[0] * NS_PER_MS
    last_step: int | None = None
    """Number of the newest column: session time // step_ns."""
    kernel_ns: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))
    _last_trade: int = -1
    _last_latency_ns: int = 0

    def add(self, frame: Frame, now_ns: int) -> None:
        """Sample this frame if a new step of session time (or, for latency, of wall time) has begun."""
        self._add_latency(frame, now_ns)
        self._choose_step(frame)
        market = frame.market
        step = market.time_ns // self.step_ns
        if self.last_step is not None and step < self.last_step:
            self._forget()  # a seek back: what came after is no longer the past
        if step == self.last_step:
            return
        missed = 0 if self.last_step is None else min(step - self.last_step - 1, HEAT_COLUMNS)
        self.columns.extend([None] * missed)
        self.columns.append(self._column(frame))
        self.last_step = step

    def _column(self, frame: Frame) -> HeatColumn:
        market = frame.market
        levels = np.array(
            [level[:2] for level in market.bids] + [level[:2] for level in market.asks], dtype=np.int64
        ).reshape(-1, 2)
        fresh = tuple(
            {trade.price_ticks: None for trade in market.trades if trade.trade_id > self._last_trade}
        )
        if market.trades:
            self._last_trade = market.trades[-1].trade_id
        return HeatColumn(
            levels[:, 0],
            levels[:, 1],
            market.bids[0].price_ticks if market.bids else None,
            market.asks[0].price_ticks if market.asks else None,
            fresh,
        )

    def _choose_step(self, frame: Frame) -> None:
        """The smallest step that leaves at least two frames to a column at this pace (10 fps)."""
        pace = frame.host.speed if frame.host.speed is not None else frame.host.achieved_speed
        wanted_ms = 200.0 * (pace or 1.0)
        step_ns = next((s for s in STEPS_MS if s >= wanted_ms), STEPS_MS[-1]) * NS_PER_MS
        if step_ns != self.step_ns:
            self.step_ns = step_ns
            self._forget()

    def _forget(self) -> None:
        self.columns.clear()
        self.last_step = None
        self._last_trade = -1

    def _add_latency(self, frame: Frame, now_ns: int) -> None:
        if now_ns - self._last_latency_ns < LATENCY_STEP_NS:
            return
        self._last_latency_ns = now_ns
        p50 = next((stage.p50_ns for stage in frame.host.stages if stage.name == "kernel"), None)
        self.kernel_ns.append(float("nan") if p50 is None else float(p50))

    @property
    def step_s(self) -> float:
        """Seconds of session time in one column."""
        return self.step_ns / NS_PER_S

    def statistics(self) -> dict[str, int]:
        """Fill and limit of the windows."""
        return {"columns": len(self.columns), "columns_limit": HEAT_COLUMNS, "latencies": len(self.kernel_ns)}
