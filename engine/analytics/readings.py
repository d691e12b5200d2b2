"""What Python sees of the analytics: samples as tuples, windows as columns, figures of the desk.

This file owns the tables of records.py: it makes them in the market's arena and reads them; features.py
changes them. It holds no state of its own, so the arena's copy or snapshot is its copy or snapshot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.analytics import records
from engine.analytics.features import sample_once
from engine.analytics.records import KEPT_SAMPLES, SAMPLE_NS, SPREAD_WINDOW, VPIN_BUCKETS, Features
from engine.analytics.regime import Regime
from engine.arena.machine import live
from engine.arena.memory import Arena, Rows
from engine.book.kernels import Count
from engine.core.clock import NS_PER_S, monotonic_ns
from engine.market.records import Market

__all__ = ["Analytics", "Sample"]

_TABLES = ("features", "vpin", "vpin_gaps", "samples", "spreads", "returns", "regimes")


class Sample(NamedTuple):
    """All features at one time; None where they are not defined."""

    time_ns: int
    mid_ticks: float | None
    microprice_ticks: float | None
    spread_ticks: int | None
    spread_bps: float | None
    bid_depth_lots: int
    ask_depth_lots: int
    imbalance: float
    vpin: float | None
    trade_velocity: float | None
    trades_per_s: float
    realised_vol_bps: float | None
    regime: Regime
    regime_score: float
    events_per_s: float
    crossed: bool


class Analytics:
    """The windows of one market; `latest` and `samples` are what everybody reads."""

    def __init__(self, arena: Arena, *, unit_lots: int) -> None:
        self._arena = arena
        new = arena.new
        row = new("features", Features)[0]
        row.vpin = new("vpin", records.VpinWindow)[0]
        row.vpin.bucket_lots = records.VPIN_BUCKET_UNITS * unit_lots
        row.vpin.gaps = new("vpin_gaps", Count, records.VPIN_RING)
        row.samples = new("samples", records.SampleRow, records.SAMPLES_RING)
        row.spreads = new("spreads", Count, SPREAD_WINDOW)
        row.returns = new("returns", records.Number, records.RETURNS_RING)
        row.regimes = new("regimes", Count, len(Regime))
        row.baseline_rate = row.usual_depth_lots = row.second_mid_ticks = row.volatility_bps = float("nan")

    @property
    def row(self) -> Features:
        """The root of the tables."""
        return self._arena.row("features", Features)

    @property
    def latest(self) -> Sample | None:
        """The last sample; None before the first."""
        count = self.row.sample_count
        rows = self._arena.rows("samples")
        return _sample(rows[(count - 1) & (len(rows) - 1)].item()) if count else None

    @property
    def samples(self) -> list[Sample]:
        """The last KEPT_SAMPLES samples, oldest first."""
        return [_sample(values) for values in self._kept().tolist()]

    def columns(self, names: Sequence[str]) -> list[npt.NDArray[np.float64]]:
        """Fields of the last KEPT_SAMPLES samples, oldest first: read-only arrays, NaN where not defined."""
        rows = self._kept()
        columns = [rows[name].astype(np.float64) for name in names]
        for name, column in zip(names, columns, strict=True):
            if name == "spread_ticks":
                column[np.isnan(rows["mid_ticks"])] = np.nan
            column.setflags(write=False)
        return columns

    @property
    def regime_seconds(self) -> list[float]:
        """Session seconds spent in each regime."""
        return [count * (SAMPLE_NS / NS_PER_S) for count in self._arena.rows("regimes")["value"].tolist()]

    def statistics(self) -> dict[str, int]:
        """Windows and their limits."""
        row = self.row
        return {
            "samples": min(row.sample_count, KEPT_SAMPLES),
            "samples_limit": KEPT_SAMPLES,
            "spreads": min(row.spread_count, SPREAD_WINDOW),
            "spreads_limit": SPREAD_WINDOW,
            "vpin_buckets": min(row.vpin.bucket_count, VPIN_BUCKETS),
            "vpin_buckets_limit": VPIN_BUCKETS,
        }

    def measure_sample(self, market: Market) -> int:
        """Wall time of one sample of the market as it is, in ns, the call included. It is taken once more,
        on a copy of the windows: inside compiled code there is no clock."""
        copy = Analytics(Arena(), unit_lots=1)
        moved = {}
        for name in _TABLES:
            mine, its = self._arena.rows(name), copy._arena.rows(name)
            its[:] = mine
            moved[mine.ctypes.data] = its.ctypes.data
        copy._arena.relink(moved)
        take, features_address = live(sample_once), copy.row.address
        started = monotonic_ns()
        take(market.address, features_address, market.now_ns)
        return monotonic_ns() - started

    def _kept(self) -> Rows:
        rows, count = self._arena.rows("samples"), self.row.sample_count
        kept = np.arange(max(0, count - KEPT_SAMPLES), count) & (len(rows) - 1)
        window: Rows = rows[kept]
        return window


def _sample(values: tuple[Any, ...]) -> Sample:
    """A SampleRow's fields, as a tuple, in Python's terms."""
    fields: list[Any] = [None if value != value else value for value in values[: len(Sample._fields)]]
    sample = Sample(*fields)
    return sample._replace(
        spread_ticks=None if sample.mid_ticks is None else sample.spread_ticks,
        regime=Regime(sample.regime),
        crossed=bool(sample.crossed),
    )
