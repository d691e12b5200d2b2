"""Figures computed from the market: features, VPIN, regime."""

from engine.analytics.features import take_sample, take_trades
from engine.analytics.readings import Analytics, Sample
from engine.analytics.records import SAMPLE_NS, Features
from engine.analytics.regime import Regime, RegimeInputs, classify, regime_score

__all__ = [
    "SAMPLE_NS",
    "Analytics",
    "Features",
    "Regime",
    "RegimeInputs",
    "Sample",
    "classify",
    "regime_score",
    "take_sample",
    "take_trades",
]
