"""VPIN: volume-synchronised probability of informed trading (Easley, Lopez de Prado, O'Hara 2012).

Volume is cut into equal buckets; VPIN = sum |B - S| / (n * bucket) over the last n full buckets. A print
that overflows a bucket is split over as many as it fills, so VPIN stays in [0, 1] (flowlab.md section 3).
The aggressor side is known here, so no bulk classification is needed.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Vpin"]


class Vpin:
    """Exact integer buckets; `value` is a float in [0, 1], None until one bucket is full."""

    def __init__(self, *, bucket_lots: int, buckets: int = 50) -> None:
        assert bucket_lots > 0
        assert buckets > 0
        self.bucket_lots = bucket_lots
        self._gaps: deque[int] = deque(maxlen=buckets)
        self._gap_sum = 0
        self._filled = 0
        self._signed = 0

    def add(self, qty_lots: int, aggressor_side: int) -> None:
        """Take one print; aggressor_side 0 = buy."""
        sign = 1 if aggressor_side == 0 else -1
        while qty_lots:
            part = min(qty_lots, self.bucket_lots - self._filled)
            self._filled += part
            self._signed += sign * part
            qty_lots -= part
            if self._filled == self.bucket_lots:
                self._close_bucket()

    @property
    def value(self) -> float | None:
        """VPIN over the full buckets so far (at most n)."""
        if not self._gaps:
            return None
        return self._gap_sum / (len(self._gaps) * self.bucket_lots)

    def statistics(self) -> dict[str, int]:
        """Buckets in the window and its limit."""
        return {"buckets": len(self._gaps), "limit": self._gaps.maxlen or 0}

    def _close_bucket(self) -> None:
        if len(self._gaps) == self._gaps.maxlen:
            self._gap_sum -= self._gaps[0]
        self._gaps.append(abs(self._signed))
        self._gap_sum += abs(self._signed)
        self._filled = 0
        self._signed = 0
