"""What the benchmarks stand on: their streams are what they say, and the C book knows the rules."""

from __future__ import annotations

import numpy as np
import pytest

from engine.book import TOP_DTYPE, ReferenceBook
from tests.bench.c_book import CBook
from tests.bench.catalogue import NAMES, load
from tests.bench.matching_sorted import SortedMatcher
from tests.bench.matching_stream import RequestKind, mixed_requests
from tests.bench.measure import Contender, NotHere, Requirement, Step, Steps, compare, take_turns
from tests.bench.streams import mixed_stream
from tests.book.streams import itch_stream, steady_stream


@pytest.fixture
def c_book() -> CBook:
    try:
        return CBook()
    except NotHere as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_says_what_it_is_about(name: str) -> None:
    benchmark = load(name)
    assert benchmark.work
    assert benchmark.reference
    assert benchmark.requires


def test_the_mix_keeps_its_shares_and_its_number_of_live_orders() -> None:
    events = mixed_stream(20_000, live_orders=1_000)
    book = ReferenceBook()
    book.apply(events[:1_000])
    counts = book.apply(events[1_000:])
    assert (
        counts.added + counts.cancelled + counts.partially_cancelled + counts.modified + counts.traded
    ) == 20_000
    shares = [counts.added, counts.cancelled + counts.partially_cancelled, counts.traded, counts.modified]
    assert [round(share / 200) for share in shares] == pytest.approx([45, 40, 10, 5], abs=1)
    assert book.order_count == pytest.approx(1_000, rel=0.2)
    assert not book.crossed


def test_the_requests_keep_their_shares_and_cancel_what_rests() -> None:
    requests = mixed_requests(20_000, live_orders=1_000)
    matcher = SortedMatcher()
    for order_id, price, lots, kind, side in requests.tolist():
        if kind == RequestKind.LIMIT:
            matcher.limit(order_id, side, price, lots)
        elif kind == RequestKind.MARKET:
            matcher.market(order_id, side, lots)
        elif kind == RequestKind.IOC:
            matcher.ioc(order_id, side, price, lots)
        else:
            assert order_id in matcher.orders
            matcher.cancel(order_id)
    shares = np.bincount(requests["kind"][1_000:]) / 200
    assert shares.round().tolist() == pytest.approx([57, 5, 5, 33], abs=1)
    assert len(matcher.orders) == pytest.approx(1_000, rel=0.1)
    assert matcher.trades > 1_000


@pytest.mark.parametrize(
    "events",
    [itch_stream(20_000), steady_stream(20_000, width_ticks=400), mixed_stream(20_000, live_orders=3_000)],
    ids=["itch", "many levels", "mix"],
)
def test_the_c_book_gives_our_digest(c_book: CBook, events: np.ndarray) -> None:
    book = ReferenceBook()
    book.apply(events)
    tops = np.zeros(len(events), TOP_DTYPE)
    c_book.apply(events, tops)
    assert c_book.digest() == book.digest()
    assert (tops[-1]["bid_price"], tops[-1]["ask_price"]) == (book.best_bid, book.best_ask)


def test_contenders_that_come_to_different_results_are_told() -> None:
    steps: list[Step] = []
    contenders = [
        Contender(name, lambda: None, lambda _state: None, lambda _state, n=name: n, 1) for name in ("a", "b")
    ]
    with pytest.raises(AssertionError, match="different results"):
        take_turns(contenders, Steps(steps.append, 2), where="here")
    assert [step.what for step in steps] == ["here: a", "here: b"]


def test_contenders_take_turns_as_often_as_they_have_runs() -> None:
    turns: list[str] = []
    contenders = [
        Contender("fast", lambda: None, lambda _state: turns.append("f"), runs=6),
        Contender("slow", lambda: None, lambda _state: turns.append("s"), runs=2),
    ]
    take_turns(contenders, Steps(lambda _step: None, 8), where="here")
    assert "".join(turns) == "fsfffsff"


@pytest.mark.parametrize(
    ("requires", "ours", "theirs", "unit", "ratio", "verdict"),
    [
        (Requirement(1.25, "at most times"), 12.0, 10.0, "ns", 1.2, "ok"),
        (Requirement(1.25, "at most times"), 13.0, 10.0, "ns", 1.3, "short"),
        (Requirement(25, "times better"), 10.0, 300.0, "ns", 30.0, "ok"),
        (Requirement(2, "times better"), 30.0, 10.0, "events/s", 3.0, "ok"),
        (Requirement(3e6, "at least", "events/s"), 2e6, None, "events/s", None, "short"),
        (Requirement(40, "at most more", "ns"), 130.0, 100.0, "ns", 1.3, "ok"),
        (Requirement(40, "at most more", "ns"), 130.0, None, "ns", None, "–"),
        (Requirement(8, "at most", "ms"), None, 1.0, "ms", None, "–"),
    ],
)
def test_a_verdict_follows_its_requirement(
    requires: Requirement, ours: float, theirs: float, unit: str, ratio: float, verdict: str
) -> None:
    row = compare("b", "work", unit, ours=ours, theirs=theirs, requires=requires)
    assert row.ratio == (None if ratio is None else pytest.approx(ratio))
    assert row.verdict == verdict
