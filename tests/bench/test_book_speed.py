"""Speed of the hot book beside the reference book, in one run: the ratio is what holds on any machine."""

from __future__ import annotations

import time

import pytest

from engine.book import HotBook, ReferenceBook
from tests.book.streams import steady_stream

EVENTS = 200_000


@pytest.mark.bench
@pytest.mark.parametrize("live_orders", [5_000, 50_000])
def test_hot_book_against_reference_book(capsys, live_orders):
    stream = steady_stream(EVENTS, live_orders=live_orders)
    filling, steady = stream[:live_orders], stream[live_orders:]
    HotBook.warm_up()

    def ns_per_event(book_class, repetitions):
        times = []
        for _ in range(repetitions):
            book = book_class()
            book.apply(filling)
            started = time.process_time_ns()
            book.apply(steady)
            times.append(time.process_time_ns() - started)
        return min(times) / EVENTS, book.digest()

    hot_ns, hot_digest = ns_per_event(HotBook, 9)
    reference_ns, reference_digest = ns_per_event(ReferenceBook, 3)
    assert hot_digest == reference_digest
    with capsys.disabled():
        print(
            f"\nbook, {live_orders:,} live orders, CPU ns per event: hot {hot_ns:.0f}, "
            f"reference {reference_ns:.0f}, ratio {reference_ns / hot_ns:.1f}"
        )
