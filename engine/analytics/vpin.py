"""VPIN: volume-synchronised probability of informed trading (Easley, Lopez de Prado, O'Hara 2012).

Volume is cut into equal buckets; VPIN = sum |B - S| / (n * bucket) over the last n full buckets. A print
that overflows a bucket is split over as many as it fills, so VPIN stays in [0, 1] (flowlab.md section 3).
The aggressor side is known here, so no bulk classification is needed. Buckets are exact integers.
"""

from __future__ import annotations

from engine.analytics.ratio import ratio
from engine.analytics.records import VPIN_BUCKETS, VpinWindow
from engine.arena.functions import inlined, routine
from engine.core.types import NO_SIDE

__all__ = ["add_print", "vpin_value"]

_NAN = float("nan")


@inlined
def add_print(vpin: VpinWindow, qty_lots: int, aggressor_side: int) -> None:
    """Takes one print; aggressor_side 0 = buy, 1 = sell, NO_SIDE = volume of no side."""
    sign = (1 - 2 * aggressor_side) * int(aggressor_side < NO_SIDE)
    if qty_lots < vpin.bucket_lots - vpin.filled_lots:
        vpin.filled_lots += qty_lots
        vpin.signed_lots += sign * qty_lots
    else:
        _fill_buckets(vpin, qty_lots, sign)


@inlined
def vpin_value(vpin: VpinWindow) -> float:
    """VPIN over the full buckets so far, at most VPIN_BUCKETS of them; NaN until one is full."""
    buckets = min(vpin.bucket_count, VPIN_BUCKETS)
    return ratio(vpin.gap_sum, buckets * vpin.bucket_lots) if buckets > 0 else _NAN


@routine
def _fill_buckets(vpin: VpinWindow, qty_lots: int, sign: int) -> None:
    """A print that fills the bucket, and perhaps others."""
    bucket_lots = vpin.bucket_lots
    # Of a huge print, whole buckets that its own later ones push out of the window are left out.
    beyond = qty_lots // bucket_lots - VPIN_BUCKETS - 1
    if beyond > 0:
        qty_lots -= beyond * bucket_lots
    while qty_lots > 0:
        part = min(qty_lots, bucket_lots - vpin.filled_lots)
        vpin.filled_lots += part
        vpin.signed_lots += sign * part
        qty_lots -= part
        if vpin.filled_lots == bucket_lots:
            _close_bucket(vpin)


@inlined
def _close_bucket(vpin: VpinWindow) -> None:
    gaps = vpin.gaps
    mask = len(gaps) - 1
    count = vpin.bucket_count
    gap = abs(vpin.signed_lots)
    if count >= VPIN_BUCKETS:
        vpin.gap_sum -= gaps[(count - VPIN_BUCKETS) & mask].value
    vpin.gap_sum += gap
    gaps[count & mask].value = gap
    vpin.bucket_count = count + 1
    vpin.filled_lots = 0
    vpin.signed_lots = 0
