"""The one ledger: exact integers for every account.

Money is counted in millionths of tick-lots, so that fees in parts per million are exact. Every execution
moves cash and position between two accounts, and fees out of them:

    sum over accounts of (cash + position x mark) = - fees        exactly, at any mark, always

(positions sum to zero, so the mark does not matter). `check()` asserts it; tests call it everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MICRO", "FeeSchedule", "Ledger", "LedgerEntry"]

MICRO = 1_000_000
"""Money units per tick-lot."""


class FeeSchedule(NamedTuple):
    """Fees in parts per million of notional; a negative maker fee is a rebate."""

    maker_ppm: int = 0
    taker_ppm: int = 0


class LedgerEntry:
    """One account's books."""

    __slots__ = ("aggressive_lots", "bought_lots", "cash", "fees", "fills", "position_lots", "sold_lots")

    def __init__(self) -> None:
        self.cash = 0
        self.position_lots = 0
        self.fees = 0
        self.fills = 0
        self.aggressive_lots = 0
        self.bought_lots = 0
        self.sold_lots = 0


class Ledger:
    """Cash, position and fees of all accounts."""

    def __init__(self, fees: FeeSchedule = FeeSchedule()) -> None:  # noqa: B008 - an immutable tuple
        self.fees = fees
        self._entries: dict[int, LedgerEntry] = {}

    def open_account(self, account: int) -> LedgerEntry:
        """The account's entry, made on first use."""
        entry = self._entries.get(account)
        if entry is None:
            entry = self._entries[account] = LedgerEntry()
        return entry

    def execute(
        self, *, maker: int, taker: int, taker_side: int, price_ticks: int, qty_lots: int
    ) -> tuple[int, int]:
        """Book one execution. Returns (maker_fee, taker_fee) in money units."""
        assert qty_lots > 0
        notional = price_ticks * qty_lots
        maker_fee = notional * self.fees.maker_ppm
        taker_fee = notional * self.fees.taker_ppm
        sign = 1 if taker_side == 0 else -1
        give, take = self.open_account(maker), self.open_account(taker)
        cash = sign * notional * MICRO
        take.cash -= cash + taker_fee
        give.cash += cash - maker_fee
        take.position_lots += sign * qty_lots
        give.position_lots -= sign * qty_lots
        take.fees += taker_fee
        give.fees += maker_fee
        take.fills += 1
        give.fills += 1
        take.aggressive_lots += qty_lots
        buyer, seller = (take, give) if sign > 0 else (give, take)
        buyer.bought_lots += qty_lots
        seller.sold_lots += qty_lots
        return maker_fee, taker_fee

    def position(self, account: int) -> int:
        """Lots held (negative: short)."""
        entry = self._entries.get(account)
        return entry.position_lots if entry else 0

    def equity(self, account: int, twice_mid_ticks: int) -> int:
        """Cash plus position at mid, in money units; `twice_mid_ticks` = best bid + best ask.

        MICRO is even, so half ticks stay exact.
        """
        entry = self._entries.get(account)
        if entry is None:
            return 0
        return entry.cash + entry.position_lots * twice_mid_ticks * (MICRO // 2)

    def accounts(self) -> dict[int, LedgerEntry]:
        """All entries by account number."""
        return self._entries

    def check(self) -> None:
        """Positions sum to zero and cash to minus fees; anything else is a defect of ours."""
        entries = self._entries.values()
        assert sum(e.position_lots for e in entries) == 0, "positions do not sum to zero"
        assert sum(e.cash for e in entries) == -sum(e.fees for e in entries), (
            "cash does not sum to minus fees"
        )
        assert all(e.bought_lots - e.sold_lots == e.position_lots for e in entries)
