"""Features of the market, sampled every 250 ms of session time (stop 5 on the data path).

Trades are taken as they happen; book features are read at the samples. Sample times are multiples of
250 ms, so neither screen nor slicing changes them. Formulas: flowlab.md section 3; microprice =
(bid * ask_size + ask * bid_size) / (bid_size + ask_size).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from engine.analytics.regime import Regime, RegimeInputs, classify, regime_score
from engine.analytics.vpin import Vpin
from engine.core.clock import NS_PER_MS, monotonic_ns
from engine.core.stages import StageWindow
from engine.core.types import Side
from engine.market.exchange import Exchange
from engine.market.matching import Trade

__all__ = ["SAMPLE_NS", "Analytics", "Sample"]

SAMPLE_NS = 250 * NS_PER_MS
SAMPLES_PER_S = 4
KEPT_SAMPLES = 241
DEPTH_LEVELS = 10
SPREAD_WINDOW = 256
VOLATILITY_WINDOW_S = 60
VPIN_BUCKET_UNITS = 200
"""A VPIN bucket holds this many usual orders (Instrument.unit_lots)."""
_BASELINE_KEEP = 0.875
_DEPTH_KEEP = 0.99


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
    """Keeps the windows; `latest` and `samples` are what everybody reads."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.vpin = Vpin(bucket_lots=VPIN_BUCKET_UNITS * exchange.instrument.unit_lots)
        self.samples: deque[Sample] = deque(maxlen=KEPT_SAMPLES)
        self.regime_seconds = [0.0] * len(Regime)
        """Session seconds spent in each regime."""
        self._trades = 0
        self._counts: deque[tuple[int, int]] = deque([(0, 0)], maxlen=SAMPLES_PER_S + 1)
        """(events, trades) at the last samples, one second back."""
        self._spreads: deque[int] = deque(maxlen=SPREAD_WINDOW)
        self._spread_sum = 0
        self._second_mids: deque[float] = deque(maxlen=VOLATILITY_WINDOW_S + 1)
        self._baseline_rate: float | None = None
        self._usual_depth: float | None = None
        self.on_sample: list[Callable[[Sample], None]] = []
        self.timer: StageWindow | None = None
        """Measures each sample's wall time when set; not part of a snapshot."""
        exchange.matching.on_trade.append(self.on_trade)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "timer": None}

    def start(self) -> None:
        """Schedule the first sample."""
        kernel = self.exchange.kernel
        kernel.schedule(kernel.now_ns + SAMPLE_NS, self._on_sample, None)

    @property
    def latest(self) -> Sample | None:
        """The last sample; None before the first."""
        return self.samples[-1] if self.samples else None

    def on_trade(self, trade: Trade) -> None:
        """Take one execution."""
        self._trades += 1
        self.vpin.add(trade.qty_lots, trade.aggressor_side)

    def statistics(self) -> dict[str, int]:
        """Windows and their limits."""
        return {
            "samples": len(self.samples),
            "samples_limit": KEPT_SAMPLES,
            "spreads": len(self._spreads),
            "spreads_limit": SPREAD_WINDOW,
        }

    def _on_sample(self, now_ns: int, _payload: None) -> None:
        started = monotonic_ns()
        sample = self._sample(now_ns)
        if self.timer is not None:
            self.timer.add(monotonic_ns() - started)
        self.samples.append(sample)
        for listener in self.on_sample:
            listener(sample)
        self.regime_seconds[sample.regime] += SAMPLE_NS / 1e9
        self.exchange.kernel.schedule(now_ns + SAMPLE_NS, self._on_sample, None)

    def _sample(self, now_ns: int) -> Sample:
        book = self.exchange.book
        bid, ask = book.best_bid, book.best_ask
        bid_depth, ask_depth = book.depth(Side.BID, DEPTH_LEVELS), book.depth(Side.ASK, DEPTH_LEVELS)
        total = bid_depth + ask_depth
        imbalance = (bid_depth - ask_depth) / total if total else 0.0
        mid = micro = spread = None
        if bid is not None and ask is not None:
            mid = (bid + ask) / 2.0
            spread = ask - bid
            bid_size, ask_size = book.level(Side.BID, bid)[0], book.level(Side.ASK, ask)[0]
            micro = (bid * ask_size + ask * bid_size) / (bid_size + ask_size)
        blowout = self._blowout(spread)
        events_per_s, trades_per_s = self._rates()
        velocity = self._velocity(now_ns, trades_per_s)
        self._remember_second(now_ns, mid)
        crossed = spread is not None and spread <= 0
        score = regime_score(
            RegimeInputs(
                blowout=blowout,
                imbalance=abs(imbalance),
                vpin=self.vpin.value or 0.0,
                velocity=1.0 if velocity is None else velocity,
                drift_bps=self._drift_bps(mid),
                depletion=self._depletion(total),
                events_per_s=events_per_s,
                crossed=crossed,
            )
        )
        return Sample(
            time_ns=now_ns,
            mid_ticks=mid,
            microprice_ticks=micro,
            spread_ticks=spread,
            spread_bps=None if mid is None or spread is None or not mid else 10_000.0 * spread / mid,
            bid_depth_lots=bid_depth,
            ask_depth_lots=ask_depth,
            imbalance=imbalance,
            vpin=self.vpin.value,
            trade_velocity=velocity,
            trades_per_s=trades_per_s,
            realised_vol_bps=self._volatility_bps(),
            regime=classify(score),
            regime_score=score,
            events_per_s=events_per_s,
            crossed=crossed,
        )

    def _blowout(self, spread: int | None) -> float:
        """Spread over the mean of its window; open spreads only."""
        if spread is None or spread <= 0:
            return 1.0
        if len(self._spreads) == SPREAD_WINDOW:
            self._spread_sum -= self._spreads[0]
        self._spreads.append(spread)
        self._spread_sum += spread
        return spread * len(self._spreads) / self._spread_sum

    def _rates(self) -> tuple[float, float]:
        """Events and trades of the last second, per second."""
        events = self.exchange.log.count
        self._counts.append((events, self._trades))
        seconds = (len(self._counts) - 1) / SAMPLES_PER_S
        then_events, then_trades = self._counts[0]
        return (events - then_events) / seconds, (self._trades - then_trades) / seconds

    def _velocity(self, now_ns: int, trades_per_s: float) -> float | None:
        """Trade rate over its baseline, which moves once a second (7/8 old, 1/8 new)."""
        baseline = self._baseline_rate
        if now_ns % (SAMPLES_PER_S * SAMPLE_NS) == 0:
            self._baseline_rate = (
                trades_per_s
                if baseline is None
                else _BASELINE_KEEP * baseline + (1.0 - _BASELINE_KEEP) * trades_per_s
            )
        return trades_per_s / baseline if baseline else None

    def _remember_second(self, now_ns: int, mid: float | None) -> None:
        if mid is not None and now_ns % (SAMPLES_PER_S * SAMPLE_NS) == 0:
            self._second_mids.append(mid)

    def _drift_bps(self, mid: float | None) -> float:
        """Absolute change of mid over the last second."""
        if mid is None or len(self.samples) < SAMPLES_PER_S:
            return 0.0
        before = self.samples[-SAMPLES_PER_S].mid_ticks
        return 10_000.0 * abs(mid - before) / before if before else 0.0

    def _depletion(self, total_lots: int) -> float:
        """Missing share of the usual depth (a slow average of itself)."""
        usual = self._usual_depth
        self._usual_depth = (
            float(total_lots) if usual is None else _DEPTH_KEEP * usual + (1.0 - _DEPTH_KEEP) * total_lots
        )
        return max(0.0, 1.0 - total_lots / usual) if usual else 0.0

    def _volatility_bps(self) -> float | None:
        """Sample standard deviation of 1 s returns over the window."""
        mids = self._second_mids
        if len(mids) < 3:
            return None
        returns = [10_000.0 * (b - a) / a for a, b in zip(mids, list(mids)[1:], strict=False)]
        mean = sum(returns) / len(returns)
        return sqrt(sum((r - mean) * (r - mean) for r in returns) / (len(returns) - 1))
