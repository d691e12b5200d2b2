"""OUCH and ITCH over real connections on loopback, with our own SoupBinTCP client at the other end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pytest

from engine.core.clock import monotonic_ns
from engine.core.errors import UsageError
from engine.core.types import Side
from engine.feeds.itch.messages import read_message
from engine.feeds.itch.writer import ItchWriter, framed
from engine.feeds.transport import soupbintcp as soup
from engine.feeds.transport.addresses import Address
from engine.feeds.transport.soup_client import (
    ClientEvent,
    ClientState,
    LoggedIn,
    LoginRefused,
    SequencedMessage,
    SessionEnded,
    SoupClient,
)
from engine.venue.keys import Key, KeyKind, KeyStore, Permission
from engine.venue.ouch import server as server_module
from engine.venue.ouch.itch_server import ItchSoupServer, RetainedFeed
from engine.venue.ouch.logins import soup_password
from engine.venue.ouch.messages import (
    RESPONSES,
    CancelOrder,
    EnterOrder,
    OrderAccepted,
    OrderCanceled,
    OrderExecuted,
    OrderReplaced,
    Rejected,
    ReplaceOrder,
    SystemEvent,
)
from engine.venue.ouch.port import NONSENSE_LIMIT
from engine.venue.ouch.server import OuchServer, session_name
from engine.venue.ouch.wire import OuchMessage, write
from tests.host.hosts import live
from tests.venue.ouch.market import Market

PATIENCE_S = 20.0
SECRET = "s3cret-of-the-trader"


def key(name: str, secret: str = SECRET, *permissions: Permission, kind: KeyKind = KeyKind.HMAC) -> Key:
    return Key(name, f"digest of {name}", kind, secret, permissions or (Permission.READ, Permission.TRADE))


KEYS = KeyStore(
    (
        key("trader-1"),
        key("trader-2", "another"),
        key("reader", SECRET, Permission.READ),
    )
)


class Bot:
    """A client that keeps what it heard, over as many connections as it takes."""

    writers: ClassVar[list[asyncio.StreamWriter]] = []
    """Of all bots of a test."""

    def __init__(self, address: Address | None, secret: str = SECRET, user: str = "TRADER") -> None:
        assert address is not None
        self.address = address
        self.client = SoupClient(user, soup_password(secret))
        self.heard: list[OuchMessage] = []
        self.taken = 0
        """Of what was heard, what tests have looked at."""
        self.sequences: list[int] = []
        self.events: list[ClientEvent] = []

    async def connect(self) -> Bot:
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.writers.append(self.writer)
        self.client.connected(monotonic_ns())
        self.flush()
        await self.until(lambda: self.client.state is not ClientState.LOGGING_IN)
        return self

    def send(self, *messages: OuchMessage | bytes) -> None:
        for message in messages:
            data = message if isinstance(message, bytes) else write(message)
            assert self.client.send(data, monotonic_ns())
        self.flush()

    def flush(self) -> None:
        self.writer.write(self.client.outgoing())

    async def until(self, is_enough: Callable[[], bool]) -> None:
        """Read until that is so, or until the connection ends."""
        async with asyncio.timeout(PATIENCE_S):
            while not is_enough():
                data = await self.reader.read(1 << 16)
                if not data:
                    break
                for event in self.client.receive(data, monotonic_ns()):
                    self.events.append(event)
                    if isinstance(event, SequencedMessage):
                        self.sequences.append(event.sequence)
                        message, _ = RESPONSES.read(event.message)
                        if message is not None:
                            self.heard.append(message)

    async def get(self, count: int) -> list[OuchMessage]:
        """The next messages, just so many."""
        start, end = self.taken, self.taken + count
        await self.until(lambda: len(self.heard) >= end)
        self.taken = len(self.heard)
        return self.heard[start:]

    def cut(self) -> None:
        """Lose the connection without a word."""
        self.writer.transport.abort()
        self.client.disconnected()

    async def is_cut_off(self) -> bool:
        await self.until(lambda: False)
        self.client.disconnected()
        self.writer.close()
        return True


@pytest.fixture(autouse=True)
async def _closing() -> AsyncIterator[None]:
    """Nobody leaves a connection open."""
    Bot.writers.clear()
    yield
    for writer in Bot.writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def serving(*markets: Market, keys: KeyStore = KEYS) -> AsyncIterator[tuple[OuchServer, list[Market]]]:
    """A server of the last of the markets in the list, which tests may lengthen."""
    loop = asyncio.get_running_loop()
    hosts = list(markets) or [Market()]

    def find() -> Market:
        return hosts[-1]

    for market in hosts:
        market.after_request = lambda market=market: loop.call_soon(market.run)
    server = OuchServer(find, keys)  # type: ignore[arg-type]  # Market passes on what VenuePort has
    await server.start()
    try:
        yield server, hosts
    finally:
        await server.stop()


def enter(number: int, side: str = "B", quantity: int = 100, price: int = 1_000_000) -> EnterOrder:
    return EnterOrder(number, side, quantity, "ACME", price, "0", "Y", "P", "N", "N", f"CL{number}")


async def test_orders_fills_and_a_lost_connection() -> None:
    async with serving() as (server, (market,)):
        bot = await Bot(server.address).connect()
        assert bot.client.session == session_name("one")
        bot.send(enter(1))
        start, accepted = await bot.get(2)
        assert isinstance(start, SystemEvent)
        assert isinstance(accepted, OrderAccepted)
        market.take(Side.ASK, 10_000, 30)
        (executed,) = await bot.get(1)
        assert isinstance(executed, OrderExecuted)
        bot.send(ReplaceOrder(1, 2, 100, 1_000_100, "0", "Y", "N", "NEW"))
        (replaced,) = await bot.get(1)
        assert isinstance(replaced, OrderReplaced)
        assert (replaced.quantity, replaced.price) == (70, 1_000_100)
        bot.cut()
        market.take(Side.ASK, 10_001, 20)
        market.take(Side.ASK, 10_001, 5)
        await bot.connect()
        missed = await bot.get(2)
        assert [message.quantity for message in missed if isinstance(message, OrderExecuted)] == [20, 5]
        bot.send(CancelOrder(2, 0))
        (canceled,) = await bot.get(1)
        assert isinstance(canceled, OrderCanceled)
        assert canceled.quantity == 45
        assert bot.sequences == list(range(1, 8))
        statistics = server.statistics()
        assert (statistics["logins"], statistics["accepted"], statistics["executed"]) == (2, 2, 3)
        assert statistics["gaps"] == statistics["malformed"] == 0


async def test_a_second_client_of_a_key_reads_all_from_the_beginning() -> None:
    async with serving() as (server, _):
        bot = await Bot(server.address).connect()
        bot.send(enter(1), enter(2))
        await bot.get(3)
        other = await Bot(server.address).connect()
        assert await other.get(3) == bot.heard


async def test_keys_with_like_names_have_ports_of_their_own() -> None:
    async with serving() as (server, _):
        one = await Bot(server.address).connect()
        two = await Bot(server.address, "another", "trader").connect()
        one.send(enter(1))
        two.send(enter(1, quantity=50))
        _, first = await one.get(2)
        _, second = await two.get(2)
        assert isinstance(first, OrderAccepted)
        assert isinstance(second, OrderAccepted)
        assert (first.quantity, second.quantity) == (100, 50)
        assert server.statistics()["ports"] == 2


@pytest.mark.parametrize(
    ("user", "secret"), [("TRADER", "wrong"), ("nobody", SECRET), ("reader", SECRET), ("", SECRET)]
)
async def test_who_may_not_trade_is_refused(user: str, secret: str) -> None:
    async with serving() as (server, _):
        bot = await Bot(server.address, secret, user).connect()
        assert [type(event) for event in bot.events] == [LoginRefused]
        assert await bot.is_cut_off()
        assert server.statistics()["refused"] == 1
        assert server.statistics()["ports"] == 0


async def test_a_key_without_a_secret_cannot_log_in() -> None:
    """Its public key is no secret, so nothing made of it may be a password."""
    store = KeyStore()
    store._by_digest["x"] = key("trader", "PEM", kind=KeyKind.ED25519)
    async with serving(keys=store) as (server, _):
        bot = await Bot(server.address, "PEM").connect()
        assert isinstance(bot.events[0], LoginRefused)


async def test_another_session_ends_the_old_one_and_begins_anew() -> None:
    async with serving() as (server, markets):
        bot = await Bot(server.address).connect()
        bot.send(enter(1))
        await bot.get(2)
        markets.append(Market("two"))
        await bot.until(lambda: bot.client.state is ClientState.ENDED)
        assert isinstance(bot.heard[-1], SystemEvent)
        assert bot.heard[-1].event == "E"
        assert isinstance(bot.events[-1], SessionEnded)
        fresh = await Bot(server.address).connect()
        assert fresh.client.session == session_name("two")
        fresh.send(enter(1))
        loop = asyncio.get_running_loop()
        markets[-1].after_request = lambda: loop.call_soon(markets[-1].run)
        loop.call_soon(markets[-1].run)
        start, accepted = await fresh.get(2)
        assert isinstance(start, SystemEvent)
        assert isinstance(accepted, OrderAccepted)


async def test_an_instrument_that_ouch_cannot_hold_is_refused() -> None:
    fine = Market("fine", tick_size=Decimal("0.00001"))
    with pytest.raises(UsageError, match="finer than OUCH"):
        OuchServer(lambda: fine, KEYS)  # type: ignore[arg-type,return-value]
    async with serving() as (server, markets):
        markets.append(fine)
        bot = await Bot(server.address).connect()
        assert isinstance(bot.events[0], LoginRefused)
        assert server.error is not None
        assert "finer" in server.error


async def test_a_venue_that_loses_connections_or_is_down() -> None:
    async with serving() as (server, (market,)):
        bot = await Bot(server.address).connect()
        bot.send(enter(1))
        await bot.get(2)
        market.boundary.connections_lost += 1
        assert await bot.is_cut_off()
        market.boundary.is_down = True
        down = await Bot(server.address).connect()
        assert isinstance(down.events[0], LoginRefused)
        market.boundary.is_down = False
        market.take(Side.ASK, 10_000, 10)
        await bot.connect()
        (executed,) = await bot.get(1)
        assert isinstance(executed, OrderExecuted)


async def test_messages_that_were_missed_are_made_up() -> None:
    async with serving() as (server, (market,)):
        bot = await Bot(server.address).connect()
        bot.send(enter(1))
        await bot.get(2)
        server._since = -1_000_000  # as if the ring had gone round
        market.take(Side.ASK, 10_000, 10)
        (executed,) = await bot.get(1)
        assert isinstance(executed, OrderExecuted)
        assert server.statistics()["gaps"] == 1
        bot.send(CancelOrder(1, 0))
        (canceled,) = await bot.get(1)
        assert isinstance(canceled, OrderCanceled)
        assert canceled.quantity == 90


async def test_nonsense_ends_the_connection_and_nothing_else() -> None:
    async with serving() as (server, _):
        good = await Bot(server.address).connect()
        bad = await Bot(server.address, "another", "trader").connect()
        bad.send(*[b"?"] * (NONSENSE_LIMIT + 1))
        assert await bad.is_cut_off()
        good.send(enter(1))
        await good.get(2)
        assert server.statistics()["malformed"] == NONSENSE_LIMIT + 1
        _, stranger = await asyncio.open_connection(*good.address)
        Bot.writers.append(stranger)
        stranger.write(soup.pack_soup(b"U", b"order") * 10 + b"\xff\xff" + b"x" * 70_000)
        again = await Bot(server.address, "another", "trader").connect()
        assert isinstance(again.events[0], LoggedIn)


async def test_responses_that_are_not_kept_any_more_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MEMORY_BYTES", 4_096)
    monkeypatch.setattr(server_module, "SPILL_BYTES", 0)
    monkeypatch.setattr(server_module, "SEGMENT_BYTES", 1_024)
    async with serving() as (server, _):
        bot = await Bot(server.address).connect()
        for number in range(1, 301):
            bot.send(enter(number, quantity=0))
            await bot.until(lambda count=number: len(bot.heard) > count)
        late = await Bot(server.address).connect()
        assert isinstance(late.events[0], LoginRefused)
        assert bot.client.next_sequence == 302
        bot.cut()
        await bot.connect()
        assert bot.client.state is ClientState.LOGGED_IN


async def test_a_port_that_is_taken_and_an_address_beyond_this_machine_are_told() -> None:
    async with serving() as (server, (market,)):
        assert server.address is not None
        second = OuchServer(lambda: market, KEYS, port=server.address.port)  # type: ignore[arg-type,return-value]
        with pytest.raises(UsageError, match="Choose another port"):
            await second.start()
        with pytest.raises(UsageError, match="loopback"):
            OuchServer(lambda: market, KEYS, host_name="192.0.2.1")  # type: ignore[arg-type,return-value]


def test_passwords_are_in_nothing_that_is_shown() -> None:
    password = soup_password(SECRET)
    assert len(password) == soup.PASSWORD_BYTES
    assert password.isalnum()
    assert password not in SECRET
    assert soup_password("another") != password
    assert SECRET not in repr(KEYS.keys)


async def test_a_bot_trades_in_a_market_that_runs_and_the_ledger_agrees(tmp_path: Path) -> None:
    host = live(tmp_path, speed=20.0)
    host.run_thread()
    server = OuchServer(lambda: host.venue, KEYS)
    await server.start()
    try:
        bot = await Bot(server.address).connect()
        number = 0
        while sum(isinstance(message, OrderExecuted) for message in bot.heard) < 20 and number < 2_000:
            number += 1
            market_order = 0x7FFF_FFFF
            bot.send(enter(number, "BS"[number % 2], 5, market_order))
            await bot.until(lambda number=number: closed(bot, number))
        account = host.venue.open_account("trader-1")
        told = [
            (message.match_number, message.quantity)
            for message in bot.heard
            if isinstance(message, OrderExecuted)
        ]
        assert told == [(fill.trade_id, fill.qty_lots) for fill in host.venue.broker.fills(account)]
        assert len(told) >= 20
        assert not host.venue.broker.open_orders(account)
        assert bot.sequences == list(range(1, len(bot.sequences) + 1))
    finally:
        await server.stop()
        host.stop()


def closed(bot: Bot, number: int) -> bool:
    """Whether all of an order of five is accounted for."""
    gone = [
        message.quantity
        for message in bot.heard[-12:]
        if isinstance(message, OrderExecuted | OrderCanceled) and message.user_ref_num == number
    ]
    last = bot.heard[-1] if bot.heard else None
    return sum(gone) >= 5 or (isinstance(last, Rejected) and last.user_ref_num == number)


# -- the feed ------------------------------------------------------------------------------------------------


async def test_the_feed_is_read_over_soup_from_any_message_on() -> None:
    market = Market()
    feed, writer = RetainedFeed(), ItchWriter(market.instrument)

    def publish(messages: list[bytes]) -> None:
        if messages:
            feed.publish_blocks(b"".join(framed(message) for message in messages), len(messages))

    publish(writer.opening())
    market.session.exchange.watch_events(lambda events: publish(writer.messages_of(events)))
    server = ItchSoupServer(feed.log, KEYS, session_id="one")
    await server.start()
    try:
        whole = await Bot(server.address, SECRET, "reader").connect()
        market.rest(Side.ASK, 10_001, 50)
        market.take(Side.BID, 10_001, 20)
        market.session.exchange.hand_over_events()
        await whole.until(lambda: len(whole.sequences) >= 7)
        contents = [event.message for event in whole.events if isinstance(event, SequencedMessage)]
        letters = [message.letter for content in contents if (message := read_message(content)) is not None]
        assert letters == ["S", "R", "H", "S", "S", "A", "E"]
        whole.cut()
        market.take(Side.BID, 10_001, 30)
        market.session.exchange.hand_over_events()
        publish(writer.closing(market.session.now_ns))
        feed.close()
        await whole.connect()
        await whole.until(lambda: whole.client.state is ClientState.ENDED)
        assert whole.sequences == list(range(1, 12))
        refused = await Bot(server.address, "wrong", "reader").connect()
        assert isinstance(refused.events[0], LoginRefused)
        assert server.statistics()["sequenced"] >= 11
        assert feed.statistics()["messages"] == 11
    finally:
        await server.stop()
