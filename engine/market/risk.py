"""The one risk gate: every order, whoever sends it, passes here before it can touch the book.

    latched?  ─► the market's bounds  ─► the account's own limits (guards.py)
    refused      refused                 refused, or latched: nothing of it passes until it is reset

Fail-closed: what cannot be judged is refused. Cancels always pass: they make nothing worse. The gate sees
the market and the ledger as they are, so what it decides is a function of what happened before.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.arena.functions import inlined
from engine.arena.memory import Arena
from engine.core.clock import NS_PER_S
from engine.core.errors import UsageError
from engine.core.types import Account
from engine.market.guards import guard_order
from engine.market.ledger import MICRO
from engine.market.orders import REASON_CODES, Reason
from engine.market.records import AccountRow, Guard, Market, MarketReader

__all__ = [
    "GAPS_KEPT",
    "GUARDS",
    "MAX_OPEN_ORDERS",
    "AccountLimits",
    "GuardState",
    "RiskGate",
    "RiskLimits",
    "gate_order",
]

MAX_OPEN_ORDERS = 5_000
"""Most open orders that any limit may allow an account: what one wake-up can cancel has a bound."""
GUARDS = 256
"""Accounts with limits of their own, plus one."""
GAPS_KEPT = 64
"""Times of feed gaps remembered: the most that max_gaps can be."""
MAX_RATE = 1_000_000_000
MAX_MONEY = 1 << 62
_HISTORY = int(Account.HISTORY)
_NONE = REASON_CODES[Reason.NONE]
_QUANTITY = REASON_CODES[Reason.QUANTITY]
_PRICE = REASON_CODES[Reason.PRICE]
_TOO_MANY_ORDERS = REASON_CODES[Reason.TOO_MANY_ORDERS]
_REASONS = tuple(REASON_CODES)


@inlined
def gate_order(
    market: Market, account: int, side: int, price_ticks: int, qty_lots: int, open_orders: int
) -> int:
    """The code of the first reason against an order (price 0 = market), or of Reason.NONE."""
    row = market.accounts[account]
    reason = row.latched
    if reason == _NONE:
        reason = _first_reason(market, account, price_ticks, qty_lots, open_orders)
        if row.guard != 0:
            reason = guard_order(market, account, side, price_ticks, qty_lots, reason)
    if reason == _NONE:
        market.passed += 1
    else:
        market.refused[reason].value += 1
    return reason


@inlined
def _first_reason(market: Market, account: int, price_ticks: int, qty_lots: int, open_orders: int) -> int:
    if qty_lots <= 0 or qty_lots > market.max_order_lots:
        return _QUANTITY
    if price_ticks < 0 or price_ticks > market.max_price_ticks:
        return _PRICE
    if open_orders >= market.max_open_orders and account != _HISTORY:
        return _TOO_MANY_ORDERS
    return _NONE


class RiskLimits(NamedTuple):
    """The market's bounds, per order and account."""

    max_order_lots: int = 1 << 40
    max_price_ticks: int = 1 << 50
    max_open_orders: int = MAX_OPEN_ORDERS
    """Per account, at most MAX_OPEN_ORDERS; HISTORY is exempt (its orders are a whole exchange)."""


class AccountLimits(NamedTuple):
    """Limits of one account; 0 = none. Guards latch, rails refuse (guards.py)."""

    orders_per_s: int = 0
    """Guard: orders and replaces a second, in bursts of as many; who finds the bucket empty trips."""
    max_position_lots: int = 0
    """Guard: an order trips whose execution would take |position| above this."""
    max_loss: int = 0
    """Guard: trips when equity is so much or more below that of the day's start; millionths of tick-lots."""
    max_orders_per_trade: int = 0
    """Guard: trips when orders exceed this times fills (at least one), of the day."""
    min_orders: int = 100
    """From so many orders on that ratio counts."""
    max_gaps: int = 0
    """Guard: trips at so many feed gaps within the window; at most GAPS_KEPT."""
    gap_window_ns: int = 60 * NS_PER_S
    is_closed: bool = False
    """Rail: it may not trade at all."""
    max_order_lots: int = 0
    """Rail: lots of one order."""
    min_notional: int = 0
    """Rail: price x quantity of one order, in tick-lots; a market order's at the other side's best price."""
    max_notional: int = 0
    max_exposure: int = 0
    """Rail: |position| with all resting orders of the order's side and the order itself, at its price; in
    tick-lots."""
    collar_ppm: int = 0
    """Rail: how far above the mid a bid, or below it an offer, may be; millionths of the mid."""

    def checked(self) -> AccountLimits:
        """Itself, when legal. Raises UsageError."""
        for name, value in self._asdict().items():
            most = {"orders_per_s": MAX_RATE, "max_gaps": GAPS_KEPT, "collar_ppm": 1_000_000}.get(
                name, MAX_MONEY
            )
            if not 0 <= value <= most:
                raise UsageError(f"limit {name} = {value} is out of range: use 0 (none) to {most}")
        return self


class GuardState(NamedTuple):
    """Where an account stands against its limits, for readers."""

    account: int
    limits: AccountLimits
    latched: Reason
    """Why nothing of it passes; NONE: it may trade."""
    latched_ns: int
    latched_count: int
    """How often it has been latched by a guard."""
    latched_told: int
    """How often somebody has been told so."""
    orders_left: float | None
    """In the bucket; None without a limit."""
    position_lots: int
    profit: int
    """Since the start of its day, in millionths of tick-lots."""
    orders: int
    """Since the start of its day."""
    fills: int
    gaps: int
    """Feed gaps within its window."""


class RiskGate(MarketReader):
    """The gate of a market, for readers, and its switches."""

    def __init__(self, arena: Arena, limits: RiskLimits) -> None:
        assert 0 <= limits.max_open_orders <= MAX_OPEN_ORDERS
        super().__init__(arena)
        self.limits = limits
        market = self.market
        market.max_order_lots = limits.max_order_lots
        market.max_price_ticks = limits.max_price_ticks
        market.max_open_orders = limits.max_open_orders

    # -- limits ----------------------------------------------------------------------------------------

    def limit(self, account: int, limits: AccountLimits) -> None:
        """From now on the account has these limits. Its day, and what has latched it, stay (a bot that comes
        after a kill of everybody is killed too); with its first limits its day begins. Raises UsageError."""
        limits.checked()
        row = self.market.accounts[account]
        begins = row.guard == 0
        if begins:
            row.guard = self._free_row()
        guard = self.market.guards[row.guard]
        for name, value in limits._asdict().items():
            setattr(guard, name, int(value))
        if begins:
            self._begin_day(account)

    def limits_of(self, account: int) -> AccountLimits | None:
        """The account's limits; None: it has none of its own."""
        row = self.market.accounts[account]
        return _limits(self.market.guards[row.guard]) if row.guard else None

    @property
    def guarded(self) -> list[int]:
        """The accounts that have limits."""
        return [int(number) for number in self.arena.rows("accounts")["guard"].nonzero()[0]]

    # -- switches --------------------------------------------------------------------------------------

    def kill(self, account: int) -> None:
        """The kill switch: from now on nothing of the account passes. What it has resting stays."""
        row = self.market.accounts[account]
        row.latched = REASON_CODES[Reason.KILL_SWITCH]
        if row.guard:
            self.market.guards[row.guard].latched_ns = self.market.now_ns

    def reset(self, account: int) -> None:
        """Lets the account trade again. Nothing else changes: what tripped it trips it again."""
        self.market.accounts[account].latched = _NONE

    def start_of_day(self, account: int) -> None:
        """Resets the account, and its day begins: a full bucket, no orders, no loss."""
        self.reset(account)
        self._begin_day(account)

    def _begin_day(self, account: int) -> None:
        market = self.market
        row = market.accounts[account]
        if row.guard:
            guard = market.guards[row.guard]
            guard.tokens, guard.refilled_ns = guard.orders_per_s * NS_PER_S, market.now_ns
            guard.orders, guard.fills_before = 0, row.fills
            guard.before.value = -self._equity(row)

    def turn_away(self, account: int) -> Reason:
        """Why an order of the account that is not to enter the book yet (a stop, a list) is refused already,
        and counted; Reason.NONE: it is not latched."""
        code = self.market.accounts[account].latched
        if code != _NONE:
            self.market.refused[code].value += 1
        return _REASONS[code]

    def mark_told(self, account: int) -> None:
        """Somebody has been told what has latched the account."""
        guard = self.market.guards[self.market.accounts[account].guard]
        guard.latched_told = guard.latched_count

    def note_gap(self) -> None:
        """The feed has had a gap, now."""
        market = self.market
        market.gap_times[market.gap_count & (len(market.gap_times) - 1)].value = market.now_ns
        market.gap_count += 1

    # -- readings --------------------------------------------------------------------------------------

    def latched(self, account: int) -> Reason:
        """Why nothing of the account passes; Reason.NONE: it may trade."""
        return _REASONS[self.market.accounts[account].latched]

    def state(self, account: int) -> GuardState | None:
        """Where the account stands; None: it has no limits."""
        market = self.market
        row = market.accounts[account]
        if not row.guard:
            return None
        guard = market.guards[row.guard]
        return GuardState(
            account=account,
            limits=_limits(guard),
            latched=_REASONS[row.latched],
            latched_ns=guard.latched_ns,
            latched_count=guard.latched_count,
            latched_told=guard.latched_told,
            orders_left=_orders_left(guard, market.now_ns),
            position_lots=row.position_lots,
            profit=self._equity(row) + guard.before.value,
            orders=guard.orders,
            fills=row.fills - guard.fills_before,
            gaps=self._gaps_since(market.now_ns - guard.gap_window_ns),
        )

    def statistics(self) -> dict[str, int]:
        """Orders passed and refused, by reason."""
        refused = {
            f"refused_{reason.value}": self.market.refused[code].value
            for reason, code in REASON_CODES.items()
        }
        return {
            "passed": self.market.passed,
            **{name: count for name, count in sorted(refused.items()) if count},
        }

    def _free_row(self) -> int:
        used = set(self.arena.rows("accounts")["guard"].tolist())
        free = next((number for number in range(1, GUARDS) if number not in used), None)
        if free is None:
            raise UsageError(f"{GUARDS - 1} accounts have limits already")
        return free

    def _equity(self, row: AccountRow) -> int:
        market = self.market
        bid, ask = (market.book.levels[market.book.sides[side].best] for side in (0, 1))
        known = bid.count and ask.count
        twice = bid.price + ask.price if known else 2 * market.last_price_ticks
        return row.cash.value + row.position_lots * twice * (MICRO // 2)

    def _gaps_since(self, time_ns: int) -> int:
        market = self.market
        kept = min(market.gap_count, GAPS_KEPT)
        return sum(market.gap_times[at].value > time_ns for at in range(kept))


def _limits(guard: Guard) -> AccountLimits:
    values = {name: getattr(guard, name) for name in AccountLimits._fields}
    return AccountLimits(**values | {"is_closed": bool(guard.is_closed)})


def _orders_left(guard: Guard, now_ns: int) -> float | None:
    if not guard.orders_per_s:
        return None
    elapsed_ns = min(now_ns - guard.refilled_ns, NS_PER_S)
    tokens = min(guard.tokens + elapsed_ns * guard.orders_per_s, guard.orders_per_s * NS_PER_S)
    return tokens / NS_PER_S
