"""The windows of the analytics, as records: what features.py and vpin.py read and change.

    Features ─► samples    ring of the last samples
             ├► spreads    ring of open spreads, for their mean
             ├► returns    ring of one-second returns, for realised volatility
             ├► vpin       the bucket that is filling ─► gaps, ring of the full ones
             └► regimes    samples spent in each regime

Rings: row n of a ring of length L (a power of two) stands at n & (L - 1); a counter says how many there
have been, the windows below how many of the last ones count. A float that is not defined is NaN.
"""

from __future__ import annotations

from engine.arena.layout import Real, Record, Table, Word
from engine.book.kernels import Count
from engine.core.clock import NS_PER_MS

__all__ = [
    "DEPTH_LEVELS",
    "KEPT_SAMPLES",
    "RETURNS_RING",
    "RETURNS_WINDOW",
    "SAMPLES_PER_S",
    "SAMPLES_RING",
    "SAMPLE_NS",
    "SPREAD_WINDOW",
    "VPIN_BUCKETS",
    "VPIN_BUCKET_UNITS",
    "VPIN_RING",
    "Features",
    "Number",
    "SampleRow",
    "VpinWindow",
]

SAMPLE_NS = 250 * NS_PER_MS
SAMPLES_PER_S = 4
KEPT_SAMPLES = 241
SAMPLES_RING = 256
DEPTH_LEVELS = 10
SPREAD_WINDOW = 256
"""The length of the ring, too."""
RETURNS_WINDOW = 60
RETURNS_RING = 64
VPIN_BUCKETS = 50
VPIN_RING = 64
VPIN_BUCKET_UNITS = 200
"""A VPIN bucket holds this many usual orders (Instrument.unit_lots)."""


class Number(Record):
    """One float."""

    value: Real


class VpinWindow(Record):
    """VPIN's bucket that is filling, and its full ones."""

    bucket_lots: Word
    """Lots to a bucket."""
    filled_lots: Word
    signed_lots: Word
    """Bought less sold, of `filled_lots`."""
    bucket_count: Word
    """Full buckets so far."""
    gap_sum: Word
    """Of the gaps in the window."""
    gaps: Table[Count]
    """Ring: |bought - sold| of each full bucket."""


class SampleRow(Record):
    """All features at one time."""

    time_ns: Word
    mid_ticks: Real
    microprice_ticks: Real
    spread_ticks: Word
    """Defined where mid is; 0 where that is NaN."""
    spread_bps: Real
    bid_depth_lots: Word
    ask_depth_lots: Word
    imbalance: Real
    vpin: Real
    trade_velocity: Real
    trades_per_s: Real
    realised_vol_bps: Real
    regime: Word
    regime_score: Real
    events_per_s: Real
    crossed: Word
    """1 or 0."""
    events: Word
    """Public events of the market so far."""
    trades: Word
    """Its trades so far."""


class Features(Record):
    """The analytics of one market."""

    trades_seen: Word
    """Rows of the market's trades that have been taken."""
    vpin: VpinWindow
    sample_count: Word
    samples: Table[SampleRow]
    spread_count: Word
    spread_sum: Word
    """Of the spreads in the window."""
    spreads: Table[Count]
    baseline_rate: Real
    """Trades per second, a slow average; NaN before the first second's end."""
    usual_depth_lots: Real
    """A slow average; NaN before the first sample."""
    second_mid_ticks: Real
    """Mid at the last whole second that had one; NaN before."""
    return_count: Word
    returns: Table[Number]
    """Ring of one-second returns, bps."""
    volatility_bps: Real
    """Of the returns in the window; NaN with fewer than two."""
    regimes: Table[Count]
    """Samples in each regime."""
    alerts_up: Word
    """Regimes, as bits, whose alert is up: told to Python, and no calm sample since."""
