"""The demo bot's own bookkeeping, in exact integers, from the execution reports that it was sent.

Invariant: realised + unrealised = value of all it traded at mid minus fees, exactly, whatever the rounding
of an average cost: what one part of a position does not take, the rest keeps. The desk's ledger reckons
the same account on its own; the two must agree.

A trade, in the sense of total_trades, is a fill that reduces a position; it wins or loses by its proceeds
against the average cost, after its fee. What a fill opens beyond that is no trade yet.

A new session of the desk knows nothing of the old one's positions. The books then settle what was open at
the last mid they saw, keep that equity, and go on from the new session's position (zero, or what the account
already holds there, at mid). Only another currency makes them start again at the beginning: there is no
honest rate between two made-up markets.
"""

from __future__ import annotations

from fractions import Fraction

from engine.agents.demo_maker import START_EQUITY_MICRO
from engine.market.ledger import MICRO

__all__ = ["DemoBooks"]

ONE_HALF = MICRO // 2


class DemoBooks:
    """Position, profit and trade counts; `open_session` must come first."""

    def __init__(self) -> None:
        self.currency = ""
        self.position_lots = 0
        self.total_trades = 0
        self.wins = 0
        self.losses = 0
        self._cost = 0
        """Of the open position (negative: sold for), in MICRO tick-lots."""
        self._realised = 0
        """Of this session, after fees, in MICRO tick-lots."""
        self._settled = Fraction(0)
        """Profit of earlier sessions, in millionths of currency."""
        self._twice_mid_ticks: int | None = None
        self._unpriced_lots = 0
        """Adopted before there was a mid; they get the first one."""
        self._tick_lot_value = Fraction(0)
        """Currency per tick-lot."""

    @property
    def cost_tick_lots(self) -> int:
        """What the position was bought for (negative: sold for), rounded towards zero."""
        return self._cost // MICRO if self._cost >= 0 else -(-self._cost // MICRO)

    def open_session(
        self, *, currency: str, tick_size: str, lot_size: str, position_lots: int, twice_mid_ticks: int | None
    ) -> None:
        """Carry equity over into a new session, in which the account holds position_lots."""
        if currency == self.currency:
            self._settled = self.realised_micro + self.unrealised_micro
        else:
            self.currency = currency
            self._settled = Fraction(0)
            self.total_trades = self.wins = self.losses = 0
        self._tick_lot_value = Fraction(tick_size) * Fraction(lot_size)
        self._realised = 0
        self._twice_mid_ticks = twice_mid_ticks
        self.position_lots = 0
        self._cost = 0
        self._unpriced_lots = 0
        self.adopt(position_lots)

    def adopt(self, position_lots: int) -> None:
        """Take over a position that was not traded here, or not heard of, at mid: no profit arises."""
        adopted_lots = position_lots - self.position_lots
        if self._twice_mid_ticks is None:
            self._unpriced_lots += adopted_lots
        else:
            self._cost += adopted_lots * self._twice_mid_ticks * ONE_HALF
        self.position_lots = position_lots

    def mark(self, twice_mid_ticks: int) -> None:
        """The mid has moved; best bid + best ask, so that half ticks stay whole."""
        self._cost += self._unpriced_lots * twice_mid_ticks * ONE_HALF
        self._unpriced_lots = 0
        self._twice_mid_ticks = twice_mid_ticks

    def fill(self, *, traded_lots: int, price_ticks: int, fee: int) -> None:
        """Book one execution: traded_lots bought (negative: sold), `fee` in MICRO tick-lots."""
        assert traded_lots
        held = self.position_lots
        profit = -fee
        closing = 0
        if held * traded_lots < 0:
            closing = traded_lots if abs(traded_lots) <= abs(held) else -held
            cost_of_closed = self._cost * -closing // held
            profit += -closing * price_ticks * MICRO - cost_of_closed
            self._cost -= cost_of_closed
            self.total_trades += 1
            self.wins += profit > 0
            self.losses += profit < 0
        self._cost += (traded_lots - closing) * price_ticks * MICRO
        self._realised += profit
        self.position_lots += traded_lots

    @property
    def realised_micro(self) -> Fraction:
        """Realised profit since the start, in millionths of currency."""
        return self._settled + self._realised * self._tick_lot_value

    @property
    def unrealised_micro(self) -> Fraction:
        """Profit of the open position at mid, in millionths of currency."""
        if self._twice_mid_ticks is None:
            return Fraction(0)
        worth = self.position_lots * self._twice_mid_ticks * ONE_HALF
        return (worth - self._cost) * self._tick_lot_value

    @property
    def equity_micro(self) -> Fraction:
        """Start equity plus all profit, in millionths of currency."""
        return START_EQUITY_MICRO + self.realised_micro + self.unrealised_micro
