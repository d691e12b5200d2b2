"""The bot on OUCH 5.0: what it has open follows from responses alone, over any number of connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

from engine.core.clock import monotonic_ns
from engine.feeds.transport.soup_client import ClientState, SequencedMessage, SoupClient
from engine.venue.ouch import messages as ouch
from engine.venue.ouch.codes import CancelReason
from engine.venue.ouch.logins import soup_password, soup_user
from engine.venue.ouch.wire import Options, OuchMessage, Tag, write
from tests.venue.traders import SeenFill, Trader, until

__all__ = ["OuchTrader"]

MARKET = 0x7FFF_FFFF
TICK = 100
"""A cent in OUCH's prices."""


class OuchTrader(Trader):
    """Enters, replaces, reduces and cancels."""

    name = "ouchbot"

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.number = 0
        self.open: dict[int, int] = {}
        """Open lots by UserRefNum; orders with none left stay."""
        self.executed: Counter[int] = Counter()
        self.before: Counter[int] = Counter()
        """What the orders that an order replaced have executed."""
        self.never_rested: set[int] = set()
        """Post-only orders that would have taken."""
        self.sequences: list[int] = []
        self._sides: dict[int, str] = {}
        self._entered: set[int] = set()
        self._client = SoupClient(soup_user(self.name), soup_password(self.key.secret))

    async def connect(self) -> None:
        assert self.venue.ouch.address is not None
        self._reader, self._writer = await asyncio.open_connection(*self.venue.ouch.address)
        self._client.connected(monotonic_ns())
        self._flush()
        await until(lambda: self._client.state is not ClientState.LOGGING_IN, self.read)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def cut(self) -> None:
        self._writer.transport.abort()
        self._client.disconnected()

    async def lose(self) -> None:
        """Requests that did not arrive are sent again: their numbers keep them from counting twice."""
        last = [self._act() for _ in range(3)]
        await self._writer.drain()
        self.cut()
        self.reconnected += 1
        await self.connect()
        for message in last:
            self._send(message)
        await until(lambda: not self._entered, self.read)

    async def burst(self, count: int) -> None:
        for _ in range(count):
            self._act()
        await self._writer.drain()
        await until(lambda: not self._entered, self.read)

    async def withdraw(self) -> None:
        self.number += 1
        self._send(ouch.MassCancel(self.number, "", ""))
        await until(lambda: not any(self.open.values()), self.read)

    async def read(self) -> None:
        data = await self._reader.read(1 << 16)
        assert data, "the venue closed the OUCH connection"
        for event in self._client.receive(data, monotonic_ns()):
            if isinstance(event, SequencedMessage):
                self.sequences.append(event.sequence)
                message, damage = ouch.RESPONSES.read(event.message)
                assert damage is None
                assert message is not None
                self._take(message)
        self._flush()

    def _send(self, message: OuchMessage) -> OuchMessage:
        assert self._client.send(write(message), monotonic_ns())
        self._flush()
        return message

    def _flush(self) -> None:
        if data := self._client.outgoing():
            self._writer.write(data)

    # -- orders ----------------------------------------------------------------------------------------

    def _act(self) -> OuchMessage:
        live = [number for number, lots in self.open.items() if lots]
        if live and self.chance(45):
            return self._send(self._about(self.pick(live[-40:])))
        self.number += 1
        self.sent += 1
        side, price = self.side_and_price()
        lots, tif, options = self.lots(), "0", Options()
        kind = self.draw.below(10)
        if kind == 0:
            price = MARKET // TICK
        elif kind < 3:
            tif = "3"
            options = {Tag.MIN_QTY: lots} if self.chance(50) else {}
        elif kind == 3:
            options = {Tag.POST_ONLY: "P"}
        elif kind == 4:
            options = {Tag.MAX_FLOOR: 1 + lots // 4}
        elif kind < 7:
            options = {Tag.AIQ_STRATEGY: self.pick("OWDY")}
        self._entered.add(self.number)
        self._sides[self.number] = "BS"[side]
        wire_price = MARKET if kind == 0 else price * TICK
        return self._send(
            ouch.EnterOrder(
                self.number, "BS"[side], lots, "ACME", wire_price, tif, "Y", "P", "N", "N",
                f"c{self.number}", options,
            )
        )  # fmt: skip

    def _about(self, number: int) -> OuchMessage:
        kind = self.draw.below(10)
        have = self.before[number] + self.executed[number] + self.open[number]
        if kind < 4:
            return ouch.CancelOrder(number, 0)
        if kind < 5:
            return ouch.CancelOrder(number, max(0, have - 1 - self.draw.below(3)))
        if kind < 6:
            return ouch.ModifyOrder(number, self._sides[number], have - 1)
        self.number += 1
        self.sent += 1
        side = self._sides[number]
        self._sides[self.number] = side
        price = self.venue.price("BS".index(side), self.draw.below(7) - 2) * TICK
        return ouch.ReplaceOrder(
            number, self.number, 1 + self.draw.below(40), price, "0", "Y", "N", f"c{self.number}"
        )

    def _take(self, message: OuchMessage) -> None:
        self.outcomes[message.title] += 1
        if isinstance(message, ouch.OrderAccepted):
            self._entered.discard(message.user_ref_num)
            self.open[message.user_ref_num] = message.quantity
        elif isinstance(message, ouch.OrderReplaced):
            original = message.original_user_ref_num
            self.open[original] = 0
            self.open[message.user_ref_num] = message.quantity
            self.before[message.user_ref_num] = self.before[original] + self.executed[original]
        elif isinstance(message, ouch.Rejected):
            self._entered.discard(message.user_ref_num)
            self.outcomes[f"rejected {message.reason}"] += 1
        elif isinstance(message, ouch.OrderExecuted):
            number = message.user_ref_num
            self._shrink(number, message.quantity)
            self.executed[number] += message.quantity
            assert message.price % TICK == 0
            self.fills.append(
                SeenFill(number, message.price // TICK, message.quantity, message.match_number, None)
            )
        elif isinstance(message, ouch.OrderCanceled | ouch.AiqCanceled):
            self._shrink(message.user_ref_num, message.quantity)
            if message.reason == CancelReason.POST_ONLY:
                self.never_rested.add(message.user_ref_num)
        elif isinstance(message, ouch.OrderModified):
            number = message.user_ref_num
            self.open[number] = message.quantity - self.before[number] - self.executed[number]

    def _shrink(self, number: int, lots: int) -> None:
        assert self.open[number] >= lots, "more is gone than there was"
        self.open[number] -= lots
