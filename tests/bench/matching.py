"""Benchmark `matching`: mixed orders against a book that fills and empties, in a batch and one by one.

All contenders carry out the same requests on a book with the same resting orders, and must end with the
same L2 digest; ours and the sorted containers with the same trades too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from engine.book.digest import book_digest
from tests.bench.matching_ours import OurMatcher, our_matcher
from tests.bench.matching_sorted import SortedMatcher
from tests.bench.matching_stream import RequestKind, mixed_requests
from tests.bench.measure import (
    Benchmark,
    Contender,
    NotHere,
    Requirement,
    Row,
    Step,
    Steps,
    Timing,
    compare,
    take_turns,
)

__all__ = ["BENCHMARK"]

ORDERS, QUICK_ORDERS = 2_000_000, 40_000
LIVE_ORDERS = (5_000, 50_000)
FAST_RUNS, SLOW_RUNS = 6, 2
TIMES_BATCH = Requirement(25, "times better")
TIMES_SINGLE = Requirement(2, "times better")
Requests = list[tuple[int, int, int, int, int]]
"""Rows of REQUEST_DTYPE: (order_id, price, lots, kind, side)."""
# Plain integers, because the loops below are measured and an IntEnum compares slowly.
_LIMIT, _MARKET, _IOC, _CANCEL = (int(kind) for kind in RequestKind)
NO_LIBRARY = "limit-order-book is not installed: pip install -e '.[bench]'"


def measure(quick: bool, report: Callable[[Step], None]) -> list[Row]:
    """Rows of both sizes, ns of CPU per order."""
    fast, slow = (2, 1) if quick else (FAST_RUNS, SLOW_RUNS)
    steps = Steps(report, len(LIVE_ORDERS) * (1 + fast + 3 * slow))
    rows: list[Row] = []
    for live in LIVE_ORDERS:
        steps.next(f"{live:,} live: making orders")
        n = QUICK_ORDERS if quick else ORDERS
        rows += _rows(Stream(mixed_requests(n, live_orders=live), live), fast, slow, steps)
    return rows


BENCHMARK = Benchmark(
    name="matching",
    work="match 2M mixed orders at 5k and 50k live orders, in a batch and one per call",
    reference="limit-order-book (C++ package); sorted containers",
    requires=(TIMES_BATCH, TIMES_SINGLE),
    measure=measure,
)


class Stream:
    """Requests, in the forms that the contenders take; the first `filling` come before the measured ones."""

    def __init__(self, requests: np.ndarray, filling: int) -> None:
        self.live = filling
        self.filling, self.requests = requests[:filling], requests[filling:]
        self.prepared = OurMatcher.prepare(self.requests)
        self.filling_rows: Requests = self.filling.tolist()
        self.rows: Requests = self.requests.tolist()
        self.prices = range(
            int(requests["price_ticks"][requests["price_ticks"] > 0].min()),
            int(requests["price_ticks"].max()) + 1,
        )


def _rows(stream: Stream, fast: int, slow: int, steps: Steps) -> list[Row]:
    missing: dict[str, str] = {}
    contenders = [
        Contender("sorted", lambda: _filled(SortedMatcher(), stream), _one_by_one, _digest, slow),
        Contender("batch", lambda: _filled(our_matcher(), stream), _batch, _digest, fast),
        Contender("single", lambda: _filled(our_matcher(), stream), _one_by_one, _digest, slow),
    ]
    try:
        _Library()
        contenders.append(
            Contender("library", lambda: _filled(_Library(), stream), _one_by_one, _digest, slow)
        )
    except NotHere as reason:
        missing["library"] = str(reason)
    timings = take_turns(contenders, steps, where=f"{stream.live:,} live")
    if "batch" in timings:
        _same_trades(stream)

    def row(work: str, ours: str, theirs: str, requires: Requirement) -> Row:
        return compare(
            "matching",
            f"{work}, {stream.live:,} live",
            "ns",
            ours=_per_order(timings.get(ours), stream),
            reference={"sorted": "sorted containers", "library": "limit-order-book (C++)"}[theirs],
            theirs=_per_order(timings.get(theirs), stream),
            requires=requires,
            why=missing.get(theirs) or missing.get(ours, ""),
        )

    return [
        row("match a batch", "batch", "library", TIMES_BATCH),
        row("match a batch", "batch", "sorted", TIMES_BATCH),
        row("match one per call", "single", "library", TIMES_SINGLE),
    ]


def _per_order(timing: Timing | None, stream: Stream) -> float | None:
    return None if timing is None else timing.cpu_ns / len(stream.requests)


class _State(NamedTuple):
    """A matching engine with its filling, and what comes next."""

    matcher: Any
    stream: Stream


def _filled(matcher: Any, stream: Stream) -> _State:
    _carry_out(matcher, stream.filling_rows)
    return _State(matcher, stream)


def _batch(state: _State) -> None:
    state.matcher.match(state.stream.prepared)


def _one_by_one(state: _State) -> None:
    _carry_out(state.matcher, state.stream.rows)


def _digest(state: _State) -> int:
    matcher = state.matcher
    digest: int = (
        matcher.digest_of(state.stream.prices) if isinstance(matcher, _Library) else matcher.digest()
    )
    return digest


def _carry_out(matcher: Any, rows: Requests) -> None:
    if isinstance(matcher, _Library):
        matcher.carry_out(rows)
        return
    limit, ioc, market, cancel = matcher.limit, matcher.ioc, matcher.market, matcher.cancel
    for order_id, price, lots, kind, side in rows:
        if kind == _LIMIT:
            limit(order_id, side, price, lots)
        elif kind == _CANCEL:
            cancel(order_id)
        elif kind == _MARKET:
            market(order_id, side, lots)
        else:
            ioc(order_id, side, price, lots)


def _same_trades(stream: Stream) -> None:
    """Raises AssertionError where ours trades otherwise than the sorted containers."""
    ours, plain = _filled(our_matcher(), stream), _filled(SortedMatcher(), stream)
    _batch(ours)
    _one_by_one(plain)
    found = (ours.matcher.trades, ours.matcher.lots_traded)
    expected = (plain.matcher.trades, plain.matcher.lots_traded)
    assert found == expected, f"{stream.live:,} live: (trades, lots) are {found}, not {expected}"


class _Library:
    """limit-order-book's book. It has no immediate-or-cancel: a limit order is cancelled if it rests."""

    def __init__(self) -> None:
        try:
            from limit_order_book import LimitOrderBook
        except ImportError:
            raise NotHere(NO_LIBRARY) from None
        self._book = LimitOrderBook()

    def carry_out(self, rows: Requests) -> None:
        """All requests, through its own methods and nothing in between."""
        book = self._book
        limits, markets = (book.limit_buy, book.limit_sell), (book.market_buy, book.market_sell)
        has, cancel = book.has, book.cancel
        for order_id, price, lots, kind, side in rows:
            if kind == _LIMIT:
                limits[side](order_id, lots, price)
            elif kind == _CANCEL:
                cancel(order_id)
            elif kind == _MARKET:
                markets[side](order_id, lots)
            else:
                limits[side](order_id, lots, price)
                if has(order_id):
                    cancel(order_id)

    def digest_of(self, prices: range) -> int:
        """Our digest, of the levels within these prices (it cannot list its levels)."""
        bids, asks = (
            [(price, lots) for price in order if (lots := volume(price))]
            for order, volume in (
                (reversed(prices), self._book.volume_buy),
                (prices, self._book.volume_sell),
            )
        )
        return book_digest(bids, asks)
