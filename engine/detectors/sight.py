"""What detectors do with what they see: bars, lives, alarms (kernels; stop 5b on the data path).

An instant is looked at when it is over, with the book as it stands after all its events. So the same events
give the same alarms whether they come one by one from a live market or by the million from a file.
"""

from __future__ import annotations

from engine.arena.functions import inlined, routine
from engine.book.kernels import Book, Event
from engine.core.types import NO_SIDE, EventType, Side
from engine.detectors.records import (
    BAR_NS,
    DEPTH_LEVELS,
    SCORE_BARS,
    SCORE_KINDS,
    WARM_UP_BARS,
    Bar,
    Life,
    Sight,
)

__all__ = [
    "bar_ago",
    "begin_bar",
    "begin_taking",
    "count_event",
    "count_taking",
    "depth_of",
    "end_bar",
    "find_life",
    "learn_usual",
    "move_over",
    "note_life",
    "note_score",
    "raise_alarm",
    "read_touch",
]

_BID, _ASK = int(Side.BID), int(Side.ASK)
_ADD, _CANCEL, _MODIFY, _TRADE = (
    int(kind) for kind in (EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE)
)
_PRINT = int(EventType.PRINT)
_NO_SIDE = int(NO_SIDE)
_FAR = 1 << 30
_USUAL_KEEP = 0.998
"""What is usual follows within 50 s; a bar moves it by no more than half of itself."""
_MOST_TIMES_USUAL = 1.5
_LARGE_ORDERS = 4.0
_LARGE_SHARE = 0.05
"""A large order brings so many times what is usual, and so much of what a side usually shows."""


# -- events ------------------------------------------------------------------------------------------


@inlined
def count_event(sight: Sight, event: Event) -> None:
    """The event goes into the bar that is filling, a trade also into what is taken in this instant."""
    bar = sight.bars[sight.bar_count & (len(sight.bars) - 1)]
    kind = event.event_type
    if kind == _ADD:
        bar.adds += 1
        if event.side == _BID:
            bar.bid_add_lots += event.qty
        else:
            bar.ask_add_lots += event.qty
    elif kind == _CANCEL:
        bar.cancels += 1
    elif kind == _TRADE or kind == _PRINT:
        bar.trades += 1
        # `side` is the resting order's.
        if event.side == _ASK:
            bar.buy_lots += event.qty
            sight.bought_lots += event.qty
            _note_taking(sight, event, _BID)
        elif event.side == _BID:
            bar.sell_lots += event.qty
            sight.sold_lots += event.qty
            _note_taking(sight, event, _ASK)


@inlined
def _note_taking(sight: Sight, event: Event, taker_side: int) -> None:
    taking = sight.taking
    if taking.lots == 0:
        taking.first_ticks = event.price
    taking.side = taker_side
    taking.last_ticks = event.price
    taking.lots += event.qty


@inlined
def count_taking(sight: Sight) -> None:
    """The instant is over, the touch read: did what was taken sweep the best price away?"""
    taking = sight.taking
    stands = sight.ask_ticks if taking.side == _BID else sight.bid_ticks
    if taking.touch_ticks != stands or taking.last_ticks != stands:
        sight.bars[sight.bar_count & (len(sight.bars) - 1)].swept_lots += taking.lots


@inlined
def begin_taking(sight: Sight) -> None:
    """The next instant: nothing is taken yet."""
    sight.taking.lots = 0


@inlined
def find_life(sight: Sight, order_id: int) -> Life:
    """Where this order is remembered, or would be: compare its id."""
    return sight.lives[order_id & (len(sight.lives) - 1)]


@inlined
def note_life(sight: Sight, event: Event, number: int) -> int:
    """Brings what is known of the event's order up to date. Returns the lots that left it with this event; 0
    when it came, or is not known. After the event that ends an order its life has no lots left."""
    life = find_life(sight, event.order_id)
    kind = event.event_type
    if kind == _ADD:
        _begin_life(sight, life, event, number)
        return 0
    if life.order_id != event.order_id or kind == _PRINT:
        return 0
    if kind == _MODIFY:
        _change_life(sight, life, event, number)
        return 0
    gone = life.qty_lots if event.qty == 0 else min(event.qty, life.qty_lots)
    life.qty_lots -= gone
    if kind == _TRADE:
        life.traded = 1
    else:
        sight.bars[sight.bar_count & (len(sight.bars) - 1)].cancel_lots += gone
    return gone


@inlined
def _begin_life(sight: Sight, life: Life, event: Event, number: int) -> None:
    life.order_id = event.order_id
    life.price_ticks = event.price
    life.qty_lots = event.qty
    life.shown_lots = event.qty
    life.born_ns = event.ts
    life.born_event = number
    life.side = event.side
    life.traded = 0
    life.met_lots = sight.bought_lots if event.side == _BID else sight.sold_lots
    touch = sight.bid_ticks if event.side == _BID else sight.ask_ticks
    distance = 0 if touch == 0 else (touch - event.price) * (1 - 2 * event.side)
    life.distance_ticks = max(-_FAR, min(_FAR, distance))


@routine
def _change_life(sight: Sight, life: Life, event: Event, number: int) -> None:
    """A replacement: a new life, unless the order keeps its place."""
    if event.price == life.price_ticks and event.qty <= life.qty_lots:
        life.qty_lots = event.qty
    else:
        _begin_life(sight, life, event, number)


# -- the book after an instant -----------------------------------------------------------------------


@inlined
def read_touch(sight: Sight, book: Book) -> None:
    """The best prices as they are now; those before them go into what is taken."""
    sight.taking.touch_ticks = sight.ask_ticks if sight.taking.side == _BID else sight.bid_ticks
    bid = book.levels[book.sides[_BID].best]
    ask = book.levels[book.sides[_ASK].best]
    sight.bid_ticks = bid.price
    sight.bid_lots = bid.total
    sight.ask_ticks = ask.price
    sight.ask_lots = ask.total


@routine
def depth_of(book: Book, side: int) -> int:
    """Lots of the best DEPTH_LEVELS levels of a side."""
    book_side = book.sides[side]
    rung = book_side.count
    until = max(0, rung - DEPTH_LEVELS)
    total = 0
    while rung > until:
        rung -= 1
        total += book.levels[book_side.rungs[rung].level].total
    return total


# -- bars --------------------------------------------------------------------------------------------


@inlined
def begin_bar(sight: Sight) -> None:
    """The next bar, empty."""
    sight.bar_count += 1
    bar = sight.bars[sight.bar_count & (len(sight.bars) - 1)]
    bar.adds = 0
    bar.cancels = 0
    bar.trades = 0
    bar.bid_add_lots = 0
    bar.ask_add_lots = 0
    bar.cancel_lots = 0
    bar.buy_lots = 0
    bar.sell_lots = 0
    bar.swept_lots = 0
    sight.bar_ends_ns += BAR_NS
    first = _score_place(sight, 0)
    for kind in range(SCORE_KINDS):
        sight.scores[first + kind].value = 0.0


@routine
def end_bar(sight: Sight, book: Book) -> None:
    """What stands at the end of the bar that has been filling."""
    bar = sight.bars[sight.bar_count & (len(sight.bars) - 1)]
    bar.bid_depth_lots = depth_of(book, _BID)
    bar.ask_depth_lots = depth_of(book, _ASK)
    bar.bid_ticks = sight.bid_ticks
    bar.ask_ticks = sight.ask_ticks
    if sight.bid_ticks != 0 and sight.ask_ticks != 0:
        bar.twice_mid_ticks = sight.bid_ticks + sight.ask_ticks
    else:
        bar.twice_mid_ticks = bar_ago(sight, 1).twice_mid_ticks
    bar.events = sight.seen


@inlined
def learn_usual(sight: Sight) -> None:
    """The bar that has ended adds to what is usual."""
    bar = bar_ago(sight, 0)
    depth_lots = (bar.bid_depth_lots + bar.ask_depth_lots) / 2.0
    share = 1.0 / (sight.bar_count + 1) if sight.bar_count < WARM_UP_BARS else 1.0 - _USUAL_KEEP
    if sight.bar_count >= WARM_UP_BARS:
        depth_lots = min(depth_lots, _MOST_TIMES_USUAL * sight.usual_side_lots)
    sight.usual_side_lots += share * (depth_lots - sight.usual_side_lots)
    if bar.adds > 0:
        order_lots = (bar.bid_add_lots + bar.ask_add_lots) / bar.adds
        if sight.bar_count >= WARM_UP_BARS:
            order_lots = min(order_lots, _MOST_TIMES_USUAL * sight.usual_order_lots)
        sight.usual_order_lots += share * (order_lots - sight.usual_order_lots)
    large = max(_LARGE_ORDERS * sight.usual_order_lots, _LARGE_SHARE * sight.usual_side_lots)
    sight.large_lots = max(2, int(large))


@inlined
def bar_ago(sight: Sight, count: int) -> Bar:
    """The bar that ended `count` bars before the one that ends now (0). It must have been, and be kept."""
    return sight.bars[(sight.bar_count - count) & (len(sight.bars) - 1)]


@inlined
def move_over(sight: Sight, bars: int) -> int:
    """Twice the mid's change over the last so many bars; 0 while it was not known then."""
    before = bar_ago(sight, bars).twice_mid_ticks
    return 0 if before == 0 else bar_ago(sight, 0).twice_mid_ticks - before


# -- scores and alarms -------------------------------------------------------------------------------


@inlined
def note_score(sight: Sight, kind: int, value: float) -> None:
    """How near a detector is to its alarm now: 1 is the threshold. Of a bar the highest is kept."""
    row = sight.scores[_score_place(sight, kind)]
    row.value = max(row.value, value)


@inlined
def _score_place(sight: Sight, kind: int) -> int:
    return (sight.bar_count & (SCORE_BARS - 1)) * SCORE_KINDS + kind


@routine
def raise_alarm(
    sight: Sight,
    kind: int,
    time_ns: int,
    start_ns: int,
    first_event: int,
    side: int,
    price_ticks: int,
    order_id: int,
    severity: float,
    statistic: float,
) -> None:
    """Something has been found, at time_ns; the events up to now caused it."""
    row = sight.alarms[sight.alarm_count & (len(sight.alarms) - 1)]
    sight.alarm_count += 1
    row.kind = kind
    row.time_ns = time_ns
    row.start_ns = start_ns
    row.first_event = first_event
    row.last_event = sight.seen
    row.side = side
    row.price_ticks = price_ticks
    row.order_id = order_id
    row.severity = severity
    row.statistic = statistic
