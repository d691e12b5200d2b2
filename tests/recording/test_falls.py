"""What a storm did to the equity of a target, whenever it is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.recording.falls import WATCHED_LIMIT, EquityFalls

S = 1_000_000_000


def fall_of(samples: list[tuple[float, int]], *, begin: float = 10, end: float | None = 20):
    """One storm between samples of (second, equity)."""
    falls = EquityFalls()
    moments = [(round(time * S), "sample", equity) for time, equity in samples]
    moments.append((round(begin * S), "begin", 0))
    if end is not None:
        moments.append((round(end * S), "end", 0))
    for time_ns, what, equity in sorted(moments, key=lambda one: (one[0], one[1] == "sample")):
        if what == "begin":
            falls.begin(0, time_ns)
        elif what == "end":
            falls.end(0, time_ns)
        else:
            falls.observe(time_ns, equity)
    return falls.falls[0]


def test_recovery_counts_from_the_low_to_the_first_sample_that_is_back_and_stays():
    fall = fall_of([(9, 100), (11, 90), (12, 101), (13, 70), (15, 80), (21, 99), (23, 100), (24, 50)])
    assert (fall.before, fall.fell, fall.low_ns) == (100, 30, 13 * S)
    assert fall.recovery_ns == 10 * S


def test_equity_that_never_came_back_has_not_recovered():
    fall = fall_of([(9, 100), (11, 90), (21, 95), (300, 99)])
    assert (fall.fell, fall.recovery_ns) == (10, None)


def test_a_target_that_was_not_hurt_needs_no_time():
    fall = fall_of([(9, 100), (11, 100), (15, 120), (21, 110)])
    assert (fall.fell, fall.recovery_ns) == (0, 0)


def test_back_before_the_end_counts_only_if_it_holds_until_the_end():
    assert fall_of([(9, 100), (11, 90), (12, 100), (21, 100)]).recovery_ns == 1 * S
    assert fall_of([(9, 100), (11, 90), (12, 100), (19, 95), (21, 95)]).recovery_ns is None


def test_a_low_long_after_the_end_is_not_the_storms():
    fall = fall_of([(9, 100), (11, 90), (21, 85), (30, 10), (40, 100)])
    assert (fall.fell, fall.low_ns) == (15, 21 * S)
    assert fall.recovery_ns == 19 * S


def test_without_a_sample_before_it_nothing_is_known():
    fall = fall_of([(11, 90), (30, 95)])
    assert (fall.before, fall.fell, fall.recovery_ns) == (None, None, None)


def test_the_last_storms_are_watched_and_an_older_one_stays_as_it_is():
    falls = EquityFalls()
    falls.observe(S, 100)
    for number in range(WATCHED_LIMIT + 1):
        falls.begin(number, 2 * S + number)
    falls.observe(3 * S, 40)
    assert falls.falls[0].fell is None
    assert falls.falls[WATCHED_LIMIT].fell == 60


steps = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 20)), min_size=2, max_size=20)


@given(steps, st.integers(1, 60), st.integers(1, 30))
def test_a_storm_told_at_the_end_of_the_slice_gives_the_same(pairs, begin, length):
    """The recorder reads the deck after the sample of the same instant, `verify` before it."""
    samples, at = [], 0
    for gap, equity in pairs:
        at += gap
        samples.append((at, equity))
    ends = {"begin": begin, "end": begin + length}
    late, prompt = EquityFalls(), EquityFalls()
    told: set[str] = set()
    heard: set[str] = set()
    for time_ns, equity in samples:
        for what, happened in ends.items():
            if happened <= time_ns and what not in heard:
                heard.add(what)
                getattr(prompt, what)(0, happened)
        prompt.observe(time_ns, equity)
        late.observe(time_ns, equity)
        for what, happened in ends.items():
            if happened <= time_ns and what not in told:
                told.add(what)
                getattr(late, what)(0, happened)
    if 0 in prompt.falls:
        one, other = prompt.falls[0], late.falls[0]
        assert (one.before, one.fell, one.recovery_ns) == (other.before, other.fell, other.recovery_ns)
