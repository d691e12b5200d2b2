"""Three bots with dice: one on Binance's API, one on FIX, one on OUCH, over real sockets.

Each keeps only what it was told: which of its orders are open, what they have executed, each fill. They share
nothing but the prices at which they aim (`Venue.price`). All that they do follows from a seed; when their
requests meet in the market does not.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from engine.api.server import OrderApi, VenueOptions
from engine.broker.money import Money
from engine.core.rng import Stream
from engine.host.live import SessionHost
from engine.venue.binance.limits import Limits
from engine.venue.fix import FixServer
from engine.venue.keys import KeyStore, NewKey
from engine.venue.ouch.server import OuchServer

__all__ = ["BURST", "PATIENCE_S", "SeenFill", "Trader", "Venue"]

PATIENCE_S = 60.0
"""For one answer; a hang fails instead of lasting."""
BURST = 6
"""Requests that a bot sends at once, at most."""
WIDE = Limits(weight_1m=10**9, orders_10s=10**9, orders_1d=10**9)


class Venue:
    """All gateways around a host that runs in its own thread."""

    def __init__(self, host: SessionHost) -> None:
        self.host = host
        self.money = Money(host.session.exchange.instrument)
        self.keys = KeyStore()
        self.api = OrderApi(host, venue=VenueOptions(self.keys, WIDE))
        self.fix = FixServer(lambda: host.venue, self.keys)
        self.ouch = OuchServer(lambda: host.venue, self.keys)

    async def start(self) -> None:
        self.host.run_thread()
        self.api.start()
        assert await asyncio.to_thread(self.api.wait_listening, PATIENCE_S), self.api.error
        await self.fix.start()
        await self.ouch.start()

    async def stop(self) -> None:
        """Ends gateways and host; the recording is complete then."""
        await self.ouch.stop()
        await self.fix.stop()
        await asyncio.to_thread(self.api.stop)
        await asyncio.to_thread(self.host.stop, PATIENCE_S)
        assert self.host.failure is None, self.host.failure

    def account(self, name: str) -> int:
        return self.host.venue.open_account(name)

    def price(self, side: int, away: int) -> int:
        """So many ticks away from the best price of a side; below 0 it takes."""
        book = self.host.venue.market_data.image
        levels = (book.bids if side == 0 else book.asks)[0]
        best = int(levels[0]) if len(levels) else 10_000
        return best - away if side == 0 else best + away


class SeenFill(NamedTuple):
    """A fill as it was told."""

    order_id: int
    price_ticks: int
    qty_lots: int
    trade_id: int | None
    """None: the protocol does not tell it."""
    fee_micro: int | None


class Trader:
    """What the three have in common: a die, a goal, and what they have seen."""

    name = ""

    def __init__(self, venue: Venue, seed: int, orders: int, *, cuts: int = 0) -> None:
        """`orders`: to be sent, replacements included; `cuts`: how often the connection is lost meanwhile."""
        self.venue = venue
        self.key: NewKey = venue.keys.create(self.name)
        self.draw = Stream(seed, sum(self.name.encode()))
        self.wanted = orders
        self.sent = 0
        self.cuts_at = [orders * (one + 1) // (cuts + 1) for one in range(cuts)]
        self.reconnected = 0
        self.fills: list[SeenFill] = []
        self.outcomes: Counter[str] = Counter()
        self._names = 0

    # -- what protocols do -----------------------------------------------------------------------------

    async def connect(self) -> None:
        raise NotImplementedError

    async def burst(self, count: int) -> None:
        """Sends so many random requests and waits until they are answered."""
        raise NotImplementedError

    def cut(self) -> None:
        """Loses the connection without a word, answers under way included."""
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    async def withdraw(self) -> None:
        """Cancels all, and waits until every order is known to be closed."""
        raise NotImplementedError

    # -- running ---------------------------------------------------------------------------------------

    async def trade(self) -> None:
        """Sends all orders."""
        while self.sent < self.wanted:
            async with asyncio.timeout(PATIENCE_S):
                if self.cuts_at and self.sent >= self.cuts_at[0]:
                    self.cuts_at.pop(0)
                    await self.lose()
                await self.burst(min(1 + self.draw.below(BURST), self.wanted - self.sent))

    async def lose(self) -> None:
        """Sends something, loses the connection before the answers, and comes back."""
        raise NotImplementedError

    def new_name(self) -> str:
        self._names += 1
        return f"{self.name}-{self._names}"

    def chance(self, percent: int) -> bool:
        return self.draw.below(100) < percent

    def pick(self, choices: Any) -> Any:
        choices = list(choices)
        return choices[self.draw.below(len(choices))]

    def side_and_price(self) -> tuple[int, int]:
        """A side, and a price around the market: a third of them takes."""
        side = self.draw.below(2)
        return side, self.venue.price(side, self.draw.below(9) - 3)

    def lots(self) -> int:
        return 1 + self.draw.below(30)


async def until(is_so: Callable[[], bool], read: Callable[[], Any]) -> None:
    """Reads until that is so."""
    while not is_so():
        await read()
