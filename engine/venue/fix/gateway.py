"""The FIX gateway without its sockets: who is logged on, what was asked for them, what they are told.

Place on the data path: between links and the venue's host, on the gateway's loop. It outlives connections
and market sessions: sequence numbers stay, orders of a market that is gone do not. Invariant: nothing here
waits, and what is told is passed on in the order in which it was told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.broker.terms import BrokerRequest, ListEvent, OrderEvent, Refusal, Reply
from engine.core.clock import NS_PER_MS, NS_PER_S
from engine.core.errors import UsageError
from engine.venue.fix.binance import BinanceEntry
from engine.venue.fix.entry import OrderEntry
from engine.venue.fix.logon import BINANCE_COMP_ID, Login, read_logon
from engine.venue.fix.quotes import Quotes
from engine.venue.fix.rules import Dialect, Fault, Reject
from engine.venue.fix.session import Session, Wire
from engine.venue.fix.standard import StandardEntry
from engine.venue.fix.wire import Framer, Message, body_bytes, encode, timestamp
from engine.venue.keys import Key, KeyStore, Permission

if TYPE_CHECKING:
    from engine.venue.host import VenueHost

__all__ = ["LOGIN_PATIENCE_NS", "PENDING_LIMIT", "SESSION_LIMIT", "FixGateway", "Link"]

LOGIN_PATIENCE_NS = 10 * NS_PER_S
"""How long a connection may take to log on."""
SESSION_LIMIT = 256
"""Counterparties whose sequence numbers are kept; the oldest without a link is forgotten first."""
PENDING_LIMIT = 20_000
"""Requests without an answer; the oldest is given up first."""
EXEC_IDS_KEPT = 20_000
"""Events whose ExecID is remembered, so that an event told twice has one."""


class _Member:
    """A counterparty: its session, and what it does in the present market."""

    def __init__(self, session: Session, key: Key) -> None:
        self.session = session
        self.key = key
        self.account = -1
        self.entry: OrderEntry | None = None
        self.quotes: Quotes | None = None


class Link:
    """One connection: bytes in; the wire of its session."""

    def __init__(self, gateway: FixGateway, wire: Wire) -> None:
        self._gateway = gateway
        self.wire = wire
        self.framer = Framer()
        self.member: _Member | None = None
        self.opened_ns = gateway.now_ns
        self.is_over = False

    def feed(self, data: bytes) -> None:
        """Takes bytes as they come."""
        for message in self.framer.feed(data):
            if self.is_over:
                return
            if self.member is None:
                self._gateway.log_in(self, message)
            else:
                self._gateway.take(self, self.member, message)

    def write(self, data: bytes) -> None:
        """Sends bytes."""
        self.wire.write(data)

    def close(self) -> None:
        """Ends the connection, after what was written."""
        if not self.is_over:
            self.is_over = True
            self.wire.close()

    def lost(self) -> None:
        """The connection is gone."""
        self.is_over = True
        self._gateway.drop(self)


class FixGateway:
    """Sessions over one venue host.

    Links    open tick close_all
    Host     news (after it was woken)
    Entries  ask exec_id later now_ns
    """

    def __init__(
        self,
        host_provider: Callable[[], VenueHost | None],
        keys: KeyStore,
        *,
        clock: Callable[[], int],
        later: Callable[[int, Callable[[], None]], None],
        comp_id: str = "STORMDESK",
    ) -> None:
        self._host_provider = host_provider
        self._keys = keys
        self._clock = clock
        self._later = later
        self._comp_id = comp_id
        self._host: VenueHost | None = None
        self._market_id = ""
        """session_id of the market that is known."""
        self._told = 0
        """Sequence of the last message told that was read."""
        self._connections_lost = 0
        self._links: dict[Link, None] = {}
        self._members: OrderedDict[tuple[str, str, Dialect], _Member] = OrderedDict()
        self._pending: OrderedDict[int, Callable[[Reply], None]] = OrderedDict()
        self._exec_ids: OrderedDict[object, str] = OrderedDict()
        self._exec_count = 0
        self._garbled = self._ignored_bytes = 0
        self._counts = {"logons_refused": 0, "logon_timeouts": 0, "told_gaps": 0, "requests_refused": 0,
                        "unanswered": 0, "sessions_forgotten": 0, "flooded": 0}  # fmt: skip

    # -- links -----------------------------------------------------------------------------------------

    def open(self, wire: Wire) -> Link:
        """A new connection."""
        link = Link(self, wire)
        self._links[link] = None
        return link

    def drop(self, link: Link) -> None:
        """A connection is gone."""
        if link not in self._links:
            return
        del self._links[link]
        self._garbled += link.framer.garbled
        self._ignored_bytes += link.framer.ignored_bytes
        member = link.member
        if member is not None:
            member.session.disconnect(link)
            if member.quotes is not None and not member.session.is_connected:
                member.quotes.forget()

    def log_in(self, link: Link, message: Message) -> None:
        """The first message of a link."""
        host = self._follow()
        skew_ns = 0 if host is None else host.boundary.clock_skew_ms * NS_PER_MS
        login = read_logon(message, self._keys, self._comp_id, self.now_ns + skew_ns)
        if host is None or host.boundary.is_down:
            login = Fault(Reject.OTHER, None, "No market is open.")
        if isinstance(login, Fault):
            self._turn_away(link, message, login)
            return
        assert host is not None
        member = self._member(login)
        if member is None or member.session.is_connected:
            text = "This session is connected already." if member is not None else "Too many sessions."
            self._turn_away(link, message, Fault(Reject.OTHER, None, text))
            return
        if member.entry is None:
            try:
                self._join(member, host)
            except UsageError as error:
                self._turn_away(link, message, Fault(Reject.OTHER, None, str(error)))
                return
        if isinstance(member.entry, BinanceEntry):
            member.entry.only_acks = login.only_acks
        link.member = member
        member.session.skew_ns = skew_ns
        extra = [(25037, self._market_id)] if login.dialect is Dialect.BINANCE else []
        member.session.connect(message, link, self.now_ns, extra)

    def take(self, link: Link, member: _Member, message: Message) -> None:
        """A message of a session that is logged on."""
        entry = member.entry
        if isinstance(entry, BinanceEntry) and not entry.count_message():
            self._counts["flooded"] += 1
            member.session.log_out("Too many messages.", self.now_ns)
            link.close()
            return
        asked = member.session.receive(message, self.now_ns)
        if asked is None:
            return
        if entry is None or member.quotes is None:
            member.session.business_reject(message, 4, "No market is open.", self.now_ns)
        elif not entry.handle(asked):
            member.quotes.handle(asked)

    def tick(self) -> None:
        """Heartbeats and time-outs; call it about ten times a second."""
        self._follow()
        now_ns = self.now_ns
        for link in tuple(self._links):
            if link.member is not None:
                link.member.session.tick(now_ns)
            elif now_ns - link.opened_ns >= LOGIN_PATIENCE_NS and not link.is_over:
                self._counts["logon_timeouts"] += 1
                link.close()

    def close_all(self, text: str) -> None:
        """Logs everybody out and closes."""
        for link in tuple(self._links):
            if link.member is not None:
                link.member.session.log_out(text, self.now_ns)
            link.close()

    def statistics(self) -> dict[str, int]:
        """Fill and drops over all sessions."""
        total: dict[str, int] = {}
        for member in self._members.values():
            for counts in (member.session.counts, member.session.store.statistics()):
                for name, value in counts.items():
                    total[name] = total.get(name, 0) + value
        return {
            "links": len(self._links),
            "sessions": len(self._members),
            "session_limit": SESSION_LIMIT,
            "pending": len(self._pending),
            "pending_limit": PENDING_LIMIT,
            "subscriptions": sum(m.quotes.count for m in self._members.values() if m.quotes is not None),
            "garbled": self._garbled + sum(link.framer.garbled for link in self._links),
            "ignored_bytes": self._ignored_bytes + sum(link.framer.ignored_bytes for link in self._links),
            **self._counts,
            **total,
        }

    # -- entries ---------------------------------------------------------------------------------------

    @property
    def now_ns(self) -> int:
        """Wall time."""
        return self._clock()

    def ask(self, request: BrokerRequest, answer: Callable[[Reply], None]) -> None:
        """Queues a request for an entry; refusals of the gateway itself are answered at once."""
        host = self._host
        assert host is not None, "entries exist only with a host"
        refusal, detail = Refusal.NONE, ""
        boundary = host.boundary
        if until_ns := boundary.limited_until_ns:
            refusal = Refusal.BANNED if boundary.is_banned else Refusal.RATE_LIMITED
            detail = str((host.epoch_ns + until_ns) // NS_PER_MS + boundary.clock_skew_ms)
            host.note_limited(request.account, 0)
        elif not host.request(request):
            refusal = Refusal.OVERLOADED
        if refusal:
            self._counts["requests_refused"] += 1
            answer(Reply(request.request_id, request.account, refusal, detail))
            return
        self._pending[request.request_id] = answer
        if len(self._pending) > PENDING_LIMIT:
            self._pending.popitem(last=False)
            self._counts["unanswered"] += 1

    def exec_id(self, event: OrderEvent | None) -> str:
        """An ExecID: the same for an event that is told again, a new one for None."""
        key: object = None
        if event is not None:
            order = event.order
            trade_id = event.fill.trade_id if event.fill is not None else 0
            key = (order, event.execution, trade_id)
            known = self._exec_ids.get(key)
            if known is not None:
                return known
        self._exec_count += 1
        text = str(self._exec_count)
        if key is not None:
            self._exec_ids[key] = text
            if len(self._exec_ids) > EXEC_IDS_KEPT:
                self._exec_ids.popitem(last=False)
        return text

    def later(self, delay_ns: int, action: Callable[[], None]) -> None:
        """Runs an action after so long; at once when that is no time."""
        if delay_ns <= 0:
            action()
        else:
            self._later(delay_ns, action)

    # -- host ------------------------------------------------------------------------------------------

    def news(self) -> None:
        """Passes on what has been told and published since the last time."""
        host = self._follow()
        if host is None:
            return
        told = host.told(self._told)
        if told and told[0].sequence > self._told + 1:
            self._counts["told_gaps"] += 1
            self.close_all("Reports were lost: ask for the state of your orders.")
        for one in told:
            self._told = one.sequence
            message = one.message
            if isinstance(message, Reply):
                answer = self._pending.pop(message.request_id, None)
                if answer is not None:
                    answer(message)
            elif isinstance(message, OrderEvent | ListEvent):
                for member in tuple(self._members.values()):
                    if member.account == one.account and member.entry is not None:
                        member.entry.hear(message)
        for member in tuple(self._members.values()):
            if member.quotes is not None and member.session.is_connected:
                member.quotes.pump()

    def _follow(self) -> VenueHost | None:
        """The present host, after seeing to it that what is known is about its present market."""
        host = self._host_provider()
        if host is None:
            if self._host is not None:
                self._host, self._market_id = None, ""
                self._leave("The market was closed.")
            return None
        if host is not self._host or host.session_id != self._market_id:
            began = self._host is not None
            self._host, self._market_id = host, host.session_id
            self._told = host.told_count
            self._connections_lost = host.boundary.connections_lost
            if began:
                self._leave("Another market has begun: orders and positions of the old one are gone.")
                self._rejoin(host)
        boundary = host.boundary
        if boundary.connections_lost != self._connections_lost or (boundary.is_down and self._links):
            self._connections_lost = boundary.connections_lost
            for link in tuple(self._links):
                link.close()
        skew_ns = boundary.clock_skew_ms * NS_PER_MS
        for member in self._members.values():
            member.session.skew_ns = skew_ns
        return host

    def _leave(self, why: str) -> None:
        """Orders, answers and subscriptions of the old market are void."""
        self._pending.clear()
        self._exec_ids.clear()
        for member in self._members.values():
            had_orders = member.entry is not None
            member.entry = member.quotes = None
            member.account = -1
            if had_orders and member.session.is_connected:
                fields = [(148, why)]
                if member.session.dialect is Dialect.STANDARD:
                    fields += [(33, "1"), (58, why)]
                member.session.send("B", fields, self.now_ns)

    def _rejoin(self, host: VenueHost) -> None:
        for member in self._members.values():
            if member.session.is_connected:
                try:
                    self._join(member, host)
                except UsageError as error:
                    member.session.log_out(str(error), self.now_ns)

    def _join(self, member: _Member, host: VenueHost) -> None:
        """Opens the key's account in the present market. Raises UsageError when there is none left."""
        key, session = member.key, member.session
        member.account = host.open_account(key.name, maker_ppm=key.maker_ppm, taker_ppm=key.taker_ppm)
        kind = BinanceEntry if session.dialect is Dialect.BINANCE else StandardEntry
        may_trade = key.may(Permission.TRADE)
        member.entry = kind(session, self, host, member.account, may_trade=may_trade)
        member.quotes = Quotes(session, host, self._clock, self.later)

    def _member(self, login: Login) -> _Member | None:
        """The counterparty of a login; None when there are too many."""
        name = (login.comp_id, login.key.name, login.dialect)
        member = self._members.get(name)
        if member is not None:
            member.key = login.key
            self._members.move_to_end(name)
            return member
        if len(self._members) >= SESSION_LIMIT:
            idle = next((n for n, m in self._members.items() if not m.session.is_connected), None)
            if idle is None:
                return None
            del self._members[idle]
            self._counts["sessions_forgotten"] += 1
        ours = BINANCE_COMP_ID if login.dialect is Dialect.BINANCE else self._comp_id
        session = Session(ours, login.comp_id, login.key.name, login.dialect)
        member = self._members[name] = _Member(session, login.key)
        return member

    def _turn_away(self, link: Link, message: Message, fault: Fault) -> None:
        """Says why a link may not log on, and closes it. It has no session: the number is 1."""
        self._counts["logons_refused"] += 1
        sent = timestamp(self.now_ns)
        target = message.get(49) if message.get(49).isalnum() else "UNKNOWN"
        ours = message.get(56) if message.get(56) == BINANCE_COMP_ID else self._comp_id
        if message.type == "A" and (96 in message.values or 25035 in message.values):
            code = -1021 if fault.reason == Reject.SENDING_TIME else -2015
            fields = [(45, str(message.sequence)), (372, "A"), (373, str(int(fault.reason)))]
            fields += [(58, fault.text), (25016, str(code))]
            link.wire.write(encode("3", ours, target, 1, sent, body_bytes(fields)))
        elif message.type == "A":
            link.wire.write(encode("5", ours, target, 1, sent, body_bytes([(58, fault.text)])))
        link.close()
