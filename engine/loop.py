"""The loop: the only one that moves time (stop 2 on the data path).

It takes the earliest entry of the heap and does what it says, again and again, compiled and without
returning to Python: arrivals of orders (market/actions.py), wake-ups of built-in agents (agents/), samples
of the features (analytics/). It returns for what only Python can do: a callback, more memory, an alert, a
call for attention (market/feed.py), or the end of the slice. Where it stopped is in the heap, so it goes on
as if it had not.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from engine.agents.population import Population, PopulationRow, act
from engine.analytics.features import take_sample, take_trades
from engine.analytics.readings import Analytics
from engine.analytics.records import SAMPLE_NS, Features
from engine.arena.functions import entry, inlined
from engine.arena.layout import Record, Word
from engine.arena.machine import live
from engine.detectors.readings import Detection
from engine.detectors.watch import Detectors, has_alarms, is_bar_over, pass_time, watch_events
from engine.market.actions import arrive, is_arrival, schedule
from engine.market.entries import has_room
from engine.market.exchange import Exchange
from engine.market.heap import drop_first
from engine.market.records import Due, Market

__all__ = ["ATTENTION_ROUNDS", "Loop", "Stop", "World", "run_until"]


class Stop(IntEnum):
    """Why the loop has returned: the low three bits of what it returns. The next bit is 1 when execution
    reports wait; above it stands the handle of a callback."""

    DONE = 0
    """The slice is over."""
    ROOM = 1
    """A table is too short for the next happening."""
    PYTHON = 2
    """A callback is due."""
    LOOK = 3
    """A sample was taken that raises or clears an alert."""
    ATTENTION = 4
    """Something has happened at which Python is to act in this very instant (Market.attention)."""


class World(Record):
    """Everything that the loop works on."""

    market: Market
    population: PopulationRow
    features: Features
    has_features: Word
    """Whether there are analytics; without them executions are not watched."""
    detectors: Detectors


ATTENTION_ROUNDS = 10_000
"""How often in one instant what Python does at a call for attention may call for it again; more means that
it never ends."""
_WAKE = int(Due.WAKE)
_SAMPLE = int(Due.SAMPLE)
_DONE = int(Stop.DONE)
_ROOM = int(Stop.ROOM)
_PYTHON = int(Stop.PYTHON)
_LOOK = int(Stop.LOOK)
_ATTENTION = int(Stop.ATTENTION)
_WHY = 7
_REPORTS = 8
_HANDLE_SHIFT = 4


@entry
def run_until(world_address: int, until_ns: int) -> int:
    """Does everything with time <= until_ns, then stands at until_ns. Returns why it came back (Stop)."""
    world = World.at(world_address)
    market = world.market
    while market.waiting > 0 and market.heap[0].time_ns <= until_ns:
        if not has_room(market):
            return _stop(market, _ROOM)
        first = market.heap[0]
        now_ns = first.time_ns
        kind = first.kind
        target = first.target
        if market.has_detectors != 0 and now_ns > market.now_ns:
            _detect(world, now_ns)
        market.now_ns = now_ns
        market.processed += 1
        drop_first(market)
        if is_arrival(kind):
            arrive(market, kind, target)
            _watch_trades(world)
            if market.attention != 0:
                return _stop(market, _ATTENTION)
        elif kind == _WAKE:
            delay_ns = act(market, world.population, target, now_ns)
            if delay_ns > 0:
                schedule(market, now_ns + delay_ns, _WAKE, target)
        elif kind == _SAMPLE:
            schedule(market, now_ns + SAMPLE_NS, _SAMPLE, 0)
            looks = take_sample(market, world.features, now_ns) != 0
            if looks or (market.has_detectors != 0 and has_alarms(world.detectors)):
                return _stop(market, _LOOK)
        else:
            return _stop(market, _PYTHON) | target << _HANDLE_SHIFT
    market.now_ns = until_ns
    return _stop(market, _DONE)


@entry
def detect_now(world_address: int) -> int:
    """Lets the detectors see the events since the last call. Returns 0."""
    world = World.at(world_address)
    _see_events(world)
    return 0


@inlined
def _detect(world: World, now_ns: int) -> None:
    """An instant is over, and time moves on to now_ns."""
    _see_events(world)
    if is_bar_over(world.detectors, now_ns):
        pass_time(world.detectors, world.market.book, now_ns)


@inlined
def _see_events(world: World) -> None:
    market = world.market
    if market.events_detected != market.event_count:
        watch_events(world.detectors, market.book, market.events, market.event_count)
        market.events_detected = market.event_count


@entry
def watch_trades(world_address: int) -> int:
    """Lets the analytics see what has traded since the last call. Returns 0."""
    _watch_trades(World.at(world_address))
    return 0


@inlined
def _stop(market: Market, why: int) -> int:
    return why | _REPORTS if market.report_count != market.reports_taken else why


@inlined
def _watch_trades(world: World) -> None:
    market = world.market
    if market.trades_taken != market.trade_count:
        if world.has_features != 0:
            take_trades(market, world.features)
        market.trades_taken = market.trade_count


class Loop:
    """Runs an exchange with its population and analytics."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        population: Population | None = None,
        analytics: Analytics | None = None,
        detection: Detection | None = None,
    ) -> None:
        self.exchange = exchange
        self.on_look: list[Callable[[], None]] = []
        """Hears of samples that raise or clear an alert."""
        world = exchange.arena.new("world", World)[0]
        world.market = exchange.market
        if population is not None:
            world.population = population.row
        if analytics is not None:
            world.features = analytics.row
            world.has_features = 1
        exchange.take_trades = self._watch_trades
        if detection is not None:
            world.detectors = detection.row
            exchange.market.has_detectors = 1
            exchange.detect = self._detect

    def start_samples(self) -> None:
        """Schedules the first sample."""
        market = self.exchange.market
        schedule(market, market.now_ns + SAMPLE_NS, _SAMPLE, 0)

    def run_until(self, until_ns: int) -> int:
        """Does everything with time <= until_ns, then stands there. Returns how many happenings ran."""
        exchange = self.exchange
        market = exchange.market
        assert until_ns >= market.now_ns, "time does not run backwards"
        before = market.processed
        address, wake = self._world.address, exchange.kernel.run
        while True:
            if market.attention:  # of a happening, a callback, a listener, or what was done before this call
                self._attend()
            # Looked up each time: machine code may have become live since the last call.
            came = live(run_until)(address, until_ns)
            if came & _REPORTS:
                exchange.deliver_reports()
            why = came & _WHY
            if why == _PYTHON:
                wake(came >> _HANDLE_SHIFT)
            elif why == _ROOM:
                exchange.make_room()
            elif why == _LOOK:
                for listener in self.on_look:
                    listener()
            elif why == _DONE and not market.attention:
                exchange.hand_over_events()
                return market.processed - before

    def _attend(self) -> None:
        """Lets who acts act, now, until nothing calls for attention any more."""
        exchange = self.exchange
        market = exchange.market
        for _ in range(ATTENTION_ROUNDS):
            market.attention = 0
            exchange.deliver_reports()
            exchange.on_attention()
            if not market.attention:
                return
        raise AssertionError(f"who acts has called for attention {ATTENTION_ROUNDS} times in one instant")

    @property
    def _world(self) -> World:
        return self.exchange.arena.row("world", World)

    def _detect(self) -> None:
        live(detect_now)(self._world.address)

    def _watch_trades(self) -> None:
        live(watch_trades)(self._world.address)
