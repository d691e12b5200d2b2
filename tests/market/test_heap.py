"""The heap: by time, and at one time in the order of scheduling."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.rng import Stream
from engine.market.heap import drop_first, schedule
from engine.market.records import Due
from tests.market.checked_market import LoopedExchange


@settings(max_examples=60)
@given(st.lists(st.none() | st.integers(0, 30), max_size=120))
def test_the_heap_gives_back_by_time_and_then_by_sequence(steps):
    """A number schedules, None takes the first out; the judge is a sorted list."""
    exchange = LoopedExchange()
    market = exchange.market
    expected: list[tuple[int, int]] = []
    for step in steps:
        if step is not None:
            schedule(market, market.now_ns + step, int(Due.PYTHON), 0)
            expected.append((market.now_ns + step, market.sequence))
            expected.sort()
        elif expected:
            first = market.heap[0]
            assert (first.time_ns, first.sequence) == expected.pop(0)
            market.now_ns = first.time_ns
            market.processed += 1
            drop_first(market)
        assert market.waiting == len(expected)
        exchange._check()


def test_thousands_of_happenings_run_in_order(kernel_path):
    """With many at the same times, scheduled before and while they run."""
    exchange, draw = LoopedExchange(), Stream(1, 1)
    ran: list[tuple[int, int]] = []
    scheduled = 0

    def add(time_ns: int) -> None:
        nonlocal scheduled
        scheduled += 1
        exchange.kernel.schedule(time_ns, take, scheduled)

    def take(time_ns: int, number: int) -> None:
        ran.append((time_ns, number))
        for _ in range(draw.below(3) if scheduled < 6_000 else 0):
            add(time_ns + draw.below(40))

    for _ in range(2_000):
        add(draw.below(300))
    exchange.loop.run_until(1_000)
    assert len(ran) == scheduled > 5_000
    assert ran == sorted(ran)
    exchange._check()
