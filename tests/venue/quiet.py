"""A market without agents: the first key trades against the quotes of the second, so every answer is known.

asks   100.20 x 100
       100.10 x 100
last   100.00
bids    99.90 x 100
        99.80 x 100
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from engine.core.clock import NS_PER_MS
from engine.venue.keys import NewKey
from tests.venue.rig import Rest, Rig, quiet_scenario

QUOTES = (("SELL", "100.20"), ("SELL", "100.10"), ("BUY", "99.80"), ("BUY", "99.90"))


class Quiet(Rest):
    """Requests of the first key; `maker` is the second's name for orders."""

    def __init__(self, rig: Rig, http: httpx.AsyncClient) -> None:
        super().__init__(rig, http)
        self.symbol = rig.symbol
        self.other: NewKey = rig.keys.create("maker")

    async def send(self, method: str, path: str, *, key: NewKey | None = None, **params: Any) -> Any:
        """A signed request with the symbol; its JSON."""
        answer = await self.signed(method, path, key=key, symbol=self.symbol, **params)
        return answer.json()

    async def new(self, kind: str, side: str = "BUY", *, key: NewKey | None = None, **params: Any) -> Any:
        """A new order; its JSON."""
        return await self.send("POST", "/api/v3/order", key=key, type=kind, side=side, **params)

    async def quote(self, side: str, price: str, quantity: str = "100") -> Any:
        """A resting order of the other account."""
        return await self.new(
            "LIMIT", side, key=self.other, timeInForce="GTC", price=price, quantity=quantity
        )

    async def trade_at(self, price: str, quantity: str = "1") -> None:
        """The other account trades with itself: the last price is now this one."""
        for side in ("SELL", "BUY"):
            terms = {"price": price, "quantity": quantity, "selfTradePreventionMode": "NONE"}
            await self.new("LIMIT", side, key=self.other, timeInForce="GTC", **terms)

    def publish(self) -> None:
        """Lets time pass until the public book is as the market is now."""
        self.rig.port.advance(200 * NS_PER_MS)

    async def find(self, order_id: int) -> Any:
        """An order as GET order shows it."""
        return await self.send("GET", "/api/v3/order", orderId=order_id)

    async def balances(self, key: NewKey | None = None) -> dict[str, tuple[str, str]]:
        """(free, locked) by asset."""
        account = (await self.signed("GET", "/api/v3/account", key=key)).json()
        return {entry["asset"]: (entry["free"], entry["locked"]) for entry in account["balances"]}


@contextlib.asynccontextmanager
async def serve_quiet(rig: Rig | None = None) -> AsyncIterator[Quiet]:
    """The market above, served."""
    rig = rig or Rig(scenario=quiet_scenario())
    async with rig.serve(), httpx.AsyncClient(base_url=f"http://{rig.url}") as http:
        quiet = Quiet(rig, http)
        await quiet.trade_at("100.00")
        for side, price in QUOTES:
            await quiet.quote(side, price)
        yield quiet
