"""Limits of the gate as people write them: names and units of a scenario's [risk] table, turned into what the
gate counts in."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from engine.core.errors import UsageError
from engine.core.types import ALL_ACCOUNTS, GateAction, Instrument
from engine.gatekeeper import gate_command
from engine.market.ledger import MICRO

__all__ = ["LIMITS", "LimitForm"]


class LimitForm(NamedTuple):
    """One limit."""

    field: str
    """Of engine.market.risk.AccountLimits."""
    unit: str
    """One of: "count", "base" (a quantity), "money", "bps", "switch"."""
    help: str

    def counted(self, text: str, instrument: Instrument) -> int:
        """The value as the gate counts it. Raises UsageError."""
        word = text.lower()
        if self.unit == "switch":
            if word not in ("on", "off"):
                raise UsageError(f"{text!r} is neither on nor off")
            return int(word == "off")
        value = 0 if word == "off" else self._units(text, instrument)
        gate_command(GateAction.LIMIT, ALL_ACCOUNTS, limit=self.field, value=value)  # raises
        return value

    def _units(self, text: str, instrument: Instrument) -> int:
        try:
            value = Decimal(text)
        except InvalidOperation:
            raise UsageError(f"{text!r} is no number, nor off") from None
        if not value.is_finite() or value <= 0:
            raise UsageError(f"{text} must be above zero; off takes the limit away")
        worth = instrument.tick_size * instrument.lot_size
        step = {
            "base": instrument.lot_size,
            "money": worth / MICRO if self.field == "max_loss" else worth,
            "bps": Decimal("0.01"),
        }.get(self.unit, Decimal(1))
        count = value / step
        if self.unit in ("count", "base") and count != count.to_integral_value():
            what = "whole" if self.unit == "count" else f"in lots of {instrument.lot_size}"
            raise UsageError(f"{text} is not {what}")
        return max(1, int(count))  # 0 would be no limit


LIMITS: dict[str, LimitForm] = {
    "orders_per_s": LimitForm("orders_per_s", "count", "guard: orders and replaces a second"),
    "max_position": LimitForm("max_position_lots", "base", "guard: position, either way"),
    "max_daily_loss": LimitForm("max_loss", "money", "guard: loss of the day at mid"),
    "max_orders_per_trade": LimitForm("max_orders_per_trade", "count", "guard: orders for one fill"),
    "min_orders": LimitForm("min_orders", "count", "from so many orders on that ratio counts"),
    "max_feed_gaps": LimitForm("max_gaps", "count", "guard: feed gaps in the window"),
    "max_order": LimitForm("max_order_lots", "base", "rail: quantity of one order"),
    "min_notional": LimitForm("min_notional", "money", "rail: price x quantity of one order, at least"),
    "max_notional": LimitForm("max_notional", "money", "rail: price x quantity of one order, at most"),
    "max_exposure": LimitForm("max_exposure", "money", "rail: position with all orders of a side"),
    "price_collar_bps": LimitForm("collar_ppm", "bps", "rail: how far beyond the mid a price may be"),
    "trading": LimitForm("is_closed", "switch", "rail: whether it may trade at all, on or off"),
}
"""By the word after `limit ACCOUNT`."""
