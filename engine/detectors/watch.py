"""The detectors' inner loop: event by event, instant by instant, bar by bar (kernels; stop 5b).

    events ─► life of the order ─► phantom, spoofing, icebergs     each order that ends, each that comes
           ├► taking            ─► latency, twap                   each instant that trades
           └► bar, flow         ─► all that count over time        each tenth of a second

A live market (loop.py) calls `pass_time` before time moves and `watch_events` after each instant;
`detect_rows` does the same with a file. Both give the same alarms.
"""

from __future__ import annotations

from engine.arena.functions import entry, inlined, routine
from engine.arena.layout import Record, Table
from engine.book.kernels import Book, Event, apply_event, room
from engine.core.types import EventType
from engine.detectors.cancels import CancelsState, cancels_bar
from engine.detectors.crash import CrashState, crash_bar
from engine.detectors.flow import Flow, take_flow
from engine.detectors.icebergs import IcebergState, iceberg_added, iceberg_done
from engine.detectors.ignition import IgnitionState, ignition_bar
from engine.detectors.latency import LatencyState, latency_bar, latency_taken
from engine.detectors.phantom import PhantomState, phantom_bar, phantom_filled, phantom_gone
from engine.detectors.records import BAR_NS, BARS_KEPT, Sight
from engine.detectors.shock import ShockState, shock_bar
from engine.detectors.sight import (
    begin_bar,
    begin_taking,
    count_event,
    count_taking,
    end_bar,
    find_life,
    learn_usual,
    note_life,
    read_touch,
)
from engine.detectors.spoofing import SpoofingState, spoofing_bar, spoofing_gone
from engine.detectors.stuffing import StuffingState, stuffing_bar
from engine.detectors.twap import TwapState, twap_taken

__all__ = ["Detectors", "detect_rows", "has_alarms", "is_bar_over", "pass_time", "watch_events"]

_ADD, _TRADE = int(EventType.ADD), int(EventType.TRADE)
LONGEST_PAUSE_BARS = BARS_KEPT
"""After a longer silence the detectors' windows are empty anyway: time jumps."""


class Detectors(Record):
    """All detectors of one market."""

    sight: Sight
    flow: Flow
    stuffing: StuffingState
    shock: ShockState
    spoofing: SpoofingState
    phantom: PhantomState
    cancels: CancelsState
    ignition: IgnitionState
    crash: CrashState
    latency: LatencyState
    icebergs: IcebergState
    twap: TwapState


@inlined
def is_bar_over(detectors: Detectors, now_ns: int) -> bool:
    """Whether `pass_time` has something to do."""
    return now_ns >= detectors.sight.bar_ends_ns


@inlined
def has_alarms(detectors: Detectors) -> bool:
    """Whether there are alarms that Python has not taken."""
    return detectors.sight.alarm_count != detectors.sight.alarms_told


@routine
def pass_time(detectors: Detectors, book: Book, now_ns: int) -> None:
    """Ends the bars that are over at now_ns, before anything happens then; the book is as it was at their
    end."""
    sight = detectors.sight
    if sight.bar_ends_ns == 0 or now_ns - sight.bar_ends_ns > LONGEST_PAUSE_BARS * BAR_NS:
        sight.bar_ends_ns = (now_ns // BAR_NS + 1) * BAR_NS
        return
    while sight.bar_ends_ns <= now_ns:
        end_bar(sight, book)
        learn_usual(sight)
        take_flow(sight, detectors.flow)
        stuffing_bar(sight, detectors.stuffing)
        shock_bar(sight, detectors.shock)
        cancels_bar(sight, detectors.cancels)
        ignition_bar(sight, detectors.flow, detectors.ignition)
        crash_bar(sight, detectors.flow, detectors.crash)
        latency_bar(sight, detectors.flow, detectors.latency)
        phantom_bar(detectors.phantom)
        spoofing_bar(detectors.spoofing)
        begin_bar(sight)


@routine
def watch_events(detectors: Detectors, book: Book, events: Table[Event], until: int) -> None:
    """Takes the events of one instant, up to number `until`, from their ring; the book has them all."""
    sight = detectors.sight
    mask = len(events) - 1
    while sight.seen < until:
        _watch(detectors, events[sight.seen & mask])
    _end_instant(detectors, book)


@entry
def detect_rows(detectors_address: int, book_address: int, events_address: int, start: int, stop: int) -> int:
    """Applies events[start:stop] to the book and watches them, instant by instant. Returns `stop`, or the
    first event of an instant that had no room: the caller grows the book and goes on there.

    An instant must be whole: it may not go on behind `stop`.
    """
    detectors = Detectors.at(detectors_address)
    book = Book.at(book_address)
    events = Event.table(events_address, stop)
    at = start
    while at < stop:
        now_ns = events[at].ts
        until = at + 1
        while until < stop and events[until].ts == now_ns:
            until += 1
        if room(book) < until - at:
            return at
        if is_bar_over(detectors, now_ns):
            pass_time(detectors, book, now_ns)
        for number in range(at, until):
            book.counts[apply_event(book, events[number])].value += 1
        for number in range(at, until):
            _watch(detectors, events[number])
        _end_instant(detectors, book)
        at = until
    return stop


@inlined
def _watch(detectors: Detectors, event: Event) -> None:
    sight = detectors.sight
    sight.seen += 1
    sight.now_ns = event.ts
    count_event(sight, event)
    gone_lots = note_life(sight, event, sight.seen)
    if sight.shows_orders == 0:
        return
    kind = event.event_type
    if kind == _ADD:
        iceberg_added(sight, detectors.icebergs, event)
    elif gone_lots > 0:
        life = find_life(sight, event.order_id)
        if kind == _TRADE:
            if life.qty_lots == 0:
                iceberg_done(sight, detectors.icebergs, life)
            if life.shown_lots >= sight.large_lots:
                phantom_filled(sight, detectors.phantom, life, gone_lots)
        elif life.shown_lots >= sight.large_lots and life.qty_lots == 0 and life.traded == 0:
            phantom_gone(sight, detectors.phantom, life)
            spoofing_gone(sight, detectors.flow, detectors.spoofing, life)


@inlined
def _end_instant(detectors: Detectors, book: Book) -> None:
    sight = detectors.sight
    read_touch(sight, book)
    if sight.taking.lots > 0:
        count_taking(sight)
        latency_taken(sight, detectors.latency)
        twap_taken(sight, detectors.twap)
        begin_taking(sight)
