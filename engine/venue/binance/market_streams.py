"""The public WebSocket: connections, subscriptions, and who gets which text.

Place on the data path: last; on the gateway's loop. One wake-up takes all updates since the last, lets each
channel that somebody listens to say its texts once, and puts the same text into the queue of every listener.

    /ws  /ws/<number>  /ws/<stream>[/<stream>…]     the bare events
    /stream  /stream?streams=<stream>/<stream>…     {"stream": name, "data": event}
    ?timeUnit=MICROSECOND                           times in microseconds

Invariant: a client's memory is bounded by QUEUE_LIMIT texts, which it shares with the others; one that does
not read is closed with 1008 and counted. Nothing that a client sends raises, and nothing here waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from engine.broker.public_feed import PublicFeed
from engine.core.clock import NS_PER_MS
from engine.venue.binance.market_channels import Batch, Channel, open_channel
from engine.venue.binance.market_client import (
    INCOMING_LIMIT,
    QUEUE_LIMIT,
    STREAM_LIMIT,
    MarketClient,
    Receive,
    Send,
)
from engine.venue.market_data import MarketData, Update

if TYPE_CHECKING:
    from engine.venue.binance.gateway import Gateway
    from engine.venue.host import VenueHost

__all__ = ["CLIENT_LIMIT", "FeedFilter", "MarketStreams"]

CLIENT_LIMIT = 1_000
"""Connections at the same time."""
CHANNEL_LIMIT = 16_384
"""Different streams that anybody listens to."""
WATCH_S = 0.5
"""How often it is looked whether another session has taken the place of the running one."""
TRY_AGAIN_LATER = 1013
NS_PER_US = 1_000

Scope = MutableMapping[str, Any]
FeedFilter = Callable[[Sequence[Update]], Sequence[Update]]


class MarketStreams:
    """All public connections.

    Serving    serve (an ASGI application for WebSockets) start stop
    Faults     feed_filter: what becomes of updates on their way to clients, by the session's boundary
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.feed_filter: FeedFilter = _as_it_is
        self._feed: PublicFeed[Update] | None = None
        self.incoming_limit = INCOMING_LIMIT
        self.slow_clients = 0
        self.refused_clients = 0
        self.gaps = 0
        """Updates that had left the ring before they were read."""
        self.internal_errors = 0
        self._clients: set[MarketClient] = set()
        self._listeners: dict[tuple[str, int], tuple[Channel, dict[MarketClient, None]]] = {}
        """By stream name and time unit."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._host: VenueHost | None = None
        self._forget_host: Callable[[], None] | None = None
        self._market_data: MarketData | None = None
        self._seen = 0
        self._woken = False
        self._watching: asyncio.TimerHandle | None = None

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to listen to the gateway's host; again, after it has changed. On the loop that serves."""
        self._loop = asyncio.get_running_loop()
        host = self.gateway.host
        if host is not self._host:
            self._forget()
            self._host = host
            self._forget_host = host.on_news(self._on_news)
        self.pump()

    def stop(self) -> None:
        """Listen to nobody, close all connections."""
        self._forget()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None
        for client in tuple(self._clients):
            client.close(1001, "the venue is closing")

    def public_deeds(self) -> dict[str, int]:
        """What faults have done to updates of this session: dropped, repeated, swapped, held …"""
        return {} if self._feed is None else self._feed.statistics()

    def statistics(self) -> dict[str, int]:
        """Fill and drops."""
        return {
            "clients": len(self._clients),
            "client_limit": CLIENT_LIMIT,
            "channels": len(self._listeners),
            "channel_limit": CHANNEL_LIMIT,
            "queued": sum(len(client.queue) for client in self._clients),
            "queue_limit": QUEUE_LIMIT,
            "slow_clients": self.slow_clients,
            "refused_clients": self.refused_clients,
            "gaps": self.gaps,
            **({} if self._feed is None else {f"feed_{k}": n for k, n in self._feed.statistics().items()}),
            "internal_errors": self.internal_errors,
        }

    def _forget(self) -> None:
        if self._forget_host is not None:
            self._forget_host()
        self._forget_host = self._host = None

    def _watch(self) -> None:
        """While there are clients: notice a new session even when the old one says nothing any more."""
        self._watching = None
        if self._loop is not None and self._clients:
            self.start()
            self._watching = self._loop.call_later(WATCH_S, self._watch)

    # -- news ------------------------------------------------------------------------------------------

    def _on_news(self) -> None:
        """On the engine's thread."""
        if self._woken or self._loop is None or not self._clients:
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self.pump)
        except RuntimeError:  # the loop has closed
            self._loop = None

    def pump(self) -> None:
        """Gives clients what has come since the last time."""
        self._woken = False
        market_data: MarketData = self.gateway.host.market_data
        if market_data is not self._market_data:
            self._adopt(market_data)
            return
        updates = market_data.updates_since(self._seen)
        if not updates:
            return
        self.gaps += updates[0].number - self._seen - 1
        self._seen = updates[-1].number
        batch = Batch(market_data, self.feed_filter(updates))
        if not batch.updates:
            return
        symbol = batch.symbol.lower()
        for channel, listeners in tuple(self._listeners.values()):
            if channel.symbol and channel.symbol != symbol:
                continue  # another market: nothing is known of it here
            try:
                for text in channel.events(batch):
                    _spread(channel.name, text, listeners)
            except Exception:  # a defect of ours in one stream must not end the others
                self.internal_errors += 1

    def _adopt(self, market_data: MarketData) -> None:
        """Go on with another session's present, through that session's faults."""
        if self._market_data is not None:
            self._market_data.unwatch(self)
        self._market_data = market_data
        self._seen = market_data.update_count
        feed: PublicFeed[Update] = PublicFeed(self.gateway.host.boundary)
        self._feed = self.feed_filter = feed
        for channel, _ in self._listeners.values():
            channel.reset()
        self._watch_data()

    def _watch_data(self) -> None:
        """Every update is wanted while there are clients."""
        if self._market_data is not None:
            if self._clients:
                self._market_data.watch(self)
            else:
                self._market_data.unwatch(self)

    # -- subscriptions ---------------------------------------------------------------------------------

    def subscribe(self, client: MarketClient, name: str) -> bool:
        """Whether there is such a stream, and room for one more; then the client hears it from now on."""
        key = (name, client.unit_ns)
        entry = self._listeners.get(key)
        if entry is None:
            channel = open_channel(name, client.unit_ns)
            if channel is None or len(self._listeners) >= CHANNEL_LIMIT:
                return False
            entry = self._listeners[key] = (channel, {})
        entry[1][client] = None
        client.streams[name] = None
        return True

    def unsubscribe(self, client: MarketClient, name: str) -> None:
        """The client hears it no longer."""
        client.streams.pop(name, None)
        key = (name, client.unit_ns)
        entry = self._listeners.get(key)
        if entry is not None:
            entry[1].pop(client, None)
            if not entry[1]:
                del self._listeners[key]

    # -- connections -----------------------------------------------------------------------------------

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection to /ws… or /stream…"""
        await receive()  # websocket.connect
        if len(self._clients) >= CLIENT_LIMIT or self.gateway.host.boundary.is_down:
            self.refused_clients += 1
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        is_combined = scope["path"].startswith("/stream")
        unit_ns = NS_PER_US if query.get("timeUnit", "").upper() == "MICROSECOND" else NS_PER_MS
        client = MarketClient(self, send, is_combined=is_combined, unit_ns=unit_ns)
        names = query.get("streams", "") if is_combined else scope["path"].removeprefix("/ws").strip("/")
        if not self.gateway.track(client, client.close):
            self.refused_clients += 1
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        if not self._clients and self._market_data is not None:
            self._seen = self._market_data.update_count  # nobody has missed what came before
        self._clients.add(client)
        try:
            self.start()
            self._watch_data()
            if self._watching is None and self._loop is not None:
                self._watching = self._loop.call_later(WATCH_S, self._watch)
            for name in names.split("/")[:STREAM_LIMIT]:
                self.subscribe(client, name)
            await send({"type": "websocket.accept"})
            await client.run(receive)
        finally:
            self._clients.discard(client)
            self._watch_data()
            self.gateway.untrack(client)
            for name in tuple(client.streams):
                self.unsubscribe(client, name)


def _spread(name: str, text: str, listeners: dict[MarketClient, None]) -> None:
    """The same text for all listeners, in either wrapping."""
    wrapped = None
    for client in tuple(listeners):
        if client.is_combined:
            if wrapped is None:
                wrapped = f'{{"stream":"{name}","data":{text}}}'
            client.put(wrapped)
        else:
            client.put(text)


def _as_it_is(updates: Sequence[Update]) -> Sequence[Update]:
    return updates
