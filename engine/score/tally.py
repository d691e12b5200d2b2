"""Everything counted of one account: a fixed number of integers, whatever it does (score.py tells it).

*Quoting*: at a sample, its best resting buy and its best resting sell are both within QUOTE_BPS of the mid
(of QUOTE_TICKS where that is more), as a market maker's obligation has it. Uptime is the share of samples
since its first order. *Drawdown*: largest fall of the PnL, marked at mid, below its highest value before (0
at the beginning), as seen at every fill and every sample.
"""

from __future__ import annotations

import msgspec

from engine.score.lows import Lows
from engine.score.split import HALF, Split

__all__ = ["QUOTE_BPS", "QUOTE_TICKS", "Tally", "is_near"]

QUOTE_BPS = 25
QUOTE_TICKS = 5
_BPS = 10_000


def is_near(price_ticks: int, twice_mid: int) -> bool:
    """Whether a quote stands near enough to the mid to count."""
    twice_away = abs(2 * price_ticks - twice_mid)
    return twice_away <= 2 * QUOTE_TICKS or twice_away * _BPS <= QUOTE_BPS * twice_mid


class Tally(msgspec.Struct):
    """The counts of one account. Money in millionths of tick-lots."""

    split: Split = msgspec.field(default_factory=Split)
    orders: int = 0
    """Accepted by the venue."""
    ordered_lots: int = 0
    requests: int = 0
    """Orders, amendments and cancels asked for."""
    counted_order: int = 0
    """Market id of the order that was counted last, of an account that trades without the broker."""
    samples: int = 0
    """Since its first order."""
    quoting_samples: int = 0
    is_quoting: bool = False
    """At the last sample."""
    lows: Lows = msgspec.field(default_factory=Lows)
    """Of the PnL, 0 at the beginning."""
    max_position_lots: int = 0
    rate_limited: int = 0
    limit_offences: int = 0
    limit_told_until_ns: int = 0
    """It has been told that it is limited; until then a further request is an offence."""
    reported_first: int | None = None
    """Millionths of currency: its own word on its equity, first and last."""
    reported_last: int | None = None
    pnl_at_first_report: int = 0
    pnl_at_last_report: int = 0

    def count_orders(self, orders: int, lots: int) -> None:
        """So many orders were accepted."""
        self.orders += orders
        self.ordered_lots += lots

    def look(self, now_ns: int, twice_mark: int) -> None:
        """After a fill, or at a sample: highs and lows."""
        position = self.split.position_lots
        held = abs(position)
        self.lows.look(now_ns, self.split.pnl(twice_mark), position, held * twice_mark * HALF)
        self.max_position_lots = max(self.max_position_lots, held)

    def take_quotes(self, *, is_quoting: bool) -> None:
        """One sample of its quotes."""
        self.is_quoting = is_quoting
        if self.orders:
            self.samples += 1
            self.quoting_samples += is_quoting

    def take_report(self, equity_millionths: int, pnl: int) -> None:
        """Its own word on its equity, beside the ledger's PnL at that time."""
        if self.reported_first is None:
            self.reported_first, self.pnl_at_first_report = equity_millionths, pnl
        self.reported_last, self.pnl_at_last_report = equity_millionths, pnl
