"""Figures computed from the market: features, VPIN, regime."""

from engine.analytics.features import Analytics, Sample
from engine.analytics.regime import Regime, RegimeInputs, classify, regime_score
from engine.analytics.vpin import Vpin

__all__ = ["Analytics", "Regime", "RegimeInputs", "Sample", "Vpin", "classify", "regime_score"]
