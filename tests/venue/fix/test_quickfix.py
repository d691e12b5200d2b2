"""QuickFIX, unmodified, as the counterparty: orders, a lost link, market data, its own dictionary.

Needs the environment "fix" that tests/real/run.sh makes; without it the tests skip. STORMDESK_QUICKFIX and
STORMDESK_FIX44 may name another Python with QuickFIX, and another dictionary.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.core.types import Side, TimeInForce
from engine.venue.fix import FixServer
from engine.venue.keys import KeyStore
from tests.real.environments import DICTIONARY as DICTIONARY_SOURCE
from tests.real.environments import python_of
from tests.venue.fix.bench import Market

_ENVIRONMENT, _, _FILE = DICTIONARY_SOURCE
PYTHON = os.environ.get("STORMDESK_QUICKFIX") or str(python_of(_ENVIRONMENT))
DICTIONARY = os.environ.get("STORMDESK_FIX44") or str(Path(PYTHON).parents[1] / _FILE)
PATIENCE_S = 20

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(
        not (Path(PYTHON).is_file() and Path(DICTIONARY).is_file()),
        reason="there is no environment 'fix': tests/real/run.sh quickfix_fix44 makes it",
    ),
]


class Initiator:
    """The process, its events, and a market that moves on meanwhile."""

    def __init__(self, market: Market, server: FixServer, process: asyncio.subprocess.Process) -> None:
        self.market, self.server, self.process = market, server, process
        self.events: list[dict[str, Any]] = []
        self.seen = 0

    async def read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.events.append(json.loads(line))

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def next(self, **wanted: str) -> dict[str, str]:
        """The next application message with these fields; everything before it is passed over."""
        fields = {int(tag.lstrip("_")): value for tag, value in wanted.items()}

        async def look() -> dict[str, str]:
            while True:
                while self.seen < len(self.events):
                    event = self.events[self.seen]
                    self.seen += 1
                    pairs = [part.partition("=") for part in event.get("text", "").split("|")]
                    found = {tag: value for tag, _, value in reversed(pairs) if tag}
                    if event["event"] == "app" and all(found.get(str(t)) == v for t, v in fields.items()):
                        return found
                await asyncio.sleep(0.005)

        try:
            return await asyncio.wait_for(look(), PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"{wanted} did not come: {self.events[-8:]}") from None

    def assert_nothing_was_rejected(self) -> None:
        assert not [one for one in self.events if "|35=3|" in one.get("text", "")]

    async def happens(self, event: str, count: int = 1) -> None:
        async def look() -> None:
            while sum(one["event"] == event for one in self.events) < count:
                await asyncio.sleep(0.005)

        try:
            await asyncio.wait_for(look(), PATIENCE_S)
        except TimeoutError:
            raise AssertionError(f"no {event}: {self.events[-8:]}") from None


@pytest.fixture
async def initiator(tmp_path: Path) -> AsyncIterator[Initiator]:
    market, keys = Market(), KeyStore()
    new = keys.create("quickfix")
    server = FixServer(lambda: market, keys)  # type: ignore[arg-type,return-value]
    await server.start()
    assert server.address is not None
    process = await asyncio.create_subprocess_exec(
        PYTHON,
        str(Path(__file__).with_name("quickfix_initiator.py")),
        *(str(server.address[1]), new.api_key, new.secret, DICTIONARY, str(tmp_path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
    )
    client = Initiator(market, server, process)

    async def move() -> None:
        while True:
            market.run()
            await asyncio.sleep(0.01)

    tasks = [asyncio.ensure_future(client.read()), asyncio.ensure_future(move())]
    yield client
    if process.returncode is None:
        client.send("quit")
        await asyncio.wait_for(process.wait(), PATIENCE_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.stop()


async def test_quickfix_trades_loses_its_link_and_misses_nothing(initiator: Initiator) -> None:
    market = initiator.market
    await initiator.happens("logon")
    initiator.send("D 11=a 55=ACMEUSD 54=1 38=10 40=2 44=100.00 59=1")
    await initiator.next(_35="8", _150="0", _11="a")
    market.quote(Side.ASK, 10_000, 4, TimeInForce.IOC)
    partial = await initiator.next(_35="8", _150="F", _39="1")
    assert float(partial["14"]) == 4
    initiator.send("G 11=b 41=a 55=ACMEUSD 54=1 38=12 40=2 44=99.00 59=1")
    await initiator.next(_35="8", _150="E")
    replaced = await initiator.next(_35="8", _150="5", _11="b", _41="a")
    assert (float(replaced["38"]), float(replaced["14"]), float(replaced["151"])) == (12, 4, 8)
    initiator.send("F 11=c 41=b 55=ACMEUSD 54=1")
    await initiator.next(_35="8", _150="6")
    await initiator.next(_35="8", _150="4", _39="4", _41="b")

    initiator.send("D 11=d 55=ACMEUSD 54=1 38=5 40=2 44=100.00 59=1")
    await initiator.next(_35="8", _150="0", _11="d")
    for connection in tuple(initiator.server._connections):
        connection.abort()
    await initiator.happens("logout")
    market.quote(Side.ASK, 10_000, 5, TimeInForce.IOC)
    await initiator.happens("logon", 2)
    fill = await initiator.next(_35="8", _150="F", _11="d")
    assert (fill["43"], fill["39"]) == ("Y", "2")
    assert any(one["event"] == "said" and "|35=2|" in one["text"] for one in initiator.events)

    initiator.send("F 11=e 41=nobody 55=ACMEUSD 54=1")
    await initiator.next(_35="9", _102="1")
    initiator.send("D 11=f 55=ACMEUSD 54=1 38=90000 40=2 44=100.00 59=1")
    await initiator.next(_35="8", _39="8", _103="3")
    initiator.send("D 11=g 55=ACMEUSD 54=1 38=5 40=2 44=100.00 59=1 18=6")
    await initiator.next(_35="8", _39="0", _11="g")
    initiator.send("H 11=g 55=ACMEUSD 54=1")
    await initiator.next(_35="8", _150="I", _11="g")
    initiator.send("q 11=h 530=7")
    await initiator.next(_35="r", _531="7", _533="1")
    market.trade(10_000)
    initiator.send("D 11=i 55=ACMEUSD 54=1 38=5 40=3 99=101.00 59=1")
    await initiator.next(_35="8", _39="0", _11="i", _40="3")
    initiator.send("R 131=q 146=1 55=ACMEUSD")
    await initiator.next(_35="j", _380="3")
    initiator.assert_nothing_was_rejected()


async def test_quickfix_follows_market_data(initiator: Initiator) -> None:
    market = initiator.market
    await initiator.happens("logon")
    market.quote(Side.BID, 9_990, 7)
    await asyncio.sleep(0.05)
    market.run(200_000_000)
    initiator.send("V 262=depth 263=1 264=0 265=1 267=2 269=0 269=1 146=1 55=ACMEUSD")
    snapshot = await initiator.next(_35="W", _262="depth")
    assert snapshot["268"] == "1"
    market.quote(Side.ASK, 10_010, 3)
    entry = await initiator.next(_35="X", _262="depth", _279="0", _269="1")
    assert (float(entry["270"]), float(entry["271"])) == (100.10, 3)
    market.trade(10_001)
    initiator.send("V 262=trades 263=1 264=1 265=1 267=1 269=2 146=1 55=ACMEUSD")
    last = await initiator.next(_35="W", _262="trades")
    assert (last["269"], float(last["270"])) == ("2", 100.01)
    market.trade(10_000)
    trade = await initiator.next(_35="X", _262="trades", _269="2")
    assert float(trade["270"]) == 100
    initiator.send("V 262=top 263=1 264=1 265=1 267=2 269=0 269=1 146=1 55=ACMEUSD")
    await initiator.next(_35="W", _262="top")
    market.quote(Side.BID, 10_001, 2)
    await initiator.next(_35="X", _262="top", _269="0", _270="100.01000000")
    initiator.send("V 262=top 263=1 264=1 265=1 267=2 269=0 269=1 146=1 55=ACMEUSD")
    await initiator.next(_35="Y", _262="top", _281="1")
    initiator.send("x 320=list 559=4")
    listed = await initiator.next(_35="y", _320="list")
    assert (listed["55"], listed["15"]) == ("ACMEUSD", "USD")
    initiator.assert_nothing_was_rejected()
