"""Our matching engine as the matching benchmark calls it: in a batch, and one order a call.

Nothing is left out: every order passes the gate, is matched, booked in the ledger, published and digested.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from engine.arena.machine import live, load
from engine.core.types import Account, Instrument
from engine.market.batch import Request, RequestKind, enter_one, enter_requests
from engine.market.entries import NO_ROOM
from engine.market.exchange import Exchange
from engine.market.ledger import FeeSchedule
from tests.bench.matching_stream import REQUEST_DTYPE

__all__ = ["OurMatcher", "our_matcher"]

_ACCOUNT = int(Account.HISTORY)
"""Everybody trades as the one account that may trade with itself, as in the other engines."""
_LIMIT, _MARKET, _IOC, _CANCEL = (int(kind) for kind in RequestKind)


class OurMatcher:
    """An exchange of its own."""

    def __init__(self) -> None:
        instrument = Instrument("ACME", Decimal("0.01"), Decimal(1), "USD", 1)
        self.exchange = Exchange(instrument=instrument, fees=FeeSchedule(0, 20))
        self._one = live(enter_one)
        self._market = self.exchange.market.address

    @property
    def trades(self) -> int:
        """Executions so far."""
        return self.exchange.trade_count

    @property
    def lots_traded(self) -> int:
        """Their lots."""
        return self.exchange.market.traded_lots

    @staticmethod
    def prepare(requests: np.ndarray) -> np.ndarray:
        """Requests, dtype REQUEST_DTYPE, as the engine takes them."""
        assert requests.dtype == REQUEST_DTYPE
        prepared = np.zeros(len(requests), Request.dtype())
        for name in REQUEST_DTYPE.names or ():
            prepared[name] = requests[name]
        prepared["account"] = _ACCOUNT
        return prepared

    def match(self, requests: np.ndarray) -> None:
        """Carries out prepared requests in order."""
        self.exchange.enter_batch(enter_requests, requests)

    def limit(self, order_id: int, side: int, price: int, lots: int) -> None:
        """One limit order."""
        self._enter(_LIMIT, order_id, side, price, lots)

    def ioc(self, order_id: int, side: int, price: int, lots: int) -> None:
        """One immediate-or-cancel order."""
        self._enter(_IOC, order_id, side, price, lots)

    def market(self, order_id: int, side: int, lots: int) -> None:
        """One market order."""
        self._enter(_MARKET, order_id, side, 0, lots)

    def cancel(self, order_id: int) -> None:
        """One cancel."""
        self._enter(_CANCEL, order_id, 0, 0, 0)

    def digest(self) -> int:
        """Canonical L2 digest."""
        return self.exchange.book.digest()

    def _enter(self, kind: int, order_id: int, side: int, price: int, lots: int) -> None:
        while self._one(self._market, kind, order_id, _ACCOUNT, side, price, lots) == NO_ROOM:
            self.exchange.make_room()


def our_matcher() -> OurMatcher:
    """An empty one."""
    load()
    return OurMatcher()
