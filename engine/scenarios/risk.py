"""Limits of an account as a scenario writes them, and as the gate counts them (stop 0 on the data path).

`[risk]` holds for desk, target and every bot; `risk` in a group of agents for each of its members. Money is
in the instrument's currency, lots are lots; what is left out is no limit, but for the rate and the gaps,
which have flowlab.md's defaults.
"""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

import msgspec

from engine.core.clock import NS_PER_S
from engine.core.errors import ScenarioError, UsageError
from engine.core.types import Instrument
from engine.market.ledger import MICRO
from engine.market.risk import AccountLimits

__all__ = ["RiskTerms"]


class RiskTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account's limits; what each does stands in engine.market.risk.AccountLimits."""

    orders_per_s: int = 5_000
    max_position_lots: int = 0
    max_daily_loss: float = 0.0
    max_orders_per_trade: int = 0
    min_orders: int = 100
    max_feed_gaps: int = 16
    feed_gap_window_s: float = 60.0
    trading: bool = True
    symbols: list[str] | None = None
    """What it may trade; None: everything."""
    max_order_lots: int = 0
    min_notional: float = 0.0
    max_notional: float = 0.0
    max_exposure: float = 0.0
    price_collar_bps: float = 0.0

    def limits(self, instrument: Instrument, where: str) -> AccountLimits:
        """As the gate counts them. Raises ScenarioError that names `where`."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float) and not isfinite(value):
                raise ScenarioError(f"{where}: {name} must be a number, not {value}")
        worth = instrument.tick_size * instrument.lot_size
        may_trade = self.trading and (self.symbols is None or instrument.symbol in self.symbols)
        try:
            return AccountLimits(
                orders_per_s=self.orders_per_s,
                max_position_lots=self.max_position_lots,
                max_loss=_units(self.max_daily_loss, worth / MICRO),
                max_orders_per_trade=self.max_orders_per_trade,
                min_orders=self.min_orders,
                max_gaps=self.max_feed_gaps,
                gap_window_ns=round(self.feed_gap_window_s * NS_PER_S),
                is_closed=not may_trade,
                max_order_lots=self.max_order_lots,
                min_notional=_units(self.min_notional, worth),
                max_notional=_units(self.max_notional, worth),
                max_exposure=_units(self.max_exposure, worth),
                collar_ppm=round(self.price_collar_bps * 100),
            ).checked()
        except UsageError as error:
            raise ScenarioError(f"{where}: {error}") from error


def _units(money: float, unit: Decimal) -> int:
    """Money as whole units; a limit that is set is at least one, because 0 would be none."""
    units = int(Decimal(repr(money)) / unit)
    return max(1, units) if money > 0 else units
