"""A market, a FIX gateway and simplefix clients in one hand: no sockets, no threads, time set by the test."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import simplefix

from engine.broker.terms import OrderTerms, OrderType, PlaceOrder
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.types import Command, TimeInForce
from engine.host.venue_port import VenuePort
from engine.scenarios.loader import load_scenario
from engine.session import Session, SessionConfig
from engine.venue.fix.gateway import FixGateway, Link
from engine.venue.fix.wire import timestamp
from engine.venue.keys import KeyStore, Permission

__all__ = ["Answer", "Bench", "Client", "Market", "as_text", "key_pair"]

REQUIRED = {
    "8": (37, 17, 150, 39, 55, 54, 151, 14, 6),
    "9": (37, 11, 41, 39, 434),
    "r": (37, 11, 530, 531),
    "j": (372, 380),
    "3": (45,),
    "W": (55, 268),
    "X": (268,),
    "Y": (262,),
    "y": (320, 322, 560),
    "B": (148, 33),
}
"""Required fields of FIX 4.4 (volume 6) in what the standard dialect sends."""
BINANCE_REQUIRED = {
    "8": (40, 54, 55, 150, 14, 32, 39),
    "9": (11, 55, 434, 25016, 58),
    "r": (55, 11, 530, 531),
    "XAR": (11, 55, 38, 25016, 58),
    "XLR": (6136, 25003),
    "W": (262, 55, 268),
    "X": (262, 268),
    "Y": (262,),
    "N": (429, 431),
    "y": (320, 146),
}
"""Required fields in Binance's schemas."""


class Answer:
    """A message from the gateway, decoded by simplefix."""

    def __init__(self, message: simplefix.FixMessage) -> None:
        self.message = message
        self.type = self[35]

    def __getitem__(self, tag: int) -> str:
        value = self.message.get(tag)
        return value.decode("latin-1") if value is not None else ""

    def all(self, tag: int) -> list[str]:
        """Every value of a tag."""
        return [value.decode("latin-1") for name, value in self.message.pairs if int(name) == tag]

    def __contains__(self, tag: int) -> bool:
        return self.message.get(tag) is not None

    def __repr__(self) -> str:
        return as_text(self.message)


def as_text(message: simplefix.FixMessage) -> str:
    """With | between the fields."""
    return "|".join(f"{int(tag)}={value.decode('latin-1')}" for tag, value in message.pairs)


class Market:
    """A real session without agents behind the real venue port; a rival quotes and takes."""

    def __init__(self, session_id: str = "one") -> None:
        scenario = load_scenario("minimal")
        self.session = Session(SessionConfig(scenario=scenario._replace(groups=()), seed=7))
        self.is_full = False
        self.port = VenuePort(
            self.session,
            session_id=session_id,
            frame=self._frame,
            put=self._put,
        )
        self.rival = self.port.open_account("rival")
        self.other = self.port.open_account("other")
        self._names = 0
        self.run()

    def _frame(self) -> Any:
        """Only the time of a frame."""
        return SimpleNamespace(market=SimpleNamespace(time_ns=self.session.now_ns))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)

    def run(self, time_ns: int = 20 * NS_PER_MS) -> None:
        """Lets session time pass; looks where public data have to be looked at."""
        until_ns = self.session.now_ns + time_ns
        while self.session.now_ns < until_ns:
            self.session.advance(min(until_ns, self.port.next_stop_ns))
            self.port.look()

    def trade(self, price_ticks: int) -> None:
        """A trade of one lot at this price, between others."""
        self.quote(0, price_ticks, 1)
        self.quote(1, price_ticks, 1, account=self.other)

    def quote(
        self,
        side: int,
        price_ticks: int,
        qty_lots: int,
        tif: TimeInForce = TimeInForce.GTC,
        *,
        account: int | None = None,
    ) -> str:
        """An order of the rival, or of another account."""
        self._names += 1
        name = f"r{self._names}"
        terms = OrderTerms(name, side, OrderType.LIMIT, tif, price_ticks, qty_lots)
        assert self.port.request(PlaceOrder(account or self.rival, self.port.next_request_id(), terms))
        self.run()
        return name

    def _put(self, commands: list[Command]) -> bool:
        if not self.is_full:
            for command in commands:
                self.session.accept(self.session.stamp(command))
        return not self.is_full


class Bench:
    """Gateway and market. `step` lets time pass in both and tells the news."""

    def __init__(self, market: Market | None = None) -> None:
        self.market: Market | None = market or Market()
        self.now_ns = 1_700_000_000 * NS_PER_S
        self.keys = KeyStore()
        self.delayed: list[tuple[int, Any]] = []
        self.gateway = FixGateway(
            lambda: self.market,  # type: ignore[arg-type,return-value]
            self.keys,
            clock=lambda: self.now_ns,
            later=lambda delay_ns, action: self.delayed.append((delay_ns, action)),
        )

    def step(self, time_ns: int = 20 * NS_PER_MS) -> None:
        self.now_ns += time_ns
        if self.market is not None:
            self.market.run(time_ns)
        self.gateway.news()
        self.gateway.tick()

    def client(self, name: str = "bot", **options: Any) -> Client:
        """A client with a new HMAC key, logged on in the standard dialect."""
        client = Client(self, self.key(name), **options)
        client.log_on()
        assert client.take().type == "A"
        return client

    def binance(self, name: str = "bot", **logon: Any) -> Client:
        """A client with a new Ed25519 key, logged on in Binance's dialect."""
        private, pem = key_pair()
        new = self.keys.create(name, public_key_pem=pem)
        client = Client(self, (new.api_key, ""), comp_id=name[:8], target="SPOT", private=private)
        client.log_on_binance(**logon)
        assert client.take().type == "A"
        return client

    def key(self, name: str, *, permissions: tuple[Permission, ...] | None = None) -> tuple[str, str]:
        more = {} if permissions is None else {"permissions": permissions}
        new = self.keys.create(name, **more)
        return new.api_key, new.secret


class Client:
    """One counterparty; keeps its own sequence number over reconnects and reads with simplefix."""

    def __init__(
        self,
        bench: Bench,
        key: tuple[str, str],
        *,
        comp_id: str = "CLIENT",
        target: str = "STORMDESK",
        private: Any = None,
    ) -> None:
        self.bench = bench
        self.key = key
        self.comp_id = comp_id
        self.target = target
        self.private = private
        self.sequence = 1
        self.expected = 1
        self.inbox: list[Answer] = []
        self.is_closed = False
        self.link: Link
        self._parser = simplefix.FixParser()
        self.connect()

    # -- wire ------------------------------------------------------------------------------------------

    def connect(self) -> None:
        self.is_closed = False
        self._parser = simplefix.FixParser()
        self.link = self.bench.gateway.open(self)

    def write(self, data: bytes) -> None:
        self._parser.append_buffer(data)
        while (message := self._parser.get_message()) is not None:
            self.inbox.append(Answer(message))

    def close(self) -> None:
        self.is_closed = True
        self.link.lost()

    def lose(self) -> None:
        """The connection breaks."""
        self.link.lost()

    # -- sending ---------------------------------------------------------------------------------------

    def encode(
        self, message_type: str, fields: Any = (), *, sequence: int | None = None, sent_ns: int | None = None
    ) -> bytes:
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, message_type)
        message.append_pair(49, self.comp_id)
        message.append_pair(56, self.target)
        message.append_pair(34, self.sequence if sequence is None else sequence)
        message.append_pair(52, timestamp(self.bench.now_ns if sent_ns is None else sent_ns))
        for tag, value in fields.items() if isinstance(fields, dict) else fields:
            message.append_pair(tag, value)
        if sequence is None:
            self.sequence += 1
        return message.encode()

    def send(self, message_type: str, fields: Any = (), **options: Any) -> None:
        self.link.feed(self.encode(message_type, fields, **options))

    def ask(self, message_type: str, fields: Any = (), **options: Any) -> list[Answer]:
        """Sends, lets time pass, gives what came."""
        self.send(message_type, fields, **options)
        self.bench.step()
        return self.heard()

    def log_on(self, *, reset: bool = True, heartbeat_s: int = 30, **more: Any) -> None:
        if reset:
            self.sequence = self.expected = 1
        fields = {98: 0, 108: heartbeat_s, 553: self.key[0], 554: self.key[1]}
        if reset:
            fields[141] = "Y"
        fields.update({int(tag): value for tag, value in more.get("fields", {}).items()})
        self.send("A", fields)

    def log_on_binance(self, *, fields: dict[int, Any] | None = None, signature: str | None = None) -> None:
        self.sequence = self.expected = 1
        payload = "\x01".join(["A", self.comp_id, self.target, "1", timestamp(self.bench.now_ns)])
        signed = signature or base64.b64encode(self.private.sign(payload.encode())).decode()
        all_fields = {95: len(signed), 96: signed, 98: 0, 108: 30, 141: "Y", 553: self.key[0], 25035: 1}
        self.send("A", all_fields | (fields or {}))

    # -- hearing ---------------------------------------------------------------------------------------

    def heard(self) -> list[Answer]:
        """What came since the last time; checks numbers and required fields."""
        found, self.inbox = self.inbox, []
        for answer in found:
            if answer[43] != "Y":
                self.expected = int(answer[34]) + 1
            table = BINANCE_REQUIRED if self.target == "SPOT" else REQUIRED
            for tag in table.get(answer.type, ()):
                assert tag in answer, f"{answer} lacks {tag}"
        return found

    def take(self) -> Answer:
        """The one message that came."""
        found = self.heard()
        assert len(found) == 1, found
        return found[0]

    def order(self, name: str, **more: Any) -> dict[int, Any]:
        """Fields of a limit order to buy 10 at 100.00."""
        fields: dict[int, Any] = {11: name, 55: "ACMEUSD", 54: 1, 60: timestamp(self.bench.now_ns), 38: 10}
        fields |= {40: 2, 44: "100.00", 59: 1}
        fields |= {int(tag.lstrip("_")): value for tag, value in more.items()}
        return {tag: value for tag, value in fields.items() if value is not None}


def key_pair() -> tuple[Any, str]:
    """(private key, public key in PEM)."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, pem.decode()
