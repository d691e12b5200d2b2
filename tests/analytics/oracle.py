"""The analytics once more, in plain Python over tuples and deques: the judge of the kernels.

Their formulas and the order of their sums are those of the engine before it had kernels. It shares only
`Sample` with the engine.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from math import sqrt

from engine.analytics import Regime, Sample
from engine.book import ReferenceBook

SAMPLE_NS = 250_000_000
SECOND_NS = 1_000_000_000


class PythonVpin:
    """VPIN over the last `buckets` full buckets."""

    def __init__(self, bucket_lots: int, buckets: int = 50) -> None:
        self.bucket_lots = bucket_lots
        self.gaps: deque[int] = deque(maxlen=buckets)
        self.gap_sum = 0
        self.filled = 0
        self.signed = 0

    def add(self, qty_lots: int, aggressor_side: int) -> None:
        """Takes one print."""
        sign = 1 if aggressor_side == 0 else -1
        while qty_lots:
            part = min(qty_lots, self.bucket_lots - self.filled)
            self.filled += part
            self.signed += sign * part
            qty_lots -= part
            if self.filled == self.bucket_lots:
                self._close()

    @property
    def value(self) -> float | None:
        """None until a bucket is full."""
        return self.gap_sum / (len(self.gaps) * self.bucket_lots) if self.gaps else None

    def _close(self) -> None:
        if len(self.gaps) == self.gaps.maxlen:
            self.gap_sum -= self.gaps[0]
        self.gaps.append(abs(self.signed))
        self.gap_sum += abs(self.signed)
        self.filled = 0
        self.signed = 0


class PythonAnalytics:
    """All features of a market that is told to it."""

    def __init__(self, unit_lots: int) -> None:
        self.vpin = PythonVpin(200 * unit_lots)
        self.trades = 0
        self.samples: deque[Sample] = deque(maxlen=241)
        self.regime_seconds = [0.0] * len(Regime)
        self.counts: deque[tuple[int, int]] = deque([(0, 0)], maxlen=5)
        self.spreads: deque[int] = deque(maxlen=256)
        self.spread_sum = 0
        self.second_mids: deque[float] = deque(maxlen=61)
        self.baseline: float | None = None
        self.usual_depth: float | None = None

    def trade(self, qty_lots: int, aggressor_side: int) -> None:
        """One execution or print."""
        self.trades += 1
        self.vpin.add(qty_lots, aggressor_side)

    def sample(self, now_ns: int, book: ReferenceBook, events: int) -> Sample:
        """The market now; `events` is how many it has published."""
        bid, ask = book.best_bid, book.best_ask
        bid_depth, ask_depth = book.depth(0, 10), book.depth(1, 10)
        total = bid_depth + ask_depth
        imbalance = (bid_depth - ask_depth) / total if total else 0.0
        mid = micro = spread = None
        if bid is not None and ask is not None:
            mid = (bid + ask) / 2.0
            spread = ask - bid
            bid_size, ask_size = book.level(0, bid)[0], book.level(1, ask)[0]
            micro = (bid * ask_size + ask * bid_size) / (bid_size + ask_size)
        blowout = self._blowout(spread)
        events_per_s, trades_per_s = self._rates(events)
        velocity = self._velocity(now_ns, trades_per_s)
        if mid is not None and now_ns % SECOND_NS == 0:
            self.second_mids.append(mid)
        crossed = spread is not None and spread <= 0
        stresses = 5.0 * max(0.0, (self.vpin.value or 0.0) - 0.75)
        stresses += 0.6 * max(0.0, (1.0 if velocity is None else velocity) - 3.0)
        stresses += 0.3 * max(0.0, self._drift_bps(mid) - 6.0)
        stresses += 3.0 * max(0.0, self._depletion(total) - 0.3)
        of_book = 0.0 if crossed else max(0.0, blowout - 2.7) + 3.0 * max(0.0, abs(imbalance) - 0.4)
        score = (of_book + stresses) * min(1.0, events_per_s / 30.0)
        sample = Sample(
            time_ns=now_ns,
            mid_ticks=mid,
            microprice_ticks=micro,
            spread_ticks=spread,
            spread_bps=None if spread is None or not mid else 10_000.0 * spread / mid,
            bid_depth_lots=bid_depth,
            ask_depth_lots=ask_depth,
            imbalance=imbalance,
            vpin=self.vpin.value,
            trade_velocity=velocity,
            trades_per_s=trades_per_s,
            realised_vol_bps=self._volatility_bps(),
            regime=Regime((score >= 0.6) + (score >= 1.5) + (score >= 3.0)),
            regime_score=score,
            events_per_s=events_per_s,
            crossed=crossed,
        )
        self.samples.append(sample)
        self.regime_seconds[sample.regime] += 0.25
        return sample

    def _blowout(self, spread: int | None) -> float:
        if spread is None or spread <= 0:
            return 1.0
        if len(self.spreads) == self.spreads.maxlen:
            self.spread_sum -= self.spreads[0]
        self.spreads.append(spread)
        self.spread_sum += spread
        return spread * len(self.spreads) / self.spread_sum

    def _rates(self, events: int) -> tuple[float, float]:
        self.counts.append((events, self.trades))
        seconds = (len(self.counts) - 1) / 4
        then_events, then_trades = self.counts[0]
        return (events - then_events) / seconds, (self.trades - then_trades) / seconds

    def _velocity(self, now_ns: int, trades_per_s: float) -> float | None:
        baseline = self.baseline
        if now_ns % SECOND_NS == 0:
            self.baseline = (
                trades_per_s if baseline is None else 0.875 * baseline + (1.0 - 0.875) * trades_per_s
            )
        return trades_per_s / baseline if baseline else None

    def _drift_bps(self, mid: float | None) -> float:
        if mid is None or len(self.samples) < 4:
            return 0.0
        before = self.samples[-4].mid_ticks
        return 10_000.0 * abs(mid - before) / before if before else 0.0

    def _depletion(self, total_lots: int) -> float:
        usual = self.usual_depth
        self.usual_depth = float(total_lots) if usual is None else 0.99 * usual + (1.0 - 0.99) * total_lots
        return max(0.0, 1.0 - total_lots / usual) if usual else 0.0

    def _volatility_bps(self) -> float | None:
        if len(self.second_mids) < 3:
            return None
        returns = [10_000.0 * (b - a) / a for a, b in pairwise(self.second_mids)]
        mean = _sum(returns) / len(returns)
        return sqrt(_sum([(r - mean) * (r - mean) for r in returns]) / (len(returns) - 1))


def _sum(values: list[float]) -> float:
    """One after the other; `sum` of later Pythons compensates, and gives other last bits."""
    total = 0.0
    for value in values:
        total += value
    return total
