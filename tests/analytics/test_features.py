"""Features on books and tapes made by hand, against the formulas written out. (Every sample of a hand
market is compared with the oracle's, too.)"""

from __future__ import annotations

from itertools import pairwise
from math import isnan, sqrt

import numpy as np
import pytest

from engine.analytics import Sample
from engine.analytics.records import KEPT_SAMPLES, SAMPLE_NS, SPREAD_WINDOW, VPIN_BUCKET_UNITS
from engine.core.clock import NS_PER_S
from engine.core.types import Regime, Side
from engine.frame import SeriesView
from tests.analytics.markets import HandMarket


@pytest.fixture
def bench() -> HandMarket:
    return HandMarket()


def test_an_empty_market_has_no_figures_and_no_regime(bench):
    assert bench.analytics.latest is None
    sample = bench.sample()
    assert (sample.mid_ticks, sample.microprice_ticks, sample.spread_ticks, sample.spread_bps) == (None,) * 4
    assert (sample.vpin, sample.trade_velocity, sample.realised_vol_bps) == (None,) * 3
    assert (sample.bid_depth_lots, sample.ask_depth_lots, sample.imbalance) == (0, 0, 0.0)
    assert (sample.regime, sample.regime_score, sample.crossed) == (0, 0.0, False)


def test_a_one_sided_book_has_depth_and_imbalance_but_no_mid(bench):
    bench.rest(Side.BID, 100, 7)
    sample = bench.sample()
    assert (sample.mid_ticks, sample.bid_depth_lots, sample.imbalance) == (None, 7, 1.0)


def test_touch_figures_by_their_formulas(bench):
    bench.rest(Side.BID, 9_999, 30)
    bench.rest(Side.BID, 9_999, 10)
    bench.rest(Side.ASK, 10_002, 20)
    sample = bench.sample()
    assert sample.mid_ticks == 10_000.5
    assert sample.spread_ticks == 3
    assert sample.spread_bps == pytest.approx(3 / 10_000.5 * 10_000)
    assert sample.microprice_ticks == pytest.approx((9_999 * 20 + 10_002 * 40) / 60)
    assert 9_999 < sample.microprice_ticks < 10_002


def test_depth_and_imbalance_see_ten_levels_a_side(bench):
    for level in range(12):
        bench.rest(Side.BID, 100 - level, 10 + level)
        bench.rest(Side.ASK, 101 + level, 3)
    sample = bench.sample()
    bids = sum(10 + level for level in range(10))
    assert (sample.bid_depth_lots, sample.ask_depth_lots) == (bids, 30)
    assert sample.imbalance == pytest.approx((bids - 30) / (bids + 30))


def test_rates_are_those_of_the_last_second(bench):
    for _ in range(6):
        bench.trade()
    assert bench.sample().trades_per_s == 24.0  # six in the quarter second that there is
    samples = [bench.sample() for _ in range(4)]
    assert [s.trades_per_s for s in samples] == [12.0, 8.0, 6.0, 0.0]
    assert [s.events_per_s for s in samples] == [12.0, 8.0, 6.0, 0.0]


def test_velocity_is_the_rate_over_its_slow_baseline(bench):
    for _ in range(8):
        bench.trade()
    assert bench.second().trade_velocity is None  # the first second makes the baseline: 8 a second
    for _ in range(16):
        bench.trade()
    assert bench.second().trade_velocity == pytest.approx(2.0)
    for _ in range(9):
        bench.trade()
    assert bench.second().trade_velocity == pytest.approx(9 / (0.875 * 8 + 0.125 * 16))


def test_realised_volatility_is_the_sample_deviation_of_one_second_returns(bench):
    mids = [10_000, 10_010, 10_005, 10_025, 10_020]
    values = []
    for mid in mids:
        bench.quote(mid - 1, mid + 1)
        values.append(bench.second().realised_vol_bps)
    assert values[:2] == [None, None]
    returns = [(b - a) / a * 10_000 for a, b in pairwise(mids)]
    mean = sum(returns) / 4
    assert values[-1] == pytest.approx(sqrt(sum((r - mean) ** 2 for r in returns) / 3))


def test_vpin_is_fed_by_every_print_with_the_aggressors_side():
    bench = HandMarket(unit_lots=3)
    bucket = 3 * VPIN_BUCKET_UNITS
    bench.trade(bucket, Side.BID)
    assert bench.sample().vpin == 1.0
    bench.trade(bucket // 2, Side.BID)
    bench.trade(bucket // 2, Side.ASK)
    assert bench.sample().vpin == 0.5


def settled(bench: HandMarket, seconds: int = 20) -> Sample:
    """A market that has been the same, and busy enough to have a regime, for a while."""
    bench.quote(9_999, 10_001, 100, 100)
    sample = None
    for _ in range(4 * seconds):
        busy(bench)
        sample = bench.sample()
    assert sample is not None
    assert sample.regime_score == 0.0
    return sample


def busy(bench: HandMarket) -> None:
    """Ten events that leave the book as it was, 40 a second."""
    for _ in range(5):
        order_id = bench.rest(Side.BID, 9_000, 1)
        bench.cancel(order_id)


def scored(bench: HandMarket) -> float:
    busy(bench)
    return bench.sample().regime_score


def test_a_spread_that_blows_out_scores(bench):
    settled(bench)
    bench.quote(9_990, 10_010, 100, 100)
    assert scored(bench) > 0.6


def test_a_book_that_empties_scores(bench):
    settled(bench)
    bench.quote(9_999, 10_001, 10, 10)
    assert scored(bench) > 0.6


def test_a_lopsided_book_scores_on_either_side(bench):
    scores = []
    for sizes in ((200, 1), (1, 200)):
        settled(bench)
        bench.quote(9_999, 10_001, *sizes)
        scores.append(scored(bench))
    assert min(scores) > 0.6


def test_a_price_that_runs_scores_for_one_second(bench):
    settled(bench)
    bench.quote(10_099, 10_101, 100, 100)
    scores = [scored(bench) for _ in range(6)]
    assert min(scores[:4]) > 0.6  # 100 bps against the mid of one second before
    assert scores[4:] == [0.0, 0.0]


def test_a_crossed_book_says_so_and_scores_neither_spread_nor_imbalance(bench):
    settled(bench)
    for _ in range(2):
        busy(bench)
    before = bench.sample().imbalance
    bench.rest(Side.BID, 10_002, 20)  # a recorded exchange may state such a book
    busy(bench)
    sample = bench.sample()
    assert (sample.crossed, sample.spread_ticks) == (True, -1)
    assert sample.imbalance > before == 0.0
    assert sample.regime_score == 0.0


def test_windows_are_bounded_and_say_so(bench):
    bench.quote(99, 101)
    for _ in range(SPREAD_WINDOW + 40):
        bench.sample()
    statistics = bench.analytics.statistics()
    assert statistics["samples"] == statistics["samples_limit"] == KEPT_SAMPLES
    assert statistics["spreads"] == statistics["spreads_limit"] == SPREAD_WINDOW
    times = [sample.time_ns for sample in bench.analytics.samples]
    assert times == list(range(times[0], times[-1] + 1, SAMPLE_NS))


def test_seconds_in_each_regime_add_up(bench):
    settled(bench, 5)
    bench.quote(9_990, 10_010, 100, 100)
    scored(bench)
    assert sum(bench.analytics.regime_seconds) == pytest.approx(bench.market.now_ns / NS_PER_S)
    assert bench.analytics.regime_seconds[0] == pytest.approx(5.0)


def test_a_measured_sample_is_taken_on_a_copy(bench):
    settled(bench, 2)
    latest, seconds = bench.analytics.latest, bench.analytics.regime_seconds
    assert bench.analytics.measure_sample(bench.market) > 0
    assert (bench.analytics.latest, bench.analytics.regime_seconds) == (latest, seconds)
    busy(bench)
    bench.sample()


def test_columns_are_the_samples_with_nan_for_none(bench):
    for number in range(KEPT_SAMPLES + 20):
        if number == 30:
            bench.quote(99, 101, 3, 4)
        if number == 200:
            bench.quote(99, 99)
        bench.trade(100, number % 2)
        bench.sample()
    columns = SeriesView(*bench.analytics.columns(SeriesView._fields))
    for name, column in columns._asdict().items():
        expected = [getattr(sample, name) for sample in bench.analytics.samples]
        assert column.dtype == np.float64
        assert not column.flags.writeable
        assert [None if isnan(value) else value for value in column.tolist()] == expected
    assert np.isnan(columns.spread_ticks).sum() == 10
    assert (columns.spread_ticks == 0).any()


def test_columns_of_no_samples_are_empty(bench):
    assert [len(column) for column in bench.analytics.columns(("time_ns", "vpin"))] == [0, 0]


def test_python_is_told_of_an_alert_once_until_it_was_calm(bench):
    settled(bench)
    assert bench.told == 0
    told = []
    for prices in [(9_999, 10_001)] + 3 * [(9_900, 10_100)] + 2 * [(9_000, 11_000)] + 40 * [(9_999, 10_001)]:
        bench.quote(*prices, 100, 100)
        scored(bench)
        told.append((bench.analytics.latest.regime, bench.told))
    heard = [regime for regime, look in told if look]
    assert heard == [Regime.CRISIS, Regime.CALM]
    assert told[-1] == (Regime.CALM, 0)
