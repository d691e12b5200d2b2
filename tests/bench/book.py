"""Benchmark `book`: applying events, with and without a row of best prices and totals (tops) per event.

Every contender applies the same events to a book that holds the same orders already; those that measure
the same work take turns in one process and must end with the same L2 digest. The rows of best prices of
hot book, C and sorted containers are compared row by row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.book import TOP_DTYPE, HotBook, ReferenceBook
from engine.core.types import EventType
from tests.bench.c_book import CBook
from tests.bench.measure import (
    Benchmark,
    Contender,
    NotHere,
    Requirement,
    Row,
    Step,
    Steps,
    compare,
    take_turns,
)
from tests.bench.nautilus import NautilusDeltas
from tests.bench.streams import mixed_stream, recorded_stream

__all__ = ["BENCHMARK"]

EVENTS, QUICK_EVENTS = 200_000, 20_000
FAST_RUNS, SLOW_RUNS = 9, 3
# Plain integers, because the loop below is measured and an IntEnum compares slowly.
_ADD, _CANCEL, _MODIFY, _TRADE = (
    int(kind) for kind in (EventType.ADD, EventType.CANCEL, EventType.MODIFY, EventType.TRADE)
)
TIMES_C = Requirement(1.25, "at most times")
TIMES_NAUTILUS_SMALL = Requirement(25, "times better")
TIMES_NAUTILUS_LARGE = Requirement(80, "times better")
TIMES_SORTED = Requirement(40, "times better")


class Stream(NamedTuple):
    """Events to measure on."""

    name: str
    make: Callable[[int], np.ndarray]
    """make(events) -> the filling and then the events."""
    filling: int
    """Events before the measured ones."""
    times_nautilus: Requirement


STREAMS = (
    Stream("500k steady events", lambda n: recorded_stream()[:n], 0, TIMES_NAUTILUS_SMALL),
    Stream("mix at 5k live", lambda n: mixed_stream(n, live_orders=5_000), 5_000, TIMES_NAUTILUS_SMALL),
    Stream("mix at 50k live", lambda n: mixed_stream(n, live_orders=50_000), 50_000, TIMES_NAUTILUS_LARGE),
)


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Rows of all streams, ns of CPU per event."""
    fast, slow = (2, 1) if quick else (FAST_RUNS, SLOW_RUNS)
    steps = Steps(report, len(STREAMS) * (1 + 4 * fast + 4 * slow))
    HotBook.warm_up()
    rows: list[Row] = []
    for stream in STREAMS:
        steps.next(f"{stream.name}: making events")
        n = QUICK_EVENTS if quick else 500_000 if stream.filling == 0 else EVENTS
        try:
            events = stream.make(n)
        except NotHere as missing:
            rows.append(compare("book", f"apply {stream.name}", "ns", ours=None, why=str(missing)))
            continue
        rows += _stream_rows(stream, events, fast, slow, steps)
    return rows


BENCHMARK = Benchmark(
    name="book",
    work="apply events: 500k steady, and the 45/40/10/5 mix at 5k and 50k live orders",
    reference="the same algorithm in C (gcc -O3); nautilus_trader; sorted containers",
    requires=(TIMES_C, TIMES_NAUTILUS_SMALL, TIMES_NAUTILUS_LARGE, TIMES_SORTED),
    measure=measure,
)


def _stream_rows(stream: Stream, events: np.ndarray, fast: int, slow: int, steps: Steps) -> list[Row]:
    filling, measured = events[: stream.filling], events[stream.filling :]
    missing: dict[str, str] = {}
    plain, with_rows = [_hot(filling, measured, fast)], [_hot_tops(filling, measured, fast)]
    try:
        plain.append(_c(filling, measured, fast))
        with_rows.append(_c_tops(filling, measured, fast))
    except NotHere as reason:
        missing["C"] = str(reason)
    try:
        deltas = NautilusDeltas(events, stream.filling)
        digest = NautilusDeltas.digest
        plain.append(Contender("nautilus", deltas.book, deltas.apply, digest, slow))
        with_rows.append(Contender("nautilus", deltas.book, deltas.apply_and_read, digest, slow))
    except NotHere as reason:
        missing["nautilus"] = str(reason)
    plain.append(_sorted(filling, measured, slow))
    with_rows.append(_sorted_rows(filling, measured, slow))
    timings = take_turns(plain, steps, where=stream.name)
    top_timings = take_turns(with_rows, steps, where=f"{stream.name}, tops")
    _same_rows(filling, measured)

    def row(name: str, told: str, among: dict[str, Any], requires: Requirement | None) -> Row:
        ours, theirs = among["hot"], among.get(name)
        best = ", a row of tops" if among is top_timings else ""
        return compare(
            "book",
            f"apply {stream.name}{best}",
            "ns",
            ours=ours.cpu_ns / len(measured),
            reference=told,
            theirs=None if theirs is None else theirs.cpu_ns / len(measured),
            requires=requires,
            better=True,
            why=missing.get(name, ""),
        )

    return [
        row("C", "C, same algorithm", timings, TIMES_C),
        row("nautilus", "nautilus_trader, batches", timings, None),
        row("sorted", "sorted containers", timings, None),
        row("C", "C, same algorithm", top_timings, TIMES_C),
        row("nautilus", "nautilus_trader, apply + best", top_timings, stream.times_nautilus),
        row("sorted", "sorted containers", top_timings, TIMES_SORTED),
    ]


class _State(NamedTuple):
    """A book before its measured events, and where rows of best prices go."""

    book: Any
    tops: Any = None

    def digest(self) -> int:
        digest: int = self.book.digest()
        return digest


def _hot(filling: np.ndarray, events: np.ndarray, runs: int) -> Contender:
    return Contender(
        "hot", lambda: _filled(HotBook(), filling), lambda s: s.book.apply(events), _State.digest, runs
    )


def _hot_tops(filling: np.ndarray, events: np.ndarray, runs: int) -> Contender:
    return Contender(
        "hot",
        lambda: _filled(HotBook(), filling, _touched_tops(len(events))),
        lambda s: s.book.apply(events, s.tops),
        _State.digest,
        runs,
    )


def _c(filling: np.ndarray, events: np.ndarray, runs: int) -> Contender:
    CBook()  # compiles, or says that it cannot
    return Contender(
        "C", lambda: _filled(CBook(), filling), lambda s: s.book.apply(events), _State.digest, runs
    )


def _c_tops(filling: np.ndarray, events: np.ndarray, runs: int) -> Contender:
    return Contender(
        "C",
        lambda: _filled(CBook(), filling, _touched_tops(len(events))),
        lambda s: s.book.apply(events, s.tops),
        _State.digest,
        runs,
    )


def _sorted(filling: np.ndarray, events: np.ndarray, runs: int) -> Contender:
    return Contender(
        "sorted",
        lambda: _filled(ReferenceBook(), filling),
        lambda s: s.book.apply(events),
        _State.digest,
        runs,
    )


def _sorted_rows(filling: np.ndarray, events: np.ndarray, runs: int) -> Contender:
    return Contender(
        "sorted",
        lambda: _filled(ReferenceBook(), filling),
        lambda s: reference_rows(s.book, events),
        _State.digest,
        runs,
    )


def _filled(book: Any, filling: np.ndarray, tops: np.ndarray | None = None) -> _State:
    if len(filling):
        book.apply(filling)
    return _State(book, tops)


def _touched_tops(n: int) -> np.ndarray:
    """Rows whose memory is there already: the first touch of a page costs more than an event."""
    return np.full(n, np.ones(1, TOP_DTYPE))


def _same_rows(filling: np.ndarray, events: np.ndarray) -> None:
    """Raises AssertionError where two contenders' rows of best prices differ."""
    expected = np.array(reference_rows(_filled(ReferenceBook(), filling).book, events), TOP_DTYPE)
    for name, book in (("hot", HotBook()), ("C", _c_or_none())):
        if book is None:
            continue
        state = _filled(book, filling, _touched_tops(len(events)))
        state.book.apply(events, state.tops)
        wrong = np.flatnonzero(state.tops != expected)
        assert not len(wrong), (
            f"{name}: best prices after event {wrong[0]} are {state.tops[wrong[0]]}, not {expected[wrong[0]]}"
        )


def _c_or_none() -> CBook | None:
    try:
        return CBook()
    except NotHere:
        return None


def reference_rows(book: ReferenceBook, events: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Applies the events to a reference book; best prices and totals after each (0, 0: an empty side)."""
    rows = []
    columns = (events[name].tolist() for name in ("event_type", "order_id", "side", "price", "qty"))
    for kind, order_id, side, price, qty in zip(*columns, strict=True):
        if kind == _ADD:
            book.add(order_id, side, price, qty)
        elif kind == _CANCEL:
            book.cancel(order_id, qty)
        elif kind == _TRADE:
            book.trade(order_id, qty)
        elif kind == _MODIFY:
            book.modify(order_id, side, price, qty)
        bid, ask = book.best_bid, book.best_ask
        bid_lots = 0 if bid is None else book.level(0, bid)[0]
        ask_lots = 0 if ask is None else book.level(1, ask)[0]
        rows.append((bid or 0, bid_lots, ask or 0, ask_lots))
    return rows
