"""Market data of one session: subscriptions, snapshots, increments, and the list of instruments.

Place on the data path: beside order entry; fed by what public market data publish (engine/venue/market_data).
Invariant: a snapshot and the increments after it give the book of the last boundary, whatever instant the
subscription falls on: quantities are absolute, so an increment that the snapshot already has changes nothing.
A reader that fell too far behind gets a new snapshot. Market data are not sent again on a resend. Faults of
the public feed act on increments: they may be late, missing, repeated or swapped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.broker.money import Money
from engine.broker.public_feed import PublicFeed
from engine.core.types import NO_SIDE
from engine.venue.book_images import BookImage, DepthDiff, SideLevels, Top, diff_images
from engine.venue.fix.reports import Pair
from engine.venue.fix.rules import Dialect, Fault, Reject, entries
from engine.venue.fix.session import Session
from engine.venue.fix.wire import Message, timestamp
from engine.venue.market_data import BoundaryUpdate, MarketData, TopUpdate, TradesUpdate, Update

if TYPE_CHECKING:
    from engine.venue.host import VenueHost

__all__ = ["ENTRIES_A_MESSAGE", "SUBSCRIPTION_LIMIT", "Quotes"]

SUBSCRIPTION_LIMIT = 32
"""Subscriptions of one session."""
MOST_LEVELS = 5_000
"""Levels a side in a snapshot."""
ENTRIES_A_MESSAGE = 500
"""Entries of one increment; more go into more messages."""
BID, OFFER, TRADE = "0", "1", "2"
NEW, CHANGE, DELETE = "0", "1", "2"
DUPLICATE_ID, TOO_MANY, BAD_SYMBOL, BAD_DEPTH, BAD_TYPE = "1", "2", "0", "5", "8"
SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"


class _Subscription:
    """What one MDReqID gets."""

    def __init__(self, name: str, sides: frozenset[str], depth: int, *, has_trades: bool) -> None:
        self.name = name
        self.sides = sides
        self.depth = depth
        """0: all levels."""
        self.has_trades = has_trades
        self.known: dict[str, set[int]] = {BID: set(), OFFER: set()}
        """Prices that the client knows to be there."""
        self.image: BookImage | None = None
        """Where the standard dialect limits the depth: the levels that the client has."""
        self.book_id = 0
        """Update id of the snapshot."""


class Quotes:
    """Subscriptions of one session; `later` delays answers to questions."""

    def __init__(
        self,
        session: Session,
        host: VenueHost,
        clock: Callable[[], int],
        later: Callable[[int, Callable[[], None]], None],
    ) -> None:
        self._session = session
        self._host = host
        self._clock = clock
        self._later = later
        self._money = Money(host.instrument)
        self._subscriptions: dict[str, _Subscription] = {}
        self._feed: PublicFeed[Update] = PublicFeed(host.boundary)
        self._seen = 0
        """Number of the last update that was looked at."""
        self.lost = 0
        """How often updates had left the ring before they were read."""

    @property
    def count(self) -> int:
        """Subscriptions now."""
        return len(self._subscriptions)

    def forget(self) -> None:
        """The link is gone: subscriptions end with it."""
        self._subscriptions.clear()
        self._host.market_data.unwatch(self)

    def handle(self, message: Message) -> bool:
        """Acts on a message; False when it is none about market data."""
        if message.type == "V":
            self._request(message)
        elif message.type == "x":
            delay_ns = self._host.boundary.read_delay_ns
            self._later(delay_ns, lambda: self._list_instruments(message))
        else:
            return False
        return True

    def pump(self) -> None:
        """Sends what has been published since the last time."""
        if not self._subscriptions:
            return
        data: MarketData = self._host.market_data
        if data.update_count == self._seen:
            return
        updates = data.updates_since(self._seen)
        if not updates:
            return
        if updates[0].number > self._seen + 1:
            self.lost += 1
            self._seen = data.update_count
            for subscription in self._subscriptions.values():
                self._send_snapshot(subscription, data)
            return
        self._seen = updates[-1].number
        for update in self._feed(updates):
            for subscription in self._subscriptions.values():
                self._send_update(subscription, update)

    # -- requests --------------------------------------------------------------------------------------

    def _request(self, message: Message) -> None:
        kind, name = message.get(263), message.get(262)
        if kind == UNSUBSCRIBE:
            if self._subscriptions.pop(name, None) is None:
                self._refuse(name, "", "no such subscription")
            elif not self._subscriptions:
                self._host.market_data.unwatch(self)
            return
        subscription = self._read(message, kind, name)
        if subscription is None:
            return
        data: MarketData = self._host.market_data
        if kind == SUBSCRIBE:
            if not self._subscriptions:
                data.watch(self)
                self._seen = data.update_count
            else:
                self.pump()  # the others first get what they have not seen yet
            self._subscriptions[name] = subscription
        is_standard = self._session.dialect is Dialect.STANDARD
        if subscription.sides or kind == SNAPSHOT or (is_standard and data.last_trade is not None):
            self._send_snapshot(subscription, data)

    def _read(self, message: Message, kind: str, name: str) -> _Subscription | None:
        """The subscription that a message asks for; None: it was refused."""
        is_binance = self._session.dialect is Dialect.BINANCE
        if kind not in ((SUBSCRIBE,) if is_binance else (SNAPSHOT, SUBSCRIBE)):
            self._refuse(name, "4", "SubscriptionRequestType is not offered.")
            return None
        if name in self._subscriptions:
            self._refuse(name, DUPLICATE_ID, "MDReqID is in use.", -1190)
            return None
        if len(self._subscriptions) >= SUBSCRIPTION_LIMIT:
            self._refuse(name, TOO_MANY, f"{SUBSCRIPTION_LIMIT} subscriptions are the most.", -1191)
            return None
        if 146 not in message.values or 267 not in message.values:
            tag = 146 if 146 not in message.values else 267
            fault = Fault(Reject.REQUIRED_TAG_MISSING, tag, f"Required tag {tag} is missing.")
            self._session.reject(message, fault, self._clock())
            return None
        symbols = [part.get(55) for part in entries(message, 146)]
        if symbols != [self._money.symbol]:
            self._refuse(name, BAD_SYMBOL, "Invalid symbol.", -1121)
            return None
        kinds = [part.get(269, "") for part in entries(message, 267)]
        if not kinds or not set(kinds) <= {BID, OFFER, TRADE}:
            self._refuse(name, BAD_TYPE, "MDEntryType must be 0, 1 or 2.")
            return None
        depth = message.number(264) if 264 in message.values else 1 if is_binance else 0
        if depth is None or depth > MOST_LEVELS:
            self._refuse(name, BAD_DEPTH, f"MarketDepth must be 0 to {MOST_LEVELS}.")
            return None
        sides = frozenset(kinds) - {TRADE}
        return _Subscription(name, sides, depth, has_trades=TRADE in kinds)

    def _refuse(self, name: str, reason: str, text: str, code: int = -1130) -> None:
        fields: list[Pair] = [(262, name)]
        is_binance = self._session.dialect is Dialect.BINANCE
        if reason and (not is_binance or reason in (DUPLICATE_ID, TOO_MANY)):
            fields.append((281, reason))
        if is_binance:
            fields.append((25016, str(code)))
        self._session.send("Y", [*fields, (58, text)], self._clock())

    # -- snapshots -------------------------------------------------------------------------------------

    def _send_snapshot(self, subscription: _Subscription, data: MarketData) -> None:
        depth = subscription.depth
        image = data.image.best(depth if depth else MOST_LEVELS)
        found: list[list[Pair]] = []
        if depth == 1:
            top = data.top
            subscription.book_id = top.update_id
            found += self._top_entries(subscription, top)
        else:
            subscription.book_id = image.update_id
            subscription.image = image
            for side, levels in ((BID, image.bids), (OFFER, image.asks)):
                if side in subscription.sides:
                    subscription.known[side] = set(levels.prices.tolist())
                    found += self._level_entries(side, levels)
        if subscription.has_trades and self._session.dialect is Dialect.STANDARD:
            found += [self._trade_entry(row, "") for row in data.last_trades(1).tolist()]
        fields: list[Pair] = [(262, subscription.name), (55, self._money.symbol)]
        if self._session.dialect is Dialect.BINANCE:
            fields.append((25044, str(subscription.book_id)))
        fields.append((268, str(len(found))))
        self._send("W", fields, found)

    def _top_entries(self, subscription: _Subscription, top: Top) -> list[list[Pair]]:
        found = []
        for side, ticks, lots in ((BID, top.bid_ticks, top.bid_lots), (OFFER, top.ask_ticks, top.ask_lots)):
            if side in subscription.sides:
                subscription.known[side] = {ticks} if lots else set()
                if lots:
                    found.append(self._entry(side, ticks, lots))
        return found

    def _level_entries(self, side: str, levels: SideLevels) -> list[list[Pair]]:
        return [
            self._entry(side, ticks, lots)
            for ticks, lots in zip(levels.prices.tolist(), levels.lots.tolist(), strict=True)
        ]

    # -- increments ------------------------------------------------------------------------------------

    def _send_update(self, subscription: _Subscription, update: Update) -> None:
        if isinstance(update, TradesUpdate):
            if subscription.has_trades:
                rows = update.trades.tolist()
                self._send_increment(subscription, [self._trade_entry(row, NEW) for row in rows])
        elif not subscription.sides:
            return
        elif isinstance(update, TopUpdate):
            if subscription.depth == 1:
                self._send_increment(subscription, self._top_changes(subscription, update.top))
        elif subscription.depth != 1:
            self._send_depth(subscription, update)

    def _send_depth(self, subscription: _Subscription, update: BoundaryUpdate) -> None:
        diff = update.diff
        if diff is None or diff.last_id <= subscription.book_id:
            return
        if self._session.dialect is Dialect.STANDARD and subscription.depth:
            limited = self._limited(subscription, update)
            if limited is None:
                return
            diff = limited
        found: list[list[Pair]] = []
        for side, levels in ((BID, diff.bids), (OFFER, diff.asks)):
            if side in subscription.sides:
                found += self._level_changes(subscription.known[side], side, levels)
        if found and self._session.dialect is Dialect.BINANCE:
            found[0] += [(25043, str(diff.first_id)), (25044, str(diff.last_id))]
        self._send_increment(subscription, found)

    def _limited(self, subscription: _Subscription, update: BoundaryUpdate) -> DepthDiff | None:
        """What changed in the best levels that the client keeps; None: nothing."""
        before = subscription.image
        assert before is not None
        depth = subscription.depth
        has_enough = depth <= len(update.best.bids.prices) and depth <= len(update.best.asks.prices)
        image = (update.best if has_enough else self._host.market_data.image).best(depth)
        if image.update_id <= before.update_id:
            return None
        subscription.image = image
        return diff_images(before, image, first_id=before.update_id + 1)

    def _level_changes(self, known: set[int], side: str, levels: SideLevels) -> list[list[Pair]]:
        found: list[list[Pair]] = []
        for ticks, lots in zip(levels.prices.tolist(), levels.lots.tolist(), strict=True):
            if lots:
                found.append(self._entry(side, ticks, lots, CHANGE if ticks in known else NEW))
                known.add(ticks)
            else:
                known.discard(ticks)
                found.append(self._entry(side, ticks, 0, DELETE))
        return found

    def _top_changes(self, subscription: _Subscription, top: Top) -> list[list[Pair]]:
        found: list[list[Pair]] = []
        for side, ticks, lots in ((BID, top.bid_ticks, top.bid_lots), (OFFER, top.ask_ticks, top.ask_lots)):
            if side not in subscription.sides:
                continue
            known = subscription.known[side]
            if lots:
                found.append(self._entry(side, ticks, lots, CHANGE if known else NEW))
                subscription.known[side] = {ticks}
            elif known:
                found.append(self._entry(side, known.pop(), 0, DELETE))
        if found and self._session.dialect is Dialect.BINANCE:
            found[0].append((25044, str(top.update_id)))
        return found

    def _send_increment(self, subscription: _Subscription, found: list[list[Pair]]) -> None:
        is_binance = self._session.dialect is Dialect.BINANCE
        for at in range(0, len(found), ENTRIES_A_MESSAGE):
            part = found[at : at + ENTRIES_A_MESSAGE]
            part[0].insert(2, (55, self._money.symbol))
            fields: list[Pair] = [(262, subscription.name)]
            if is_binance and len(found) > ENTRIES_A_MESSAGE:
                fields.append((893, "Y" if at + ENTRIES_A_MESSAGE >= len(found) else "N"))
            self._send("X", [*fields, (268, str(len(part)))], part)

    # -- entries ---------------------------------------------------------------------------------------

    def _entry(self, side: str, ticks: int, lots: int, action: str = "") -> list[Pair]:
        fields: list[Pair] = [(279, action)] if action else []
        fields += [(269, side), (270, self._money.price_text(ticks))]
        if action != DELETE:
            fields.append((271, self._money.quantity_text(lots)))
        return fields

    def _trade_entry(self, row: tuple[Any, ...], action: str) -> list[Pair]:
        trade_id, _, time_ns, ticks, lots, aggressor = row
        fields = self._entry(TRADE, ticks, lots, action)
        at = timestamp(self._host.epoch_ns + time_ns)
        if self._session.dialect is Dialect.BINANCE:
            return [*fields, (1003, str(trade_id)), (60, at)]
        day, _, time_of_day = at.partition("-")
        fields += [(272, day), (273, time_of_day[:12])]
        if action:
            fields.insert(2, (278, str(trade_id)))
        if aggressor != NO_SIDE:
            fields.append((274, "0" if aggressor == 0 else "2"))
        return fields

    def _send(self, message_type: str, fields: list[Pair], found: list[list[Pair]]) -> None:
        for entry in found:
            fields += entry
        self._session.send(message_type, fields, self._clock(), keep=False)

    # -- instruments -----------------------------------------------------------------------------------

    def _list_instruments(self, message: Message) -> None:
        money, filters = self._money, self._host.broker.filters
        wanted = message.get(55)
        if message.get(559) not in ("0", "4") or (message.get(559) == "0" and wanted != money.symbol):
            tag = 559 if message.get(559) not in ("0", "4") else 55
            fault = Fault(Reject.VALUE_INCORRECT, tag, "Invalid symbol." if tag == 55 else "Use 0 or 4.")
            self._session.reject(message, fault, self._clock(), -1121)
            return
        lots = money.quantity_text
        fields: list[Pair] = [(320, message.get(320))]
        if self._session.dialect is Dialect.STANDARD:
            fields += [(322, message.get(320)), (560, "0"), (393, "1"), (146, "1"), (55, money.symbol)]
            fields += [(15, money.quote), (561, lots(1)), (562, lots(filters.min_qty_lots))]
        else:
            fields += [
                (146, "1"),
                (55, money.symbol),
                (15, money.quote),
                (562, lots(filters.min_qty_lots)),
                (1140, lots(filters.max_qty_lots)),
                (25039, lots(1)),
                (25040, lots(filters.min_qty_lots)),
                (25041, lots(filters.market_max_qty_lots)),
                (25042, lots(1)),
                (969, money.price_text(1)),
            ]
        self._session.send("y", fields, self._clock())
