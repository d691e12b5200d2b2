"""What readers see of one bot's score (stop 6 on the data path): small, immutable, plain values.

Money is exact: integers in millionths of tick-lots, as in the ledger; `BotCard.amount` makes currency of
them. What is not known, or not defined yet, is None. How each figure is made stands where it is made:
split.py, tally.py, picture.py, windows.py.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BotCard", "FaultReaction", "LimitBreach", "SelfReport"]


class LimitBreach(NamedTuple):
    """A guard of the risk gate has latched the account."""

    time_ns: int
    guard: str
    """The reason with which its orders were refused from then on (market/orders.py), "kill_switch" too."""


class FaultReaction(NamedTuple):
    """What one bot made of one storm or fault of the venue (windows.py)."""

    kind: str
    """Its name as on the command line: "crash", "fault.ghost"."""
    severity: float
    at_ns: int
    ended_ns: int | None
    """None: still in force."""
    noticed_ns: int | None
    """First sign that the bot acts otherwise; None: no sign, or none that the desk can see."""
    noticed_by: str
    """"named" or "asked" of an order of which it had not been told, "paused", or "" (not noticed)."""
    reconciled_ns: int | None
    """When the last of `astray` came right; None: none went astray, or not all have come right."""
    astray: int
    """Orders of which the bot was told late, twice, out of order or not at all because of it."""
    unreconciled: int
    """Those of them of which it still knows no better."""
    refused: int
    """Requests of the bot that it had refused or left unanswered."""
    recovered_ns: int | None
    """First time after its end at which PnL and quoting were back where they had been before it."""
    pnl: int
    """Made between its start and its end (or now)."""
    inventory_pnl: int
    """Part of `pnl`: position carried times the move of the mid."""
    longest_astray_ns: int | None = None
    """Longest time from an order's first message missed until it came right; None: none has."""
    stuck: int = 0
    """Orders that rested untouched from its beginning to its end (0 while it is in force)."""


class SelfReport(NamedTuple):
    """What a target says of itself beside what the desk's ledger says. In millionths of currency."""

    equity: int
    """As it last reported."""
    change: int
    """Of the reported equity since its first report."""
    true_change: int
    """Of the ledger's PnL over the same time, rounded down."""

    @property
    def difference(self) -> int:
        """How much better than the truth it reports."""
        return self.change - self.true_change


class BotCard(NamedTuple):
    """The score of one account that trades as a bot."""

    name: str
    """Its key's label; "bot" for a TARGET without one."""
    account: int
    verdict: str
    """One of: "INTACT", "DAMAGED", "KILLED", "UNKNOWN" (it has not traded)."""
    reasons: tuple[str, ...]
    """In words, the weightiest first; at most REASONS_LIMIT (judgement.py)."""
    currency_per_unit: float
    """What one unit of the money below is worth; for display."""
    equity: int | None
    """Its starting balance of the quote asset and all that its trading has brought. None: it has none (it
    trades without the broker)."""
    pnl: int
    """Of its trading: the ledger's cash + position at mid = spread_pnl + inventory_pnl - fees, exactly."""
    spread_pnl: int
    """Fill prices against the mid before each fill."""
    maker_spread_pnl: int
    """Of it, what resting orders made: usually a gain. The rest is what taking cost."""
    inventory_pnl: int
    """Position carried times moves of the mid."""
    fees: int
    """Paid; negative = rebates."""
    adverse_selection: int | None
    """Mid MARK_OUT_NS after each fill against the mid before it, lots and side of the fill; negative: the
    market moved against its fills. A reading, not part of the sum. None: no fill is old enough."""
    realised_spread: int | None
    """Mid MARK_OUT_NS after each of the same fills against its price: what is left of the spread. A reading,
    too."""
    fills: int
    filled_lots: int
    orders: int
    """Accepted by the venue."""
    requests: int
    """Orders, amendments and cancels that it sent; a cancel-replace is two."""
    fill_ratio: float | None
    """Lots filled of lots ordered."""
    order_to_trade: float | None
    """`requests` per fill."""
    maker_share: float | None
    """Of the filled lots."""
    quote_uptime: float | None
    """Share of its time with both sides resting near the mid."""
    max_drawdown: int
    """Largest fall of the PnL below its highest before, 0 at the beginning."""
    worst_ns: int | None
    """When that was."""
    position_lots: int
    """Bought less sold, starting balance left out."""
    max_position_lots: int
    """Largest |position|."""
    max_exposure: int
    """Largest |position| at mid."""
    open_orders: int
    """Resting now."""
    ghost_orders: int
    """Orders that it took for open, or not carried out, when they were not (picture.py)."""
    stuck_orders: int
    """Open orders of whose state it has not been told for STUCK_NS."""
    rate_limited: int
    """Requests refused for their rate."""
    limit_offences: int
    """Of those, sent after it had been told of that limit."""
    faults: tuple[FaultReaction, ...]
    """Storms and faults since it began, oldest first; the last WINDOWS_KEPT."""
    self_report: SelfReport | None = None
    drawdown_fraction: float | None = None
    """`max_drawdown` as a share of the equity from which it fell; None: no equity was known, or none left."""
    low_pnl: int = 0
    """Lowest PnL, at most 0."""
    low_ns: int | None = None
    """When that was; None: it has never been below 0."""
    low_position_lots: int = 0
    """Position then."""
    low_exposure: int = 0
    """|position| at mid, then."""
    orders_in_doubt: int = 0
    """Orders carried out unanswered, of which it has not asked since."""
    limits_breached: tuple[LimitBreach, ...] = ()
    """What has latched it at the gate, oldest first; the first 16."""
    limit_breaches: int = 0
    """All of them."""

    def amount(self, money: int) -> float:
        """Any of the card's money in units of currency; for display."""
        return money * self.currency_per_unit
