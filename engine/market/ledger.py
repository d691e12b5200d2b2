"""The one ledger: exact integers for every account.

Money is counted in millionths of tick-lots, so that fees in parts per million are exact. Every execution
moves cash and position between two accounts, and fees out of them:

    sum over accounts of (cash + position x mark) = - fees        exactly, at any mark, always

(positions sum to zero, so the mark does not matter). `check()` asserts it; tests call it everywhere.
Cash and fees are 128-bit: the gate's largest order fits 50,000 times over, at the highest price and fee.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.arena.functions import inlined
from engine.market.records import AccountRow, Market, MarketReader

__all__ = ["MICRO", "FeeSchedule", "Ledger", "LedgerEntry", "Standings", "book_execution"]

MICRO = 1_000_000
"""Money units per tick-lot."""
_MASK = 2**64 - 1


@inlined
def book_execution(
    market: Market, maker: int, taker: int, taker_side: int, price_ticks: int, qty_lots: int
) -> None:
    """Books one execution between two accounts, each at its own fees."""
    sign = 1 - 2 * taker_side  # a sum, not a branch: sides cannot be foreseen
    give = market.accounts[maker]
    take = market.accounts[taker]
    give.opened = 1
    take.opened = 1
    take.cash.add_product(price_ticks, qty_lots, -sign * MICRO - take.taker_ppm)
    give.cash.add_product(price_ticks, qty_lots, sign * MICRO - give.maker_ppm)
    take.fees.add_product(price_ticks, qty_lots, take.taker_ppm)
    give.fees.add_product(price_ticks, qty_lots, give.maker_ppm)
    take.position_lots += sign * qty_lots
    give.position_lots -= sign * qty_lots
    take.fills += 1
    give.fills += 1
    take.aggressive_lots += qty_lots
    bought = qty_lots * (1 - taker_side)
    take.bought_lots += bought
    give.sold_lots += bought
    give.bought_lots += qty_lots - bought
    take.sold_lots += qty_lots - bought


class FeeSchedule(NamedTuple):
    """Fees in parts per million of notional; a negative maker fee is a rebate."""

    maker_ppm: int = 0
    taker_ppm: int = 0


class LedgerEntry(NamedTuple):
    """One account's books at one time."""

    cash: int = 0
    position_lots: int = 0
    fees: int = 0
    fills: int = 0
    aggressive_lots: int = 0
    bought_lots: int = 0
    sold_lots: int = 0


class Standings(NamedTuple):
    """What a reader wants of all accounts at a glance; the index is the account number."""

    position_lots: list[int]
    equity: list[int]
    """Cash plus position at mid, in money units."""
    fills: list[int]
    open_orders: list[int]
    orders_sent: list[int]


class Ledger(MarketReader):
    """Cash, position and fees of all accounts of a market, for readers."""

    def entry(self, account: int) -> LedgerEntry:
        """The account's books; zeros when it has not traded."""
        if not 0 <= account < len(self.market.accounts):
            return LedgerEntry()
        return _read(self.market.accounts[account])

    def holdings(self, account: int) -> tuple[int, int]:
        """(cash in money units, position in lots) of an account that there is."""
        row = self.market.accounts[account]
        return row.cash.value, row.position_lots

    def position(self, account: int) -> int:
        """Lots held (negative: short)."""
        accounts = self.market.accounts
        return accounts[account].position_lots if 0 <= account < len(accounts) else 0

    def equity(self, account: int, twice_mid_ticks: int) -> int:
        """Cash plus position at mid, in money units; `twice_mid_ticks` = best bid + best ask.

        MICRO is even, so half ticks stay exact.
        """
        entry = self.entry(account)
        return entry.cash + entry.position_lots * twice_mid_ticks * (MICRO // 2)

    def accounts(self) -> dict[int, LedgerEntry]:
        """The books of all accounts that have traded, by number."""
        return {number: _read(row) for number, row in enumerate(self.market.accounts) if row.opened}

    def standings(self, twice_mid_ticks: int) -> Standings:
        """Where every account stands; quicker than asking each."""
        rows = self.arena.rows("accounts")
        positions = rows["position_lots"].tolist()
        half = twice_mid_ticks * (MICRO // 2)
        cash = rows["cash"].tolist()
        return Standings(
            position_lots=positions,
            equity=[
                (high << 64) + (low & _MASK) + position * half
                for (low, high), position in zip(cash, positions, strict=True)
            ],
            fills=rows["fills"].tolist(),
            open_orders=rows["open_orders"].tolist(),
            orders_sent=rows["orders_sent"].tolist(),
        )

    def check(self) -> None:
        """Positions sum to zero and cash to minus fees; anything else is a defect of ours."""
        entries = self.accounts().values()
        assert sum(e.position_lots for e in entries) == 0, "positions do not sum to zero"
        cash, fees = sum(e.cash for e in entries), sum(e.fees for e in entries)
        assert cash == -fees, "cash does not sum to minus fees"
        assert all(e.bought_lots - e.sold_lots == e.position_lots for e in entries)


def _read(row: AccountRow) -> LedgerEntry:
    return LedgerEntry(
        cash=row.cash.value,
        position_lots=row.position_lots,
        fees=row.fees.value,
        fills=row.fills,
        aggressive_lots=row.aggressive_lots,
        bought_lots=row.bought_lots,
        sold_lots=row.sold_lots,
    )
