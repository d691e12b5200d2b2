"""A market for one test: a real session without agents behind the real venue port, moved by hand.

`Market` is what the OUCH server sees as its host. Requests arrive when `run` moves time on. Two more accounts
trade: the rival quotes, the taker takes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from engine.broker.terms import BrokerRequest, CancelOrder, OrderTerms, OrderType, PlaceOrder
from engine.core.clock import NS_PER_MS
from engine.core.types import Command, TimeInForce
from engine.feeds.transport.retained import RetainedMessages
from engine.frame import Frame
from engine.host.venue_port import VenuePort
from engine.scenarios.loader import load_scenario
from engine.session import Session, SessionConfig
from engine.venue.ouch.messages import RESPONSES
from engine.venue.ouch.orders import OrderRules
from engine.venue.ouch.port import OuchPort
from engine.venue.ouch.wire import OuchMessage, write

__all__ = ["Market", "PortBench", "quiet_session"]

LOG_BYTES = 1 << 22


def quiet_session(**instrument: Any) -> Session:
    """ACME at 0.01 USD, one share a lot, and nobody there."""
    scenario = load_scenario("minimal")
    terms = scenario.instrument._replace(**instrument)
    return Session(SessionConfig(scenario=scenario._replace(instrument=terms, groups=()), seed=7))


class _Now:
    """Only the time of a frame."""

    def __init__(self, session: Session) -> None:
        self.market = self
        self._session = session

    @property
    def time_ns(self) -> int:
        return self._session.now_ns


class Market:
    """A host in the tests' hands: everything that VenueHost has, `run`, and a rival's orders."""

    def __init__(self, session_id: str = "one", **instrument: Any) -> None:
        self.session = quiet_session(**instrument)
        self.is_full = False
        self.after_request: Callable[[], object] = lambda: None
        """Called after each request that was queued."""
        self.venue = VenuePort(
            self.session,
            session_id=session_id,
            frame=lambda: _Now(self.session),  # type: ignore[arg-type,return-value]
            put=self._put,
        )
        self.rival = self.venue.open_account("rival")
        self.taker = self.venue.open_account("taker")
        self._names = count(1)
        self.run()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.venue, name)

    def frame(self) -> Frame:
        return self.venue.frame()

    def run(self, time_ns: int = 20 * NS_PER_MS) -> None:
        """Let time pass: requests arrive, and who waits for news is called."""
        self.session.advance(self.session.now_ns + time_ns)
        self.venue.look()

    def rest(self, side: int, price_ticks: int, qty_lots: int) -> None:
        """The rival quotes."""
        self._order(self.rival, side, price_ticks, qty_lots, TimeInForce.GTC)
        self.run()

    def take(self, side: int, price_ticks: int, qty_lots: int, *, run: bool = True) -> None:
        """The taker takes what is there."""
        self._order(self.taker, side, price_ticks, qty_lots, TimeInForce.IOC)
        if run:
            self.run()

    def withdraw(self, account: int, client_order_id: str, *, run: bool = True) -> None:
        """Cancels an order of any account."""
        request = CancelOrder(account, self.venue.next_request_id(), client_order_id=client_order_id)
        assert self.venue.request(request)
        if run:
            self.run()

    def _order(
        self, account: int, side: int, price_ticks: int, qty_lots: int, time_in_force: TimeInForce
    ) -> None:
        name = f"r{next(self._names)}"
        terms = OrderTerms(name, side, OrderType.LIMIT, time_in_force, price_ticks, qty_lots)
        assert self.venue.request(PlaceOrder(account, self.venue.next_request_id(), terms))

    def _put(self, commands: list[Command]) -> bool:
        if not self.is_full:
            for command in commands:
                self.session.accept(self.session.stamp(command))
            self.after_request()
        return not self.is_full


class PortBench:
    """A port in a market: `send` a request, `heard` gives the responses since the last time."""

    def __init__(self, market: Market | None = None, name: str = "trader") -> None:
        self.market = market or Market()
        self.log = RetainedMessages(memory_bytes=LOG_BYTES, spill_bytes=0)
        self.account = self.market.venue.open_account(name)
        self.requests: list[BrokerRequest] = []
        self.since = self.market.told_count
        self.next = 1
        self.port = OuchPort(
            self.account,
            "TRAD",
            OrderRules(self.market.instrument),
            log=self.log,
            send=self._send,
            next_id=self.market.venue.next_request_id,
            now_ns=self.market.session.now_ns,
        )

    def send(self, message: OuchMessage | bytes, *, run: bool = True) -> list[OuchMessage]:
        """Send one request; with `run`, let it arrive and give what came back."""
        data = message if isinstance(message, bytes) else write(message)
        assert self.port.receive(data, self.market.session.now_ns)
        if not run:
            return []
        self.market.run()
        return self.heard()

    def hear(self) -> None:
        """Take in what was told."""
        for told in self.market.told(self.since):
            self.since = told.sequence
            if told.account == self.account:
                self.port.told(told)

    def heard(self) -> list[OuchMessage]:
        """Responses since the last time."""
        self.hear()
        responses = []
        while (run := self.log.read(self.next, 1 << 16, 1)) is not None:
            message, damage = RESPONSES.read(run.blocks[2:])
            assert damage is None
            assert message is not None
            responses.append(message)
            self.next += 1
        return responses

    def _send(self, request: BrokerRequest) -> bool:
        self.requests.append(request)
        return self.market.venue.request(request)
