"""Features of the market, sampled every 250 ms of session time (stop 5 on the data path).

Trades are taken as they happen; book features are read at the samples. Sample times are multiples of
250 ms, so neither screen nor slicing changes them. Formulas: flowlab.md section 3; microprice =
(bid * ask_size + ask * bid_size) / (bid_size + ask_size).

Kernels only: records.py has their windows, readings.py what Python sees of them.
"""

from __future__ import annotations

from math import isnan, sqrt

from engine.analytics.ratio import ratio, weighted_mean
from engine.analytics.records import (
    DEPTH_LEVELS,
    RETURNS_WINDOW,
    SAMPLE_NS,
    SAMPLES_PER_S,
    SPREAD_WINDOW,
    Features,
    SampleRow,
)
from engine.analytics.regime import regime_of, stress_score
from engine.analytics.vpin import add_print, vpin_value
from engine.arena.functions import entry, inlined, routine
from engine.arena.leaves import check
from engine.core.types import Regime, Side
from engine.market.actions import depth
from engine.market.records import Market

__all__ = ["sample_once", "take_sample", "take_trades"]

_NAN = float("nan")
_BID, _ASK = int(Side.BID), int(Side.ASK)
_CALM = int(Regime.CALM)
_AGGRESSIVE = int(Regime.AGGRESSIVE)
_SECOND_NS = SAMPLES_PER_S * SAMPLE_NS
_BASELINE_KEEP = 0.875
_DEPTH_KEEP = 0.99


@entry
def sample_once(market_address: int, features_address: int, now_ns: int) -> int:
    """`take_sample`, for Python."""
    return take_sample(Market.at(market_address), Features.at(features_address), now_ns)


@routine
def take_trades(market: Market, features: Features) -> None:
    """Takes what has traded since the last call; the market's ring must still hold it."""
    trades = market.trades
    mask = len(trades) - 1
    at = features.trades_seen
    until = market.trade_count
    check(until - at <= len(trades))
    while at < until:
        trade = trades[at & mask]
        add_print(features.vpin, trade.qty_lots, trade.aggressor_side)
        at += 1
    features.trades_seen = until


@routine
def take_sample(market: Market, features: Features, now_ns: int) -> int:
    """Appends a sample. Returns 1 when Python has to look at it, because an alert goes up or comes down,
    else 0."""
    take_trades(market, features)
    samples = features.samples
    sample = samples[features.sample_count & (len(samples) - 1)]
    sample.time_ns = now_ns
    _read_book(market, sample)
    _measure_rates(market, features, sample)
    sample.vpin = vpin_value(features.vpin)
    ends_second = now_ns % _SECOND_NS == 0
    sample.trade_velocity = _velocity(features, sample.trades_per_s, ends_second)
    if ends_second and not isnan(sample.mid_ticks):
        _remember_second(features, sample.mid_ticks)
    sample.realised_vol_bps = features.volatility_bps
    sample.regime_score = stress_score(
        _blowout(features, sample),
        abs(sample.imbalance),
        0.0 if isnan(sample.vpin) else sample.vpin,
        1.0 if isnan(sample.trade_velocity) else sample.trade_velocity,
        _drift_bps(features, sample.mid_ticks),
        _depletion(features, sample.bid_depth_lots + sample.ask_depth_lots),
        sample.events_per_s,
        sample.crossed == 1,
    )
    sample.regime = regime_of(sample.regime_score)
    features.sample_count += 1
    features.regimes[sample.regime].value += 1
    return _changes_alerts(features, sample.regime)


# What is read at one time


@inlined
def _read_book(market: Market, sample: SampleRow) -> None:
    """Touch, depth and imbalance."""
    book = market.book
    bid_lots = depth(market, _BID, DEPTH_LEVELS)
    ask_lots = depth(market, _ASK, DEPTH_LEVELS)
    sample.bid_depth_lots = bid_lots
    sample.ask_depth_lots = ask_lots
    sample.imbalance = ratio(bid_lots - ask_lots, bid_lots + ask_lots) if bid_lots + ask_lots > 0 else 0.0
    sample.mid_ticks = _NAN
    sample.microprice_ticks = _NAN
    sample.spread_ticks = 0
    sample.spread_bps = _NAN
    sample.crossed = 0
    if bid_lots > 0 and ask_lots > 0:
        bid = book.levels[book.sides[_BID].best]
        ask = book.levels[book.sides[_ASK].best]
        mid = (bid.price + ask.price) / 2.0
        spread = ask.price - bid.price
        sample.mid_ticks = mid
        sample.microprice_ticks = weighted_mean(bid.price, ask.total, ask.price, bid.total)
        sample.spread_ticks = spread
        if mid > 0.0:
            sample.spread_bps = 10_000.0 * spread / mid
        sample.crossed = 1 if spread <= 0 else 0


# What needs the samples before


@inlined
def _measure_rates(market: Market, features: Features, sample: SampleRow) -> None:
    """Events and trades of the last second, per second; of the time so far in the first one."""
    before = features.sample_count - SAMPLES_PER_S
    then_events = 0
    then_trades = 0
    seconds = float(features.sample_count + 1) / SAMPLES_PER_S
    if before >= 0:
        then = features.samples[before & (len(features.samples) - 1)]
        then_events = then.events
        then_trades = then.trades
        seconds = 1.0
    sample.events = market.event_count
    sample.trades = features.trades_seen
    sample.events_per_s = (sample.events - then_events) / seconds
    sample.trades_per_s = (sample.trades - then_trades) / seconds


@inlined
def _velocity(features: Features, trades_per_s: float, ends_second: bool) -> float:
    """Trade rate over its baseline, which moves once a second (7/8 old, 1/8 new)."""
    baseline = features.baseline_rate
    if ends_second and isnan(baseline):
        features.baseline_rate = trades_per_s
    elif ends_second:
        features.baseline_rate = _BASELINE_KEEP * baseline + (1.0 - _BASELINE_KEEP) * trades_per_s
    return trades_per_s / baseline if baseline > 0.0 else _NAN


@routine
def _remember_second(features: Features, mid_ticks: float) -> None:
    """A second ends: one more return, and the sample standard deviation of those in the window."""
    before = features.second_mid_ticks
    features.second_mid_ticks = mid_ticks
    if isnan(before):
        return
    returns = features.returns
    mask = len(returns) - 1
    last = features.return_count
    returns[last & mask].value = 10_000.0 * (mid_ticks - before) / before
    last += 1
    features.return_count = last
    window = min(last, RETURNS_WINDOW)
    if window < 2:
        return
    total = 0.0
    at = last - window
    while at < last:
        total += returns[at & mask].value
        at += 1
    mean = total / window
    squares = 0.0
    at = last - window
    while at < last:
        squares += (returns[at & mask].value - mean) * (returns[at & mask].value - mean)
        at += 1
    features.volatility_bps = sqrt(squares / (window - 1))


@inlined
def _blowout(features: Features, sample: SampleRow) -> float:
    """Spread over the mean of its window; open spreads only."""
    spread = sample.spread_ticks
    if spread <= 0:
        return 1.0
    count = features.spread_count
    oldest = features.spreads[count & (SPREAD_WINDOW - 1)]
    features.spread_sum += spread - oldest.value  # 0 while the window fills
    oldest.value = spread
    features.spread_count = count + 1
    return ratio(spread * min(count + 1, SPREAD_WINDOW), features.spread_sum)


@inlined
def _drift_bps(features: Features, mid_ticks: float) -> float:
    """Absolute change of mid over the last second."""
    second_ago = features.sample_count - SAMPLES_PER_S
    if second_ago < 0:
        return 0.0
    before = features.samples[second_ago & (len(features.samples) - 1)].mid_ticks
    drifts = mid_ticks >= 0.0 and before > 0.0  # neither is NaN
    return 10_000.0 * abs(mid_ticks - before) / before if drifts else 0.0


@inlined
def _depletion(features: Features, depth_lots: int) -> float:
    """Missing share of the usual depth (a slow average of itself)."""
    usual = features.usual_depth_lots
    features.usual_depth_lots = (
        float(depth_lots) if isnan(usual) else _DEPTH_KEEP * usual + (1.0 - _DEPTH_KEEP) * depth_lots
    )
    return max(0.0, 1.0 - depth_lots / usual) if usual > 0.0 else 0.0


@inlined
def _changes_alerts(features: Features, regime: int) -> int:
    """An alert goes up with the first sample of AGGRESSIVE or of CRISIS since it was calm; calm takes both
    down."""
    up = features.alerts_up
    if regime >= _AGGRESSIVE:
        features.alerts_up = up | 1 << regime
    elif regime == _CALM:
        features.alerts_up = 0
    return 1 if features.alerts_up != up else 0
