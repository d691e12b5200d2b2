"""The bot on FIX 4.4: an initiator of its own, with resends both ways, read by simplefix."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import simplefix

from engine.core.clock import wall_ns
from engine.venue.fix.wire import timestamp
from tests.venue.traders import SeenFill, Trader, until

__all__ = ["FixTrader"]

_OPEN = {"0", "1", "6", "A", "E"}


class FixTrader(Trader):
    """Plain orders, replacements and cancels; remembers what it sent, for resends."""

    name = "fixbot"

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.next_out = self.expected = 1
        self.open: dict[str, tuple[str, str]] = {}
        """By ClOrdID: OrderID and side."""
        self.final: dict[int, tuple[bool, int]] = {}
        """By OrderID: whether it is open, and CumQty in lots."""
        self.exec_ids: dict[str, int] = {}
        """ExecID, and how often it came in a message that was not a resend of a known number."""
        self.unanswered: set[str] = set()
        self.resent = 0
        """Messages that came as PossDup."""
        self.sent_again = 0
        self._kept: dict[int, tuple[str, list[tuple[int, Any]]]] = {}
        self._early: dict[int, simplefix.FixMessage] = {}
        self._is_asking = False
        self._is_logged_on = False

    # -- session ---------------------------------------------------------------------------------------

    async def connect(self) -> None:
        assert self.venue.fix.address is not None
        self._reader, self._writer = await asyncio.open_connection(*self.venue.fix.address)
        self._parser = simplefix.FixParser()
        self._early.clear()
        self._is_asking = self._is_logged_on = False
        fields: list[tuple[int, Any]] = [(98, 0), (108, 30), (553, self.key.api_key), (554, self.key.secret)]
        if self.next_out == 1:
            fields.append((141, "Y"))
        self._put("A", fields)
        await until(lambda: self._is_logged_on, self.read)

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def cut(self) -> None:
        self._writer.transport.abort()

    async def lose(self) -> None:
        for _ in range(3):
            self._act()
        await self._writer.drain()
        self.cut()
        self.reconnected += 1
        await self.connect()
        await until(lambda: not self.unanswered, self.read)

    async def read(self) -> None:
        data = await self._reader.read(1 << 16)
        assert data, "the venue closed the FIX connection"
        self._parser.append_buffer(data)
        while (message := self._parser.get_message()) is not None:
            self._take(message)

    def _take(self, message: simplefix.FixMessage) -> None:
        number, kind = int(_get(message, 34)), _get(message, 35)
        self.resent += _get(message, 43) == "Y"
        if kind == "A":
            self._is_logged_on = True
        if number > self.expected:
            if kind == "2":
                self._resend(message)
            if not self._is_asking:
                self._is_asking = True
                self._put("2", [(7, self.expected), (16, 0)])
            return
        if number < self.expected:
            assert _get(message, 43) == "Y", "a sequence number came twice"
            return
        if kind == "4":
            assert _get(message, 123) == "Y"
            self.expected = int(_get(message, 36))
            return
        self.expected += 1
        if _get(message, 43) != "Y":
            self._is_asking = False
        self._hear(kind, message)

    def _hear(self, kind: str, message: simplefix.FixMessage) -> None:
        if kind == "1":
            self._put("0", [(112, _get(message, 112))])
        elif kind == "2":
            self._resend(message)
        elif kind == "8":
            self._take_report(message)
        elif kind == "9":
            self.outcomes[f"refused: {_get(message, 58)}"] += 1
            self.unanswered.discard(_get(message, 11))
        elif kind == "r":
            self.unanswered.discard(_get(message, 11))
        else:
            assert kind in ("A", "0", "5"), message

    def _put(self, kind: str, fields: list[tuple[int, Any]], *, again: int = 0) -> None:
        message = simplefix.FixMessage()
        for tag, value in ((8, "FIX.4.4"), (35, kind), (49, "BOT"), (56, "STORMDESK")):
            message.append_pair(tag, value)
        now = timestamp(wall_ns())
        message.append_pair(34, again or self.next_out)
        message.append_pair(52, now)
        if again:
            message.append_pair(43, "Y")
            message.append_pair(122, now)
        for tag, value in fields:
            message.append_pair(tag, value)
        if not again:
            if kind in "DFGq":
                self._kept[self.next_out] = (kind, fields)
            self.next_out += 1
        self._writer.write(message.encode())

    def _resend(self, message: simplefix.FixMessage) -> None:
        gap, end = 0, self.next_out
        for number in range(int(_get(message, 7)), end):
            kept = self._kept.get(number)
            if kept is None:
                gap = gap or number
                continue
            if gap:
                self._put("4", [(123, "Y"), (36, number)], again=gap)
                gap = 0
            self.sent_again += 1
            self._put(*kept, again=number)
        if gap:
            self._put("4", [(123, "Y"), (36, end)], again=gap)

    # -- orders ----------------------------------------------------------------------------------------

    async def burst(self, count: int) -> None:
        for _ in range(count):
            self._act()
        await self._writer.drain()
        await until(lambda: not self.unanswered, self.read)

    async def withdraw(self) -> None:
        name = self.new_name()
        self.unanswered.add(name)
        self._put("q", [(11, name), (530, 7), (60, timestamp(wall_ns()))])
        await until(lambda: not self.unanswered and not self.open, self.read)

    def _act(self) -> None:
        name = self.new_name()
        self.unanswered.add(name)
        if self.open and self.chance(45):
            original = self.pick(self.open)
            _, side = self.open[original]
            about = [(41, original), (11, name), (55, self.venue.money.symbol), (54, side)]
            if self.chance(50):
                self._put("F", [*about, (60, timestamp(wall_ns())), (38, 1)])
                return
            price = self.venue.price(int(side) - 1, self.draw.below(7) - 2)
            self.sent += 1
            self._put("G", [*about, *self._terms("2", price, self.lots())])
            return
        self.sent += 1
        side, price = self.side_and_price()
        fields = [(11, name), (55, self.venue.money.symbol), (54, side + 1)]
        kind = self.draw.below(10)
        if kind < 6:
            fields += self._terms("2", price, self.lots())
            fields.append((59, self.pick("1134")))
        elif kind < 7:
            fields += [*self._terms("2", price, self.lots()), (18, "6")]
        elif kind < 9:
            fields += self._terms("1", 0, self.lots())
        else:
            away = 1 + self.draw.below(4)
            stop = self.venue.price(1 - side, away)
            fields += [*self._terms("3", 0, self.lots()), (99, self.venue.money.price_text(stop))]
        self._put("D", fields)

    def _terms(self, kind: str, price_ticks: int, lots: int) -> list[tuple[int, Any]]:
        fields: list[tuple[int, Any]] = [(40, kind), (38, lots), (60, timestamp(wall_ns()))]
        if price_ticks:
            fields.append((44, self.venue.money.price_text(price_ticks)))
        return fields

    def _take_report(self, report: simplefix.FixMessage) -> None:
        name, kind, order_id = _get(report, 11), _get(report, 150), _get(report, 37)
        exec_id = _get(report, 17)
        assert exec_id not in self.exec_ids, "an execution was told twice"
        self.exec_ids[exec_id] = int(_get(report, 34))
        self.outcomes[f"report {kind}/{_get(report, 39)}"] += 1
        if kind == "8":
            self.outcomes[f"refused: {_get(report, 58)}"] += 1
            self.unanswered.discard(name)
            return
        if kind not in ("6", "E"):
            self.unanswered.discard(name)
        if kind == "5":
            self.open.pop(_get(report, 41), None)
        lots = self.venue.money.lots
        if kind == "F":
            price, quantity = self.venue.money.ticks(_get(report, 31)), lots(_get(report, 32))
            fee = self.venue.money.micro(_get(report, 12))
            assert price is not None
            assert quantity is not None
            assert fee is not None
            self.fills.append(SeenFill(int(order_id), price, quantity, None, fee))
        is_open = _get(report, 39) in _OPEN
        cum, leaves = lots(_get(report, 14)), lots(_get(report, 151))
        assert cum is not None
        assert leaves is not None
        if is_open and kind not in ("6", "E"):
            assert lots(_get(report, 38)) == cum + leaves or kind == "D", report
        self.final[int(order_id)] = (is_open, cum)
        current = _get(report, 41) if kind in ("4", "6", "E") and _get(report, 41) else name
        if is_open:
            self.open[current] = (order_id, _get(report, 54))
        else:
            self.open.pop(current, None)


def _get(message: simplefix.FixMessage, tag: int) -> str:
    value = message.get(tag)
    return "" if value is None else value.decode("latin-1")
